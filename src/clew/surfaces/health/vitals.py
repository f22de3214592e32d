"""What the server watches of itself, handed in once by `app`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from clew.surfaces.health.losses import LossBook
    from clew.surfaces.health.questions import SlowQuestions
    from clew.surfaces.health.storage import StorageMeter
    from clew.surfaces.otlp.walls import Rate


@dataclass(frozen=True, slots=True)
class NamedRate:
    """A rate and where it holds: ``otlp-http``, ``udp://127.0.0.1:7704``; its flag sets it."""

    place: str
    flag: str
    rate: Rate


@dataclass(slots=True)
class OwnTally:
    """What became of the server's own telemetry since the start; `last_at` in Unix nanoseconds."""

    records: int = 0
    failures: int = 0
    last_at: int | None = None


@dataclass(frozen=True, slots=True)
class Vitals:
    """What is watched, and the walls that only `app` knows of.

    `own_seconds` is how often the server records its own telemetry, None for never.
    """

    started_at: int
    data_dir: Path
    questions: SlowQuestions
    losses: LossBook
    storage: StorageMeter
    registry_queue_max: int
    own_seconds: float | None
    own_retention_seconds: int
    rates: list[NamedRate] = field(default_factory=list)
    own: OwnTally = field(default_factory=OwnTally)
