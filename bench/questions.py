"""The questions that stores are asked, and what they are asked about.

Each question is asked again and again about something else (another trace, another value), so that
no answer is a cached one. The things asked about come from the generator, spread over the store.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

import msgspec
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

from bench import peer
from bench.companions import CODES, COUNTER, log_code
from bench.data import (
    BLOCK_SPANS,
    FILL_START_NS,
    SpanRequests,
)
from bench.fill import duration_ns
from clew.telemetry.analytics.parameters import AnomalyQuery, SummaryQuery, TopologyQuery
from clew.telemetry.query.parameters import (
    LogQuery,
    SeriesQuery,
    ServiceQuery,
    SpanQuery,
)
from clew.telemetry.tables import TRACES

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.service import Services

NEWEST: Final = 20
"""How many rows a search returns, as in the peers' published figures."""

HOUR_NS: Final = 3600 * 10**9
LONG_MS: Final = 100.0
"""About one span in a hundred lasts longer."""

_BOUNDS_MS: Final = (1.0, 500.0)
"""The bounds of the question with all filters; most spans lie between them."""


@dataclass(frozen=True, slots=True)
class Target:
    """Something that is in the store, with its surroundings."""

    trace_id: str
    service: str
    operation: str
    attribute: tuple[str, str]
    log_code: str
    at_ns: int
    begin_ns: int
    end_ns: int
    """`begin_ns` and `end_ns` bound the later half of the store's time."""

    @property
    def hour(self) -> tuple[int, int]:
        """The hour around `at_ns`, within the store's time where that is an hour at least."""
        begin = max(FILL_START_NS, min(self.at_ns, self.end_ns - HOUR_NS))
        return begin, begin + HOUR_NS

    @property
    def minutes(self) -> tuple[int, int]:
        """Five minutes from `at_ns` on."""
        return self.at_ns, self.at_ns + 300 * 10**9


def targets(spans: int, count: int) -> list[Target]:
    """Return things to ask about, spread evenly over a store filled with so many spans."""
    blocks = spans // BLOCK_SPANS
    end = FILL_START_NS + duration_ns(spans)
    found = []
    for number in range(count):
        (body,) = SpanRequests(BLOCK_SPANS).block((2 * number + 1) * blocks // (2 * count))
        request = trace_service_pb2.ExportTraceServiceRequest.FromString(body)
        span = request.resource_spans[0].scope_spans[0].spans[number * 10 + 3]
        attribute = span.attributes[number % 10]
        found.append(
            Target(
                trace_id=span.trace_id.hex(),
                service=request.resource_spans[0].resource.attributes[0].value.string_value,
                operation=span.name,
                attribute=(attribute.key, attribute.value.string_value),
                log_code=log_code((number * 1237 + 11) % CODES),
                at_ns=span.start_time_unix_nano // 10**9 * 10**9,
                begin_ns=(FILL_START_NS + end) // 2,
                end_ns=end,
            )
        )
    return found


@dataclass(frozen=True, slots=True)
class Question:
    """A question as REST asks it: the route below ``/api/v1/`` and its parameters."""

    route: str
    parameters: (
        SpanQuery
        | LogQuery
        | ServiceQuery
        | SeriesQuery
        | SummaryQuery
        | AnomalyQuery
        | TopologyQuery
        | None
    ) = None

    @property
    def url(self) -> str:
        """The path and query string."""
        fields = msgspec.structs.fields(self.parameters) if self.parameters else ()
        given = [(f.name, getattr(self.parameters, f.name)) for f in fields]
        defaults = {f.name: f.default for f in fields}
        pairs = [
            (name, str(item))
            for name, value in given
            if value != defaults[name]
            for item in (value if isinstance(value, list) else [value])
        ]
        return f"/api/v1/{self.route}" + (f"?{urlencode(pairs)}" if pairs else "")

    def ask(self, services: Services) -> int:
        """Ask the services themselves and return how many things came back."""
        service = services.query
        match self.parameters:
            case SpanQuery():
                return service.find_spans(self.parameters).count
            case LogQuery():
                return service.find_logs(self.parameters).count
            case ServiceQuery():
                return service.list_services(self.parameters).count
            case SeriesQuery():
                return service.query_series(self.parameters).count
            case SummaryQuery():
                return services.analytics.summarize(self.parameters).service_count
            case AnomalyQuery():
                return services.analytics.find_anomalies(self.parameters).count
            case TopologyQuery():
                return len(services.analytics.map_topology(self.parameters).services)
            case None:
                return service.get_trace(self.route.removeprefix("traces/")).count


def _iso(at_ns: int) -> str:
    whole, rest = divmod(at_ns, 10**9)
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09}Z"


def _spans(**filters: Any) -> Question:
    return Question("traces", SpanQuery(limit=NEWEST, **filters))


def _all(target: Target) -> Question:
    return _spans(
        service=target.service,
        operation=target.operation,
        min_duration_ms=_BOUNDS_MS[0],
        max_duration_ms=_BOUNDS_MS[1],
        start=_iso(target.begin_ns),
        end=_iso(target.end_ns),
        attribute=["=".join(target.attribute)],
    )


def _series(target: Target) -> Question:
    start, end = map(_iso, target.hour)
    query = SeriesQuery(
        name=COUNTER, service=target.service, aggregate="rate", step="1m", start=start, end=end
    )
    return Question("metrics/query", query)


def _summary(target: Target) -> Question:
    start, end = _everything(target)
    return Question("summary", SummaryQuery(start=start, end=end))


