"""`tracked`, and the bridge of `logging`: who tells of objects without a logger of the twin."""

from __future__ import annotations

import copy
import json
import logging
import pickle
from collections.abc import Iterator
from typing import Any

import pytest

from clew.sdk.records import RecordHandler
from clew.twin.anchoring.context import get_current_obj_id
from clew.twin.context import (
    AnchorFilter,
    EventError,
    TriLogLogger,
    anchor,
    tracked,
)
from clew.twin.dsl import Integer, List, Object, Process, String, Timestamp
from clew.twin.logger.complaints import COMPLAINTS
from tests.emitted import Emitted


class Shelf(Object):
    """What holds things."""

    count = Integer(default=0, min_value=0)
    things = List(String())
    code = String(sensitive=True)
    changed = Timestamp(auto_now=True)


class Moving(Process):
    """Carrying them elsewhere."""

    phases = ("lifted", "carried")
    distance = Integer(default=0)


@pytest.fixture
def emitted() -> Emitted:
    COMPLAINTS._told.clear()
    return Emitted()


@pytest.fixture
def log(emitted: Emitted) -> TriLogLogger:
    return TriLogLogger("tests.shelf", provider=emitted.provider)


def fields(said: dict[str, Any]) -> dict[str, Any]:
    return {
        key.removeprefix("shelf."): value
        for key, value in said.items()
        if key.startswith("shelf.") and key != "shelf.changed"
    }


def test_a_block_is_one_change_with_all_that_differs(log: TriLogLogger, emitted: Emitted) -> None:
    shelf = Shelf("s1", count=1)
    with tracked(shelf, log) as inside:
        assert inside is shelf
        assert get_current_obj_id() == "s1"
        shelf.count = 2
        shelf.count = 3
        shelf.things.append("book")
        shelf.code = "hunter2"
    assert get_current_obj_id() is None
    said = emitted.one()
    assert fields(said) == {"count": 3, "things": '["book"]', "code": "[redacted]"}
    assert said["trilog.obj.id"] == "s1"
    shelf.count = 4
    assert emitted.records() == []


def test_a_block_in_which_nothing_differs_says_nothing(log: TriLogLogger, emitted: Emitted) -> None:
    shelf = Shelf("s1", count=1)
    with tracked(shelf, log):
        pass
    assert emitted.records() == []


def test_a_field_that_becomes_null_in_a_block_is_told(log: TriLogLogger, emitted: Emitted) -> None:
    shelf = Shelf("s1", code="x")
    with tracked(shelf, log):
        shelf.code = None
    assert emitted.one()["trilog.obj.nulls"] == ["code"]


def test_an_exception_passes_and_what_had_changed_is_told(
    log: TriLogLogger, emitted: Emitted
) -> None:
    shelf = Shelf("s1")
    with pytest.raises(KeyError), tracked(shelf, log):  # noqa: PT012 - both are the block's
        shelf.count = 7
        raise KeyError("x")
    assert fields(emitted.one()) == {"count": 7}
    assert get_current_obj_id() is None


def test_outside_of_a_block_each_assignment_is_told_at_once(
    log: TriLogLogger, emitted: Emitted
) -> None:
    shelf = tracked(Shelf("s1"), log)
    shelf.count = 1
    shelf.count += 1
    shelf.count = 2
    shelf.things = ["a"]
    told = emitted.attributes()
    assert [fields(each) for each in told] == [
        {"count": 1},
        {"count": 2},
        {"things": '["a"]'},
    ]
    # A moment that follows every change goes along with it.
    assert all("shelf.changed" in each for each in told)
    assert {each["trilog.obj.id"] for each in told} == {"s1"}
    shelf.stop_tracking()
    shelf.count = 9
    assert emitted.records() == []


def test_assignments_to_the_object_itself_are_told_too(log: TriLogLogger, emitted: Emitted) -> None:
    plain = Shelf("s1")
    watched = tracked(plain, log)
    plain.count = 5
    assert fields(emitted.one()) == {"count": 5}
    assert watched.count == 5


def test_a_refused_assignment_changes_and_tells_nothing(
    log: TriLogLogger, emitted: Emitted
) -> None:
    shelf = tracked(Shelf("s1", count=1), log)
    with pytest.raises(ValueError, match="at least 0"):
        shelf.count = -1
    with pytest.raises(AttributeError, match="did you mean count"):
        shelf.cuont = 1
    assert shelf.count == 1
    assert emitted.records() == []


