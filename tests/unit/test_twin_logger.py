"""`TriLogLogger`: what each of its methods says, what it leaves out, and that it breaks nothing."""

from __future__ import annotations

import asyncio
import enum
import logging
import re
import threading
import uuid
from collections import UserDict
from datetime import UTC, datetime
from typing import Any
from warnings import catch_warnings, simplefilter

import pytest
from opentelemetry._logs import Logger, LoggerProvider, LogRecord, NoOpLoggerProvider
from opentelemetry.sdk._logs import LogRecordDroppedAttributesWarning, LogRecordLimits
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from clew.twin.anchoring.context import get_current_anchor
from clew.twin.context import EventError, TriLogLogger, UnanchoredError, anchor
from clew.twin.dsl import (
    Boolean,
    Dict,
    Float,
    Integer,
    List,
    Object,
    Process,
    Reference,
    Registry,
    String,
    Timestamp,
    TriLogMeta,
    invariant,
)
from clew.twin.logger.complaints import COMPLAINTS, Complaints
from clew.twin.logger.record import FIELDS_MAX
from tests.emitted import Emitted

REGISTRY = Registry("depot", "2.1.0")


@REGISTRY.register
class Keeper(Object):
    """Who owns a depot."""


@REGISTRY.register
class Depot(Object):
    """Where goods are."""

    count = Integer(default=0, min_value=0, renamed_from="amount")
    weight = Float(default=0.0, precision=2)
    name = String(default="")
    is_open = Boolean(default=True)
    shelves = List(String())
    plan = Dict({"rows": Integer()})
    opened_at = Timestamp()
    owner = Reference(Keeper)
    code = String(sensitive=True, max_length=8)

    few = invariant("count <= 100")


@REGISTRY.register
class Delivery(Process):
    """Bringing goods."""

    phases = ("packed", "sent", "there")
    parcels = Integer(default=0)


class Colour(enum.Enum):
    """A value that is not itself."""

    RED = "red"


@pytest.fixture
def emitted() -> Emitted:
    COMPLAINTS._told.clear()
    return Emitted()


@pytest.fixture
def log(emitted: Emitted) -> TriLogLogger:
    return TriLogLogger("tests.depot", provider=emitted.provider)


