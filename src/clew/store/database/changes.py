"""A commit of the registry as bytes: its statements with their values, in order.

What a leader's registry did is done again by that of every other server of its group, so it is told
as what was asked of the database, not as what became of its pages: the statements of the writes
that were kept, each with the values that were bound. Whatever a statement depends on is in it or in
the rows before it; none of ours asks for the clock, for chance, or for an order that it does not
name (`tests/house/test_recorded_statements.py`).

A payload names what it continues: the number of the change before it, and where the rows come from
(`Mark`). Who is not there, or whose tables are made by other steps, cannot apply it and says so.

Layout: a msgpack array, the version first. A statement's text and the names of its values stand in
it once, however often it was run; the writes refer to them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import msgspec

from clew.base.errors import ClewError, ErrorCode

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from clew.store.database.contract import Parameters, Value

VERSION: Final = 1
"""Of the layout. Never reused: payloads stand in logs, which outlive programs."""

_TARGETS_KEPT: Final = 2048
"""Statements whose table is remembered: twice as many as the program has."""

_TARGET: Final = re.compile(
    r"\b(?:(?P<insert>INSERT|REPLACE)(?:\s+OR\s+\w+)?\s+INTO|UPDATE(?:\s+OR\s+\w+)?|DELETE\s+FROM)"
    r"\s+(?P<table>[A-Za-z_]\w*)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a registry is: the newest change it holds, and where its rows come from.

    `number` is that of the change's frame in the log, 0 before the first. `origin` is empty for a
    registry that was never written but by changes of its group's log, else a random word: two that
    have the same one had the same rows when the first change came.
    """

    number: int
    origin: str


@dataclass(frozen=True, slots=True)
class Target:
    """The table that a statement writes to; whether it is by an INSERT."""

    table: str
    is_insert: bool


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement, to be run once for each of `rows`; by names where it has `names`."""

    sql: str
    names: tuple[str, ...] | None
    rows: list[list[Value]]

    def parameters(self) -> Iterator[Parameters]:
        """Yield what is bound, in order."""
        if self.names is None:
            yield from self.rows
        else:
            for row in self.rows:
                yield dict(zip(self.names, row, strict=True))


@dataclass(frozen=True, slots=True)
class Changes:
    """What one commit did, as it was read from a payload."""

    after: Mark
    schemas: str
    statements: list[Statement]

    @property
    def tables(self) -> frozenset[str]:
        """The tables that statements name; what triggers and keys take along is not among them."""
        found = (find_target(statement.sql) for statement in self.statements)
        return frozenset(target.table for target in found if target is not None)


class _Payload(msgspec.Struct, array_like=True, frozen=True):
    version: int
    origin: str
    previous: int
    schemas: str
    shapes: list[tuple[str, tuple[str, ...] | None]]
    writes: list[list[tuple[int, list[list[Any]]]]]


class _Raw(msgspec.Struct, array_like=True, frozen=True):
    version: int
    origin: str
    previous: int
    schemas: str
    shapes: list[tuple[str, tuple[str, ...] | None]]
    writes: list[msgspec.Raw]


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(_Payload)
_VERSION_ONLY: Final = msgspec.msgpack.Decoder(list[msgspec.Raw])


@lru_cache(_TARGETS_KEPT)
def find_target(sql: str) -> Target | None:
    """Return what a statement writes to, None for one that only reads."""
    found = _TARGET.search(sql)
    return None if found is None else Target(found["table"].lower(), found["insert"] is not None)


class ChangesDraft:
    """Gathers what the writes of one group do; a write that is taken back leaves nothing."""

    def __init__(self) -> None:
        self._shapes: dict[tuple[str, tuple[str, ...] | None], int] = {}
        self._shape_bytes = 0
        self._writes: list[msgspec.Raw] = []
        self._bytes = 0
        self._write: list[tuple[int, list[Sequence[Value]]]] = []

    def __bool__(self) -> bool:
        """Whether anything was kept."""
        return bool(self._writes)

    @property
    def size(self) -> int:
        """Bytes that the payload has at least."""
        return self._bytes + self._shape_bytes

    def add(self, sql: str, parameters: Sequence[Parameters]) -> None:
        """Note that a statement was run with each of these values, which share their names."""
        first = parameters[0]
        if isinstance(first, Mapping):
            names = tuple(first)
            rows: list[Sequence[Value]] = [
                [each[name] for name in names]  # type: ignore[call-overload]
                for each in parameters
            ]
        else:
            names = None
            rows = [list(each) for each in parameters]
        self._write.append((self._shape(sql, names), rows))

    def keep(self) -> int:
        """Keep what was noted since the last `keep` or `drop`; return its size in bytes."""
        if not self._write:
            return 0
        encoded = _ENCODER.encode(self._write)
        self._write = []
        self._writes.append(msgspec.Raw(encoded))
        self._bytes += len(encoded)
        return len(encoded)

    def drop(self) -> None:
        """Forget what was noted since the last `keep` or `drop`."""
        self._write = []

    def take_back(self, size: int) -> None:
        """Forget what the last `keep` kept, which had that size."""
        if size:
            self._writes.pop()
            self._bytes -= size

    def encode(self, after: Mark, schemas: str) -> bytes:
        """Return the payload."""
        return _ENCODER.encode(
            _Raw(VERSION, after.origin, after.number, schemas, list(self._shapes), self._writes)
        )

    def _shape(self, sql: str, names: tuple[str, ...] | None) -> int:
        key = (sql, names)
        number = self._shapes.get(key)
        if number is None:
            number = self._shapes[key] = len(self._shapes)
            self._shape_bytes += len(sql) + sum(map(len, names or ()))
        return number


def decode_changes(payload: bytes) -> Changes:
    """Return what a payload says.

    Raises:
        ClewError: UNSUPPORTED when a newer program wrote it, UNAVAILABLE when it is damaged.
    """
    try:
        version = _VERSION_ONLY.decode(payload)[0]
        if bytes(version) != bytes([VERSION]):
            raise ClewError(
                ErrorCode.UNSUPPORTED,
                "a change of the registry was written by a newer clew",
                hint="all servers of a group run the same clew: upgrade this one",
            )
        read = _DECODER.decode(payload)
        statements = [
            Statement(*read.shapes[shape], rows) for write in read.writes for shape, rows in write
        ]
    except (msgspec.MsgspecError, IndexError) as error:
        raise ClewError(
            ErrorCode.UNAVAILABLE,
            f"a change of the registry cannot be read: {error}",
            hint="take a new copy of the leader's registry",
        ) from error
    return Changes(Mark(read.previous, read.origin), read.schemas, statements)
