"""A store of the version before: the GenAI columns are added, and old rows have them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from clew.store.engine.chdb import ChdbEngine
from clew.store.engine.contract import Scan
from clew.telemetry.genai.columns import TOKENS
from clew.telemetry.otlp.signal import Signal
from clew.telemetry.tables import MIGRATIONS, TABLES, TRACES
from tests.conformance import genai_runs as runs
from tests.conformance.query_requests import NOW, span, traces_request
from tests.conformance.query_store import HeldStore

if TYPE_CHECKING:
    from pathlib import Path

    from clew.store.table import Table


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


def test_token_counts_of_old_rows_are_bounded(tmp_path: Path) -> None:
    older = ChdbEngine(tmp_path, migrations=MIGRATIONS[:3])
    older.create([unbounded(TRACES), *(table for table in TABLES if table is not TRACES)])
    held = HeldStore(older, received=NOW)
    tokens = {"gen_ai.usage.input_tokens": str(2**63), "gen_ai.usage.output_tokens": "7"}
    held.add(Signal.TRACES, traces_request([span(1, attributes=tokens)]))
    held.flush()
    older.close()
    newer = ChdbEngine(tmp_path, migrations=MIGRATIONS)
    try:
        newer.create(TABLES)
        scan = Scan(TRACES, ("GenAiInputTokens", "GenAiOutputTokens"))
        held = HeldStore(newer, received=NOW)
        rows = newer.query("@spans", snapshot=held.snapshot(), scans={"spans": scan})
        assert rows.to_pylist() == [{"GenAiInputTokens": 0, "GenAiOutputTokens": 7}]
    finally:
        newer.close()


def unbounded(table: Table) -> Table:
    """Return a table with the aliases of tokens as they were."""
    return dataclasses.replace(
        table,
        aliases=tuple(
            dataclasses.replace(
                alias,
                expression=f"toUInt64(arrayElement(GenAiNumbers, {TOKENS.index(alias.name) + 1}))",
            )
            if alias.name in TOKENS
            else alias
            for alias in table.aliases
        ),
    )
