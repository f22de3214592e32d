"""What the questions need of a store, and no more: as it is, or as it was known by a time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Protocol

from clew.twin.tables import EVENTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from clew.store.engine.contract import Engine, QueryLimits, Scan, Snapshot
    from clew.twin.state.memory import Memory

_HAD_COME: Final = "Received <= fromUnixTimestamp64Nano({recorded_at:Int64})"


class Reader(Protocol):
    """What an engine is to a question."""

    def query(
        self,
        sql: str,
        *,
        snapshot: Snapshot,
        scans: Mapping[str, Scan],
        parameters: Mapping[str, object] | None = None,
        limits: QueryLimits | None = None,
    ) -> pa.Table:
        """See `Engine.query`."""
        ...


class Store(Protocol):
    """An engine and the moments at which it may be read. Safe to use from any thread."""

    @property
    def engine(self) -> Reader:
        """What reads the flushed rows, and the hot ones of a snapshot with them."""
        ...

    def snapshot(self) -> Snapshot:
        """Return this moment: it holds every row acknowledged before the call."""
        ...


class WholeStore(Store, Protocol):
    """A store that may be written to."""

    @property
    def engine(self) -> Engine:
        """The engine that holds the flushed rows."""
        ...


@dataclass(frozen=True, slots=True)
class RememberingStore:
    """A store, and what was written down of objects so that nobody folds all their events again."""

    store: WholeStore
    memory: Memory

    @property
    def engine(self) -> Engine:
        """See `WholeStore.engine`."""
        return self.store.engine

    def snapshot(self) -> Snapshot:
        """See `Store.snapshot`."""
        return self.store.snapshot()


@dataclass(frozen=True, slots=True)
class RecordedStore:
    """A store as it was known by a recorded time (Unix nanoseconds): later events are not there.

    Every reading of events is narrowed here, so that no question can forget to. An event that was
    sent again had come when its first row had.
    """

    store: Store
    recorded_at: int

    @property
    def engine(self) -> Reader:
        """See `Store.engine`."""
        return _RecordedReader(self.store.engine, self.recorded_at)

    def snapshot(self) -> Snapshot:
        """See `Store.snapshot`."""
        return self.store.snapshot()


@dataclass(frozen=True, slots=True)
class _RecordedReader:
    reader: Reader
    recorded_at: int

    def query(
        self,
        sql: str,
        *,
        snapshot: Snapshot,
        scans: Mapping[str, Scan],
        parameters: Mapping[str, object] | None = None,
        limits: QueryLimits | None = None,
    ) -> pa.Table:
        """See `Engine.query`."""
        narrowed = {
            name: replace(scan, where=f"({scan.where}) AND {_HAD_COME}")
            if scan.table is EVENTS
            else scan
            for name, scan in scans.items()
        }
        bound = {**(parameters or {}), "recorded_at": self.recorded_at}
        return self.reader.query(
            sql, snapshot=snapshot, scans=narrowed, parameters=bound, limits=limits
        )


def as_recorded(store: Store, recorded_at: int | None) -> Store:
    """Return a store as it was known by a time; with None as it is, which costs nothing."""
    return store if recorded_at is None else RecordedStore(store, recorded_at)


def recorded_time(store: Store) -> int | None:
    """Return by which time events of a store had come, None where all count."""
    return store.recorded_at if isinstance(store, RecordedStore) else None


def has_any(store: Store) -> bool:
    """Whether anything may have been written down of any object."""
    if isinstance(store, RecordedStore):
        return has_any(store.store)
    return isinstance(store, RememberingStore) and store.memory.has_any()
