"""Rows of any table with as little said about them as a test needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from clew.store.table import Table

DAY_NS = 86_400_000_000_000
MORNING = 1_790_812_800_000_000_000
"""2026-10-01T00:00:00Z: a day begins."""

_DEFAULTS: Mapping[str, object] = {
    "String": "",
    "LowCardinality(String)": "",
    "DateTime64(9)": MORNING,
    "Map(LowCardinality(String), String)": [],
    "Map(LowCardinality(String), LowCardinality(String))": [],
    "Bool": False,
    "Float64": 0.0,
}


def rows_of(table: Table, rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """Return rows as the decoders give them; what a row does not say is zero or empty."""
    wanted = list(rows)
    arrays = []
    for column, field in zip(table.columns, table.arrow_schema, strict=True):
        default = [] if column.type.startswith("Array(") else _DEFAULTS.get(column.type, 0)
        values = [row.get(column.name, default) for row in wanted]
        arrays.append(pa.array(values, type=_plain(field.type)).cast(field.type))
    return pa.Table.from_arrays(arrays, schema=table.arrow_schema)


def span(frame: int, number: int = 0, **more: Any) -> dict[str, Any]:
    """Return a span of a frame whose id says which one it is."""
    return {
        "Timestamp": MORNING + frame * 1_000_000 + number,
        "TraceId": f"{frame:032x}",
        "SpanId": f"{frame:08x}{number:08x}",
        "ServiceName": "shop",
        "SpanName": "pay",
        "Frame": frame,
        **more,
    }


def _plain(kind: pa.DataType) -> pa.DataType:
    """Python values become Arrow without dictionaries; the cast makes those."""
    if pa.types.is_dictionary(kind):
        return kind.value_type
    if pa.types.is_map(kind):
        return pa.map_(_plain(kind.key_type), _plain(kind.item_type))
    if pa.types.is_list(kind):
        return pa.list_(_plain(kind.value_type))
    return kind
