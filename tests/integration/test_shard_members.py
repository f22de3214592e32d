"""A shard of several servers: whom a question goes to, and what is written once."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from clew.base.errors import NOWHERE, ClewError, ErrorCode
from clew.base.gathering import (
    BEGINNING,
    OPENING,
    ROLE_HEADER,
    Gathering,
    Shard,
    gather,
    standby_shards,
)
from clew.remote import line, members
from clew.remote.choice import Choice, Told, choose
from clew.remote.feeds import ShardFeeds
from clew.remote.looks import FRAMES_PATH
from clew.remote.shards import Shards
from clew.store.engine.contract import Scan
from clew.store.engine.exchange import ReadScan, ScanAnswer, encode_answer
from clew.store.engine.sharded import SCANS_PATH, ShardedEngine
from clew.surfaces.rest.routes.shards import look_at_shards
from clew.telemetry.tables.traces import TRACES
from tests.scripted_http import Heard, ScriptedServer, answer

PATIENT_S = 60.0
"""A deadline, not an expectation: a fifth of it is how long a server may take to say what it is."""

GROUP = "11111111-1111-4111-8111-111111111111"
OTHER = "22222222-2222-4222-8222-222222222222"
A, B, C = (f"http://10.0.0.{number}:7701" for number in (1, 2, 3))
TRIO = Shard("a", A, (B, C))
GONE = ClewError(ErrorCode.UNAVAILABLE, "connection refused")


def leader(epoch: int = 1, acked: int = 9, group: str = GROUP) -> Told:
    return Told(acked, group, "leader", epoch, group)


def standby(epoch: int = 1, acked: int = 9, group: str = GROUP) -> Told:
    return Told(acked, group or "a log of its own", "standby", epoch, group)


@pytest.mark.parametrize(
    ("heard", "asked"),
    [
        ({A: standby(), B: leader(), C: GONE}, (B, True)),
        # One that was deposed and has not heard so.
        ({A: leader(1), B: leader(2), C: standby(2)}, (B, True)),
        ({A: GONE, B: standby(2, 7), C: standby(2, 8)}, (C, False)),
        ({A: GONE, B: standby(2, 7), C: standby(1, 8)}, (B, False)),
        # Its leader is gone, and has taken in what that one does not know of.
        ({A: leader(1), B: GONE, C: standby(2, 50)}, (C, False)),
        ({A: leader(1, 60), B: GONE, C: standby(2, 50)}, (C, False)),
        # One that has followed nobody yet has nothing.
        ({A: GONE, B: standby(5, 99, group=""), C: standby(1, 3)}, (C, False)),
    ],
    ids=["leads", "two lead", "has more", "newer epoch", "deposed", "deposed, has more", "new one"],
)
def test_who_leads_is_asked_and_else_the_standby_that_has_most(
    heard: dict[str, Told | ClewError], asked: tuple[str, bool]
) -> None:
    choice = choose(TRIO, heard, GROUP)
    assert (choice.url, choice.leads, choice.group) == (*asked, GROUP)


@pytest.mark.parametrize(
    ("heard", "code", "why"),
    [
        ({A: leader(), B: Told(3, "x", "alone")}, ErrorCode.CONFLICT, f"{B} belongs to no group"),
        ({A: leader(), B: standby(group=OTHER)}, ErrorCode.CONFLICT, "belong to different groups"),
        ({A: leader(group=OTHER), B: GONE}, ErrorCode.CONFLICT, f"{A} leads another group"),
        ({A: GONE, B: standby(group="")}, ErrorCode.UNAVAILABLE, "has followed nobody yet"),
        ({A: GONE, B: standby(group=OTHER)}, ErrorCode.UNAVAILABLE, "of another group"),
        ({A: GONE, B: Told(3)}, ErrorCode.UNAVAILABLE, "an older version"),
        (
            {A: GONE, B: ClewError(ErrorCode.FORBIDDEN, "no such key")},
            ErrorCode.FORBIDDEN,
            "no such key",
        ),
    ],
    ids=[
        "alone",
        "two groups",
        "other leader",
        "followed nobody",
        "other standby",
        "older",
        "refused",
    ],
)
def test_servers_that_are_not_of_one_group_or_have_nothing_yet_are_not_asked(
    heard: dict[str, Told | ClewError], code: ErrorCode, why: str
) -> None:
    with pytest.raises(ClewError, match=why) as told:
        choose(TRIO, heard, GROUP)
    assert told.value.code is code


def test_one_that_leads_under_an_epoch_that_is_over_counts_as_a_standby() -> None:
    heard: dict[str, Told | ClewError] = {A: leader(1, 60), B: GONE, C: standby(1, 50)}
    assert choose(TRIO, heard, GROUP, 1) == Choice(A, True, 1, GROUP)
    assert choose(TRIO, heard, GROUP, 2) == Choice(C, False, 1, GROUP)
    deposed = choose(TRIO, {A: leader(1, 60), B: GONE, C: GONE}, GROUP, 2)
    assert (deposed, deposed.is_deposed) == (Choice(A, False, 1, GROUP), True)


Say = Callable[[Heard], "bytes | Iterator[bytes]"]


@dataclass(slots=True)
class Acted:
    """A server of a group that says what the test has it say."""

    told: Told
    say: Say | None = None
    waits_for: threading.Event | None = None
    opens_after: int = 0
    """How often it says that its doors are about to open."""
    heard: list[Heard] = field(default_factory=list)

    def __call__(self, heard: Heard) -> bytes | Iterator[bytes]:
        headers = {} if self.told.role == "alone" else {ROLE_HEADER: self.told.role}
        if self.waits_for is not None:
            self.waits_for.wait(PATIENT_S)
        if self.opens_after:
            self.opens_after -= 1
            about = {"code": "unavailable", "detail": "about to open"}
            return answer(about, 503, {ROLE_HEADER: OPENING})
        if heard.path == FRAMES_PATH:
            return answer({"flushed": 0, **msgspec.structs.asdict(self.told)}, headers=headers)
        self.heard.append(heard)
        if self.say is not None:
            return self.say(heard)
        if heard.method != "GET" and self.told.role == "standby":
            return answer({"code": "unavailable", "detail": "a standby"}, 503, headers)
        return answer({"by": self.told.role}, headers=headers)


@contextlib.contextmanager
def tier_of(*members: Acted, timeout_s: float = PATIENT_S) -> Iterator[Shards]:
    """Give a tier with one shard, of these servers."""
    with contextlib.ExitStack() as within:
        urls = [within.enter_context(ScriptedServer(each)).url for each in members]
        # Nothing here is about how long one takes to answer once another one did.
        shards = Shards(
            [Shard("a", urls[0], tuple(urls[1:]))], timeout_s=timeout_s, grace_s=timeout_s
        )
        within.callback(shards.close)
        yield shards


def ask(shards: Shards) -> tuple[bytes, list[str]]:
    """Return what the shard answers, and which shards a standby answered for."""
    with gather(shards.names):
        ((_, body),) = shards.ask(lambda server: server.get("/x").body).answers
        return body, standby_shards()


def write(shards: Shards) -> bytes:
    return shards.one("a", lambda server: server.post("/x", b"{}", "application/json").body)


def test_a_question_goes_to_the_one_that_leads_and_on_to_the_other_when_that_breaks_off() -> None:
    first, second = Acted(standby()), Acted(leader())
    with tier_of(first, second) as shards:
        assert ask(shards) == (b'{"by":"leader"}', [])
        # It goes away in the middle of a question, and nobody leads.
        second.told, second.say = Told(), lambda _: b""
        assert ask(shards) == (b'{"by":"standby"}', ["a"])
        # The other one was promoted.
        first.told = leader(2)
        assert write(shards) == b'{"by":"leader"}'
        assert ask(shards) == (b'{"by":"leader"}', [])


BROKEN_OFF = answer(b"x", headers={ROLE_HEADER: "leader", "Content-Length": "9"})


@pytest.mark.parametrize("last", [BROKEN_OFF, b""], ids=["twice", "once"])
def test_a_question_goes_on_where_the_answer_breaks_off_after_its_head(last: bytes) -> None:
    first, second = Acted(leader()), Acted(standby())
    said = [BROKEN_OFF, last]

    def say(_: Heard) -> bytes:
        first.told = Told()
        return said.pop(0)

    with tier_of(first, second) as shards:
        first.say = say
        assert ask(shards) == (b'{"by":"standby"}', ["a"])
    assert not said


def test_what_one_says_that_does_not_lead_any_more_is_asked_of_the_one_that_does() -> None:
    first, second = Acted(leader(1)), Acted(standby(1))
    with tier_of(first, second) as shards:
        assert ask(shards) == (b'{"by":"leader"}', [])
        first.told, second.told = standby(2), leader(2)
        assert ask(shards) == (b'{"by":"leader"}', [])
        assert len(second.heard) == 1
        # Nothing was done by a standby that refused it.
        first.told, second.told = leader(3), standby(3)
        assert write(shards) == b'{"by":"leader"}'
        assert [len(each.heard) for each in (first, second)] == [3, 2]


def test_one_that_was_deposed_and_does_not_know_it_is_left_once_another_one_is_heard(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second = Acted(leader(1)), Acted(standby(1))
    with tier_of(first, second) as shards:
        assert ask(shards) == (b'{"by":"leader"}', [])
        # It is cut off from the other one, and that one was promoted.
        second.told = leader(2)
        assert ask(shards) == (b'{"by":"leader"}', [])
        assert (len(first.heard), len(second.heard)) == (2, 0)
        # Whoever looks at the shards hears it.
        (looked,) = shards.look(timeout_s=PATIENT_S)
        assert isinstance(looked.asked, Choice)
        assert looked.asked.epoch == 2
        assert write(shards) == b'{"by":"leader"}'
        assert (len(first.heard), len(second.heard)) == (2, 1)
        # What it shows is not certain, where the other one is away again.
        second.told, second.say = Told(), lambda _: b""
        assert ask(shards) == (b'{"by":"leader"}', ["a"])
        with pytest.raises(ClewError, match="no server of it leads, and a standby takes nothing"):
            write(shards)
        assert len(first.heard) == 3

        # Nobody needs to look: it is asked beside the questions.
        second.told, second.say = leader(3), None
        assert write(shards) == b'{"by":"leader"}'
        moved = threading.Event()
        shards.hear_moves(lambda name, url: moved.set())
        first.told = leader(4)
        monkeypatch.setattr(members, "CHECK_SECONDS", 0.0)
        assert ask(shards) == (b'{"by":"leader"}', [])
        assert moved.wait(PATIENT_S)
        assert ask(shards) == (b'{"by":"leader"}', [])
        assert len(first.heard) == 4


def test_a_leader_of_another_group_is_no_part_of_the_shard_that_was_found() -> None:
    first, second = Acted(leader()), Acted(Told(), lambda _: b"")
    with tier_of(first, second) as shards:
        assert ask(shards) == (b'{"by":"leader"}', [])
        # The first goes away, and the other one comes back with other records.
        first.told, first.say = Told(), lambda _: b""
        second.told, second.say = leader(group=OTHER), None
        with pytest.raises(ClewError, match=r"shard a: .* leads another group") as told:
            ask(shards)
        assert told.value.code is ErrorCode.CONFLICT
        assert "start the query tier anew" in (told.value.hint or "")
        assert not second.heard


def test_whoever_begins_to_lead_is_waited_for_while_its_doors_are_shut() -> None:
    first, second = Acted(leader()), Acted(standby())
    with tier_of(first, second) as shards:
        assert ask(shards) == (b'{"by":"leader"}', [])
        first.told, first.say = Told(), lambda _: b""
        first.opens_after = 10**6
        second.told, second.opens_after = leader(2), 3
        assert ask(shards) == (b'{"by":"leader"}', [])
        # What is written as well: nothing was done by whoever said so.
        second.opens_after = 3
        assert write(shards) == b'{"by":"leader"}'
        assert [heard.method for heard in second.heard] == ["GET", "POST"]
        # It leads, and does not show yet all that may have been acknowledged.
        second.told = msgspec.structs.replace(leader(2), role=BEGINNING)
        assert ask(shards) == (b'{"by":"beginning"}', ["a"])


def test_a_question_goes_on_within_its_time_where_a_server_hangs() -> None:
    ended = threading.Event()

    def hang(_: Heard) -> bytes:
        # From now on it does not say what it is either.
        first.waits_for = ended
        ended.wait(PATIENT_S)
        return b""

    first, second = Acted(leader(), hang), Acted(standby())
    with tier_of(first, second, timeout_s=PATIENT_S / 3) as shards:
        try:
            assert ask(shards) == (b'{"by":"standby"}', ["a"])
        finally:
            ended.set()


def say_feed(*lines: str, role: str) -> bytes:
    """Return the beginning of a feed, which breaks off."""
    head = f"HTTP/1.1 200 OK\r\nConnection: close\r\n{ROLE_HEADER}: {role}\r\n\r\n"
    return (head + "".join(f"{line}\n" for line in lines)).encode()


@pytest.mark.parametrize(
    "lacking",
    [
        say_feed("id: 7", "", role="standby"),
        answer({"code": "invalid_argument", "detail": "9 has not happened yet"}, 400),
    ],
    ids=["goes back", "refuses"],
)
def test_a_feed_waits_for_a_standby_that_does_not_show_yet_what_was_heard(lacking: bytes) -> None:
    lacking = lacking.replace(b"Connection", f"{ROLE_HEADER}: standby\r\nConnection".encode(), 1)
    said = [
        say_feed("id: 9", "data: x", "", role="leader"),
        lacking,
        say_feed("id: 9", "", role="standby"),
        say_feed("id: 10", "data: y", "", role="leader"),
    ]
    with tier_of(first := Acted(leader()), Acted(Told(), lambda _: b"")) as shards:
        first.say = lambda _: said.pop(0) if said else b""
        heard: list[tuple[str, list[str], bool]] = []
        news = threading.Semaphore(0)
        feeds = ShardFeeds(shards, "/live", [], after=None, wake=news.release)
        try:
            while [data for _, data, _ in heard if data] != [["x"], ["y"]]:
                assert news.acquire(timeout=PATIENT_S)
                told = feeds.take()
                assert told is not None
                assert told.failure is None, told
                if told.lost is None:
                    data = [event.data for event in told.events]
                    heard.append((told.last_id, data, told.is_of_standby))
        finally:
            feeds.close()
        assert heard == [("9", ["x"], False), ("9", [], True), ("10", ["y"], False)]
        # It came back each time with what was heard last.
        asked = [each.headers.get("last-event-id") for each in first.heard[:4]]
        assert asked == [None, "9", "9", "9"]


def test_a_feed_is_sure_once_whoever_began_to_lead_is() -> None:
    ended = threading.Event()
    first = Acted(msgspec.structs.replace(leader(2), role=BEGINNING))

    def feed(_: Heard) -> Iterator[bytes]:
        yield say_feed("id: 9", "", role=first.told.role)
        while not ended.wait(0.05):
            yield b": nothing new\n\n"

    first.say = feed
    with tier_of(first, Acted(standby(2))) as shards:
        news = threading.Semaphore(0)
        feeds = ShardFeeds(shards, "/live", [], after=None, wake=news.release)
        try:
            unsure: list[bool] = []
            while not unsure or unsure[-1]:
                assert news.acquire(timeout=PATIENT_S)
                told = feeds.take()
                assert told is not None
                # It is the same server all the time, and nothing was lost.
                assert (told.lost, told.failure, told.last_id) == (None, None, "9")
                unsure.append(told.is_of_standby)
                first.told = leader(2)
        finally:
            ended.set()
            feeds.close()
    assert unsure[0]
    assert [each.headers.get("last-event-id") for each in first.heard] == [None, "9"]


def test_a_shard_of_which_one_is_about_to_open_is_asked_again_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(line, "OPENING_SHARE", 0.0)
    monkeypatch.setattr(line, "SLOW_S", 0.0)
    monkeypatch.setattr(line, "LEFT_OUT_S", 600.0)
    first, second = Acted(leader(), opens_after=1), Acted(Told(), lambda _: b"")
    with tier_of(first, second) as shards:
        with pytest.raises(ClewError, match="about to open"):
            ask(shards)
        assert ask(shards) == (b'{"by":"leader"}', [])
        # Where nobody is there it is left out for a while, and looked at all the same.
        first.told, first.say = Told(), lambda _: b""
        with pytest.raises(ClewError, match="none of its servers can answer"):
            ask(shards)
        with pytest.raises(ClewError, match="is asked again after"):
            ask(shards)
        first.told = leader()
        (looked,) = shards.look(timeout_s=PATIENT_S)
        assert looked.asked == Choice(shards.shards[0].url, True, 1, GROUP)


def test_what_is_written_is_not_sent_twice_where_nobody_knows_whether_it_was_done() -> None:
    first, second = Acted(leader(), lambda _: b""), Acted(standby())
    with tier_of(first, second) as shards:
        with pytest.raises(ClewError, match="whether it did what was sent is not known"):
            write(shards)
        assert [heard.method for heard in first.heard] == ["POST"]
        first.told = standby()
        with pytest.raises(ClewError, match="no server of it leads, and a standby") as refused:
            write(shards)
        assert refused.value.code is ErrorCode.UNAVAILABLE
        assert (len(first.heard), len(second.heard)) == (1, 0)


def test_servers_of_one_shard_that_do_not_have_the_same_are_no_partial_answer() -> None:
    with tier_of(Acted(leader()), Acted(Told(4, "x", "alone"))) as shards:
        with pytest.raises(ClewError, match="shard a: its servers do not keep the same") as told:
            ask(shards)
        assert told.value.code is ErrorCode.CONFLICT
        (looked,) = shards.look(timeout_s=PATIENT_S)
        assert isinstance(looked.asked, ClewError)
        assert [each.told for each in looked.heard.values()] == [leader(), Told(4, "x", "alone")]


def test_a_shard_that_makes_a_mistake_is_missing_unless_every_one_does() -> None:
    mistake = answer({"code": "internal", "detail": "the server made a mistake"}, 500)
    with (
        ScriptedServer(lambda _: answer({})) as well,
        ScriptedServer(lambda _: mistake) as ill,
    ):
        shards = Shards([Shard("a", well.url), Shard("b", ill.url)], timeout_s=PATIENT_S)
        try:
            with gather(shards.names) as gathering:
                found = shards.ask(lambda server: server.get("/x").body)
            assert [shard.name for shard, _ in found.answers] == ["a"]
            assert gathering.missing == {"b": "the server made a mistake"}
            with pytest.raises(ClewError, match="shard b: the server made a mistake") as told:
                shards.ask(lambda server: server.get("/x"), only={"b"})
            assert told.value.code is ErrorCode.INTERNAL
        finally:
            shards.close()


def test_a_shard_of_an_older_version_says_what_it_lacks_until_a_newer_one_stands_there() -> None:
    version = "0.0.1"

    def say(heard: Heard) -> bytes:
        headers = {"Server": f"clew/{version}"}
        if heard.path == FRAMES_PATH:
            return answer({"acked": 1, "flushed": 0, "data_id": "x", "role": "alone"}, 200, headers)
        about = {"type": "urn:clew:error:not_found", "detail": f"{NOWHERE}{heard.path}"}
        return answer({"code": "not_found", **about}, 404, headers)

    with ScriptedServer(say) as older, ScriptedServer(lambda _: answer({})) as newer:
        shards = Shards([Shard("a", older.url), Shard("b", newer.url)], timeout_s=PATIENT_S)
        desk: Any = SimpleNamespace(shards=shards)
        try:
            status = look_at_shards(desk)[0]
            assert (status.version, status.warning) == ("0.0.1", None)
            with gather(shards.names) as gathering:
                shards.ask(lambda server: server.get("/api/v1/newest").body)
            assert list(gathering.missing) == ["a"]
            status = look_at_shards(desk)[0]
            assert status.reachable
            assert status.error is None
            assert f"{older.url} runs clew 0.0.1 and has no /api/v1/newest" in (
                status.warning or ""
            )
            version = "0.0.2"
            status = look_at_shards(desk)[0]
            assert (status.version, status.warning) == ("0.0.2", None)
        finally:
            shards.close()


def test_a_standby_that_lacks_what_was_seen_before_is_named_and_what_it_has_is_answered(
    tmp_path: Path,
) -> None:
    def read(acked: int) -> Say:
        rows = pa.table({"SpanName": [f"up to {acked}"]})
        scan = ReadScan(rows, ("String",))
        body = encode_answer(ScanAnswer(acked, {"rows": scan}))
        return lambda heard: answer(
            body if heard.path == SCANS_PATH else b"", headers={ROLE_HEADER: first.told.role}
        )

    first = Acted(leader(acked=9))
    first.say = read(9)
    with tier_of(first, Acted(Told(), lambda _: b"")) as shards:
        engine = ShardedEngine(tmp_path, shards)
        try:
            assert look_through(engine, shards) == ("up to 9", [], [])
            with gather(shards.names) as begun:
                moment = engine.snapshot()
                first.told = standby(acked=7)
                first.say = read(7)
                # The moment of the leader, read at the standby.
                rows = engine.query("@rows", snapshot=moment, scans=SCANS)
                assert rows.to_pydict() == {"SpanName": ["up to 7"]}
                assert told_of(begun) == (["a"], ["a"])
            assert look_through(engine, shards) == ("up to 7", ["a"], ["a"])
            # As soon as it has all, nothing is missing; that nobody leads is told on.
            first.told = standby(acked=9)
            first.say = read(9)
            assert look_through(engine, shards) == ("up to 9", [], ["a"])
            # What one shows that leads under a smaller epoch does not count as all there is.
            first.told = leader(2, acked=12)
            first.say = read(12)
            assert look_through(engine, shards) == ("up to 12", [], [])
            first.told = leader(1, acked=7)
            first.say = read(7)
            for _ in range(2):
                assert look_through(engine, shards)[:2] == ("up to 7", ["a"])
        finally:
            engine.close()


SCANS = {"rows": Scan(TRACES, ("SpanName",), "1")}


def look_through(engine: ShardedEngine, shards: Shards) -> tuple[str, list[str], list[str]]:
    """Return the row, which shards are missing, and for which a standby answered."""
    with gather(shards.names) as gathering:
        rows = engine.query("@rows", snapshot=engine.snapshot(), scans=SCANS)
        return (str(rows.column(0)[0]), *told_of(gathering))


def told_of(gathering: Gathering) -> tuple[list[str], list[str]]:
    return gathering.missing_shards, sorted(gathering.standbys)
