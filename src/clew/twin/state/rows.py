"""Rows of the table of events as the events that they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from clew.twin.events import Event, EventType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import pyarrow as pa

AT: Final = "toUnixTimestamp64Nano(Timestamp) AS at"
RECEIVED: Final = "toUnixTimestamp64Nano(Received) AS received"


def as_object(column: str, name: str) -> str:
    """Return the expression that makes one JSON text of a map whose values are JSON.

    One text for each row is decoded in a tenth of the time that a map takes to leave Arrow.
    """
    members = (
        f"arrayMap((k, v) -> concat(toJSONString(toString(k)), ':', v),"
        f" mapKeys({column}), mapValues({column}))"
    )
    return f"concat('{{', arrayStringConcat({members}, ','), '}}') AS {name}"


CHANGE_COLUMNS: Final = (
    AT,
    "Seq",
    "EventId",
    "toString(EventType) AS type",
    as_object("Patch", "patch"),
    "toString(Phase) AS phase",
    "toString(Status) AS status",
    "TraceId",
    "SpanId",
    "toString(ServiceName) AS service",
    "toString(RegistryChecksum) AS checksum",
)
"""What an event changes, and where it comes from."""


FRAMED_COLUMNS: Final = (
    *CHANGE_COLUMNS,
    "toString(ObjType) AS obj_type",
    "ObjId",
    "Frame",
)
"""The same, and of which object, and the frame that brought it."""


_TYPES: Final = {str(each): each for each in EventType}
"""Finding a member by its value takes a microsecond, in a dictionary a tenth of that."""


def read_changes(
    rows: pa.Table, obj_type: str, obj_id: str, aliases: Mapping[str, str]
) -> Iterator[Event]:
    """Yield the events of one object in rows of `CHANGE_COLUMNS`, in no order.

    `aliases` are names that fields had before, each with its present one; where an event sets both,
    the present name counts.
    """
    columns = [column.to_pylist() for column in rows.columns]
    columns += [obj_type] * rows.num_rows, [obj_id] * rows.num_rows
    return _read(columns, {obj_type: aliases})


def read_framed(
    rows: pa.Table, aliases: Callable[[str], Mapping[str, str]]
) -> Iterator[tuple[int, Event]]:
    """Yield the events of rows of `FRAMED_COLUMNS` in their order, each with its frame.

    `aliases` gives the former names of the fields of a type.
    """
    *columns, frames = (column.to_pylist() for column in rows.columns)
    names = {name: aliases(name) for name in set(rows["obj_type"].to_pylist())}
    return zip(frames, _read(columns, names), strict=True)


def _read(
    columns: Sequence[Sequence[Any]], aliases: Mapping[str, Mapping[str, str]]
) -> Iterator[Event]:
    decode = msgspec.json.Decoder(dict[str, Any]).decode
    for at, seq, event_id, type_, patch, phase, status, trace, span, *others in zip(
        *columns, strict=True
    ):
        service, checksum, obj_type, obj_id = others
        former = aliases[obj_type]
        yield Event(
            at=at,
            seq=seq,
            event_id=event_id,
            type=_TYPES[type_],
            obj_type=obj_type,
            obj_id=obj_id,
            patch=rename(decode(patch), former) if former else decode(patch),
            phase=phase,
            status=status,
            trace_id=trace,
            span_id=span,
            service=service,
            checksum=checksum,
        )


def read_subjects(rows: pa.Table) -> list[tuple[str, str]]:
    """Return the type and the id of the object of each row, named ``obj_type`` and ``ObjId``."""
    return list(zip(rows["obj_type"].to_pylist(), rows["ObjId"].to_pylist(), strict=True))


def rename(patch: dict[str, Any], aliases: Mapping[str, str]) -> dict[str, Any]:
    """Return what an event sets by present names; where it has both, the present one counts."""
    former = {aliases[name]: value for name, value in patch.items() if name in aliases}
    return {**former, **{name: value for name, value in patch.items() if name not in aliases}}
