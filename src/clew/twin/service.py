"""The one service of the twin: every door and window asks it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clew.twin.query import states
from clew.twin.query.selection import Subject

if TYPE_CHECKING:
    from collections.abc import Callable

    from clew.twin import documents as doc
    from clew.twin import parameters as ask
    from clew.twin.query.store import Store
    from clew.twin.registries.book import RegistryBook


class StoredTwins:
    """Implements `clew.twin.contract.Twins`, which says what each call does."""

    def __init__(self, store: Store, book: RegistryBook, now: Callable[[], int]) -> None:
        """Answer from a store and the registries; `now` gives Unix nanoseconds."""
        self._store = store
        self._book = book
        self._now = now

    def get_state(self, obj_type: str, obj_id: str, query: ask.StateQuery) -> doc.TwinState:
        """Return what an object was at a moment."""
        subject = Subject(obj_type, obj_id)
        return states.get_state(self._store, self._book.shelf, subject, query, self._now())
