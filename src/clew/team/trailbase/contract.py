"""What the sync asks of a team's server, whichever API it speaks. Light install."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from clew.team.merging.operation import SyncOperationType

BATCH_MAX = 50
"""Operations of one request, as the integration documents it; the server takes 128."""

PAGE_MAX = 500
"""Records of one page of changes: the server takes 1024 and answers with all of them at once."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a server can do that the other kind cannot.

    `versions`: a change names the version that it replaces. `sequence`: changes are numbered.
    `batches`: several operations in one request. `live`: it tells when there is something new.
    """

    api: str
    versions: bool
    sequence: bool
    batches: bool
    live: bool


@dataclass(frozen=True, slots=True)
class Remote:
    """A record as the server has it.

    `document` is the entity's, without what follows. `version` counts its changes from 1 (0 where a
    server has no versions), `seq` orders all changes of the server (0 likewise), `updated_at` is
    Unix nanoseconds by the server's clock, `op_id` the operation that made it so. `erased` says of
    what is deleted that the server keeps nothing of what it said.
    """

    remote_id: str
    document: Mapping[str, Any]
    version: int
    seq: int
    updated_at: int
    op_id: str | None
    deleted: bool = False
    erased: bool = False


@dataclass(frozen=True, slots=True)
class Sending:
    """One operation as it goes out.

    `version` is the one that it is made from, 0 for a create. `erase` empties what is deleted.
    """

    op_id: str
    entity_type: str
    remote_id: str
    team_id: str
    operation: SyncOperationType
    document: Mapping[str, Any]
    version: int
    erase: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """Changes in the order of `seq`; `has_more` where the page was full.

    Tombstones are kept for months, not for ever. Those up to `purged_seq` may be gone: whoever
    asked from an earlier number, but not from 0, pulls from 0 and takes for deleted what does not
    come.
    """

    records: tuple[Remote, ...]
    has_more: bool
    purged_seq: int = 0


@dataclass(frozen=True, slots=True)
class Hint:
    """Something changed: worth a pull of this type. `lost` says that hints were missed."""

    entity_type: str
    lost: bool = False


class TeamServer(Protocol):
    """A team's server, asked in the name of one account. On one event loop.

    Every method raises the classes of `clew.team.errors`, and nothing else. A bearer that ends soon
    is renewed before it is used, by one request however many ask.
    """

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""
        ...

    @property
    def clock_offset_ns(self) -> int:
        """The server's clock less ours, by its last answer; 0 before the first."""
        ...

    async def send(self, sending: Sending) -> Remote:
        """Carry out one operation and return the record as it is now.

        What had been carried out before, by `op_id`, counts as carried out. A create whose id is
        there with another `op_id`, and a change of another version than the record's, conflict.

        Raises:
            ConflictError: the record changed; read it with `get`.
        """
        ...

    async def send_all(self, sendings: Sequence[Sending]) -> list[Remote | Exception]:
        """Carry out up to `BATCH_MAX` operations of different entities; an outcome for each.

        In one request where the server can, else one by one: one that fails spoils no other.
        """
        ...

    async def get(self, entity_type: str, remote_id: str) -> Remote:
        """Return one record, a tombstone included.

        Raises:
            NotFoundError: there is none, or none that we may see.
        """
        ...

    async def changes(self, entity_type: str, team_id: str, since: int) -> Page:
        """Return what changed after the number `since`, tombstones included.

        Where a server numbers nothing, `since` is Unix nanoseconds and the page is whole.
        """
        ...

    def hints(self, entity_types: Sequence[str]) -> AsyncIterator[Hint]:
        """Yield a hint for each type when it listens, then whenever something changes.

        Ends with the connection; the caller reconnects, and pulls.
        """
        ...

    async def check(self) -> None:
        """Raise unless the server answers. Costs it next to nothing."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
