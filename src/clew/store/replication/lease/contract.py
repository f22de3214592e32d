"""What keeps the lease: a database that compares and sets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

GROUP: Final = "clew"
"""Which lease it is. Two groups of servers have different addresses: a schema of PostgreSQL each
(`search_path`), or a path of etcd each."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """Who wants the lease: a server, where others reach it, and for how long it would hold it."""

    node_id: str
    url: str
    seconds: float
    group: str = GROUP


@dataclass(frozen=True, slots=True)
class Holder:
    """What is kept: who holds it, where that server is reached, for how long yet.

    `left_s` is 0 or less when the lease has ended.
    """

    node_id: str
    url: str
    epoch: int
    left_s: float


class LeaseStore(Protocol):
    """Where a candidate finds and takes the lease. Blocks; one thread asks at a time.

    Each question may raise a ClewError: it does not answer, or lets us not in.
    """

    shown: str
    """Its address, without the password."""

    def read(self) -> Holder | None:
        """Return who holds it, or held it last; None when nobody ever took it."""
        ...

    def acquire(self, least: int) -> int | None:
        """Take it if it has ended, or is one's own; return its epoch, None when another has it.

        The epoch is larger than `least`, and than any before.
        """
        ...

    def renew(self, epoch: int) -> bool:
        """Give it its whole time again; return False when another has it.

        One that ended and that nobody took is held again.
        """
        ...

    def release(self, epoch: int) -> None:
        """End it; does nothing when another has it."""
        ...

    def close(self) -> None:
        """Let go of the connection; the lease goes on until its end."""
        ...
