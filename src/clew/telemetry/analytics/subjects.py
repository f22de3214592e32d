"""Every service and operation in two windows: counts, errors and durations that add up.

Theory of operation. A row is looked at once: its duration becomes one of eight buckets of its power
of two (the float's exponent and the first three bits of its mantissa, so no logarithm is taken),
and rows are counted by operation and bucket: 40 ns of CPU each over ten million. What comes out is
small whatever the windows hold. A bucket is at most an eighth wide, which is enough to rank and to
test; quantiles that are *shown* are read again, exactly, for the few operations that are reported.
How much a figure varies within the baseline is read for services that have something to report
alone: it can only take findings away.

Grouping by the two names costs 35 ns more, since the engine serialises both for each row. Hashes
are computed once for each name of a block; operations of one 64-bit hash would be taken for one.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from clew.base.times import TimeRange
from clew.store.engine.contract import Scan
from clew.telemetry.analytics.statistics import Share
from clew.telemetry.query.newest import LIMITS
from clew.telemetry.query.severity import SEVERITY_CLASSES, SEVERITY_SQL
from clew.telemetry.query.window import time_condition
from clew.telemetry.tables import LOGS, TRACES

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from clew.store.engine.contract import Snapshot
    from clew.store.table import Table
    from clew.telemetry.analytics.windows import Window
    from clew.telemetry.query.store import Store

OPERATIONS_MAX: Final = 2_000
"""Operations that are compared, the busiest first: each costs about 0.1 ms of Python, and who has
more names operations after ids, of which each has few spans. Services are all compared."""

SLICES: Final = 24
"""Stretches of the baseline between which figures are seen to vary. Enough to tell how much they
do (a variance from two dozen values is right to a third), and long enough to hold whole bursts."""

# A 32-bit float has 23 bits of mantissa, of which the bucket keeps three.
_BUCKET_SHIFT: Final = 20
_BUCKET_SQL: Final = (
    f"toUInt16(bitShiftRight(reinterpretAsUInt32(toFloat32(Duration)), {_BUCKET_SHIFT}))"
)
# The odd factor keeps a service and an operation of the same name from cancelling each other.
_SUBJECT_SQL: Final = "bitXor(cityHash64(ServiceName), cityHash64(SpanName) * 0x9E3779B97F4A7C15)"

_ERRORS_FROM: Final = SEVERITY_CLASSES["error"][0]

# One row for each subject (and bucket, or slice) from each side that is read.
_NAMES: Final = ("any(ServiceName) AS service", "any(SpanName) AS operation")
_FAILED: Final = "StatusCode = 'Error'"
_LOG_FAILED: Final = f"({SEVERITY_SQL} >= {_ERRORS_FROM})"


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

    `slices` are all of the baseline's, in order, once they were read; `operations` is how many a
    service has.
    """

    service: str
    operation: str | None
    current: Figures = field(default_factory=Figures)
    baseline: Figures = field(default_factory=Figures)
    slices: list[Slice] = field(default_factory=list)
    operations: int = 0


@dataclass(frozen=True, slots=True)
class Subjects:
    """Services and the operations that were taken; `operation_count` counts those left out too."""

    services: dict[str, Subject]
    operations: dict[tuple[str, str], Subject]
    operation_count: int


def bucket_ms(bucket: int) -> float:
    """Return the lower edge of a bucket of durations, in milliseconds."""
    edge: float = struct.unpack("<f", struct.pack("<I", bucket << _BUCKET_SHIFT))[0]
    return edge / 1e6


def both_windows(table: Table, current: Window, baseline: Window) -> str:
    """Return the condition that a row lies in one of two windows that do not overlap."""
    if baseline.end == current.start:
        return time_condition(table, TimeRange(baseline.start, current.range.end))
    one, two = (time_condition(table, window.range) for window in (current, baseline))
    return f"(({one}) OR ({two}))"


