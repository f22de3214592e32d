"""Beginning anew: what a standby takes from its leader when its own log does not reach."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING, Final

from clew.app.group.peers import REFUSALS
from clew.app.store import STORED, open_tables
from clew.base.errors import ClewError
from clew.remote.http import Server
from clew.store.database.sqlite import SqliteDatabase
from clew.store.pipeline import Pipeline
from clew.store.replication.snapshot import Keep, Source, fill_folder, write_snapshot
from clew.store.replication.wire import SNAPSHOT_PATH

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from pathlib import Path

    from clew.app.configuration.settings import Configuration
    from clew.app.store import Store
    from clew.store.replication.standing import Standing

logger = logging.getLogger(__name__)

SNAPSHOT_TRIES: Final = 5
SNAPSHOT_AGAIN_S: Final = 1.0
"""How often, and how soon, a snapshot that broke off is asked for again, before the standby opens
with what it has; then its leader tells it anew that it needs one."""


def give_snapshot(store: Store, standing: Standing, scratch: Path) -> Generator[bytes]:
    """Return everything of an open store, piece by piece; `scratch` is for what is copied first.

    Blocks.

    Raises:
        ClewError: the engine or the registry cannot be read.
    """
    database, pipeline = store.database, store.pipeline
    assert isinstance(database, SqliteDatabase), "a server of a group has a registry of its own"
    assert isinstance(pipeline, Pipeline), "a query tier is in no group"
    return write_snapshot(
        Source(store.engine, STORED, pipeline.settle_whole, database.copy_to, standing, scratch)
    )


class Snapshots:
    """Takes snapshots of leaders, and says once why one was not had. Belongs to one event loop."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._told: str | None = None

    async def try_for_one(
        self, url: str, standing: Standing, keep: Keep, is_ending: Callable[[], bool]
    ) -> bool:
        """Do as `take_snapshot`, some times; return whether it was had whole."""
        configuration = self._configuration
        for _ in range(SNAPSHOT_TRIES):
            if is_ending():
                break
            try:
                await asyncio.to_thread(
                    take_snapshot, configuration, url, standing, keep, is_ending
                )
            except ClewError as error:
                self._tell(url, error)
                await asyncio.sleep(SNAPSHOT_AGAIN_S)
            else:
                self._told = None
                return True
        return False

    def _tell(self, url: str, error: ClewError) -> None:
        """Say why, unless that was said: it is asked for every second, by one role after another.

        A snapshot that broke off is another each time, and the same trouble.
        """
        if error.message == self._told:
            return
        self._told = error.message
        is_key = error.code in REFUSALS
        hint = "give every server of the group the same --peer-key" if is_key else error.hint
        logger.warning(
            "the snapshot of %s was not had whole, and is asked for again: %s%s",
            url,
            error.message,
            f"; {hint}" if hint else "",
        )


def take_snapshot(
    configuration: Configuration,
    url: str,
    standing: Standing,
    keep: Keep,
    is_ending: Callable[[], bool],
) -> None:
    """Make the data folder anew out of what another server has. Blocks.

    The caller holds the folder's lock and has nothing in it open. It breaks off once `is_ending`.

    Raises:
        ClewError: it was not had whole; the folder is to be filled again.
    """
    server = Server(url, api_key=configuration.peer_key or None)
    with server, server.stream(SNAPSHOT_PATH) as stream:
        fill_folder(
            configuration.data_dir,
            _until(is_ending, stream.chunks()),
            partial(open_tables, configuration),
            STORED,
            standing,
            keep=keep,
        )


def _until(is_over: Callable[[], bool], chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield what comes until it is over; what is missing then makes the snapshot not whole."""
    for chunk in chunks:
        if is_over():
            return
        yield chunk
