"""The registries of several servers as one shelf.

Each shard judges events by the registries that it was given. To tell states, a query tier needs all
of them: it reads which versions there are whenever it is asked, and the files of those that it does
not know yet. Versions are in the order in which they were given, as far as the shards' clocks say.
"""

from __future__ import annotations

import heapq
import threading
from itertools import accumulate
from typing import TYPE_CHECKING, NoReturn

import msgspec

from clew.base.errors import ClewError, ErrorCode, NotOfferedError
from clew.remote.finding import find_keeper
from clew.twin import documents as doc
from clew.twin.ingest.judge import Judgement
from clew.twin.registries.shelf import Shelf
from clew.twin.remote import TwinClient
from clew.twin.schema.codec import parse_registry

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from concurrent.futures import Future

    from clew.remote.shards import Shards
    from clew.twin.ingest.fingerprint import Fingerprint
    from clew.twin.ingest.record import LogRecord
    from clew.twin.schema.values import RegistrySchema
    from clew.twin.state.selection import Subject

    Versions = tuple[list[doc.RegistryVersion], list[str]]


class ShardedRegistries:
    """Implements `clew.twin.contract.Registries` over the shards of a query tier.

    It has a `shelf` besides, as whoever tells states needs one. Safe from any thread.
    """

    def __init__(self, shards: Shards) -> None:
        self._shards = shards
        self._lock = threading.Lock()
        self._known: dict[str, RegistrySchema] = {}
        self._shelves: tuple[tuple[str, ...], Shelf] = ((), Shelf())

    @property
    def shelf(self) -> Shelf:
        """The registries of all shards as they are now. Blocks.

        Raises:
            ClewError: UNAVAILABLE when no shard answers.
        """
        checksums = tuple(each.checksum for each in reversed(self._versions()[0]))
        with self._lock:
            before, shelf = self._shelves
        if checksums == before:
            return shelf
        made = Shelf.of(self._schema(checksum) for checksum in checksums)
        with self._lock:
            self._shelves = (checksums, made)
        return made

    def put(self, text: bytes, by: str) -> Future[doc.RegistryStored]:
        """Refuse: a registry is given to each server that judges by it.

        Raises:
            ClewError: UNSUPPORTED.
        """
        del text, by
        self._refuse()

    def get(self, checksum: str) -> bytes:
        """Return the file of a registry, wherever it is kept."""
        return find_keeper(
            self._shards,
            lambda server: TwinClient(server).get_registry(checksum),
            "such registry",
            hint="`clew registry list` shows those that there are",
        )[1]

    def find_current(self, name: str | None = None) -> bytes:
        """Return the file of the registry that was given last anywhere, or last of a name."""
        for version in self._versions()[0]:
            if name is None or version.name == name:
                return self.get(version.checksum)
        raise ClewError(
            ErrorCode.NOT_FOUND,
            "there is no registry" + (f" of the name {name[:100]!r}" if name else ""),
            hint="give each server one: `clew registry push registry.json`",
        )

    def count_judged(self) -> dict[str, int]:
        """Return nothing: events are judged at the shards."""
        return {}

    def list(self) -> doc.RegistryList:
        """Return every version that any shard has, the one given last first.

        Where shards differ in which version of a name is the current one, `conflicts` says so.
        """
        versions, conflicts = self._versions()
        return doc.RegistryList(
            registries=versions,
            count=len(versions),
            total=len(versions),
            truncated=False,
            conflicts=conflicts,
        )

    def find_prefix(self, obj_type: str, checksum: str) -> str | None:
        """Return the prefix of a type, None when no registry knows it."""
        known = self.shelf.find_type(obj_type, checksum)
        return None if known is None else known.prefix

    def judge(self, record: LogRecord, fingerprint: Fingerprint) -> Judgement:
        """Let everything pass: nothing is taken in here."""
        del record, fingerprint
        return Judgement()

    def find_references(self, record: LogRecord) -> set[Subject]:
        """Return none, as nothing is taken in here."""
        del record
        return set()

    def _versions(self) -> Versions:
        gathered = self._shards.ask(lambda server: TwinClient(server).list_registries().document())
        lists = {shard.name: found.registries for shard, found in gathered.answers}
        return _in_order(lists.values()), _find_conflicts(lists)

    def _schema(self, checksum: str) -> RegistrySchema:
        with self._lock:
            known = self._known.get(checksum)
        if known is None:
            known = parse_registry(self.get(checksum))
            with self._lock:
                self._known[checksum] = known
        return known

    def _refuse(self) -> NoReturn:
        addresses = ", ".join(shard.where for shard in self._shards.shards)
        raise NotOfferedError(
            "a registry is given to each server that judges by it, and not to a query tier",
            hint=f"push it to each: {addresses}",
        )


def _in_order(lists: Iterable[Sequence[doc.RegistryVersion]]) -> list[doc.RegistryVersion]:
    """Return every version once, the one given last first; no shard's own order is changed.

    A version says when it was stored, and may have been given again since.
    """
    keyed = []
    for versions in lists:
        stored = accumulate((version.stored_at for version in versions), min)
        keyed.append(list(zip(stored, versions, strict=True)))
    merged: dict[str, doc.RegistryVersion] = {}
    names: set[str] = set()
    for _, version in heapq.merge(*keyed, key=lambda one: one[0], reverse=True):
        if version.checksum not in merged:
            is_current = version.name not in names
            merged[version.checksum] = msgspec.structs.replace(version, is_current=is_current)
            names.add(version.name)
    return list(merged.values())


def _find_conflicts(lists: Mapping[str, Sequence[doc.RegistryVersion]]) -> list[str]:
    """Tell for which names shards do not have one and the same current version."""
    current = {
        shard: {version.name: version for version in versions if version.is_current}
        for shard, versions in lists.items()
    }
    told = []
    for name in sorted({name for by_name in current.values() for name in by_name}):
        found = {shard: by_name.get(name) for shard, by_name in current.items()}
        if len({version.checksum if version else "" for version in found.values()}) > 1:
            each = ", ".join(
                f"{version.version if version else 'none'} on {shard}"
                for shard, version in sorted(found.items())
            )
            told.append(f"{name}: the current version is {each}")
    return told
