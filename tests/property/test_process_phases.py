"""The course of a process: phases in a row, that agree with the fold and with what is allowed."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from clew.twin.events import Event, EventType
from clew.twin.fold import fold, put_in_order
from clew.twin.query.phases import ENDS, Course, next_phases, tell_status, walk
from clew.twin.schema.transitions import may_follow
from clew.twin.schema.values import ProcessSchema
from tests.trying import examples

CHECKOUT = ProcessSchema(
    name="Checkout",
    prefix="checkout",
    phases=["cart", "pay", "ship"],
    transitions={"cart": ["pay"], "pay": ["cart", "ship"]},
)
CHANGES = (
    *[EventType.PHASE_CHANGE] * 5,
    EventType.STATE_CHANGE,
    EventType.CREATED,
    EventType.SNAPSHOT,
    EventType.DELETED,
)


def change(
    at: int, phase: str = "", status: str = "", type_: EventType = EventType.PHASE_CHANGE
) -> Event:
    return Event(
        at=at,
        seq=at,
        event_id=f"e{at}",
        type=type_,
        obj_type="Checkout",
        obj_id="one",
        phase=phase,
        status=status,
    )


EVENTS = st.lists(
    st.builds(
        change,
        at=st.integers(1, 12),
        phase=st.sampled_from(["", "cart", "pay", "ship", "lunch"]),
        status=st.sampled_from(["", "", "started", "completed", "failed"]),
        type_=st.sampled_from(CHANGES),
    ),
    unique_by=lambda event: event.at,
    max_size=9,
)


def course_of(events: list[Event]) -> Course:
    return walk(put_in_order(events), lambda _checksum: CHECKOUT)


@settings(max_examples=examples(100))
@given(events=EVENTS)
def test_phases_stand_in_a_row_and_agree_with_the_fold(events: list[Event]) -> None:
    folded = fold(events)
    course = course_of(events)
    stays = course.stays
    for before, after in pairwise(stays):
        assert before.end is not None
        assert before.event.at <= before.end <= after.event.at
    if stays:
        assert stays[-1].name == folded.phase
    else:
        assert not folded.phase
    goes_on = folded.exists and folded.status not in ENDS
    assert bool(stays and stays[-1].end is None) == bool(stays and goes_on)
    assert (course.ended_at is None) == (goes_on or not folded.version)


@settings(max_examples=examples(100))
@given(events=EVENTS, seed=st.randoms(use_true_random=False))
def test_the_order_of_arrival_is_no_matter(events: list[Event], seed: object) -> None:
    doubled = [*events, *events[::2]]
    seed.shuffle(doubled)  # type: ignore[attr-defined]
    assert course_of(doubled) == course_of(events)


@settings(max_examples=examples(100))
@given(events=EVENTS)
def test_a_phase_is_allowed_exactly_when_its_type_says_so(events: list[Event]) -> None:
    """Of one life without ends, where each change of phase is one step of the type's table."""
    alive = [change(each.at, each.phase) for each in events if each.type is EventType.PHASE_CHANGE]
    course = course_of(alive)
    names = ["", *(stay.name for stay in course.stays)]
    wanted = [may_follow(CHECKOUT, *pair) for pair in pairwise(names)]
    assert [stay.is_allowed for stay in course.stays] == wanted
    assert len(course.remarks) == wanted.count(False)


def test_a_process_that_goes_on_after_its_end_is_in_its_phase_again() -> None:
    events = [change(1, "pay", "started"), change(3, status="completed"), change(7, "", "started")]
    course = course_of(events)
    assert [(stay.name, stay.event.at, stay.end) for stay in course.stays] == [
        ("pay", 1, 3),
        ("pay", 7, None),
    ]
    assert [stay.is_allowed for stay in course.stays] == [True, False]
    assert course.ended_at is None


def test_another_life_begins_anew() -> None:
    events = [
        change(1, "ship", "started"),
        change(2, type_=EventType.DELETED),
        change(3, "pay"),
        change(4, type_=EventType.CREATED),
        change(5, "cart"),
    ]
    course = course_of(events)
    assert [(stay.name, stay.event.at, stay.end) for stay in course.stays] == [("cart", 5, None)]
    assert (course.remarks, course.ended_at) == ([], None)


def test_what_may_follow_is_what_the_type_says() -> None:
    assert next_phases(CHECKOUT, "pay") == ["cart", "ship"]
    assert next_phases(CHECKOUT, "ship") == []
    assert next_phases(CHECKOUT, "") == ["cart", "pay", "ship"]
    assert next_phases(None, "pay") == []


def test_silence_and_length_are_told_apart() -> None:
    def status(said: str = "", *, last: int, now: int, timeout: int | None = 10) -> str:
        return tell_status(said, started=0, last=last, now=now, timeout=timeout)

    assert status(last=0, now=9) == "started"
    assert status(last=0, now=10) == "stuck"
    assert status(last=5, now=10) == "started"
    assert status(last=5, now=11) == "timed_out"
    assert status("completed", last=0, now=99) == "completed"
    assert status("odd", last=0, now=99) == "stuck"
    assert status(last=0, now=99, timeout=None) == "started"
