"""What is not as it was: every service, operation and log pattern against its own baseline.

One pass over each table counts both windows, and `verdicts` tests every figure. What might be worth
saying is looked at again: how much it varied within the baseline, exact quantiles, a trace to show.
A system that is as it was costs the first pass alone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from clew.base.times import NS_PER_S, format_time
from clew.store.engine.contract import Scan
from clew.telemetry.analytics import reports as doc
from clew.telemetry.analytics.evidence import (
    ask_further,
    read_exemplars,
    read_log_exemplars,
    read_p95_ms,
)
from clew.telemetry.analytics.new_patterns import PatternReader, PatternsCompared
from clew.telemetry.analytics.statistics import adjust, doublings
from clew.telemetry.analytics.subjects import OPERATIONS_MAX, SubjectReader, Subjects
from clew.telemetry.analytics.verdicts import (
    FALSE_SHARE_MAX,
    NEW_MIN,
    Finding,
    Lengths,
    judge_operation,
    judge_p95,
    judge_pattern,
    judge_service,
)
from clew.telemetry.analytics.windows import Window, read_baseline, read_current
from clew.telemetry.query.newest import LIMITS
from clew.telemetry.query.slices import check_limit
from clew.telemetry.tables import LOGS, TRACES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from clew.store.engine.contract import Snapshot
    from clew.telemetry.analytics import parameters as ask
    from clew.telemetry.analytics.evidence import Exemplars, Key
    from clew.telemetry.query.store import Store

_SEVERITIES: Final = ("high", "medium", "low")

_UNVARIED: Final = frozenset({"new_service", "new_operation", "new_log_pattern"})
"""What the baseline does not have cannot have varied in it."""


def find_anomalies(store: Store, query: ask.AnomalyQuery, now: int) -> doc.AnomalyReport:
    """Return what differs from the baseline by more than chance, the worst first.

    Raises:
        ClewError: INVALID_ARGUMENT for a window or limit that does not parse.
    """
    check_limit(query.limit)
    current = read_current(query, now=now)
    asked = read_baseline(query, current, now=now)
    snapshot = store.snapshot()
    baseline, notes = _begin_with_records(store, snapshot, asked)
    if baseline is None:
        return _nothing_to_compare(query, current, asked, notes)
    reader = SubjectReader(store, snapshot, current, baseline, service=query.service)
    subjects = reader.read_subjects()
    texts = PatternReader(store, snapshot, service=query.service)
    patterns = texts.compare(current, baseline, count_min=NEW_MIN)
    lengths = Lengths(current.seconds, baseline.seconds)
    tests = _test_all(subjects, patterns, lengths)
    doubtful = {
        test.subject.service
        for test in tests
        if _might_be_said(test) and test.kind not in _UNVARIED
    }
    if doubtful:
        reader.read_slices(subjects, doubtful)
        tests = _test_all(subjects, patterns, lengths)
    found = _worth_saying(tests)
    found = _with_exact_p95(store, snapshot, current, baseline, found)
    found.sort(key=_rank)
    shown = _with_exemplars(store, snapshot, current, baseline, found[: query.limit])
    if subjects.operation_count > OPERATIONS_MAX:
        notes.append(f"only the {OPERATIONS_MAX} busiest operations were compared")
    if patterns.untold:
        notes.append(
            f"{patterns.untold} log patterns may be new: the baseline has too many texts to tell"
        )
    return doc.AnomalyReport(
        window=current.describe(),
        baseline=baseline.describe(),
        current_seconds=current.seconds,
        baseline_seconds=baseline.seconds,
        service_filter=query.service,
        anomalies=[_document(each, current, baseline) for each in shown],
        count=len(shown),
        total=len(found),
        truncated=len(shown) < len(found),
        compared=_compared(subjects, patterns, len(tests)),
        notes=notes,
    )


def _begin_with_records(
    store: Store, snapshot: Snapshot, baseline: Window
) -> tuple[Window | None, list[str]]:
    """Return the part of the baseline from the first record of the store on, None for no part.

    A server that has run for two hours knows nothing of the four before: counted as silence, they
    would make everything seem to grow.
    """
    firsts = [
        row["at"]
        for table in (TRACES, LOGS)
        for row in store.engine.query(
            "@rows",
            snapshot=snapshot,
            scans={
                "rows": Scan(
                    table,
                    (f"toUnixTimestamp64Nano({table.time}) AS at",),
                    order_by=table.time,
                    limit=1,
                )
            },
            limits=LIMITS,
        ).to_pylist()
    ]
    first = min(firsts, default=baseline.end)
    if first >= baseline.end:
        return None, ["there are no records in the baseline: nothing to compare with"]
    # What is left must be long enough to have a rate.
    if first <= baseline.start or baseline.end - first < NS_PER_S:
        return baseline, []
    note = f"the baseline begins with the first record, at {format_time(first)}"
    return Window(first, baseline.end), [note]


def _test_all(subjects: Subjects, patterns: PatternsCompared, lengths: Lengths) -> list[Finding]:
    """Return every test that can be made, of services, operations and patterns.

    Operations and patterns of a service that is new or gone are not: the service says it all. The
    only operation of a service is not tested beside it.
    """
    tests = [test for each in subjects.services.values() for test in judge_service(each, lengths)]
    steady = {
        name: each
        for name, each in subjects.services.items()
        if each.current.records and each.baseline.records
    }
    for operation in subjects.operations.values():
        service = steady.get(operation.service)
        if service is not None and service.operations > 1:
            tests.extend(judge_operation(operation, lengths))
    for pattern in patterns.new:
        service = steady.get(pattern.service)
        # A service that wrote nothing before writes only new patterns.
        if service is None or not service.baseline.logs:
            continue
        test = judge_pattern(
            service, pattern.text, pattern.count, lengths, is_error=pattern.is_error
        )
        tests.append(replace(test, exemplar_trace_id=pattern.exemplar_trace_id))
    return tests


def _might_be_said(test: Finding) -> bool:
    """Return whether a test may be a finding: its probability can only be raised from here on."""
    return test.is_notable and test.p_value <= FALSE_SHARE_MAX


def _worth_saying(tests: list[Finding]) -> list[Finding]:
    """Return the findings, their probabilities adjusted for the number of all tests.

    Those that cannot be one count as certain chance: where nobody looked at the dispersion, their
    own small probabilities mean nothing, and would make those of others seem smaller.
    """
    adjusted = adjust([test.p_value if _might_be_said(test) else 1.0 for test in tests])
    return [
        replace(test, p_value=p_value)
        for test, p_value in zip(tests, adjusted, strict=True)
        if p_value <= FALSE_SHARE_MAX
    ]


def _with_exact_p95(
    store: Store, snapshot: Snapshot, current: Window, baseline: Window, found: list[Finding]
) -> list[Finding]:
    """Return the findings with exact quantiles, without those that are not notable by them."""
    slow = {_key(each) for each in found if each.kind == "p95_latency"}
    exact = read_p95_ms(store, snapshot, current, baseline, slow)
    kept = []
    for each in found:
        if each.kind != "p95_latency":
            kept.append(each)
            continue
        now, before = exact[_key(each)]
        ratio = now / max(before, 1e-6)
        is_notable, severity = judge_p95(ratio, now - before)
        if is_notable:
            effect = doublings(max(now, 1e-6), max(before, 1e-6))
            kept.append(
                replace(each, current=now, baseline=before, effect=effect, severity=severity)
            )
    return kept


def _with_exemplars(
    store: Store, snapshot: Snapshot, current: Window, baseline: Window, found: list[Finding]
) -> list[Finding]:
    gone = {_key(each) for each in found if each.kind.startswith("vanished_")}
    here = {_key(each) for each in found if each.kind not in _LOG_KINDS} - gone
    noisy = {each.subject.service for each in found if each.kind == "error_logs"}
    spans = read_exemplars(store, snapshot, current, here)
    spans_before = read_exemplars(store, snapshot, baseline, gone)
    logs = read_log_exemplars(store, snapshot, current, noisy)
    shown = []
    for each in found:
        if each.kind == "error_logs":
            shown.append(replace(each, exemplar_trace_id=logs.get(each.subject.service)))
        elif each.kind == "new_log_pattern":
            shown.append(each)
        else:
            traces = spans_before if _key(each) in gone else spans
            shown.append(replace(each, exemplar_trace_id=_pick(each, traces)))
    return shown


_LOG_KINDS: Final = frozenset({"error_logs", "new_log_pattern"})


def _pick(finding: Finding, exemplars: Mapping[Key, Exemplars]) -> str | None:
    one = exemplars.get(_key(finding))
    if one is None:
        return None
    match finding.kind:
        case "error_rate":
            return one.failed
        case "p95_latency":
            return one.slowest
        case _:
            return one.newest


def _key(finding: Finding) -> Key:
    return finding.subject.service, finding.subject.operation


def _rank(finding: Finding) -> tuple[int, float, str, str, str, str]:
    subject = finding.subject
    return (
        _SEVERITIES.index(finding.severity),
        -abs(finding.effect),
        finding.kind,
        subject.service,
        subject.operation or "",
        finding.pattern or "",
    )


def _document(finding: Finding, current: Window, baseline: Window) -> doc.Anomaly:
    now, before = finding.current, finding.baseline
    return doc.Anomaly(
        kind=finding.kind,
        severity=finding.severity,
        service=finding.subject.service,
        operation=finding.subject.operation,
        pattern=finding.pattern,
        unit=finding.unit,
        current=now,
        baseline=before,
        delta=now - before,
        ratio=now / before if before else None,
        effect_size=finding.effect,
        superiority=finding.superiority,
        p_value=finding.p_value,
        confidence=1 - finding.p_value,
        current_count=finding.counts[0],
        baseline_count=finding.counts[1],
        description=describe(finding),
        exemplar_trace_id=finding.exemplar_trace_id,
        query=ask_further(finding, current, baseline),
    )


def describe(finding: Finding) -> str:
    """Return a finding in words, without the names of what it is about."""
    now, before = finding.current, finding.baseline
    match finding.kind:
        case "error_rate":
            return f"{now:.1%} of spans failed, {before:.1%} before"
        case "p95_latency":
            return f"p95 is {now:.4g} ms, {before:.4g} ms before"
        case "throughput":
            return f"{now:.4g} spans per second, {before:.4g} before"
        case "error_logs":
            return f"{now:.4g} error records per second, {before:.4g} before"
        case "new_log_pattern":
            return f"{finding.counts[0]} log records say what none said before"
        case "new_service" | "new_operation":
            return f"{finding.counts[0]} records, none before"
        case "vanished_service" | "vanished_operation":
            return f"no records, {before:.4g} per second before"


def _compared(subjects: Subjects, patterns: PatternsCompared, tests: int) -> doc.Compared:
    def total(name: str, side: str) -> int:
        return sum(getattr(getattr(each, side), name) for each in subjects.services.values())

    return doc.Compared(
        services=len(subjects.services),
        operations=len(subjects.operations),
        operations_left_out=max(0, subjects.operation_count - len(subjects.operations)),
        log_patterns=patterns.patterns,
        comparisons=tests,
        current_spans=total("spans", "current"),
        baseline_spans=total("spans", "baseline"),
        current_log_records=total("logs", "current"),
        baseline_log_records=total("logs", "baseline"),
        log_records_grouped=patterns.records_grouped,
    )


def _nothing_to_compare(
    query: ask.AnomalyQuery, current: Window, baseline: Window, notes: Iterable[str]
) -> doc.AnomalyReport:
    nothing = _compared(Subjects({}, {}, 0), PatternsCompared([], 0, 0), 0)
    return doc.AnomalyReport(
        window=current.describe(),
        baseline=baseline.describe(),
        current_seconds=current.seconds,
        baseline_seconds=baseline.seconds,
        service_filter=query.service,
        anomalies=[],
        count=0,
        total=0,
        truncated=False,
        compared=nothing,
        notes=list(notes),
    )
