"""Traces: those that hold a matching span, and one of them as a tree laid flat."""

# ruff: noqa: S608 - values are bound; the rest is our own text

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import NS_PER_MS, format_time
from clew.store.engine.contract import Scan
from clew.telemetry import documents as doc
from clew.telemetry.query.cursor import Cursor, Position, read_cursor, write_cursor
from clew.telemetry.query.ids import parse_trace_id
from clew.telemetry.query.newest import LIMITS
from clew.telemetry.query.slices import check_limit
from clew.telemetry.query.traces.span_documents import SPAN_COLUMNS, SpanDocuments
from clew.telemetry.query.traces.spans import span_predicate
from clew.telemetry.query.traces.tree import TreeSpan, build_tree
from clew.telemetry.query.window import read_window, time_condition
from clew.telemetry.tables import TRACES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from clew.base.times import TimeRange
    from clew.store.engine.contract import Snapshot
    from clew.telemetry.query import parameters as ask
    from clew.telemetry.query.filter.predicate import Predicate
    from clew.telemetry.query.store import Store

TRACE_SPANS_MAX: Final = 50_000
"""Spans of one trace that are read and laid out: what the trace view draws, about 50 MB of JSON."""

# A trace is identified in the list by its newest matching span. Few spans of a trace usually match,
# so the first reading mostly finds a page; where many do, each next reading is twice as large.
_FIRST_READING_PER_TRACE: Final = 4
_READING_MAX: Final = 262_144


def get_trace(
    store: Store, trace_id: str, *, typed: bool = False, limit: int = TRACE_SPANS_MAX
) -> doc.Trace:
    """Return one trace as a tree laid flat.

    A span that came twice (a client that sent again) stands here once, as it came last. Of a trace
    of more than `TRACE_SPANS_MAX` spans the earliest are read, and `truncated` says so; the tree is
    then that of the spans read, and the figures are still of all. `limit` bounds the spans shown.

    Raises:
        ClewError: NOT_FOUND when no span of it is here.
    """
    wanted = parse_trace_id(trace_id)
    if not 1 <= limit <= TRACE_SPANS_MAX:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT, f"limit must be between 1 and {TRACE_SPANS_MAX}"
        )
    snapshot = store.snapshot()
    rows = _trace_rows(store, snapshot, wanted)
    if not rows:
        raise ClewError(
            ErrorCode.NOT_FOUND,
            f"no span of trace {wanted} is here",
            hint="list recent traces with: clew traces",
        )
    kept = _latest(rows[:TRACE_SPANS_MAX])
    if len(rows) > TRACE_SPANS_MAX:
        figures = summarize_traces(store, snapshot, [wanted])[wanted]
    else:
        figures = _figures(kept)
    document = SpanDocuments(typed=typed).document
    tree = build_tree([_tree_span(row) for row in kept])
    spans = [
        msgspec.structs.replace(
            document(kept[node.index]),
            depth=node.depth,
            self_time_ms=node.self_ns / NS_PER_MS,
            critical_path=node.is_critical,
        )
        for node in tree.nodes[:limit]
    ]
    return doc.Trace(
        trace_id=wanted,
        span_count=figures.spans,
        error_count=figures.errors,
        services=sorted(figures.services),
        start_time=format_time(figures.start),
        end_time=format_time(figures.end),
        duration_ms=(figures.end - figures.start) / NS_PER_MS,
        spans=spans,
        missing_parents=list(tree.missing_parents),
        count=len(spans),
        total=figures.spans,
        truncated=len(spans) < figures.spans,
    )


def find_traces(store: Store, query: ask.SpanQuery, now: int) -> doc.TraceList:
    """Return one page of traces that hold a matching span, newest match first.

    The time range is that of the matching spans; a trace is summed up whole.

    Raises:
        ClewError: INVALID_ARGUMENT for a limit, a time, a filter or a cursor that makes no sense.
    """
    check_limit(query.limit)
    snapshot = store.snapshot()
    if query.next is None:
        window, frame, seen, position = read_window(query, now=now), snapshot.acked, 0, None
    else:
        cursor = read_cursor(query.next, "traces", query)
        window, frame, seen = cursor.window, cursor.frame, cursor.seen
        position = cursor.position
    finder = _Finder(store, snapshot, span_predicate(store, query), window, frame, position)
    matches = finder.find(query.limit + 1)
    shown, has_more = matches[: query.limit], len(matches) > query.limit
    following = None
    if has_more:
        going_on = Cursor(window, frame, _position(shown, position), seen + len(shown))
        following = write_cursor(going_on, "traces", query)
    is_exact = query.count == "exact"
    total = seen + len(shown) if not has_more else finder.count() if is_exact else None
    figures = summarize_traces(store, snapshot, [match.trace_id for match in shown])
    return doc.TraceList(
        traces=[_summary(match.trace_id, figures[match.trace_id]) for match in shown],
        count=len(shown),
        total=total,
        at_least=seen + len(shown) + 1 if total is None else None,
        truncated=has_more,
        next=following,
    )


