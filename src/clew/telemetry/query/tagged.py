"""Spans and logs that carry one of several values of an attribute, for whoever knows the values.

Found by the index of attributes: what is read are the granules that hold one of the values. Other
attributes that say more of the same thing, the `fields`, are told with each record.
"""

# ruff: noqa: S608 - values are bound; the rest is our own text

from __future__ import annotations

import dataclasses
import operator
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from clew.store.engine.contract import QueryLimits, Scan
from clew.telemetry.tables import LOGS, TRACES
from clew.telemetry.tables.columns import ITEM_VALUE_BYTES_MAX

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    import pyarrow as pa

    from clew.telemetry.query.store import Store

LIMITS: Final = QueryLimits(time_ms_max=10_000, memory_bytes_max=2 << 30)

_APP_ID: Final = "trails.app.id"


@dataclass(frozen=True, slots=True)
class TaggedSpan:
    """A span by a value of the attribute; times are Unix nanoseconds.

    `fields` are the values of the other attributes, empty where the span has none of that name;
    `total` is how many spans have the value.
    """

    value: str
    service: str
    operation: str
    trace_id: str
    span_id: str
    start: int
    duration: int
    status: str
    app_id: str
    fields: list[str]
    total: int


@dataclass(frozen=True, slots=True)
class TaggedLog:
    """A log record by a value of the attribute; `at` is Unix nanoseconds.

    Ids are empty where it has none; `fields` and `total` are as those of a span.
    """

    value: str
    service: str
    event: str
    trace_id: str
    span_id: str
    at: int
    fields: list[str]
    total: int


_SPAN_ITEMS: Final = "SpanAttributeItems"
_LOG_ITEMS: Final = "LogAttributeItems"

_SPAN_COLUMNS: Final = (
    "SpanAttributes[{key:String}] AS value",
    "toString(ServiceName) AS service",
    "toString(SpanName) AS operation",
    "TraceId AS trace_id",
    "SpanId AS span_id",
    "toUnixTimestamp64Nano(Timestamp) AS start",
    "Duration AS duration",
    "lower(toString(StatusCode)) AS status",
    f"toString(ResourceAttributes['{_APP_ID}']) AS app_id",
)

_LOG_COLUMNS: Final = (
    "LogAttributes[{key:String}] AS value",
    "toString(ServiceName) AS service",
    "toString(EventName) AS event",
    "TraceId AS trace_id",
    "SpanId AS span_id",
    "toUnixTimestamp64Nano(Timestamp) AS at",
)

FEW_ROWS: Final = 2_000
"""Up to here records are read as they lie and put in order here. To sort and count them takes the
engine milliseconds before it has read any, as long as to find them."""

Row = tuple[Any, ...]
"""A record as the engine gives it: in the order of the columns."""

_SPAN_ORDER: Final = operator.itemgetter(
    _SPAN_COLUMNS.index("toUnixTimestamp64Nano(Timestamp) AS start"),
    _SPAN_COLUMNS.index("SpanId AS span_id"),
)
_LOG_ORDER: Final = operator.itemgetter(
    _LOG_COLUMNS.index("toUnixTimestamp64Nano(Timestamp) AS at"), 0, len(_LOG_COLUMNS)
)


