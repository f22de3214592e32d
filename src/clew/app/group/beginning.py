"""What a leader begins with once its group lets anything be written."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

from clew.base.errors import ClewError, ErrorCode

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

logger = logging.getLogger(__name__)

AGAIN_SECONDS: Final = 0.5
"""Between two tries: a standby that comes back is asked for as often."""

PASSING: Final = frozenset({ErrorCode.UNAVAILABLE, ErrorCode.TIMEOUT, ErrorCode.OVERLOADED})
"""Why a step may fail and be tried again: too few standbys are there, or they are slow."""


class Beginning:
    """Steps that are carried out in turn behind open doors. Belongs to one event loop.

    The doors of a leader are open before anything can be committed: what its standbys lack they
    take from it, and until then nothing is acknowledged.
    """

    def __init__(
        self, check: Callable[[], None], steps: Sequence[Callable[[], Awaitable[Any]]]
    ) -> None:
        """`check` raises ClewError unless something could be committed now."""
        self._check = check
        self._steps = list(steps)
        self._closing = asyncio.Event()
        self._task = asyncio.create_task(self._run(), name="begin")

    async def close(self) -> None:
        """End within the step that is under way; idempotent."""
        self._closing.set()
        await self._task

    async def _run(self) -> None:
        told = ""
        while self._steps and not self._closing.is_set():
            try:
                self._check()
                await self._steps[0]()
            except ClewError as error:
                if error.code not in PASSING:
                    logger.exception("what a leader begins with failed: %s", error.message)
                    return
                if error.message != told:
                    told = error.message
                    logger.info("not everything has begun yet: %s", told)
                await self._pause()
                continue
            self._steps.pop(0)

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(AGAIN_SECONDS):
                await self._closing.wait()
        except TimeoutError:
            return