def _topology(target: Target) -> Question:
    start, end = _everything(target)
    return Question("topology", TopologyQuery(start=start, end=end))


def _everything(target: Target) -> tuple[str, str]:
    """Return the window of all the store holds, but for less than a minute at its start."""
    start = FILL_START_NS + target.at_ns // 10**9 % 60 * 10**9
    return _iso(start), _iso(target.end_ns)


def _anomalies(target: Target) -> Question:
    """Compare the last seventh of all the store holds with what was before."""
    seconds = (target.end_ns - FILL_START_NS) // 7 // 10**9 - target.at_ns // 10**9 % 60
    start = target.end_ns - max(1, seconds) * 10**9
    return Question("anomalies", AnomalyQuery(start=_iso(start), end=_iso(target.end_ns)))


OURS: Final[dict[str, Callable[[Target], Question]]] = {
    "trace_by_id": lambda t: Question(f"traces/{t.trace_id}"),
    "service": lambda t: _spans(service=t.service),
    "operation": lambda t: _spans(operation=t.operation),
    "duration": lambda _: _spans(min_duration_ms=LONG_MS),
    "time": lambda t: _spans(start=_iso(t.minutes[0]), end=_iso(t.minutes[1])),
    "attribute": lambda t: _spans(attribute=["=".join(t.attribute)]),
    "attribute_absent": lambda t: _spans(attribute=[f"{t.attribute[0]}={_absent(t)}"]),
    "all_filters": _all,
    "services_1h": lambda t: Question(
        "services", ServiceQuery(start=_iso(t.hour[0]), end=_iso(t.hour[1]))
    ),
    "span_text": lambda t: _spans(text=t.attribute[1]),
    "span_text_absent": lambda t: _spans(text=_absent(t)),
    "log_text": lambda t: Question("logs", LogQuery(body_contains=t.log_code, limit=NEWEST)),
    "series_1h": _series,
    "summary": _summary,
    "anomalies": _anomalies,
    "topology": _topology,
}
"""Each question as our users ask it."""

SEARCHES: Final = tuple(name for name in OURS if name not in {"summary", "anomalies", "topology"})
"""The questions that are asked under load too: those that do not read the whole store."""


def _absent(target: Target) -> str:
    return f"no-such-value-{target.trace_id[:8]}"


# --- the same, asked of the exporter's tables as its users ask -----------------------------------

_ROW: Final = ", ".join(f"`{column.name}`" for column in peer.columns(TRACES))
_SPANS: Final = f"SELECT {_ROW} FROM {peer.DATABASE}.otel_traces"
_NEWEST: Final = f"ORDER BY Timestamp DESC LIMIT {NEWEST}"


def _time(column: str, bounds: tuple[int, int]) -> str:
    since, until = (f"fromUnixTimestamp64Nano({bound})" for bound in bounds)
    return f"{column} >= {since} AND {column} < {until}"


def _peer_trace(target: Target) -> str:
    """Ask for a trace through the table of time bounds, as the exporter's documentation shows."""
    bounds = f"{peer.DATABASE}.otel_traces_trace_id_ts WHERE TraceId = '{target.trace_id}'"
    return (
        f"WITH (SELECT min(Start) FROM {bounds}) AS begin, "
        f"(SELECT max(End) + 1 FROM {bounds}) AS until "
        f"{_SPANS} WHERE TraceId = '{target.trace_id}' "
        "AND Timestamp >= begin AND Timestamp <= until"
    )


def _peer_all(target: Target) -> str:
    low, high = (int(bound * 1e6) for bound in _BOUNDS_MS)
    key, value = target.attribute
    return (
        f"{_SPANS} WHERE ServiceName = '{target.service}' AND SpanName = '{target.operation}' "
        f"AND Duration >= {low} AND Duration <= {high} "
        f"AND {_time('Timestamp', (target.begin_ns, target.end_ns))} "
        f"AND SpanAttributes['{key}'] = '{value}' {_NEWEST}"
    )


PEERS: Final[dict[str, Callable[[Target], str]]] = {
    "trace_by_id": _peer_trace,
    "service": lambda t: f"{_SPANS} WHERE ServiceName = '{t.service}' {_NEWEST}",
    "operation": lambda t: f"{_SPANS} WHERE SpanName = '{t.operation}' {_NEWEST}",
    "duration": lambda _: f"{_SPANS} WHERE Duration >= {int(LONG_MS * 1e6)} {_NEWEST}",
    "time": lambda t: f"{_SPANS} WHERE {_time('Timestamp', t.minutes)} {_NEWEST}",
    "attribute": lambda t: (
        f"{_SPANS} WHERE SpanAttributes['{t.attribute[0]}'] = '{t.attribute[1]}' {_NEWEST}"
    ),
    "attribute_absent": lambda t: (
        f"{_SPANS} WHERE SpanAttributes['{t.attribute[0]}'] = '{_absent(t)}' {_NEWEST}"
    ),
    "all_filters": _peer_all,
    "services_1h": lambda t: (
        "SELECT ServiceName, count(), countIf(StatusCode = 'Error'), "
        "quantiles(0.5, 0.95, 0.99)(Duration) "
        f"FROM {peer.DATABASE}.otel_traces WHERE {_time('Timestamp', t.hour)} GROUP BY ServiceName"
    ),
    "log_text": lambda t: (
        f"SELECT * FROM {peer.DATABASE}.otel_logs WHERE Body LIKE '%{t.log_code}%' {_NEWEST}"
    ),
}
"""The questions that the exporter's tables can answer with one statement."""
