"""What a server's part in a group is to its pipeline: it stands between the log and the rows.

A server that is alone has none. A `Leader` lets frames be acknowledged once others have them; a
`Follower` brings in frames that another server wrote.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from clew.base.errors import ClewError
    from clew.store.log.history import History
    from clew.store.log.options import LogOptions
    from clew.store.log.receipt import Group
    from clew.store.log.segment import FrameRef
    from clew.store.log.writer import Log
    from clew.store.replication.said import Said, Shipment
    from clew.store.replication.standing import Standing
    from clew.store.replication.status import GroupStatus
    from clew.store.replication.wire import Record

LOG_KEPT_BYTES: Final = 512 * 1024 * 1024
"""So much of the log is kept for servers that were away: about a million spans, and half a second
of reading at a start. Who is further behind takes a snapshot."""


@dataclass(frozen=True, slots=True)
class Inside:
    """What a pipeline lets its part use.

    `acked` is the newest frame known to be acknowledged at the opening, `pending` are the frames of
    the log after it. `settle` says that frames
    are acknowledged, or that they never will be; in their order. `take_in` decodes frames of
    another server, or gives them to the registry; in the order of the log. `expire` gives an answer
    to commits of the registry that wait too long. `flushed` is the newest frame of a batch that may
    be in the engine. `check_room` raises while too many rows wait for the engine.
    """

    log: Log
    acked: int
    pending: Sequence[FrameRef]
    settle: Callable[[Group], None]
    take_in: Callable[[Sequence[Record]], None]
    expire: Callable[[float, Callable[[], ClewError]], None]
    flushed: Callable[[], int]
    check_room: Callable[[], None]


def share(options: LogOptions) -> LogOptions:
    """Return the bounds of a log that other servers have a part in."""
    # Whoever bounds the log bounds what is kept of it for others as well.
    kept = options.kept_bytes_max or min(LOG_KEPT_BYTES, options.bytes_max)
    return replace(options, is_shared=True, kept_bytes_max=kept)


class Part(Protocol):
    """A server's part in a group, for as long as one pipeline is open."""

    standing: Standing

    @property
    def is_leader(self) -> bool:
        """Whether records are taken in here."""
        ...

    @property
    def ack_timeout_s(self) -> float:
        """How long a record waits for the other servers."""
        ...

    @property
    def has_hope(self) -> bool:
        """Whether what is undecided may be acknowledged soon."""
        ...

    @property
    def is_settled(self) -> bool:
        """Whether what was found undecided when this began to lead is shown; never waits."""
        ...

    def begin(self, history: History, next_number: int) -> int:
        """Return the epoch that the log goes on under; durable before it returns."""
        ...

    def hear_of_group(self, group: Group) -> None:
        """Take note that frames were written here, or could not be. In the log's thread."""
        ...

    def connect(self, inside: Inside) -> None:
        """Start; nothing was appended yet."""
        ...

    def check(self) -> None:
        """Raise ClewError unless a record would be acknowledged if it were taken in now."""
        ...

    def offer(self, record: Record) -> None:
        """Take a record that is being appended. In the order of numbers."""
        ...

    def take(self, shipment: Shipment, body: bytes) -> Said:
        """Answer the request of a server that leads, or says so. Blocks."""
        ...

    def tell(self) -> Said:
        """Return how far this server is."""
        ...

    def count_copies(self, number: int | None = None) -> int:
        """Return how many servers are known to have a frame; without one, all acknowledged."""
        ...

    def describe_unknown(self) -> ClewError:
        """Return the error of a record of which nobody knows whether it will be acknowledged."""
        ...

    def status(self) -> GroupStatus:
        """Return how the group is."""
        ...

    def close(self) -> None:
        """Let go of other servers; idempotent. Blocks."""
        ...
