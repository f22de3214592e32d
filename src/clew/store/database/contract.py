"""What a registry database promises to the strands that keep their records in it.

A strand hands in a `Schema` (numbered steps of DDL) and its statements; the database knows none of
their words. Statements bind values by name (``:author``), and no value ever becomes part of one.
The protocol is small on purpose: SQLite in the data folder keeps it today, and what an asynchronous
client of a PostgreSQL server could not keep as well is not in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Future

Value = str | int | float | bytes | None
"""What a column holds."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Step:
    """One change of a schema: `statements` are run in one transaction, once, and never changed."""

    number: int
    what: str
    statements: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Schema:
    """The tables of one strand: its steps, numbered from 1 without a gap."""

    name: str
    steps: tuple[Step, ...]


class Reading(Protocol):
    """One moment of the database."""

    def rows(self, sql: str, parameters: Mapping[str, Value] | None = None) -> list[dict[str, Any]]:
        """Return the rows of a statement, each by the names of its columns."""
        ...


class Transaction(Reading, Protocol):
    """A write under way. It sees what was written before it, and its own changes."""

    def run(self, sql: str, parameters: Mapping[str, Value] | None = None) -> int:
        """Run a statement and return how many rows it changed."""
        ...


class Database(Protocol):
    """Rows that survive. Every method may be called from any thread.

    What the machine refuses is a ClewError: UNAVAILABLE for a full disk, a lock of another process
    or a damaged file, TIMEOUT for a reading that takes too long, OVERLOADED (with a time to wait)
    where more is asked than the queue holds.
    """

    def submit(self, work: Callable[[Transaction], Result]) -> Future[Result]:
        """Queue a write; the future holds what `work` returned once the write is durable.

        `work` runs in the writer thread, after everything submitted before it, all of it or
        nothing: when it raises, its changes are undone and the future raises the same. It MUST
        only use the transaction, and only until it returns; it may be run again from the start.
        When the future raises UNAVAILABLE the write did not happen, unless the process ended in
        the same moment.

        Raises:
            ClewError: OVERLOADED when the queue is full, UNAVAILABLE when the database is closed.
        """
        ...

    def read(self, work: Callable[[Reading], Result]) -> Result:
        """Return what `work` returns. Blocks, and never waits for a writer.

        All its statements see one moment, with every write whose future was done before the call.
        """
        ...

    def check(self) -> None:
        """Raise ClewError(UNAVAILABLE) unless rows can be written and read."""
        ...

    def close(self) -> None:
        """Write what is queued, let readers finish, and let go of the files; idempotent. Blocks."""
        ...
