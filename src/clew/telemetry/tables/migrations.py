"""The steps from earlier versions of the tables to the ones declared here.

Never change a step that was released: append another.
"""

from __future__ import annotations

from typing import Final

from clew.store.engine.migration import Migration, add_materialized
from clew.telemetry.tables.columns import WHOLE_SECONDS
from clew.telemetry.tables.traces import TRACES

_GENAI: Final = tuple(c.name for c in TRACES.materialized if c.name.startswith("GenAi"))

MIGRATIONS: Final = (
    Migration(2, add_materialized(TRACES, _GENAI), about="genai columns of otel_traces"),
    Migration(
        3,
        add_materialized(TRACES, (WHOLE_SECONDS.name,)),
        about="whole seconds of otel_traces",
    ),
)
"""In order, from version 2."""
