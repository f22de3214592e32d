"""Everything that belongs to one trace, held to a small world that is known in every part."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from clew.access.schema import SCHEMA as AUDIT
from clew.answers.correlate import LINKED_AFTER_NS, StrandAnswers
from clew.answers.documents import CorrelateReport
from clew.answers.parameters import CorrelateQuery
from clew.base.errors import ClewError, ErrorCode
from clew.base.times import TIME_NS_MAX
from clew.store.database.sqlite import SqliteDatabase
from clew.store.engine.chdb import ChdbEngine
from clew.team.comments.parameters import NewComment
from clew.team.comments.schema import SCHEMA
from clew.team.comments.service import TeamComments
from clew.telemetry.otlp.signal import Signal
from clew.telemetry.query.metrics.around import ServiceMetrics
from clew.telemetry.query.service import TelemetryQuery
from clew.telemetry.tables import TABLES
from clew.tree.known import KnownApps
from clew.tree.machine.app import App, Status
from clew.tree.machine.changes import AppAdded
from clew.tree.registry.keeping import keep
from clew.tree.registry.schema import SCHEMA as TREE
from clew.twin.ingest.judge import NoRegistries
from clew.twin.ingest.record import LogRecord
from clew.twin.ingest.rows import EventRows
from clew.twin.query.participants import TraceObjects
from clew.twin.tables import EVENTS
from tests.conformance.query_requests import (
    NOW,
    SECOND,
    entries,
    log,
    logs_request,
    span,
    traces_request,
)
from tests.conformance.query_store import HeldStore

MS = 10**6
CUMULATIVE = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
DELTA = AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA
NUMBERS = count(5_000, 100)
# Hostile, as names from outside are.
FRONT = 'front "end"\\'
BACK = "back\nend') OR 1=1 --"
IDLE = "idle"


@dataclass
class World:
    """A store, a registry, and a trace that nothing but this test knows."""

    store: HeldStore
    comments: TeamComments
    database: SqliteDatabase
    trace: int
    at: int

    @property
    def trace_id(self) -> str:
        return f"{self.trace:032x}"

    def ask(self, **asked: object) -> CorrelateReport:
        answers = StrandAnswers(
            TelemetryQuery(self.store, lambda: NOW),
            ServiceMetrics(self.store),
            self.comments,
            KnownApps(self.database),
            TraceObjects(self.store),
        )
        return answers.correlate(CorrelateQuery(trace=self.trace_id, **asked))  # type: ignore[arg-type]

    def add_spans(self, spans: list[Span], service: str) -> None:
        self.store.add(Signal.TRACES, traces_request(spans, service))

    def touch(self, *names: str, trace: int | None = None, service: str = FRONT) -> None:
        """Say something of objects, one after the other; the first time is their creation."""
        rows = EventRows(NoRegistries())
        trace_id = self.trace_id if trace is None else f"{trace:032x}"
        for place, name in enumerate(names):
            texts = {
                "trilog.obj.type": "Cart",
                "trilog.obj.id": name,
                "trilog.event.id": f"{trace_id}-{service}-{place}",
                "trilog.event.type": "event" if name in names[:place] else "created",
            }
            record = LogRecord(
                at=self.at + place,
                observed=0,
                received=self.at,
                severity=9,
                body="",
                trace_id=trace_id,
                span_id="",
                service=service,
                texts=texts,
            )
            rows.append(record, 0)
        batch = rows.finish()
        assert batch is not None
        table = pa.Table.from_batches([batch])
        self.store.engine.insert(EVENTS, table, token=f"{trace_id} {service}")

    def add_metrics(self, service: str, *metrics: Metric, instance: str = "") -> None:
        request = ExportMetricsServiceRequest()
        resource = request.resource_metrics.add()
        named = {"service.name": service, **({"host.name": instance} if instance else {})}
        resource.resource.attributes.extend(entries(named))
        resource.scope_metrics.add().metrics.extend(metrics)
        self.store.add(Signal.METRICS, request)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HeldStore]:
    engine = ChdbEngine(tmp_path_factory.mktemp("correlate"))
    engine.create((*TABLES, EVENTS))
    yield HeldStore(engine, received=NOW)
    engine.close()


@pytest.fixture
def world(store: HeldStore, tmp_path: Path) -> Iterator[World]:
    database = SqliteDatabase.open(tmp_path, [SCHEMA, AUDIT, TREE])
    number = next(NUMBERS)
    # Hours apart, so that no test's records lie around the trace of another.
    at = NOW - number * 3600 * SECOND
    yield World(store, TeamComments(database, lambda: NOW), database, number, at)
    database.close()


def gauge(name: str, points: list[tuple[int, float]], **attributes: str) -> Metric:
    metric = Metric(name=name, unit="By")
    for at, value in points:
        metric.gauge.data_points.add(
            time_unix_nano=at, as_double=value, attributes=entries(attributes)
        )
    return metric


def histogram(name: str, points: list[tuple[int, int, float]], temporality: int) -> Metric:
    metric = Metric(name=name, unit="ms")
    metric.histogram.aggregation_temporality = temporality  # type: ignore[assignment]
    for at, observed, total in points:
        metric.histogram.data_points.add(
            start_time_unix_nano=1,
            time_unix_nano=at,
            count=observed,
            sum=total,
            bucket_counts=[observed],
            explicit_bounds=[],
        )
    return metric


@pytest.mark.parametrize("place", ["hot", "flushed", "mixed"])
def test_one_answer_holds_what_belongs_to_the_trace_and_nothing_else(
    world: World, place: str
) -> None:
    at, trace, other = world.at, world.trace, world.trace + 1
    link = Span.Link(trace_id=other.to_bytes(16, "big"), span_id=(7).to_bytes(8, "big"))
    event = Span.Event(
        name="exception",
        time_unix_nano=at,
        attributes=entries({"exception.type": "Declined", "exception.message": "no money"}),
    )
    world.add_spans([span(1, at=at, duration=100 * MS, trace=trace, name="root")], FRONT)
    failed = span(
        2,
        at=at + 10 * MS,
        duration=50 * MS,
        trace=trace,
        parent=1,
        name="charge",
        status={"code": 2, "message": "declined"},
        events=[event],
        links=[link],
    )
    world.add_spans([failed, span(9, at=at, trace=other, name="elsewhere")], BACK)
    back = Span.Link(trace_id=trace.to_bytes(16, "big"), span_id=(2).to_bytes(8, "big"))
    later = at + LINKED_AFTER_NS
    world.add_spans(
        [
            span(5, at=at + 3600 * SECOND, trace=other, name="consume", links=[back]),
            span(6, at=later + SECOND, trace=other, name="too late", links=[back]),
        ],
        "consumer",
    )
    if place == "mixed":
        world.store.flush()
    ids: dict[str, Any] = {"trace_id": trace.to_bytes(16, "big"), "span_id": (2).to_bytes(8, "big")}
    records = [
        log("in the trace", at=at + 20 * MS, **ids),
        log("of the trace, an hour later", at=at + 3600 * SECOND, **ids),
        log("beside it", at=at + 30 * MS),
        log("at its last moment", at=at + 100 * MS),
        log("after it", at=at + 100 * MS + 1),
    ]
    world.store.add(Signal.LOGS, logs_request(records, BACK))
    world.store.add(Signal.LOGS, logs_request([log("idle", at=at + 1)], IDLE))
    minute = 60 * SECOND
    points = [(at - 2 * minute, 1.0), (at - minute + 1, 5.0), (at, 2.0), (at + minute, 3.0)]
    world.add_metrics(FRONT, gauge("memory", points, pool="a"), instance="host-1")
    world.add_metrics(FRONT, gauge("memory", [(at, 9.0)], pool="a"), instance="host-2")
    world.add_metrics(IDLE, gauge("memory", points))
    if place == "flushed":
        world.store.flush()
    world.comments.add(world.trace_id, NewComment(body="first")).result()
    world.comments.add(world.trace_id, NewComment(body="on a span", span_id="2")).result()
    world.comments.add(f"{other:x}", NewComment(body="elsewhere")).result()
    world.touch("cart-2", "cart-1", "cart-2")
    world.touch("cart-1", service=BACK)
    world.touch("cart-3", trace=other)

    report = world.ask()
    assert (report.trace_id, report.span_count, report.error_count) == (world.trace_id, 2, 1)
    assert report.services == sorted([FRONT, BACK])
    assert report.duration_ms == 100.0
    assert [(each.operation, each.depth, each.offset_ms) for each in report.spans] == [
        ("root", 0, 0.0),
        ("charge", 1, 10.0),
    ]
    assert report.spans[1].exception == "Declined: no money"
    assert report.spans[1].status_message == "declined"
    assert [each.body for each in report.logs] == ["of the trace, an hour later", "in the trace"]
    assert [each.body for each in report.nearby_logs] == ["at its last moment", "beside it"]
    assert [
        (each.service, each.name, each.metric_type, each.unit, each.instance, each.point_count)
        for each in report.metrics
    ] == [
        (FRONT, "memory", "gauge", "By", "host-1", 3),
        (FRONT, "memory", "gauge", "By", "host-2", 1),
    ]
    memory = report.metrics[0]
    assert memory.attributes == {"pool": "a"}
    assert (memory.first, memory.last, memory.min, memory.max) == (5.0, 3.0, 2.0, 5.0)
    assert memory.avg == pytest.approx(10 / 3)
    assert (memory.value, memory.mean) == (3.0, None)
    assert [(each.from_span_id, int(each.trace_id, 16)) for each in report.links] == [
        (f"{2:016x}", other)
    ]
    assert [(each.operation, each.service, each.to_span_ids) for each in report.linked_from] == [
        ("consume", "consumer", [f"{2:016x}"])
    ]
    assert [each.body for each in report.comments] == ["first", "on a span"]
    assert [
        (each.type, each.id, each.events, each.changes, each.services) for each in report.objects
    ] == [("Cart", "cart-1", 2, 2, sorted([FRONT, BACK])), ("Cart", "cart-2", 2, 1, [FRONT])]
    for name in report.sections.__struct_fields__:
        section = getattr(report.sections, name)
        assert section.count == len(getattr(report, name)) == section.total, name
        assert not section.truncated
        assert section.more is None


def test_each_list_is_cut_for_itself_and_says_how_to_get_the_rest(world: World) -> None:
    at, trace = world.at, world.trace
    links = [
        Span.Link(trace_id=number.to_bytes(16, "big"), span_id=(1).to_bytes(8, "big"))
        for number in (1, 2, 3)
    ]
    spans = [
        span(1, at=at, duration=500 * MS, trace=trace, name="root", links=links),
        *(span(n, at=at + n * MS, duration=n * MS, trace=trace, parent=1) for n in range(2, 9)),
        span(
            9, at=at + 90 * MS, duration=1, trace=trace, parent=1, name="tiny", status={"code": 2}
        ),
        span(10, at=at + 91 * MS, duration=400 * MS, trace=trace, parent=1, name="long"),
    ]
    world.add_spans(spans, FRONT)
    ids: dict[str, Any] = {"trace_id": trace.to_bytes(16, "big")}
    world.store.add(
        Signal.LOGS,
        logs_request(
            [log(f"t{n}", at=at + n, **ids) for n in range(5)]
            + [log(f"n{n}", at=at + n) for n in range(4)],
            FRONT,
        ),
    )
    world.add_metrics(FRONT, *(gauge(f"g{n}", [(at, 1.0)]) for n in range(6)))
    for number in range(7):
        world.comments.add(world.trace_id, NewComment(body=f"c{number}")).result()
    world.touch(*(f"o{number}" for number in range(8)))
    report = world.ask(limit=3)
    # What failed, the root, and what the end waited for; in the order of the trace.
    assert [each.operation for each in report.spans] == ["root", "tiny", "long"]
    totals = {
        "spans": 10,
        "logs": 5,
        "nearby_logs": 4,
        "metrics": 6,
        "links": 3,
        "comments": 7,
        "linked_from": 0,
        "objects": 8,
    }
    for name, total in totals.items():
        section = getattr(report.sections, name)
        assert (section.count, section.total) == (min(3, total), total), name
        assert section.count == len(getattr(report, name))
        assert section.truncated == (total > 3)
        assert (section.more is not None) == section.truncated
    assert [each.body for each in report.comments] == ["c0", "c1", "c2"]


def test_the_mean_of_a_histogram_is_that_of_one_observation_in_the_range(world: World) -> None:
    at = world.at
    world.add_spans([span(1, at=at, duration=SECOND, trace=world.trace)], FRONT)
    world.add_metrics(
        FRONT,
        histogram("grown", [(at, 10, 100.0), (at + SECOND, 14, 300.0)], CUMULATIVE),
        histogram("reset", [(at, 10, 100.0), (at + SECOND, 2, 6.0)], CUMULATIVE),
        histogram("parts", [(at, 10, 100.0), (at + SECOND, 10, 300.0)], DELTA),
        histogram("alone", [(at, 4, 10.0)], CUMULATIVE),
        histogram("empty", [(at, 0, 0.0)], CUMULATIVE),
    )
    means = {each.name: each.mean for each in world.ask().metrics}
    assert means == {"grown": 50.0, "reset": 3.0, "parts": 20.0, "alone": 2.5, "empty": None}


def test_points_without_a_value_do_not_count(world: World) -> None:
    at = world.at
    world.add_spans([span(1, at=at, duration=SECOND, trace=world.trace)], FRONT)
    stale = gauge("stale", [(at, 5.0), (at + 1, 0.0), (at + 2, float("nan"))])
    stale.gauge.data_points[1].flags = 1
    world.add_metrics(FRONT, stale)
    (series,) = world.ask().metrics
    assert (series.point_count, series.last, series.min) == (1, 5.0, 5.0)


def test_the_margin_says_how_far_around_a_trace_metrics_count(world: World) -> None:
    at = world.at
    world.add_spans([span(1, at=at, duration=SECOND, trace=world.trace)], FRONT)
    world.add_metrics(FRONT, gauge("g", [(at - 5 * SECOND, 1.0), (at + 600 * SECOND, 2.0)]))
    assert world.ask(margin="0s").metrics == []
    assert world.ask(margin="10s").metrics[0].point_count == 1
    assert world.ask(margin="1h").metrics[0].point_count == 2


@pytest.mark.parametrize(
    "asked", [{"limit": 0}, {"limit": 1001}, {"margin": "soon"}, {"margin": "25h"}]
)
def test_a_question_that_makes_no_sense_is_refused(world: World, asked: dict[str, object]) -> None:
    with pytest.raises(ClewError) as caught:
        world.ask(**asked)
    assert caught.value.code is ErrorCode.INVALID_ARGUMENT


def test_an_unknown_trace_is_not_found_even_with_comments(world: World) -> None:
    world.comments.add(world.trace_id, NewComment(body="nothing here")).result()
    with pytest.raises(ClewError) as caught:
        world.ask()
    assert caught.value.code is ErrorCode.NOT_FOUND


def test_a_trace_that_never_ends_is_told_like_any_other(world: World) -> None:
    for_ever = TIME_NS_MAX - world.at
    world.add_spans([span(1, at=world.at, duration=for_ever, trace=world.trace)], "s")
    assert world.ask().span_count == 1


def test_more_services_than_a_filter_holds_are_said_to_be_left_out(world: World) -> None:
    at = world.at
    for number in range(250):
        world.add_spans(
            [span(number + 1, at=at, duration=SECOND, trace=world.trace)], f"s{number:03}"
        )
    world.store.add(Signal.LOGS, logs_request([log("near", at=at)], "s000"))
    report = world.ask()
    assert len(report.services) == 250
    assert [each.body for each in report.nearby_logs] == ["near"]
    section = report.sections.nearby_logs
    assert (section.total, section.at_least, section.truncated) == (None, 1, True)


def test_the_apps_of_the_tree_that_ran_a_trace_are_told_with_how_they_stand(world: World) -> None:
    known, unknown = (f"01964b2e-7c1f-7d3a-9c55-0d6f3a1b2c{end}" for end in ("4d", "4e"))
    app = App(
        app_id=known, parent_id=None, app_name="planner", path=(known,), status=Status.RUNNING
    )
    world.database.submit(lambda writing: keep(writing, [AppAdded(app=app)])).result()
    number = 0
    for app_id, spans_of, code in ((known, 3, 2), (unknown, 1, 0), ("not an id", 1, 0)):
        spans = []
        for _ in range(spans_of):
            number += 1
            status = {"code": code}
            spans.append(span(number, at=world.at, trace=world.trace, name="work", status=status))
        request = traces_request(spans, f"service of {app_id}")
        for resource in request.resource_spans:
            resource.resource.attributes.extend(entries({"trails.app.id": app_id}))
        world.store.add(Signal.TRACES, request)
    report = world.ask()
    assert [(each.app_id, each.app_name, each.status, each.span_count) for each in report.apps] == [
        (known, "planner", "running", 3),
        (unknown, None, None, 1),
    ]
    assert report.apps[0].error_count == 3
    assert (report.sections.apps.count, report.sections.apps.truncated) == (2, False)
    assert world.ask(limit=1).sections.apps.truncated
