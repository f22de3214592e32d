"""What a stream of TrailBase's changes promises, which is little: no replay, and losses.

On the fake, and on a real server as `test_trailbase_contract.py` says.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from clew.testing.trailbase import FakeTrailBase
from tests.conformance.trailbase_places import (
    RECORDS,
    SERVERS,
    Document,
    Person,
    Place,
    an_id,
    as_base64,
    open_fake,
    open_live,
)


@pytest.fixture(params=SERVERS)
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    with open_fake() if request.param == "fake" else open_live() as opened:
        yield opened


@pytest.fixture
def ann(place: Place) -> Person:
    return place.ann


@pytest.fixture
def faked() -> Iterator[Place]:
    with open_fake() as opened:
        yield opened


@pytest.fixture
def fake(faked: Place) -> FakeTrailBase:
    assert faked.fake is not None
    return faked.fake


class Stream:
    """Frames of a stream: a comment as it stands, an event as what it says."""

    def __init__(self, reply: httpx.Response) -> None:
        self.reply = reply
        self._pieces = reply.iter_bytes()
        self._rest = b""

    def frame(self) -> str | Document:
        while b"\n\n" not in self._rest:
            self._rest += next(self._pieces)
        frame, _, self._rest = self._rest.partition(b"\n\n")
        if frame.startswith(b":"):
            return frame.decode()
        event: Document = json.loads(frame.removeprefix(b"data:"))
        return event

    def event(self) -> Document:
        """The next frame that is no comment."""
        while isinstance(frame := self.frame(), str):
            continue
        return frame


@contextmanager
def listening(person: Person, record: str = "*", query: str = "") -> Iterator[Stream]:
    url = f"{RECORDS}/shared_sessions/subscribe/{record}?{query}"
    with person.http.stream("GET", url, headers=person.headers) as reply:
        assert reply.status_code == 200, reply.read()
        yield Stream(reply)


def test_a_ping_comes_first_and_takes_the_number_0(ann: Person) -> None:
    team = ann.new_team()
    with listening(ann, query=f"filter[team_id]={as_base64(team)}") as stream:
        assert stream.reply.headers["content-type"].startswith("text/event-stream")
        assert isinstance(stream.frame(), str)
        session = ann.new_session(team)
        first = stream.event()
    assert first["seq"] == 1
    assert first["Insert"]["id"] == as_base64(session)
    assert first["Insert"]["title"] == "late"


def test_a_change_is_told_with_the_row_as_it_is_then_and_once_more_when_it_is_stamped(
    ann: Person,
) -> None:
    session = ann.new_session(ann.new_team())
    before = ann.row("shared_sessions", session)["server_seq"]
    with listening(ann, session) as stream:
        stream.frame()
        ann.patch("shared_sessions", session, {"version": 2, "title": "changed"})
        told = [stream.event(), stream.event()]
    assert [event["seq"] for event in told] == [1, 2]
    assert [event["Update"]["title"] for event in told] == ["changed", "changed"]
    assert told[0]["Update"]["server_seq"] == before
    assert told[1]["Update"]["server_seq"] > before


def test_there_is_no_replay(ann: Person) -> None:
    team = ann.new_team()
    ann.new_session(team, title="early")
    with listening(ann, query=f"filter[team_id]={as_base64(team)}") as stream:
        stream.frame()
        ann.new_session(team, title="later")
        assert stream.event()["Insert"]["title"] == "later"


def test_a_filter_passes_over_what_does_not_match(ann: Person) -> None:
    team = ann.new_team()
    query = f"filter[team_id]={as_base64(team)}&filter[title][$ne]=dull"
    with listening(ann, query=query) as stream:
        stream.frame()
        ann.new_session(team, title="dull")
        ann.new_session(team, title="bright")
        event = stream.event()
    assert (event["Insert"]["title"], event["seq"]) == ("bright", 1)


def test_what_cannot_be_listened_to_is_refused(ann: Person) -> None:
    for api, record, status in (
        ("team_invites", "*", 403),
        ("no_such_api", "*", 405),
        ("shared_sessions", an_id(), 403),
    ):
        url = f"{RECORDS}/{api}/subscribe/{record}"
        assert ann.http.get(url, headers=ann.headers).status_code == status, api
    assert ann.http.get(f"{RECORDS}/shared_sessions/subscribe/*").status_code == 403


def test_rows_that_one_may_not_see_are_passed_over_and_take_no_number(faked: Place) -> None:
    assert faked.bob is not None
    hidden, shared = faked.ann.new_team(), faked.ann.new_team()
    faked.bob.join(faked.ann.new_invite(shared))
    with listening(faked.bob) as stream:
        stream.frame()
        faked.ann.new_session(hidden)
        faked.ann.new_session(shared, title="seen")
        event = stream.event()
    assert (event["Insert"]["title"], event["seq"]) == ("seen", 1)


def test_whoever_may_no_longer_see_a_record_is_told_so_and_sent_away(faked: Place) -> None:
    ann, bob = faked.ann, faked.bob
    assert bob is not None
    team = ann.new_team()
    bob.join(ann.new_invite(team))
    session = ann.new_session(team)
    with listening(bob, session) as stream:
        stream.frame()
        row = ann.member(team, bob)
        ann.patch("team_members", row["id"], {"version": row["version"] + 1, "deleted": 1})
        ann.patch("shared_sessions", session, {"version": 2})
        assert stream.event() == {"Error": {"status": 1}, "seq": 1}
        with pytest.raises(StopIteration):
            stream.frame()


def test_a_row_that_is_removed_is_told_of_as_it_was(faked: Place, fake: FakeTrailBase) -> None:
    team = faked.ann.new_team()
    faked.ann.new_session(team, title="gone")
    with listening(faked.ann) as stream:
        stream.frame()
        fake.write("DELETE FROM shared_sessions")
        assert stream.event()["Delete"]["title"] == "gone"


def test_what_overflows_a_channel_is_lost_and_its_loss_is_told(
    faked: Place, fake: FakeTrailBase
) -> None:
    team = faked.ann.new_team()
    with listening(faked.ann) as stream:
        stream.frame()
        fake.stall_events(is_stalled=True)
        for number in range(40):  # Two events each, and 64 wait.
            faked.ann.new_session(team, title=str(number))
        fake.stall_events(is_stalled=False)
        kept = [stream.event() for _ in range(64)]
        faked.ann.new_session(team, title="after")
        loss, after = stream.event(), stream.event()
    assert [event["seq"] for event in kept] == list(range(1, 65))
    assert loss["Error"]["status"] == 2
    assert (after["Insert"]["title"], after["seq"]) == ("after", loss["seq"] + 1)


def test_events_that_are_lost_on_order_are_told_of_with_the_next(
    faked: Place, fake: FakeTrailBase
) -> None:
    team = faked.ann.new_team()
    with listening(faked.ann) as stream:
        stream.frame()
        fake.lose_events(2)
        faked.ann.new_session(team, title="unheard")
        faked.ann.new_session(team, title="heard")
        loss, event = stream.event(), stream.event()
    assert loss["Error"]["status"] == 2
    assert event["Insert"]["title"] == "heard"


def test_a_quiet_stream_is_kept_alive_by_comments(faked: Place, fake: FakeTrailBase) -> None:
    fake.set_keep_alive(0.01)
    with listening(faked.ann) as stream:
        assert [stream.frame(), stream.frame()] == [": ping", ":"]


def test_a_bearer_is_looked_at_when_a_stream_is_opened_and_never_again(
    faked: Place, fake: FakeTrailBase
) -> None:
    team = faked.ann.new_team()
    with listening(faked.ann) as stream:
        stream.frame()
        fake.advance(2 * 3600)
        faked.ann.log_in()
        faked.ann.new_session(team)
        assert "Insert" in stream.event()


def test_a_restart_ends_streams(faked: Place, fake: FakeTrailBase) -> None:
    with listening(faked.ann) as stream:
        stream.frame()
        assert fake.subscribers == 1
        fake.restart()
        with pytest.raises(httpx.TransportError):
            stream.frame()
    assert fake.subscribers == 0


def test_a_write_that_is_undone_is_told_to_nobody(faked: Place) -> None:
    team = faked.ann.new_team()
    with listening(faked.ann) as stream:
        stream.frame()
        there = faked.ann.new_session(team, title="first")
        bad = {"id": there, "team_id": team, "owner": faked.ann.id, "session_id": "s"}
        assert faked.ann.create("shared_sessions", bad).status_code == 400
        faked.ann.new_session(team, title="second")
        titles = [stream.event() for _ in range(3)]
    assert [event.get("Insert", {}).get("title") for event in titles] == ["first", None, "second"]
