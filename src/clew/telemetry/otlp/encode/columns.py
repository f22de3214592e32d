"""Arrow columns as plain Python lists, whatever of the equal Arrow types the engine chose.

A text column may come as strings or as a dictionary, a time in any unit and zone, a map with its
keys in any order. Times become integers (Unix nanoseconds), maps become tuples of pairs.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from clew.base.errors import ClewError, ErrorCode

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from clew.store.table import Table

# The watermark of the store is no part of a record.
_NOT_ENCODED = frozenset({"Frame"})


def read_rows(table: Table, rows: pa.Table) -> Iterator[Mapping[str, Any]]:
    """Yield the rows as mappings from column name to value, in order; other columns are ignored.

    Raises:
        ClewError: a column of the table is missing.
    """
    names = [column.name for column in table.columns if column.name not in _NOT_ENCODED]
    missing = [name for name in names if name not in rows.column_names]
    if missing:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"rows of {table.name} cannot become OTLP without {', '.join(missing)}",
            hint="select every column of the table",
        )
    columns = [
        [value for chunk in rows.column(name).chunks for value in _values(chunk)] for name in names
    ]
    for row in zip(*columns, strict=True):
        yield dict(zip(names, row, strict=True))


def _bounds(array: pa.Array) -> tuple[list[int], int, int]:
    """Return where the elements of each row begin and end, and the first of them and their number.

    A slice of a table shares the elements of all its rows; only its own are worth reading.
    """
    offsets = array.offsets.to_pylist()
    first = offsets[0]
    return [each - first for each in offsets], first, offsets[-1] - first


def _values(array: pa.Array) -> list[Any]:
    kind = array.type
    if pa.types.is_map(kind):
        offsets, first, count = _bounds(array)
        keys, items = array.keys.slice(first, count), array.items.slice(first, count)
        pairs = list(zip(_values(keys), _values(items), strict=True))
        return [tuple(pairs[start:end]) for start, end in pairwise(offsets)]
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        offsets, first, count = _bounds(array)
        elements = _values(array.values.slice(first, count))
        return [elements[start:end] for start, end in pairwise(offsets)]
    if pa.types.is_dictionary(kind):
        texts = _values(array.dictionary)
        return [texts[index] for index in array.indices.to_pylist()]
    if pa.types.is_timestamp(kind):
        nanoseconds: list[Any] = (
            array.cast(pa.timestamp("ns", kind.tz)).cast(pa.int64()).to_pylist()
        )
        return nanoseconds
    values: list[Any] = array.to_pylist()
    return values
