"""Statements of users: checked, walled in, and answered as plain values.

Each runs on a client that does nothing else: its limits are set first, then the session is made
read-only, after which nothing can lift them. Values come as the engine's JSON, which keeps the
nanoseconds of a time and every digit of a number; what JSON readers would lose becomes text:

- times are RFC 3339 in UTC with the digits of their type, dates ``YYYY-MM-DD``
- integers beyond 2^53, decimals, UUIDs and addresses are text
- numbers that are not finite are ``"nan"``, ``"inf"``, ``"-inf"``
- bytes that are not UTF-8 become U+FFFD
- a map is an object (of a repeated key the last value stays), a tuple without names a list
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from clew.base.errors import ClewError, ErrorCode
from clew.store.engine.clients import ClientPool, closed
from clew.store.engine.contract import QueryLimits, ResultColumn, UntrustedAnswer
from clew.store.engine.failure import translated
from clew.store.engine.guard import STATEMENT_BYTES_MAX, Rules, check, is_explain, refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from clickhouse_connect.driver.client import Client

CONCURRENT_MAX: Final = 2
"""Users' statements at once: ingest and our own queries keep a share of two cores."""

WAIT_SECONDS: Final = 2.0
"""How long a statement waits for its turn before it is told to come again."""

TIME_MS_MAX: Final = 30_000
MEMORY_BYTES_MAX: Final = 1 << 30
ROWS_MAX: Final = 10_000
"""Where the caller's limits say "none": a statement of a user never runs without walls."""

RESULT_BYTES_MAX: Final = 64 << 20
"""The answer is held in memory as values of this process, some ten times its size."""

CLIENT_POOLS_MAX: Final = 4
"""Limits belong to a session, so each set of limits has its own clients; few sets are in use."""

INTEGER_MAX: Final = 1 << 53
"""Where readers of JSON that hold numbers as doubles lose digits."""

_NO_TREE: Final = "parseQueryToJSON"
"""Stands in what the engine says of a statement that it does not show the parse tree of: those that
change something, DESCRIBE and the like."""

_DIALECT: Final = "the dialect is ClickHouse's; `clew sql --schema` has tables, columns, examples"

_FORMAT: Final = "JSONCompactEachRowWithNamesAndTypes"

_SETTINGS: Final[Mapping[str, object]] = {
    "session_timezone": "UTC",
    "date_time_output_format": "iso",
    "output_format_json_quote_64bit_integers": 0,
    "output_format_json_quote_decimals": 1,
    "output_format_json_quote_denormals": 1,
    "output_format_json_validate_utf8": 1,
    "max_threads": 1,
    "max_result_bytes": RESULT_BYTES_MAX,
    "max_parser_depth": 300,
    # A cell is computed whole before any limit is looked at.
    "function_range_max_elements_in_block": 10_000_000,
    # Nothing spills to the disk that the log needs.
    "max_bytes_before_external_group_by": 0,
    "max_bytes_ratio_before_external_group_by": 0,
    "max_bytes_before_external_sort": 0,
    "max_bytes_ratio_before_external_sort": 0,
    "max_temporary_data_on_disk_size_for_query": 1,
}


