"""Slots for messages, made once: who writes takes a free one, who reads gives it back.

Both hands are ends of a deque, whose steps nothing can interrupt, so any number of threads may
write at once and none waits for another. A slot is seen by the reader only when it is whole. When
no slot is free the newest message is the one that is lost, and its writer is told.

There is one reader. It sleeps when it finds nothing, and says so beforehand; a writer that sees it
wakes it up.
"""

from __future__ import annotations

import queue
from collections import deque
from typing import TYPE_CHECKING, Final

from clew.base.errors import ClewError, ErrorCode
from clew.lineage.sbe.linkset import PARENTS_MAX_DEFAULT, size_of

if TYPE_CHECKING:
    from collections.abc import Callable

SLOTS_DEFAULT: Final = 4096
"""At 100 000 sets a second they last for 40 ms, ten times what the reader sleeps between rounds."""

DATAGRAM_BYTES_MAX: Final = 65_507
"""Of UDP over IPv4."""

MAX_PARENTS_MAX: Final = (DATAGRAM_BYTES_MAX - size_of(0)) // 8
"""What one datagram can hold; a set is never split."""

RING_BYTES_MAX: Final = 2**28
"""256 MiB. More is a slip of one of the two numbers; the defaults take 5.6 MB."""


HEAD_BYTES: Final = size_of(8)
"""Of a slot, for sets of up to eight parents, which nearly all are: what writes into a view may
write all of it, and need not touch a kilobyte for fifty bytes."""


class Slot:
    """Room for one message. `size` is how many bytes of `view` are its; `head` is its beginning."""

    __slots__ = ("head", "size", "view")

    def __init__(self, view: memoryview) -> None:
        self.view: Final = view
        self.head: Final = view[:HEAD_BYTES]
        self.size = 0


class LinkRing:
    """A way for messages within a process: publishers write to it, one poller reads.

    Args:
        slots: messages that may wait.
        max_parents: of one set.

    Raises:
        ClewError: INVALID_ARGUMENT for numbers below 1, or that take more than 256 MiB.
    """

    __slots__ = (
        "_awake",
        "_free",
        "_ready",
        "_slots",
        "claim",
        "commit",
        "is_hurried",
        "is_idle",
        "max_parents",
        "release",
        "take",
    )

    claim: Callable[[], Slot]
    """Return a free slot, which is the caller's alone until it is committed or released.

    Raises:
        IndexError: there is none.
    """

    commit: Callable[[Slot], None]
    """Hand a slot to the reader, behind all that were committed before."""

    take: Callable[[], Slot]
    """Return the oldest slot that was committed, which the reader releases when it has read it.

    Raises:
        IndexError: there is none.
    """

    release: Callable[[Slot], None]
    """Give a slot back."""

    def __init__(
        self, slots: int = SLOTS_DEFAULT, *, max_parents: int = PARENTS_MAX_DEFAULT
    ) -> None:
        if slots < 1:
            raise ClewError(ErrorCode.INVALID_ARGUMENT, f"a ring has a slot at least: {slots}")
        if not 1 <= max_parents <= MAX_PARENTS_MAX:
            raise ClewError(
                ErrorCode.INVALID_ARGUMENT,
                f"max_parents {max_parents} is not in 1 to {MAX_PARENTS_MAX}",
                hint="a set goes in one datagram",
            )
        stride = size_of(max_parents)
        if slots * stride > RING_BYTES_MAX:
            raise ClewError(
                ErrorCode.INVALID_ARGUMENT,
                f"{slots} slots of {stride} bytes are more than {RING_BYTES_MAX}",
                hint="lower slots or max_parents",
            )
        self.max_parents: Final = max_parents
        room = memoryview(bytearray(slots * stride))
        # The slot that was given back last is taken first: a quiet ring touches few pages.
        self._slots = tuple(Slot(room[at : at + stride]) for at in range(0, len(room), stride))
        self._free = deque(self._slots)
        self._ready: deque[Slot] = deque()
        self._awake: queue.SimpleQueue[None] = queue.SimpleQueue()
        self.claim = self._free.pop
        self.release = self._free.append
        self.commit = self._ready.append
        self.take = self._ready.popleft
        self.is_idle = False
        """Whether the reader sleeps until it is woken."""
        self.is_hurried = False
        """Whether it was asked to sleep no longer between two rounds."""

    @property
    def slots(self) -> int:
        """How many there are."""
        return len(self._slots)

    @property
    def waiting(self) -> int:
        """How many messages wait for the reader."""
        return len(self._ready)

    def wake(self) -> None:
        """End the reader's sleep. Never blocks."""
        self.is_idle = False
        self._awake.put(None)

    def hurry(self) -> None:
        """End the reader's sleep because there is no room, once until it has slept again."""
        if not self.is_hurried:
            self.is_hurried = True
            self._awake.put(None)

    def nap(self, seconds: float) -> None:
        """Sleep so long, as the reader, unless hurried; new messages alone do not wake it."""
        self.is_hurried = False
        self._sleep(seconds)

    def wait(self, seconds: float | None = None) -> bool:
        """Sleep, as the reader, until a message waits; return whether one does."""
        self.is_idle = True
        # Asked after it was said: whoever commits later sees it.
        if not self._ready:
            self._sleep(seconds)
        self.is_idle = False
        return bool(self._ready)

    def begin_in_child(self) -> None:
        """Forget, after a fork, what the parent process is going to send."""
        self._awake = queue.SimpleQueue()
        self._ready.clear()
        # All of them: threads that the child does not have may have held some.
        self._free.clear()
        self._free.extend(self._slots)

    def _sleep(self, seconds: float | None) -> None:
        try:
            self._awake.get(timeout=seconds)
        except queue.Empty:
            return
        # Several writers may have woken it at once.
        while not self._awake.empty():
            self._awake.get()
