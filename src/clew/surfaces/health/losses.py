"""What was not kept or not told, by signal and reason, and when that was last so.

The counters stand where things are lost, and know no times. This book looks at them every few
seconds, on every side at once: whatever grew since the last look grew by then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clew.answers.health_documents import Outcome
    from clew.surfaces.rest.desk import Desk

REJECTED: Final = "rejected"
"""The verdict of events that a registry does not let count."""

REPLAYED: Final = "replayed"
"""Datagrams that came twice, of which one is kept: nothing is lost."""

_NO_REQUEST: Final = "it could not be read"
_LATER: Final = "too much at once"


class Kind(NamedTuple):
    """What is counted together: of which signal, what became of it, why."""

    signal: str
    outcome: Outcome
    reason: str


class LossBook:
    """When each count was last seen to grow. Belongs to one event loop."""

    def __init__(self) -> None:
        self._counts: dict[Kind, int] = {}
        self._grew_at: dict[Kind, int] = {}

    def look(self, desk: Desk, at: int) -> dict[Kind, int]:
        """Compare with the look before, and return every count that is not nothing."""
        counts: dict[Kind, int] = {}
        for kind, count in count_losses(desk):
            if count:
                counts[kind] = counts.get(kind, 0) + count
        for kind, count in counts.items():
            if count > self._counts.get(kind, 0):
                self._grew_at[kind] = at
        self._counts = counts
        return counts

    def grew_at(self, kind: Kind) -> int | None:
        """Return when a count was last seen to grow, Unix nanoseconds."""
        return self._grew_at.get(kind)


def count_losses(desk: Desk) -> Iterator[tuple[Kind, int]]:
    """Yield every counter of what was not kept or not told since the start; zeros as well."""
    status = desk.pipeline.status()
    for signal, door in desk.intake.counters.items():
        kind = status.kinds[signal.value]
        for reason, count in kind.rejected.items():
            yield Kind(signal.value, "rejected", reason), count
        yield Kind(signal.value, "malformed", _NO_REQUEST), kind.malformed + door.malformed
        yield Kind(signal.value, "shed", _LATER), kind.shed + door.shed
        yield Kind(signal.value, "failed", "the log could not be written"), kind.failed
    for name, links in desk.links.counters().items():
        for reason, count in links.refused.items():
            yield Kind("links", "rejected", f"{reason} ({name})"), count
        for reason, count in links.dropped.items():
            if reason != REPLAYED:
                yield Kind("links", "dropped", f"{reason} ({name})"), count
        yield Kind("links", "malformed", f"{_NO_REQUEST} ({name})"), links.malformed
    judged = desk.registries.count_judged().get(REJECTED, 0)
    yield Kind("events", "rejected", "they break their registry"), judged
    yield Kind("log", "dropped", "frames that are damaged"), status.damaged_frames
    yield Kind("log", "rejected", "frames that the engine does not take"), status.refused_frames
    yield Kind("live feeds", "dropped", "the reader was too slow"), desk.live.dropped
    yield (
        Kind("sessions", "dropped", "looks while nothing was written"),
        desk.sessions.looks_dropped,
    )
    registry = desk.registry_status()
    yield Kind("registry", "failed", "writes that ended in an error"), registry.failed_writes
    yield Kind("registry", "shed", _LATER), registry.shed
    lost = max(desk.journal.lost, desk.upkeep.lost)
    yield Kind("tree", "dropped", "entries that telemetry never took"), lost
    yield Kind("tree", "failed", "rounds that could not be kept"), desk.keeper.counters.failures
    yield Kind("access", "denied", "callers without the right"), desk.identity.access.audit.denials
    yield Kind("own", "dropped", "questions beyond the bound"), desk.vitals.questions.unrecorded
