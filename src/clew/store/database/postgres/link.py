"""One connection to a PostgreSQL server, asked and answered one thing at a time.

asyncpg is asynchronous; whoever uses a link is a thread that waits. The link's own event loop runs
while something is asked and stands still between, so there is no hop from thread to thread, and a
link may be used by one thread after another.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

import asyncpg

from clew.base.errors import ErrorCode
from clew.store.database.contract import Dialect
from clew.store.database.postgres.failure import (
    CLIENT_ERRORS,
    Meaning,
    RefusedError,
    interpret,
    interpret_opening,
    lost,
)
from clew.store.database.postgres.statements import translate

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from clew.store.database.contract import Parameters, Value

OLDEST: Final = 14
"""The oldest PostgreSQL whose end of support was not yet reached when this was written."""

STATEMENTS_KEPT: Final = 256
"""Prepared statements of a connection: more than the strands have."""

GRACE_S: Final = 2.0
"""How much longer than the server's own limit an answer is waited for, before the connection is
given up: the server ends a statement by itself and says so, if it is there at all."""

_SERVER_SETTINGS: Final = {
    # A client that vanished must not keep its locks: its host is asked after 30 s, three times.
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
    # A session that waits for work holds the registry's lock; that it waits is no fault.
    "idle_session_timeout": "0",
    # Compiling a statement of a millisecond takes a hundred.
    "jit": "off",
    "lock_timeout": "5s",
}

_NAME_BYTES_MAX: Final = 63
"""Where PostgreSQL cuts an application's name."""

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class LinkOptions:
    """Where to, and how long things may take, in seconds.

    A minute in a transaction without a statement means that this program stands still.
    """

    url: str
    shown: str
    statement_s: float
    connect_s: float = 5.0
    idle_in_transaction_s: float = 60.0


class Link:
    """A connection that may be lost and opened anew. Raises RefusedError and nothing else."""

    def __init__(self, options: LinkOptions, loop: asyncio.AbstractEventLoop | None = None) -> None:
        """Make a link that is not open yet; `loop` is its own from now on."""
        self._options = options
        self._loop = loop or asyncio.new_event_loop()
        self._connection: Any = None
        self.pid = 0

    @property
    def is_open(self) -> bool:
        """Whether there is a connection, as far as is known without asking."""
        return self._connection is not None and not self._connection.is_closed()

    def open(self) -> None:
        """Connect; a connection that is there is given up."""
        self.drop()
        options = self._options
        settings = _SERVER_SETTINGS | {
            "application_name": f"clew {os.getpid()} on {socket.gethostname()}"[:_NAME_BYTES_MAX],
            "statement_timeout": f"{options.statement_s * 1000:.0f}",
            "idle_in_transaction_session_timeout": f"{options.idle_in_transaction_s * 1000:.0f}",
        }
        try:
            self._connection = self._run(
                asyncpg.connect(
                    options.url,
                    timeout=options.connect_s,
                    command_timeout=options.statement_s + GRACE_S,
                    statement_cache_size=STATEMENTS_KEPT,
                    max_cached_statement_lifetime=0,
                    server_settings=settings,
                )
            )
            self._check_version()
            self._run(_decode_numbers(self._connection))
        except RefusedError:
            self.drop()
            raise
        except CLIENT_ERRORS as error:
            self.drop()
            raise interpret_opening(error, options.shown) from error
        self.pid = self._connection.get_server_pid()

    def script(self, sql: str) -> None:
        """Run statements without parameters, several in one message."""
        self._ask(lambda connection: connection.execute(sql))

    def rows(
        self, sql: str, parameters: Mapping[str, Value] | None, deadline: float | None = None
    ) -> list[dict[str, Any]]:
        """Return the rows of a statement; `deadline` is of the monotonic clock."""
        text, names = translate(sql)
        values = _values(names, parameters)
        patience = self._patience(deadline)
        records = self._ask(lambda connection: connection.fetch(text, *values, timeout=patience))
        return [dict(record) for record in records]

    def run(self, sql: str, parameters: Parameters | None) -> int:
        """Run a statement and return how many rows it changed."""
        text, names = translate(sql)
        values = _values(names, parameters)
        return _changed(self._ask(lambda connection: connection.execute(text, *values)))

    def run_many(self, sql: str, parameters: Sequence[Mapping[str, Value]]) -> int:
        """Run a statement once for each of `parameters`; return how many rows changed."""
        # The protocol counts rows of the last statement alone; rows returned are counted in all.
        text, names = translate(f"{sql}\nRETURNING 1")
        values = [_values(names, each) for each in parameters]
        return len(self._ask(lambda connection: connection.fetchmany(text, values)))

    def drop(self) -> None:
        """Give the connection up without a word; idempotent."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()
            self._settle()

    def close(self) -> None:
        """Say goodbye and let go of everything; the link is of no use afterwards."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                self._run(connection.close(timeout=GRACE_S))
            except CLIENT_ERRORS:
                connection.terminate()
        self._settle()
        self._run(self._loop.shutdown_default_executor())
        self._loop.close()

    def _ask(self, ask: Any) -> Any:
        connection, shown = self._connection, self._options.shown
        if connection is None:
            raise lost(shown)
        try:
            return self._run(ask(connection))
        except TimeoutError as error:
            # Longer than the server's own limit: it is not there any more.
            self.drop()
            raise lost(shown) from error
        except CLIENT_ERRORS as error:
            refused = interpret(error, shown, is_closed=connection.is_closed())
            if refused.is_lost:
                self.drop()
            raise refused from error
        except BaseException:
            # Ended in the middle (a signal): what the server will answer is anybody's guess.
            self.drop()
            raise

    def _patience(self, deadline: float | None) -> float:
        if deadline is None:
            return self._options.statement_s + GRACE_S
        left = deadline - time.monotonic()
        if left <= 0:
            raise RefusedError(
                Meaning(ErrorCode.TIMEOUT, "asking the registry took too long", "ask for less")
            )
        return left + GRACE_S

    def _check_version(self) -> None:
        version = self._connection.get_server_version()
        if version.major < OLDEST:
            raise RefusedError(
                Meaning(
                    ErrorCode.UNSUPPORTED,
                    f"the registry at {self._options.shown} is PostgreSQL {version.major},"
                    f" older than {OLDEST}",
                    "name a newer server",
                )
            )

    def _run(self, coroutine: Coroutine[Any, Any, Answer]) -> Answer:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return self._loop.run_until_complete(coroutine)
        # Called on an event loop, which waits as it would for a file. A thread runs one loop only.
        with ThreadPoolExecutor(1) as helper:
            return helper.submit(self._loop.run_until_complete, coroutine).result()

    def _settle(self) -> None:
        """Let the loop finish what a connection that is gone has left in it."""
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._run(_turn())


