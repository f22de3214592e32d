"""Scans that another server asks for: checked as a user's SQL is, then read as our own are.

Theory of operation. What a scan reads is SQL text, and here that text comes from outside. Whoever
may ask may read everything by SQL anyhow, so the wall is the same one: each part of a scan (each
column, the condition, the order) is parsed by the engine as a SELECT of its own, must be nothing
but that part, and its tree is checked against the closed lists of `clew.store.engine.guard`. What
runs is the engine's own spelling of the tree, in which no quote, comment or bracket is left open:
parts that are sound alone are sound wherever they are put. ADR 0015 has the reasons.

Parts repeat (values are bound), so what was found sound is remembered. The types of the columns of
a scan are asked of the engine once for each text as well. States of aggregate functions leave as
text.
"""

# ruff: noqa: S608 - names are quoted, values are bound, and every other part was checked

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from clew.base.errors import ClewError, ErrorCode
from clew.store.engine.contract import QueryLimits, Scan, Snapshot
from clew.store.engine.ddl import quote_name
from clew.store.engine.exchange import ReadScan, ScanAnswer
from clew.store.engine.guard import Rules, check
from clew.store.engine.scan import plain_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from clew.store.engine.adapter import ClickHouseAdapter
    from clew.store.engine.contract import Engine
    from clew.store.engine.exchange import AskedScan, ScanQuestion
    from clew.store.table import Table

SCANS_MAX: Final = 12
"""Readings of one statement: as many as an engine reads hot rows of at once."""

PART_BYTES_MAX: Final = 64 * 1024
"""One part of a scan; ours have a few hundred bytes. Its tree is forty times as large."""

REMEMBERED_MAX: Final = 4096
"""Parts and types that are remembered, of a kilobyte or so each: there are some hundred texts."""

TIME_MS_MAX: Final = 30_000
MEMORY_BYTES_MAX: Final = 2 << 30
ROWS_MAX: Final = 20_000_000
"""Where the question says "none", and what none may exceed: the walls of questions of our own, and
as many rows as fit into the bytes of an answer when each is a number or two."""

ANSWER_BYTES_MAX: Final = 512 << 20
"""Rows of one answer, in memory here and at whoever asked. What is larger should be asked for as
states of aggregate functions, or of a shorter window."""

OURS: Final = frozenset({"indexHint"})
"""Functions of our own scans that users have no use for; each only looks at its arguments."""

STATE_TYPE: Final = "AggregateFunction("

_WIDE: Final = "Int128"

WIDE_TYPES: Final = frozenset({"Int128", "UInt128"})
"""Numbers that Arrow has as their bytes, where they stand alone; within others, as text."""

_PREFIX: Final = "SELECT "
_ORDER_PREFIX: Final = "SELECT 1 ORDER BY "
_ORDER_KEYS: Final = frozenset({"type", "select", "order_by"})
_SELECT_KEYS: Final = frozenset({"type", "select"})


