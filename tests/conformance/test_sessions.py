"""Work sessions, on both databases, with a clock that is moved."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clew.access.caller import LOCAL, ROLE_VERBS, Caller, CallerKind, Role
from clew.base.errors import ClewError, ErrorCode
from clew.base.ids import new_uuid
from clew.base.times import NS_PER_S, format_time
from clew.store.database.contract import Database, Dialect
from clew.team.comments.parameters import CommentEdit, NewComment
from clew.team.comments.schema import SCHEMA as COMMENTS
from clew.team.comments.service import TeamComments
from clew.team.sessions import parameters as ask
from clew.team.sessions.keeping import FORGOTTEN_NS, SAME_LOOK_NS
from clew.team.sessions.schema import SCHEMA
from clew.team.sessions.service import BESIDE_MAX, TeamSessions
from clew.team.sessions.targets import Visit, visit_of
from tests.conformance.registry_places import PLACES, PostgresPlace, SqlitePlace
from tests.conformance.registry_replay import LeadingPlace
from tests.trying import examples

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from clew.store.database.contract import Reading, Transaction
    from clew.team.sessions.documents import Link, Session

MINUTE_NS = 60 * NS_PER_S
HOUR_NS = 60 * MINUTE_NS

ANN = Caller(CallerKind.KEY, "ann", ROLE_VERBS[Role.WRITER])
BOB = Caller(CallerKind.KEY, "bob", ROLE_VERBS[Role.WRITER])
BOSS = Caller(CallerKind.KEY, "boss", ROLE_VERBS[Role.ADMIN])

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


class HandClock:
    """Unix nanoseconds that pass when a test says so, and a little whenever it is looked at."""

    def __init__(self) -> None:
        self.at = 1_800_000_000 * NS_PER_S

    def __call__(self) -> int:
        self.at += 1
        return self.at

    def pass_minutes(self, minutes: float) -> None:
        self.at += round(minutes * MINUTE_NS)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture(params=PLACES)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if request.param == Dialect.POSTGRES.value:
        server = request.getfixturevalue("postgres_server")
        place: PostgresPlace | SqlitePlace = PostgresPlace(server, server.new_url())
    else:
        place = LeadingPlace(tmp_path)
    yield place.open(COMMENTS, SCHEMA)
    place.close()


@pytest.fixture
def sessions(database: Database, clock: HandClock) -> Iterator[TeamSessions]:
    service = TeamSessions(database, clock)
    yield service
    service.close()


def start(sessions: TeamSessions, title: str = "why is pay slow", **more: Any) -> Session:
    by = more.pop("by", LOCAL)
    return sessions.start(ask.NewSession(title=title, **more), by).result()


def look(
    sessions: TeamSessions, *visits: Visit, by: Caller = LOCAL, choice: str | None = None
) -> None:
    sessions.visit(by, choice, visits)


def links(sessions: TeamSessions, session: Session) -> dict[tuple[str, str], Link]:
    return {(each.kind, each.id): each for each in sessions.get(session.id).links}


def refusal(call: Callable[[], Future[Any]]) -> ClewError:
    with pytest.raises(ClewError) as caught:
        call().result()
    return caught.value


def service_of(name: str) -> Visit:
    return visit_of("service", name)


def test_a_session_lives_from_its_start_to_its_end(
    sessions: TeamSessions, clock: HandClock
) -> None:
    begun = start(sessions, "  why is pay slow ", planned_minutes=45)
    assert (begun.title, begun.owner, begun.kind) == ("why is pay slow", "local", "own")
    assert (begun.ended_at, begun.end_reason, begun.shared) == (None, None, False)
    clock.pass_minutes(50)
    running = sessions.get(begun.id)
    assert round(running.seconds) == 50 * 60
    assert round(running.overrun_seconds) == 5 * 60
    ended = sessions.stop(begun.id).result()
    assert ended.end_reason == "stopped"
    clock.pass_minutes(30)
    assert sessions.get(begun.id) == ended
    assert sessions.stop(begun.id).result() == ended
    assert sessions.find_open(LOCAL, None) is None


@pytest.mark.parametrize("minutes", [0, 481, -1])
def test_a_plan_is_of_one_minute_to_eight_hours(sessions: TeamSessions, minutes: int) -> None:
    error = refusal(lambda: sessions.start(ask.NewSession(title="x", planned_minutes=minutes)))
    assert error.code is ErrorCode.INVALID_ARGUMENT


@pytest.mark.parametrize("title", ["", "  ", "two\nlines", "x" * 201, "\ud800"])
def test_a_title_is_one_line(sessions: TeamSessions, title: str) -> None:
    error = refusal(lambda: sessions.start(ask.NewSession(title=title)))
    assert error.code is ErrorCode.INVALID_ARGUMENT


def test_one_session_is_open_unless_another_takes_its_place(
    sessions: TeamSessions, clock: HandClock
) -> None:
    first = start(sessions, "first")
    error = refusal(lambda: sessions.start(ask.NewSession(title="second")))
    assert error.code is ErrorCode.CONFLICT
    assert "first" in error.message
    assert "--switch" in (error.hint or "")
    look(sessions, service_of("shop"))
    clock.pass_minutes(1)
    second = start(sessions, "second", switch=True)
    assert sessions.get(first.id).end_reason == "switched"
    assert sessions.find_open(LOCAL, None) == second.id
    look(sessions, service_of("bank"))
    assert list(links(sessions, first)) == [("service", "shop")]
    assert list(links(sessions, second)) == [("service", "bank")]
    # Everybody has one.
    assert start(sessions, "ann's", by=ANN).owner == "key:ann"


def test_an_agent_has_a_session_of_its_own_and_others_run_beside(sessions: TeamSessions) -> None:
    own = start(sessions, "mine")
    agent = start(sessions, "the agent's", kind="agent")
    beside = start(sessions, "a third", kind="beside")
    more = start(sessions, "a fourth", kind="beside")
    assert sessions.find_open(LOCAL, None) == own.id
    assert sessions.find_open(LOCAL, "agent") == agent.id
    assert sessions.find_open(LOCAL, beside.id) == beside.id
    assert sessions.find_open(LOCAL, more.id) == more.id
    assert sessions.find_open(LOCAL, "off") is None
    assert sessions.find_open(LOCAL, "no id at all") is None
    assert sessions.find_open(ANN, beside.id) is None
    assert sessions.resolve("current", LOCAL, "agent") == agent.id
    sessions.stop(agent.id).result()
    assert sessions.find_open(LOCAL, "agent") == own.id
    # What it looks at belongs to whoever sent it, but theirs is not the agent's to end.
    with pytest.raises(ClewError, match="no session is open"):
        sessions.resolve("current", LOCAL, "agent")


def test_beside_others_run_no_more_than_are_good(sessions: TeamSessions) -> None:
    started = [
        sessions.start(ask.NewSession(title=f"n{number}", kind="beside"))
        for number in range(BESIDE_MAX)
    ]
    assert len({each.result().id for each in started}) == BESIDE_MAX
    error = refusal(lambda: sessions.start(ask.NewSession(title="x", kind="beside")))
    assert error.code is ErrorCode.CONFLICT


def test_what_is_sent_again_is_kept_once(sessions: TeamSessions, clock: HandClock) -> None:
    own_id = new_uuid(clock.at)
    assert start(sessions, "x", id=own_id).id == start(sessions, "x", id=own_id).id
    other = refusal(lambda: sessions.start(ask.NewSession(title="y", id=own_id)))
    assert other.code is ErrorCode.ALREADY_EXISTS
    note = ask.NewNote(body="once", id=new_uuid(clock.at))
    assert sessions.note(own_id, note).result() == sessions.note(own_id, note).result()
    clash = refusal(lambda: sessions.note(own_id, msgspec.structs.replace(note, body="other")))
    assert clash.code is ErrorCode.ALREADY_EXISTS
    assert sessions.get(own_id).note_count == 1


def test_a_session_that_was_forgotten_ends_when_something_was_done_last(
    sessions: TeamSessions, clock: HandClock
) -> None:
    forgotten = start(sessions)
    clock.pass_minutes(10)
    look(sessions, service_of("shop"))
    sessions.visits.flush()
    last = clock.at
    clock.at += FORGOTTEN_NS
    # What is looked at now belongs to nothing.
    look(sessions, service_of("bank"))
    assert sessions.find_open(LOCAL, None) is None
    found = sessions.get(forgotten.id)
    assert found.end_reason == "forgotten"
    assert found.ended_at is not None
    assert forgotten.started_at < found.ended_at <= format_time(last)
    assert [each.id for each in found.links] == ["shop"]
    assert start(sessions, "the next").end_reason is None


def test_whatever_is_done_keeps_a_session_open(sessions: TeamSessions, clock: HandClock) -> None:
    session = start(sessions)
    for step in range(4):
        clock.at += FORGOTTEN_NS - HOUR_NS
        if step % 2:
            sessions.note(session.id, ask.NewNote(body="still here")).result()
        else:
            sessions.link(session.id, ask.Target(kind="service", id="shop")).result()
    clock.at += FORGOTTEN_NS - HOUR_NS
    assert sessions.find_open(LOCAL, None) == session.id
    assert sessions.get(session.id).ended_at is None


def test_a_forgotten_session_is_ended_by_whoever_starts_another(
    database: Database, clock: HandClock
) -> None:
    before = TeamSessions(database, clock)
    left = start(before)
    before.close()
    clock.at += 3 * FORGOTTEN_NS
    after = TeamSessions(database, clock)
    after.load()
    start(after, "the next")
    assert after.get(left.id).end_reason == "forgotten"
    after.close()


def test_looks_go_on_after_a_restart(database: Database, clock: HandClock) -> None:
    before = TeamSessions(database, clock)
    session = start(before)
    look(before, service_of("shop"))
    before.close()
    look(before, service_of("too late"))
    clock.pass_minutes(1)
    after = TeamSessions(database, clock)
    after.load()
    look(after, service_of("shop"), service_of("bank"))
    found = links(after, session)
    # A minute later it is the same look still.
    assert {key: each.count for key, each in found.items()} == {
        ("service", "shop"): 1,
        ("service", "bank"): 1,
    }
    after.close()


def test_what_is_seen_again_soon_is_one_look(sessions: TeamSessions, clock: HandClock) -> None:
    session = start(sessions)
    for _ in range(100):
        look(sessions, service_of("shop"))
        clock.pass_minutes(0.1)
    sessions.visits.flush()
    clock.pass_minutes(1)
    look(sessions, service_of("shop"))
    (once,) = sessions.get(session.id).links
    assert once.count == 1
    assert once.last_at > once.first_at
    clock.at += SAME_LOOK_NS + 1
    look(sessions, service_of("shop"))
    (twice,) = sessions.get(session.id).links
    assert (twice.count, twice.first_at) == (2, once.first_at)


@settings(
    max_examples=examples(20),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b"]),
            st.sampled_from([0, NS_PER_S, SAME_LOOK_NS - 1000, SAME_LOOK_NS + 1000, HOUR_NS]),
            st.booleans(),
        ),
        max_size=12,
    )
)
def test_looks_are_counted_as_one_by_one_whenever_they_are_written(
    sessions: TeamSessions, clock: HandClock, looks: list[tuple[str, int, bool]]
) -> None:
    session = start(sessions, kind="beside")
    seen: dict[str, list[int]] = {}
    for name, pause, is_written in looks:
        clock.at += pause
        look(sessions, service_of(name), choice=session.id)
        seen.setdefault(name, []).append(clock.at)
        if is_written:
            sessions.visits.flush()
    counted = {each.id: each.count for each in sessions.get(session.id).links}
    sessions.stop(session.id).result()
    assert counted == {
        name: 1 + sum(later - earlier > SAME_LOOK_NS for earlier, later in pairwise(times))
        for name, times in seen.items()
    }


def test_links_have_a_bound_and_what_is_beyond_it_is_counted(
    sessions: TeamSessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clew.team.sessions.keeping.LINKS_MAX", 3)
    session = start(sessions)
    look(sessions, *(service_of(f"s{number}") for number in range(5)))
    found = sessions.get(session.id)
    assert (found.link_count, found.visits_left_out) == (3, 2)
    error = refusal(lambda: sessions.link(session.id, ask.Target(kind="service", id="s9")))
    assert error.code is ErrorCode.TOO_LARGE
    # What is a link already is looked at again as before.
    assert sessions.link(session.id, ask.Target(kind="service", id="s0")).result().id == "s0"


def test_a_note_is_a_finding_and_what_it_is_about_a_link(
    sessions: TeamSessions, clock: HandClock
) -> None:
    session = start(sessions)
    first = sessions.note(session.id, ask.NewNote(body="the pool is full\nsee the graph")).result()
    clock.pass_minutes(1)
    target = ask.Target(kind="span", id=f"{TRACE.upper()}/2")
    second = sessions.note(session.id, ask.NewNote(body="here", about=target)).result()
    assert second.about == ask.Target(kind="span", id=f"{TRACE}/{2:016x}")
    found = sessions.get(session.id)
    assert found.notes == [first, second]
    assert [(each.kind, each.how) for each in found.links] == [
        ("span", f"clew traces --trace-id {TRACE} --q 'span_id = {2:016x}'")
    ]
    sessions.stop(session.id).result()
    # What comes to mind afterwards belongs to it too.
    after = sessions.note(session.id, ask.NewNote(body="afterwards")).result()
    assert sessions.delete_note(session.id, first.id).result() == first
    assert sessions.get(session.id).notes == [second, after]
    gone = refusal(lambda: sessions.delete_note(session.id, first.id))
    assert gone.code is ErrorCode.NOT_FOUND


def test_a_note_does_not_overtake_the_look_before_it(
    sessions: TeamSessions, clock: HandClock
) -> None:
    session = start(sessions)
    target = ask.Target(kind="service", id="shop")
    looked_at = format_time(clock.at)
    look(sessions, service_of("shop"))
    clock.pass_minutes(1)
    # What was looked at waits to be written, and the note does not.
    note = sessions.note(session.id, ask.NewNote(body="x", about=target)).result()
    (link,) = sessions.get(session.id).links
    assert looked_at < link.first_at < note.created_at
    assert link.count == 1


def test_a_comment_that_is_made_in_a_session_is_a_finding_as_it_stands(
    sessions: TeamSessions, database: Database, clock: HandClock
) -> None:
    session = start(sessions)
    comments = TeamComments(database, clock, sessions)
    own_id = new_uuid(clock.at)
    new = NewComment(body="the bank was down", span_id="2", id=own_id)
    kept = comments.add(TRACE, new, LOCAL, session.id).result()
    assert comments.add(TRACE, new, LOCAL, session.id).result() == kept
    comments.add(TRACE, NewComment(body="elsewhere")).result()
    comments.add(TRACE, NewComment(body="nowhere"), LOCAL, new_uuid(clock.at)).result()
    found = sessions.get(session.id)
    assert [(each.id, each.kind, each.body) for each in found.notes] == [
        (own_id, "comment", "the bank was down")
    ]
    assert [(each.kind, each.id) for each in found.links] == [("span", f"{TRACE}/{2:016x}")]
    comments.edit(own_id, CommentEdit(body="the bank was slow")).result()
    assert sessions.get(session.id).notes[0].body == "the bank was slow"
    elsewhere = refusal(lambda: sessions.delete_note(session.id, own_id))
    assert "comment delete" in (elsewhere.hint or "")
    comments.delete(own_id).result()
    emptied = sessions.get(session.id)
    assert (emptied.notes, emptied.note_count) == ([], 0)


@pytest.mark.parametrize(
    ("kind", "text", "kept"),
    [
        ("trace", "AB", f"{0xAB:032x}"),
        ("span", f"{TRACE}/2", f"{TRACE}/{2:016x}"),
        ("object", "Cart/a/b", "Cart/a/b"),
        ("lineage", "0xff", "255"),
        ("lineage", "1..0x2", "1..2"),
        ("metric", "http.server.duration", "http.server.duration"),
        ("trace", "xyz", None),
        ("span", TRACE, None),
        ("app", "planner", None),
        ("object", "Cart", None),
        ("lineage", "0", None),
        ("lineage", "1..2..3", None),
        ("lineage", str(2**64), None),
        ("service", "", None),
        ("service", "a\nb", None),
        ("query", "0123456789abcdef", None),
    ],
)
def test_what_is_linked_by_hand_has_an_id_of_its_kind(
    sessions: TeamSessions, kind: Any, text: str, kept: str | None
) -> None:
    session = start(sessions)
    target = ask.Target(kind=kind, id=text)
    if kept is None:
        error = refusal(lambda: sessions.link(session.id, target))
        assert error.code is ErrorCode.INVALID_ARGUMENT
        return
    link = sessions.link(session.id, target).result()
    assert (link.id, link.count) == (kept, 1)
    assert link.how is not None
    assert link.how.startswith("clew ")
    assert sessions.delete_link(session.id, kind, text).result() == link
    assert sessions.get(session.id).links == []
    gone = refusal(lambda: sessions.delete_link(session.id, kind, text))
    assert gone.code is ErrorCode.NOT_FOUND


def test_only_its_owner_and_admins_change_a_session(sessions: TeamSessions) -> None:
    session = start(sessions, by=ANN)
    note = ask.NewNote(body="x")
    target = ask.Target(kind="service", id="shop")
    change = ask.SessionChange(title="other")
    calls: list[Callable[[Caller], Future[Any]]] = [
        lambda by: sessions.note(session.id, note, by),
        lambda by: sessions.link(session.id, target, by),
        lambda by: sessions.change(session.id, change, by),
        lambda by: sessions.delete_link(session.id, "service", "shop", by),
        lambda by: sessions.stop(session.id, by),
        lambda by: sessions.delete(session.id, by),
    ]
    for call in calls:
        assert refusal(lambda call=call: call(BOB)).code is ErrorCode.FORBIDDEN  # type: ignore[misc]
    for call in calls:
        call(BOSS).result()
    assert refusal(lambda: sessions.stop(session.id, ANN)).code is ErrorCode.NOT_FOUND


def test_title_and_plan_can_be_changed_and_a_plan_taken_away(sessions: TeamSessions) -> None:
    session = start(sessions, planned_minutes=45)
    renamed = sessions.change(session.id, ask.SessionChange(title="the bank")).result()
    assert (renamed.title, renamed.planned_minutes) == ("the bank", 45)
    freed = sessions.change(session.id, ask.SessionChange(planned_minutes=None)).result()
    assert (freed.title, freed.planned_minutes) == ("the bank", None)
    nothing = refusal(lambda: sessions.change(session.id, ask.SessionChange()))
    assert nothing.code is ErrorCode.INVALID_ARGUMENT


class Shared:
    """Shares the sessions that it is told to, and remembers which have changed."""

    def __init__(self) -> None:
        self.ids: set[str] = set()
        self.changes: list[str] = []

    def shared(self, _reading: Reading, session_ids: Sequence[str]) -> frozenset[str]:
        return frozenset(self.ids & set(session_ids))

    def changed(self, _writing: Transaction, session_id: str) -> None:
        self.changes.append(session_id)


def test_whoever_shares_sessions_is_told_and_asked(database: Database, clock: HandClock) -> None:
    sharing = Shared()
    sessions = TeamSessions(database, clock, sharing)
    session = start(sessions)
    other = start(sessions, "another", kind="beside")
    sharing.ids.add(session.id)
    assert sessions.get(session.id).shared
    listed = sessions.find(ask.SessionQuery()).sessions
    assert {each.id: each.shared for each in listed} == {session.id: True, other.id: False}
    assert refusal(lambda: sessions.delete(session.id)).code is ErrorCode.CONFLICT
    assert not sharing.changes
    sessions.note(session.id, ask.NewNote(body="x")).result()
    sessions.change(session.id, ask.SessionChange(title="y")).result()
    sessions.stop(session.id).result()
    sessions.stop(session.id).result()
    assert sharing.changes == [session.id] * 3
    sharing.ids.clear()
    assert sessions.delete(session.id).result().id == session.id
    sessions.close()


def test_lists_come_newest_first_and_pages_stand_still(
    sessions: TeamSessions, clock: HandClock
) -> None:
    made = []
    for number in range(7):
        clock.pass_minutes(1)
        made.append(start(sessions, f"n{number}", kind="beside").id)
    found: list[str] = []
    query = ask.SessionQuery(limit=2)
    while True:
        page = sessions.find(query)
        assert page.count == len(page.sessions)
        found += [each.id for each in page.sessions]
        start(sessions, "meanwhile", by=ANN, switch=True)
        if page.next is None:
            break
        query = ask.SessionQuery(limit=2, next=page.next)
    assert found == made[::-1]
    with pytest.raises(ClewError, match="another question"):
        sessions.find(
            ask.SessionQuery(owner="local", next=sessions.find(ask.SessionQuery(limit=1)).next)
        )


def test_lists_are_of_one_owner_of_open_ones_and_of_a_time(
    sessions: TeamSessions, clock: HandClock
) -> None:
    old = start(sessions, "old", by=ANN)
    sessions.stop(old.id, ANN).result()
    clock.pass_minutes(120)
    new = start(sessions, "new", by=ANN)
    mine = start(sessions, "mine")

    def ids(**asked: Any) -> set[str]:
        return {each.id for each in sessions.find(ask.SessionQuery(**asked), ANN).sessions}

    assert ids() == {old.id, new.id, mine.id}
    assert ids(owner="me") == ids(owner="key:ann") == {old.id, new.id}
    assert ids(open=True) == {new.id, mine.id}
    assert ids(open=False) == {old.id}
    assert ids(last="1h") == {new.id, mine.id}


def test_activity_counts_what_lies_in_the_range(sessions: TeamSessions, clock: HandClock) -> None:
    begin = clock.at
    first = start(sessions, "first", by=ANN)
    clock.pass_minutes(60)
    sessions.note(first.id, ask.NewNote(body="in the first hour"), ANN).result()
    clock.pass_minutes(60)
    sessions.note(first.id, ask.NewNote(body="in the second"), ANN).result()
    sessions.stop(first.id, ANN).result()
    start(sessions, "second", by=ANN)
    start(sessions, "other", by=BOB)
    clock.pass_minutes(30)
    report = sessions.activity(ask.ActivityQuery())
    assert [
        (each.owner, each.sessions, each.open, round(each.hours, 2), each.findings)
        for each in report.members
    ] == [("key:ann", 2, 1, 2.5, 2), ("key:bob", 1, 1, 0.5, 0)]
    assert (report.count, report.total, report.truncated) == (2, 2, False)
    # The second hour alone, of the first session half of it.
    hour = ask.ActivityQuery(
        start=format_time(begin + 90 * MINUTE_NS), end=format_time(begin + 150 * MINUTE_NS)
    )
    assert [
        (each.owner, each.sessions, round(each.hours, 2), each.notes)
        for each in sessions.activity(hour).members
    ] == [("key:ann", 2, 1.0, 1), ("key:bob", 1, 0.5, 0)]
    only = sessions.activity(ask.ActivityQuery(owner="me"), BOB)
    assert [each.owner for each in only.members] == ["key:bob"]
    clock.at += FORGOTTEN_NS * 30
    assert sessions.activity(ask.ActivityQuery()).members == []


def test_current_is_the_session_that_is_open(sessions: TeamSessions) -> None:
    with pytest.raises(ClewError) as caught:
        sessions.resolve("current", LOCAL, None)
    assert caught.value.code is ErrorCode.NOT_FOUND
    assert "session start" in (caught.value.hint or "")
    session = start(sessions)
    assert sessions.resolve("current", LOCAL, None) == session.id
    assert sessions.resolve(session.id.upper(), ANN, "off") == session.id
    with pytest.raises(ClewError):
        sessions.resolve("current", ANN, None)


def test_what_the_registry_does_not_take_waits_and_what_has_no_room_is_counted(
    sessions: TeamSessions, database: Database, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = start(sessions)
    monkeypatch.setattr("clew.team.sessions.visits.PENDING_MAX", 2)
    with monkeypatch.context() as refusing:

        def refuse(_work: object) -> Future[Any]:
            raise ClewError(ErrorCode.OVERLOADED, "the queue is full", retry_after_ms=1000)

        refusing.setattr(database, "submit", refuse)
        look(sessions, service_of("a"))
        sessions.visits.flush()
        look(sessions, service_of("b"), service_of("c"), service_of("a"))
        sessions.visits.flush()
    assert sessions.looks_dropped == 1
    assert set(links(sessions, session)) == {("service", "a"), ("service", "b")}
    clock.pass_minutes(1)
    # There is room again.
    look(sessions, service_of("d"))
    assert ("service", "d") in links(sessions, session)
