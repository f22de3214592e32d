"""What a server of a group answers the others about its log, made from an open store."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from clew.app.group.snapshots import give_snapshot
from clew.app.server_key import tell_key
from clew.base.errors import ClewError, ErrorCode
from clew.store.database.sqlite import SqliteDatabase
from clew.store.replication.reader import read_once
from clew.surfaces.internal.wal import InternalDoor

if TYPE_CHECKING:
    from pathlib import Path

    from clew.app.store import Store
    from clew.surfaces.identity import Identity


def _tell_key(store: Store, data_dir: Path) -> dict[str, str]:
    if not store.access.keys.is_guarding:
        raise ClewError(
            ErrorCode.FORBIDDEN,
            "without API keys anybody could have the server's key, so it is told to nobody",
            hint="copy server.key by hand, or make API keys and give --peer-key to each server",
        )
    return tell_key(data_dir)


SCRATCH_NAME: Final = "outgoing"
"""Where the registry is copied to before it is sent, in the data folder."""


def open_internal(store: Store, identity: Identity, data_dir: Path) -> InternalDoor:
    """Return the door for other servers of the group."""
    part = store.part
    assert part is not None, "a server alone has no such door"
    log = part.inside.log

    def tell_more() -> dict[str, object]:
        told: dict[str, object] = {"flushed": store.pipeline.status().flushed}
        if isinstance(store.database, SqliteDatabase):
            told["registry"] = store.database.origin()
        return told

    return InternalDoor(
        part,
        identity,
        tell_more=tell_more,
        read_log=partial(read_once, log.folder),
        tell_key=partial(_tell_key, store, data_dir),
        open_snapshot=partial(give_snapshot, store, part.standing, data_dir / SCRATCH_NAME),
    )
