"""A query tier in one process: shards are moments of rows in memory, read as a server reads them.

One engine runs everything (a process has one). What a shard holds is a `Snapshot` of hot rows, and
what it is asked goes through `ForeignScans`, over the bytes that go over the wire. The whole is a
snapshot of the rows of all shards.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pyarrow as pa

from clew.base.gathering import Shard
from clew.store.engine.chdb import ChdbEngine
from clew.store.engine.contract import Snapshot
from clew.store.engine.exchange import ScanQuestion, encode_answer
from clew.store.engine.foreign import ForeignScans
from clew.store.engine.sharded import FRAMES_PATH, SCANS_PATH, ShardedEngine

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from clew.store.engine.contract import QueryLimits, Scan, UntrustedAnswer
    from clew.store.table import Table

SHARDS: Final = 4


@dataclass(frozen=True, slots=True)
class _Said:
    body: bytes


class _Here:
    """A shard's door, without a socket."""

    def __init__(self) -> None:
        self.snapshot = Snapshot(0, 0)
        self.foreign: ForeignScans | None = None
        self.before_scans: Callable[[], None] = lambda: None

    def get(self, path: str) -> _Said:
        assert path == FRAMES_PATH
        return _Said(msgspec.json.encode({"acked": self.snapshot.acked, "flushed": 0}))

    def post(self, path: str, body: bytes, content_type: str, *, is_question: bool) -> _Said:
        assert path == SCANS_PATH, content_type
        assert is_question, "it is given up where nobody waits for it any more"
        assert self.foreign is not None
        self.before_scans()
        question = msgspec.msgpack.decode(body, type=ScanQuestion)
        answer = self.foreign.answer(question, self.snapshot)
        self.bytes_sent = len(sent := encode_answer(answer))
        return _Said(sent)


@dataclass(frozen=True, slots=True)
class _Answers:
    answers: list[tuple[Shard, Any]]


class Places:
    """The shards, asked one after the other."""

    timeout_s = 60.0

    def __init__(self) -> None:
        self.shards = tuple(Shard(f"s{n}", f"http://s{n}:7701") for n in range(SHARDS))
        self.here = {shard.name: _Here() for shard in self.shards}

    def ask_each(
        self, calls: dict[str, Callable[[Any], Any]], *, timeout_s: float | None = None
    ) -> _Answers:
        return _Answers(
            [(s, calls[s.name](self.here[s.name])) for s in self.shards if s.name in calls]
        )


class PlainEngine:
    """The engine of a single server: the same library, read without shards."""

    def __init__(self, engine: ShardedEngine) -> None:
        self._engine = engine

    def query(
        self,
        sql: str,
        *,
        snapshot: Snapshot,
        scans: Mapping[str, Scan],
        parameters: Mapping[str, object] | None = None,
        limits: QueryLimits | None = None,
    ) -> pa.Table:
        return ChdbEngine.query(
            self._engine,
            sql,
            snapshot=snapshot,
            scans=scans,
            parameters=parameters,
            limits=limits,
        )

    def query_untrusted(self, sql: str, *, limits: QueryLimits) -> UntrustedAnswer:
        raise NotImplementedError


@dataclass(slots=True)
class View:
    """Implements `clew.telemetry.query.store.Store`: all rows, or the shards' together."""

    engine: Any
    look: Callable[[], Snapshot]

    def snapshot(self) -> Snapshot:
        return self.look()

    def flush(self) -> None:
        """Everything is read where it lies."""


@dataclass(slots=True)
class TierModel:
    """One store whole and the same in shards."""

    tier: View
    whole: View
    places: Places
    engine: ShardedEngine
    tables: Sequence[Table]
    _all: Snapshot = field(default_factory=lambda: Snapshot(0, 0))

    def hold(self, parts: Sequence[Mapping[str, Sequence[pa.RecordBatch]]]) -> None:
        """Let shards hold rows by table, and the whole all of them; `parts` are 1 to `SHARDS`."""
        everything: dict[str, list[pa.RecordBatch]] = {}
        for number, place in enumerate(self.places.here.values()):
            held = parts[number] if number < len(parts) else {}
            place.snapshot = _moment(held)
            for name, batches in held.items():
                everything.setdefault(name, []).extend(batches)
        self._all = _moment(everything)


def _moment(held: Mapping[str, Sequence[pa.RecordBatch]]) -> Snapshot:
    hot = {name: pa.Table.from_batches(list(batches)) for name, batches in held.items() if batches}
    return Snapshot(0, 2**40 if hot else 0, hot)


def open_model(folder: Path, tables: Sequence[Table]) -> TierModel:
    """Open the engine that both sides read with; the caller closes `engine`."""
    places = Places()
    engine = ShardedEngine(folder, places)
    engine.create(tables)
    plain = PlainEngine(engine)
    for place in places.here.values():
        place.foreign = ForeignScans(engine, plain, tables)  # type: ignore[arg-type]
    tier = View(engine, engine.snapshot)
    model = TierModel(tier, View(plain, lambda: model._all), places, engine, tables)
    return model
