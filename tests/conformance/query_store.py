"""A store whose rows are hot until a test says otherwise: real decoder, real engine, no log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pyarrow as pa

from clew.store.engine.contract import Snapshot
from clew.telemetry.otlp.decode import open_decoder
from clew.telemetry.tables import TABLES

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from clew.store.engine.contract import Engine
    from clew.telemetry.otlp.signal import Signal

DAY_NS: Final = 86_400 * 10**9


class HeldStore:
    """Implements `clew.telemetry.query.store.Store` over rows that a test adds."""

    def __init__(self, engine: Engine, *, received: int) -> None:
        """Begin with what the engine holds. Every request is received at `received`."""
        self.engine = engine
        self.received = received
        self.acked = self.flushed = engine.newest_frame(TABLES)
        self._hot: dict[str, list[pa.RecordBatch]] = {}

    def add(self, signal: Signal, request: Message) -> int:
        """Acknowledge one request and return its frame number; its rows are hot."""
        decoder = open_decoder(signal)
        decoded = decoder.append(
            request.SerializeToString(),
            frame=self.acked + 1,
            received=self.received,
            oldest=self.received - 3650 * DAY_NS,
        )
        assert not decoded.rejected, decoded.rejected
        self.acked += 1
        for table, batch in decoder.finish().items():
            self._hot.setdefault(table, []).append(batch)
        return self.acked

    def flush(self) -> None:
        """Move every hot row into the engine."""
        for table in TABLES:
            if table.name in self._hot:
                rows = pa.Table.from_batches(self._hot[table.name])
                self.engine.insert(table, rows, token=f"{table.name}:{self.acked}")
        self._hot = {}
        self.flushed = self.acked

    def snapshot(self) -> Snapshot:
        hot = {name: pa.Table.from_batches(batches) for name, batches in self._hot.items()}
        return Snapshot(self.flushed, self.acked, hot)
