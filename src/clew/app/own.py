"""The server watches itself: looks at its losses, and records its own telemetry, every few seconds.

Its records go the way of every record (log, decode, insert), as kinds of their own into tables of
their own, so that no count of users' telemetry ever has them in it. What cannot be kept is counted
and not tried again: the next record tells the same, and a store in trouble has more urgent work.

A server that was sent nothing since its start has nothing to tell and stays as small as it is: the
first row of anybody makes the engine load some 40 MB that it does not need until then.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING, Final

from clew.app.own_records import encode_metrics, encode_questions
from clew.base.errors import ClewError
from clew.surfaces.rest.prometheus import collect_families
from clew.telemetry.otlp.signal import Signal

if TYPE_CHECKING:
    from clew.app.store import Store
    from clew.surfaces.rest.desk import Desk

logger = logging.getLogger(__name__)

LOOK_SECONDS: Final = 5.0
"""Between two looks at what was lost: as exactly as its time is known, for 0.1 ms each."""

CLOSE_SECONDS_MAX: Final = 1.0
"""How long a record that is on its way may take when the server ends: many times what it takes."""

STORE_FRESH_SECONDS: Final = 60.0
"""How old the sizes on disk may be that are recorded: they change slowly."""


class OwnTelemetry:
    """Records what the desk counts. Belongs to one event loop."""

    def __init__(self, desk: Desk, store: Store) -> None:
        self._desk = desk
        self._vitals = desk.vitals
        self._pipeline = store.pipeline
        self._kinds = store.own
        self._closing = asyncio.Event()
        self._running: asyncio.Task[None] | None = None
        self._due = 0.0
        self._is_awake = False

    def open(self) -> None:
        """Begin to watch."""
        self._due = time.monotonic() + (self._vitals.own_seconds or 0.0)
        self._running = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Watch no more; what was not recorded yet is not. Idempotent."""
        self._closing.set()
        running, self._running = self._running, None
        if running is None:
            return
        # A record may wait for other servers of the group, who may be gone.
        await asyncio.wait({running}, timeout=CLOSE_SECONDS_MAX)
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running

    async def record(self) -> None:
        """Keep one record of every counter, and of what was slow or failed since the last.

        Raises:
            ClewError: the store takes nothing at present.
        """
        desk, vitals = self._desk, self._vitals
        try:
            apps = await desk.live_threads.run(desk.count_apps)
            fresh = STORE_FRESH_SECONDS
            await desk.live_threads.run(lambda: vitals.storage.measure(fresh))
        except ClewError:
            # What the registry or the engine would tell is missing; everything else is known.
            apps = {}
        at = time.time_ns()
        families = collect_families(desk, apps)
        body = encode_metrics(families, started=vitals.started_at, at=at)
        kept = (await self._pipeline.accept(self._kinds[Signal.METRICS], body)).accepted
        questions = vitals.questions.take()
        if questions:
            body = encode_questions(questions)
            kept += (await self._pipeline.accept(self._kinds[Signal.TRACES], body)).accepted
        vitals.own.records += kept
        vitals.own.last_at = at

    async def _run(self) -> None:
        while not await self._wait():
            try:
                self._vitals.losses.look(self._desk, time.time_ns())
                await self._record_if_due()
            except ClewError as error:
                self._vitals.own.failures += 1
                logger.debug("own telemetry was not kept: %s", error.message)
            except Exception:  # a mistake in what we tell of ourselves must not end the telling
                self._vitals.own.failures += 1
                logger.exception("own telemetry was not kept")

    async def _record_if_due(self) -> None:
        seconds = self._vitals.own_seconds
        if seconds is None:
            # Nobody takes them otherwise, and they would be all of those since the start.
            self._vitals.questions.take()
            return
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + seconds
        if self._has_something_to_tell():
            await self.record()

    def _has_something_to_tell(self) -> bool:
        """Whether anybody else brought a record since the start, or waited for an answer."""
        if not self._is_awake:
            ours = {kind.name for kind in self._kinds.values()}
            kinds = self._pipeline.status().kinds.items()
            came = any(status.records for name, status in kinds if name not in ours)
            self._is_awake = came or self._vitals.questions.are_waiting
        return self._is_awake

    async def _wait(self) -> bool:
        """Wait until there is something to do; return whether it is the end."""
        seconds = LOOK_SECONDS
        if self._vitals.own_seconds is not None:
            seconds = min(seconds, max(0.0, self._due - time.monotonic()))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closing.wait()
        return self._closing.is_set()
