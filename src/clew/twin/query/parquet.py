"""Documents as the rows of a table: JSON lines, or a Parquet file whose columns have types.

Theory of operation. A Parquet file says its columns before its first row, and is written in groups
of rows, each of which can be sent once it is made; so memory holds one page. What every document
has are columns of the type that it has there. The fields of an object are not known before: those
that the registry describes get its types, and where no registry knows the type, those of the first
page get what they hold there. A value that its column cannot hold is null in it. Nothing is lost
by that: the whole state stands in a column of its own, as JSON.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pyarrow as pa

from clew.base.errors import ClewError
from clew.base.times import parse_time
from clew.twin.schema.values import FieldType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from clew.twin.schema.values import ObjectSchema, ProcessSchema

FIELDS_MAX: Final = 1000
"""Columns for fields where nobody described them: more are not a table that anybody looks at."""

_TIME: Final = pa.timestamp("ns", "UTC")
_INT64_MAX: Final = 2**63 - 1

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ColumnKind:
    """What a column holds, and how a JSON value becomes that; None where it cannot."""

    type: pa.DataType
    read: Callable[[Any], Any]


def _as_time(value: Any) -> int | None:
    if not isinstance(value, str):
        return None
    try:
        return parse_time(value, now=0)
    except ClewError:
        return None


def _as_json(value: Any) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()


def _as_integer(value: Any) -> int | None:
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    return value if is_whole and abs(value) <= _INT64_MAX else None


def _as_float(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number else None


def _as_text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _as_boolean(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


TIME: Final = ColumnKind(_TIME, _as_time)
TEXT: Final = ColumnKind(pa.string(), _as_text)
INTEGER: Final = ColumnKind(pa.int64(), _as_integer)
FLOAT: Final = ColumnKind(pa.float64(), _as_float)
BOOLEAN: Final = ColumnKind(pa.bool_(), _as_boolean)
JSON: Final = ColumnKind(pa.string(), _as_json)

KINDS: Final[Mapping[FieldType, ColumnKind]] = {
    FieldType.INTEGER: INTEGER,
    FieldType.FLOAT: FLOAT,
    FieldType.STRING: TEXT,
    FieldType.BOOLEAN: BOOLEAN,
    FieldType.LIST: JSON,
    FieldType.DICT: JSON,
    FieldType.TIMESTAMP: TIME,
    FieldType.REFERENCE: TEXT,
}

STATE_COLUMNS: Final[Mapping[str, ColumnKind]] = {
    "type": TEXT,
    "id": TEXT,
    "at": TIME,
    "exists": BOOLEAN,
    "version": INTEGER,
    "state_hash": TEXT,
    "created_at": TIME,
    "updated_at": TIME,
    "last_event_id": TEXT,
    "trace_id": TEXT,
    "span_id": TEXT,
    "registry_checksum": TEXT,
    "phase": TEXT,
    "status": TEXT,
    "warnings": JSON,
    "state": JSON,
}
"""Of `documents.TwinState`, its last event taken apart."""

EVENT_COLUMNS: Final[Mapping[str, ColumnKind]] = {
    "at": TIME,
    "seq": INTEGER,
    "event_id": TEXT,
    "type": TEXT,
    "obj_type": TEXT,
    "obj_id": TEXT,
    "name": TEXT,
    "phase": TEXT,
    "status": TEXT,
    "trace_id": TEXT,
    "span_id": TEXT,
    "service": TEXT,
    "writer": TEXT,
    "body": TEXT,
    "registry_checksum": TEXT,
    "verdict": TEXT,
    "issues": JSON,
    "received_at": TIME,
    "data": JSON,
    "changes": JSON,
}
"""Of `documents.TimelineEvent`."""


def write_lines(pages: Iterable[Sequence[msgspec.Struct]]) -> Iterator[bytes]:
    """Yield pages as lines of JSON, a document each; an empty page is nothing."""
    encoder = msgspec.json.Encoder()
    for page in pages:
        if page:
            yield encoder.encode_lines(page)


def write_parquet(
    pages: Iterable[Sequence[msgspec.Struct]],
    columns: Mapping[str, ColumnKind],
    fields: str,
    kind: ObjectSchema | ProcessSchema | None,
    is_one_type: bool,
) -> Iterator[bytes]:
    """Yield pages as the pieces of one Parquet file; without any row it is a file without rows.

    `fields` is the column with the fields of an object: where all rows are of one type, each of
    them is a column besides, ``state.total`` of ``state``. `kind` describes that type, if anything
    does.
    """
    import pyarrow.parquet as pq

    sink = _Sink()
    writer: pq.ParquetWriter | None = None
    plan: dict[str, ColumnKind] = {}
    for page in pages:
        rows = [_flatten(row) for row in msgspec.to_builtins(page)]
        if writer is None:
            if is_one_type:
                plan = _plan_fields(kind, [row[fields] for row in rows])
            writer = pq.ParquetWriter(sink, _schema(columns, fields, plan), compression="zstd")
        if rows:
            writer.write_table(_to_table(rows, columns, fields, plan))
            yield sink.take()
    assert writer is not None, "there is a page, if only an empty one"
    writer.close()
    yield sink.take()


def _flatten(row: Row) -> Row:
    event = row.pop("last_event", None)
    if event is not None:
        names = {"trace_id": event["trace_id"], "span_id": event["span_id"]}
        row |= {"last_event_id": event["event_id"], **names}
    return row


def _plan_fields(
    kind: ObjectSchema | ProcessSchema | None, states: Sequence[Mapping[str, Any]]
) -> dict[str, ColumnKind]:
    """Return the column of each field: as it is described, else what it holds in these states."""
    if kind is not None:
        return {name: KINDS[field.type] for name, field in sorted(kind.fields.items())}
    held: dict[str, set[type]] = {}
    for state in states:
        for name, value in state.items():
            if value is not None and (name in held or len(held) < FIELDS_MAX):
                held.setdefault(name, set()).add(type(value))
    return {name: _guess(types) for name, types in sorted(held.items())}


def _guess(types: set[type]) -> ColumnKind:
    if types == {bool}:
        return BOOLEAN
    if types == {int}:
        return INTEGER
    if types <= {int, float}:
        return FLOAT
    return TEXT if types == {str} else JSON


def _schema(
    columns: Mapping[str, ColumnKind], fields: str, plan: Mapping[str, ColumnKind]
) -> pa.Schema:
    own = [(name, kind.type) for name, kind in columns.items()]
    return pa.schema([*own, *((f"{fields}.{name}", kind.type) for name, kind in plan.items())])


def _to_table(
    rows: Sequence[Row],
    columns: Mapping[str, ColumnKind],
    fields: str,
    plan: Mapping[str, ColumnKind],
) -> pa.Table:
    arrays = [
        pa.array([kind.read(row.get(name)) for row in rows], kind.type)
        for name, kind in columns.items()
    ]
    arrays.extend(
        pa.array([kind.read(row[fields].get(name)) for row in rows], kind.type)
        for name, kind in plan.items()
    )
    return pa.Table.from_arrays(arrays, schema=_schema(columns, fields, plan))


class _Sink:
    """A file that is taken away as it is written."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._at = 0
        self.closed = False

    def write(self, piece: bytes) -> int:
        """Keep a piece until it is taken."""
        octets = bytes(piece)
        self._pieces.append(octets)
        self._at += len(octets)
        return len(octets)

    def take(self) -> bytes:
        """Return what was written since the last time."""
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken

    def tell(self) -> int:
        """Return how much was written in all."""
        return self._at

    def writable(self) -> bool:
        """Say that it can be written."""
        return True

    def readable(self) -> bool:
        """Say that it cannot be read."""
        return False

    def seekable(self) -> bool:
        """Say that it goes on only."""
        return False

    def flush(self) -> None:
        """Keep nothing back."""

    def close(self) -> None:
        """Take nothing more."""
        self.closed = True
