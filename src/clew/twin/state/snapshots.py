"""What the events of objects came to, as rows of the table of snapshots."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pyarrow as pa

from clew.twin.state.start import name_aliases
from clew.twin.tables import SNAPSHOTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from clew.store.engine.contract import Engine
    from clew.twin.state.selection import Subject
    from clew.twin.state.start import Known

REMARKS_MAX: Final = 1_000
"""Remarks that are written down of one object: ten times as many as a reader is shown."""


@dataclass(frozen=True, slots=True)
class Written:
    """One snapshot to be. `frame`: the events of frames up to it are in it.

    `received` is when the last of them had come, or later, in Unix nanoseconds. `kept_from`,
    `first_at` and `service` are those of a baseline; of any other there are none.
    """

    subject: Subject
    known: Known
    frame: int
    aliases: Mapping[str, str]
    received: int
    kept_from: int | None = None
    first_at: int = 0
    service: str = ""


def write_snapshots(engine: Engine, snapshots: Sequence[Written], *, now: int) -> None:
    """Write snapshots; they are durable when it returns. The same ones again add nothing."""
    if not snapshots:
        return
    rows = [_row_of(each, now) for each in snapshots]
    names = SNAPSHOTS.arrow_schema.names
    arrays = [
        pa.array([row[name] for row in rows], type_of.type)
        for name, type_of in zip(names, SNAPSHOTS.arrow_schema, strict=True)
    ]
    table = pa.Table.from_arrays(arrays, schema=SNAPSHOTS.arrow_schema)
    engine.insert(SNAPSHOTS, table, token=_token(rows))


def _row_of(snapshot: Written, now: int) -> dict[str, Any]:
    folded, source = snapshot.known.folded, snapshot.known.source
    assert folded.last is not None, "nothing is known of an object without changes"
    assert source is not None, "what changed was changed by something"
    remarks = [[each.code, each.event_id, each.at] for each in folded.remarks[:REMARKS_MAX]]
    return {
        "ObjType": snapshot.subject.type,
        "ObjId": snapshot.subject.id,
        "Timestamp": folded.last.at,
        "Seq": folded.last.seq,
        "EventId": folded.last.event_id,
        "Version": folded.version,
        "Exists": folded.exists,
        # An object whose first event deletes it was never created.
        "CreatedAt": folded.created_at or 0,
        "State": [(name, _encode(value)) for name, value in folded.state.items()],
        "Phase": folded.phase,
        "Status": folded.status,
        "RegistryChecksum": source.checksum,
        "TraceId": source.trace_id,
        "SpanId": source.span_id,
        "ServiceName": snapshot.service,
        "Remarks": _encode(remarks) if remarks else "",
        "Names": name_aliases(snapshot.aliases),
        "IsBaseline": snapshot.kept_from is not None,
        "KeptFrom": snapshot.kept_from or 0,
        "FirstAt": snapshot.first_at,
        "Written": now,
        "Received": snapshot.received,
        "Frame": snapshot.frame,
    }


def _encode(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _token(rows: Sequence[Mapping[str, Any]]) -> str:
    said = [
        [row[name] for name in ("ObjType", "ObjId", "Timestamp", "EventId", "Frame", "KeptFrom")]
        for row in rows
    ]
    return f"snapshots:{hashlib.sha256(msgspec.json.encode(said)).hexdigest()}"
