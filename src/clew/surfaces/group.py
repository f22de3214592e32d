"""What the doors ask of the group of servers that theirs is one of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from clew.base.errors import ClewError, ErrorCode
from clew.telemetry.group import GroupStatus

if TYPE_CHECKING:
    from clew.telemetry.group import Promotion

RETRY_AFTER_MS: Final = 1000
"""When to send again what a standby refused: a change of leader takes a few seconds."""

SILENT_SECONDS: Final = 10.0
"""From when on a leader that was not heard may be gone: it says something every second or so."""

ALONE: Final = GroupStatus(enabled=False, role="alone", is_leader=False)
"""What a server tells that has no group."""


class Group(Protocol):
    """A server's place in its group, for as long as its doors are open: a change closes them."""

    @property
    def leads(self) -> bool:
        """Whether what is written is taken here."""
        ...

    @property
    def role(self) -> str:
        """What is said of this server with every answer: leader, beginning or standby."""
        ...

    def refusal(self) -> ClewError:
        """Return what to say to whoever would write here, where this server does not lead."""
        ...

    def count_copies(self) -> int:
        """Return how many servers have all that is acknowledged, this one among them."""
        ...

    def status(self) -> GroupStatus:
        """Return where this server stands, and what it knows of the others. MUST NOT block."""
        ...

    async def promote(self, *, force: bool) -> Promotion:
        """Begin to make this server the leader.

        Raises:
            ClewError: it cannot be known that nothing acknowledged would be lost (UNAVAILABLE,
                CONFLICT), or this server leads already (CONFLICT). The hint says what to do.
        """
        ...


def refuse_write(told: GroupStatus) -> ClewError:
    """Say to whoever writes to a standby where to write instead, by where it stands."""
    leader_url = told.leader_url
    if leader_url is None or leader_url == told.url:
        return ClewError(
            ErrorCode.UNAVAILABLE,
            "this server is a standby, and nobody leads its group at present",
            hint=f"send again later; clew servers --server {told.url or 'URL'} says what to do",
            retry_after_ms=RETRY_AFTER_MS,
        )
    heard = told.heard_seconds
    if heard is None or heard > SILENT_SECONDS:
        since = "has not been heard yet" if heard is None else f"was last heard {heard:.0f} s ago"
        then = "another one takes over once its lease has ended"
        if told.lease is None:
            then = f"if that is gone, clew servers --server {told.url} says what to do"
        return ClewError(
            ErrorCode.UNAVAILABLE,
            f"this server is a standby, and {leader_url}, which led last, {since}",
            hint=f"send it to {leader_url}; {then}",
            retry_after_ms=RETRY_AFTER_MS,
        )
    return ClewError(
        ErrorCode.UNAVAILABLE,
        f"this server is a standby: {leader_url} leads and takes what is written",
        hint=f"send it to {leader_url}",
        retry_after_ms=RETRY_AFTER_MS,
    )
