"""What comes next in the life of a server of a group, and how long the way there took."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from enum import Enum, auto


class Turn(Enum):
    """What comes next in a server's life."""

    FOLLOW = auto()
    LEAD = auto()
    SNAPSHOT = auto()
    END = auto()


@dataclass(frozen=True, slots=True)
class Change:
    """An end of a role.

    `epoch` is one that was won with a lease; `force` leads unheard; `resumes` is of a server that
    led last, as far as it knows, and leads again unless another does.
    """

    turn: Turn
    why: str
    epoch: int | None = None
    force: bool = False
    resumes: bool = False


class Changes:
    """The ends of roles, as they are heard of. One event loop waits for them."""

    def __init__(self) -> None:
        self._heard: asyncio.Queue[Change] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()

    def add(self, change: Change) -> None:
        """Have the role that is open end; from any thread."""
        self._loop.call_soon_threadsafe(self._heard.put_nowait, change)

    async def wait(self, *, leads: bool) -> Change:
        """Wait for the end of a role; what would change nothing is passed over.

        What a standby needed before it led is so as well: a leader takes no snapshot.
        """
        idle = (Turn.LEAD, Turn.SNAPSHOT) if leads else (Turn.FOLLOW,)
        while True:
            change = await self._heard.get()
            if change.turn not in idle:
                return change


class Stopwatch:
    """Times the parts of a change of role, one after another."""

    def __init__(self) -> None:
        self._began = self._last = time.monotonic()
        self._parts: list[str] = []

    def note(self, part: str) -> None:
        """Say what was done since the last part."""
        now = time.monotonic()
        self._parts.append(f"{part} {now - self._last:.3f} s")
        self._last = now

    def __str__(self) -> str:
        """Return all of it as one line of a log."""
        return f"{self._last - self._began:.3f} s: {', '.join(self._parts)}"
