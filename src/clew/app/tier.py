"""A query tier: the store of a server that holds nothing and asks its shards.

Its engine runs statements over rows that shards answer, in a scratch folder that goes with it; its
registry is a scratch file to which nobody writes; its pipeline is shut.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import stat
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from clew.access.registry import AccessRegistry
from clew.app.store import REGISTRY, STORED, Store, declare_kinds, declare_links, declare_own
from clew.base.errors import ClewError, ErrorCode
from clew.lineage.ingest.told import FRAME_MAX, LinkTally
from clew.remote.shards import Shards
from clew.store.database.sqlite import SqliteDatabase
from clew.store.engine.sharded import ShardedEngine
from clew.store.folder import FolderLock
from clew.store.intake import ShutIntake
from clew.twin.ingest.judge import ReferencePolicy
from clew.twin.registries.book import RegistryBook

if TYPE_CHECKING:
    from clew.app.configuration.settings import Configuration
    from clew.store.engine.contract import Snapshot


_PREFIX: Final = "clew-tier-"

_BEGINNING_S: Final = 60.0
"""So old is the folder of a tier that holds it for sure: it is made a moment before it is held."""


@dataclasses.dataclass(frozen=True, slots=True)
class TierStore(Store):
    """The store of a query tier. `scratch` is all that it has on a disk."""

    scratch: tempfile.TemporaryDirectory[str]

    def snapshot(self) -> Snapshot:
        """Return this moment of every shard. From any thread.

        Raises:
            ClewError: UNAVAILABLE when none answers.
        """
        assert isinstance(self.engine, ShardedEngine), "a tier reads from shards"
        return self.engine.snapshot()

    def flush(self) -> None:
        """Nothing waits here; each shard shows what it acknowledged."""

    def retain(self) -> None:
        """Nothing is kept here; each shard keeps its rows as long as it was told."""

    async def close(self, *, keeps_engine: bool = False) -> None:
        """Let go of everything."""
        await super(TierStore, self).close(keeps_engine=keeps_engine)
        assert self.shards is not None, "a tier has shards"
        self.shards.close()
        self.scratch.cleanup()


def tier_configuration(configuration: Configuration, scratch: Path) -> Configuration:
    """Return what a tier is told: whatever takes records in is shut, and its folder is a scratch.

    The HTTP door stays open; it refuses what would be written.
    """
    return dataclasses.replace(
        configuration,
        data_dir=scratch,
        store="chdb",
        registry="sqlite",
        otlp_http=None,
        otlp_grpc=None,
        trails=None,
        links=(),
        twin_references=ReferencePolicy.OFF,
        retention_events=None,
    )


def read_keys(configuration: Configuration) -> dict[str, str]:
    """Return the API key of each shard, by its name: one for all, or ``NAME=KEY`` for each.

    Raises:
        ClewError: INVALID_ARGUMENT for the name of no shard.
    """
    names = [shard.name for shard in configuration.shards]
    text = configuration.shard_key
    if "=" not in text:
        return dict.fromkeys(names, text) if text else {}
    keys = {}
    for part in text.split(","):
        name, _, key = part.strip().partition("=")
        if name not in names or not key:
            raise ClewError(
                ErrorCode.INVALID_ARGUMENT,
                f"--shard-key names {name[:100]!r}, which is no shard",
                hint=f"give NAME=KEY for each of {', '.join(names)}",
            )
        keys[name] = key
    return keys


def open_scratch() -> tempfile.TemporaryDirectory[str]:
    """Return a folder for a tier; it goes when the tier closes.

    Those of tiers that were killed go now.
    """
    _remove_abandoned(Path(tempfile.gettempdir()))
    return tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True)


def _remove_abandoned(folder: Path) -> None:
    """Remove scratch folders of this user that nobody holds."""
    for found in folder.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError, ClewError):
            about = found.lstat()
            if (
                not stat.S_ISDIR(about.st_mode)
                or about.st_uid != os.geteuid()
                or time.time() - about.st_mtime < _BEGINNING_S
            ):
                continue
            lock = FolderLock.acquire(found)
            try:
                shutil.rmtree(found)
            finally:
                lock.release()


def open_tier(configuration: Configuration, scratch: tempfile.TemporaryDirectory[str]) -> TierStore:
    """Open the store of a query tier over the shards that the configuration names. Blocks.

    Shards need not answer yet.

    Raises:
        ClewError: as `clew.app.store.open_store`.
    """
    folder = Path(scratch.name)
    lock = FolderLock.acquire(folder)
    database = SqliteDatabase.open(folder, REGISTRY)
    access = AccessRegistry.open(database, time.time_ns)
    registries = RegistryBook.open(database, time.time_ns, None, ReferencePolicy.OFF)
    told = LinkTally()
    told.pass_over(FRAME_MAX)
    shards = Shards(
        configuration.shards,
        api_keys=read_keys(configuration),
        timeout_s=configuration.shard_timeout,
    )
    kinds = declare_kinds(configuration, registries, None, told)
    links = declare_links(configuration)
    names = [kind.name for kind in (*kinds.values(), links)]
    engine = ShardedEngine(folder / "store", shards)
    engine.create(STORED)
    return TierStore(
        engine=engine,
        pipeline=ShutIntake(shards.shards, names),
        kinds=kinds,
        own=declare_own(),
        links=links,
        recovered_frames=0,
        lock=lock,
        database=database,
        access=access,
        registries=registries,
        told=told,
        foreign=None,
        part=None,
        shards=shards,
        scratch=scratch,
    )
