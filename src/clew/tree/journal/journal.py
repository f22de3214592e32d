"""The task that tells telemetry what the tree did.

Theory of operation. The outbox is the truth: it is written in the transactions in which things
happened. The journal reads it from where it has come, hands what it reads to a sink, and keeps its
place once the sink has it durably. A crash between the two tells a batch again, never skips one;
entries carry their ids, and spans theirs, so that what was told twice can be told apart.

Once it has come to the end, the hub hands it what is kept from then on, which need not be read
again; whenever that does not follow on what was told last, it goes back to the outbox. It never
keeps anybody waiting. While the sink is full it tries again, and the outbox grows meanwhile:
nothing is removed from it that was not told, until it reaches its bound. What is gone then shows as
a gap in the numbers of the entries; the journal tells of the gap itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from clew.base.errors import ClewError
from clew.tree.journal.records import (
    JournalLog,
    JournalSpan,
    Subject,
    ended_commands,
    tell_command,
    tell_entry,
    tell_lost,
)
from clew.tree.journal.schema import keep_position, read_position
from clew.tree.journal.turns import in_turns
from clew.tree.registry.questions import find_commands, get_app_names, read_outbox

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clew.store.database.contract import Database, Reading
    from clew.tree.keeper.hub import Feed, Hub
    from clew.tree.registry.questions import OutboxEntry

logger = logging.getLogger(__name__)

BATCH_ENTRIES: Final = 2000
"""Told at once: one request of telemetry of a megabyte at the most usual sizes."""

GATHER_S: Final = 0.5
"""How long entries gather after some were told: nobody waits for the journal, and each telling
costs telemetry a request, a sync of its log and an insert, however little there is to tell."""

RETRY_S: Final = 2.0
"""Between two tries while telemetry or the registry does not take anything."""


@dataclass(frozen=True, slots=True)
class _Batch:
    """What is told at once: `newest` is the id of its last entry, None when all is told.

    `position` is where it begins, and `lost` how many entries before it are not there any more.
    """

    position: int
    newest: int | None = None
    logs: Sequence[JournalLog] = ()
    spans: Sequence[JournalSpan] = ()
    lost: int = 0


class JournalSink(Protocol):
    """Where the journal goes: telemetry, handed in by `app`."""

    async def write(self, logs: Sequence[JournalLog], spans: Sequence[JournalSpan]) -> None:
        """Take records; they are durable when this returns.

        Raises:
            ClewError: they were not taken, and may be offered again.
        """
        ...


class Journal:
    """Reads the outbox and tells it. Belongs to one event loop."""

    def __init__(self, database: Database, hub: Hub, sink: JournalSink) -> None:
        self.position = 0
        """The id of the last entry that was told."""
        self.lost = 0
        """Entries that were gone before they could be told, since the start."""
        self._database = database
        self._hub = hub
        self._sink = sink
        self._task: asyncio.Task[None] | None = None
        self._is_telling = True

    @property
    def is_telling(self) -> bool:
        """Whether telemetry took what it was told last."""
        return self._is_telling

    @property
    def behind(self) -> int:
        """How many entries are still to be told, as far as this server has come to know."""
        return max(0, self._hub.newest - self.position)

    def open(self) -> None:
        """Begin where the last one ended."""
        self._task = asyncio.create_task(self._run(), name="tree-journal")

    async def close(self) -> None:
        """Tell what is in the outbox by now as far as telemetry takes it, and end; idempotent."""
        task, self._task = self._task, None
        if task is None:
            return
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        try:
            await self._tell_all()
        except ClewError as error:
            logger.warning("the end of the journal is told at the next start: %s", error.message)

    async def _run(self) -> None:
        feed: Feed | None = None
        try:
            while True:
                try:
                    if feed is None:
                        feed = self._hub.subscribe()
                        await self._tell_all()
                    entries = await _take(feed)
                    if entries is None:
                        # The outbox has what a feed that overflowed has not.
                        feed.close()
                        feed = None
                        continue
                    if not entries:
                        return
                    await self._tell_next(entries)
                # A sink that is full empties.
                except ClewError as error:
                    self._complain(error)
                    if feed is not None:
                        feed.close()
                        feed = None
                    await asyncio.sleep(RETRY_S)
                else:
                    self._is_telling = True
                    await asyncio.sleep(GATHER_S)
        finally:
            if feed is not None:
                feed.close()

    def _complain(self, error: ClewError) -> None:
        """Say once that nothing can be told, not with every try."""
        if self._is_telling:
            logger.warning("the journal of the tree waits: %s", error.message)
        self._is_telling = False

    async def _tell_all(self) -> None:
        """Tell what is in the outbox, to its end."""
        while True:
            batch = await asyncio.to_thread(self._database.read, self._read)
            self.position = batch.position
            if batch.newest is None:
                return
            await self._tell(batch)

    async def _tell_next(self, entries: Sequence[OutboxEntry]) -> None:
        """Tell entries that follow on one another; what was told of them before is left out."""
        rest = entries[max(0, self.position + 1 - entries[0].id) :]
        if rest and rest[0].id != self.position + 1:
            await self._tell_all()
            return
        for at in range(0, len(rest), BATCH_ENTRIES):
            part = rest[at : at + BATCH_ENTRIES]
            await self._tell(
                await asyncio.to_thread(self._database.read, partial(_prepare, self.position, part))
            )

    async def _tell(self, batch: _Batch) -> None:
        newest = batch.newest
        assert newest is not None
        await self._sink.write(batch.logs, batch.spans)
        await asyncio.wrap_future(
            self._database.submit(lambda writing: keep_position(writing, newest))
        )
        self.position = newest
        if batch.lost:
            self.lost += batch.lost
            logger.warning("%d entries of the tree are missing in the journal", batch.lost)

    def _read(self, reading: Reading) -> _Batch:
        """Return what to tell next."""
        position = read_position(reading)
        entries = read_outbox(reading, position, limit=BATCH_ENTRIES)
        return _prepare(position, entries, reading) if entries else _Batch(position)


async def _take(feed: Feed) -> Sequence[OutboxEntry] | None:
    """Return what has come, nothing once the tree is closed, and None when the feed is over."""
    try:
        return await feed.take()
    except ClewError:
        return None


def _prepare(position: int, entries: Sequence[OutboxEntry], reading: Reading) -> _Batch:
    """Return what is told of entries after `position`."""
    # Entries are numbered without a gap.
    lost = entries[0].id - position - 1
    names = get_app_names(reading, {entry.app_id for entry in entries})
    subjects = {(entry.app_id, entry.path): _subject(entry, names) for entry in entries}
    logs = [tell_entry(entry, subjects[entry.app_id, entry.path]) for entry in in_turns(entries)]
    ended = ended_commands(entries)
    # Of a cancel of thousands, only those targets that these entries are about.
    targets: dict[str, list[str]] = {}
    for correlation_id, app_id in ended:
        targets.setdefault(correlation_id, []).append(app_id)
    spans = [
        tell_command(command, entry.at, subjects[entry.app_id, entry.path])
        for correlation_id, app_ids in targets.items()
        for command in find_commands(reading, correlation_id, app_ids)
        if (entry := ended.get((correlation_id, command.app_id))) is not None
    ]
    if lost:
        logs.insert(0, tell_lost(lost, entries[0]))
    return _Batch(position, entries[-1].id, logs, spans, lost)


def _subject(entry: OutboxEntry, names: dict[str, str]) -> Subject:
    return Subject(entry.app_id, entry.path, names.get(entry.app_id, ""))
