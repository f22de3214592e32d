"""What the embedded engine and a server have in common: everything but inserts and hot rows."""

# ruff: noqa: S608 - names are quoted, values are bound, and the rest is our own text

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
from clickhouse_connect.driver.exceptions import ClickHouseError

from clew.base.deadline import seconds_left
from clew.base.errors import ClewError, ErrorCode
from clew.store.engine.clients import ClientPool
from clew.store.engine.contract import WORD_PART_CHARS_MIN, QueryLimits, TableSize
from clew.store.engine.ddl import DATABASE, drop_partition, keep_for, lifetime, qualified
from clew.store.engine.failure import translated
from clew.store.engine.migration import bring_up_to_date
from clew.store.engine.untrusted import UntrustedStatements
from clew.store.table import FRAME

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from clickhouse_connect.driver.client import Client

    from clew.store.engine.contract import UntrustedAnswer
    from clew.store.engine.migration import Migration
    from clew.store.table import Table

BLOCK_ROWS_MAX: Final = 1_000_000_000
"""More rows than any insert has."""

# One insert is one block and so one part per day: nothing splits it by size, whatever it holds, and
# its token covers all of it. Late rows may fall on any number of days.
INSERT_SETTINGS: Final[Mapping[str, object]] = {
    # A server would gather inserts of ours and of others into blocks of its own, and by its
    # defaults not look at their tokens.
    "async_insert": 0,
    "max_insert_block_size": BLOCK_ROWS_MAX,
    "max_insert_threads": 1,
    "max_partitions_per_insert_block": 0,
    "min_insert_block_size_bytes": 0,
    "min_insert_block_size_rows": BLOCK_ROWS_MAX,
}

SESSION_SETTINGS: Final[Mapping[str, object]] = {
    "session_timezone": "UTC",
    # Text comes as text, and uncompressed: the reader is in this process or on a fast network.
    "output_format_arrow_string_as_string": 1,
    "output_format_arrow_compression_method": "none",
    "text_index_like_min_pattern_length": WORD_PART_CHARS_MIN,
    **INSERT_SETTINGS,
}


RETENTION_SECONDS_MAX: Final = 50 * 366 * 86_400
"""The engine counts the end of a row's life in 32 bits of seconds, to the year 2106; past that it
starts again at 1970, and a row that should stay for a hundred years is gone at once."""


