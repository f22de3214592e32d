"""What a registry database promises to the strands that keep their records in it.

A strand hands in a `Schema` (numbered steps of DDL) and its statements; the database knows none of
their words. Statements bind values by name (``:author``), in both dialects, and no value ever
becomes part of one. The protocol is small on purpose: SQLite in the data folder and a PostgreSQL
server keep it alike, and where a statement cannot be the same for both, `Reading.dialect` says
which one it is for. A statement with hundreds of values is such a one: SQLite looks every name up
among all of them, and takes values by their places instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from clew.base.errors import ClewError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from concurrent.futures import Future

Value = str | int | float | bytes | None
"""What a column holds: text without NUL characters, 64-bit integers, floats, bytes."""

Parameters = Mapping[str, Value] | Sequence[Value]
"""Values for a statement: by name, or of SQLite's alone by their places (``?``), in order."""

Result = TypeVar("Result")


class Dialect(StrEnum):
    """Whose SQL a database speaks."""

    SQLITE = "sqlite"
    POSTGRES = "postgres"


@dataclass(frozen=True, slots=True)
class Step:
    """One change of a schema: `statements` are run in one transaction, once, and never changed.

    Types are SQLite's. For PostgreSQL, where `postgres` holds no statements of its own, INTEGER is
    read as BIGINT, REAL as DOUBLE PRECISION, BLOB as BYTEA and TEXT as text sorted by its bytes,
    ``INTEGER PRIMARY KEY`` numbers its rows, and what follows a table's closing bracket (STRICT,
    WITHOUT ROWID) is left out.
    """

    number: int
    what: str
    statements: tuple[str, ...]
    postgres: tuple[str, ...] | None = None

    def statements_for(self, dialect: Dialect) -> tuple[str, ...]:
        """Return what is run on a database that speaks `dialect`."""
        if dialect is Dialect.POSTGRES and self.postgres is not None:
            return self.postgres
        return self.statements


@dataclass(frozen=True, slots=True)
class Schema:
    """The tables of one strand: its steps, numbered from 1 without a gap."""

    name: str
    steps: tuple[Step, ...]


def among(name: str, dialect: Dialect) -> str:
    """Return the condition that a text is one of those in the parameter `name`, a JSON list.

    ``f"id {among('ids', reading.dialect)}"`` with ``{"ids": json.dumps(ids)}``: one statement
    however many there are, which is prepared once.
    """
    if dialect is Dialect.POSTGRES:
        return f"IN (SELECT jsonb_array_elements_text(CAST(:{name} AS jsonb)))"
    return f"IN (SELECT value FROM json_each(:{name}))"  # noqa: S608 - a name of ours


class Reading(Protocol):
    """One moment of the database."""

    @property
    def dialect(self) -> Dialect:
        """Whose SQL statements are to be, where it makes a difference."""
        ...

    def rows(self, sql: str, parameters: Mapping[str, Value] | None = None) -> list[dict[str, Any]]:
        """Return the rows of a statement, each by the names of its columns."""
        ...


class Transaction(Reading, Protocol):
    """A write under way. It sees what was written before it, and its own changes."""

    def run(self, sql: str, parameters: Parameters | None = None) -> int:
        """Run a statement and return how many rows it changed."""
        ...

    def run_many(self, sql: str, parameters: Sequence[Mapping[str, Value]]) -> int:
        """Run a statement once for each of `parameters`, in order; return how many rows changed.

        Nothing is run for an empty sequence. It costs less than one `run` each: the statement is
        prepared once, and a server is asked once.
        """
        ...


class OutcomeUnknownError(ClewError):
    """The server was lost in the middle of a commit and did not come back to say what it did.

    Its code is UNAVAILABLE. Read before writing again.
    """


@dataclass(frozen=True, slots=True)
class DatabaseStatus:
    """What a database did since it was opened.

    `writes` were asked for and answered, well or not; `failed_writes` of them with an error.
    `commits` are the groups that became durable, `commit_seconds` how long they took from taking a
    group to having it on disk, `last_group` how many writes the last one held, `failed_commits`
    the groups that did not become durable. `queued` writes wait for their turn, `shed` were refused
    because too many did. `failure` says why nothing can be written at present.
    """

    dialect: Dialect
    writes: int
    failed_writes: int
    commits: int
    failed_commits: int
    commit_seconds: float
    last_group: int
    queued: int
    shed: int
    reconnections: int
    failure: str | None


class Database(Protocol):
    """Rows that survive. Every method may be called from any thread, but not on an event loop.

    What the machine refuses is a ClewError: UNAVAILABLE for a full disk, a lock of another process
    or a damaged file, TIMEOUT for a reading that takes too long, OVERLOADED (with a time to wait)
    where more is asked than the queue holds.
    """

    def submit(self, work: Callable[[Transaction], Result]) -> Future[Result]:
        """Queue a write; the future holds what `work` returned once the write is durable.

        `work` runs in the writer thread, after everything submitted before it, all of it or
        nothing: when it raises, its changes are undone and the future raises the same. It MUST
        only use the transaction, and only until it returns; it may be run again from the start. A
        statement that is refused ends it: what it does after catching that is not kept for certain.
        When the future raises UNAVAILABLE the write did not happen, unless it is an
        `OutcomeUnknownError` or the process ended in the same moment.

        Raises:
            ClewError: OVERLOADED when the queue is full, UNAVAILABLE when the database is closed.
        """
        ...

    def read(self, work: Callable[[Reading], Result]) -> Result:
        """Return what `work` returns. Blocks, and never waits for a writer.

        All its statements see one moment, with every write whose future was done before the call.
        """
        ...

    def watch(self, tables: Iterable[str], listener: Callable[[], None]) -> None:
        """Call `listener` whenever another server's writing may have changed rows of these tables.

        For whoever keeps rows in memory: what is written here it knows by itself. The change can be
        read when it is called, from a thread that it MUST NOT hold up for long.
        """
        ...

    def check(self) -> None:
        """Raise ClewError unless rows can be written and read."""
        ...

    def status(self) -> DatabaseStatus:
        """Return what it did so far. Waits for nobody."""
        ...

    def close(self) -> None:
        """Write what is queued, let readers finish, and let go of the files; idempotent. Blocks."""
        ...
