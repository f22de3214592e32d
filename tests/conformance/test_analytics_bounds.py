"""Where a store holds more than the analytics look at, and longer spans than 64 bits can add up."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from clew.base.times import format_time
from clew.store.engine.chdb import ChdbEngine
from clew.telemetry.analytics import parameters as ask
from clew.telemetry.analytics import topology
from clew.telemetry.analytics.anomalies import find_anomalies
from clew.telemetry.analytics.differences import diff
from clew.telemetry.analytics.new_patterns import SEARCHED_MAX
from clew.telemetry.analytics.patterns import TEXTS_MAX
from clew.telemetry.analytics.subjects import OPERATIONS_MAX
from clew.telemetry.analytics.summary import summarize
from clew.telemetry.analytics.topology import map_topology
from clew.telemetry.genai.prices import PriceBook
from clew.telemetry.genai.service import TelemetryGenAi
from clew.telemetry.otlp.signal import Signal
from clew.telemetry.query.parameters import OperationQuery, ServiceQuery
from clew.telemetry.query.services import list_operations, list_services
from clew.telemetry.tables import TABLES
from tests.conformance.planted import HOUR, Planted
from tests.conformance.query_requests import NOW, log, logs_request, span, traces_request
from tests.conformance.query_store import DAY_NS, HeldStore

NEVER_NS = 2**63 - 1
"""The latest end that a span may have; three such durations are more than 64 bits hold."""


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChdbEngine]:
    engine = ChdbEngine(tmp_path_factory.mktemp("bounds"))
    engine.create(TABLES)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def store(engine: ChdbEngine) -> HeldStore:
    """One store for all tests: each has a day of its own."""
    return HeldStore(engine, received=NOW)


def test_averages_of_spans_that_never_end_are_not_too_short(store: HeldStore) -> None:
    start = NOW - DAY_NS
    for service, parent in (("asks", 0), ("answers", 1)):
        spans = [
            span(1 + bool(parent), trace=trace, parent=parent, at=start, duration=NEVER_NS - start)
            for trace in range(1, 4)
        ]
        store.add(Signal.TRACES, traces_request(spans, service))
    store.flush()
    window: dict[str, Any] = {"start": format_time(start), "end": format_time(start + HOUR)}
    longest_ms = pytest.approx((NEVER_NS - start) / 1e6)
    genai = TelemetryGenAi(store, lambda: NOW, PriceBook())
    summary = summarize(store, genai, ask.SummaryQuery(**window), NOW)
    assert summary.traces.max_ms == longest_ms
    assert summary.traces.avg_ms == longest_ms
    [edge] = map_topology(store, ask.TopologyQuery(**window), NOW).edges
    assert (edge.from_, edge.to) == ("asks", "answers")
    assert edge.avg_duration_ms == longest_ms
    services = list_services(store, ServiceQuery(**window), NOW).services
    assert [each.avg_duration_ms for each in services] == [longest_ms] * 2
    operations = list_operations(store, OperationQuery(**window), NOW).operations
    assert [each.avg_duration_ms for each in operations] == [longest_ms] * 2
    assert diff(store, ask.DiffQuery(**window), NOW).metrics.avg_ms.current == longest_ms


def test_a_graph_of_more_traces_than_are_looked_at_at_once_is_the_same(
    store: HeldStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = NOW - 6 * DAY_NS
    ask_db = {"db.system": "redis"}
    call, serve, receive = Span.SPAN_KIND_CLIENT, Span.SPAN_KIND_SERVER, Span.SPAN_KIND_CONSUMER
    sent: dict[str, list[Span]] = {"web": [], "shop": [], "mail": []}
    for trace in range(1, 21):
        before = (trace - 1).to_bytes(16, "big")
        link = Span.Link(trace_id=before, span_id=(1).to_bytes(8, "big"))
        at: dict[str, Any] = {"trace": trace, "at": start + trace, "duration": trace**2}
        sent["web"] += [span(1, kind=call, attributes=ask_db, **at), span(2, parent=1, **at)]
        sent["shop"].append(span(3, parent=2 if trace % 3 else 1, kind=serve, links=[link], **at))
        queue = {"messaging.system": "kafka"}
        parent = 3 if trace % 2 else 0
        sent["mail"].append(span(4, parent=parent, kind=receive, attributes=queue, **at))
    for service, spans in sent.items():
        store.add(Signal.TRACES, traces_request(spans, service))
    query = ask.TopologyQuery(start=format_time(start), end=format_time(start + HOUR))
    whole = map_topology(store, query, NOW)
    assert {(edge.from_, edge.to, edge.kind) for edge in whole.edges} == {
        ("web", "shop", "call"),
        ("web", "shop", "link"),
        ("web", "redis", "call"),
        ("shop", "mail", "messaging"),
        ("kafka", "mail", "messaging"),
    }
    assert whole.spans_with_parent_outside_window == 0
    assert whole.links_to_spans_outside_window == 1
    monkeypatch.setattr(topology, "PASS_SPANS", 9)
    assert map_topology(store, query, NOW) == whole


def test_the_called_one_of_two_spans_that_share_an_id_is_the_parent(store: HeldStore) -> None:
    """Some tracers give both ends of a call one id."""
    start = NOW - 8 * DAY_NS
    for number, service in enumerate(("web", "shop")):
        kind = (Span.SPAN_KIND_CLIENT, Span.SPAN_KIND_SERVER)[number]
        shared = span(7, at=start + number, kind=kind)
        store.add(Signal.TRACES, traces_request([shared], service))
    store.add(Signal.TRACES, traces_request([span(8, parent=7, at=start + 5)], "stock"))
    query = ask.TopologyQuery(start=format_time(start), end=format_time(start + HOUR))
    edges = map_topology(store, query, NOW).edges
    assert [(edge.from_, edge.to) for edge in edges] == [("shop", "stock")]


def test_every_service_is_compared_however_many_there_are(store: HeldStore) -> None:
    """The one with the fewest spans told more by logs before: it has not vanished."""
    now = NOW - 2 * DAY_NS
    requests = traces_request([])
    for number in range(OPERATIONS_MAX + 5):
        spans = [
            span(place + 1, trace=number + 1, at=now - round(hours * HOUR))
            for place, hours in enumerate((0.5, 0.7))
        ]
        requests.MergeFrom(traces_request(spans, f"busy-{number:04}"))
    requests.MergeFrom(traces_request([span(1, trace=9999, at=now - HOUR // 2)], "quiet"))
    store.add(Signal.TRACES, requests)
    records = [log("hello", at=now - HOUR - number * HOUR // 12) for number in range(1, 60)]
    store.add(Signal.LOGS, logs_request(records, "quiet"))
    window: dict[str, Any] = {"start": format_time(now - HOUR), "end": format_time(now)}
    report = find_anomalies(store, ask.AnomalyQuery(**window), NOW)
    assert report.compared.services == OPERATIONS_MAX + 6
    assert report.compared.current_spans == 2 * (OPERATIONS_MAX + 5) + 1
    assert report.compared.operations_left_out == 6
    assert "quiet" not in {each.service for each in report.anomalies}


def test_a_pattern_is_new_only_if_no_record_of_the_baseline_has_it(store: HeldStore) -> None:
    """Also where the baseline says more things than are read of it."""
    planted = Planted(now=NOW - 4 * DAY_NS)
    chance = random.Random(11)
    before, now = (2, 1), (1, 0)
    for _ in range(TEXTS_MAX + 500):
        # Without digits and letters that stand for them: each is a text of its own.
        planted.add_logs("chatters", "".join(chance.choices("ghijklmnop", k=12)), 2, hours=before)
    planted.add_logs("moves", "tenant\t{n} moved to {n}", 1, hours=before)
    planted.add_logs("moves", "tenant {n} moved to {n}", 12, hours=now)
    planted.add_logs("moves", "tenant {n} was moved to {n}", 11, hours=now)
    planted.add_logs("tells", "once", 1, hours=before)
    planted.add_logs("tells", "long ago", 1, hours=(4, 3))
    several = SEARCHED_MAX + 5
    for words in range(several):
        planted.add_logs("tells", "again" + " and again" * words, 8, hours=now)
    planted.send(store, "flushed")
    window: dict[str, Any] = {
        "start": format_time(planted.now - HOUR),
        "end": format_time(planted.now),
    }
    report = find_anomalies(store, ask.AnomalyQuery(**window, baseline="1h", limit=100), NOW)
    new = [each for each in report.anomalies if each.kind == "new_log_pattern"]
    assert {each.pattern for each in new if each.service == "moves"} == {
        "tenant <*> was moved to <*>"
    }
    # Two of those searched for are of the other service.
    assert sum(each.service == "tells" for each in new) == SEARCHED_MAX - 2
    untold = several - (SEARCHED_MAX - 2)
    assert report.notes == [
        f"{untold} log patterns may be new: the baseline has too many texts to tell"
    ]
