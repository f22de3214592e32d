"""Server-sent events: whatever way the bytes are cut, the same events come out."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from clew.remote.events import Event, EventParser

LINE = st.text(st.characters(blacklist_characters="\r\n\0\ufeff", codec="utf-8"), max_size=12)
DATA = st.lists(LINE, min_size=1, max_size=3).map("\n".join)
EVENTS = st.lists(st.tuples(st.sampled_from(["", "dropped"]), DATA, LINE), max_size=5)
ENDS = st.sampled_from(["\n", "\r\n", "\r"])


def write(events: list[tuple[str, str, str]], end: str) -> bytes:
    lines = []
    for name, data, event_id in events:
        lines.append(": alive")
        if name:
            lines.append(f"event: {name}")
        lines.extend(f"data: {line}" for line in data.split("\n"))
        lines.extend([f"id: {event_id}", ""])
    return "".join(line + end for line in lines).encode()


def cut(wire: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(wire), *(place % (len(wire) + 1) for place in places)})
    return [wire[start:stop] for start, stop in itertools.pairwise(edges)]


@given(EVENTS, ENDS, st.lists(st.integers(0, 10_000), max_size=8))
def test_events_are_the_same_however_the_bytes_are_cut(
    events: list[tuple[str, str, str]], end: str, places: list[int]
) -> None:
    parser = EventParser()
    # What follows a lone CR decides whether it ended a line, so something must follow.
    wire = write(events, end) + b": end\n"
    found = [event for chunk in cut(wire, places) for event in parser.feed(chunk)]
    assert found == [Event(name or "message", data, at) for name, data, at in events]
    if events:
        assert parser.last_id == events[-1][2]


@given(st.lists(st.binary(max_size=30), max_size=10))
def test_no_bytes_make_the_parser_fail(chunks: list[bytes]) -> None:
    parser = EventParser()
    for chunk in chunks:
        list(parser.feed(chunk))


def test_half_an_event_does_not_move_the_place_to_come_back_to() -> None:
    parser = EventParser()
    assert list(parser.feed(b"data: [1]\nid: 1\n\n")) == [Event("message", "[1]", "1")]
    assert list(parser.feed(b"data: [2]\nid: 2\n")) == []
    assert parser.last_id == "1"


def test_an_id_without_data_moves_the_place_and_is_no_event() -> None:
    parser = EventParser()
    assert list(parser.feed(b"retry: 1500\nid: 7\n\n")) == []
    assert parser.last_id == "7"
    assert parser.retry_ms == 1500
