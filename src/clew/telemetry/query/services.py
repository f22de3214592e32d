"""Services and operations with their rate, errors and duration.

All figures are exact over the range: every span counts, and a quantile is one of the durations.
"""

# ruff: noqa: S608 - values are bound; the rest is our own text

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from clew.base.times import NS_PER_MS, NS_PER_S, format_time
from clew.store.engine.contract import Scan
from clew.store.engine.groups import Aggregate, Groups
from clew.telemetry import documents as doc
from clew.telemetry.query.newest import LIMITS
from clew.telemetry.query.slices import cut_slice, read_slice
from clew.telemetry.query.window import read_window, time_condition
from clew.telemetry.tables import LOGS, TRACES

if TYPE_CHECKING:
    from clew.base.times import TimeRange
    from clew.telemetry.query import parameters as ask
    from clew.telemetry.query.store import Store

WINDOW_DEFAULT_NS: Final = 24 * 3600 * NS_PER_S
"""Asked without a range: a day, so that what ran this morning has not vanished by the evening."""

# Durations are added as floats: the engine's average of integers adds them up in 64 bits, in which
# two spans that never end wrap.
_RED: Final = (
    Aggregate("spans", "count"),
    Aggregate("errors", "countIf", "StatusCode = 'Error'"),
    Aggregate("mean", "avg", "toFloat64(Duration)"),
    Aggregate("quantiles", "quantilesExact(0.5, 0.95, 0.99)", "Duration"),
)

_SPANS: Final = Groups(
    TRACES,
    {"service": "ServiceName"},
    (
        Aggregate("traces", "uniqExact", "TraceId"),
        Aggregate("first", "min", "toUnixTimestamp64Nano(Timestamp)"),
        Aggregate("last", "max", "toUnixTimestamp64Nano(Timestamp)"),
        *_RED,
    ),
    ("ServiceName", "TraceId", "Timestamp", "StatusCode", "Duration"),
)
_LOGS: Final = Groups(
    LOGS,
    {"service": "ServiceName"},
    (
        Aggregate("logs", "count"),
        Aggregate("first", "min", "toUnixTimestamp64Nano(Timestamp)"),
        Aggregate("last", "max", "toUnixTimestamp64Nano(Timestamp)"),
    ),
    ("ServiceName", "Timestamp"),
)

# The engine takes the hash of each name once; grouping by the texts costs a row twice as much.
_OPERATION: Final = (
    "cityHash64(ServiceName) * 961 + cityHash64(SpanName) * 31 + cityHash64(SpanKind)"
)
_OPERATIONS: Final = Groups(
    TRACES,
    {"subject": _OPERATION},
    (
        Aggregate("service", "any", "ServiceName"),
        Aggregate("operation", "any", "SpanName"),
        Aggregate("kind", "any", "SpanKind"),
        *_RED,
    ),
    ("ServiceName", "SpanName", "SpanKind", "StatusCode", "Duration"),
)

NAMES_MAX: Final = 10_000
"""Names in one answer: more is an instrumentation that writes ids into names, and no list to read.
"""

Name = TypeVar("Name")


@dataclass(frozen=True, slots=True)
class Names(Generic[Name]):
    """Names in order; `truncated` when there are more than `NAMES_MAX`."""

    names: list[Name]
    truncated: bool


@dataclass(slots=True)
class _Seen:
    """What the two tables say of one service."""

    spans: dict[str, Any] | None = None
    logs: int = 0
    times: list[int] = field(default_factory=list)


def list_services(store: Store, query: ask.ServiceQuery, now: int) -> doc.ServiceList:
    """Return services that sent spans or logs in the range, busiest first.

    `rate_per_second` is over the range from its start (or the service's first record, when that is
    later) to its end (or now).
    """
    snapshot = store.snapshot()
    window = read_window(query, now=now, default_ns=WINDOW_DEFAULT_NS)
    page = read_slice("services", query, snapshot, window=window, now=now)
    window, now = page.window, page.now
    read: dict[str, list[dict[str, Any]]] = {}
    for groups in (_SPANS, _LOGS):
        where = f"{time_condition(groups.table, window)} AND {page.condition}"
        sql, scan = groups.ask(snapshot, "rows", where)
        read[groups.table.name] = store.engine.query(
            sql, snapshot=snapshot, scans={"rows": scan}, limits=LIMITS
        ).to_pylist()
    spans, logs = read[TRACES.name], read[LOGS.name]
    seen: dict[str, _Seen] = {}
    for row in spans:
        seen[row["service"]] = _Seen(spans=row, times=[row["first"], row["last"]])
    for row in logs:
        one = seen.setdefault(row["service"], _Seen())
        one.logs = row["logs"]
        one.times += [row["first"], row["last"]]
    services = [_service(name, one, window, now) for name, one in seen.items()]
    services.sort(key=lambda each: (-each.span_count, -each.log_count, each.name))
    shown, rest = cut_slice(services, page)
    return doc.ServiceList(
        services=shown,
        count=len(shown),
        total=len(services),
        truncated=rest is not None,
        next=rest,
        start_time=format_time(window.start or 0),
        end_time=format_time(now if window.end is None else window.end),
    )


