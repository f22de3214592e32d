"""`clew traces` and `clew trace`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from clew.base.errors import ClewError, ErrorCode
from clew.surfaces.cli.errors import ExitCode
from clew.surfaces.cli.flags import FILTERS, AnswerFlags, SpanFlags, Switch, to_query
from clew.surfaces.cli.scope import ScopeFlags, scoped
from clew.surfaces.cli.session import Listing, Session, paged
from clew.surfaces.cli.suggest import explain_nothing
from clew.surfaces.cli.views.spans import span_legend, span_table, trace_legend, trace_table
from clew.surfaces.cli.views.trace import trace_lines, trace_notes
from clew.telemetry.query.parameters import LogQuery, SpanQuery

if TYPE_CHECKING:
    from clew.surfaces.cli.grid import Line
    from clew.telemetry.documents import LogRecord, Trace

# A trace with more log records than this is read with `clew logs --trace-id`.
TRACE_LOGS_MAX = 1000


def traces(
    *,
    flags: SpanFlags | None = None,
    scope: ScopeFlags | None = None,
    answer: AnswerFlags | None = None,
) -> ExitCode:
    """Find spans, or the traces that hold them."""
    session = Session(answer)
    query = scoped(to_query(flags, SpanQuery), scope, session.client.server)
    listing: Listing[Any]
    if query.view == "traces":
        found = paged(session.client.find_traces, query)
        listing = Listing(found(), "traces", "trace", trace_table, found, legend=trace_legend)
    else:
        spans = paged(session.client.find_spans, query)
        table = partial(span_table, text=query.text)
        listing = Listing(spans(), "spans", "span", table, spans, legend=span_legend)
    return session.show(listing, lambda: explain_nothing(session.client, "spans", flags))


@Parameter(name="*", group=FILTERS)
@dataclass(frozen=True, kw_only=True)
class TraceFlags:
    """What `clew trace` shows beside the tree."""

    logs: Annotated[bool, Parameter(show_default=False)] = True
    """Log records below the spans that wrote them (in a table)."""

    details: Switch = False
    """Attributes and stack traces below every span (in a table)."""

    attributes: Literal["text", "typed"] | None = None
    """Attribute values as text, or as typed JSON. [default: text]"""

    own: Switch = False
    """A trace that clew tells of itself."""


def trace(
    trace_id: Annotated[str, Parameter(help="The trace's id, 32 hexadecimal digits.")],
    /,
    *,
    flags: TraceFlags | None = None,
    answer: AnswerFlags | None = None,
) -> ExitCode:
    """Show one trace as a tree."""
    flags = flags or TraceFlags()
    session = Session(answer)
    typed = flags.attributes == "typed"
    reply = session.client.get_trace(trace_id, typed=typed, own=flags.own)
    logs: list[LogRecord] = []
    if flags.logs and not flags.own and session.format == "table":
        query = LogQuery(trace_id=trace_id, limit=TRACE_LOGS_MAX)
        logs = sorted(
            session.client.find_logs(query).document().logs, key=lambda record: record.timestamp
        )

    def table(document: Trace, width: int) -> list[Line]:
        return trace_lines(document, logs, width, details=flags.details)

    listing = Listing(
        reply,
        "spans",
        "span",
        table,
        how=f"clew traces --trace-id {trace_id} gives the spans page by page",
        legend=trace_notes,
    )
    return session.show(listing, lambda: _no_trace(trace_id))


def _no_trace(trace_id: str) -> ClewError:
    return ClewError(
        ErrorCode.NOT_FOUND, f"no span of trace {trace_id} is here", hint="clew traces lists some"
    )