class SubjectReader:
    """Reads the figures of two windows, at one moment, of all services or of one."""

    def __init__(
        self,
        store: Store,
        snapshot: Snapshot,
        current: Window,
        baseline: Window,
        *,
        service: str | None,
    ) -> None:
        self._store = store
        self._snapshot = snapshot
        self._current = current
        self._baseline = baseline
        self._service = service

    def read_subjects(self) -> Subjects:
        """Return every service and the busiest operations of both windows, without slices."""
        services: dict[str, Subject] = {}
        operations: dict[tuple[str, str], Subject] = {}
        operation_count = 0
        for row in self._read_durations():
            name = row["service"]
            if row["is_service"]:
                one = services[name] = Subject(name, None, operations=row["operations"])
            else:
                one = operations[name, row["operation"]] = Subject(name, row["operation"])
                operation_count = row["subjects"]
            one.current = _figures(row["now"], row["errors_now"])
            one.baseline = _figures(row["before"], row["errors_before"])
        for row in self._read_log_counts():
            one = services.setdefault(row["service"], Subject(row["service"], None))
            one.current.logs, one.current.log_errors = row["here"], row["errors_here"]
            one.baseline.logs = row["records"] - row["here"]
            one.baseline.log_errors = row["errors"] - row["errors_here"]
        return Subjects(services, operations, operation_count)

    def read_slices(self, subjects: Subjects, services: Collection[str]) -> None:
        """Fill in the slices of some services and of their operations."""
        chosen = [
            *(subjects.services[name] for name in services),
            *(one for (name, _), one in subjects.operations.items() if name in services),
        ]
        for subject in chosen:
            subject.slices = [Slice() for _ in range(SLICES)]
        for row in self._read_span_slices(services):
            name, operation = row["service"], row["operation"]
            # A name that is one of ids may have been left out.
            for one in (subjects.operations.get((name, operation)), subjects.services[name]):
                if one is not None:
                    _add_spans(one.slices[row["slice"]], row)
        for row in self._read_log_slices(services):
            part = subjects.services[row["service"]].slices[row["slice"]]
            part.logs, part.log_errors = row["n"], row["errors"]

    def _read_durations(self) -> list[dict[str, Any]]:
        """Return counts and histograms by operation and by service, the busiest first."""
        now = f"({time_condition(TRACES, self._current.range)})"
        return self._query(
            TRACES,
            (
                *_NAMES,
                f"{_BUCKET_SQL} AS bucket",
                "count() AS n",
                f"countIf({now}) AS here",
                f"countIf({_FAILED}) AS f",
                f"countIf({_FAILED} AND {now}) AS e",
            ),
            both_windows(TRACES, self._current, self._baseline),
            (_SUBJECT_SQL, _BUCKET_SQL),
            """
            SELECT *, count() OVER (PARTITION BY is_service) AS subjects FROM (
              SELECT grouping(operation) AS is_service, service, operation, sum(n) AS spans,
                uniqExact(operation) AS operations,
                sum(e) AS errors_now, sum(f - e) AS errors_before,
                sumMapIf(map(bucket, here), here > 0) AS now,
                sumMapIf(map(bucket, n - here), n > here) AS before
              FROM @rows
              GROUP BY GROUPING SETS ((service, operation), (service))
            )
            ORDER BY spans DESC, service, operation
            LIMIT {operations_max:UInt32} BY is_service, if(is_service = 1, service, '')
            """,
            operations_max=OPERATIONS_MAX,
        )

    def _read_log_counts(self) -> list[dict[str, Any]]:
        now = f"({time_condition(LOGS, self._current.range)})"
        return self._query(
            LOGS,
            (
                "ServiceName AS service",
                "count() AS n",
                f"countIf({now}) AS n_here",
                f"countIf({_LOG_FAILED}) AS f",
                f"countIf({_LOG_FAILED} AND {now}) AS f_here",
            ),
            both_windows(LOGS, self._current, self._baseline),
            ("ServiceName",),
            "SELECT service, sum(n) AS records, sum(n_here) AS here,"
            " sum(f) AS errors, sum(f_here) AS errors_here FROM @rows GROUP BY service",
        )

    def _read_span_slices(self, services: Collection[str]) -> list[dict[str, Any]]:
        return self._query(
            TRACES,
            (
                *_NAMES,
                f"{self._slice_sql(TRACES)} AS slice",
                "count() AS spans",
                f"countIf({_FAILED}) AS f",
                f"sum({_BUCKET_SQL}) AS buckets",
                f"sum(toUInt64({_BUCKET_SQL}) * {_BUCKET_SQL}) AS squared",
            ),
            f"{time_condition(TRACES, self._baseline.range)} AND {_CHOSEN}",
            (_SUBJECT_SQL, self._slice_sql(TRACES)),
            "SELECT service, operation, slice, sum(spans) AS n, sum(f) AS errors,"
            " sum(buckets) AS total, sum(squared) AS squares"
            " FROM @rows GROUP BY service, operation, slice",
            services=sorted(services),
        )

    def _read_log_slices(self, services: Collection[str]) -> list[dict[str, Any]]:
        return self._query(
            LOGS,
            (
                "ServiceName AS service",
                f"{self._slice_sql(LOGS)} AS slice",
                "count() AS records",
                f"countIf({_LOG_FAILED}) AS f",
            ),
            f"{time_condition(LOGS, self._baseline.range)} AND {_CHOSEN}",
            ("ServiceName", self._slice_sql(LOGS)),
            "SELECT service, slice, sum(records) AS n, sum(f) AS errors"
            " FROM @rows GROUP BY service, slice",
            services=sorted(services),
        )

    def _slice_sql(self, table: Table) -> str:
        start = self._baseline.start
        width = max(1, -(-(self._baseline.end - start) // SLICES))
        return f"toUInt8(intDiv(toUnixTimestamp64Nano({table.time}) - {start}, {width}))"

    def _query(
        self,
        table: Table,
        columns: Sequence[str],
        where: str,
        group_by: tuple[str, ...],
        sql: str,
        **parameters: object,
    ) -> list[dict[str, Any]]:
        if self._service is not None:
            where += " AND ServiceName = {service:String}"
            parameters["service"] = self._service
        rows: list[dict[str, Any]] = self._store.engine.query(
            sql,
            snapshot=self._snapshot,
            scans={"rows": Scan(table, tuple(columns), where, group_by=group_by)},
            parameters=parameters,
            limits=LIMITS,
        ).to_pylist()
        return rows


_CHOSEN: Final = "ServiceName IN {services:Array(String)}"


def _figures(durations: Sequence[tuple[int, int]], errors: int) -> Figures:
    histogram = dict(durations)
    return Figures(spans=sum(histogram.values()), errors=errors, durations=histogram)


def _add_spans(part: Slice, row: Mapping[str, Any]) -> None:
    part.spans += row["n"]
    part.errors += row["errors"]
    part.total += row["total"]
    part.squares += row["squares"]
