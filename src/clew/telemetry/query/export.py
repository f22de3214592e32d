"""Matching records as OTLP again, oldest first, in requests of bounded size.

Theory of operation. One snapshot serves the whole export, so what arrives meanwhile is not in it.
Each table is read in pages, in the order of time and then of content (`content_hash`). A page
starts at the time where the one before ended, and leaves out as many rows of that very time as were
given already. So any number of records may share a moment. Points of metrics lie in five tables;
their pages are merged by time, up to the time that all of them have reached.

The engine stops early only in the order of the table, and to order by content it must have read all
that is to be ordered. So a page is bounded first, by a query for the time of its last row, which
reads no other column; then it is read whole. Its size follows the size of the rows before it. A
chunk is cut from a page, and cut again when its bytes turn out too many.
"""

# ruff: noqa: S608 - values are bound; the rest is our own text

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import TimeRange
from clew.store.engine.contract import QueryLimits, Scan
from clew.telemetry.otlp.signal import Signal
from clew.telemetry.query import parameters as ask
from clew.telemetry.query.content import content_hash
from clew.telemetry.query.filter.predicate import Predicate
from clew.telemetry.query.logs import log_predicate
from clew.telemetry.query.metrics.points import METRIC_TYPES, which_points
from clew.telemetry.query.newest import LIMITS
from clew.telemetry.query.slices import check_limit
from clew.telemetry.query.traces.spans import span_predicate
from clew.telemetry.query.window import read_window, time_condition
from clew.telemetry.tables import LOGS, METRICS, TRACES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pyarrow as pa

    from clew.store.engine.contract import Snapshot
    from clew.store.table import Table
    from clew.telemetry.query.store import Store

CHUNK_ROWS_MAX: Final = 2_000
"""Records of one request: what exporters send at most, a few times over."""

CHUNK_BYTES_MAX: Final = 4_000_000
"""Serialised size of one request, unless a single record is larger: gRPC clients take 4 MiB."""

PAGE_ROWS_FIRST: Final = 500
"""Rows of the first page: most traces are smaller, and nothing is known of their size yet."""

PAGE_ROWS_MAX: Final = 16_000
PAGE_BYTES: Final = 16_000_000
"""Rows and bytes of a later page: five tables' pages are below 100 MB together, and the times of a
million points are read some hundred times."""

PAGE_LIMITS: Final = QueryLimits(time_ms_max=60_000, memory_bytes_max=LIMITS.memory_bytes_max)
"""Walls around each query of a page; an export of thousands of pages may take hours. A filter that
matches little may read the whole store for one page, twice what a question of ours may take. Our
client takes a server that is silent for a minute for gone, so more would help nobody."""

_AT: Final = "export_at"
_KEY: Final = "export_key"


def export(
    store: Store,
    signal: Signal,
    query: ask.SpanQuery | ask.LogQuery | ask.MetricQuery,
    now: int,
) -> Iterator[bytes]:
    """Return matching records as serialised export requests of the signal; none are no request.

    The filters are those of the lists. `limit` is a page size there, so its default means nothing
    here; any other value bounds the export to that many records, the oldest. What else shapes a
    page (`count`, `view`, `attributes`) changes nothing.

    Order:  by time; equal times in an order of their own.
    Bounds: `CHUNK_ROWS_MAX` records and about `CHUNK_BYTES_MAX` bytes a request.
    Sees:   every record acknowledged before the call, and none after it.
    Raises: ClewError INVALID_ARGUMENT for a filter that does not parse, or a `next`: at the call;
            TIMEOUT for a page that takes longer than `PAGE_LIMITS`: when it is read.
    """
    if query.next is not None:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            "an export has no pages",
            hint="leave next out: an export goes on to its end",
        )
    check_limit(query.limit)
    snapshot = store.snapshot()
    window = read_window(query, now=now)
    tables, predicate = _what(store, signal, query)
    readers = [_Reader(store, snapshot, table, predicate, window) for table in tables]
    rows_max = None if query.limit == ask.LIMIT_DEFAULT else query.limit
    return _requests(signal, readers, rows_max)


def _what(
    store: Store, signal: Signal, query: ask.SpanQuery | ask.LogQuery | ask.MetricQuery
) -> tuple[Sequence[Table], Predicate]:
    match query:
        case ask.SpanQuery():
            assert signal is Signal.TRACES, "a question about spans"
            return (TRACES,), span_predicate(store, query)
        case ask.LogQuery():
            assert signal is Signal.LOGS, "a question about logs"
            return (LOGS,), log_predicate(store, query)
        case ask.MetricQuery():
            assert signal is Signal.METRICS, "a question about metrics"
            wanted = query.metric_type
            tables = [t for t in METRICS if wanted in (None, METRIC_TYPES[t.name])]
            which = which_points(
                store, name=query.name, service=query.service, attribute=query.attribute
            )
            return tables, Predicate(which.condition, which.parameters)