class ClickHouseAdapter:
    """Tables through a `clickhouse-connect` client. Each adapter adds `insert` and `query`."""

    def __init__(
        self,
        open_client: Callable[[Mapping[str, object]], Client],
        *,
        database: str = DATABASE,
        migrations: Sequence[Migration] = (),
        clients_max: int,
    ) -> None:
        """Prepare; the first client is opened when it is needed.

        `open_client` opens a client whose session has the settings it is given, in their order.
        """
        self.database = database
        self._migrations = migrations
        self._clients = ClientPool(lambda: open_client(SESSION_SETTINGS), clients_max=clients_max)
        self._untrusted = UntrustedStatements(open_client, database, self.list_functions)

    def create(self, tables: Sequence[Table], kept: Mapping[str, int | None] | None = None) -> None:
        """See `Engine.create`."""
        lifetimes = {
            name: seconds
            for name, seconds in (kept or {}).items()
            if seconds is not None and is_lifetime(seconds)
        }
        with self._clients.borrow() as client, translated():
            bring_up_to_date(client, self.database, tables, self._migrations, lifetimes)
        self._untrusted.allow(table.name for table in tables)

    def retain(self, kept: Sequence[tuple[Table, int | None]]) -> None:
        """See `Engine.retain`. Rows go by whole days, some time after the last one is due."""
        if not all(seconds is None or is_lifetime(seconds) for _, seconds in kept):
            raise ClewError(
                ErrorCode.INVALID_ARGUMENT,
                f"rows are kept for 1 to {RETENTION_SECONDS_MAX} seconds",
                hint="to keep them for ever, set no retention",
            )
        with self._clients.borrow() as client, translated():
            definitions = self._definitions(client)
            for table, seconds in kept:
                definition = definitions.get(table.name)
                if definition is None:
                    raise ClewError(ErrorCode.NOT_FOUND, f"there is no table {table.name}")
                # Without this a start would rewrite the table's lifetime in every part each time.
                is_as_asked = (
                    " TTL " not in definition
                    if seconds is None
                    else f" TTL {lifetime(table, seconds)} " in f"{definition} "
                )
                if not is_as_asked:
                    client.command(keep_for(self.database, table, seconds))

    def drop_before(self, table: Table, at: int) -> int:
        """See `Engine.drop_before`."""
        with self._clients.borrow() as client, translated():
            (partitions,) = client.query(
                "SELECT DISTINCT partition_id FROM system.parts"
                " WHERE active AND database = {database:String} AND table = {name:String}"
                " AND partition_id < {until:String} ORDER BY partition_id",
                parameters={
                    "database": self.database,
                    "name": table.name,
                    "until": table.name_partition(at),
                },
            ).result_columns or ([],)
            for partition in partitions:
                client.command(drop_partition(self.database, table, partition))
        return len(partitions)

    def newest_frame(self, tables: Sequence[Table]) -> int:
        """See `Engine.newest_frame`."""
        return max(self._newest_frames(tables).values(), default=0)

    def measure(self, tables: Sequence[Table]) -> list[TableSize]:
        """See `Engine.measure`."""
        with self._clients.borrow() as client, translated():
            rows = client.query(
                "SELECT table, sum(rows), count(), sum(bytes_on_disk), sum(data_compressed_bytes),"
                " sum(data_uncompressed_bytes),"
                " sum(secondary_indices_compressed_bytes + secondary_indices_marks_bytes)"
                " FROM system.parts WHERE active AND database = {database:String} GROUP BY table",
                parameters={"database": self.database},
            ).result_rows
        found = {str(name): TableSize(str(name), *map(int, counts)) for name, *counts in rows}
        return [found.get(table.name, TableSize(table.name)) for table in tables]

    def query_untrusted(self, sql: str, *, limits: QueryLimits) -> UntrustedAnswer:
        """See `Engine.query_untrusted`; values are as `clew.store.engine.untrusted` says."""
        return self._untrusted.run(sql, limits)

    def parse(self, statements: Sequence[str]) -> list[tuple[dict[str, Any], str]]:
        """Return the engine's parse tree of each statement, and its own spelling of it.

        Raises:
            ClewError: INVALID_ARGUMENT when one does not parse.
        """
        question = (
            "SELECT parseQueryToJSON(q) AS tree, formatQuerySingleLine(q) AS text"
            " FROM (SELECT arrayJoin({statements:Array(String)}) AS q)"
        )
        parameters = bind({"statements": list(statements)})
        with self._clients.borrow() as client, translated(default=ErrorCode.INVALID_ARGUMENT):
            rows = arrow_table(client.raw_query(question, parameters, fmt="ArrowStream"))
        return [(json.loads(row["tree"]), row["text"]) for row in rows.to_pylist()]

    def describe(self, sql: str, parameters: Mapping[str, object]) -> dict[str, str]:
        """Return the engine's types of the columns of a SELECT, by name, in order."""
        with self._clients.borrow() as client, translated():
            answer = client.raw_query(
                f"DESCRIBE TABLE ({sql})", bind(parameters), fmt="ArrowStream"
            )
        return {row["name"]: row["type"] for row in arrow_table(answer).to_pylist()}

    def list_functions(self) -> Sequence[Any]:
        """Return the name of every function that the engine has."""
        with self._clients.borrow() as client, translated():
            (names,) = client.query("SELECT name FROM system.functions").result_columns
        return names

    def check(self) -> None:
        """See `Engine.check`."""
        with self._clients.borrow() as client, translated(default=ErrorCode.UNAVAILABLE):
            client.command("SELECT 1", use_database=False)

    def close(self) -> None:
        """See `Engine.close`."""
        self._untrusted.close()
        self._clients.close()

    def _newest_frames(self, tables: Sequence[Table]) -> dict[str, int]:
        """Return the highest frame of each table, by its name; one without rows has none."""
        with self._clients.borrow() as client, translated():
            # Most tables of most stores are empty: one question says which.
            (filled,) = client.query(
                "SELECT DISTINCT table FROM system.parts"
                " WHERE active AND database = {database:String}",
                parameters={"database": self.database},
            ).result_columns or ([],)
            return {
                table.name: self._newest(client, table) for table in tables if table.name in filled
            }

    def _newest(self, client: Client, table: Table) -> int:
        # The minmax index on the column finds the last granules without reading the others.
        rows = client.query(
            f"SELECT {FRAME} FROM {qualified(self.database, table.name)}"
            f" ORDER BY {FRAME} DESC LIMIT 1 SETTINGS use_skip_indexes_for_top_k = 1"
        ).result_rows
        return int(rows[0][0]) if rows else 0

    def _definitions(self, client: Client) -> dict[str, str]:
        """Return how each table is kept, by its name."""
        rows = client.query(
            "SELECT name, engine_full FROM system.tables WHERE database = {database:String}",
            parameters={"database": self.database},
        ).result_rows
        return {str(name): str(definition) for name, definition in rows}


