"""Every service and operation in two windows: counts, errors and durations that add up.

Theory of operation. A row is looked at once: its duration becomes one of eight buckets of its power
of two (the float's exponent and the first three bits of its mantissa, so no logarithm is taken),
and rows are counted by operation and bucket, and by operation and slice of the baseline. What comes
out is small whatever the windows hold; services are put together from their operations' counts.
A bucket is at most an eighth wide, which is enough to rank and to test; quantiles that are *shown*
are read again, exactly, for the few operations that are reported.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from clew.store.engine.contract import Scan
from clew.telemetry.analytics.statistics import Share
from clew.telemetry.query.severity import SEVERITY_CLASSES, SEVERITY_SQL
from clew.telemetry.query.window import time_condition
from clew.telemetry.tables import LOGS, TRACES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from clew.store.engine.contract import Snapshot
    from clew.store.table import Table
    from clew.telemetry.analytics.windows import Window
    from clew.telemetry.query.store import Store

OPERATIONS_MAX: Final = 2_000
"""Operations that are compared, the busiest first, and likewise services: each costs about 0.1 ms
of Python, and who has more names operations after ids, of which each has few spans."""

SLICES: Final = 24
"""Stretches of the baseline between which figures are seen to vary. Enough to tell how much they
do (a variance from two dozen values is right to a third), and long enough to hold whole bursts."""

# A 32-bit float has 23 bits of mantissa, of which the bucket keeps three.
_BUCKET_SHIFT: Final = 20
_BUCKET_SQL: Final = (
    f"toUInt16(bitShiftRight(reinterpretAsUInt32(toFloat32(Duration)), {_BUCKET_SHIFT}))"
)

_ERRORS_FROM: Final = SEVERITY_CLASSES["error"][0]


@dataclass(slots=True)
class Slice:
    """One stretch of the baseline. `total` and `squares` are of the durations' buckets."""

    spans: int = 0
    errors: int = 0
    total: float = 0.0
    squares: float = 0.0
    logs: int = 0
    log_errors: int = 0


@dataclass(slots=True)
class Figures:
    """What one window says of a subject."""

    spans: int = 0
    errors: int = 0
    durations: dict[int, int] = field(default_factory=dict)
    logs: int = 0
    log_errors: int = 0

    @property
    def records(self) -> int:
        """Spans and log records together."""
        return self.spans + self.logs

    @property
    def failed(self) -> Share:
        """Errors of the spans."""
        return Share(self.errors, self.spans)


@dataclass(slots=True)
class Subject:
    """A service, or one operation of it, in both windows.

    `slices` are all of the baseline's, in order; `operations` is how many a service has.
    """

    service: str
    operation: str | None
    current: Figures = field(default_factory=Figures)
    baseline: Figures = field(default_factory=Figures)
    slices: list[Slice] = field(default_factory=lambda: [Slice() for _ in range(SLICES)])
    operations: int = 0


@dataclass(frozen=True, slots=True)
class Subjects:
    """Services and the operations that were taken; `operation_count` counts those left out too."""

    services: list[Subject]
    operations: list[Subject]
    operation_count: int


def bucket_ms(bucket: int) -> float:
    """Return the lower edge of a bucket of durations, in milliseconds."""
    edge: float = struct.unpack("<f", struct.pack("<I", bucket << _BUCKET_SHIFT))[0]
    return edge / 1e6


def read_subjects(
    store: Store, snapshot: Snapshot, current: Window, baseline: Window, *, service: str | None
) -> Subjects:
    """Return every service and the busiest operations of both windows together."""
    reader = _Reader(store, snapshot, current, baseline, service)
    services: dict[str, Subject] = {}
    operations: dict[tuple[str, str], Subject] = {}

    def subject(row: Mapping[str, Any]) -> Subject:
        name = row["service"]
        if row["is_service"]:
            return services.setdefault(name, Subject(name, None))
        return operations.setdefault((name, row["operation"]), Subject(name, row["operation"]))

    for row in reader.read_durations():
        one = subject(row)
        one.current.spans, one.baseline.spans = row["here"], row["there"]
        one.current.durations, one.baseline.durations = dict(row["now"]), dict(row["before"])
        one.operations = row["operations"]
    operation_count = reader.operation_count
    for row in reader.read_slices():
        _add_slices(subject(row), row)
    for row in reader.read_logs():
        one = services.setdefault(row["service"], Subject(row["service"], None))
        _add_logs(one, row)
    return Subjects(list(services.values()), list(operations.values()), operation_count)


def both_windows(table: Table, current: Window, baseline: Window) -> str:
    """Return the condition that a row lies in one of two windows that do not overlap."""
    one, two = (time_condition(table, window.range) for window in (current, baseline))
    return f"(({one}) OR ({two}))"


