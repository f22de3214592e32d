"""What a server of a group answers the others about its log, made from an open store."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from clew.store.database.sqlite import SqliteDatabase
from clew.store.replication.reader import LogReader
from clew.surfaces.internal.wal import InternalDoor

if TYPE_CHECKING:
    from clew.app.store import Store
    from clew.store.replication.wire import Record
    from clew.surfaces.identity import Identity


def open_internal(store: Store, identity: Identity) -> InternalDoor:
    """Return the door for other servers of the group."""
    part = store.part
    assert part is not None, "a server alone has no such door"
    log = part.inside.log

    def read_log(after: int, bytes_max: int) -> list[Record] | None:
        with contextlib.closing(LogReader(log.folder, log.id)) as reader:
            return reader.read(after, bytes_max=bytes_max)

    def tell_more() -> dict[str, object]:
        told: dict[str, object] = {"flushed": store.pipeline.status().flushed}
        if isinstance(store.database, SqliteDatabase):
            told["registry"] = store.database.origin()
        return told

    return InternalDoor(part, identity, tell_more=tell_more, read_log=read_log)
