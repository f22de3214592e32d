"""Traces by their ids, whole: as OTLP, and in figures.

A list of traces names them; whoever shows them needs their spans. They are read for a whole page of
ids at once. A span that a client sent again, the same in every field, stands once. Spans that share
an id and differ are kept, since some tracers give both ends of a call one id; `get_trace`, which
lays a tree out, shows the one that came last.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import pyarrow as pa

from clew.store.engine.contract import Scan
from clew.telemetry.query.ids import parse_trace_id
from clew.telemetry.query.newest import LIMITS
from clew.telemetry.query.window import read_window
from clew.telemetry.tables import TRACES

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping, Sequence

    from clew.store.engine.contract import Snapshot
    from clew.telemetry.query import parameters as ask
    from clew.telemetry.query.store import Store

_ORDER: Final = ("TraceId", "at", "SpanId", "Frame")

Row: TypeAlias = "Mapping[str, Any]"
"""One span as `read_rows` gives it."""

READ_ROWS_MAX: Final = 10_000
"""Rows of one reading, some 50 MB: a page of a hundred traces of a hundred spans."""

CHUNK_ROWS_MAX: Final = 2_000
"""Spans of one chunk, as of an export: some 2 MB, where gRPC clients take 4 MiB."""


@dataclass(frozen=True, slots=True)
class TraceChunk:
    """Spans of one trace: a serialised OTLP request, which is a serialised ``TracesData`` as well.

    `spans` counts those in `body`.
    """

    trace_id: str
    spans: int
    body: bytes


@dataclass(frozen=True, slots=True)
class ServiceFigures:
    """The part of one service in one trace. Times are Unix nanoseconds.

    `orphans` counts spans whose parent is not in the trace.
    """

    service: str
    spans: int
    errors: int
    orphans: int
    start: int
    end: int


def export_traces(
    store: Store,
    trace_ids: Sequence[str],
    query: ask.TimeParameters,
    now: int,
    *,
    raw: bool = False,
) -> Iterator[TraceChunk]:
    """Yield whole traces, in the order of the ids; those that are not here are left out.

    With a time range, a trace must have a span that starts in it; it comes whole all the same.
    With `raw`, spans stand as often as they came.

    Order:  spans of a trace by start, then by id.
    Bounds: `CHUNK_ROWS_MAX` spans a chunk; memory is one reading, or the largest of the traces.
    Sees:   every record acknowledged before the call, and none after it.
    Raises: ClewError INVALID_ARGUMENT for what is no trace id or no time: at the call.
    """
    wanted = list(dict.fromkeys(parse_trace_id(each) for each in trace_ids))
    window = read_window(query, now=now)
    snapshot = store.snapshot()

    def export() -> Iterator[TraceChunk]:
        for trace_id, rows in _whole_traces(store, snapshot, wanted):
            if window.is_open or any(window.contains(row["Timestamp"]) for row in rows):
                yield from _encoded(trace_id, rows if raw else _distinct(rows))

    return export()


def export_spans(store: Store, spans: Sequence[tuple[str, str]]) -> list[bytes]:
    """Return single spans by trace id and span id, each as a serialised OTLP request, in order.

    Of spans that share both ids the last is given. Those that are not here are left out.
    """
    # With it come protobuf's descriptors, which a start need not wait for.
    from clew.telemetry.otlp.encode.spans import encode_span_rows

    if not spans:
        return []
    rows = _ordered(
        _read(
            store,
            store.snapshot(),
            "TraceId IN {trace_ids:Array(String)} AND SpanId IN {span_ids:Array(String)}",
            {
                "trace_ids": sorted({trace_id for trace_id, _ in spans}),
                "span_ids": sorted({span_id for _, span_id in spans}),
            },
        )
    )
    by_ids = {(row["TraceId"], row["SpanId"]): row for row in rows}
    return [
        bytes(encode_span_rows([by_ids[span]]).SerializeToString())
        for span in spans
        if span in by_ids
    ]


def describe_services(store: Store, trace_ids: Sequence[str]) -> dict[str, list[ServiceFigures]]:
    """Return what each service has in each trace, by trace id; services by name."""
    if not trace_ids:
        return {}
    columns = (
        "TraceId",
        "SpanId",
        "ParentSpanId",
        "toUnixTimestamp64Nano(Timestamp) AS at",
        "toInt64(Duration) AS length",
        "StatusCode = 'Error' AS is_error",
        "toString(ServiceName) AS service",
    )
    where = "TraceId IN {trace_ids:Array(String)}"
    rows = store.engine.query(
        "SELECT TraceId AS trace_id, service, uniqExact(SpanId) AS spans,"
        " uniqExactIf(SpanId, is_error) AS errors,"
        " uniqExactIf(SpanId, ParentSpanId != ''"
        " AND (TraceId, ParentSpanId) NOT IN (SELECT TraceId, SpanId FROM @all)) AS orphans,"
        " min(at) AS start, max(at + length) AS end"
        " FROM @spans GROUP BY trace_id, service ORDER BY service",
        snapshot=store.snapshot(),
        scans={
            "spans": Scan(TRACES, columns, where),
            "all": Scan(TRACES, ("TraceId", "SpanId"), where),
        },
        parameters={"trace_ids": list(trace_ids)},
        limits=LIMITS,
    ).to_pylist()
    figures: dict[str, list[ServiceFigures]] = {}
    for row in rows:
        figures.setdefault(row.pop("trace_id"), []).append(ServiceFigures(**row))
    return figures


def _whole_traces(
    store: Store, snapshot: Snapshot, trace_ids: Sequence[str]
) -> Iterator[tuple[str, list[Row]]]:
    """Yield the rows of each trace. As a rule one reading has them all."""
    if not trace_ids:
        return
    rows = _read_traces(store, snapshot, trace_ids, limit=READ_ROWS_MAX + 1)
    if rows.num_rows <= READ_ROWS_MAX:
        yield from _by_trace(rows, trace_ids)
        return
    for part in _parts(_count_rows(store, snapshot, trace_ids), trace_ids):
        yield from _by_trace(_read_traces(store, snapshot, part), part)


def _parts(counts: dict[str, int], trace_ids: Sequence[str]) -> Iterator[list[str]]:
    """Yield the ids in their order, so many at once as one reading holds."""
    part: list[str] = []
    rows = 0
    for trace_id in trace_ids:
        count = counts.get(trace_id, 0)
        if part and rows + count > READ_ROWS_MAX:
            yield part
            part, rows = [], 0
        part.append(trace_id)
        rows += count
    yield part


def _by_trace(rows: pa.Table, trace_ids: Sequence[str]) -> Iterator[tuple[str, list[Row]]]:
    traces: dict[str, list[Row]] = {}
    for row in _ordered(rows):
        traces.setdefault(row["TraceId"], []).append(row)
    for trace_id in trace_ids:
        if trace_id in traces:
            yield trace_id, traces.pop(trace_id)


def _ordered(rows: pa.Table) -> list[Row]:
    """Return the rows trace by trace, by start, then by id, then as they came."""
    from clew.telemetry.otlp.encode.columns import read_rows

    keys = list(zip(*(rows[name].to_pylist() for name in _ORDER), strict=True))
    ordered = sorted(range(len(keys)), key=keys.__getitem__)
    return list(read_rows(TRACES, rows.take(pa.array(ordered, pa.int64()))))


def _distinct(rows: list[Row]) -> list[Row]:
    """Return the rows without those that are equal to an earlier one."""
    counts = Counter(row["SpanId"] for row in rows)
    seen: set[Hashable] = set()
    distinct = []
    for row in rows:
        if counts[row["SpanId"]] > 1:
            identity = tuple(_frozen(value) for value in row.values())
            if identity in seen:
                continue
            seen.add(identity)
        distinct.append(row)
    return distinct


def _frozen(value: Any) -> Hashable:
    """Return a value to compare by; a stored map has its keys in another order than a hot one."""
    if isinstance(value, tuple):
        return tuple(sorted(value))
    if isinstance(value, list):
        return tuple(map(_frozen, value))
    frozen: Hashable = value
    return frozen


def _encoded(trace_id: str, rows: list[Row]) -> Iterator[TraceChunk]:
    from clew.telemetry.otlp.encode.spans import encode_span_rows

    for start in range(0, len(rows), CHUNK_ROWS_MAX):
        chunk = rows[start : start + CHUNK_ROWS_MAX]
        body = bytes(encode_span_rows(chunk).SerializeToString())
        yield TraceChunk(trace_id, len(chunk), body)


def _read_traces(
    store: Store, snapshot: Snapshot, trace_ids: Sequence[str], *, limit: int | None = None
) -> pa.Table:
    where = "TraceId IN {trace_ids:Array(String)}"
    return _read(store, snapshot, where, {"trace_ids": list(trace_ids)}, limit=limit)


def _read(
    store: Store,
    snapshot: Snapshot,
    where: str,
    parameters: dict[str, Any],
    *,
    limit: int | None = None,
) -> pa.Table:
    columns = ("*", f"toUnixTimestamp64Nano({TRACES.time}) AS at")
    return store.engine.query(
        "@spans",
        snapshot=snapshot,
        scans={"spans": Scan(TRACES, columns, where, limit=limit)},
        parameters=parameters,
        limits=LIMITS,
    )


def _count_rows(store: Store, snapshot: Snapshot, trace_ids: Sequence[str]) -> dict[str, int]:
    rows = store.engine.query(
        "SELECT TraceId AS trace_id, count() AS spans FROM @spans GROUP BY trace_id",
        snapshot=snapshot,
        scans={"spans": Scan(TRACES, ("TraceId",), "TraceId IN {trace_ids:Array(String)}")},
        parameters={"trace_ids": list(trace_ids)},
        limits=LIMITS,
    ).to_pylist()
    return {row["trace_id"]: row["spans"] for row in rows}
