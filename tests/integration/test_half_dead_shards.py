"""Shards that answer wrongly, slowly or without end hold nothing up, and somebody names them."""

from __future__ import annotations

import asyncio
import contextvars
import re
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from starlette.requests import Request

from clew.access.caller import LOCAL
from clew.base.deadline import DEADLINE, OverdueError
from clew.base.errors import ClewError, ErrorCode
from clew.base.gathering import Shard, gather, note_missing
from clew.remote import line
from clew.remote.feeds import ShardFeeds
from clew.remote.http import Server
from clew.remote.looks import FRAMES_PATH
from clew.remote.shards import Shards
from clew.store.engine.exchange import ScanAnswer, decode_answer, decode_frame, encode_answer
from clew.store.page import decode_cursor, encode_cursor
from clew.surfaces.rest.merged_feed import MergedFeed
from clew.surfaces.rest.streams import ExportStream
from clew.surfaces.rest.threads import QueryThreads
from clew.surfaces.rest.watch_shards import ShardedMessages
from clew.team.comments.parameters import CommentEdit, NewComment
from clew.team.comments.sharded import ShardedComments
from clew.tree.parameters import AppQuery, WatchParameters
from clew.tree.sharded import ShardedTree
from tests.scripted_http import Heard, ScriptedServer, answer

TIMEOUT_S = 0.3
ENOUGH_S = 6.0
"""What is waited out in vain as well, and has to be enough for whoever answers beside it."""
PATIENT_S = 20.0
COMMENT = "0f0e0d0c-0b0a-4908-8706-050403020100"
TRACE = "ab" * 16


def drip(ended: threading.Event) -> Iterator[bytes]:
    """Say a body of which a byte comes now and then, and never the last."""
    yield b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
    while not ended.wait(TIMEOUT_S / 10):
        yield b"x"


