"""A store for tests of questions: a real engine, and rows as the real decoders make them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from clew.store.engine.chdb import ChdbEngine
from clew.store.engine.contract import Snapshot
from clew.telemetry.otlp.decode import open_decoder
from clew.telemetry.tables import TABLES

if TYPE_CHECKING:
    from pathlib import Path

    from clew.store.engine.contract import Engine
    from clew.telemetry.otlp.signal import Signal

AT = 1_790_812_800_000_000_000
"""2026-10-01T00:00:00Z: when the records of these tests happened."""


class IngestedStore:
    """Takes requests in as frames 1, 2, 3, …; they stay hot until `flush`."""

    def __init__(self, folder: Path) -> None:
        self.engine: Engine = ChdbEngine(folder)
        self.engine.create(TABLES)
        self.acked = 0
        self.flushed = 0
        self._hot: dict[str, pa.Table] = {}

    def add(self, signal: Signal, request: Any) -> int:
        """Make a request's rows visible, and return the number of its frame."""
        self.acked += 1
        decoder = open_decoder(signal)
        decoded = decoder.append(
            request.SerializeToString(), frame=self.acked, received=AT, oldest=0
        )
        assert not decoded.rejected
        for name, batch in decoder.finish().items():
            parts = [pa.Table.from_batches([batch])]
            if name in self._hot:
                parts.insert(0, self._hot[name])
            self._hot = {**self._hot, name: pa.concat_tables(parts, promote_options="permissive")}
        return self.acked

    def snapshot(self) -> Snapshot:
        return Snapshot(self.flushed, self.acked, self._hot)

    def flush(self) -> None:
        for table in TABLES:
            if table.name in self._hot:
                token = f"{self.flushed + 1}-{self.acked}"
                self.engine.insert(table, self._hot[table.name], token=token)
        self.flushed = self.acked
        self._hot = {}

    def close(self) -> None:
        self.engine.close()