class UntrustedStatements:
    """Runs users' statements over some tables. For use by any thread.

    `open_client` opens a client with settings, the last of which make its session read-only.
    `list_functions` gives the names of all functions that the running engine has. It is asked with
    the first statement: the engine makes every one of them for its answer, which takes 50 ms and
    40 MB, and a start is not to wait for that.
    """

    def __init__(
        self,
        open_client: Callable[[Mapping[str, object]], Client],
        database: str,
        list_functions: Callable[[], Iterable[str]],
    ) -> None:
        self._open_client = open_client
        self._database = database
        self._list_functions = list_functions
        self._tables: frozenset[str] = frozenset()
        self._functions: frozenset[str] | None = None
        self._turns = threading.BoundedSemaphore(CONCURRENT_MAX)
        self._is_closed = False
        self._pools_lock = threading.Lock()
        self._pools: OrderedDict[QueryLimits, ClientPool] = OrderedDict()

    def allow(self, tables: Iterable[str]) -> None:
        """Set which tables may be read."""
        self._tables = frozenset(tables)

    def run(self, sql: str, limits: QueryLimits) -> UntrustedAnswer:
        """Check a statement and run it; see `Engine.query_untrusted`."""
        _sound(sql)
        with self.turn():
            walls = _walls(limits)
            return self._run(self._pool(walls), sql, walls)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Be one of the statements that run at once, for the length of the block.

        Raises:
            ClewError: OVERLOADED when there are too many for too long.
        """
        if not self._turns.acquire(timeout=WAIT_SECONDS):
            raise ClewError(
                ErrorCode.OVERLOADED,
                f"{CONCURRENT_MAX} statements are running already",
                retry_after_ms=1_000,
            )
        try:
            yield
        finally:
            self._turns.release()

    def run_apart(
        self, sql: str, limits: QueryLimits, fill: Callable[[Client], None]
    ) -> UntrustedAnswer:
        """Check a statement and run it in a session of its own, within a `turn` of the caller's.

        `fill` makes tables of that session before it becomes read-only. They go with it, however
        the statement ends: the session is no other's.
        """
        walls = _walls(limits)
        pool = ClientPool(lambda: self._open(walls, fill), clients_max=1)
        try:
            return self._run(pool, _sound(sql), walls)
        finally:
            pool.close()

    def examine(self, sql: str, limits: QueryLimits) -> None:
        """Raise what `run` would raise before it runs a statement."""
        self._examine(self._pool(_walls(limits)), _sound(sql))

    def close(self) -> None:
        """Close the clients; idempotent."""
        with self._pools_lock:
            self._is_closed = True
            pools = list(self._pools.values())
            self._pools.clear()
        for pool in pools:
            pool.close()

    def _run(self, pool: ClientPool, sql: str, walls: QueryLimits) -> UntrustedAnswer:
        tree, text, rules = self._examine(pool, sql)
        # What runs is this very text. That it ends in our FORMAT must not change what it means.
        text = f"{text} FORMAT {_FORMAT}"
        final, _ = _parse(pool, text)
        check(final, rules, output_format=_FORMAT)
        if is_explain(final) != is_explain(tree):
            raise ClewError(ErrorCode.INVALID_ARGUMENT, "the statement reads in two ways")
        with pool.borrow() as client, _told():
            answer = client.raw_query(text)
        if len(answer) > RESULT_BYTES_MAX:
            # The engine counts a column of one repeated value as one value.
            raise ClewError(
                ErrorCode.TOO_LARGE,
                f"the answer has {len(answer)} bytes, {RESULT_BYTES_MAX} are allowed",
                hint="ask for fewer or shorter columns, or fewer rows",
            )
        try:
            return _answer(answer, walls.rows_max)
        except RecursionError as error:
            raise _too_deep() from error

    def _examine(self, pool: ClientPool, sql: str) -> tuple[dict[str, Any], str, Rules]:
        """Return the tree of a statement that is allowed, its canonical text, and the rules."""
        functions = self._functions_known()
        if "parsequerytojson" not in functions:
            raise ClewError(
                ErrorCode.UNSUPPORTED,
                "this ClickHouse server cannot show how it parses a statement",
                hint="use one that has the function parseQueryToJSON, or its own SQL door",
            )
        rules = Rules(self._database, self._tables, functions)
        tree, text = _parse(pool, sql)
        check(tree, rules)
        return tree, text, rules

    def _functions_known(self) -> frozenset[str]:
        if self._functions is None:
            # Two statements at once may both ask; the answers are equal.
            self._functions = frozenset(name.lower() for name in self._list_functions())
        return self._functions

    def _pool(self, walls: QueryLimits) -> ClientPool:
        with self._pools_lock:
            if self._is_closed:
                raise closed()
            pool = self._pools.get(walls)
            if pool is None:
                pool = ClientPool(lambda: self._open(walls), clients_max=CONCURRENT_MAX)
                self._pools[walls] = pool
            self._pools.move_to_end(walls)
            dropped = (
                self._pools.popitem(last=False)[1] if len(self._pools) > CLIENT_POOLS_MAX else None
            )
        if dropped is not None:
            dropped.close()
        return pool

    def _open(self, walls: QueryLimits, fill: Callable[[Client], None] | None = None) -> Client:
        settings = {
            **_SETTINGS,
            "max_execution_time": walls.time_ms_max / 1000,
            "max_memory_usage": walls.memory_bytes_max,
            # One row more than asked for tells that there are more.
            "limit": walls.rows_max + 1,
            "readonly": 1,
        }
        if fill is None:
            return self._open_client(settings)
        client = self._open_client({"session_timezone": "UTC"})
        try:
            fill(client)
            with translated():
                for name, value in settings.items():
                    client.set_client_setting(name, value)
        except BaseException:
            client.close()
            raise
        return client


def _sound(sql: str) -> str:
    """Return a statement that is text and no longer than one may be."""
    if len(sql.encode(errors="replace")) > STATEMENT_BYTES_MAX:
        raise ClewError(
            ErrorCode.TOO_LARGE, f"a statement may have {STATEMENT_BYTES_MAX} bytes at most"
        )
    if "\0" in sql or not _is_text(sql):
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            "the statement is not text",
            hint="it holds a NUL character or half of a surrogate pair",
        )
    return sql


def _walls(limits: QueryLimits) -> QueryLimits:
    return QueryLimits(
        time_ms_max=limits.time_ms_max or TIME_MS_MAX,
        memory_bytes_max=limits.memory_bytes_max or MEMORY_BYTES_MAX,
        rows_max=limits.rows_max or ROWS_MAX,
    )


def _is_text(sql: str) -> bool:
    try:
        sql.encode()
    except UnicodeEncodeError:
        return False
    return True


def _parse(pool: ClientPool, sql: str) -> tuple[dict[str, Any], str]:
    """Return the engine's parse tree of a statement and its canonical text."""
    question = "SELECT parseQueryToJSON({sql:String}), formatQuerySingleLine({sql:String})"
    with pool.borrow() as client, _told():
        rows = client.query(question, parameters={"sql": sql}).result_rows
    try:
        tree = json.loads(rows[0][0])
    except RecursionError as error:
        raise _too_deep() from error
    return tree, str(rows[0][1])