def test_what_is_tracked_stands_for_its_object(log: TriLogLogger, emitted: Emitted) -> None:
    plain = Shelf("s1")
    shelf = tracked(plain, log)
    assert shelf == plain
    assert shelf == tracked(plain, log)
    assert len({shelf, tracked(plain, log)}) == 1
    with anchor(shelf) as opened:
        assert (opened.obj_id, opened.entity) == ("s1", plain)
    assert repr(shelf).startswith("tracked(Shelf('s1'")
    with pytest.raises(TypeError, match="not an object of a blueprint: dict"):
        tracked({})  # type: ignore[type-var]
    assert emitted.records() == []


def test_a_copy_of_what_is_tracked_is_an_object_of_its_own(
    log: TriLogLogger, emitted: Emitted
) -> None:
    plain = Shelf("s1", count=1, things=["a"])
    tracked(plain, log)
    for copied in (copy.copy(plain), copy.deepcopy(plain), pickle.loads(pickle.dumps(plain))):
        assert copied == plain
        copied.count = 5
        copied.things.append("b")
    assert (plain.count, plain.things) == (1, ["a"])
    assert emitted.records() == []
    plain.count = 2
    assert fields(emitted.one()) == {"count": 2}


def test_blocks_within_blocks_each_tell_what_differs(log: TriLogLogger, emitted: Emitted) -> None:
    shelf = Shelf("s1")
    watched = tracked(shelf, log)
    with watched:
        shelf.count = 1
        with watched:
            shelf.things = ["a"]
        assert fields(emitted.one()) == {"things": '["a"]'}
        shelf.count = 2
        assert emitted.records() == []
    assert fields(emitted.one()) == {"count": 2, "things": '["a"]'}


def test_a_block_whose_change_is_refused_raises_and_hides_no_other_error(
    emitted: Emitted,
) -> None:
    log = TriLogLogger("x", validation="raise", provider=emitted.provider)
    shelf = Shelf("s1")
    with pytest.raises(EventError, match="things"), tracked(shelf, log):
        shelf.things.append(object())
    shelf = Shelf("s2")
    with pytest.raises(KeyError), tracked(shelf, log):  # noqa: PT012 - both are the block's
        shelf.things.append(object())
        raise KeyError("x")
    assert emitted.records() == []
    assert get_current_obj_id() is None


def test_an_event_inside_a_block_is_about_its_object(log: TriLogLogger, emitted: Emitted) -> None:
    with tracked(Shelf("s1"), log) as shelf:
        log.event("looked", count=shelf.count)
    assert emitted.one()["trilog.obj.id"] == "s1"


def test_steps_of_a_process_are_told_at_once(log: TriLogLogger, emitted: Emitted) -> None:
    moving = Moving("e" * 32)
    with tracked(moving, log):
        moving.record_step("lifted", {"by": "ann"})
        (first,) = emitted.attributes()
        moving.distance = 5
        moving.complete({"at": "north"})
    completed, change = emitted.attributes()
    assert (first["trilog.event.type"], first["trilog.process.current_phase"]) == (
        "phase_change",
        "lifted",
    )
    assert first["event.by"] == "ann"
    assert completed["trilog.process.status"] == "completed"
    assert completed["event.result"] == {"at": "north"}
    assert change["moving.distance"] == 5
    failing = tracked(Moving("d" * 32), log)
    failing.fail(ValueError("broke"))
    failed = emitted.one()
    assert (failed["trilog.process.status"], failed["event.error"]) == ("failed", "broke")


@pytest.fixture
def plain_logger(emitted: Emitted) -> Iterator[logging.Logger]:
    """A logger of the standard library whose records `clew.init` would export."""
    logger = logging.Logger("tests.plain")  # noqa: LOG001 - nobody else has its handlers
    logger.addHandler(RecordHandler(emitted.provider))
    yield logger
    logger.handlers.clear()


