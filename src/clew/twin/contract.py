"""What the twin answers: the one contract that every door and window speaks to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from concurrent.futures import Future

    from clew.twin import documents as doc
    from clew.twin import parameters as ask


class Twins(Protocol):
    """States, events and registries. Every method blocks and may be called from any thread.

    Every method raises ClewError: INVALID_ARGUMENT for what cannot be asked, NOT_FOUND for an
    object, event, span or trace that nothing is known of, TIMEOUT and TOO_LARGE at a limit.
    """

    def get_state(self, obj_type: str, obj_id: str, query: ask.StateQuery) -> doc.TwinState:
        """Return what an object was at a moment; of one that was not yet there, `exists` is false.

        NOT_FOUND when no event of it is known at all.
        """
        ...


class Registries(Protocol):
    """The registries that a server was given. Every version is kept."""

    def put(self, text: bytes, by: str) -> Future[doc.RegistryStored]:
        """Keep the file of a registry, and let it count; durable when the future is done.

        INVALID_ARGUMENT, at the call, for what is no registry or contradicts itself.
        """
        ...

    def get(self, checksum: str) -> bytes:
        """Return the file of a registry."""
        ...

    def find_current(self, name: str | None = None) -> bytes:
        """Return the file of the registry that was given last, or last of a name."""
        ...

    def list(self) -> doc.RegistryList:
        """Return every version, the one given last first."""
        ...