@dataclass(frozen=True, slots=True)
class TraceFigures:
    """A trace summed up. Times are Unix nanoseconds; `root` is a service and an operation."""

    root: tuple[str, str]
    spans: int
    errors: int
    services: frozenset[str]
    start: int
    end: int


def summarize_traces(
    store: Store, snapshot: Snapshot, trace_ids: Sequence[str]
) -> dict[str, TraceFigures]:
    """Return the figures of whole traces, by id; a span that came twice counts once."""
    if not trace_ids:
        return {}
    scan = Scan(
        TRACES,
        (
            "TraceId",
            "SpanId",
            "ParentSpanId = '' AS is_root",
            "toUnixTimestamp64Nano(Timestamp) AS at",
            "toInt64(Duration) AS length",
            "StatusCode = 'Error' AS is_error",
            "toString(ServiceName) AS service",
            "toString(SpanName) AS operation",
        ),
        "TraceId IN {trace_ids:Array(String)}",
    )
    rows = store.engine.query(
        "SELECT TraceId AS trace_id, uniqExact(SpanId) AS spans,"
        " uniqExactIf(SpanId, is_error) AS errors, groupUniqArray(service) AS services,"
        " min(at) AS start, max(at + length) AS end,"
        " argMin((service, operation), (NOT is_root, at, SpanId)) AS root"
        " FROM @spans GROUP BY trace_id",
        snapshot=snapshot,
        scans={"spans": scan},
        parameters={"trace_ids": list(trace_ids)},
        limits=LIMITS,
    ).to_pylist()
    return {
        row["trace_id"]: TraceFigures(
            root=tuple(row["root"].values()),
            spans=row["spans"],
            errors=row["errors"],
            services=frozenset(row["services"]),
            start=row["start"],
            end=row["end"],
        )
        for row in rows
    }


@dataclass(frozen=True, slots=True)
class _Match:
    """A trace by its newest matching span."""

    trace_id: str
    at: int
    frame: int

    @property
    def order(self) -> tuple[int, int, str]:
        return (-self.at, -self.frame, self.trace_id)


class _Finder:
    """Finds traces by their newest matching span, from a position on."""

    def __init__(
        self,
        store: Store,
        snapshot: Snapshot,
        predicate: Predicate,
        window: TimeRange,
        frame: int,
        position: Position | None,
    ) -> None:
        self._store = store
        self._snapshot = snapshot
        self._parameters = predicate.parameters
        self._position = position
        conditions = [time_condition(TRACES, window), f"({predicate.sql})"]
        if frame < snapshot.acked:
            conditions.append(f"Frame <= {frame}")
        self._where = " AND ".join(conditions)

    def find(self, wanted: int) -> list[_Match]:
        """Return up to so many traces, newest match first."""
        newest: dict[str, tuple[int, int]] = {}
        given_before: set[str] = set()
        skipped = self._position.given if self._position else 0
        top = self._position.at if self._position else None
        reading = _FIRST_READING_PER_TRACE * (wanted + skipped)
        while True:
            rows, edge = self._read(top, reading)
            found = set(rows) - newest.keys()
            given_before |= self._seen_above(found)
            for trace_id in found:
                newest[trace_id] = rows[trace_id]
            if edge is None or len(newest) - len(given_before) >= wanted + skipped:
                break
            # Spans of the time at the edge may be missing: they are read again.
            top, reading = edge, min(2 * reading, max(reading, _READING_MAX))
        matches = [_Match(i, *newest[i]) for i in newest if i not in given_before]
        return sorted(matches, key=lambda match: match.order)[skipped : skipped + wanted]

    def count(self) -> int:
        """Return how many traces hold a matching span."""
        rows = self._query("SELECT uniqExact(TraceId) AS traces FROM @spans", ("TraceId",), "1")
        return int(rows[0]["traces"])

    def _read(self, top: int | None, limit: int) -> tuple[dict[str, tuple[int, int]], int | None]:
        """Return the newest match of each trace in one reading, and the time at which it ended.

        None when nothing is left. A reading that ends inside one single time is repeated larger.
        """
        condition = "1" if top is None else f"Timestamp <= {_time(top)}"
        if self._position is not None:
            at, frame = _time(self._position.at), self._position.frame
            condition += f" AND NOT (Timestamp = {at} AND Frame > {frame})"
        columns = ("toUnixTimestamp64Nano(Timestamp) AS at", "Frame AS frame", "TraceId AS id")
        while True:
            rows = self._query(
                f"SELECT * FROM @spans ORDER BY at DESC LIMIT {limit}",
                columns,
                condition,
                limit=limit,
            )
            edge = rows[-1]["at"] if len(rows) == limit else None
            if edge is None or rows[0]["at"] > edge:
                break
            limit *= 2
        newest: dict[str, tuple[int, int]] = {}
        for row in rows:
            key = (row["at"], row["frame"])
            if edge is None or row["at"] > edge:
                newest[row["id"]] = max(key, newest.get(row["id"], key))
        return newest, edge

    def _seen_above(self, trace_ids: set[str]) -> set[str]:
        """Return which of the traces have a newer match than the position: they were given."""
        if self._position is None or not trace_ids:
            return set()
        at, frame = _time(self._position.at), self._position.frame
        rows = self._query(
            "SELECT DISTINCT TraceId AS id FROM @spans",
            ("TraceId",),
            "TraceId IN {trace_ids:Array(String)}"
            f" AND (Timestamp > {at} OR (Timestamp = {at} AND Frame > {frame}))",
            trace_ids=sorted(trace_ids),
        )
        return {row["id"] for row in rows}

    def _query(
        self,
        sql: str,
        columns: tuple[str, ...],
        condition: str,
        *,
        limit: int | None = None,
        trace_ids: Sequence[str] = (),
    ) -> list[dict[str, Any]]:
        where = f"{self._where} AND {condition}"
        order = None if limit is None else "Timestamp DESC"
        answer = self._store.engine.query(
            sql,
            snapshot=self._snapshot,
            scans={"spans": Scan(TRACES, columns, where, order_by=order, limit=limit)},
            parameters={**self._parameters, "trace_ids": list(trace_ids)},
            limits=LIMITS,
        )
        rows: list[dict[str, Any]] = answer.to_pylist()
        return rows