def test_a_change_is_one_canonical_record(log: TriLogLogger, emitted: Emitted) -> None:
    before = datetime.now(UTC)
    with anchor("d1", Depot, tenant="n", tries=2):
        log.state_change(count=5, weight=1.256, owner=None)
    (record,) = emitted.records()
    said: dict[str, Any] = dict(record.attributes or {})
    event_id = uuid.UUID(said.pop("trilog.event.id"))
    at = record.timestamp
    assert at == record.observed_timestamp
    assert at is not None
    assert before.timestamp() - 1 < at / 1e9 < datetime.now(UTC).timestamp() + 1
    assert (event_id.version, event_id.int >> 80) == (7, at // 1_000_000)
    assert datetime.fromisoformat(said.pop("trilog.log.timestamp")).timestamp() == pytest.approx(
        at / 1e9, abs=1e-3
    )
    assert isinstance(said.pop("trilog.event.seq"), int)
    assert record.body == "State change: count, weight, owner"
    assert record.severity_text == "INFO"
    assert said == {
        "depot.count": 5,
        "depot.weight": 1.26,
        "trilog.obj.nulls": ["owner"],
        "trilog.obj.id": "d1",
        "trilog.obj.type": "Depot",
        "trilog.event.type": "state_change",
        "trilog.log.category": "state_change",
        "trilog.registry.checksum": REGISTRY.compute_checksum(),
        "trilog.anchor.depth": 0,
        "trilog.meta.tenant": "n",
        "trilog.meta.tries": 2,
    }


def test_a_registry_that_contradicts_itself_is_told_of_and_named_by_no_event(
    emitted: Emitted, caplog: pytest.LogCaptureFixture
) -> None:
    registry = Registry("torn")

    @registry.register
    class Torn(Object):
        """Refers to what is not there."""

        whom = Reference("Nobody")

    log = TriLogLogger("x", provider=emitted.provider)
    with caplog.at_level(logging.WARNING), anchor("t", Torn):
        for _ in range(3):
            log.state_change(whom="x")
    (told,) = caplog.records
    assert told.message.startswith("events of Torn name no registry: the registry contradicts")
    assert told.message.endswith("it refers to Nobody, which is none")
    assert "trilog.registry.checksum" not in emitted.attributes()[0]


def test_every_kind_of_field_goes_out_as_its_type_says(log: TriLogLogger, emitted: Emitted) -> None:
    with anchor("d1", Depot):
        log.state_change(
            count="7",
            name=Colour.RED,
            is_open="no",
            shelves=("a", "b"),
            plan={"rows": "3", "free": [1, None]},
            opened_at=datetime(2026, 1, 2, tzinfo=UTC),
            owner=Depot("d2"),
        )
        said = emitted.one()
        assert log.failures == 0
    assert {key: value for key, value in said.items() if key.startswith("depot.")} == {
        "depot.count": 7,
        "depot.name": "red",
        "depot.is_open": False,
        "depot.shelves": '["a","b"]',
        "depot.plan": '{"rows":3,"free":[1,null]}',
        "depot.opened_at": "2026-01-02T00:00:00.000000000Z",
        # A depot is no keeper; what was said goes out all the same, to be judged by the server.
        "depot.owner": "d2",
    }


def test_fields_may_be_given_as_a_mapping_with_prefixes_and_by_former_names(
    log: TriLogLogger, emitted: Emitted
) -> None:
    with anchor("d1", Depot):
        log.state_change({"depot.count": 1, "name": "x"}, weight=2)
        first = emitted.one()
        log.state_change(amount=3)
        second = emitted.one()
    assert (first["depot.count"], first["depot.name"], first["depot.weight"]) == (1, "x", 2.0)
    assert second["depot.count"] == 3
    assert "depot.amount" not in second


def test_the_writers_count_rises_by_one_whatever_is_said(
    log: TriLogLogger, emitted: Emitted
) -> None:
    with anchor("d1", Depot):
        log.created()
        log.state_change(count=1)
        log.event("x")
        log.info("y")
        TriLogLogger("another", provider=emitted.provider).deleted()
    said = emitted.attributes()
    first = said[0]["trilog.event.seq"]
    assert [each["trilog.event.seq"] for each in said] == list(range(first, first + 5))
    assert len({each["trilog.event.id"] for each in said}) == 5


def test_counts_and_times_of_many_threads_are_in_one_order(
    log: TriLogLogger, emitted: Emitted
) -> None:
    def work() -> None:
        with anchor("d1", Depot):
            for i in range(50):
                log.state_change(count=i)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    found = sorted(
        ((each.attributes or {})["trilog.event.seq"], each.timestamp) for each in emitted.records()
    )
    assert len({seq for seq, _ in found}) == 400
    times = [at for _, at in found]
    assert times == sorted(times)  # type: ignore[type-var]


def test_the_trace_and_the_span_are_those_that_it_happened_in(
    log: TriLogLogger, emitted: Emitted
) -> None:
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("t")
    with tracer.start_as_current_span("s") as span, anchor("d1", Depot):
        log.state_change(count=1)
    (record,) = emitted.records()
    context = span.get_span_context()
    assert (record.trace_id, record.span_id) == (context.trace_id, context.span_id)


def test_events_of_a_span_are_told_where_they_are_asked_for(emitted: Emitted) -> None:
    spans = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(spans))
    log = TriLogLogger("x", span_events=True, provider=emitted.provider)
    with provider.get_tracer("t").start_as_current_span("s"), anchor("d1", Depot):
        log.state_change(count=1, shelves=["a"])
    (event,) = spans.get_finished_spans()[0].events
    assert event.name == "State change: count, shelves"
    assert event.attributes is not None
    assert (event.attributes["depot.count"], event.attributes["trilog.obj.id"]) == (1, "d1")
    assert len(emitted.records()) == 1


def test_created_and_snapshot_tell_all_of_an_object_and_deleted_nothing(
    log: TriLogLogger, emitted: Emitted
) -> None:
    depot = Depot("d1", count=2, code="hunter2")
    depot.name = None
    log.created(depot)
    log.snapshot(depot)
    log.deleted(depot)
    created, snapshot, deleted = emitted.attributes()
    for said, type_ in ((created, "created"), (snapshot, "snapshot")):
        assert said["trilog.event.type"] == type_
        assert (said["depot.count"], said["depot.is_open"]) == (2, True)
        assert said["trilog.obj.nulls"] == ["name"]
        assert said["depot.code"] == "[redacted]"
        assert said["trilog.obj.id"] == "d1"
    assert deleted["trilog.event.type"] == "deleted"
    assert not [key for key in deleted if key.startswith("depot.")]


