"""The names, ids and tables that decoding and encoding must agree on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clew.telemetry.tables import EXPONENTIAL_HISTOGRAM, GAUGE, HISTOGRAM, SUM, SUMMARY

if TYPE_CHECKING:
    from clew.store.table import Table

SPAN_KINDS: Final = ("Unspecified", "Internal", "Server", "Client", "Producer", "Consumer")
"""The text of each span kind, by its number."""

STATUS_CODES: Final = ("Unset", "Ok", "Error")
"""The text of each status code, by its number."""

TRACE_ID_BYTES: Final = 16
SPAN_ID_BYTES: Final = 8
ZERO_TRACE_ID: Final = bytes(TRACE_ID_BYTES)
ZERO_SPAN_ID: Final = bytes(SPAN_ID_BYTES)

METRIC_TABLES: Final[dict[str, Table]] = {
    "gauge": GAUGE,
    "sum": SUM,
    "summary": SUMMARY,
    "histogram": HISTOGRAM,
    "exponential_histogram": EXPONENTIAL_HISTOGRAM,
}
"""The table of each kind of metric, by the name of its case in ``Metric.data``."""