@contextmanager
def _told() -> Iterator[None]:
    """Turn what the engine finds wrong with a statement into an error that says what to do."""
    try:
        with translated(default=ErrorCode.INVALID_ARGUMENT):
            yield
    except ClewError as error:
        if _NO_TREE in error.message:
            # Only what no rule of ours would let through has no tree.
            raise refused("a statement other than SELECT") from error
        if error.code is not ErrorCode.INVALID_ARGUMENT or error.hint is not None:
            raise
        raise ClewError(error.code, error.message, hint=_DIALECT) from error


def _too_deep() -> ClewError:
    return ClewError(
        ErrorCode.INVALID_ARGUMENT,
        "the statement is nested too deeply",
        hint="a common table expression (WITH) says the same with less nesting",
    )


def _answer(text: bytes, rows_max: int) -> UntrustedAnswer:
    # Not `splitlines`: a text may hold U+2028 and its like unescaped.
    lines = iter(text.decode(errors="replace").split("\n"))
    names, types = json.loads(next(lines, "[]")), json.loads(next(lines, "[]"))
    columns = [ResultColumn(*pair) for pair in zip(_distinct(names), types, strict=True)]
    rows = [
        {
            column.name: _plain(value)
            for column, value in zip(columns, json.loads(line), strict=True)
        }
        for line in lines
        if line
    ]
    return UntrustedAnswer(tuple(columns), rows[:rows_max], truncated=len(rows) > rows_max)


def _distinct(names: Iterable[str]) -> Iterator[str]:
    """Yield names, a repeated one with ``_2``, ``_3``, … so that no column hides another."""
    seen: set[str] = set()
    for name in names:
        free, number = name, 1
        while free in seen:
            number += 1
            free = f"{name}_{number}"
        seen.add(free)
        yield free


def _plain(value: Any) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        return value if -INTEGER_MAX <= value <= INTEGER_MAX else str(value)
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value