def test_a_plain_logger_inside_an_anchor_speaks_of_its_object(
    plain_logger: logging.Logger, emitted: Emitted
) -> None:
    with anchor("s1", Shelf, tenant="n"):
        plain_logger.warning("half %s", "full", extra={"part": "top"})
    plain_logger.warning("elsewhere")
    (inside, outside) = emitted.records()
    said = dict(inside.attributes or {})
    assert inside.body == "half full"
    assert (said["trilog.obj.id"], said["trilog.obj.type"]) == ("s1", "Shelf")
    assert (said["trilog.event.type"], said["trilog.log.category"]) == ("log", "warning")
    assert (said["trilog.meta.tenant"], said["part"]) == ("n", "top")
    assert "trilog.event.id" in said
    assert not any(key.startswith("trilog.") for key in outside.attributes or {})


def test_attributes_of_an_event_may_stand_in_the_extra_of_a_record(
    plain_logger: logging.Logger, emitted: Emitted
) -> None:
    extra = {
        "trilog_attrs": {
            "trilog.event.type": "state_change",
            "shelf.count": "7",
            "shelf.things": ["a"],
            "shelf.code": "hunter2",
            "trilog.obj.id": "forged",
            "trilog.event.id": "forged",
        }
    }
    with anchor("s1", Shelf):
        plain_logger.error("moved", extra=extra)
    said = emitted.one()
    assert (said["trilog.event.type"], said["trilog.obj.id"]) == ("state_change", "s1")
    assert (said["shelf.count"], said["shelf.things"]) == (7, '["a"]')
    assert said["shelf.code"] == "[redacted]"
    assert said["trilog.event.id"] != "forged"
    assert "trilog_attrs" not in said


def test_lists_and_dictionaries_stay_what_they_are_and_the_rest_becomes_text(
    plain_logger: logging.Logger, emitted: Emitted
) -> None:
    endless: list[object] = []
    endless.append(endless)
    attributes = {"trilog.event.type": "state_change", "place": {"row": [1, 2]}}
    with anchor("s1"):
        extra = {
            "trilog_attrs": attributes,
            "own": {"a": [True]},
            "odd": {1: 2},
            "endless": endless,
        }
        plain_logger.error("moved", extra=extra)
    said = emitted.one()
    assert said["place"] == {"row": (1, 2)}
    assert said["own"] == {"a": (True,)}
    assert (said["odd"], said["endless"]) == ("{1: 2}", "[[...]]")


def test_a_record_that_names_its_object_itself_is_redacted_too(
    plain_logger: logging.Logger, emitted: Emitted
) -> None:
    extra = {
        "trilog_attrs": {
            "trilog.obj.id": "s9",
            "trilog.obj.type": "Shelf",
            "trilog.event.type": "state_change",
            "shelf.code": "hunter2",
            "shelf.count": 2,
        }
    }
    plain_logger.error("moved", extra=extra)
    said = emitted.one()
    assert (said["trilog.obj.id"], said["trilog.obj.type"]) == ("s9", "Shelf")
    assert (said["shelf.count"], said["shelf.code"]) == (2, "[redacted]")


def test_the_filter_serves_handlers_of_others_and_a_record_is_described_once() -> None:
    seen: list[logging.LogRecord] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(record)

    logger = logging.Logger("tests.plain")  # noqa: LOG001 - nobody else has its handlers
    for _ in range(2):
        handler = Keep()
        handler.addFilter(AnchorFilter())
        logger.addHandler(handler)
    with anchor("s1", Shelf):
        logger.info("moved", extra={"trilog_attrs": {"shelf.count": 3}})
    first, second = (vars(each) for each in seen)
    assert first["trilog.obj.id"] == "s1"
    assert first["shelf.count"] == 3
    assert first["trilog.event.id"] == second["trilog.event.id"]
    assert "trilog_attrs" not in first
    json.dumps({key: first[key] for key in first if key.startswith("trilog.")})


def test_what_is_no_mapping_in_the_extra_does_no_harm(
    plain_logger: logging.Logger, emitted: Emitted
) -> None:
    plain_logger.error("odd", extra={"trilog_attrs": 5})
    with anchor("s1", Shelf):
        plain_logger.error("odd", extra={"trilog_attrs": "x"})
    first, second = emitted.attributes()
    assert not any(key.startswith("trilog.") for key in first)
    assert second["trilog.obj.id"] == "s1"
