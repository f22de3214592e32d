"""The steps from earlier versions of the twin's tables to the ones declared now.

Never change a step that was released: append another. All strands count together.
"""

from __future__ import annotations

from typing import Final

from clew.store.engine.migration import Migration, add_column
from clew.twin.tables import SNAPSHOTS

MIGRATIONS: Final = (Migration(6, add_column(SNAPSHOTS, "Received")),)
"""In order; the versions before are those of telemetry."""
