"""What the questions need of a store, and no more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from clew.store.engine.contract import Engine, Snapshot


class Store(Protocol):
    """An engine and the moments at which it may be read. Safe to use from any thread."""

    @property
    def engine(self) -> Engine:
        """The engine that holds the flushed rows."""
        ...

    def snapshot(self) -> Snapshot:
        """Return this moment: it holds every row acknowledged before the call."""
        ...
