"""Rows of plain Python values, gathered by column and turned into one Arrow batch.

Values come in insert order, one a column: ``int`` for times and integers, ``AttributeList`` for a
map, a list of those for an array. Every dictionary holds each of its texts once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clew.store.table import Table
    from clew.telemetry.otlp.residue import AttributeList


class _Column(Protocol):
    """Gathers the values of one column."""

    def append(self, value: Any, /) -> None: ...

    def finish(self) -> pa.Array: ...


class _Plain:
    def __init__(self, arrow_type: pa.DataType) -> None:
        self._arrow_type = arrow_type
        self._values: list[Any] = []
        self.append = self._values.append

    def finish(self) -> pa.Array:
        return pa.array(self._values, self._arrow_type)


class _Dictionary:
    def __init__(self) -> None:
        self._codes: dict[str, int] = {}
        self._indices: list[int] = []

    def append(self, text: str) -> None:
        self._indices.append(self._codes.setdefault(text, len(self._codes)))

    def extend(self, texts: Sequence[str]) -> None:
        codes = self._codes
        self._indices.extend([codes.setdefault(text, len(codes)) for text in texts])

    def finish(self) -> pa.Array:
        return pa.DictionaryArray.from_arrays(
            pa.array(self._indices, pa.int32()), pa.array(list(self._codes), pa.utf8())
        )


class _Map:
    def __init__(self) -> None:
        self._offsets = [0]
        self._keys = _Dictionary()
        self._texts: list[str] = []

    def append(self, attributes: AttributeList) -> None:
        self._keys.extend(attributes.keys)
        self._texts.extend(attributes.texts)
        self._offsets.append(len(self._texts))

    def finish(self) -> pa.Array:
        return pa.MapArray.from_arrays(
            pa.array(self._offsets, pa.int32()),
            self._keys.finish(),
            pa.array(self._texts, pa.utf8()),
        )


class _List:
    def __init__(self, element_type: pa.DataType) -> None:
        self._offsets = [0]
        self._elements = _column(element_type)

    def append(self, values: Sequence[Any]) -> None:
        for value in values:
            self._elements.append(value)
        self._offsets.append(self._offsets[-1] + len(values))

    def finish(self) -> pa.Array:
        return pa.ListArray.from_arrays(
            pa.array(self._offsets, pa.int32()), self._elements.finish()
        )


def _column(arrow_type: pa.DataType) -> _Column:
    if pa.types.is_dictionary(arrow_type):
        return _Dictionary()
    if pa.types.is_map(arrow_type):
        return _Map()
    if pa.types.is_list(arrow_type):
        return _List(arrow_type.value_type)
    return _Plain(arrow_type)


class Batch:
    """Rows of one table, waiting to become an Arrow batch."""

    def __init__(self, table: Table) -> None:
        self.rows = 0
        self._schema = table.arrow_schema
        self._columns = [_column(arrow_type) for arrow_type in self._schema.types]

    def append(self, row: Sequence[Any]) -> None:
        """Keep one row; its values stand in the table's insert order."""
        for column, value in zip(self._columns, row, strict=True):
            column.append(value)
        self.rows += 1

    def finish(self) -> pa.RecordBatch:
        """Return the rows in the order they came, columns as in the table's `arrow_schema`."""
        arrays = [column.finish() for column in self._columns]
        return pa.RecordBatch.from_arrays(arrays, schema=self._schema)
