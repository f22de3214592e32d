"""Link sets and descriptors as rows of the engine's tables, gathered one after the other."""

from __future__ import annotations

from array import array
from itertools import repeat
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from clew.lineage.sbe.descriptor import FrameDescriptor
from clew.lineage.tables import DATASETS, ITEMS, LINKS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from clew.lineage.ingest.record import Named
    from clew.lineage.sbe.linkset import TraceLinkSet
    from clew.store.table import Table

_CODES: Final = {"DateTime64(9)": "q", "UInt64": "Q", "UInt32": "I"}


class LinkRows:
    """Rows that were gathered and not yet taken. Not thread-safe."""

    def __init__(self) -> None:
        self._links = _Columns(LINKS)
        self._items = _Columns(ITEMS)
        self._datasets = _Columns(DATASETS)

    def __len__(self) -> int:
        return len(self._links) + len(self._items) + len(self._datasets)

    def append(
        self,
        said: TraceLinkSet | FrameDescriptor,
        *,
        at: int,
        received: int,
        source: str,
        frame: int,
    ) -> None:
        """Take what a message says: an item, and of a set an edge for each parent.

        Times are Unix nanoseconds.
        """
        item = (said.stream_id, said.epoch, said.seq)
        arrival = (received, source, frame)
        self._items.append(1, at, said.trace_id, *item, *arrival)
        if isinstance(said, FrameDescriptor):
            return
        count = len(said.parents)
        edges = (said.parents, range(count), count)
        self._links.append(count, at, said.trace_id, *edges, *item, *arrival)

    def name(self, named: Named, *, at: int, received: int, source: str, frame: int) -> None:
        """Take which dataset an id is made of. Times as for `append`."""
        names = (named.namespace, named.name, named.version or "")
        self._datasets.append(1, at, named.trace_id, *names, received, source, frame)

    def finish(self) -> dict[str, pa.RecordBatch]:
        """Take the rows, by table name; tables without rows are absent."""
        return {
            columns.table.name: columns.finish()
            for columns in (self._links, self._items, self._datasets)
            if len(columns)
        }


class _Columns:
    """The columns of one table, each in the form in which Arrow takes it over."""

    def __init__(self, table: Table) -> None:
        self.table: Final = table
        self._begin()

    def __len__(self) -> int:
        return len(self._values[0])

    def append(self, count: int, *row: int | str | Iterable[int]) -> None:
        """Take so many rows that are alike, but for the columns that have a value for each."""
        for extend, value in zip(self._extends, row, strict=True):
            extend(repeat(value, count) if isinstance(value, int | str) else value)

    def finish(self) -> pa.RecordBatch:
        schema = self.table.arrow_schema
        arrays = [
            _array_of(field.type, values)
            for field, values in zip(schema, self._values, strict=True)
        ]
        self._begin()
        return pa.RecordBatch.from_arrays(arrays, schema=schema)

    def _begin(self) -> None:
        self._values: list[array[int] | list[str]] = [
            array(_CODES[column.type]) if column.type in _CODES else []
            for column in self.table.columns
        ]
        self._extends: list[Callable[..., None]] = [values.extend for values in self._values]


def _array_of(type_: pa.DataType, values: array[int] | list[str]) -> pa.Array:
    """Return values as an array, by ways that do not import pandas, which takes a second."""
    if isinstance(values, list):
        builder = pa.lib.StringBuilder()
        builder.append_values(values)
        texts = builder.finish()
        return texts.dictionary_encode() if pa.types.is_dictionary(type_) else texts
    return pa.Array.from_buffers(type_, len(values), [None, pa.py_buffer(values)])
