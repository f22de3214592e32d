"""A clock that only a test moves."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from clew.base.times import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable

START: Final = 1_800_000_000 * NS_PER_S
"""Where time begins: a second of the year 2027, far from every zero."""


class FakeClock:
    """Implements `clew.tree.keeper.clock.Clock`; time stands still until `advance`."""

    def __init__(self, start: int = START) -> None:
        self._now = start
        self._at: int | None = None
        self._ring: Callable[[], None] | None = None

    def now(self) -> int:
        """Return the time in Unix nanoseconds."""
        return self._now

    def ring_at(self, at: int | None, ring: Callable[[], None]) -> None:
        """Call `ring` once time has come that far."""
        self._at, self._ring = at, ring
        self._look()

    def advance(self, seconds: float) -> None:
        """Let time pass, and ring when it is due."""
        self._now += round(seconds * NS_PER_S)
        self._look()

    def _look(self) -> None:
        if self._at is not None and self._ring is not None and self._at <= self._now:
            ring, self._at, self._ring = self._ring, None, None
            asyncio.get_running_loop().call_soon(ring)