class _Remembered:
    """A bounded memory of what a text came to. For use by any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, object] = OrderedDict()

    def get(self, key: str) -> object | None:
        with self._lock:
            value = self._kept.get(key)
            if value is not None:
                self._kept.move_to_end(key)
            return value

    def put(self, key: str, value: object) -> None:
        with self._lock:
            self._kept[key] = value
            if len(self._kept) > REMEMBERED_MAX:
                self._kept.popitem(last=False)


@dataclass(frozen=True, slots=True)
class _Part:
    """A part as it came, and the statement as which it is looked at."""

    statement: str
    prefix: str
    keys: frozenset[str]


class ForeignScans:
    """Answers scans of other servers over one engine. Safe to use from any thread."""

    def __init__(self, engine: ClickHouseAdapter, reading: Engine, tables: Sequence[Table]) -> None:
        """Read `tables` of an engine, which is both what parses and what reads."""
        self._engine = engine
        self._reading = reading
        self._tables = {table.name: table for table in tables}
        self._parts = _Remembered()
        self._types = _Remembered()
        self._rules: Rules | None = None

    def answer(self, question: ScanQuestion, snapshot: Snapshot) -> ScanAnswer:
        """Return the rows of each scan as of the snapshot, or up to the frame that is asked for.

        Raises:
            ClewError: INVALID_ARGUMENT for what does not parse or names no table, FORBIDDEN for
                what is not allowed, TIMEOUT and TOO_LARGE at a limit.
        """
        if not 1 <= len(question.scans) <= SCANS_MAX:
            raise ClewError(ErrorCode.INVALID_ARGUMENT, f"a question has 1 to {SCANS_MAX} scans")
        at = _moment(snapshot, question.up_to)
        limits = _limits(question)
        read: dict[str, ReadScan] = {}
        size = 0
        for asked in question.scans:
            scan = self._scan(asked)
            types = self._types_of(scan, question.parameters)
            rows = self._reading.query(
                _as_text(scan, types),
                snapshot=at,
                scans={"rows": scan},
                parameters=question.parameters,
                limits=limits,
            )
            size += rows.nbytes
            if size > ANSWER_BYTES_MAX:
                raise ClewError(
                    ErrorCode.TOO_LARGE,
                    f"the rows of {asked.table} have more than {ANSWER_BYTES_MAX} bytes",
                    hint="ask for a shorter time range, or fewer columns",
                )
            read[asked.name] = ReadScan(rows, tuple(types.values()))
        return ScanAnswer(at.acked, read)

    def _scan(self, asked: AskedScan) -> Scan:
        """Return a scan as it may run."""
        table = self._tables.get(asked.table)
        if table is None:
            raise ClewError(ErrorCode.INVALID_ARGUMENT, f"there is no table {asked.table[:100]!r}")
        if asked.limit is not None and asked.limit < 0:
            raise ClewError(ErrorCode.INVALID_ARGUMENT, "a limit is not negative")
        parts = [*map(_column, asked.columns), _column(asked.where)]
        parts += map(_column, (*asked.group_by, *asked.rows))
        if asked.order_by is not None:
            parts.append(_Part(_ORDER_PREFIX + asked.order_by, _ORDER_PREFIX, _ORDER_KEYS))
        sound = iter(self._sound(parts))
        return Scan(
            table,
            tuple(next(sound) for _ in asked.columns),
            next(sound),
            group_by=tuple(next(sound) for _ in asked.group_by),
            rows=tuple(next(sound) for _ in asked.rows),
            order_by=None if asked.order_by is None else next(sound),
            limit=asked.limit,
        )

    def _sound(self, parts: Sequence[_Part]) -> list[str]:
        """Return each part as the engine spells it, every one of them checked."""
        for part in parts:
            if len(part.statement.encode(errors="replace")) > PART_BYTES_MAX:
                raise ClewError(
                    ErrorCode.TOO_LARGE, f"a part of a scan has {PART_BYTES_MAX} bytes at most"
                )
        found = {part: self._parts.get(part.statement) for part in parts}
        unknown = [part for part, text in found.items() if text is None]
        if unknown:
            parsed = self._engine.parse([part.statement for part in unknown])
            for part, (tree, text) in zip(unknown, parsed, strict=True):
                _check_shape(tree, part)
                check(tree, self._known_rules())
                found[part] = text.removeprefix(part.prefix)
                self._parts.put(part.statement, found[part])
        return [str(found[part]) for part in parts]

    def _known_rules(self) -> Rules:
        if self._rules is None:
            self._rules = Rules(
                self._engine.database,
                frozenset(self._tables),
                frozenset(name.lower() for name in self._engine.list_functions()),
                has_parameters=True,
                more=OURS,
            )
        return self._rules

    def _types_of(self, scan: Scan, parameters: Mapping[str, object]) -> dict[str, str]:
        """Return the engine's types of a scan's columns, by name, in order."""
        text = plain_rows(self._engine.database, scan)
        known = self._types.get(text)
        if known is None:
            known = self._engine.describe(text, parameters)
            self._types.put(text, known)
        assert isinstance(known, dict)
        return known


def _column(text: str) -> _Part:
    return _Part(_PREFIX + text, _PREFIX, _SELECT_KEYS)


def _check_shape(tree: Mapping[str, object], part: _Part) -> None:
    """Refuse a part that is more than a part: a table of its own, a second SELECT."""
    listed = tree.get("list_of_selects")
    selects = listed.get("children") if isinstance(listed, dict) else None
    if not (isinstance(selects, list) and len(selects) == 1):
        raise _no_part()
    (select,) = selects
    if select.get("type") != "SelectQuery" or select.keys() - part.keys:
        raise _no_part()


def _no_part() -> ClewError:
    return ClewError(
        ErrorCode.FORBIDDEN,
        "a part of a scan is more than one expression",
        hint="ask for columns, a condition and an order of one table",
    )


def _as_text(scan: Scan, types: Mapping[str, str]) -> str:
    """Return the statement over a scan that gives its rows, states of aggregates as text."""
    if not any(travels_as_text(kind) for kind in types.values()):
        return "@rows"
    # Where the statement refers to its rows they are put in, within quotes as well.
    if any("@" in name for name in types):
        raise ClewError(
            ErrorCode.FORBIDDEN,
            "the name of a column has an @ in it",
            hint="give it another by AS",
        )
    columns = (
        f"CAST({quote_name(name)}, 'String') AS {quote_name(name)}"
        if travels_as_text(kind)
        else quote_name(name)
        for name, kind in types.items()
    )
    return f"SELECT {', '.join(columns)} FROM @rows"


def travels_as_text(kind: str) -> bool:
    """Whether values of a type of the engine leave as text, since Arrow cannot hold them."""
    return STATE_TYPE in kind or (_WIDE in kind and kind not in WIDE_TYPES)


def _moment(snapshot: Snapshot, up_to: int | None) -> Snapshot:
    """Return the moment that is asked for: this one, or an earlier one that is still all here."""
    if up_to is None or up_to >= snapshot.acked:
        return snapshot
    return Snapshot(min(snapshot.flushed, up_to), up_to, snapshot.hot)


def _limits(question: ScanQuestion) -> QueryLimits:
    return QueryLimits(
        time_ms_max=min(question.time_ms_max or TIME_MS_MAX, TIME_MS_MAX),
        memory_bytes_max=min(question.memory_bytes_max or MEMORY_BYTES_MAX, MEMORY_BYTES_MAX),
        rows_max=min(question.rows_max or ROWS_MAX, ROWS_MAX),
    )
