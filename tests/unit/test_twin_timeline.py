"""Timelines: states, transitions, stretches, and the tables that they become."""

from __future__ import annotations

import math
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import NS_PER_S
from clew.twin.engine import Timeline, compute_diff, merge_timelines
from clew.twin.events import Event, EventType

MORNING = 1_767_312_000 * NS_PER_S
"""2026-01-02T00:00:00Z."""


def event(seq: int, type_: str = "state_change", obj_id: str = "a", **patch: Any) -> Event:
    return Event(
        at=MORNING + seq * NS_PER_S,
        seq=seq,
        event_id=f"{obj_id}{seq}",
        type=EventType(type_),
        obj_type="Job",
        obj_id=obj_id,
        patch=patch,
        span_id=f"s{seq}",
    )


def moment(seq: float) -> datetime:
    return datetime(2026, 1, 2, tzinfo=UTC) + timedelta(seconds=seq)


COURSE = [
    event(1, "created", n=1, tags=["x"]),
    event(2, n=2),
    event(3, "event", n=99),
    event(4, n=2, note=None),
    event(6, "phase_change", n=3),
    event(8, "deleted"),
    event(9, n=4),
    event(10, "created", n=5),
]


@pytest.fixture
def timeline() -> Timeline:
    return Timeline([*reversed(COURSE), *COURSE])


def test_events_stand_in_order_and_each_once(timeline: Timeline) -> None:
    assert timeline.events == COURSE
    assert (len(timeline), timeline[0], timeline[-2:]) == (8, COURSE[0], COURSE[-2:])
    assert timeline.objects == [("Job", "a")]
    assert repr(timeline) == "<timeline of Job a: 8 events>"
    assert repr(Timeline([])) == "<timeline of nothing: 0 events>"