class TaggedRecords:
    """Finds records by values of one attribute. Safe to use from any thread."""

    def __init__(self, store: Store, key: str, fields: Sequence[str] = ()) -> None:
        """Find by the attribute `key`; `fields` are the names of those that are told with it."""
        self._store = store
        self._key = key
        self._fields = {f"field_{place}": name for place, name in enumerate(fields)}

    def find_spans(self, values: Collection[str], limit: int) -> list[TaggedSpan]:
        """Return the spans that have any of some values, at most `limit` of each.

        Order: start. Bounds: a value has `ITEM_VALUE_BYTES_MAX` bytes at most.
        """
        condition = self._any_of(_SPAN_ITEMS, values)
        if (few := self._read_few(self._spans(condition), condition)) is None:
            return self._find_spans(condition, f"{limit} BY value")
        return [TaggedSpan(*row) for row in _take_first(sorted(few, key=_SPAN_ORDER), limit)]

    def find_spans_with(self, attributes: Mapping[str, str], limit: int) -> list[TaggedSpan]:
        """Return the spans that have the attribute and all of these, at most `limit` in all.

        Order: start. Bounds: as `find_spans`.
        """
        return self._find_spans(_all_of(_SPAN_ITEMS, attributes), f"{limit}")

    def find_named(self, names: Collection[tuple[str, str]]) -> list[TaggedSpan]:
        """Return the spans with some trace and span ids, whether or not they have the attribute.

        Order: start. Each counts alone, and one that came twice is told once.
        """
        condition = _Condition(
            "TraceId IN {traces:Array(String)}"
            " AND concat(TraceId, SpanId) IN {names:Array(String)}",
            {
                "traces": sorted({trace_id for trace_id, _ in names}),
                "names": [trace_id + span_id for trace_id, span_id in names],
            },
        )
        rows = self._ask(
            "SELECT *, toUInt64(1) AS total FROM @records"
            " ORDER BY start, span_id LIMIT 1 BY trace_id, span_id",
            self._spans(condition),
            condition,
        )
        return [TaggedSpan(*row) for row in _rows_of(rows)]

    def find_logs(self, values: Collection[str], limit: int) -> list[TaggedLog]:
        """Return the first log records that have any of some values.

        At most `limit` of each value, in the order of time. Bounds: as `find_spans`.
        """
        condition = self._any_of(_LOG_ITEMS, values)
        if (few := self._read_few(self._logs(condition), condition)) is None:
            return self._find_logs(condition, f"{limit} BY value")
        return [TaggedLog(*row) for row in _take_first(sorted(few, key=_LOG_ORDER), limit)]

    def find_logs_with(self, attributes: Mapping[str, str], limit: int) -> list[TaggedLog]:
        """Return the first log records that have the attribute and all of these.

        At most `limit` in all, in the order of time. Bounds: as `find_spans`.
        """
        return self._find_logs(_all_of(_LOG_ITEMS, attributes), f"{limit}")

    def _read_few(self, scan: Scan, condition: _Condition) -> list[Row] | None:
        """Return the rows of a scan in no order, None where they are more than a few."""
        rows = self._ask("@records", dataclasses.replace(scan, limit=FEW_ROWS + 1), condition)
        return _rows_of(rows) if rows.num_rows <= FEW_ROWS else None

    def _find_spans(self, condition: _Condition, limit: str) -> list[TaggedSpan]:
        rows = self._ask(
            "SELECT *, count() OVER (PARTITION BY value) AS total FROM @records"
            f" ORDER BY start, span_id LIMIT {limit}",
            self._spans(condition),
            condition,
        )
        return [TaggedSpan(*row) for row in _rows_of(rows)]

    def _find_logs(self, condition: _Condition, limit: str) -> list[TaggedLog]:
        rows = self._ask(
            "SELECT *, count() OVER (PARTITION BY value) AS total FROM @records"
            f" ORDER BY at, value, fields LIMIT {limit}",
            self._logs(condition),
            condition,
        )
        return [TaggedLog(*row) for row in _rows_of(rows)]

    def _spans(self, condition: _Condition) -> Scan:
        told = self._told("SpanAttributes")
        return Scan(TRACES, (*_SPAN_COLUMNS, told), condition.where)

    def _logs(self, condition: _Condition) -> Scan:
        return Scan(LOGS, (*_LOG_COLUMNS, self._told("LogAttributes")), condition.where)

    def _ask(self, sql: str, scan: Scan, condition: _Condition) -> pa.Table:
        return self._store.engine.query(
            sql,
            snapshot=self._store.snapshot(),
            scans={"records": scan},
            parameters={"key": self._key, **self._fields, **condition.parameters},
            limits=LIMITS,
        )

    def _told(self, attributes: str) -> str:
        # One by one: for a lambda over their names the engine takes a tenth longer.
        values = (f"{attributes}[{{{name}:String}}]" for name in self._fields)
        return f"[{', '.join(values)}] AS fields"

    def _any_of(self, column: str, values: Collection[str]) -> _Condition:
        items = [_item(self._key, value) for value in values]
        return _Condition(f"hasAny({column}, {{items:Array(String)}})", {"items": items})


def _rows_of(rows: pa.Table) -> list[Row]:
    return list(zip(*(column.to_pylist() for column in rows.columns), strict=True))


def _take_first(rows: Sequence[Row], limit: int) -> Iterator[Row]:
    """Yield the first rows of each value, each with how many there are of it."""
    totals = Counter(row[0] for row in rows)
    taken: Counter[Any] = Counter()
    for row in rows:
        if taken[row[0]] < limit:
            taken[row[0]] += 1
            yield (*row, totals[row[0]])


@dataclass(frozen=True, slots=True)
class _Condition:
    where: str
    parameters: Mapping[str, object]


def _all_of(column: str, attributes: Mapping[str, str]) -> _Condition:
    items = {
        f"item_{place}": _item(name, value)
        for place, (name, value) in enumerate(attributes.items())
    }
    has_all = " AND ".join(f"has({column}, {{{name}:String}})" for name in items)
    return _Condition(f"{has_all} AND value != ''", items)


def _item(name: str, value: str) -> str:
    assert len(value.encode()) <= ITEM_VALUE_BYTES_MAX
    return f"{name}={value}"
