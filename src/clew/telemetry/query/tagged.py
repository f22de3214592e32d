"""Spans and logs that carry one of several values of an attribute, for whoever knows the values.

Found by the index of attributes: what is read are the granules that hold one of the values.
"""

# ruff: noqa: S608 - values are bound; the rest is our own text

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from clew.store.engine.contract import QueryLimits, Scan
from clew.telemetry.tables import LOGS, TRACES
from clew.telemetry.tables.columns import ITEM_VALUE_BYTES_MAX

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from clew.store.table import Table
    from clew.telemetry.query.store import Store

LIMITS: Final = QueryLimits(time_ms_max=10_000, memory_bytes_max=2 << 30)

_APP_ID: Final = "trails.app.id"


@dataclass(frozen=True, slots=True)
class TaggedSpan:
    """A span by a value of the attribute; times are Unix nanoseconds.

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
    total: int


class TaggedRecords:
    """Finds records by values of one attribute. Safe to use from any thread."""

    def __init__(self, store: Store, key: str) -> None:
        self._store = store
        self._key = key

    def find_spans(self, values: Collection[str], limit: int) -> list[TaggedSpan]:
        """Return the spans that have any of some values, at most `limit` of each.

        Order: start. Bounds: a value has `ITEM_VALUE_BYTES_MAX` bytes at most.
        """
        rows = self._store.engine.query(
            "SELECT *, count() OVER (PARTITION BY value) AS total FROM @spans"
            f" ORDER BY start, span_id LIMIT {limit} BY value",
            snapshot=self._store.snapshot(),
            scans={
                "spans": Scan(
                    TRACES,
                    (
                        "SpanAttributes[{key:String}] AS value",
                        "toString(ServiceName) AS service",
                        "toString(SpanName) AS operation",
                        "TraceId AS trace_id",
                        "SpanId AS span_id",
                        "toUnixTimestamp64Nano(Timestamp) AS start",
                        "Duration AS duration",
                        "lower(toString(StatusCode)) AS status",
                        f"toString(ResourceAttributes['{_APP_ID}']) AS app_id",
                    ),
                    _condition(TRACES, "SpanAttributeItems"),
                )
            },
            parameters=self._parameters(values),
            limits=LIMITS,
        )
        columns: Sequence[Sequence[object]] = [column.to_pylist() for column in rows.columns]
        return [TaggedSpan(*row) for row in zip(*columns, strict=True)]

    def count_logs(self, values: Collection[str]) -> dict[str, int]:
        """Return how many log records have each of some values, of those that any has."""
        rows = self._store.engine.query(
            "SELECT value, count() AS records FROM @logs GROUP BY value",
            snapshot=self._store.snapshot(),
            scans={
                "logs": Scan(
                    LOGS,
                    ("LogAttributes[{key:String}] AS value",),
                    _condition(LOGS, "LogAttributeItems"),
                )
            },
            parameters=self._parameters(values),
            limits=LIMITS,
        ).to_pylist()
        return {row["value"]: row["records"] for row in rows}

    def _parameters(self, values: Collection[str]) -> dict[str, object]:
        assert all(len(value.encode()) <= ITEM_VALUE_BYTES_MAX for value in values)
        return {"key": self._key, "items": [f"{self._key}={value}" for value in values]}


def _condition(table: Table, items: str) -> str:
    assert any(alias.name == items for alias in table.aliases)
    return f"hasAny({items}, {{items:Array(String)}})"