def is_lifetime(seconds: int) -> bool:
    """Whether rows can be kept for so many seconds."""
    return 0 < seconds <= RETENTION_SECONDS_MAX


def prepare(client: Client, database: str, settings: Mapping[str, object]) -> Client:
    """Return a fresh client with settings, in their order, and a database that need not exist yet.

    A name without a database must never mean `default`.
    """
    try:
        for name, value in settings.items():
            client.set_client_setting(name, value)
        client.database = database
    except ClickHouseError:
        client.close()
        raise
    return client


def one_block(rows: pa.Table) -> pa.Table:
    """Return rows of which the engine makes one block: the same ones, in one chunk.

    The engine names what a token stands for by the blocks that an insert came in, also where it
    puts them together before it stores them: the same rows and token in two chunks and in one are
    stored twice (measured).

    Raises:
        ClewError: TOO_LARGE when a column holds more text than a chunk can, which is 2 GiB.
    """
    whole = rows.combine_chunks()
    if any(column.num_chunks > 1 for column in whole.columns):
        raise ClewError(
            ErrorCode.TOO_LARGE,
            f"{rows.num_rows} rows are too large for one insert",
            hint="insert fewer at a time",
        )
    return whole


_SPECIAL: Final = "\\'`\t\n"
"""What the client escapes, and so do we."""

_ESCAPED: Final = str.maketrans({each: f"\\{each}" for each in _SPECIAL})


class _Literal:
    """A parameter as the engine reads it; the client writes it as it is."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __str__(self) -> str:
        return self._text


def bind(parameters: Mapping[str, object] | None) -> dict[str, object] | None:
    """Return parameters for a client, lists of numbers and of texts as literals.

    The client writes lists value by value, in 3 to 10 microseconds each: longer than most
    questions about a thousand ids take.
    """
    return {name: _bind(value) for name, value in parameters.items()} if parameters else None


def _bind(value: object) -> object:
    if not isinstance(value, list) or not value:
        return value
    kinds = set(map(type, value))
    if kinds == {int}:
        return _Literal(f"[{','.join(map(str, value))}]")
    if kinds == {str}:
        everything = "".join(value)
        if any(each in everything for each in _SPECIAL):
            value = [text.translate(_ESCAPED) for text in value]
        between = "','"
        return _Literal(f"['{between.join(value)}']")
    return value


def limits_clause(limits: QueryLimits | None, *, threads_max: int = 0) -> str:
    """Return the SETTINGS clause for limits, zero being none; empty when there are none.

    A statement has no longer than the question has of which it is a part.

    Raises:
        ClewError: TIMEOUT when the question has no time left.
    """
    limits = limits or QueryLimits()
    left = seconds_left(limits.time_ms_max / 1000)
    settings = [
        f"{name} = {value}"
        for name, value in (
            ("max_execution_time", left),
            ("max_memory_usage", limits.memory_bytes_max),
            ("max_result_rows", limits.rows_max),
            ("max_threads", threads_max),
        )
        if value
    ]
    return f" SETTINGS {', '.join(settings)}" if settings else ""


def arrow_table(stream: bytes) -> pa.Table:
    """Return the rows of an answer in the ArrowStream format."""
    return pa.ipc.open_stream(stream).read_all()
