"""Planted faults are found, each as its kind; what is as it always was is not reported."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import format_time
from clew.store.engine.chdb import ChdbEngine
from clew.surfaces.rest.parameters import parse_parameters
from clew.telemetry.analytics import parameters as ask
from clew.telemetry.analytics.anomalies import find_anomalies
from clew.telemetry.query.logs import find_logs
from clew.telemetry.query.parameters import LogQuery, SpanQuery
from clew.telemetry.query.traces.spans import find_spans
from clew.telemetry.tables import TABLES
from tests.conformance.planted import HOUR, HOURS, Planted
from tests.conformance.query_requests import NOW
from tests.conformance.query_store import HeldStore

if TYPE_CHECKING:
    from clew.telemetry.analytics import reports as doc

DAY = 24 * HOUR


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChdbEngine]:
    engine = ChdbEngine(tmp_path_factory.mktemp("anomalies"))
    engine.create(TABLES)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def store(engine: ChdbEngine) -> HeldStore:
    """One store for all tests: each has a service, or a day, of its own."""
    return HeldStore(engine, received=NOW)


def ask_about(store: HeldStore, now: int = NOW, **more: object) -> doc.AnomalyReport:
    asked = {"start": format_time(now - HOUR), "end": format_time(now), **more}
    return find_anomalies(store, ask.AnomalyQuery(**asked), NOW)  # type: ignore[arg-type]


def said(report: doc.AnomalyReport) -> set[tuple[str, str, str | None]]:
    return {(each.kind, each.service, each.operation) for each in report.anomalies}


@pytest.mark.parametrize("place", ["hot", "flushed", "mixed"])
def test_a_quiet_system_has_no_anomalies_and_the_answer_says_what_was_compared(
    store: HeldStore, place: str
) -> None:
    days = {"hot": 1, "flushed": 2, "mixed": 3}[place]
    planted = Planted(seed=days, now=NOW - days * DAY)
    services = [f"quiet-{place}-{number}" for number in range(3)]
    for service in services:
        planted.add_steady(service)
    planted.add_noisy(f"noisy-{place}")
    planted.send(store, place)
    report = ask_about(store, planted.now)
    assert report.anomalies == []
    assert (report.count, report.total, report.truncated) == (0, 0, False)
    compared = report.compared
    assert (compared.services, compared.operations) == (4, 7)
    here = [
        span.start_time_unix_nano >= planted.now - HOUR
        for spans in planted.spans.values()
        for span in spans
    ]
    assert (compared.current_spans, compared.baseline_spans) == (sum(here), here.count(False))
    assert compared.current_log_records == 3 * 34
    assert compared.baseline_log_records == 3 * 34 * (HOURS - 1)
    assert compared.log_records_grouped == 3 * 34
    assert compared.log_patterns == 4
    assert compared.comparisons >= 3 * 7
    assert report.current_seconds == 3600
    assert report.baseline_seconds == pytest.approx(6 * 3600, rel=0.02)


Plant = Callable[[Planted, str], None]


def failing_operation(planted: Planted, service: str) -> None:
    planted.add_spans(service, "pay", 30 * (HOURS - 1), hours=(HOURS, 1))
    planted.add_spans(service, "pay", 30, hours=(1, 0), failing=0.6)


def slow_operation(planted: Planted, service: str) -> None:
    planted.add_spans(service, "pay", 50 * (HOURS - 1), hours=(HOURS, 1))
    planted.add_spans(service, "pay", 50, hours=(1, 0), ms=200)


def slow_tail(planted: Planted, service: str) -> None:
    """One span in ten is slow now: the middle is where it was."""
    planted.add_spans(service, "pay", 200 * (HOURS - 1), hours=(HOURS, 1))
    planted.add_spans(service, "pay", 180, hours=(1, 0))
    planted.add_spans(service, "pay", 20, hours=(1, 0), ms=900)


def more_traffic(planted: Planted, service: str) -> None:
    planted.add_spans(service, "pay", 30 * (HOURS - 1), hours=(HOURS, 1))
    planted.add_spans(service, "pay", 200, hours=(1, 0))


def less_traffic(planted: Planted, service: str) -> None:
    planted.add_spans(service, "pay", 60 * (HOURS - 1), hours=(HOURS, 1))
    planted.add_spans(service, "pay", 5, hours=(1, 0))


def new_operation(planted: Planted, service: str) -> None:
    planted.add_spans(service, "pay", 20, hours=(0.5, 0))


def vanished_operation(planted: Planted, service: str) -> None:
    planted.add_spans(service, "pay", 30 * (HOURS - 1), hours=(HOURS, 1))


@pytest.mark.parametrize(
    ("plant", "kind"),
    [
        (failing_operation, "error_rate"),
        (slow_operation, "p95_latency"),
        (slow_tail, "p95_latency"),
        (more_traffic, "throughput"),
        (less_traffic, "throughput"),
        (new_operation, "new_operation"),
        (vanished_operation, "vanished_operation"),
    ],
)
def test_a_planted_fault_is_found_at_its_operation(
    store: HeldStore, plant: Plant, kind: str
) -> None:
    service = f"planted-{plant.__name__}"
    planted = Planted(seed=7)
    planted.add_steady(service)
    plant(planted, service)
    planted.send(store)
    report = ask_about(store, service=service)
    assert (kind, service, "pay") in said(report)
    # The operations that nothing was planted into are as they were.
    assert {each.operation for each in report.anomalies} <= {"pay", None}
    [found] = [each for each in report.anomalies if (each.kind, each.operation) == (kind, "pay")]
    assert found.confidence > 0.99
    assert found.p_value == pytest.approx(1 - found.confidence)
    assert found.delta == pytest.approx(found.current - found.baseline)
    traces = {span.trace_id.hex(): span for span in planted.spans[service]}
    assert found.exemplar_trace_id is not None
    exemplar = traces[found.exemplar_trace_id]
    assert exemplar.name == "pay"
    is_current = exemplar.start_time_unix_nano >= NOW - HOUR
    assert is_current == (kind != "vanished_operation")
    if kind == "error_rate":
        assert exemplar.status.code == 2


def test_figures_of_a_finding_are_exact(store: HeldStore) -> None:
    planted = Planted(seed=3)
    service = "planted-exact"
    planted.add_steady(service)
    slow_operation(planted, service)
    planted.send(store)
    report = ask_about(store, service=service)
    [found] = [
        each for each in report.anomalies if each.operation == "pay" and each.kind == "p95_latency"
    ]
    sides: dict[bool, list[int]] = {True: [], False: []}
    for span in planted.spans[service]:
        if span.name == "pay":
            is_current = span.start_time_unix_nano >= NOW - HOUR
            sides[is_current].append(span.end_time_unix_nano - span.start_time_unix_nano)
    assert found.current in [each / 1e6 for each in sides[True]]
    assert found.baseline in [each / 1e6 for each in sides[False]]
    longer = sum(each / 1e6 > found.current for each in sides[True]) / len(sides[True])
    assert longer == pytest.approx(0.05, abs=0.02)
    assert (found.current_count, found.baseline_count) == (50, 300)
    pairs = [(a > b) + (a == b) / 2 for a in sides[True] for b in sides[False]]
    assert found.superiority == pytest.approx(sum(pairs) / len(pairs), abs=0.05)
    assert found.ratio == pytest.approx(found.current / found.baseline)


def test_a_new_and_a_vanished_service_are_said_once_and_not_by_operation(
    store: HeldStore,
) -> None:
    planted = Planted(seed=4, now=NOW - 4 * DAY)
    planted.add_steady("stays")
    for operation in ("a", "b"):
        planted.add_spans("comes", operation, 20, hours=(0.5, 0))
        planted.add_spans("goes", operation, 20 * (HOURS - 1), hours=(HOURS, 1))
    planted.add_logs("writes", "hello {n}", 12, hours=(0.5, 0))
    planted.send(store)
    report = ask_about(store, planted.now)
    assert said(report) == {
        ("new_service", "comes", None),
        ("new_service", "writes", None),
        ("vanished_service", "goes", None),
    }
    assert report.anomalies[0].kind == "vanished_service"


def test_logs_that_say_something_new_and_more_errors_are_found(store: HeldStore) -> None:
    planted = Planted(seed=5)
    service = "planted-logs"
    planted.add_steady(service)
    planted.add_logs(service, "disk {n} is full", 12, hours=(1, 0), severity=17, trace=99)
    planted.add_logs(service, "user {n} said hello", 2, hours=(1, 0))
    planted.send(store)
    report = ask_about(store, service=service)
    assert said(report) == {("new_log_pattern", service, None), ("error_logs", service, None)}
    [new] = [each for each in report.anomalies if each.kind == "new_log_pattern"]
    assert (new.pattern, new.current, new.severity) == ("disk <*> is full", 12, "medium")
    assert new.exemplar_trace_id == f"{99:032x}"
    [errors] = [each for each in report.anomalies if each.kind == "error_logs"]
    assert errors.current == pytest.approx(16 / 3600)
    assert errors.baseline == pytest.approx(4 / 3600)


def test_the_question_of_a_finding_gives_its_records(store: HeldStore) -> None:
    planted = Planted(seed=6)
    service = 'planted "asks"\n'
    planted.add_steady(service)
    failing_operation(planted, service)
    planted.add_logs(service, "disk {n} is full", 12, hours=(1, 0), severity=17)
    planted.send(store)
    report = ask_about(store, service=service)
    assert {each.kind for each in report.anomalies} >= {"error_rate", "new_log_pattern"}
    for each in report.anomalies:
        address = urlsplit(each.query.rest)
        query = address.query.encode()
        if address.path == "/api/v1/logs":
            logs = find_logs(store, parse_parameters(query, LogQuery), NOW).logs
            assert logs
            assert {one.service for one in logs} == {service}
        else:
            assert address.path == "/api/v1/traces"
            spans = find_spans(store, parse_parameters(query, SpanQuery), NOW).spans
            assert spans
            assert {one.service for one in spans} == {service}
            assert each.operation in {None, *(one.operation for one in spans)}
        assert each.query.cli.startswith("clew ")


def test_the_worst_comes_first_and_a_limit_is_said(store: HeldStore) -> None:
    planted = Planted(seed=8)
    service = "planted-much"
    planted.add_steady(service)
    failing_operation(planted, service)
    planted.add_spans(service, "pay", 300, hours=(1, 0), ms=900, failing=0.9)
    planted.send(store)
    report = ask_about(store, service=service)
    order = [("high", "medium", "low").index(each.severity) for each in report.anomalies]
    assert order == sorted(order)
    first = ask_about(store, service=service, limit=1)
    assert (first.count, first.total, first.truncated) == (1, report.total, True)
    assert first.anomalies == report.anomalies[:1]


def test_without_a_record_before_the_window_nothing_is_compared(store: HeldStore) -> None:
    planted = Planted(seed=9)
    planted.add_steady("planted-first")
    planted.send(store)
    report = ask_about(store, NOW - 300 * DAY)
    assert report.anomalies == []
    assert report.compared.comparisons == 0
    assert report.notes == ["there are no records in the baseline: nothing to compare with"]


def test_a_baseline_that_began_late_is_not_taken_for_silence(store: HeldStore) -> None:
    """What ran for two hours is not three times as busy as in the six hours before."""
    planted = Planted(seed=10, now=NOW - 30 * DAY)
    planted.add_spans("planted-late", "read", 120, hours=(3, 0))
    planted.send(store)
    report = ask_about(store, planted.now)
    assert report.anomalies == []
    assert report.baseline_seconds == pytest.approx(2 * 3600, rel=0.02)
    assert report.notes[0].startswith("the baseline begins with the first record, at ")


def test_bad_questions_are_refused(store: HeldStore) -> None:
    for more in (
        {"limit": 0},
        {"start": None, "end": None, "last": "soon"},
        {"baseline": "1h", "baseline_start": "2h"},
        {"baseline_end": format_time(NOW)},
    ):
        with pytest.raises(ClewError) as caught:
            ask_about(store, **more)
        assert caught.value.code is ErrorCode.INVALID_ARGUMENT
        assert caught.value.hint
