"""The steps from earlier versions of the tables to the ones declared here.

Never change a step that was released: append another.
"""

from __future__ import annotations

from typing import Final

from clew.store.engine.migration import Migration, add_alias, add_materialized
from clew.telemetry.genai import columns as genai
from clew.telemetry.tables.columns import WHOLE_SECONDS
from clew.telemetry.tables.traces import TRACES

MIGRATIONS: Final = (
    Migration(
        2,
        (
            *add_materialized(TRACES, (column.name for column in genai.COLUMNS)),
            *(each for alias in genai.ALIASES for each in add_alias(TRACES, alias.name)),
        ),
        about="genai lists of otel_traces and their aliases",
    ),
    Migration(
        3,
        add_materialized(TRACES, (WHOLE_SECONDS.name,)),
        about="whole seconds of otel_traces",
    ),
)
"""In order, from version 2."""
