"""What a leader gives, and a standby takes, where a log does not reach: all of it at once."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from clew.app.store import STORED, open_tables
from clew.remote.http import Server
from clew.store.database.sqlite import SqliteDatabase
from clew.store.pipeline import Pipeline
from clew.store.replication.snapshot import Source, fill_folder, write_snapshot
from clew.store.replication.wire import SNAPSHOT_PATH

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from pathlib import Path

    from clew.app.configuration.settings import Configuration
    from clew.app.store import Store
    from clew.store.replication.snapshot import Keep
    from clew.store.replication.standing import Standing


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
