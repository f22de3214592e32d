"""Events as rows of the engine's table, gathered one after the other."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from clew.twin import attributes as names
from clew.twin.ingest.fingerprint import is_fingerprint, read_fingerprint
from clew.twin.tables import EVENTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from clew.twin.ingest.judge import Judge
    from clew.twin.ingest.record import LogRecord

_APP_ID: Final = "trails.app.id"

# Of arrays of numbers, by how wide they are and whether they are times.
_CODES: Final = {(64, True): "q", (64, False): "Q", (8, False): "B"}


class EventRows:
    """Rows that were gathered and not yet taken. Not thread-safe."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._columns: dict[str, list[Any]] = {column.name: [] for column in EVENTS.columns}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def append(self, record: LogRecord, frame: int) -> bool:
        """Take a record if it is a fingerprint; return whether it was one."""
        texts = record.texts
        if not is_fingerprint(texts):
            return False
        obj_type = texts.get(names.OBJ_TYPE) or texts.get(names.PROCESS_TYPE) or ""
        prefix = self._judge.find_prefix(obj_type, texts.get(names.REGISTRY_CHECKSUM, ""))
        found = read_fingerprint(record, prefix)
        judgement = self._judge.judge(record, found)
        row = (
            record.at,
            found.seq,
            found.event_id,
            found.type.value,
            found.name,
            found.obj_type,
            found.obj_id,
            found.patch,
            found.data,
            found.phase,
            found.status,
            record.body,
            record.severity,
            record.trace_id,
            record.span_id,
            record.service,
            found.writer,
            record.resource.get(_APP_ID, ""),
            found.checksum,
            judgement.verdict.value,
            judgement.issues,
            record.received,
            frame,
        )
        for values, value in zip(self._columns.values(), row, strict=True):
            values.append(value)
        self._count += 1
        return True

    def finish(self) -> pa.RecordBatch | None:
        """Take the rows, None when there are none."""
        if not self._count:
            return None
        arrays = [_array_of(field.type, self._columns[field.name]) for field in EVENTS.arrow_schema]
        for values in self._columns.values():
            values.clear()
        self._count = 0
        return pa.RecordBatch.from_arrays(arrays, schema=EVENTS.arrow_schema)


def _array_of(type_: pa.DataType, values: Sequence[Any]) -> pa.Array:
    """Return values as an array, by ways that do not import pandas, which takes a second."""
    if pa.types.is_map(type_):
        return _maps(type_, values)
    if pa.types.is_dictionary(type_):
        return _texts(values).dictionary_encode()
    if pa.types.is_string(type_):
        return _texts(values)
    numbers = array(_CODES[type_.bit_width, pa.types.is_timestamp(type_)], values)
    return pa.Array.from_buffers(type_, len(values), [None, pa.py_buffer(numbers)])


def _texts(values: Sequence[str]) -> pa.Array:
    builder = pa.lib.StringBuilder()
    builder.append_values(values)
    return builder.finish()


def _maps(type_: pa.MapType, values: Sequence[Mapping[str, str]]) -> pa.Array:
    offsets = array("i", [0])
    keys: list[str] = []
    items: list[str] = []
    for entries in values:
        keys.extend(entries)
        items.extend(entries.values())
        offsets.append(len(keys))
    return pa.MapArray.from_arrays(
        pa.Array.from_buffers(pa.int32(), len(offsets), [None, pa.py_buffer(offsets)]),
        _texts(keys).dictionary_encode(),
        _texts(items),
        type_,
    )
