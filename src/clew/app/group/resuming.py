"""A server that is open as a standby while nobody leads: it goes on once that is safe.

It led last and was restarted while the others were away. Or another was promoted and does not lead:
it was ended before it began, it found that this one has more, or both took one epoch without
hearing of one another. Where a lease decides there is none of this.

Theory of operation. What makes it safe is what makes a promotion by hand safe: the claim, and what
is heard before it (`Claims`). Here it is only decided who tries, and when, so that one does and the
others let it.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from clew.app.group.turn import Change, Turn
from clew.base.errors import ClewError, ErrorCode

if TYPE_CHECKING:
    from clew.app.group.claims import Claims
    from clew.app.group.turn import Changes
    from clew.app.group.whereabouts import Whereabouts

logger = logging.getLogger(__name__)

LOOK_SECONDS: Final = 0.5
"""So often it is looked whether the others are there."""

SILENCE_SECONDS: Final = 10.0
"""How long a server that let another lead, or followed one, hears nobody lead before it looks: who
was let lead has its doors open by then, and tells each second that it leads."""

PAUSE_SECONDS_MAX: Final = 30.0
"""Each try closes the doors and opens them again, so those that come to nothing grow rare."""


class Resuming:
    """Looks whether this server may lead again. Belongs to one event loop."""

    def __init__(self, where: Whereabouts, claims: Claims, changes: Changes) -> None:
        self._where = where
        self._claims = claims
        self._changes = changes
        self._task: asyncio.Task[None] | None = None
        self._pause = 0.0
        self.obstacle: str | None = None
        """Why this server, which led last, does not go on yet."""

    def begin(self, *, leads: bool) -> None:
        """Look from now on, unless this server leads."""
        self.end()
        if leads:
            self._pause = 0.0
        else:
            self._task = asyncio.create_task(self._run(), name="resume")

    def end(self) -> None:
        """Look no more; idempotent."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def look(self) -> bool:
        """Return whether this server may go on, and note what keeps it from that."""
        error = await self._find_obstacle()
        self._note(error)
        return error is None

    def hear_failure(self, error: ClewError) -> None:
        """Take note of why a try came to nothing, until the next look."""
        self.obstacle = self._explain(error)

    def forget_obstacle(self) -> None:
        """Say no more why this server does not go on."""
        self.obstacle = None

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await asyncio.sleep(self._pause)
        while True:
            pause = LOOK_SECONDS
            if not self._where.standing.is_leading and self._is_led(loop.time() - began):
                self.obstacle = None
            elif await self.look():
                self._pause = min(max(2 * self._pause, LOOK_SECONDS), PAUSE_SECONDS_MAX)
                self._changes.add(Change(Turn.LEAD, "going on as the leader", resumes=True))
                return
            elif self._claims.is_led and not self._where.standing.is_leading:
                # It ships nothing to this one, and may do so for ever.
                pause = SILENCE_SECONDS
            await asyncio.sleep(pause)

    def _is_led(self, open_s: float) -> bool:
        """Return whether somebody leads this server, or it is too early to say that nobody does."""
        heard_s = self._where.heard_s()
        return min(open_s, open_s if heard_s is None else heard_s) < SILENCE_SECONDS

    def _note(self, error: ClewError | None) -> None:
        """Tell whoever asks why this server, which led last, does not lead again yet."""
        before, self.obstacle = self.obstacle, self._explain(error)
        if self.obstacle is not None and self.obstacle != before:
            logger.warning("%s", self.obstacle)

    def _explain(self, error: ClewError | None) -> str | None:
        if error is None or not self._where.standing.is_leading:
            return None
        return f"this server led last, and may not go on yet: {describe_error(error)}"

    async def _find_obstacle(self) -> ClewError | None:
        try:
            return await self._claims.find_obstacle(self._where.own_extent())
        except ClewError as error:
            # The disk may take it the next time.
            return error
        except Exception as error:
            # The boundary of the task: without it nobody would look again.
            logger.exception("whether to go on as the leader could not be found out")
            return ClewError(ErrorCode.INTERNAL, f"{type(error).__name__}: {error}")


def describe_error(error: ClewError) -> str:
    """Return what is wrong, and what to do about it."""
    return f"{error.message}; {error.hint}" if error.hint else error.message
