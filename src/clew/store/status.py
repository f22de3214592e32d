"""What the pipeline counts, and how it says how it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clew.store.decoder import Decoded
    from clew.store.replication.status import GroupStatus


@dataclass(frozen=True, slots=True)
class KindStatus:
    """What became of the records of one kind since the start.

    `records` and `rows` were acknowledged; `rejected` are rows refused alone, by reason. Not kept
    at all: `malformed` records, `shed` ones that came too fast, `failed` ones that could not be
    written. `last_accepted_at` is in Unix nanoseconds.
    """

    records: int = 0
    rows: int = 0
    rejected: Mapping[str, int] = field(default_factory=dict)
    malformed: int = 0
    shed: int = 0
    failed: int = 0
    last_accepted_at: int | None = None


@dataclass(frozen=True, slots=True)
class PipelineStatus:
    """How the pipeline is at one moment.

    `acked` and `flushed` are frame numbers. `damaged_frames` is how many records, at most, the log
    had lost when it was opened; `refused_frames` how many the engine would not take and that are
    kept aside. `last_error` says why rows do not reach the log or the engine at present. `group` is
    how the servers of the group are, None of a server that is alone. `data_id` is the same wherever
    the same records are: at all servers of a group, and in copies of a folder. Records are refused
    when more batches wait than `batches_waiting_max`, or when the rows in memory take more than
    `hot_bytes_max`.
    """

    acked: int
    flushed: int
    hot_rows: int
    hot_bytes: int
    hot_bytes_max: int
    batches_waiting: int
    batches_waiting_max: int
    log_bytes: int
    log_bytes_max: int
    kinds: Mapping[str, KindStatus]
    damaged_frames: int
    refused_frames: int
    last_error: str | None
    writable: bool
    group: GroupStatus | None = None
    data_id: str = ""


@dataclass(slots=True)
class Tally:
    """Counts of one kind, kept by the event loop."""

    records: int = 0
    rows: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    malformed: int = 0
    shed: int = 0
    failed: int = 0
    last_accepted_at: int | None = None

    def count(self, decoded: Decoded, received: int) -> None:
        """Count a record that was acknowledged, or none of whose rows could be kept."""
        if decoded.accepted:
            self.records += 1
            self.rows += decoded.accepted
            self.last_accepted_at = received
        for reason, rows in decoded.rejected.items():
            self.rejected[reason] = self.rejected.get(reason, 0) + rows

    def status(self) -> KindStatus:
        """Return the counts as they are now."""
        return KindStatus(
            records=self.records,
            rows=self.rows,
            rejected=dict(self.rejected),
            malformed=self.malformed,
            shed=self.shed,
            failed=self.failed,
            last_accepted_at=self.last_accepted_at,
        )