class LinkSession:
    """Implements `Reading` and `Transaction` over a link whose transaction others manage."""

    def __init__(self, link: Link, deadline: float | None = None) -> None:
        self._link = link
        self._deadline = deadline

    @property
    def dialect(self) -> Dialect:
        """Whose SQL statements are to be."""
        return Dialect.POSTGRES

    def rows(self, sql: str, parameters: Mapping[str, Value] | None = None) -> list[dict[str, Any]]:
        """Return the rows of a statement, each by the names of its columns."""
        return self._link.rows(sql, parameters, self._deadline)

    def run(self, sql: str, parameters: Parameters | None = None) -> int:
        """Run a statement and return how many rows it changed."""
        return self._link.run(sql, parameters)

    def run_many(self, sql: str, parameters: Sequence[Mapping[str, Value]]) -> int:
        """Run a statement once for each of `parameters`; return how many rows changed."""
        return self._link.run_many(sql, parameters) if parameters else 0


def _values(names: tuple[str, ...], parameters: Parameters | None) -> list[Value]:
    given = parameters or {}
    if not isinstance(given, Mapping):
        raise RefusedError(
            Meaning(ErrorCode.INTERNAL, "the registry did not understand: values have names here")
        )
    try:
        return [given[name] for name in names]
    except KeyError as error:
        raise RefusedError(
            Meaning(ErrorCode.INTERNAL, f"the registry did not understand: no value for :{error}")
        ) from error


def _changed(tag: str) -> int:
    """Return how many rows a command's tag speaks of: ``UPDATE 3``, ``INSERT 0 1``."""
    verb, _, rest = tag.partition(" ")
    counted = verb in ("INSERT", "UPDATE", "DELETE", "MERGE")
    return int(rest.rpartition(" ")[2]) if counted else 0


async def _decode_numbers(connection: Any) -> None:
    """Read sums of integers, which are decimals to PostgreSQL, as the integers that they are."""
    await connection.set_type_codec(
        "numeric", schema="pg_catalog", encoder=str, decoder=_read_number, format="text"
    )


def _read_number(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        return float(text)


async def _turn() -> None:
    """Give the loop one turn."""
