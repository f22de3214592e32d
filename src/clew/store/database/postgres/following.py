"""The registry in a PostgreSQL database as a standby has it: another server writes, this one reads.

Servers of a group share the one database, so nothing of it is told in their log. The lock is left
to the server that leads, and whoever is promoted takes it by opening the registry for writing. What
was written is heard of by asking for the count of commits, a few times in a second.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final, Self

from clew.base.errors import ClewError, ErrorCode
from clew.store.database.address import hide_password
from clew.store.database.contract import DatabaseStatus, Dialect, Result
from clew.store.database.postgres.failure import RefusedError
from clew.store.database.postgres.link import Link, LinkOptions
from clew.store.database.postgres.migration import check_steps
from clew.store.database.postgres.reading import PostgresReading
from clew.store.database.readers import ReaderOptions, Readers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from concurrent.futures import Future

    from clew.store.database.contract import Reading, Schema, Transaction

logger = logging.getLogger(__name__)

ASK_EVERY_S: Final = 0.25
"""How far behind the leader keys and blueprints may be here; a look costs the server 50 µs."""

_STATE: Final = "SELECT epoch, commits FROM registry_state"


class PostgresFollower:
    """Implements `clew.store.database.contract.Database`, but for writing."""

    def __init__(self, url: str, options: ReaderOptions) -> None:
        shown = hide_password(url)
        reading = LinkOptions(url, shown, statement_s=options.read_s)
        self._readers = Readers(lambda: PostgresReading(Link(reading)), options)
        self._listeners: list[Callable[[], None]] = []
        self._failure: ClewError | None = None
        self._closing = threading.Event()
        self._asking = threading.Thread(
            target=self._ask_on, name="clew-registry-follower", daemon=True
        )

    @classmethod
    def open(
        cls, url: str, schemas: Sequence[Schema], options: ReaderOptions | None = None
    ) -> Self:
        """Open the registry at an address for reading; its tables are as these schemas say. Blocks.

        Raises:
            ClewError: as `PostgresDatabase.open`, but for CONFLICT; UNSUPPORTED also when no server
                has made the tables yet, or one that knows fewer steps.
        """
        follower = cls(url, options or ReaderOptions())
        try:
            follower.read(lambda reading: check_steps(reading, schemas, hide_password(url)))
        except BaseException:
            follower._readers.close()
            raise
        follower._asking.start()
        return follower

    def submit(self, _work: Callable[[Transaction], Result]) -> Future[Result]:
        """Refuse: another server writes."""
        raise ClewError(
            ErrorCode.CONFLICT,
            "this server is a standby and takes no writes",
            hint="write to the one that leads",
        )

    def read(self, work: Callable[[Reading], Result]) -> Result:
        """Return what `work` returns; all its statements see one moment."""
        try:
            with self._readers.lend() as reading:
                return work(reading)
        except RefusedError as error:
            raise error.explained() from error

    def watch(self, _tables: Iterable[str], listener: Callable[[], None]) -> None:
        """Call `listener` when anything was written; to whatever tables, it is not known here."""
        self._listeners.append(listener)

    def check(self) -> None:
        """Raise ClewError unless rows can be read."""
        self.read(lambda reading: reading.rows(_STATE))

    def status(self) -> DatabaseStatus:
        """Return that nothing was written from here."""
        failure = self._failure
        return DatabaseStatus(
            dialect=Dialect.POSTGRES,
            writes=0,
            failed_writes=0,
            commits=0,
            failed_commits=0,
            commit_seconds=0.0,
            last_group=0,
            queued=0,
            shed=0,
            reconnections=0,
            failure=None if failure is None else failure.message,
        )

    def close(self) -> None:
        """Let readers finish, and let go of the connections; idempotent."""
        if self._closing.is_set():
            return
        self._closing.set()
        if self._asking.is_alive():
            self._asking.join()
        self._readers.close()

    def _ask_on(self) -> None:
        known: tuple[int, int] | None = None
        while not self._closing.wait(ASK_EVERY_S):
            try:
                (state,) = self.read(lambda reading: reading.rows(_STATE))
            except ClewError as error:
                if self._failure is None:
                    logger.warning("the registry is not followed: %s", error.message)
                self._failure = error
                continue
            self._failure = None
            found = (state["epoch"], state["commits"])
            if found != known:
                known = found
                self._tell()

    def _tell(self) -> None:
        for listener in tuple(self._listeners):
            try:
                listener()
            except ClewError as error:
                logger.warning("what is kept in memory was not read anew: %s", error.message)
