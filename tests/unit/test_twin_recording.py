"""Runs that are recorded, kept and asked, and what is said of an object that is not as expected."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider

from clew.base.errors import ClewError, ErrorCode
from clew.testing import RecordedRun, assert_twin, fetch_run, record_run, replay
from clew.twin import (
    AsyncReconstructor,
    Dict,
    Float,
    Integer,
    List,
    Object,
    Process,
    Reconstructor,
    Reference,
    Registry,
    String,
    Timestamp,
    TriLogLogger,
    anchor,
    tracked,
)
from clew.twin.events import Event, EventType

SAY = TriLogLogger(__name__)
TRACER = TracerProvider().get_tracer(__name__)


class Rack(Object):
    """Where parcels stand."""

    row = Integer(default=1)


class Parcel(Object):
    weight = Float(default=0.0)
    labels = List(String())
    sizes = Dict({"w": Integer()})
    state = String(default="new")
    code = String(sensitive=True)
    packed = Timestamp()
    shelf = Reference(Rack)
    above = Reference("Parcel")


class Boxing(Process):
    phases = ("fill", "seal")
    count = Integer(default=0)


def pack() -> RecordedRun:
    """Return a run of two parcels on a shelf, in two spans, and the process that packed them."""
    with record_run() as run:
        with TRACER.start_as_current_span("pack"):
            with anchor("s1", Rack):
                SAY.created(row=3)
            with anchor("c1", Parcel):
                SAY.created(weight=1, labels=["a", "b"], shelf="s1", code="secret")
                SAY.event("dropped", weight=99)
            with anchor("p1", Boxing):
                SAY.phase_change("fill", count=1)
        with anchor("c2", Parcel):
            SAY.created(above="c1", sizes={"w": 4})
        with anchor("c1", Parcel), TRACER.start_as_current_span("again"):
            SAY.state_change(weight=2.5, above="nowhere", packed=datetime(2026, 1, 2, tzinfo=UTC))
    return run


@pytest.fixture(scope="module")
def run() -> RecordedRun:
    return pack()


def test_what_a_program_says_is_recorded_in_order_with_its_values_and_spans(
    run: RecordedRun,
) -> None:
    assert run.objects == [("Boxing", "p1"), ("Parcel", "c1"), ("Parcel", "c2"), ("Rack", "s1")]
    assert [each.type for each in run.events] == [
        *("created", "created", "event", "phase_change", "created", "state_change"),
    ]
    parcel = run.reconstructor().reconstruct("c1")
    assert isinstance(parcel.twin, Parcel)
    assert (parcel.weight, parcel.labels, parcel.shelf) == (2.5, ["a", "b"], "s1")
    assert (parcel.twin.packed, parcel.code) == (datetime(2026, 1, 2, tzinfo=UTC), "[redacted]")
    first, last = Reconstructor(run).find_field_changes("c1", "weight")
    assert (first.new, last.new) == (1.0, 2.5)
    assert len({first.event.span_id, last.event.span_id, ""}) == 3
    assert run.reconstructor().reconstruct("c1", f"span:{first.event.span_id}").weight == 1.0


def test_while_it_is_recorded_nothing_leaves_unless_it_is_let_go() -> None:
    exporter: Any = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]
    provider = LoggerProvider()
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    say = TriLogLogger("out", provider=provider)
    with anchor("c3", Parcel):
        with record_run() as outer:
            say.state_change(weight=1)
            with record_run(forward=True) as inner:
                say.state_change(weight=2)
            assert exporter.get_finished_logs() == ()
        with record_run(forward=True) as let_go:
            say.state_change(weight=3)
        say.state_change(weight=4)
    assert [len(each.events) for each in (outer, inner, let_go)] == [2, 1, 1]
    bodies = [each.log_record.attributes["parcel.weight"] for each in exporter.get_finished_logs()]
    assert bodies == [3.0, 4.0]


def test_every_thread_and_tracked_object_is_heard_and_words_about_nothing_are_not() -> None:
    def work(name: str) -> None:
        with tracked(Parcel(name)) as parcel:
            parcel.weight = 5

    with record_run() as run:
        SAY.info("about nothing")
        threads = [threading.Thread(target=work, args=(f"t{n}",)) for n in range(4)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
    assert len(run.objects) == 4
    for _, obj_id in run.objects:
        assert_twin(run, obj_id, weight=5.0)


def test_a_run_comes_back_from_its_file_without_the_code(run: RecordedRun, tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    run.save(path)
    again = replay(path)
    assert again.events == run.events
    text = path.read_text()
    assert "secret" not in text
    assert sum(line.startswith('{"at":') for line in text.splitlines()) == len(run.events)
    strangers = Registry("empty")
    parcel = again.reconstructor(strangers).reconstruct("c1")
    assert type(parcel.twin) is not Parcel
    ours = run.reconstructor().reconstruct("c1")
    assert (parcel.state, parcel.labels) == (ours.state, ["a", "b"])
    again.save(tmp_path / "twice.json")
    assert replay(tmp_path / "twice.json").events == run.events


def test_events_that_are_edited_give_another_run(run: RecordedRun) -> None:
    events = [
        replace(each, patch={"row": 4}) if each.obj_id == "s1" else each for each in run.events
    ]
    assert_twin(RecordedRun(events), "s1", row=4)
    assert_twin(RecordedRun(event for event in events if event.obj_id != "s1"), "s1", exists=False)


def test_a_registry_may_be_given_for_what_is_recorded() -> None:
    registry = Registry("own")

    @registry.register
    class Sack(Object, prefix="big_sack"):
        kilos = Integer(default=2)

    with record_run(registry) as run, anchor("k1", Sack):
        SAY.created(kilos=3)
    assert run.events[0].patch == {"kilos": 3}
    assert run.events[0].checksum == registry.compute_checksum()
    assert run.to_schema() == registry.to_schema()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a recorded run"),
        (b"\xff", "not a recorded run"),
        (b"[]", "not a recorded run"),
        (b'{"clew_run": 1}', "not a recorded run"),
        (b'{"clew_run": 9, "recorded_at": "", "events": []}', "of version 9; this clew reads"),
        (
            b'{"clew_run": 1, "recorded_at": "", "events": [%s]}'
            % b'{"at": "soon", "id": "1", "type": "created", "object": ["A", "1"]}',
            "not a time",
        ),
        (b'{"clew_run": 1, "recorded_at": "", "registry": 5, "events": []}', "registry"),
    ],
)
def test_what_is_no_recording_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(ClewError, match=message) as refused:
        replay(tmp_path / "run.json")
    assert refused.value.code is ErrorCode.INVALID_ARGUMENT


def test_objects_of_a_run_may_be_taken_out_of_it(run: RecordedRun) -> None:
    one = fetch_run(run, objects=["c2", ("Rack", "s1")])
    assert one.objects == [("Parcel", "c2"), ("Rack", "s1")]
    schema = one.to_schema()
    assert schema is not None
    assert sorted(schema.objects) == ["Parcel", "Rack"]
    traced = fetch_run(run, trace_id=run.events[0].trace_id, until=datetime.now(UTC))
    assert traced.objects == [("Boxing", "p1"), ("Parcel", "c1"), ("Rack", "s1")]
    for wrong, message in (
        ({}, "no object is named"),
        ({"objects": ["nobody"]}, "nothing is known"),
        ({"trace_id": "0" * 32}, "no event of an object is known of the trace"),
    ):
        with pytest.raises(ClewError, match=message):
            fetch_run(run, **wrong)


def test_a_graph_and_the_objects_of_a_trace_are_found_in_a_run_too(run: RecordedRun) -> None:
    made = run.reconstructor()
    graph = made.get_graph("c2")
    assert [each.id for each in graph.objects] == ["c2", "c1", "s1"]
    assert [
        (*each.from_, each.field, each.to[1], each.is_dangling) for each in graph.references
    ] == [
        ("Parcel", "c2", "above", "c1", False),
        ("Parcel", "c1", "shelf", "s1", False),
        ("Parcel", "c1", "above", "nowhere", True),
    ]
    near = made.get_graph("c2", depth=1)
    assert (near.truncated, [each.id for each in near.objects]) == (True, ["c2", "c1"])
    assert near.warnings[0].message.startswith("2 objects lie deeper than 1")
    then = made.get_graph("c1", f"event:{run.events[1].event_id}")
    assert [each.field for each in then.references] == ["shelf"]
    trace_id = run.events[0].trace_id
    touched = made.objects_in_trace(trace_id, 2)
    assert (touched.step, touched.steps, touched.count) == (2, 4, 3)
    assert [(each.twin.id, each.twin.exists, each.events) for each in touched.objects] == [
        ("s1", True, 1),
        ("c1", True, 2),
        ("p1", False, 1),
    ]
    assert touched.objects[1].twin.state["weight"] == 1.0
    assert touched.event is not None
    assert touched.event.event_id == run.events[1].event_id
    before = made.objects_in_trace(trace_id, 0)
    assert [each.twin.exists for each in before.objects] == [False] * 3
    with pytest.raises(ClewError, match="the trace has 4 steps"):
        made.objects_in_trace(trace_id, 5)


def test_an_object_that_is_as_expected_passes(run: RecordedRun) -> None:
    assert_twin(run, "c1", weight=2.5, state="new", labels=["a", "b"])
    assert_twin(run, "c1", {"weight": pytest.approx(2.4, abs=0.2)})
    assert_twin(run, "c1", packed=datetime(2026, 1, 2, tzinfo=UTC), obj_type=Parcel)
    assert_twin(run, "c1", packed="2026-01-02T00:00:00.000000000Z")
    assert_twin(run, "c1", weight=1, at=f"event:{run.events[1].event_id}")
    assert_twin(run.reconstructor(), "s1", row=3, exactly=True)
    assert_twin(run, "p1", phase="fill", status="started", count=1)
    assert_twin(run, "nobody", exists=False)
    assert_twin(run, "c2", exists=False, at=run.events[0].at)
    assert_twin(run, "c2", exists=False, at=f"event:{run.events[0].event_id}")


def problem_of(run: Any, obj_id: str, **asked: Any) -> list[str]:
    with pytest.raises(AssertionError) as failed:
        assert_twin(run, obj_id, **asked)
    return str(failed.value).splitlines()


def test_what_is_otherwise_is_told_with_the_event_that_made_it_so(run: RecordedRun) -> None:
    head, *lines = problem_of(
        run, "c1", weight=3, state="sold", wieght=1, labels=["a"], shelf="s1", exactly=True
    )
    assert head.startswith("Parcel c1 at 20")
    assert head.endswith("Z is not as expected")
    last = run.events[-1]
    assert lines[0] == "  weight: expected 3"
    assert lines[1].startswith("          is       2.5, since 20")
    assert lines[1].endswith(f": state_change {last.event_id} in span {last.span_id}")
    assert lines[2:4] == [
        "  state: expected 'sold'",
        "         is       'new', the default: no event set it",
    ]
    assert lines[4] == "  wieght: there is no such field; did you mean weight?"
    assert lines[5:7][0] == "  labels: expected ['a']"
    assert lines[7:] == [
        "  above: is 'nowhere', and not expected at all",
        "  code: is '[redacted]', and not expected at all",
        "  packed: is '2026-01-02T00:00:00.000000000Z', and not expected at all",
    ]


def test_long_values_are_told_by_what_differs() -> None:
    labels = [f"label-{n}" for n in range(40)]
    with record_run() as run, anchor("c9", Parcel):
        SAY.created(labels=labels)
    lines = problem_of(run, "c9", labels=[*labels[:20], "odd", *labels[21:]])
    assert lines[3:] == [
        "    @@ -20,3 +20,3 @@",
        "      'label-19',",
        "    - 'odd',",
        "    + 'label-20',",
        "      'label-21',",
    ]


def test_whether_it_exists_is_told(run: RecordedRun) -> None:
    (line,) = problem_of(run, "s1", exists=False)
    assert line.endswith("exists, with {'row': 3}")
    assert problem_of(run, "nobody") == ["nothing is known of an object 'nobody'"]
    (line,) = problem_of(run, "c2", at="2024-01-15T10:30:00Z")
    assert "does not exist: its first event is of 20" in line
    with record_run() as gone, anchor("c8", Parcel):
        SAY.created()
        SAY.deleted()
    (line,) = problem_of(gone, "c8")
    assert line.endswith("was deleted")
    assert_twin(gone, "c8", exists=False)
    with pytest.raises(ClewError, match="stands at event:none"):
        assert_twin(run, "s1", exists=False, at="event:none")


def test_true_is_not_one_and_what_an_object_lacks_is_named() -> None:
    with record_run() as run, anchor("w1", "Wild"):
        SAY.state_change(n=1, ok=True)
    assert_twin(run, "w1", n=1, ok=True)
    assert problem_of(run, "w1", ok=1)[1:2] == ["  ok: expected 1"]
    assert problem_of(run, "w1", other=1)[1] == "  other: there is no such field; it has n, ok"


def test_it_waits_for_what_others_say_as_long_as_it_may() -> None:
    started = threading.Event()

    def say_later(run: RecordedRun) -> None:
        started.wait()
        run.append(
            Event(at=1, seq=1, event_id="1", type=EventType.CREATED, obj_type="Late", obj_id="l1")
        )

    run = RecordedRun()
    thread = threading.Thread(target=say_later, args=(run,))
    thread.start()
    with pytest.raises(AssertionError):
        assert_twin(run, "l1", within=0.01)
    started.set()
    assert_twin(run, "l1", within=30)
    thread.join()


def test_a_server_that_is_none_is_refused_at_once() -> None:
    with pytest.raises(ClewError, match="no clew server answers"):
        assert_twin("127.0.0.1:9", "c1", within=30)


def test_the_kit_has_no_other_names() -> None:
    import clew.testing

    with pytest.raises(AttributeError, match="no attribute 'assert_twins'"):
        _ = clew.testing.assert_twins


def test_words_of_loggers_are_recorded_as_words(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    with record_run() as run, anchor("c7", Parcel):
        SAY.error("broken", ValueError("why"), weight=5)
    (event,) = run.events
    assert (event.type, event.patch, event.body) == ("log", {}, "broken")
    assert msgspec.json.encode(event.data)


@pytest.mark.parametrize(
    ("obj_id", "message"),
    [
        ("", "an id has 1 to 2048 characters, not 0"),
        ("x" * 10_000, "not 10000"),
        ("\ud800", "no text that UTF-8 can write"),
        (None, "an id is a text, not a NoneType"),
        (("Rack", "s1"), "an id is a text, not a tuple"),
    ],
)
def test_what_is_no_id_is_refused(run: RecordedRun, obj_id: Any, message: str) -> None:
    with pytest.raises(ClewError, match=message) as refused:
        run.reconstructor().reconstruct(obj_id)
    assert refused.value.code is ErrorCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda r: r.reconstruct("s1", obj_type=5), "a type is a text, not a int"),
        (lambda r: r.reconstruct("s1", obj_type=int), "int is no class of a blueprint"),
        (lambda r: r.reconstruct("s1", obj_type=Object), "Object describes no type"),
        (lambda r: r.reconstruct("s1", strategy="magic"), "no strategy 'magic'; there are"),
        (lambda r: r.reconstruct_batch([("Rack",)]), "its type and id; not 1 things"),
        (lambda r: r.get_state_at("s1", field="wro"), "Rack has no field 'wro'; it has row"),
        (lambda r: r.get_graph("s1", depth=-1), "a depth is a number from 0 to 32, not -1"),
        (lambda r: r.get_graph("s1", depth=10**9), "from 0 to 32"),
        (lambda r: r.get_graph("s1", depth="1"), "a depth is a whole number, not a str"),
        (lambda r: r.objects_in_trace("zz"), "not a trace id: 'zz'"),
        (lambda r: r.objects_in_trace("1", step=True), "a step is a whole number"),
        (lambda r: r.objects_in_trace("1", step=-1), "a step is a number from 0, not -1"),
        (Reconstructor, "not a client: Reconstructor"),
    ],
)
def test_what_cannot_be_asked_is_refused(run: RecordedRun, ask: Any, message: str) -> None:
    with pytest.raises(ClewError, match=message) as refused:
        ask(run.reconstructor())
    assert refused.value.code is ErrorCode.INVALID_ARGUMENT


def test_a_registry_is_one_or_its_file(run: RecordedRun, tmp_path: Path) -> None:
    registry = Registry("racks")
    registry.register(Rack)
    registry.export(tmp_path / "registry.json")
    assert run.reconstructor(tmp_path / "registry.json").reconstruct("s1").row == 3
    assert run.reconstructor(str(tmp_path / "registry.json")).reconstruct("s1").row == 3
    with pytest.raises(FileNotFoundError):
        run.reconstructor(tmp_path / "none.json")
    with pytest.raises(ClewError, match="a registry is one, or the path of its file; not a int"):
        Reconstructor(run, 5)  # type: ignore[arg-type]


def test_asyncio_has_everything_that_there_is_without() -> None:
    faces = [
        {name for name in vars(each) if not name.startswith("_")}
        for each in (Reconstructor, AsyncReconstructor)
    ]
    assert faces[0] == faces[1]
