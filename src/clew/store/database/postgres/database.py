"""The registry in a PostgreSQL database: one connection that writes, a few that read."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

import uvloop

from clew.base.errors import ClewError, ErrorCode
from clew.store.database.address import hide_password
from clew.store.database.contract import Result
from clew.store.database.postgres.failure import RefusedError
from clew.store.database.postgres.lease import begin_epoch, take_lock
from clew.store.database.postgres.link import Link, LinkOptions
from clew.store.database.postgres.migration import migrate
from clew.store.database.postgres.reading import PostgresReading
from clew.store.database.postgres.writing import PostgresWriting
from clew.store.database.readers import ReaderOptions, Readers
from clew.store.database.writer import GroupWriter, WriterOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from concurrent.futures import Future

    from clew.store.database.contract import DatabaseStatus, Reading, Schema, Transaction

logger = logging.getLogger(__name__)

_STATE: Final = "SELECT epoch FROM registry_state"


@dataclass(frozen=True, slots=True)
class PostgresOptions:
    """Bounds of the database, in seconds.

    A statement of a write takes milliseconds; one that takes half a minute waits for something that
    does not come. The lock is waited for as long as a server that was just ended may still have it.
    A commit whose outcome is open is asked about for as long as a server takes to restart.
    """

    lock_s: float = 5.0
    write_s: float = 30.0
    resolve_s: float = 15.0
    writer: WriterOptions = field(default_factory=WriterOptions)
    readers: ReaderOptions = field(default_factory=ReaderOptions)
    clock: Callable[[], int] = time.time_ns


class PostgresDatabase:
    """Implements `clew.store.database.contract.Database`."""

    def __init__(
        self, url: str, link: Link, writing: PostgresWriting, options: PostgresOptions
    ) -> None:
        self.shown = hide_password(url)
        self._link = link
        self._writing = writing
        self._closing = threading.Lock()
        self._is_closed = False
        reading = LinkOptions(url, self.shown, statement_s=options.readers.read_s)
        self._readers = Readers(lambda: PostgresReading(Link(reading)), options.readers)
        self._writer = GroupWriter(writing, options.writer)

    @classmethod
    def open(
        cls, url: str, schemas: Sequence[Schema], options: PostgresOptions | None = None
    ) -> Self:
        """Open the registry at an address and bring it to these schemas. Blocks.

        Raises:
            ClewError: UNAVAILABLE when no server answers, FORBIDDEN when it lets us not in or not
                write, NOT_FOUND when there is no such database, UNSUPPORTED when it is too old or
                a newer program wrote it, CONFLICT when another server has it, INVALID_ARGUMENT
                when the address makes no sense.
        """
        options = options or PostgresOptions()
        shown = hide_password(url)
        # It asks a few times for each write, and needs a third less for asking than asyncio's.
        loop = uvloop.new_event_loop()
        link = Link(LinkOptions(url, shown, statement_s=options.write_s), loop)
        try:
            link.open()
            take_lock(link, shown, options.lock_s)
            migrate(link, schemas, shown=shown, now=options.clock)
            writing = PostgresWriting(
                link,
                shown,
                begin_epoch(link),
                lock_s=options.lock_s,
                resolve_s=options.resolve_s,
            )
            _warn_of_settings(link)
        except RefusedError as error:
            link.close()
            raise error.explained() from error
        except BaseException:
            link.close()
            raise
        return cls(url, link, writing, options)

    def submit(self, work: Callable[[Transaction], Result]) -> Future[Result]:
        """Queue a write; the future holds what `work` returned once the write is durable."""
        return self._writer.submit(work)

    def read(self, work: Callable[[Reading], Result]) -> Result:
        """Return what `work` returns; all its statements see one moment."""
        try:
            with self._readers.lend() as reading:
                return work(reading)
        except RefusedError as error:
            raise error.explained() from error

    def watch(self, _tables: Iterable[str], _listener: Callable[[], None]) -> None:
        """Do nothing: while this server has the registry, no other one writes to it."""

    def check(self) -> None:
        """Raise ClewError unless rows can be written and read, and the registry is ours."""
        self._writer.check()
        (state,) = self.read(lambda reading: reading.rows(_STATE))
        if state["epoch"] != self._writing.epoch:
            raise ClewError(
                ErrorCode.CONFLICT,
                f"the registry at {self.shown} was taken by another server",
                hint="end one of them",
            )

    def status(self) -> DatabaseStatus:
        """Return what it did so far."""
        return self._writer.status()

    def close(self) -> None:
        """Write what is queued, let readers finish, and let go of the connections; idempotent."""
        with self._closing:
            if self._is_closed:
                return
            self._is_closed = True
            self._writer.close()
            self._readers.close()
            self._link.close()


def _warn_of_settings(link: Link) -> None:
    """Say what a server does that makes an answer worth less than we promise."""
    (found,) = link.rows("SELECT current_setting('fsync') AS fsync", None)
    if found["fsync"] == "off":
        logger.warning("the PostgreSQL server runs with fsync=off: a power cut may lose commits")