@pytest.mark.parametrize(
    ("when", "state"),
    [
        (moment(0.9), {}),
        (moment(1), {"n": 1, "tags": ["x"]}),
        (moment(3), {"n": 2, "tags": ["x"]}),
        ("2026-01-02T00:00:04Z", {"n": 2, "tags": ["x"], "note": None}),
        (MORNING // NS_PER_S + 6.0, {"n": 3, "tags": ["x"], "note": None}),
        (moment(9), {"n": 3, "tags": ["x"], "note": None}),
        (None, {"n": 5}),
    ],
)
def test_a_state_is_that_of_the_moment_itself(
    timeline: Timeline, when: Any, state: dict[str, Any]
) -> None:
    assert timeline.state_at(when) == state


def test_states_after_events_count_from_either_end(timeline: Timeline) -> None:
    assert timeline.state_after_event(1) == {"n": 2, "tags": ["x"]}
    assert timeline.state_after_event(-1) == {"n": 5}
    for wrong in (8, -9):
        with pytest.raises(IndexError):
            timeline.state_after_event(wrong)


def test_transitions_are_of_the_events_that_changed_the_object(timeline: Timeline) -> None:
    found = timeline.transitions
    assert [each.transition_type for each in found] == [
        *("created", "updated", "updated", "phase_change", "deleted", "created"),
    ]
    assert [each.triggering_event.seq for each in found] == [1, 2, 4, 6, 8, 10]
    assert [each.changed_fields for each in found] == [
        *(["n", "tags"], ["n"], ["note"], ["n"], ["n", "note", "tags"], ["n"]),
    ]
    assert found[4].to_state == found[5].from_state == {}
    assert found[1].diff.to_dict() == {
        "added": {},
        "removed": {},
        "changed": {"n": {"from": 1, "to": 2}},
        "unchanged_count": 1,
    }


def test_the_history_of_a_field_is_what_it_changed_to_and_which_event_did_it(
    timeline: Timeline,
) -> None:
    changes = timeline.find_field_changes("n")
    assert [(each.old, each.new, each.event.span_id) for each in changes] == [
        (None, 1, "s1"),
        (1, 2, "s2"),
        (2, 3, "s6"),
        (3, None, "s8"),
        (None, 5, "s10"),
    ]
    assert timeline.field_history("note") == [(moment(4), None), (moment(8), None)]
    assert timeline.field_history("other") == []


def test_a_part_begins_where_the_whole_was(timeline: Timeline) -> None:
    part = timeline.filter(start=moment(2), end=moment(6))
    assert [each.seq for each in part] == [2, 3, 4, 6]
    assert part.state_at(moment(0)) == {"n": 1, "tags": ["x"]}
    assert part.transitions[0].transition_type == "updated"
    assert part.state_at(None) == timeline.state_at(moment(6))
    assert [each.seq for each in timeline.filter("state_change")] == [2, 4, 9]
    assert [each.seq for each in timeline.filter({"created", "deleted"})] == [1, 8, 10]
    assert [each.seq for each in timeline.filter(fields=["note"])] == [4]
    after = timeline.filter(start=moment(9))
    assert [each.transition_type for each in after.transitions] == ["created"]


def test_a_timeline_may_begin_with_a_state() -> None:
    made = Timeline([event(2, n=2)], {"n": 1, "m": 0})
    assert made.state_at(moment(1)) == {"n": 1, "m": 0}
    (only,) = made.transitions
    assert (only.transition_type, only.changed_fields) == ("updated", ["n"])


def test_stretches_begin_at_whole_multiples_of_their_length(timeline: Timeline) -> None:
    found = timeline.segment_by("4s")
    assert [(each.start, each.count, each.rate) for each in found] == [
        (moment(0), 3, 0.75),
        (moment(4), 2, 0.5),
        (moment(8), 3, 0.75),
    ]
    assert [each.count for each in timeline.segment_by(2)] == [1, 2, 1, 1, 2, 1]
    sparse = Timeline([event(0), event(10)])
    assert [each.count for each in sparse.segment_by(timedelta(seconds=5))] == [1, 0, 1]
    assert [each.count for each in sparse.segment_by(5.0, include_empty=False)] == [1, 1]
    assert Timeline([]).segment_by("1s") == []
    for wrong in (0, -1, "0s", timedelta(0), "soon", math.inf, math.nan, 1e300, timedelta.max):
        with pytest.raises(ClewError) as refused:
            timeline.segment_by(wrong)
        assert refused.value.code is ErrorCode.INVALID_ARGUMENT
    with pytest.raises(ClewError, match="more than 10000 segments"):
        timeline.segment_by(0.0001)


def test_a_summary_counts(timeline: Timeline) -> None:
    found = timeline.summary()
    assert (found.events, found.changes) == (8, 6)
    assert (found.first, found.last, found.duration_s) == (moment(1), moment(10), 9.0)
    assert found.by_type["state_change"] == 3
    assert found.fields == {"n": 5, "note": 2, "tags": 2}
    assert found.most_changed_field == "n"
    nothing = Timeline([]).summary()
    assert (nothing.first, nothing.duration_s, nothing.most_changed_field) == (None, 0.0, None)


def test_several_objects_do_not_mix() -> None:
    merged = merge_timelines(Timeline(COURSE), [event(5, obj_id="b", n=7)])
    assert [each.seq for each in merged] == [1, 2, 3, 4, 5, 6, 8, 9, 10]
    assert merged.states_at(moment(5)) == {
        ("Job", "a"): {"n": 2, "tags": ["x"], "note": None},
        ("Job", "b"): {"n": 7},
    }
    assert merged.states_at(moment(8)) == {("Job", "b"): {"n": 7}}
    assert merged.summary().changes == 7
    for ask in (lambda: merged.state_at(None), lambda: merged.transitions):
        with pytest.raises(ClewError, match="of several objects"):
            ask()


def test_what_differs_tells_null_from_absent_and_true_from_one() -> None:
    found = compute_diff(
        {"a": 1, "b": None, "c": True, "d": [1], "e": {"x": 1}, "g": 2},
        {"a": 1.0, "c": 1, "d": [True], "e": {"x": 1}, "f": None, "g": 3},
    )
    assert (found.added, found.removed) == ({"f": None}, {"b": None})
    assert list(found.changed) == ["c", "d", "g"]
    assert (found.unchanged_count, found.is_empty) == (2, False)
    assert compute_diff({}, {}).is_empty


@pytest.mark.slow  # Arrow looks for pandas, which takes a second to import
def test_events_become_a_table_in_which_no_field_hides_who_the_object_is(tmp_path: Path) -> None:
    made = Timeline(
        [
            event(1, n=1, obj_type="mine", tags=["x"], mixed=1, big=2**70),
            event(2, n=None, name="other", mixed="one", big=1),
        ]
    )
    first, second = made.to_dicts()
    assert (first["obj_type"], first["field.obj_type"]) == ("Job", "mine")
    assert (second["name"], second["field.name"]) == ("", "other")
    made.to_parquet(tmp_path / "events.parquet")
    rows = pq.read_table(tmp_path / "events.parquet").to_pylist()
    assert [row["tags"] for row in rows] == [["x"], None]
    assert [row["mixed"] for row in rows] == ["1", '"one"']
    assert [row["big"] for row in rows] == [str(2**70), "1"]
    assert rows[0]["timestamp"] == moment(1)


@pytest.mark.slow
def test_events_become_a_data_frame(timeline: Timeline) -> None:
    pytest.importorskip("pandas", reason="the package pandas is missing")
    frame = timeline.to_dataframe()
    assert list(frame["event_id"]) == [each.event_id for each in COURSE]
    assert frame["timestamp"][0].to_pydatetime() == moment(1)


def test_a_library_that_is_missing_is_named(
    timeline: Timeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ClewError, match="pandas is not installed"):
        timeline.to_dataframe()
    with pytest.raises(ClewError, match="pyarrow is not installed") as refused:
        timeline.to_parquet(tmp_path / "events.parquet")
    assert refused.value.code is ErrorCode.UNSUPPORTED


@pytest.mark.parametrize("wrong", ["event:a1", "later", True, -1])
def test_what_is_no_time_is_refused(timeline: Timeline, wrong: Any) -> None:
    with pytest.raises(ClewError) as refused:
        timeline.state_at(wrong)
    assert refused.value.code is ErrorCode.INVALID_ARGUMENT
