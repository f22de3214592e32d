"""Bodies that are sent again while nobody knows what became of them, counted once.

Theory of operation. A client that heard nothing, or that the outcome is not known, sends the same
body again: to this leader, or to the one after it. While the first sending is undecided the second
joins it and gets its answer. One whose sender was told that its outcome is not known is remembered
for some minutes more, and so is what a former leader left at the end of the log: its sender may
have heard nothing. Bodies are told apart by a digest, so that no two that differ are taken for one.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from clew.base.errors import ClewError
from clew.store.decoder import Decoded
from clew.store.log.frame import WITHOUT_ROWS
from clew.store.replication.reader import LogReader, tail_after

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

REMEMBERED_S: Final = 300.0
"""Exporters of OpenTelemetry give up on a body after five minutes."""

REMEMBERED_MAX: Final = 10_000
"""As many as the log's queue holds; at 150 bytes each no burden."""

DIGEST_BYTES: Final = 16

TAIL_FRAMES: Final = 2_000
TAIL_BYTES: Final = 128 * 1024 * 1024
"""Of a former leader's log: more than it can have had on its way when it went, which is bounded by
the queue of the log, here and there."""

PIECE_BYTES: Final = 4 * 1024 * 1024
"""So much of it is in memory at once."""

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Sending:
    """A body on its way. `appended` gives what was decoded and what to wait for."""

    appended: asyncio.Future[tuple[Decoded, asyncio.Future[int] | None]]
    is_overdue: bool = False


class Resends:
    """Remembers bodies. Belongs to one event loop, but for `remember` before it runs."""

    def __init__(
        self,
        timeout_s: float,
        unknown: Callable[[], ClewError],
        clock: Callable[[], float] = (time.monotonic),
    ) -> None:
        """An answer is waited for up to `timeout_s`; `unknown` gives the error after that."""
        self._timeout_s = timeout_s
        self._unknown = unknown
        self._clock = clock
        self._sendings: dict[bytes, _Sending] = {}
        # What was decided, or was in the log at the start: until when, and the frame's number.
        self._remembered: OrderedDict[bytes, tuple[float, int]] = OrderedDict()

    def remember(self, kind: int, body: bytes, number: int) -> None:
        """Remember a body that is in the log as a frame, for some minutes."""
        self._keep(_digest(kind, body), number)

    def remember_tail(
        self, folder: Path, log_id: bytes, last: int, now: int, *, bytes_max: int = TAIL_BYTES
    ) -> None:
        """Remember the end of a log that an earlier leadership wrote, up to its frame `last`.

        Frames that were received in the time that bodies are remembered, the newest `TAIL_FRAMES`
        of them, and no more files than hold `bytes_max`. `now` is in Unix nanoseconds.
        """
        since = now - int(REMEMBERED_S * 1e9)
        reader = LogReader(folder, log_id)
        try:
            after = max(tail_after(folder, bytes_max), last - TAIL_FRAMES)
            while after < last and (records := reader.read(after, bytes_max=PIECE_BYTES)):
                for record in records:
                    if record.received >= since and record.kind not in WITHOUT_ROWS:
                        self.remember(record.kind, record.payload, record.number)
                after = records[-1].number
        except OSError as error:
            logger.warning("the end of the log was not looked at again: %s", error.strerror)
        finally:
            reader.close()

    async def once(
        self,
        kind: int,
        body: bytes,
        take: Callable[[], Awaitable[tuple[Decoded, asyncio.Future[int] | None]]],
        wait_acked: Callable[[int, float], Awaitable[int]],
    ) -> tuple[Decoded, int | None]:
        """Have a body taken in by `take`, unless it is already; wait for it.

        Returns its answer and the number of its frame: 0 where that is acknowledged and not known
        any more, None where nothing was kept.

        Raises:
            ClewError: what `take` raised, or that the outcome is not known.
        """
        digest = _digest(kind, body)
        known = self._find(digest)
        if known is not None:
            if known and await wait_acked(known - 1, self._timeout_s) < known:
                raise self._unknown()
            return Decoded(0), known
        sending = self._sendings.get(digest)
        if sending is None:
            sending = await self._begin(digest, take)
        decoded, waiter = await asyncio.shield(sending.appended)
        if waiter is None:
            return decoded, None
        try:
            async with asyncio.timeout(self._timeout_s):
                return decoded, await asyncio.shield(waiter)
        except TimeoutError:
            sending.is_overdue = True
            raise self._unknown() from None

    async def _begin(
        self,
        digest: bytes,
        take: Callable[[], Awaitable[tuple[Decoded, asyncio.Future[int] | None]]],
    ) -> _Sending:
        sending = _Sending(asyncio.get_running_loop().create_future())
        self._sendings[digest] = sending
        try:
            decoded, waiter = await take()
        except BaseException as error:
            del self._sendings[digest]
            # Whoever joined sends again: what is wrong with the body is told to each.
            is_ours = isinstance(error, Exception)
            sending.appended.set_exception(error if is_ours else self._unknown())
            # Nobody may have joined; the error is raised here.
            sending.appended.exception()
            raise
        sending.appended.set_result((decoded, waiter))
        if waiter is None:
            del self._sendings[digest]
        else:
            waiter.add_done_callback(lambda done: self._end(digest, sending, done))
        return sending

    def _end(self, digest: bytes, sending: _Sending, done: asyncio.Future[int]) -> None:
        del self._sendings[digest]
        if sending.is_overdue and not done.cancelled() and done.exception() is None:
            self._keep(digest, 0)

    def _keep(self, digest: bytes, number: int) -> None:
        self._remembered[digest] = (self._clock() + REMEMBERED_S, number)
        self._remembered.move_to_end(digest)
        while len(self._remembered) > REMEMBERED_MAX:
            self._remembered.popitem(last=False)

    def _find(self, digest: bytes) -> int | None:
        """Return the number of a frame that is remembered, 0 for one that is acknowledged."""
        found = self._remembered.get(digest)
        if found is None:
            return None
        if found[0] < self._clock():
            del self._remembered[digest]
            return None
        return found[1]


def _digest(kind: int, body: bytes) -> bytes:
    return blake2b(body, digest_size=DIGEST_BYTES, key=bytes([kind])).digest()
