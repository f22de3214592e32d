"""The documents of what changed and what repeats: anomalies, differences, log patterns.

Field names are the JSON names; times, ids, durations and completeness are as
`clew.telemetry.documents` has them. Every answer states the windows it is exact over.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from clew.telemetry.analytics.documents import Window

AnomalyKind = Literal[
    "error_rate",
    "p95_latency",
    "throughput",
    "new_service",
    "vanished_service",
    "new_operation",
    "vanished_operation",
    "new_log_pattern",
    "error_logs",
]
AnomalySeverity = Literal["high", "medium", "low"]
Unit = Literal["share", "ms", "per_second", "count"]


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """The question that shows the records behind a finding: a command line, and an address."""

    cli: str
    rest: str


class Anomaly(msgspec.Struct, frozen=True, kw_only=True):
    """One figure of a service, operation or log pattern that is not what it was.

    `current` and `baseline` are in `unit`: errors of each span, milliseconds, records per second,
    records. `ratio` is null where the baseline is 0. `effect_size` is how often the baseline
    figure has to be doubled to be the current one, below 0 for halved; figures of 0 are counted as
    half a record there. `superiority` is, for durations, the probability that a span of now takes
    longer than one of the baseline. `p_value` is adjusted for all comparisons of the report, and
    `confidence` is 1 less that. The counts are the spans or log records that were compared.
    """

    kind: AnomalyKind
    severity: AnomalySeverity
    service: str
    operation: str | None
    pattern: str | None
    unit: Unit
    current: float
    baseline: float
    delta: float
    ratio: float | None
    effect_size: float
    superiority: float | None
    p_value: float
    confidence: float
    current_count: int
    baseline_count: int
    description: str
    exemplar_trace_id: str | None
    query: Question


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """What was looked at, so that "no anomalies" says something.

    `comparisons` is how many figures had records enough to be tested. `operations_left_out` are
    those beyond the bound, the ones with the fewest spans. `log_records_grouped` of the current log
    records lie in the `log_patterns` that were compared.
    """

    services: int
    operations: int
    operations_left_out: int
    log_patterns: int
    comparisons: int
    current_spans: int
    baseline_spans: int
    current_log_records: int
    baseline_log_records: int
    log_records_grouped: int


class AnomalyReport(msgspec.Struct, frozen=True, kw_only=True):
    """What is not as it was, the worst first. An empty list is an answer: see `compared`."""

    window: Window
    baseline: Window
    current_seconds: float
    baseline_seconds: float
    service_filter: str | None
    anomalies: list[Anomaly]
    count: int
    total: int
    truncated: bool
    compared: Compared
    notes: list[str]


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One figure of two windows; `ratio` is null where the baseline is 0."""

    current: float
    baseline: float
    delta: float
    ratio: float | None


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """The figures that `clew diff` compares; durations are exact and occurred."""

    spans_per_second: Change
    error_rate: Change
    p50_ms: Change
    p95_ms: Change
    p99_ms: Change
    avg_ms: Change
    log_errors_per_second: Change


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of one window."""

    spans: int
    errors: int
    logs: int
    log_errors: int


class BothTotals(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of both windows."""

    current: Totals
    baseline: Totals


class SpanSet(msgspec.Struct, frozen=True, kw_only=True):
    """One of the two sets of spans: which ones, and how many."""

    description: str
    window: Window
    spans: int


class ValueDifference(msgspec.Struct, frozen=True, kw_only=True):
    """An attribute value (or field) that is commoner among the bad spans.

    `value` is null where a key has too many values to tell apart: then it is about having the key
    at all. `lift` is the ratio of the shares, null where no good span has it. `p_value` is adjusted
    for all values compared, and `confidence` is 1 less that. `filter` selects such spans in `q=`.
    """

    place: Literal["field", "span", "resource"]
    key: str
    value: str | None
    bad_count: int
    good_count: int
    bad_share: float
    good_share: float
    lift: float | None
    p_value: float
    confidence: float
    filter: str


class DifferenceReport(msgspec.Struct, frozen=True, kw_only=True):
    """Two windows side by side, and what sets the bad spans apart from the good ones.

    `values` are ranked by how much larger their share is among the bad ones. `values_compared` is
    how many were tested; `values_left_out` were too many to be, the ones with the fewest bad spans.
    `keys_collapsed` are the keys with too many values, compared by presence alone.
    """

    window: Window
    baseline: Window
    service_filter: str | None
    metrics: Changes
    totals: BothTotals
    bad: SpanSet
    good: SpanSet
    values: list[ValueDifference]
    count: int
    total: int
    truncated: bool
    values_compared: int
    values_left_out: int
    keys_collapsed: list[str]
    note: str | None


class LogExample(msgspec.Struct, frozen=True, kw_only=True):
    """One of the log records of a pattern, its body cut where it is very long."""

    timestamp: str
    service: str
    body: str
    trace_id: str | None
    span_id: str | None


class LogPattern(msgspec.Struct, frozen=True, kw_only=True):
    """Log records that say the same: ``<*>`` stands where they differ.

    `severity` is the most frequent one; `severities` and `services` count the records by each.
    """

    pattern: str
    count: int
    share: float
    severity: str
    severities: dict[str, int]
    services: dict[str, int]
    first_seen: str
    last_seen: str
    example: LogExample


class LogPatternList(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The patterns of the log records of a window, most frequent first; counts are exact.

    `log_records` matched; `log_records_grouped` of them lie in a pattern. The rest said things of
    their own, too many to be told apart, and `truncated` is true.
    """

    window: Window
    patterns: list[LogPattern]
    count: int
    total: int
    truncated: bool
    log_records: int
    log_records_grouped: int
    next: str | None = None
