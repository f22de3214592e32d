"""Summary and topology against plain Python over the same spans, hot and stored alike."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clew.base.times import format_time
from clew.store.engine.chdb import ChdbEngine
from clew.telemetry.analytics import parameters as ask
from clew.telemetry.analytics.summary import summarize
from clew.telemetry.analytics.topology import map_topology
from clew.telemetry.genai.prices import PriceBook
from clew.telemetry.genai.service import TelemetryGenAi
from clew.telemetry.otlp.signal import Signal
from clew.telemetry.tables import TABLES
from tests.conformance.query_requests import NOW
from tests.conformance.query_store import DAY_NS, HeldStore
from tests.property.spans_model import (
    KINDS,
    MINUTE,
    Made,
    draw_graph,
    figures,
    grouped,
    to_request,
)
from tests.trying import examples

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clew.telemetry.analytics import documents as doc

LENGTH = 30 * MINUTE

# Each example has a day of its own in the one store, so that none sees another's spans.
DAYS = count(1)

PEERS: list[dict[str, Any]] = [
    {},
    {"peer.service": "b"},
    {"server.address": "api.example.com"},
    {"db.system": "postgresql", "server.address": "db.internal"},
    {"db.system": "redis", "db.name": "0"},
    {"messaging.system": "kafka", "messaging.destination.name": "orders"},
    {"messaging.system": "kafka", "messaging.operation": "receive"},
    {"url.full": "https://pay.example.org:8443/v1?x=1"},
]

KEYS = st.tuples(st.integers(1, 3), st.integers(1, 12))
TIMES = st.one_of(
    st.integers(0, LENGTH - 1),
    st.integers(-20 * MINUTE, LENGTH + 20 * MINUTE),
    st.sampled_from([-15 * MINUTE - 1, -15 * MINUTE, -1, 0, LENGTH - 1, LENGTH]),
)


@st.composite
def spans(draw: st.DrawFn) -> list[Made]:
    keys = draw(st.lists(KEYS, min_size=1, max_size=12, unique=True))
    return [
        Made(
            trace=trace,
            number=number,
            parent=draw(st.integers(0, 12)),
            service=draw(st.sampled_from(["a", "b", "c"])),
            operation=draw(st.sampled_from(["get", "put"])),
            kind=draw(st.sampled_from(KINDS)),
            at=draw(TIMES),
            duration=draw(st.integers(0, 10**9)),
            failed=draw(st.booleans()),
            message=draw(st.sampled_from(["", "boom", "bäng " * 60])),
            exception=draw(st.sampled_from(["", "IOError"])),
            links=tuple(draw(st.lists(KEYS, max_size=2))),
            attributes=draw(st.sampled_from(PEERS)),
        )
        for trace, number in keys
    ]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HeldStore]:
    engine = ChdbEngine(tmp_path_factory.mktemp("analytics"))
    engine.create(TABLES)
    yield HeldStore(engine, received=NOW)
    engine.close()


def fill(store: HeldStore, made: list[Made], stored: int) -> dict[str, Any]:
    """Add spans, the first of them stored and the others hot; return the window to ask for."""
    start = NOW - next(DAYS) * DAY_NS
    for part in (made[:stored], made[stored:]):
        if part:
            store.add(Signal.TRACES, to_request(part, start))
        if part is not made[stored:] and stored:
            store.flush()
    return {"start": format_time(start), "end": format_time(start + LENGTH)}


@settings(max_examples=examples(10), suppress_health_check=list(HealthCheck))
@given(made=spans(), stored=st.integers(0, 12))
def test_a_summary_says_what_counting_by_hand_says(
    store: HeldStore, made: list[Made], stored: int
) -> None:
    asked = fill(store, made, stored)
    genai = TelemetryGenAi(store, lambda: NOW, PriceBook())
    summary = summarize(store, genai, ask.SummaryQuery(**asked, limit=100), NOW)
    inside = [span for span in made if 0 <= span.at < LENGTH]
    seconds = LENGTH / 1e9
    assert summary.window_seconds == seconds
    assert summary.quantile_error == 0
    assert summary.traces.trace_count == len({span.trace for span in inside})
    assert of(summary.traces) == pytest.approx(figures(inside, seconds))
    services = {each.service: of(each) for each in summary.top_services}
    assert list(services) == sorted(
        services, key=lambda name: (-services[name]["span_count"], name)
    )
    operations = {(each.service, each.operation): of(each) for each in summary.slowest_operations}
    by_service = grouped(inside, lambda span: span.service)
    by_operation = grouped(inside, lambda span: (span.service, span.operation))
    for ours, theirs in ((services, by_service), (operations, by_operation)):
        assert set(ours) == set(theirs)
        for name, each in theirs.items():
            assert ours[name] == pytest.approx(figures(each, seconds))
    assert summary.service_count == len(by_service)
    assert summary.operation_count == len(by_operation)
    slowest = [each.p95_ms for each in summary.slowest_operations]
    assert slowest == sorted(slowest, reverse=True)
    failing = {(each.service, each.operation) for each in summary.top_error_operations}
    assert failing == {(span.service, span.operation) for span in inside if span.failed}
    errors = grouped(
        (span for span in inside if span.failed),
        lambda span: (span.service, span.operation, span.message[:200], span.exception),
    )
    assert summary.error_group_count == len(errors)
    said = {
        (each.service, each.operation, each.message, each.exception_type): each
        for each in summary.top_errors
    }
    assert set(said) == set(errors)
    for key, failed in errors.items():
        newest = max(failed, key=lambda span: (span.at, span.key))
        assert said[key].error_count == len(failed)
        assert (int(said[key].trace_id, 16), int(said[key].span_id, 16)) == newest.key


@settings(max_examples=examples(8), suppress_health_check=list(HealthCheck))
@given(made=spans(), stored=st.integers(0, 12))
def test_a_graph_has_the_edges_that_looking_at_each_pair_finds(
    store: HeldStore, made: list[Made], stored: int
) -> None:
    asked = fill(store, made, stored)
    topology = map_topology(store, ask.TopologyQuery(**asked), NOW)
    expected = draw_graph(made, LENGTH)
    edges = {(edge.from_, edge.to, str(edge.kind)): edge for edge in topology.edges}
    assert len(edges) == topology.count == topology.total
    assert set(edges) == set(expected.edges)
    for key, (calls, errors, average, p95) in expected.edges.items():
        edge = edges[key]
        assert (edge.calls, edge.errors) == (calls, errors)
        assert edge.avg_duration_ms == pytest.approx(average)
        assert edge.p95_duration_ms == pytest.approx(p95)
    inside = [span for span in made if 0 <= span.at < LENGTH]
    assert topology.spans_examined == len(inside)
    assert topology.spans_with_parent_outside_window == expected.missing["call"]
    assert topology.links_to_spans_outside_window == expected.missing["link"]
    assert topology.services == sorted({span.service for span in inside})
    names = {name for key in edges for name in key[:2]} | set(topology.services)
    assert {node.name for node in topology.nodes} == names


def of(document: doc.SpanTotals | doc.ServiceSummary) -> dict[str, Any]:
    """Return the figures of a document, under the names that the model has for them."""
    return {name: getattr(document, name) for name in figures([], 1.0)}
