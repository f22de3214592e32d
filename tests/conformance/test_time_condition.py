"""A time range holds what it says to the nanosecond, by whichever column it is compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clew.base.times import TimeRange
from clew.store.engine.chdb import ChdbEngine
from clew.store.engine.contract import Scan
from clew.telemetry.otlp.signal import Signal
from clew.telemetry.query.window import time_condition
from clew.telemetry.tables import LOGS, TABLES, TRACES
from tests.conformance.query_requests import NOW, SECOND, log, logs_request, span, traces_request
from tests.conformance.query_store import HeldStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clew.store.table import Table

STEPS = (-SECOND, -1, 0, 1, SECOND // 2, SECOND - 1, SECOND, SECOND + 1)
BOUNDS = (*STEPS, None)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HeldStore]:
    """Each moment twice in each table: once stored, once hot."""
    engine = ChdbEngine(tmp_path_factory.mktemp("times"))
    engine.create(TABLES)
    store = HeldStore(engine, received=NOW)
    for trace in (1, 2):
        spans = [span(i, at=NOW + step, trace=trace) for i, step in enumerate(STEPS, start=1)]
        store.add(Signal.TRACES, traces_request(spans))
        store.add(Signal.LOGS, logs_request([log("x", at=NOW + step) for step in STEPS]))
        if trace == 1:
            store.flush()
    yield store
    engine.close()


@pytest.mark.parametrize("table", [TRACES, LOGS], ids=lambda table: table.name)
def test_a_range_holds_its_start_and_not_its_end(store: HeldStore, table: Table) -> None:
    for start in BOUNDS:
        for end in BOUNDS:
            window = TimeRange(
                None if start is None else NOW + start, None if end is None else NOW + end
            )
            condition = time_condition(table, window)
            scans = {
                "inside": Scan(table, ("Timestamp",), condition),
                "all": Scan(table, (f"{condition} AS is_inside",)),
            }
            rows = store.engine.query(
                "SELECT count() AS n FROM @inside"
                " UNION ALL SELECT countIf(is_inside) AS n FROM @all",
                snapshot=store.snapshot(),
                scans=scans,
            ).to_pylist()
            expected = 2 * sum(window.contains(NOW + step) for step in STEPS)
            assert [row["n"] for row in rows] == [expected, expected], (start, end)
