"""A connection that reads, one moment at a time."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from clew.store.database.postgres.failure import RefusedError
from clew.store.database.postgres.link import LinkSession

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clew.store.database.postgres.link import Link

_BEGIN: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


class PostgresReading:
    """Implements `clew.store.database.readers.ReadingConnection`."""

    def __init__(self, link: Link) -> None:
        self._link = link

    @contextmanager
    def moment(self, seconds_max: float) -> Iterator[LinkSession]:
        """Read one moment.

        Raises:
            RefusedError: what the server refuses; TIMEOUT when it takes too long.
        """
        deadline = time.monotonic() + seconds_max
        self._begin()
        try:
            yield LinkSession(self._link, deadline)
        finally:
            if self._link.is_open:
                self._end()

    def close(self) -> None:
        """Let go of the connection."""
        self._link.close()

    def _begin(self) -> None:
        try:
            self._link.script(_BEGIN)
        except RefusedError as error:
            # Not open yet, or lost while nobody used it: nothing was read over it.
            if not error.is_lost:
                raise
            self._link.open()
            self._link.script(_BEGIN)

    def _end(self) -> None:
        try:
            self._link.script("ROLLBACK")
        except RefusedError:
            # What was read is read; the next reading opens a connection of its own.
            self._link.drop()
