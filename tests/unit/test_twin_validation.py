"""What is found of an event, and what is not made a fuss about."""

from __future__ import annotations

from typing import Any

import pytest

from clew.base.times import NS_PER_S
from clew.twin import attributes as names
from clew.twin.dsl import Integer, List, Object, Process, Reference, Registry, String
from clew.twin.validation.batch import BatchValidator
from clew.twin.validation.issues import IssueCode, Severity
from clew.twin.validation.validator import AHEAD_NS_MAX, LogValidator

REGISTRY = Registry()


@REGISTRY.register
class Person(Object):
    name = String(required=True, renamed_from="title")
    age = Integer(min_value=0)
    pin = String(sensitive=True, max_length=4)
    friend = Reference("Person")
    friends = List(Reference("Person"))


@REGISTRY.register
class Visit(Process):
    phases = ["in", "out"]  # noqa: RUF012
    room = String()


VALIDATOR = LogValidator(REGISTRY)


def event(**more: Any) -> dict[str, Any]:
    """Return a plain change of a person; names of arguments stand for those with dots."""
    said = {names.OBJ_ID: "p1", names.OBJ_TYPE: "Person", names.EVENT_TYPE: "state_change"}
    return {**said, **{key.replace("__", "."): value for key, value in more.items()}}


def codes(attributes: dict[str, Any], validator: LogValidator = VALIDATOR) -> list[str]:
    return [str(each.code) for each in validator.validate(attributes).issues]


def test_what_the_logger_writes_gives_no_issue() -> None:
    written = dict.fromkeys(names.EXPECTED, "x") | {
        names.LOG_TIMESTAMP: "2026-11-21T03:00:00Z",
        names.PROCESS_STARTED_AT: "2026-11-21T03:00:00Z",
        names.ANCHOR_CREATED_AT: "2026-11-21T03:00:00Z",
        names.OBJ_NULLS: ["age"],
        "trilog.meta.tenant": "t",
        "event.item": "SKU",
        "error.type": "KeyError",
        "http.route": "/pay",
        "code.lineno": 5,
        "person.age": "5",
    }
    assert codes(written | event()) == []
    assert codes(written | event(), LogValidator(REGISTRY, strict=True)) == []


@pytest.mark.parametrize(
    ("attributes", "code", "severity"),
    [
        ({names.OBJ_TYPE: "Person"}, "MISSING_OBJ_ID", "error"),
        ({names.OBJ_TYPE: "Person", names.OBJ_ID: ""}, "MISSING_OBJ_ID", "error"),
        ({names.OBJ_ID: "p1"}, "MISSING_OBJ_TYPE", "warning"),
        (event(trilog__obj__type="Persn"), "UNKNOWN_OBJECT_TYPE", "error"),
        (event(person__age="old"), "INVALID_VALUE", "error"),
        (event(person__age=-1), "INVALID_VALUE", "error"),
        (event(trilog__obj__nulls=["name"]), "INVALID_VALUE", "error"),
        (event(trilog__obj__nulls='["person.nobody"]'), "UNKNOWN_ATTRIBUTE", "warning"),
        (event(person__agee=1), "UNKNOWN_ATTRIBUTE", "warning"),
        (event(trilog__mine=1), "UNKNOWN_ATTRIBUTE", "warning"),
        (event(visit__room="r"), "WRONG_PREFIX", "warning"),
        (event(visit__nobody="r"), "WRONG_PREFIX", "warning"),
        (event(trilog__event__type="created"), "MISSING_REQUIRED_FIELD", "warning"),
        (event(trilog__log__timestamp="soon"), "BAD_TIMESTAMP", "warning"),
        (
            {names.PROCESS_TYPE: "Visit", names.PROCESS_PHASE: "inn"},
            "UNKNOWN_PHASE",
            "warning",
        ),
    ],
)
def test_each_issue_has_its_code_and_severity(
    attributes: dict[str, Any], code: str, severity: str
) -> None:
    found = VALIDATOR.validate(attributes)
    assert [(each.code, each.severity) for each in found.issues] == [(code, severity)]
    assert found.valid is (severity != "error")
    strict = LogValidator(REGISTRY, strict=True).validate(attributes)
    assert [each.severity for each in strict.issues] == [Severity.ERROR]


