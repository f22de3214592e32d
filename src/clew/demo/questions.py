"""Five questions about what the demo did, each asked as a person would ask it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import format_time
from clew.demo.blueprint import DemoOrder
from clew.lineage.parameters import LineageQuery
from clew.lineage.remote import LineageClient
from clew.surfaces.cli.views.lineages import lineage_lines
from clew.surfaces.cli.views.services import service_table
from clew.surfaces.cli.views.sql import row_table
from clew.surfaces.cli.views.timeline import event_table
from clew.surfaces.cli.views.trace import trace_lines
from clew.telemetry.query.parameters import LogQuery, ServiceQuery
from clew.twin.parameters import ObjectQuery, TimelineQuery
from clew.twin.remote import TwinClient

if TYPE_CHECKING:
    from collections.abc import Callable

    from clew.surfaces.cli.grid import Line
    from clew.telemetry.remote import Reply, TelemetryClient

SLOWEST = """\
SELECT TraceId, Duration / 1e6 AS duration_ms FROM otel_traces
WHERE ParentSpanId = '' AND ResourceAttributes['deployment.environment.name'] = 'demo'
  AND Timestamp >= toDateTime64('{since}', 9, 'UTC')
ORDER BY Duration DESC LIMIT 1"""

TOKENS = """\
SELECT SpanAttributes['gen_ai.request.model'] AS model, count() AS calls,
  sum(toUInt64OrZero(SpanAttributes['gen_ai.usage.input_tokens'])) AS input_tokens,
  sum(toUInt64OrZero(SpanAttributes['gen_ai.usage.output_tokens'])) AS output_tokens
FROM otel_traces
WHERE SpanAttributes['gen_ai.operation.name'] = 'chat'
  AND Timestamp >= toDateTime64('{since}', 9, 'UTC')
GROUP BY model ORDER BY input_tokens DESC"""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, the command that asks it, the server's answer and how long that took."""

    question: str
    command: str
    server_ms: float | None
    document: Any
    draw: Callable[[int], list[Line]]


def ask_all(client: TelemetryClient, since: str, answer_id: str | None) -> list[Asked]:
    """Ask about everything since a moment (RFC 3339, UTC), and about an answer of the assistant.

    Raises:
        ClewError: what the server says; NOT_FOUND when nothing of the demo arrived.
    """
    asked = [_slowest(client, since), _errors(client, since), _tokens(client, since)]
    order = _order(TwinClient(client.server), since)
    answer = None if answer_id is None else _answer(LineageClient(client.server), answer_id)
    return [*asked, *(each for each in (order, answer) if each is not None)]


def _slowest(client: TelemetryClient, since: str) -> Asked:
    rows = client.run_sql(SLOWEST.format(since=_clickhouse_time(since))).document().rows
    if not rows:
        raise ClewError(
            ErrorCode.NOT_FOUND,
            "nothing of the demo arrived",
            hint="look what the server took in: clew ingest",
        )
    trace_id = str(rows[0]["TraceId"])
    reply = client.get_trace(trace_id)
    trace = reply.document()
    logs = client.find_logs(LogQuery(trace_id=trace_id)).document().logs

    def draw(width: int) -> list[Line]:
        return trace_lines(trace, logs, width)

    return _asked(
        "Where did the slowest request spend its time?", f"clew trace {trace_id}", reply, draw
    )


def _errors(client: TelemetryClient, since: str) -> Asked:
    reply = client.list_services(ServiceQuery(start=since))
    services = reply.document()

    def draw(width: int) -> list[Line]:
        return service_table(services, width)

    return _asked(
        "Which service fails, and how often?", f"clew services --start {since}", reply, draw
    )


def _tokens(client: TelemetryClient, since: str) -> Asked:
    statement = TOKENS.format(since=_clickhouse_time(since))
    reply = client.run_sql(statement)
    answer = reply.document()

    def draw(width: int) -> list[Line]:
        return row_table(answer, width)

    return _asked("How many tokens did each model use?", f'clew sql "{statement}"', reply, draw)


def _order(client: TwinClient, since: str) -> Asked | None:
    """Ask what became of the order that changed last; None where nobody ordered anything."""
    kind = DemoOrder.get_type_name()
    found = client.find_objects(ObjectQuery(type=kind, start=since, limit=1)).document().objects
    if not found:
        return None
    until = format_time(time.time_ns())
    name = found[0].id
    reply = client.find_events(kind, name, TimelineQuery(start=since, end=until))
    events = reply.document()

    def draw(width: int) -> list[Line]:
        return event_table(events, width)

    command = f"clew timeline {kind} {name} --start {since} --end {until}"
    return _asked("What became of an order, and which span made it so?", command, reply, draw)


def _answer(client: LineageClient, trace_id: str) -> Asked:
    """Ask what an answer of the assistant rests on, in every process that had to do with it."""
    reply = client.get_lineage(trace_id, LineageQuery())
    found = reply.document()

    def draw(width: int) -> list[Line]:
        return lineage_lines(found, width)

    question = "Why does this answer of the assistant exist?"
    return _asked(question, f"clew lineage {trace_id}", reply, draw)


def _asked(
    question: str, command: str, reply: Reply[Any], draw: Callable[[int], list[Line]]
) -> Asked:
    return Asked(question, command, reply.server_ms, msgspec.json.decode(reply.body), draw)


def _clickhouse_time(since: str) -> str:
    """Return an RFC 3339 time in UTC as a text that the engine reads."""
    return since.removesuffix("Z").replace("T", " ")