def test_inside_an_anchor_whole_events_take_the_fields_that_are_given(
    log: TriLogLogger, emitted: Emitted
) -> None:
    with anchor("d1", Depot):
        log.created(count=1)
        log.snapshot({"count": 2}, name="x")
        log.deleted()
    created, snapshot, deleted = emitted.attributes()
    assert created["depot.count"] == 1
    assert (snapshot["depot.count"], snapshot["depot.name"]) == (2, "x")
    assert {each["trilog.obj.id"] for each in (created, snapshot, deleted)} == {"d1"}


def test_events_and_actions_say_data_that_can_be_no_field(
    log: TriLogLogger, emitted: Emitted
) -> None:
    with anchor("d1", Depot):
        log.event("stocked", count=99, **{"depot.count": 98, "trilog.obj.id": "other"})
        log.action("move", to="north")
    event, action = emitted.attributes()
    assert (event["trilog.event.type"], event["trilog.event.name"]) == ("event", "stocked")
    assert (event["event.count"], event["event.depot.count"]) == (99, 98)
    assert event["trilog.obj.id"] == "d1"
    assert "depot.count" not in event
    assert (action["trilog.event.type"], action["trilog.action.name"]) == ("action", "move")
    assert action["event.to"] == "north"


def test_phases_say_where_a_process_is_and_how_it_ended(
    log: TriLogLogger, emitted: Emitted
) -> None:
    with anchor("f" * 32, Delivery):
        log.created(parcels=2)
        log.phase_change("packed", parcels=3)
        log.completed(parcels=4)
        log.failed(TimeoutError("late"))
        log.failed()
    created, packed, completed, failed, bare = emitted.attributes()
    assert (created["trilog.process.status"], created["trilog.process.type"]) == (
        "started",
        "Delivery",
    )
    assert packed["trilog.event.type"] == "phase_change"
    assert packed["trilog.process.current_phase"] == "packed"
    assert packed["delivery.parcels"] == 3
    assert completed["trilog.process.status"] == "completed"
    assert (failed["trilog.process.status"], failed["error.type"]) == ("failed", "TimeoutError")
    assert failed["error.message"] == "late"
    assert bare["trilog.process.status"] == "failed"
    assert created["trilog.process.trace_id"] == "f" * 32


def test_words_have_levels_and_their_arguments(log: TriLogLogger, emitted: Emitted) -> None:
    with anchor("d1", Depot):
        log.debug("unheard")
        log.info("%s of %d", "one", 2, part="a")
        log.warning("wrong %s %s", "format")  # noqa: PLE1206
        log.error("it failed", KeyError("k"), part="b")  # noqa: PLE1205
        try:
            int("v")
        except ValueError:
            log.exception("caught")
    records = emitted.records()
    assert [each.body for each in records] == [
        "one of 2",
        "wrong %s %s ('format',)",
        "it failed",
        "caught",
    ]
    assert [each.severity_text for each in records] == ["INFO", "WARN", "ERROR", "ERROR"]
    said: list[dict[str, Any]] = [dict(each.attributes or {}) for each in records]
    assert {each["trilog.event.type"] for each in said} == {"log"}
    assert [each["trilog.log.category"] for each in said] == ["info", "warning", "error", "error"]
    assert said[0]["event.part"] == "a"
    assert (said[2]["error.type"], said[2]["error.message"]) == ("KeyError", "'k'")
    assert "ValueError: invalid literal" in said[3]["exception.stacktrace"]


def test_a_level_keeps_back_words_and_never_what_happened(emitted: Emitted) -> None:
    log = TriLogLogger("x", level="error", provider=emitted.provider)
    with anchor("d1", Depot):
        log.warning("unheard")
        log.state_change(count=1)
        log.event("seen")
    assert [each.body for each in emitted.records()] == ["State change: count", "Event: seen"]
    with pytest.raises(ValueError, match="not a level"):
        TriLogLogger("x", level="loud")
    with pytest.raises(ValueError, match="warn, raise, off"):
        TriLogLogger("x", validation="maybe")  # type: ignore[arg-type]


def test_words_outside_of_any_anchor_are_words(log: TriLogLogger, emitted: Emitted) -> None:
    log.info("hello")
    log.event("begun")
    said = emitted.attributes()
    assert not any("trilog.obj.id" in each for each in said)