def list_operations(store: Store, query: ask.OperationQuery, now: int) -> doc.OperationList:
    """Return operations of one service or of all, busiest first."""
    snapshot = store.snapshot()
    window = read_window(query, now=now, default_ns=WINDOW_DEFAULT_NS)
    page = read_slice("operations", query, snapshot, window=window, now=now)
    where = f"{time_condition(TRACES, page.window)} AND {page.condition}"
    parameters = {}
    if query.service is not None:
        where += " AND ServiceName = {service:String}"
        parameters["service"] = query.service
    sql, scan = _OPERATIONS.ask(snapshot, "spans", where)
    rows = store.engine.query(
        f"{sql} ORDER BY spans DESC, service, operation, kind",
        snapshot=snapshot,
        scans={"spans": scan},
        parameters=parameters,
        limits=LIMITS,
    ).to_pylist()
    shown, rest = cut_slice(rows, page)
    return doc.OperationList(
        operations=[_operation(row) for row in shown],
        count=len(shown),
        total=len(rows),
        truncated=rest is not None,
        next=rest,
    )


def name_services(store: Store) -> Names[str]:
    """Return the name of every service that ever sent a span. Cheaper than their figures."""
    rows = _name(store, {"service": "ServiceName"}, "1", {})
    return _names([row["service"] for row in rows])


def name_operations(store: Store, service: str) -> Names[tuple[str, str]]:
    """Return name and span kind of every operation that a service ever had.

    The kind is in lower case, and empty where spans say none.
    """
    rows = _name(
        store,
        {"operation": "SpanName", "kind": "SpanKind"},
        "ServiceName = {service:String}",
        {"service": service},
    )
    kinds = [row["kind"].lower() for row in rows]
    return _names(
        sorted(
            (row["operation"], "" if kind == "unspecified" else kind)
            for row, kind in zip(rows, kinds, strict=True)
        )
    )


def _name(store: Store, named: dict[str, str], where: str, parameters: dict[str, Any]) -> list[Any]:
    columns = tuple(f"{expression} AS {name}" for name, expression in named.items())
    rows: list[Any] = store.engine.query(
        f"SELECT DISTINCT * FROM @spans ORDER BY ALL LIMIT {NAMES_MAX + 1}",
        snapshot=store.snapshot(),
        scans={"spans": Scan(TRACES, columns, where, group_by=tuple(named.values()))},
        parameters=parameters,
        limits=LIMITS,
    ).to_pylist()
    return rows


def _names(names: list[Name]) -> Names[Name]:
    return Names(names[:NAMES_MAX], len(names) > NAMES_MAX)


def _service(name: str, seen: _Seen, window: TimeRange, now: int) -> doc.ServiceStats:
    row = seen.spans
    spans = row["spans"] if row else 0
    errors = row["errors"] if row else 0
    p50, p95, p99 = row["quantiles"] if row else (0, 0, 0)
    start = max(window.start or 0, min(seen.times))
    end = max(now, *seen.times) if window.end is None else window.end
    # A single burst is not a rate of millions: nothing is measured over less than a second.
    seconds = max((end - start) / NS_PER_S, 1.0)
    return doc.ServiceStats(
        name=name,
        span_count=spans,
        trace_count=row["traces"] if row else 0,
        error_count=errors,
        error_rate=errors / spans if spans else 0.0,
        rate_per_second=spans / seconds,
        avg_duration_ms=row["mean"] / NS_PER_MS if row else 0.0,
        p50_ms=p50 / NS_PER_MS,
        p95_ms=p95 / NS_PER_MS,
        p99_ms=p99 / NS_PER_MS,
        log_count=seen.logs,
        last_seen=format_time(max(seen.times)),
    )


def _operation(row: dict[str, Any]) -> doc.OperationStats:
    p50, p95, p99 = row["quantiles"]
    kind = row["kind"].lower()
    return doc.OperationStats(
        service=row["service"],
        operation=row["operation"],
        kind="internal" if kind == "unspecified" else kind,
        span_count=row["spans"],
        error_count=row["errors"],
        error_rate=row["errors"] / row["spans"],
        avg_duration_ms=row["mean"] / NS_PER_MS,
        p50_ms=p50 / NS_PER_MS,
        p95_ms=p95 / NS_PER_MS,
        p99_ms=p99 / NS_PER_MS,
    )