def test_extra_attributes_can_be_forbidden() -> None:
    closed = LogValidator(REGISTRY, allow_extra_attributes=False)
    assert not closed.validate(event(person__agee=1)).valid
    assert not closed.validate(event(trilog__mine=1)).valid
    assert closed.validate(event(http__route="/pay")).valid


def test_a_required_field_is_asked_for_when_an_object_is_created_and_then_never_again() -> None:
    assert codes(event(person__age=1)) == []
    assert codes(event(trilog__event__type="created", person__name="Ann")) == []
    assert codes(event(trilog__event__type="created", person__title="Ann")) == []


def test_what_an_event_or_action_says_is_no_field() -> None:
    for kind in ("event", "action", "log"):
        assert codes(event(trilog__event__type=kind, person__age="old")) == []
    assert codes({names.OBJ_ID: "p", names.OBJ_TYPE: "Person", "person.age": "old"}) == [
        "INVALID_VALUE"
    ]


def test_an_event_far_in_the_future_has_a_wrong_clock_and_a_late_one_is_welcome() -> None:
    now = 1_800_000_000 * NS_PER_S
    ahead = VALIDATOR.validate(event(), at=now + AHEAD_NS_MAX + 1, now=now)
    assert [each.code for each in ahead.issues] == [IssueCode.BAD_TIMESTAMP]
    assert VALIDATOR.validate(event(), at=now + AHEAD_NS_MAX, now=now).issues == ()
    assert VALIDATOR.validate(event(), at=0, now=now).issues == ()


def test_references_are_looked_for_only_when_somebody_knows_how() -> None:
    said = event(person__friend="nobody", person__friends='["p1", "nobody", null]')
    assert codes(said) == []
    asked: list[tuple[str, str]] = []

    def exists(type_name: str, obj_id: str) -> bool:
        asked.append((type_name, obj_id))
        return obj_id == "p1"

    found = LogValidator(REGISTRY, exists=exists).validate(said)
    assert [each.code for each in found.issues] == ["DANGLING_REFERENCE"] * 2
    assert found.valid
    assert asked == [("Person", "nobody"), ("Person", "p1"), ("Person", "nobody")]


def test_an_issue_never_repeats_what_is_sensitive() -> None:
    found = VALIDATOR.validate(event(person__pin="123456"))
    assert [each.code for each in found.issues] == [IssueCode.INVALID_VALUE]
    assert "123456" not in str(found.to_dict())
    assert VALIDATOR.validate(event(person__pin="[redacted]")).valid


def test_a_result_goes_out_as_json() -> None:
    document = VALIDATOR.validate(event(person__age="old")).to_dict()
    assert document["valid"] is False
    assert document["issues"][0] | {"message": ""} == {
        "severity": "error",
        "code": "INVALID_VALUE",
        "message": "",
        "attribute": "person.age",
        "expected": "an integer",
        "actual": "'old'",
    }


def test_a_process_is_known_by_its_trace() -> None:
    assert codes({names.PROCESS_TYPE: "Visit", names.PROCESS_PHASE: "in", "visit.room": "r"}) == []


def test_a_batch_counts() -> None:
    batch = BatchValidator(VALIDATOR)
    results = batch.validate([event(), event(person__age="old"), event(person__agee=1)])
    assert [each.valid for each in results] == [True, False, True]
    stats = batch.stats
    assert (stats.total, stats.valid, stats.invalid, stats.errors, stats.warnings) == (
        3,
        2,
        1,
        1,
        1,
    )


@pytest.mark.parametrize("value", [None, 5, "x", [], {}, "[[[", "{}", b"x", float("nan"), "\ud800"])
def test_any_value_at_any_place_gets_an_answer(value: Any) -> None:
    for key in [*names.EXPECTED, "person.age", "person.friends", "person.x", "trilog.x", "x"]:
        VALIDATOR.validate({**event(), key: value}, at=0, now=0).to_dict()
