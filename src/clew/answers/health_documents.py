"""The documents of how the server itself is: sizes, limits, slow questions, losses.

Times are RFC 3339 UTC with nanoseconds, sizes bytes, durations milliseconds.
"""

from __future__ import annotations

from typing import Literal

import msgspec

LimitState = Literal["ok", "near", "full"]

Outcome = Literal["rejected", "malformed", "shed", "failed", "dropped", "denied"]


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """One limit, and how near it is.

    `share` is `used` of `max`; a limit that nobody set has neither. `near` begins at four fifths,
    `full` at all of it; what only makes others wait their turn is always `ok`. `advice` says what
    happens there and what to do; `setting` is the flag of `clew serve` that moves it, if any.
    """

    name: str
    title: str
    unit: Literal["bytes", "count", "per_second"]
    used: float
    max: float | None
    share: float | None
    state: LimitState
    setting: str | None
    advice: str


class TableStorage(msgspec.Struct, frozen=True, kw_only=True):
    """What one table takes on disk. `bytes` is all of it; rows in memory are not counted.

    `data_bytes` are the columns compressed, `uncompressed_bytes` the same before; `index_bytes`
    the indexes beside them.
    """

    table: str
    signal: str
    rows: int
    parts: int
    bytes: int
    data_bytes: int
    uncompressed_bytes: int
    index_bytes: int


class SignalStorage(msgspec.Struct, frozen=True, kw_only=True):
    """What all tables of one signal take. `own` is what clew tells of itself."""

    signal: str
    rows: int
    bytes: int
    uncompressed_bytes: int
    index_bytes: int


class StorageReport(msgspec.Struct, frozen=True, kw_only=True):
    """What is on disk, largest first; measured at most some seconds ago.

    `registry_bytes` is the file of the registry and its log, None where another server keeps it;
    `disk_free_bytes` is what is left where the data folder is.
    """

    measured_at: str
    signals: list[SignalStorage]
    tables: list[TableStorage]
    rows: int
    bytes: int
    log_bytes: int
    registry_bytes: int | None
    disk_free_bytes: int | None


class SlowQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """One question that was slow or failed.

    `asked` are its parameters without secrets, or the statement; it and `caller` are told to
    whoever asked it and to admins, and null to others. `duration_ms` is the time until the answer
    began.
    """

    at: str
    method: str
    route: str
    asked: str | None
    caller: str | None
    duration_ms: float
    status: int


class SlowQuestionReport(msgspec.Struct, frozen=True, kw_only=True):
    """Slow and failed questions since the start: the newest of them, and the slowest of all.

    `seen` of them were at least `threshold_ms` or failed for a reason of the server.
    """

    threshold_ms: float
    seen: int
    newest: list[SlowQuestion]
    slowest: list[SlowQuestion]


class Loss(msgspec.Struct, frozen=True, kw_only=True):
    """What was not kept, or not told, since the start, for one reason.

    `last_at` is when the count was last seen to grow, some seconds late at most.
    """

    signal: str
    outcome: Outcome
    reason: str
    count: int
    last_at: str | None


class OwnProcess(msgspec.Struct, frozen=True, kw_only=True):
    """The server's process."""

    version: str
    pid: int
    started_at: str
    uptime_seconds: float
    cpu_seconds: float
    resident_bytes: int
    threads: int


class OwnTelemetry(msgspec.Struct, frozen=True, kw_only=True):
    """What the server records of itself; `interval_seconds` is null when it is off.

    `records` were kept since the start, `failures` times it could not be kept.
    """

    interval_seconds: float | None
    retention_seconds: int
    records: int
    failures: int
    last_at: str | None


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """How the server is. `limits` stand nearest first, `losses` newest first."""

    at: str
    process: OwnProcess
    limits: list[Limit]
    storage: StorageReport
    questions: SlowQuestionReport
    losses: list[Loss]
    own: OwnTelemetry
