"""The tables of what clew tells of itself: the same columns as users' tables, under names of ours.

What marks a row as ours is the table that it stands in, which no sender can choose. So a service
that is really called ``clew`` is a service like any other, and no question about users' telemetry
has anything to leave out.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from clew.telemetry.tables.metrics import GAUGE, SUM
from clew.telemetry.tables.traces import TRACES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clew.store.table import Table

OWN_TRACES: Final = replace(TRACES, name="clew_traces", comment="slow and failed questions to clew")
OWN_GAUGE: Final = replace(GAUGE, name="clew_metrics_gauge", comment="clew's own gauges")
OWN_SUM: Final = replace(SUM, name="clew_metrics_sum", comment="clew's own counters")

OWN_TABLES: Final = (OWN_TRACES, OWN_GAUGE, OWN_SUM)
"""Every kind of record that clew writes of itself, in the order they are created. A migration of
`otel_traces`, `otel_metrics_gauge` or `otel_metrics_sum` is one of these as well."""

OWN_BY_NAME: Final[Mapping[str, Table]] = {
    TRACES.name: OWN_TRACES,
    GAUGE.name: OWN_GAUGE,
    SUM.name: OWN_SUM,
}
"""The table of ours that stands for a table of users, by the name of theirs."""