def _position(shown: Sequence[_Match], before: Position | None) -> Position:
    """Return where a page of traces ends. Traces of equal time and frame go by their id."""
    last = shown[-1]
    given = sum((match.at, match.frame) == (last.at, last.frame) for match in shown)
    if before is not None and (before.at, before.frame) == (last.at, last.frame):
        given += before.given
    return Position(last.at, last.frame, given)


def _trace_rows(store: Store, snapshot: Snapshot, trace_id: str) -> list[dict[str, Any]]:
    """Return the rows of a trace, one more than a trace may have, earliest first."""
    limit = TRACE_SPANS_MAX + 1
    scan = Scan(
        TRACES,
        ("toUnixTimestamp64Nano(Timestamp) AS at", "Frame", *SPAN_COLUMNS),
        "TraceId = {trace_id:String}",
        order_by="Timestamp",
        limit=limit,
    )
    answer = store.engine.query(
        "@spans",
        snapshot=snapshot,
        scans={"spans": scan},
        parameters={"trace_id": trace_id},
        limits=LIMITS,
    )
    # As for pages: putting stored and hot rows in order here is cheaper than in SQL.
    earliest = answer.sort_by("at").slice(0, limit)
    rows: list[dict[str, Any]] = earliest.to_pylist()
    return rows


def _latest(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one row for each span id: the one that came last."""
    latest: dict[str, dict[str, Any]] = {}
    for row in rows:
        before = latest.get(row["SpanId"])
        if before is None or row["Frame"] >= before["Frame"]:
            latest[row["SpanId"]] = row
    return list(latest.values())


def _tree_span(row: Mapping[str, Any]) -> TreeSpan:
    start = row["at"]
    return TreeSpan(row["SpanId"], row["ParentSpanId"] or None, start, start + row["Duration"])


def _figures(rows: Sequence[Mapping[str, Any]]) -> TraceFigures:
    root = min(rows, key=lambda row: (row["ParentSpanId"] != "", row["at"], row["SpanId"]))
    return TraceFigures(
        root=(root["ServiceName"], root["SpanName"]),
        spans=len(rows),
        errors=sum(row["StatusCode"] == "Error" for row in rows),
        services=frozenset(row["ServiceName"] for row in rows),
        start=min(row["at"] for row in rows),
        end=max(row["at"] + row["Duration"] for row in rows),
    )


def _summary(trace_id: str, figures: TraceFigures) -> doc.TraceSummary:
    service, operation = figures.root
    return doc.TraceSummary(
        trace_id=trace_id,
        service=service,
        operation=operation,
        start_time=format_time(figures.start),
        duration_ms=(figures.end - figures.start) / NS_PER_MS,
        span_count=figures.spans,
        error_count=figures.errors,
        services=sorted(figures.services),
    )


def _time(at: int) -> str:
    return f"fromUnixTimestamp64Nano(toInt64({at}))"
