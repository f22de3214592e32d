"""Hot rows in the form that the engine reads fastest and types like the stored ones."""

from __future__ import annotations

from bisect import bisect_left
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

CHUNKS_MAX: Final = 4
"""The engine pays for each chunk of each column: 20,000 rows of 25 columns took 9 ms in one chunk,
17 ms in 40 and 280 ms in 1,000, against 14 ms to join the 1,000 (docs/internals/engine.md)."""


def readable_rows(rows: pa.Table, columns: Sequence[str] | None = None) -> pa.Table:
    """Return rows (all columns, or some) for the engine's ``Python()`` table function.

    Values inside maps and lists are declared never null, as in the tables: otherwise the engine
    types them Nullable, the two sides of a union differ, and an insert converts them one by one.
    No value is copied unless the rows come in many chunks.
    """
    if columns is not None:
        rows = rows.select(columns)
    if any(column.num_chunks > CHUNKS_MAX for column in rows.columns):
        rows = rows.combine_chunks()
    schema = _without_nulls(rows.schema)
    if schema.equals(rows.schema):
        return rows
    return pa.Table.from_arrays(
        [
            pa.chunked_array([chunk.view(field.type) for chunk in column.chunks], field.type)
            for column, field in zip(rows.columns, schema, strict=True)
        ],
        schema=schema,
    )


def numbered_rows(rows: pa.Table, columns: Sequence[str], name: str) -> pa.Table:
    """Return some columns of rows for the engine, and the row numbers as one more column."""
    numbers = pa.arange(0, rows.num_rows)
    field = pa.field(name, numbers.type, nullable=False)
    return readable_rows(rows, columns).append_column(field, numbers)


def rows_at(rows: pa.Table, numbers: Iterable[int]) -> pa.Table:
    """Return the rows with these numbers, in the order in which they lie.

    Chunk by chunk: Arrow joins all chunks of a column before it takes rows from it.
    """
    wanted = sorted(numbers)
    batches = []
    first = 0
    for batch in rows.to_batches():
        here = wanted[bisect_left(wanted, first) : bisect_left(wanted, first + batch.num_rows)]
        if here:
            batches.append(batch.take(pa.array([number - first for number in here])))
        first += batch.num_rows
    return pa.Table.from_batches(batches, rows.schema)


@lru_cache(maxsize=64)
def _without_nulls(schema: pa.Schema) -> pa.Schema:
    return pa.schema([pa.field(f.name, _never_null(f.type), nullable=False) for f in schema])


def _never_null(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_map(kind):
        value = pa.field("value", _never_null(kind.item_type), nullable=False)
        return pa.map_(_never_null(kind.key_type), value)
    if pa.types.is_list(kind):
        return pa.list_(pa.field("item", _never_null(kind.value_type), nullable=False))
    return kind
