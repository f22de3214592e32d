"""From figures of two windows to findings: which tests are made, and what is worth saying.

A finding needs both: a difference that chance does not explain, given how much the figure varied
within the baseline, and one large enough that somebody would want to know. The first is a
probability, adjusted for the number of tests; the second are the bounds below. A figure of fewer
records than its minimum is not tested at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from clew.telemetry.analytics.statistics import (
    Share,
    compare_ranks,
    compare_rates,
    compare_shares,
    count_above,
    disperse_counts,
    disperse_means,
    disperse_shares,
    doublings,
    expect_none,
    find_quantile,
)
from clew.telemetry.analytics.subjects import bucket_ms

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clew.telemetry.analytics.reports import AnomalyKind, AnomalySeverity, Unit
    from clew.telemetry.analytics.subjects import Subject

FALSE_SHARE_MAX: Final = 0.01
"""Of the findings reported, so many may be chance: one in a hundred is looked at in vain."""

SPANS_MIN: Final = 20
"""Spans in each window below which error rates are not compared: 20 can show no rate below 5 %."""

P95_SPANS_MIN: Final = 40
"""Spans in each window below which a p95 is not compared: it is then the largest value or two."""

COUNT_MIN: Final = 20
"""Records expected or seen below which throughput is not compared."""

ERROR_LOGS_MIN: Final = 5
"""Error records in the current window below which their rate is not compared."""

NEW_MIN: Final = 5
"""Records below which nothing is called new: a single stray name is no deployment."""

VANISHED_EXPECTED_MIN: Final = 5.0
"""Records expected in the current window, from the baseline, for their absence to be one."""

ERROR_DELTA_MIN: Final = 0.01
ERROR_RATIO_MIN: Final = 1.5
ERROR_DELTA_HIGH: Final = 0.20
"""An error rate is worth saying from one more failure in a hundred that is half as many again; at
one more in five somebody is being failed all the time."""

P95_RATIO_MIN: Final = 1.5
P95_DELTA_MS_MIN: Final = 5.0
P95_RATIO_HIGH: Final = 3.0
"""A slower p95 is worth saying at half as much again, and from 5 ms on: below that, schedulers and
collectors of garbage make such differences by themselves."""

P95_SCREEN_RATIO: Final = 1.25
"""Buckets are up to an eighth wide at each end, so that the exact ratio may be so much larger."""

RATE_RATIO_MIN: Final = 2.0
RATE_RATIO_HIGH: Final = 5.0
"""Traffic doubles and halves within a day; five times as much or as little is another thing."""

ERROR_LOGS_RATIO_MIN: Final = 2.0
ERROR_LOGS_RATIO_HIGH: Final = 5.0


@dataclass(frozen=True, slots=True)
class Lengths:
    """Seconds of the two windows."""

    current: float
    baseline: float

    @property
    def scale(self) -> float:
        """What a count of the baseline is multiplied with to be expected in the current window."""
        return self.current / self.baseline


@dataclass(frozen=True, slots=True)
class Finding:
    """One test and what came of it; `is_notable` says whether the difference is large enough."""

    kind: AnomalyKind
    subject: Subject
    unit: Unit
    current: float
    baseline: float
    effect: float
    p_value: float
    is_notable: bool
    severity: AnomalySeverity
    counts: tuple[int, int]
    superiority: float | None = None
    pattern: str | None = None
    exemplar_trace_id: str | None = None


def judge_service(service: Subject, lengths: Lengths) -> list[Finding]:
    """Return the tests of one service."""
    here, there = service.current.records, service.baseline.records
    records = [each.spans + each.logs for each in service.slices]
    if not here or not there:
        return list(_presence(service, (here, there), records, lengths, "service"))
    return [*_span_tests(service, lengths), *_error_logs(service, lengths)]


def judge_operation(operation: Subject, lengths: Lengths) -> list[Finding]:
    """Return the tests of one operation of a service that is there in both windows."""
    here, there = operation.current.spans, operation.baseline.spans
    if not here or not there:
        spans = [each.spans for each in operation.slices]
        return list(_presence(operation, (here, there), spans, lengths, "operation"))
    return list(_span_tests(operation, lengths))


def judge_p95(ratio: float, delta_ms: float) -> tuple[bool, AnomalySeverity]:
    """Return whether a p95 got notably worse, and how bad that is."""
    is_notable = ratio >= P95_RATIO_MIN and delta_ms >= P95_DELTA_MS_MIN
    return is_notable, "high" if ratio >= P95_RATIO_HIGH else "medium"


def judge_pattern(
    service: Subject, pattern: str, count: int, lengths: Lengths, *, is_error: bool
) -> Finding:
    """Return the test of a pattern of log records that the baseline does not have."""
    return Finding(
        kind="new_log_pattern",
        subject=service,
        unit="count",
        current=count,
        baseline=0,
        effect=_count_effect(count, 0, lengths),
        p_value=expect_none(count, lengths.current, lengths.baseline),
        is_notable=count >= NEW_MIN,
        severity="medium" if is_error else "low",
        counts=(count, 0),
        pattern=pattern,
    )


def _span_tests(subject: Subject, lengths: Lengths) -> Iterator[Finding]:
    yield from _error_rate(subject)
    yield from _latency(subject)
    yield from _throughput(subject, lengths)


def _error_rate(subject: Subject) -> Iterator[Finding]:
    here, there = subject.current.failed, subject.baseline.failed
    if min(here.trials, there.trials) < SPANS_MIN:
        return
    dispersion = disperse_shares([Share(each.errors, each.spans) for each in subject.slices])
    delta = here.rate - there.rate
    grew = delta >= ERROR_DELTA_MIN and here.rate >= ERROR_RATIO_MIN * there.rate
    smoothed = [(each.hits + 0.5) / (each.trials + 1) for each in (here, there)]
    yield Finding(
        kind="error_rate",
        subject=subject,
        unit="share",
        current=here.rate,
        baseline=there.rate,
        effect=doublings(*smoothed),
        p_value=compare_shares(here, there, dispersion=dispersion),
        is_notable=grew,
        severity="high" if delta >= ERROR_DELTA_HIGH else "medium",
        counts=(here.trials, there.trials),
    )


def _latency(subject: Subject) -> Iterator[Finding]:
    """Test the distribution: the share above the baseline's p95, and the ranks of all.

    The first finds a slow tail that the ranks drown, the second a shift that moves everything;
    either may say so, and the smaller probability is doubled for having two tries.
    """
    here, there = subject.current.durations, subject.baseline.durations
    if min(subject.current.spans, subject.baseline.spans) < P95_SPANS_MIN:
        return
    dispersion = disperse_means([(each.spans, each.total, each.squares) for each in subject.slices])
    now, before = find_quantile(here, 0.95), find_quantile(there, 0.95)
    if now is None or before is None:
        return
    tail = compare_shares(
        count_above(here, before), count_above(there, before), dispersion=dispersion
    )
    ranks = compare_ranks(here, there, dispersion=dispersion)
    current, baseline = (max(bucket_ms(bucket), 1e-6) for bucket in (now, before))
    yield Finding(
        kind="p95_latency",
        subject=subject,
        unit="ms",
        current=current,
        baseline=baseline,
        effect=doublings(current, baseline),
        p_value=min(1.0, 2 * min(tail, ranks.p_value)),
        is_notable=current / baseline >= P95_SCREEN_RATIO,
        severity="medium",
        counts=(subject.current.spans, subject.baseline.spans),
        superiority=ranks.superiority,
    )


def _throughput(subject: Subject, lengths: Lengths) -> Iterator[Finding]:
    here, there = subject.current.spans, subject.baseline.spans
    if not here or not there or max(here, there * lengths.scale) < COUNT_MIN:
        return
    dispersion = disperse_counts([each.spans for each in subject.slices])
    current, baseline = here / lengths.current, there / lengths.baseline
    ratio = current / baseline
    yield Finding(
        kind="throughput",
        subject=subject,
        unit="per_second",
        current=current,
        baseline=baseline,
        effect=doublings(current, baseline),
        p_value=compare_rates(
            here, lengths.current, there, lengths.baseline, dispersion=dispersion
        ),
        is_notable=max(ratio, 1 / ratio) >= RATE_RATIO_MIN,
        severity="medium" if max(ratio, 1 / ratio) >= RATE_RATIO_HIGH else "low",
        counts=(here, there),
    )


def _error_logs(service: Subject, lengths: Lengths) -> Iterator[Finding]:
    here, there = service.current.log_errors, service.baseline.log_errors
    if here < ERROR_LOGS_MIN:
        return
    dispersion = disperse_counts([each.log_errors for each in service.slices])
    expected = there * lengths.scale
    high = here >= ERROR_LOGS_RATIO_HIGH * max(expected, 1.0)
    yield Finding(
        kind="error_logs",
        subject=service,
        unit="per_second",
        current=here / lengths.current,
        baseline=there / lengths.baseline,
        effect=_count_effect(here, there, lengths),
        p_value=compare_rates(
            here, lengths.current, there, lengths.baseline, dispersion=dispersion
        ),
        is_notable=here >= ERROR_LOGS_RATIO_MIN * expected,
        severity="high" if high else "medium",
        counts=(here, there),
    )


def _presence(
    subject: Subject,
    counts: tuple[int, int],
    slices: list[int],
    lengths: Lengths,
    noun: str,
) -> Iterator[Finding]:
    """Test whether a subject that one window lacks would have been in it."""
    here, there = counts
    if here:
        kind: AnomalyKind = "new_service" if noun == "service" else "new_operation"
        p_value = expect_none(here, lengths.current, lengths.baseline)
        is_notable = here >= NEW_MIN
        severity: AnomalySeverity = "medium" if noun == "service" else "low"
    else:
        kind = "vanished_service" if noun == "service" else "vanished_operation"
        dispersion = disperse_counts(slices)
        p_value = expect_none(there, lengths.baseline, lengths.current, dispersion=dispersion)
        is_notable = there * lengths.scale >= VANISHED_EXPECTED_MIN
        severity = "high" if noun == "service" else "medium"
    yield Finding(
        kind=kind,
        subject=subject,
        unit="per_second",
        current=here / lengths.current,
        baseline=there / lengths.baseline,
        effect=_count_effect(here, there, lengths),
        p_value=p_value,
        is_notable=is_notable,
        severity=severity,
        counts=counts,
    )


def _count_effect(here: int, there: int, lengths: Lengths) -> float:
    return doublings((here + 0.5) / lengths.current, (there + 0.5) / lengths.baseline)
