"""What the questions need of a store, and no more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from clew.store.engine.contract import Engine, Snapshot
    from clew.twin.state.memory import Memory


class Store(Protocol):
    """An engine and the moments at which it may be read. Safe to use from any thread."""

    @property
    def engine(self) -> Engine:
        """The engine that holds the flushed rows."""
        ...

    def snapshot(self) -> Snapshot:
        """Return this moment: it holds every row acknowledged before the call."""
        ...


@dataclass(frozen=True, slots=True)
class RememberingStore:
    """A store, and what was written down of objects so that nobody folds all their events again."""

    store: Store
    memory: Memory

    @property
    def engine(self) -> Engine:
        """See `Store.engine`."""
        return self.store.engine

    def snapshot(self) -> Snapshot:
        """See `Store.snapshot`."""
        return self.store.snapshot()


def has_any(store: Store) -> bool:
    """Whether anything may have been written down of any object."""
    return isinstance(store, RememberingStore) and store.memory.has_any()
