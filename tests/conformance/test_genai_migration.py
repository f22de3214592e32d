"""A store of the version before: the GenAI columns are added, and old rows have them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from clew.store.engine.chdb import ChdbEngine
from clew.store.engine.contract import Scan
from clew.telemetry.otlp.signal import Signal
from clew.telemetry.tables import MIGRATIONS, TABLES, TRACES
from tests.conformance import genai_runs as runs
from tests.conformance.query_requests import NOW
from tests.conformance.query_store import HeldStore

if TYPE_CHECKING:
    from pathlib import Path


def operations(store: HeldStore) -> list[str]:
    scan = Scan(TRACES, ("GenAiOperation",), order_by="Frame, SpanId")
    rows = store.engine.query("@spans", snapshot=store.snapshot(), scans={"spans": scan})
    return [str(operation) for operation in rows["GenAiOperation"].to_pylist()]


def test_old_rows_have_the_columns_and_new_ones_are_stored_with_them(tmp_path: Path) -> None:
    before = dataclasses.replace(
        TRACES,
        materialized=(),
        aliases=tuple(a for a in TRACES.aliases if not a.name.startswith("GenAi")),
    )
    older = ChdbEngine(tmp_path)
    older.create([before, *(table for table in TABLES if table is not TRACES)])
    held = HeldStore(older, received=NOW)
    held.add(Signal.TRACES, runs.current()[0])
    held.flush()
    older.close()
    newer = ChdbEngine(tmp_path, migrations=MIGRATIONS)
    try:
        newer.create(TABLES)
        held = HeldStore(newer, received=NOW)
        run = ["invoke_agent", "chat", "execute_tool", "chat"]
        assert operations(held) == run
        held.add(Signal.TRACES, runs.current()[0])
        held.flush()
        assert sorted(operations(held)) == sorted(run + run)
        # A second start has nothing left to do, and takes the store for its own.
        newer.create(TABLES)
    finally:
        newer.close()