@dataclass(slots=True)
class _Reader:
    """The matching rows of one table in order. `rows` are read and not taken yet."""

    store: Store
    snapshot: Snapshot
    table: Table
    predicate: Predicate
    window: TimeRange
    rows: pa.Table | None = None
    times: list[int] = field(default_factory=list)
    is_at_end: bool = False
    _page_rows: int = PAGE_ROWS_FIRST
    _at: int | None = None
    _given: int = 0
    """How many rows of the time `_at` were read."""

    def fill(self) -> None:
        """Read the next page unless rows wait or there are no more."""
        if self.times or self.is_at_end:
            return
        wanted = self._page_rows
        rows = self._read(wanted, self._until(wanted))
        self.is_at_end = rows.num_rows < wanted
        self.rows = rows
        self.times = rows.column(_AT).to_pylist()
        if self.times:
            last = self.times[-1]
            before = self._given if last == self._at else 0
            self._at, self._given = last, before + self.times.count(last)
            fitting = PAGE_BYTES * rows.num_rows // max(1, rows.nbytes)
            self._page_rows = max(1, min(fitting, 2 * wanted, PAGE_ROWS_MAX))

    def take(self, through: int | None) -> pa.Table:
        """Take the waiting rows up to a time, all when it is None."""
        assert self.rows is not None, "fill comes first"
        count = len(self.times) if through is None else bisect_right(self.times, through)
        taken = self.rows.slice(0, count)
        self.rows, self.times = self.rows.slice(count), self.times[count:]
        return taken

    def _until(self, wanted: int) -> int | None:
        """Return the time of the last row of the next page, None when it is not filled."""
        time = self.table.time
        limit = self._given + wanted
        answer = self.store.engine.query(
            f"SELECT toUnixTimestamp64Nano({time}) AS at FROM @rows"
            f" ORDER BY {time} LIMIT 1 OFFSET {limit - 1}",
            snapshot=self.snapshot,
            scans={"rows": Scan(self.table, (time,), self._where(None), time, limit)},
            parameters=self.predicate.parameters,
            limits=PAGE_LIMITS,
        )
        return answer.column("at")[0].as_py() if answer.num_rows else None

    def _read(self, wanted: int, until: int | None) -> pa.Table:
        time = self.table.time
        columns = (
            "*",
            f"toUnixTimestamp64Nano({time}) AS {_AT}",
            f"{content_hash(self.table)} AS {_KEY}",
        )
        order = f"{time}, {_KEY}"
        limit = self._given + wanted
        return self.store.engine.query(
            f"SELECT * FROM @rows ORDER BY {order} LIMIT {wanted} OFFSET {self._given}",
            snapshot=self.snapshot,
            scans={"rows": Scan(self.table, columns, self._where(until), order, limit)},
            parameters=self.predicate.parameters,
            limits=PAGE_LIMITS,
        )

    def _where(self, until: int | None) -> str:
        start = self.window.start if self._at is None else self._at
        end = self.window.end if until is None else until + 1
        condition = time_condition(self.table, TimeRange(start, end))
        return f"{condition} AND ({self.predicate.sql})"


def _requests(signal: Signal, readers: Sequence[_Reader], rows_max: int | None) -> Iterator[bytes]:
    left = rows_max
    for tables in _merged(readers):
        for chunk in _cut(tables, CHUNK_ROWS_MAX, left):
            yield from _encoded(signal, chunk)
            if left is not None:
                left -= _count(chunk)
        if left == 0:
            return


def _merged(readers: Sequence[_Reader]) -> Iterator[Mapping[str, pa.Table]]:
    """Yield rows of all tables such that later ones are of later times, or of the same."""
    while True:
        for reader in readers:
            reader.fill()
        waiting = [reader for reader in readers if reader.times]
        if not waiting:
            return
        # Before the end of a page that is not the table's last, nothing older can follow.
        reached = min((r.times[-1] for r in waiting if not r.is_at_end), default=None)
        yield {reader.table.name: reader.take(reached) for reader in waiting}


def _cut(
    tables: Mapping[str, pa.Table], rows_max: int, total_max: int | None = None
) -> Iterator[Mapping[str, pa.Table]]:
    """Yield the rows in the order of time, so many at once, up to a total."""
    moments = sorted(
        (at, name) for name, rows in tables.items() for at in rows.column(_AT).to_pylist()
    )
    starts = dict.fromkeys(tables, 0)
    for first in range(0, len(moments[:total_max]), rows_max):
        counts = dict.fromkeys(tables, 0)
        for _, name in moments[:total_max][first : first + rows_max]:
            counts[name] += 1
        yield {
            name: tables[name].slice(starts[name], count) for name, count in counts.items() if count
        }
        starts = {name: starts[name] + count for name, count in counts.items()}


def _encoded(signal: Signal, tables: Mapping[str, pa.Table]) -> Iterator[bytes]:
    """Yield requests that hold the rows, halved while they are too large."""
    waiting = [tables]
    while waiting:
        part = waiting.pop()
        body = bytes(_encode(signal, part).SerializeToString())
        rows = _count(part)
        if len(body) > CHUNK_BYTES_MAX and rows > 1:
            waiting.extend(reversed(list(_cut(part, (rows + 1) // 2))))
        else:
            yield body


def _encode(signal: Signal, tables: Mapping[str, pa.Table]) -> Any:
    # With it come protobuf's descriptors, which a start need not wait for.
    from clew.telemetry.otlp.encode import encode_logs, encode_metrics, encode_spans

    match signal:
        case Signal.TRACES:
            return encode_spans(tables[TRACES.name])
        case Signal.LOGS:
            return encode_logs(tables[LOGS.name])
        case Signal.METRICS:
            return encode_metrics(tables)


def _count(tables: Mapping[str, pa.Table]) -> int:
    return sum(rows.num_rows for rows in tables.values())