def test_a_change_of_no_object_is_a_warning_and_with_strict_an_error(
    log: TriLogLogger, emitted: Emitted, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        log.state_change(count=1)
    assert "wrap the code in anchor" in caplog.text
    assert "trilog.obj.id" not in emitted.one()
    strict = TriLogLogger("x", strict=True, provider=emitted.provider)
    for tell in (strict.state_change, strict.created, strict.deleted, strict.snapshot):
        with pytest.raises(UnanchoredError):
            tell()
    with pytest.raises(UnanchoredError), anchor(""):
        strict.state_change(count=1)
    assert emitted.records() == []


def test_validation_warns_once_of_a_kind_and_lets_the_event_out(
    log: TriLogLogger, emitted: Emitted, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING), anchor("d1", Depot):
        for _ in range(3):
            log.state_change(count=-1)
        log.state_change(cuont=1)
        log.state_change(count=101)
    told = [each.message for each in caplog.records]
    assert told == [
        "Depot d1: count: expected at least 0, got -1",
        "Depot d1: nobody knows 'depot.cuont'; did you mean depot.count?",
        "Depot d1: the invariant few does not hold: count <= 100",
    ]
    assert [each.get("depot.count") for each in emitted.attributes()] == [-1, -1, -1, None, 101]


def test_validation_that_raises_emits_nothing_of_what_is_wrong(emitted: Emitted) -> None:
    log = TriLogLogger("x", validation="raise", provider=emitted.provider)
    with anchor("d1", Depot):
        with pytest.raises(EventError, match="at least 0") as caught:
            log.state_change(count=-1, name="fine")
        assert len(caught.value.problems) == 1
        with pytest.raises(EventError, match="few does not hold"):
            log.state_change(count=101)
        with pytest.raises(EventError, match="nobody knows"):
            log.state_change(cuont=1)
        assert emitted.records() == []
        log.state_change(count=1)
    with anchor("f" * 32, Delivery), pytest.raises(EventError, match="no phase"):
        log.phase_change("lost")
    assert emitted.one()["depot.count"] == 1


def test_validation_that_is_off_says_nothing(
    emitted: Emitted, caplog: pytest.LogCaptureFixture
) -> None:
    log = TriLogLogger("x", validation="off", provider=emitted.provider)
    with caplog.at_level(logging.WARNING), anchor("d1", Depot):
        log.state_change(count=-1, cuont=1)
    assert caplog.text == ""
    said = emitted.one()
    assert (said["depot.count"], said["depot.cuont"]) == (-1, 1)


def test_invariants_are_held_against_the_object_where_the_anchor_has_it(emitted: Emitted) -> None:
    class Pair(Object):
        """Two that must be equal."""

        left = Integer(default=0)
        right = Integer(default=0)

        @invariant
        def equal(self) -> bool:
            """Left is right."""
            return bool(self.left == self.right)

    log = TriLogLogger("x", validation="raise", provider=emitted.provider)
    with anchor(Pair("p", left=1, right=1)):
        log.state_change(left=2, right=2)
        with pytest.raises(EventError, match="Left is right"):
            log.state_change(left=2)
    with anchor("p", Pair):
        # What else the object holds is not known here.
        log.state_change(left=2)


def test_an_invariant_that_fails_breaks_nothing(
    emitted: Emitted, caplog: pytest.LogCaptureFixture
) -> None:
    class Fragile(Object):
        """Whose condition cannot be checked."""

        count = Integer(default=0)

        @invariant
        def broken(self) -> bool:
            raise KeyError("nope")

    log = TriLogLogger("x", validation="raise", provider=emitted.provider)
    with caplog.at_level(logging.WARNING), anchor(Fragile("f")):
        log.state_change(count=1)
    assert "KeyError('nope')" in caplog.text
    assert emitted.one()["fragile.count"] == 1


class Hostile:
    """A value that has no text."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


def test_what_cannot_be_told_is_counted_and_breaks_nothing(
    log: TriLogLogger, emitted: Emitted, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING), anchor("d1"):
        log.state_change(value=Hostile())
        log.event("x", value=Hostile())
    assert log.failures == 2
    assert "RuntimeError (test_twin_logger.py:" in caplog.text
    assert emitted.records() == []


def test_values_of_every_kind_go_out_or_become_text(log: TriLogLogger, emitted: Emitted) -> None:
    deep: list[Any] = []
    for _ in range(100):
        deep = [deep]
    with anchor("d1"):
        log.state_change(
            large=2**70,
            number=float("inf"),
            surrogate="\ud800",
            bytes=b"\xff",
            list=[1, None, {"a": {1}}],
            mapping=UserDict({"k": 1}),
            when=datetime(2026, 1, 2, tzinfo=UTC),
            whom=Depot("d2"),
            thing=object(),
            none=None,
            deep=deep,
        )
    said = emitted.one()
    assert log.failures == 0
    assert said["large"] == hex(2**70)
    assert said["surrogate"] == "\\ud800"
    assert said["bytes"] == b"\xff"
    assert said["mapping"] == {"k": 1}
    assert said["when"] == "2026-01-02T00:00:00.000000000Z"
    assert said["whom"] == "d2"
    assert said["thing"].startswith("<object object")
    assert said["trilog.obj.nulls"] == ["none"]


def test_nothing_that_a_program_says_stands_for_who_an_object_is(
    log: TriLogLogger, emitted: Emitted
) -> None:
    forged = {
        "trilog.obj.id": "other",
        "trilog.obj.type": "Other",
        "trilog.event.writer": "w",
        "trilog.registry.checksum": "c",
        "trilog.process.status": "failed",
    }
    with anchor("d1", **forged):
        log.state_change(forged)
        log.event("x", **forged)
    log.state_change(forged)
    for said in emitted.attributes():
        assert said.get("trilog.obj.id", "d1") == "d1"
        assert not said.keys() & (forged.keys() - {"trilog.obj.id"})


def test_more_fields_than_a_record_has_room_for_are_several_of_one_moment(
    log: TriLogLogger, emitted: Emitted
) -> None:
    fields = {f"f{i}": i for i in range(FIELDS_MAX * 2 + 50)}
    with anchor("d1"):
        log.snapshot(fields)
    said = emitted.attributes()
    assert [each["trilog.event.type"] for each in said] == [
        "snapshot",
        "state_change",
        "state_change",
    ]
    seqs = [each["trilog.event.seq"] for each in said]
    assert seqs == list(range(seqs[0], seqs[0] + 3))
    assert len({each["trilog.log.timestamp"] for each in said}) == 1
    merged: dict[str, Any] = {}
    for each in said:
        merged |= each
    assert {key: value for key, value in merged.items() if key in fields} == fields


def test_limits_of_the_sdk_are_kept_and_who_it_is_about_is_not_cut_off() -> None:
    log_of, said = [], []
    for limits in (
        LogRecordLimits(max_log_record_attributes=12),
        LogRecordLimits(max_log_record_attribute_length=40),
    ):
        emitted = Emitted(limits)
        log = TriLogLogger("x", provider=emitted.provider)
        with anchor("d1", "Anything"), catch_warnings():
            simplefilter("ignore", LogRecordDroppedAttributesWarning)
            log.state_change({f"f{i}": "x" * 100 for i in range(20)})
        log_of.append(log.failures)
        said.append(emitted.one())
    assert log_of == [0, 0]
    few, short = said
    assert len(few) == 12
    assert (few["trilog.obj.id"], few["trilog.event.type"]) == ("d1", "state_change")
    assert short["anything.f1"] == "x" * 40
    assert short["trilog.obj.id"] == "d1"


def test_a_provider_that_is_not_the_sdks_is_served_and_one_that_does_nothing() -> None:
    taken: list[LogRecord] = []

    class Foreign(Logger):
        def emit(self, record: LogRecord | None = None, **_options: Any) -> None:
            assert record is not None
            taken.append(record)

        def enabled(self, **_options: Any) -> bool:
            return True

    class Provider(LoggerProvider):
        def get_logger(self, name: str, *_args: Any, **_options: Any) -> Logger:
            return Foreign(name)

    for provider in (Provider(), NoOpLoggerProvider()):
        log = TriLogLogger("x", provider=provider)
        with anchor("d1", Depot):
            log.state_change(count=1)
        assert log.failures == 0
    (record,) = taken
    assert (record.attributes or {})["depot.count"] == 1


def test_a_logger_in_a_coroutine_tells_of_its_own_object(
    log: TriLogLogger, emitted: Emitted
) -> None:
    async def work(i: int) -> None:
        async with anchor(f"d{i}", Depot):
            await asyncio.sleep(0)
            log.state_change(count=i)

    async def main() -> None:
        await asyncio.gather(*(work(i) for i in range(10)))

    asyncio.run(main())
    assert {(each["trilog.obj.id"], each["depot.count"]) for each in emitted.attributes()} == {
        (f"d{i}", i) for i in range(10)
    }


SECRET = "hunter2-and-more"


class Inner(Object):
    """Secrets inside of what is none, and conditions that speak of them."""

    password = String(sensitive=True, max_length=5, renamed_from="passphrase")
    cards = List(String(sensitive=True, max_length=5))
    note = Dict({"pin": String(sensitive=True)})
    count = Integer(default=0)

    @invariant
    def speaks(self) -> bool:
        if self.count == 1:
            raise ValueError(f"wrong: {SECRET}")
        if self.count == 2:
            raise KeyError(SECRET)
        return True


@pytest.mark.parametrize(
    "fields",
    [
        {"password": SECRET},
        {"passphrase": SECRET},
        {"inner.password": SECRET},
        {"password": [SECRET]},
        {"cards": [SECRET]},
        {"cards": SECRET},
        {"cards": f'["{SECRET}'},
        {"note": {"pin": SECRET}},
        {"note": f'{{"pin": "{SECRET}"}}'},
        {"note": f'{{"pin": "{SECRET}"'},
        {"note": [SECRET]},
        {"count": 1},
        {"count": 2},
    ],
)
@pytest.mark.parametrize("validation", ["warn", "raise", "off"])
@pytest.mark.parametrize("given", [Inner, "Inner", "object"])
def test_what_is_sensitive_is_in_no_record_no_log_and_no_error(
    fields: dict[str, Any],
    validation: Any,
    given: Any,
    emitted: Emitted,
    caplog: pytest.LogCaptureFixture,
) -> None:
    log = TriLogLogger("x", validation=validation, provider=emitted.provider, span_events=True)
    errors = []
    with caplog.at_level(logging.DEBUG):
        with anchor(Inner("i")) if given == "object" else anchor("i", given):
            for tell in (log.state_change, log.created, log.snapshot):
                try:
                    tell(fields)
                except EventError as error:
                    errors.append(f"{error} {error!r} {error.problems}")
            errors.append(repr(get_current_anchor()))
        said = [f"{each.body!r} {dict(each.attributes or {})}" for each in emitted.records()]
    assert SECRET not in caplog.text
    assert SECRET not in " ".join(errors)
    assert SECRET not in " ".join(said)


def test_a_type_that_two_modules_define_is_told_of_and_keeps_the_secrets_of_both(
    emitted: Emitted, caplog: pytest.LogCaptureFixture
) -> None:
    kinds: list[Any] = [
        TriLogMeta("Twofold", (Object,), {"__module__": f"m{i}", f"s{i}": String(sensitive=True)})
        for i in range(2)
    ]
    log = TriLogLogger("x", provider=emitted.provider)
    with caplog.at_level(logging.WARNING), anchor("t", "Twofold"):
        log.state_change(s0=SECRET, s1=SECRET, other="fine")
    said = emitted.one()
    assert (said["twofold.s0"], said["twofold.s1"]) == ("[redacted]", "[redacted]")
    assert said["twofold.other"] == "fine"
    assert "m0, m1" in caplog.text
    assert len(kinds) == 2


def test_complaints_say_how_often_they_were_kept_back(caplog: pytest.LogCaptureFixture) -> None:
    quiet, eager = Complaints(interval_s=3600), Complaints(interval_s=0)
    with caplog.at_level(logging.WARNING):
        assert [quiet.tell(("a",), "one") for _ in range(3)] == [True, False, False]
        assert quiet.tell(("b",), "two")
        assert [eager.tell(("a",), "three") for _ in range(2)] == [True, True]
    assert [each.message for each in caplog.records] == ["one", "two", "three", "three"]


def test_an_id_of_an_event_sorts_by_its_time(log: TriLogLogger, emitted: Emitted) -> None:
    with anchor("d1", Depot):
        for i in range(100):
            log.state_change(count=i)
    said = emitted.attributes()
    ids = [each["trilog.event.id"] for each in said]
    assert all(
        re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-.{12}", x)
        for x in ids
    )
    assert [x[:13] for x in ids] == sorted(x[:13] for x in ids)
