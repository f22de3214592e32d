"""One restart of the server for all scenarios that want one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clew.testing.conformance.target import Target


class RestartGate:
    """Restarts the server once everybody who still wants a restart has come to that.

    `is_over` is set when nobody wants one any more.
    """

    def __init__(self, target: Target) -> None:
        self.is_over = asyncio.Event()
        self._target = target
        self._members: set[Member] = set()
        self._waiting: list[asyncio.Future[None]] = []
        self._restarting: asyncio.Task[None] | None = None

    def join(self, restarts: int) -> Member:
        """Take part, with so many restarts; all join before the first of them arrives."""
        member = Member(self, restarts)
        self._members.add(member)
        return member

    async def arrive(self) -> None:
        """Return when the server has been started anew.

        Raises:
            ClewError: it could not be.
        """
        future = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        self._open_if_complete()
        await future

    def leave(self, member: Member) -> None:
        """Let a member take part no more; idempotent."""
        self._members.discard(member)
        if not self._members:
            self.is_over.set()
        self._open_if_complete()

    def _open_if_complete(self) -> None:
        if self._waiting and len(self._waiting) >= len(self._members):
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


class Member:
    """A scenario that takes part."""

    def __init__(self, gate: RestartGate, restarts: int) -> None:
        self._gate = gate
        self._restarts_left = restarts

    async def restart(self) -> None:
        """Have the server started anew, together with the others.

        Raises:
            ClewError: it could not be.
        """
        await self._gate.arrive()
        self._restarts_left -= 1
        if self._restarts_left == 0:
            self.leave()

    def leave(self) -> None:
        """Want no restart any more; idempotent."""
        self._gate.leave(self)