@pytest.fixture
def leaves_out_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the next question takes to be asked, whoever was missing is left out of it."""
    monkeypatch.setattr(line, "LEFT_OUT_S", 3600.0)


@pytest.mark.usefixtures("leaves_out_for_long")
def test_an_answer_that_comes_byte_by_byte_is_broken_off_at_the_deadline() -> None:
    ended = threading.Event()
    with (
        ScriptedServer(lambda _: answer({})) as well,
        ScriptedServer(lambda _: drip(ended)) as dripping,
    ):
        shards = Shards([Shard("a", well.url), Shard("b", dripping.url)], timeout_s=ENOUGH_S)
        try:
            with gather() as gathering:
                found = shards.ask(lambda server: server.get("/x").body)
            assert [shard.name for shard, _ in found.answers] == ["a"]
            assert gathering.missing_shards == ["b"]
            # Nobody reads on, and nothing is asked a second time.
            dripping.wait_until_left()
            # It is left out of what comes next, which does not wait for it.
            assert [shard.name for shard, _ in shards.ask(lambda s: s.get("/x")).answers] == ["a"]
            with pytest.raises(
                ClewError, match="whether it did what was sent is not known"
            ) as told:
                shards.one("b", lambda server: server.post("/x", b"{}", "application/json"))
            assert told.value.code is ErrorCode.TIMEOUT
            dripping.wait_until_left(2)
            assert [heard.method for heard in dripping.heard] == ["GET", "POST"]
        finally:
            ended.set()
            shards.close()


def test_the_end_of_a_questions_own_time_is_no_fault_of_a_shard() -> None:
    ended = threading.Event()

    def hold(_: Heard) -> bytes:
        ended.wait(PATIENT_S)
        return answer({})

    with ScriptedServer(lambda _: answer({})) as well, ScriptedServer(hold) as held:
        shards = Shards([Shard("a", well.url), Shard("b", held.url)], timeout_s=PATIENT_S)
        try:
            with gather() as gathering:
                late = contextvars.copy_context()
                late.run(DEADLINE.set, time.monotonic() + TIMEOUT_S)
                with pytest.raises(OverdueError):
                    late.run(shards.ask, lambda server: server.get("/x").body)
            assert gathering.missing_shards == []
            # Whoever has the time for it is answered by both.
            ended.set()
            assert len(shards.ask(lambda server: server.get("/x")).answers) == 2
        finally:
            ended.set()
            shards.close()


@pytest.mark.parametrize("is_group", [False, True])
def test_a_look_lets_go_of_a_server_that_answers_byte_by_byte(is_group: bool) -> None:
    ended = threading.Event()
    with (
        ScriptedServer(lambda _: drip(ended)) as dripping,
        ScriptedServer(lambda _: drip(ended)) as other,
    ):
        others = (other.url,) if is_group else ()
        shards = Shards([Shard("a", dripping.url, others)], timeout_s=PATIENT_S)
        try:
            (looked,) = shards.look(timeout_s=ENOUGH_S)
            assert isinstance(looked.asked, ClewError)
            for server in (dripping, other):
                asked = int(server is dripping or is_group)
                server.wait_until_left(asked)
                assert len(server.heard) == asked
        finally:
            ended.set()
            shards.close()


@pytest.mark.parametrize("is_write", [False, True])
def test_whoever_asks_one_server_gives_up_what_comes_byte_by_byte(is_write: bool) -> None:
    ended = threading.Event()
    with (
        ScriptedServer(lambda _: drip(ended)) as dripping,
        Server(dripping.url, read_timeout_s=TIMEOUT_S) as server,
    ):
        try:
            with pytest.raises(ClewError) as told:
                server.post("/x", b"", "") if is_write else server.get("/x")
            # Nobody reads on, and nothing is asked a second time.
            dripping.wait_until_left()
        finally:
            ended.set()
    assert told.value.code is ErrorCode.TIMEOUT
    assert ("is not known" in told.value.message) == is_write
    assert len(dripping.heard) == 1


@pytest.mark.usefixtures("leaves_out_for_long")
@pytest.mark.parametrize("kind", ["silent", "late to refuse"])
def test_a_shard_that_takes_long_to_be_found_missing_is_left_out_of_what_comes_next(
    kind: str,
) -> None:
    ended = threading.Event()

    def hold(_: Heard) -> bytes:
        ended.wait(PATIENT_S if kind == "silent" else line.SLOW_S)
        return b""

    with (
        ScriptedServer(lambda _: answer({})) as well,
        ScriptedServer(hold) as dead,
    ):
        limit = ENOUGH_S if kind == "silent" else PATIENT_S
        shards = Shards([Shard("a", well.url), Shard("b", dead.url)], timeout_s=limit)
        try:
            for _ in range(2):
                found = shards.ask(lambda server: server.get("/x"))
                assert [shard.name for shard, _ in found.answers] == ["a"]
            # Where the connection broke it was asked again at once, and then no more.
            assert len(dead.heard) == (1 if kind == "silent" else 2)
        finally:
            ended.set()
            shards.close()


def test_shards_have_no_longer_than_the_question_that_they_are_asked_for() -> None:
    ended = threading.Event()

    def hold(_: Heard) -> bytes:
        ended.wait(PATIENT_S)
        return b""

    def count(shards: Shards) -> int:
        return len(shards.ask(lambda server: server.get("/x")).answers)

    async def ask(shards: Shards) -> None:
        threads = QueryThreads(1, name="deadline", seconds_max=ENOUGH_S)
        # What is asked after that deadline has passed is asked of nobody.
        with pytest.raises(ClewError) as told:
            await threads.run(lambda: [count(shards), count(shards)])
        assert told.value.code is ErrorCode.TIMEOUT
        await threads.close()

    with ScriptedServer(lambda _: answer({})) as well, ScriptedServer(hold) as dead:
        shards = Shards([Shard("a", well.url), Shard("b", dead.url)], timeout_s=2 * PATIENT_S)
        try:
            began = time.monotonic()
            asyncio.run(ask(shards))
            assert time.monotonic() - began < PATIENT_S
            ended.set()
            dead.wait_until_left()
            assert (len(well.heard), len(dead.heard)) == (1, 1)
            # That the question had little time says nothing of the shard.
            assert count(shards) == 1
            assert len(dead.heard) > 1
        finally:
            ended.set()
            shards.close()


def test_a_short_look_does_not_leave_a_shard_out_of_what_has_longer() -> None:
    awake = threading.Event()

    def say(heard: Heard) -> bytes:
        if heard.path == FRAMES_PATH:
            awake.wait(PATIENT_S)
        return answer({})

    with ScriptedServer(say) as one, ScriptedServer(say) as two:
        shards = Shards([Shard("a", one.url), Shard("b", two.url)], timeout_s=PATIENT_S)
        try:
            began = time.monotonic()
            looked = [each.asked for each in shards.look(timeout_s=0.1)]
            assert time.monotonic() - began < PATIENT_S / 2
            assert [each.code for each in looked if isinstance(each, ClewError)] == [
                ErrorCode.TIMEOUT
            ] * 2
            assert len(shards.ask(lambda server: server.get("/quick")).answers) == 2
        finally:
            awake.set()
            shards.close()


def test_a_shard_is_shown_the_key_of_whoever_asks_for_one_thing_or_writes() -> None:
    times = {"created_at": "", "updated_at": None}
    comment = {"id": COMMENT, "trace_id": TRACE, "span_id": None, "author": "a", "body": "b"}
    with ScriptedServer(lambda _: answer({"comment": comment | times})) as server:
        shards = Shards([Shard("a", server.url)], timeout_s=PATIENT_S)
        comments = ShardedComments(shards, time.time_ns)
        try:
            with gather(shards.names, "clew_mine"):
                comments.get(COMMENT)
                comments.add(TRACE, NewComment(body="b")).result(PATIENT_S)
                comments.edit(COMMENT, CommentEdit(body="b")).result(PATIENT_S)
        finally:
            shards.close()
        asked = [(heard.method, heard.headers.get("authorization")) for heard in server.heard]
    assert asked == [(method, "Bearer clew_mine") for method in ("GET", "POST", "GET", "PATCH")]


ABSENT = {"type": "urn:clew:error:not_found", "code": "not_found", "detail": "there is no such"}
NOWHERE = ABSENT | {"detail": "there is nothing at '/api/v1/apps'"}
PAGE = {"Content-Type": "text/html", "Server": "nginx/1.24"}


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (answer(b"<html>no</html>", 404, PAGE), "is no clew server: nginx/1.24, which"),
        (answer(b"<html>no</html>", 502, PAGE), "no clew server answers at .*: nginx/1.24"),
        (answer(b"<html>index</html>", 200, PAGE), "is no clew server: nginx/1.24, which"),
        (answer({"detail": "Not Found"}, 404), "is no clew server: it answered 404"),
        (answer({"code": "not_found", "detail": "?"}, 404), "is no clew server: it answered 404"),
        (answer({"code": 5, "message": "Not Found"}, 404), "is no clew server: it answered 404"),
        (answer(b"no", 500), "is no clew server: it answered 500"),
        (answer(NOWHERE, 404), "the clew server at .* has no /api/v1/apps"),
        (answer({"code": 5, "message": NOWHERE["detail"]}, 404), "the clew server at .* has no"),
    ],
    ids=[
        "a web server",
        "a proxy",
        "its page for whatever is asked",
        "a program with errors of its own",
        "one that calls it as clew does",
        "a gateway of gRPC",
        "a fault of it",
        "an older clew server",
        "a door for telemetry",
    ],
)
def test_what_knows_nothing_of_an_address_is_a_shard_that_is_missing_and_not_empty(
    said: bytes, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    apps = {"apps": [], "count": 0, "truncated": False, "total": 0}

    def have_none(heard: Heard) -> bytes:
        return answer(apps) if heard.path == "/api/v1/apps" else answer(ABSENT, 404)

    with ScriptedServer(have_none) as well, ScriptedServer(lambda _: said) as stranger:
        shards = Shards([Shard("a", well.url), Shard("b", stranger.url)], timeout_s=PATIENT_S)
        tree = ShardedTree(shards, time.time_ns)
        try:
            with gather(shards.names) as gathering:
                assert tree.find_apps(LOCAL, AppQuery()).total == 0
            assert gathering.missing_shards == ["b"]
            with pytest.raises(ClewError, match=rf"these do not: b \(.*{told}") as absent:
                tree.get_app(LOCAL, COMMENT)
        finally:
            shards.close()
    assert absent.value.code is ErrorCode.UNAVAILABLE
    # With what to do, where its operator looks.
    (line,) = [each for each in caplog.messages if each.startswith("shard b does not answer")]
    assert re.search(told, line)
    assert "clew doctor" in line


@pytest.mark.parametrize(
    "said",
    [
        answer(b"x" * 100),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\n"
        + b"x" * 100
        + b"\r\n0\r\n\r\n",
    ],
    ids=["whole", "in chunks"],
)
def test_an_answer_that_is_too_large_is_not_read(said: bytes) -> None:
    with (
        ScriptedServer(lambda _: said) as server,
        Server(server.url, answer_bytes_max=99) as asked,
        pytest.raises(ClewError) as told,
    ):
        asked.get("/x")
    assert told.value.code is ErrorCode.TOO_LARGE
    with (
        ScriptedServer(lambda _: said) as server,
        Server(server.url, answer_bytes_max=100) as asked,
    ):
        assert len(asked.get("/x").body) == 100


def wait_until_none_feeds() -> None:
    for thread in threading.enumerate():
        if thread.name.startswith("clew-feed-"):
            thread.join(PATIENT_S)
            assert not thread.is_alive()


def test_a_feed_goes_on_at_a_shard_that_was_ending_when_it_was_asked() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    said = iter([b"", head + b"id: 7\ndata: x\n\n"])
    news = threading.Semaphore(0)
    with ScriptedServer(lambda _: next(said, b"")) as server:
        shards = Shards([Shard("a", server.url)], timeout_s=PATIENT_S)
        feeds = ShardFeeds(shards, "/live", [], after=None, wake=news.release)
        try:
            assert news.acquire(timeout=PATIENT_S)
            lost = feeds.take()
            assert lost is not None
            assert lost.lost is not None
            assert news.acquire(timeout=PATIENT_S)
            heard = feeds.take()
            assert heard is not None
            assert [event.data for event in heard.events] == ["x"]
        finally:
            feeds.close()
            shards.close()
    wait_until_none_feeds()


def test_a_feed_that_is_left_lets_go_of_a_shard_that_says_nothing() -> None:
    ended = threading.Event()

    def hold(_: Heard) -> bytes:
        ended.wait(PATIENT_S)
        return b""

    async def begin_and_leave(shards: Shards) -> None:
        feed = MergedFeed(shards, "/live", [], None)
        begun = asyncio.ensure_future(feed.begin())
        # It has begun with the shard, and hears nothing of it.
        await asyncio.to_thread(asked.wait, PATIENT_S)
        begun.cancel()
        await asyncio.wait([begun])
        feed.close()

    async def cancel_at_once(shards: Shards) -> None:
        feed = MergedFeed(shards, "/live", [], None)
        begun = asyncio.ensure_future(feed.begin())
        await asyncio.sleep(0)
        begun.cancel()
        await asyncio.wait([begun])
        feed.close()

    asked = threading.Event()

    def note(heard: Heard) -> bytes:
        asked.set()
        return hold(heard)

    with ScriptedServer(note) as server:
        shards = Shards([Shard("a", server.url)], timeout_s=PATIENT_S)
        try:
            asyncio.run(begin_and_leave(shards))
            asyncio.run(cancel_at_once(shards))
            wait_until_none_feeds()
        finally:
            ended.set()
            shards.close()


@pytest.mark.parametrize("data", [b"<html>", b"{}", b"7"])
def test_a_feed_that_cannot_be_read_is_an_error_that_names_its_shard(data: bytes) -> None:
    said = b"HTTP/1.1 200 OK\r\n\r\nid: 1\ndata: " + data + b"\n\n"

    async def take(shards: Shards) -> None:
        messages = ShardedMessages(shards, "/watch", WatchParameters())
        try:
            await messages.begin()
            await messages.take()
        finally:
            messages.close()

    with ScriptedServer(lambda _: said) as server:
        shards = Shards([Shard("a", server.url)], timeout_s=PATIENT_S)
        try:
            with pytest.raises(ClewError, match="shard a: what its feed says cannot be read"):
                asyncio.run(take(shards))
        finally:
            shards.close()


@pytest.mark.parametrize("is_lost", [True, False])
def test_an_export_that_lost_a_shard_at_its_end_does_not_end_whole(is_lost: bool) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"one"
        # The others have nothing more, and this one is not there to say what it has.
        if is_lost:
            note_missing("b", "away")

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        await asyncio.Event().wait()

    async def export() -> None:
        scope = {"type": "http", "method": "GET", "headers": []}
        asked = SimpleNamespace(request=Request(scope, receive), caller=None)
        form = {"media_type": "application/x-ndjson", "filename": "traces.ndjson"}
        threads = QueryThreads(1, name="export")
        # As much of a desk as an export needs: who asks may.
        desk: Any = SimpleNamespace(
            threads=threads, identity=SimpleNamespace(is_valid=lambda _: True)
        )
        stream = ExportStream(desk, asked, "traces", pieces(), **form)  # type: ignore[arg-type]
        with gather(("a", "b")):
            await stream(scope, receive, send)
        await threads.close()

    asyncio.run(export())
    assert [message.get("body") for message in sent[1:]] == ([b"one"] if is_lost else [b"one", b""])


class Place(msgspec.Struct, frozen=True):
    """Where a page ends."""

    at: int


def test_a_list_that_was_begun_without_a_shard_says_so_on_every_page() -> None:
    with gather(("a", "b", "c")) as first:
        first.frames = (7, 0, 0)
        note_missing("b", "away")
        cursor = encode_cursor(Place(3))
    with gather(("a", "b", "c")) as following:
        assert decode_cursor(cursor, Place, lambda place: place.at == 3) == Place(3)
        assert following.frames == (7, 0, 0)
        # There was nothing yet on the third, and nothing is missing of it.
        assert following.missing_shards == ["b"]


@pytest.mark.parametrize("names", [("a",), ("a", "c"), ("a", "b", "c"), ()])
def test_a_cursor_is_of_the_shards_that_it_was_made_over(names: tuple[str, ...]) -> None:
    with gather(("a", "b")) as first:
        first.frames = (7, 9)
        cursor = encode_cursor(Place(3))
    with gather(names), pytest.raises(ClewError, match="next is not a cursor of this list"):
        decode_cursor(cursor, Place, lambda _: True)


EMPTY = encode_answer(ScanAnswer(1, {}))


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>no</html>", b"\xff" * 64, EMPTY[:9], b"\x00" * 8],
    ids=["nothing", "a page", "other bytes", "half of it", "zeros"],
)
def test_what_is_no_answer_of_a_shard_is_told_as_one_that_is_missing(body: bytes) -> None:
    for decode in (decode_answer, decode_frame):
        with pytest.raises(ClewError) as told:
            decode(body)
        assert told.value.code is ErrorCode.UNAVAILABLE
        assert told.value.hint
