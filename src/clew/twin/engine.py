"""The names that objects are reconstructed with: ``from clew.twin.engine import Reconstructor``."""

from __future__ import annotations

from clew.twin.reconstructor.aio import AsyncReconstructor
from clew.twin.reconstructor.reconstructor import Reconstructor
from clew.twin.reconstructor.recorded import RecordedEvents
from clew.twin.reconstructor.result import (
    ReconstructionMetadata,
    ReconstructionResult,
    ReconstructionStrategy,
    SchemalessTwin,
)
from clew.twin.reconstructor.source import Source
from clew.twin.reconstructor.timeline import Timeline, merge_timelines
from clew.twin.reconstructor.transitions import (
    StateDiff,
    StateTransition,
    TransitionType,
    compute_diff,
)

__all__ = [
    "AsyncReconstructor",
    "ReconstructionMetadata",
    "ReconstructionResult",
    "ReconstructionStrategy",
    "Reconstructor",
    "RecordedEvents",
    "SchemalessTwin",
    "Source",
    "StateDiff",
    "StateTransition",
    "Timeline",
    "TransitionType",
    "compute_diff",
    "merge_timelines",
]
