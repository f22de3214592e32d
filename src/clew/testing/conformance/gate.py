"""One restart of the server for all scenarios that want one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clew.testing.conformance.target import Target


class RestartGate:
    """Restarts the server once everybody who takes part has come to that, or has gone.

    Whoever wants another restart waits for the others again.
    """

    def __init__(self, target: Target, members: int) -> None:
        self._target = target
        self._members = members
        self._waiting: list[asyncio.Future[None]] = []
        self._restarting: asyncio.Task[None] | None = None

    async def arrive(self) -> None:
        """Return when the server has been started anew.

        Raises:
            ClewError: it could not be.
        """
        future = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        self._open_if_complete()
        await future

    def leave(self) -> None:
        """Take part no more."""
        self._members -= 1
        self._open_if_complete()

    def _open_if_complete(self) -> None:
        if self._waiting and len(self._waiting) >= self._members:
            waiting, self._waiting = self._waiting, []
            self._restarting = asyncio.create_task(self._restart(waiting))

    async def _restart(self, waiting: list[asyncio.Future[None]]) -> None:
        try:
            await self._target.start_anew()
        except Exception as error:  # noqa: BLE001 - everybody who waits is told
            for future in waiting:
                future.set_exception(error)
        else:
            for future in waiting:
                future.set_result(None)
