"""A server that led last and is open as a standby: it goes on once that is safe.

It was restarted while the others were away, or another was promoted and does not lead: it found
that this one has more, or both took one epoch without hearing of one another. Where a lease decides
there is none of this.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from clew.app.group.turn import Change, Turn
from clew.base.errors import ClewError, ErrorCode

if TYPE_CHECKING:
    from clew.app.group.roles import Course

logger = logging.getLogger(__name__)

LOOK_SECONDS: Final = 0.5
"""So often it is looked whether the others are there."""

PAUSE_SECONDS_MAX: Final = 30.0
"""Each try closes the doors and opens them again, so those that come to nothing grow rare."""


class Resuming:
    """Looks whether this server may lead again. Belongs to one event loop."""

    def __init__(self, course: Course) -> None:
        self._course = course
        self._task: asyncio.Task[None] | None = None
        self._pause = 0.0

    def begin(self, *, leads: bool) -> None:
        """Look from now on, unless this server leads, or another does as far as it knows."""
        self.end()
        if leads:
            self._pause = 0.0
        elif self._course.standing.is_leading:
            self._task = asyncio.create_task(self._run(), name="resume")

    def end(self) -> None:
        """Look no more; idempotent."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _run(self) -> None:
        await asyncio.sleep(self._pause)
        while self._course.standing.is_leading:
            obstacle = await self._look()
            if obstacle is None:
                self._pause = min(max(2 * self._pause, LOOK_SECONDS), PAUSE_SECONDS_MAX)
                self._course.change(Change(Turn.LEAD, "going on as the leader", resumes=True))
                return
            self._course.note_obstacle(obstacle)
            await asyncio.sleep(LOOK_SECONDS)
        self._course.note_obstacle(None)

    async def _look(self) -> ClewError | None:
        try:
            return await self._course.find_obstacle()
        except ClewError as error:
            # The disk may take it the next time.
            return error
        except Exception as error:
            # The boundary of the task: without it nobody would look again.
            logger.exception("whether to go on as the leader could not be found out")
            return ClewError(ErrorCode.INTERNAL, f"{type(error).__name__}: {error}")
