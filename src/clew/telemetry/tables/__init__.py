"""The telemetry tables: names, columns and types, for the engine and for the decoders.

The names and types are those of the OpenTelemetry ClickHouse exporter, so that what reads its
tables reads ours. Where we add a column, `docs/internals/rows.md` says what it holds.
"""

from clew.telemetry.tables.logs import LOGS
from clew.telemetry.tables.metrics import (
    EXPONENTIAL_HISTOGRAM,
    GAUGE,
    HISTOGRAM,
    METRICS,
    SUM,
    SUMMARY,
)
from clew.telemetry.tables.migrations import MIGRATIONS
from clew.telemetry.tables.traces import TRACES

TABLES = (TRACES, LOGS, *METRICS)
"""Every table that rows are inserted into, in the order they are created."""

__all__ = [
    "EXPONENTIAL_HISTOGRAM",
    "GAUGE",
    "HISTOGRAM",
    "LOGS",
    "METRICS",
    "MIGRATIONS",
    "SUM",
    "SUMMARY",
    "TABLES",
    "TRACES",
]
