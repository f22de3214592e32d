"""A made-up kind of record and an engine in memory, for what no real engine does when asked.

A record is a JSON array of numbers. Each is a row: even ones of the table `evens`, odd ones of
`odds`; a negative one is refused alone. The engine keeps the contract of
`clew.store.engine.contract` as far as inserts go, and checks what the pipeline promises it: that a
token always comes with the same rows.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pyarrow as pa

from clew.store.decoder import Decoded, MalformedRecordError
from clew.store.pipeline import RecordKind
from clew.store.table import Column, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from clew.store.engine.contract import (
        QueryLimits,
        Scan,
        Snapshot,
        TableSize,
        UntrustedAnswer,
    )

COLUMNS = (Column("Value", "UInt64"), Column("Frame", "UInt64"))
EVENS = Table(name="evens", time="Value", columns=COLUMNS, order_by="Value")
ODDS = Table(name="odds", time="Value", columns=COLUMNS, order_by="Value")
TEXTS = Table(
    name="texts",
    time="Value",
    columns=(Column("Text", "LowCardinality(String)"), *COLUMNS),
    order_by="Value",
)


class NumberDecoder:
    """Rows of the tables `evens` and `odds`."""

    def __init__(self) -> None:
        self._rows: dict[str, list[tuple[int, int]]] = {"evens": [], "odds": []}

    def append(self, body: bytes, *, frame: int, received: int, oldest: int) -> Decoded:
        try:
            numbers = json.loads(body)
        except ValueError as error:
            raise MalformedRecordError(str(error)) from error
        kept = [number for number in numbers if number >= 0]
        for number in kept:
            self._rows["odds" if number % 2 else "evens"].append((number, frame))
        refused = len(numbers) - len(kept)
        return Decoded(len(kept), {"negative": refused} if refused else {})

    def rows(self) -> int:
        return sum(len(rows) for rows in self._rows.values())

    def finish(self) -> dict[str, pa.RecordBatch]:
        batches = {}
        for name, rows in self._rows.items():
            if rows:
                values, frames = zip(*rows, strict=True)
                arrays = [pa.array(values, pa.uint64()), pa.array(frames, pa.uint64())]
                batches[name] = pa.RecordBatch.from_arrays(arrays, schema=EVENS.arrow_schema)
                rows.clear()
        return batches


class TextDecoder(NumberDecoder):
    """Rows of the table `texts`, one for each number, even or odd."""

    def finish(self) -> dict[str, pa.RecordBatch]:
        rows = sorted(((frame, value) for rows in self._rows.values() for value, frame in rows))
        for held in self._rows.values():
            held.clear()
        if not rows:
            return {}
        frames, values = zip(*rows, strict=True)
        arrays = [
            pa.array([f"text {value % 3}" for value in values]).dictionary_encode(),
            pa.array(values, pa.uint64()),
            pa.array(frames, pa.uint64()),
        ]
        return {"texts": pa.RecordBatch.from_arrays(arrays, schema=TEXTS.arrow_schema)}


NUMBERS = RecordKind(20, "numbers", (EVENS, ODDS), NumberDecoder)
WORDS = RecordKind(21, "words", (TEXTS,), TextDecoder)


def record(*numbers: int) -> bytes:
    return json.dumps(numbers).encode()


def seen(snapshot: Snapshot, engine: MemoryEngine) -> Counter[int]:
    """Return the numbers that a reader sees, with how often, as the contract says it reads."""
    found: Counter[int] = Counter()
    for name in ("evens", "odds"):
        hot = snapshot.hot.get(name)
        for row in engine.rows(name):
            if row["Frame"] <= snapshot.flushed:
                found[row["Value"]] += 1
        for row in hot.to_pylist() if hot is not None else ():
            if snapshot.flushed < row["Frame"] <= snapshot.acked:
                found[row["Value"]] += 1
    return found


class MemoryEngine:
    """Tables in memory, with what a test wants to go wrong.

    `before_insert` and `after_insert` are called with table and token, and may raise; `refuses`
    says which values make an insert fail for good.
    """

    def __init__(self) -> None:
        self.before_insert: Callable[[str, str], None] = lambda _table, _token: None
        self.after_insert: Callable[[str, str], None] = lambda _table, _token: None
        self.refuses: Callable[[str, set[int]], Exception | None] = lambda _table, _values: None
        self.inserts: list[tuple[str, str]] = []
        self._rows: dict[str, list[dict[str, int]]] = {}
        self._tokens: dict[tuple[str, str], list[dict[str, int]]] = {}
        self._changed = threading.Condition(threading.RLock())

    def rows(self, table: str) -> list[dict[str, int]]:
        with self._changed:
            return list(self._rows.get(table, ()))

    def values(self) -> Counter[int]:
        return Counter(row["Value"] for name in ("evens", "odds") for row in self.rows(name))

    def wait_for(self, condition: Callable[[], bool], deadline_s: float = 60.0) -> None:
        """Wait until an insert, or an attempt at one, makes a condition true."""
        with self._changed:
            assert self._changed.wait_for(condition, deadline_s)

    def wait_for_rows(self, count: int) -> None:
        self.wait_for(lambda: self.values().total() == count)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let nothing be inserted meanwhile."""
        with self._changed:
            yield

    def copy(self) -> MemoryEngine:
        """Return an engine that holds the same and does not misbehave."""
        other = MemoryEngine()
        with self._changed:
            other._rows = {table: list(rows) for table, rows in self._rows.items()}
            other._tokens = dict(self._tokens)
        return other

    def insert(self, table: Table, rows: pa.Table, *, token: str) -> None:
        with self._changed:
            self.inserts.append((table.name, token))
            self._changed.notify_all()
        self.before_insert(table.name, token)
        listed = rows.to_pylist()
        if error := self.refuses(table.name, {row["Value"] for row in listed}):
            raise error
        assert rows.schema.names == [column.name for column in table.columns]
        with self._changed:
            known = self._tokens.setdefault((table.name, token), listed)
            assert known == listed, f"{token} came with other rows before"
            if known is listed:
                self._rows.setdefault(table.name, []).extend(listed)
            self._changed.notify_all()
        self.after_insert(table.name, token)

    def newest_frame(self, tables: Sequence[Table]) -> int:
        return max((row["Frame"] for t in tables for row in self.rows(t.name)), default=0)

    def check(self) -> None:
        """Always well."""

    def close(self) -> None:
        """Nothing to release."""

    def create(self, tables: Sequence[Table], kept: Mapping[str, int | None] | None = None) -> None:
        """Tables make themselves."""

    def retain(self, kept: Sequence[tuple[Table, int | None]]) -> None:
        raise NotImplementedError

    def drop_before(self, table: Table, at: int) -> int:
        raise NotImplementedError

    def measure(self, tables: Sequence[Table]) -> list[TableSize]:
        raise NotImplementedError

    def query(
        self,
        sql: str,
        *,
        snapshot: Snapshot,
        scans: Mapping[str, Scan],
        parameters: Mapping[str, object] | None = None,
        limits: QueryLimits | None = None,
    ) -> pa.Table:
        raise NotImplementedError

    def query_untrusted(self, sql: str, *, limits: QueryLimits) -> UntrustedAnswer:
        raise NotImplementedError