@dataclass(slots=True)
class _Reader:
    store: Store
    snapshot: Snapshot
    current: Window
    baseline: Window
    service: str | None
    operation_count: int = 0

    def read_durations(self) -> list[dict[str, Any]]:
        """Return counts and histograms by operation and by service."""
        rows = self._query(
            TRACES,
            (
                "ServiceName AS service",
                "SpanName AS operation",
                f"{_BUCKET_SQL} AS bucket",
                f"{time_condition(TRACES, self.current.range)} AS is_current",
            ),
            """
            SELECT *, count() OVER (PARTITION BY is_service) AS subjects FROM (
              SELECT grouping(operation) AS is_service, service, operation,
                sum(n) AS here, sum(m) AS there, uniqExact(operation_name) AS operations,
                sumMapIf(map(bucket, n), n > 0) AS now, sumMapIf(map(bucket, m), m > 0) AS before
              FROM (
                SELECT service, operation, operation AS operation_name, bucket,
                  countIf(is_current) AS n, count() - n AS m
                FROM @rows GROUP BY service, operation, bucket
              )
              GROUP BY GROUPING SETS ((service, operation), (service))
            )
            ORDER BY here + there DESC, service, operation
            LIMIT {subjects_max:UInt32} BY is_service
            """,
        )
        self.operation_count = next((row["subjects"] for row in rows if not row["is_service"]), 0)
        return rows

    def read_slices(self) -> list[dict[str, Any]]:
        """Return how spans, errors and durations spread over the slices; slice 0 is now."""
        return self._query(
            TRACES,
            (
                "ServiceName AS service",
                "SpanName AS operation",
                f"{_BUCKET_SQL} AS bucket",
                "StatusCode = 'Error' AS failed",
                f"{self._slice_sql(TRACES)} AS slice",
            ),
            """
            SELECT grouping(operation) AS is_service, service, operation,
              sum(n) AS all_spans, sumMap(map(slice, n)) AS spans,
              sumMap(map(slice, errors)) AS errors, sumMap(map(slice, total)) AS total,
              sumMap(map(slice, squares)) AS squares
            FROM (
              SELECT service, operation, slice, count() AS n, countIf(failed) AS errors,
                sum(bucket) AS total, sum(toUInt64(bucket) * bucket) AS squares
              FROM @rows GROUP BY service, operation, slice
            )
            GROUP BY GROUPING SETS ((service, operation), (service))
            ORDER BY all_spans DESC, service, operation
            LIMIT {subjects_max:UInt32} BY is_service
            """,
        )

    def read_logs(self) -> list[dict[str, Any]]:
        """Return how log records and errors among them spread over the slices, by service."""
        return self._query(
            LOGS,
            (
                "ServiceName AS service",
                f"{SEVERITY_SQL} >= {_ERRORS_FROM} AS failed",
                f"{self._slice_sql(LOGS)} AS slice",
            ),
            "SELECT service, slice, count() AS n, countIf(failed) AS errors"
            " FROM @rows GROUP BY service, slice",
        )

    def _slice_sql(self, table: Table) -> str:
        start = self.baseline.start
        width = max(1, -(-(self.baseline.end - start) // SLICES))
        is_current = time_condition(table, self.current.range)
        place = f"intDiv(toUnixTimestamp64Nano({table.time}) - {start}, {width})"
        return f"if({is_current}, 0, toUInt8(1 + {place}))"

    def _query(self, table: Table, columns: Sequence[str], sql: str) -> list[dict[str, Any]]:
        where = both_windows(table, self.current, self.baseline)
        parameters: dict[str, object] = {"subjects_max": OPERATIONS_MAX}
        if self.service is not None:
            where += " AND ServiceName = {service:String}"
            parameters["service"] = self.service
        rows: list[dict[str, Any]] = self.store.engine.query(
            sql,
            snapshot=self.snapshot,
            scans={"rows": Scan(table, tuple(columns), where)},
            parameters=parameters,
        ).to_pylist()
        return rows


def _add_slices(subject: Subject, row: Mapping[str, Any]) -> None:
    spans, errors, totals, squares = (
        dict(row[name]) for name in ("spans", "errors", "total", "squares")
    )
    for place, count in spans.items():
        if place == 0:
            subject.current.errors = errors[0]
            continue
        one = subject.slices[place - 1]
        one.spans, one.errors = count, errors[place]
        one.total, one.squares = totals[place], squares[place]
        subject.baseline.errors += one.errors


def _add_logs(subject: Subject, row: Mapping[str, Any]) -> None:
    figures = subject.current if row["slice"] == 0 else subject.baseline
    figures.logs += row["n"]
    figures.log_errors += row["errors"]
    if row["slice"]:
        one = subject.slices[row["slice"] - 1]
        one.logs, one.log_errors = row["n"], row["errors"]
