"""A query tier over two servers: comments, apps, sessions, registries and feeds of both as one."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection
from websockets.typing import Subprotocol

from clew.answers.remote_store import RemoteStore
from clew.base.errors import ClewError, ErrorCode
from clew.base.gathering import Shard
from clew.base.sharding import Ring
from clew.remote.events import EventParser
from clew.remote.http import Server
from clew.remote.shards import Shards
from clew.surfaces.rest.merged_feed import MergedFeed
from clew.team.comments.parameters import CommentEdit, CommentQuery, NewComment
from clew.telemetry.query.parameters import LogQuery, SpanQuery
from clew.testing.chaos import ChaosProxy, Way
from clew.testing.requests import ids_of, logs_request, metrics_request, spans_request
from clew.testing.router import Router
from clew.testing.server import ServerProcess
from clew.tree.documents import Command
from clew.tree.parameters import AppQuery, CancelParameters, ChildQuery, NewChild, NewCommand
from clew.tree.remote import TreeClient
from clew.twin.remote import TwinClient
from tests.integration.wire import ask
from tests.sockets import connect

NAMES = ("a:4317", "b:4317")
RING = Ring(NAMES)
TRACES = [ids_of(0x71E2_0000 + number)[0].hex() for number in range(24)]
PROTOBUF = "application/x-protobuf"
WAIT_S = 60.0


@dataclass
class Tier:
    """Two servers, their router, and the tier over them."""

    shards: dict[str, ServerProcess]
    tier: ServerProcess
    store: RemoteStore
    router: Router

    def owned_by(self, name: str) -> str:
        return next(trace for trace in TRACES if RING.owner_of_trace(trace) == name)


@pytest.fixture(scope="module")
def tier(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tier]:
    folder = tmp_path_factory.mktemp("tier")
    with (
        ServerProcess(folder / "a") as one,
        ServerProcess(folder / "b") as two,
        ServerProcess(
            folder / "tier",
            {"shards": f"{NAMES[0]}={one.url},{NAMES[1]}={two.url}", "shard_timeout": "60"},
        ) as process,
        RemoteStore(process.url) as store,
        Router({NAMES[0]: one.otlp_url, NAMES[1]: two.url}) as router,
    ):
        opened = Tier(dict(zip(NAMES, (one, two), strict=True)), process, store, router)
        fill(router)
        yield opened


def fill(router: Router) -> None:
    """Send what a Collector would: traces, logs of theirs and without one, metrics of services."""
    with Server(router.url) as door:
        ids = [(bytes.fromhex(trace), bytes.fromhex(trace)[8:]) for trace in TRACES]
        door.post("/v1/traces", spans_request("routed", ids).SerializeToString(), PROTOBUF)
        logs = logs_request("routed", [f"line {number}" for number in range(len(TRACES) + 2)])
        records = logs.resource_logs[0].scope_logs[0].log_records
        for trace, record in zip(TRACES, records, strict=False):
            record.trace_id = bytes.fromhex(trace)
        door.post("/v1/logs", logs.SerializeToString(), PROTOBUF)
        metrics = metrics_request("routed", "routed.size", [1.0, 2.0])
        door.post("/v1/metrics", metrics.SerializeToString(), PROTOBUF)


def test_the_router_brings_each_record_to_its_owner_and_the_tier_has_all(tier: Tier) -> None:
    assert tier.store.find_spans(SpanQuery(service="routed")).count == len(TRACES)
    assert tier.store.find_logs(LogQuery(service="routed")).count == len(TRACES) + 2
    for name, server in tier.shards.items():
        with RemoteStore(server.url) as shard:
            owned = {trace for trace in TRACES if RING.owner_of_trace(trace) == name}
            assert owned
            spans = shard.find_spans(SpanQuery(service="routed")).spans
            assert {span.trace_id for span in spans} == owned
            logs = shard.find_logs(LogQuery(service="routed")).logs
            own = {record.trace_id for record in logs if record.trace_id is not None}
            assert own == owned
            rest = sum(record.trace_id is None for record in logs)
            assert rest == (2 if RING.owner_of(b"routed") == name else 0)


def test_what_is_written_through_a_store_over_a_tier_is_sent_to_the_shards(tier: Tier) -> None:
    with pytest.raises(ClewError) as refused:
        tier.store.accept("traces", b"...")
    assert refused.value.code is ErrorCode.UNSUPPORTED
    hint = str(refused.value.hint)
    for name, server in tier.shards.items():
        assert f"{name} ({server.url})" in hint
    assert "docs/guide/collector.md" in hint
    assert tier.tier.url not in hint


def test_a_comment_lies_where_its_trace_does_and_is_found_from_the_tier(tier: Tier) -> None:
    for name in NAMES:
        trace = tier.owned_by(name)
        comment = tier.store.add_comment(trace, NewComment(body=f"on {name}", author="ann"))
        with RemoteStore(tier.shards[name].url) as shard:
            assert shard.get_comment(comment.id) == comment
        assert tier.store.get_comment(comment.id) == comment
        of_trace = tier.store.find_comments(CommentQuery(trace_id=trace))
        assert comment in of_trace.comments
        edited = tier.store.edit_comment(comment.id, CommentEdit(body=f"still on {name}"))
        assert edited.body == f"still on {name}"
        assert tier.store.delete_comment(comment.id) == edited
        with pytest.raises(ClewError, match="there is no comment"):
            tier.store.get_comment(comment.id)


def test_comments_of_all_shards_are_paged_by_time_and_new_ones_shift_nothing(tier: Tier) -> None:
    said = [
        tier.store.add_comment(TRACES[number], NewComment(body=f"{number}", author="pages"))
        for number in range(9)
    ]
    # A comment that lies with another server than its trace's owner is found all the same.
    stray = tier.owned_by(NAMES[0])
    with RemoteStore(tier.shards[NAMES[1]].url) as shard:
        said.append(shard.add_comment(stray, NewComment(body="stray", author="pages")))
    for order, expected in (("newest", said[::-1]), ("oldest", said)):
        query = CommentQuery(author="pages", order=order, limit=3)  # type: ignore[arg-type]
        pages = []
        while True:
            found = tier.store.find_comments(query)
            pages += found.comments
            if found.next is None:
                break
            assert found.truncated
            if order == "newest":
                tier.store.add_comment(TRACES[0], NewComment(body="since", author="pages"))
            query = msgspec.structs.replace(query, next=found.next)
        shown = [comment for comment in pages if comment.body != "since"]
        assert shown == expected
        if order == "newest":
            assert pages == expected
    answer = ask(tier.tier.url, path=f"/api/v1/correlate?trace={stray}")
    assert "stray" in {each["body"] for each in json.loads(answer.body)["comments"]}


def test_apps_of_all_shards_are_listed_and_commanded_where_they_are(tier: Tier) -> None:
    roots = {}
    for name, server in tier.shards.items():
        with Server(server.url) as door:
            scheduled = TreeClient(door).schedule(NewChild(app_name=f"root of {name}")).document()
            roots[name] = scheduled.app.app_id
    with Server(tier.tier.url) as door:
        tree = TreeClient(door)
        found = tree.find_apps(AppQuery(name="root of")).document() or None
        apps = tree.find_apps(AppQuery(limit=1)).document()
        assert apps.truncated
        following = tree.find_apps(AppQuery(limit=1, next=apps.next)).document()
        both = [*apps.apps, *following.apps]
        assert {(app.app_id, app.shard) for app in both} == {
            (app_id, name) for name, app_id in roots.items()
        }
        assert found is not None
        for name, app_id in roots.items():
            assert tree.get_app(app_id).document().shard == name
            child = tree.schedule(NewChild(app_name="child", parent_id=app_id)).document().app
            below = tree.find_children(app_id, ChildQuery(recursive=True)).document()
            assert [(app.app_id, app.shard) for app in below.apps] == [(child.app_id, name)]
            with Server(tier.shards[name].url) as shard:
                assert TreeClient(shard).get_app(child.app_id).document().parent_id == app_id
            cancelled = tree.cancel(app_id, CancelParameters(cascade=True, wait="5")).document()
            assert {each.app_id for each in cancelled.outcomes} == {app_id, child.app_id}
        for name, app_id in roots.items():
            happened = happenings(tier.tier.url, app_id)
            assert {each["app_id"] for each in happened} == {app_id}, name
        unknown = "00000000-0000-7000-8000-000000000000"
        assert ask(tier.tier.url, path=f"/api/v1/watch?within={unknown}").status == 404
        with pytest.raises(ClewError) as caught:
            tree.schedule(NewChild(app_name="homeless"))
        assert caught.value.code is ErrorCode.UNSUPPORTED
        with pytest.raises(ClewError, match="there is no app"):
            tree.get_app(unknown)


def happenings(url: str, app_id: str) -> list[dict[str, Any]]:
    """Return what has happened to an app, as the feed of the tier tells it from the beginning."""
    pairs = [("app_id", app_id)]
    places = "&".join(f"{name.replace(':', '%3A')}=0" for name in NAMES)
    with (
        Server(url) as server,
        server.stream("/api/v1/watch", pairs, {"Last-Event-ID": places}) as stream,
    ):
        parser = EventParser()
        for chunk in stream.chunks():
            for event in parser.feed(chunk):
                if event.name == "message":
                    heard: list[dict[str, Any]] = json.loads(event.data)
                    return heard
    return []


def hear(feed: ClientConnection, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Return the first message of a feed that is wanted."""
    while True:
        said: dict[str, Any] = json.loads(feed.recv(WAIT_S))
        if wanted(said):
            return said


def test_a_web_socket_of_the_tier_tells_what_happens_at_every_shard(tier: Tier) -> None:
    roots = {}
    for name, server in tier.shards.items():
        with Server(server.url) as door:
            roots[name] = TreeClient(door).schedule(NewChild(app_name="heard")).document().app
    url = tier.tier.url.replace("http", "ws", 1) + "/api/v1/watch"
    heard: dict[str, dict[str, Any]] = {}
    with connect(f"{url}?after=0", compression=None) as feed:
        begun = json.loads(feed.recv(WAIT_S))
        assert begun["kind"] == "ready"
        for _ in roots:
            app_ids = {root.app_id for root in roots.values()} - set(heard)
            said = hear(feed, lambda said, ids=app_ids: said.get("app_id") in ids)  # type: ignore[misc]
            heard[said["app_id"]] = said
    assert {each["shard"]: each["app_id"] for each in heard.values()} == {
        name: root.app_id for name, root in roots.items()
    }
    last = list(heard.values())[-1]["id"]
    answer = ask(tier.tier.url, "POST", "/api/v1/watch/tickets")
    protocols = [Subprotocol(f"clew.ticket.{json.loads(answer.body)['ticket']}")]
    first, shard = roots[NAMES[0]].app_id, tier.shards[NAMES[0]]
    with (
        connect(f"{url}?after={quote(last)}", compression=None, subprotocols=protocols) as feed,
        ThreadPoolExecutor(1) as pool,
        Server(shard.url) as door,
    ):
        assert json.loads(feed.recv(WAIT_S)) == {"kind": "ready", "id": last}
        waiting = pool.submit(command, tier.tier.url, first)
        said = json.loads(feed.recv(WAIT_S))
        assert (said["kind"], said["app_id"], said["shard"]) == ("command", first, NAMES[0])
        TreeClient(door).cancel(first, CancelParameters()).document()
        told = waiting.result(WAIT_S)
        assert told.over, "whoever waited at the tier hears of the end"
    unknown = "00000000-0000-7000-8000-000000000000"
    for path, status in ((f"?within={unknown}", 404), ("?after=c%3A1%3D5", 400)):
        with pytest.raises(InvalidStatus) as refused, connect(url + path, compression=None):
            pass
        assert refused.value.response.status_code == status


def command(url: str, app_id: str) -> Command:
    """Give a command, and wait for its end."""
    asked = NewCommand(action="look", payload=msgspec.Raw(b"{}"))
    with Server(url) as door:
        return TreeClient(door).command(app_id, asked, wait="60s").document()


def test_sessions_of_all_shards_are_read_and_none_is_started(tier: Tier) -> None:
    titles = []
    for name, server in tier.shards.items():
        body = json.dumps({"title": f"look at {name}"}).encode()
        json_type = {"content-type": "application/json"}
        assert ask(server.url, "POST", "/api/v1/sessions", body, json_type).status == 201
        titles.append(f"look at {name}")
        refused = ask(tier.tier.url, "POST", "/api/v1/sessions", body, json_type)
        problem = json.loads(refused.body)
        assert problem["code"] == "unsupported"
        assert server.url in problem["hint"]
    found = json.loads(ask(tier.tier.url, path="/api/v1/sessions").body)
    assert [each["title"] for each in found["sessions"]] == titles[::-1]
    one = ask(tier.tier.url, path=f"/api/v1/sessions/{found['sessions'][0]['id']}")
    assert json.loads(one.body)["title"] == titles[-1]
    activity = json.loads(ask(tier.tier.url, path="/api/v1/sessions/activity").body)
    assert sum(each["sessions"] for each in activity["members"]) == 2


def registry(version: str) -> bytes:
    kind = {"fields": {"size": {"type": "integer"}}}
    document = {"registry": {"name": "tiers", "version": version}, "objects": {"Box": kind}}
    return json.dumps(document).encode()


def test_registries_of_all_shards_are_one_shelf_and_a_conflict_is_told(tier: Tier) -> None:
    versions = dict(zip(NAMES, ("1.0.0", "1.1.0"), strict=True))
    for name, version in versions.items():
        with Server(tier.shards[name].url) as door:
            TwinClient(door).put_registry(registry(version))
    with Server(tier.tier.url) as door:
        twin = TwinClient(door)
        found = twin.list_registries().document()
        assert [each.version for each in found.registries] == ["1.1.0", "1.0.0"]
        assert [each.is_current for each in found.registries] == [True, False]
        assert found.conflicts == ["tiers: the current version is 1.0.0 on a:4317, 1.1.0 on b:4317"]
        assert json.loads(twin.find_current_registry("tiers"))["registry"]["version"] == "1.1.0"
        assert twin.get_registry(found.registries[1].checksum)
        with Server(tier.shards[NAMES[0]].url) as shard:
            TwinClient(shard).put_registry(registry("1.1.0"))
        agreed = twin.list_registries().document()
        assert agreed.conflicts == []


def test_the_way_in_is_told_of_every_shard(tier: Tier) -> None:
    status = tier.store.get_ingest_status()
    assert set(status.shards or {}) == set(NAMES)
    spans = next(each for each in status.signals if each.signal == "traces")
    assert spans.records >= len(TRACES)


@dataclass
class Listener:
    """Reads a feed of the tier's in a thread: data and ids, as they come."""

    heard: list[tuple[str, str, str]] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def wait_for(self, condition: Any) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: condition(self.heard), WAIT_S), self.heard

    @property
    def bodies(self) -> list[str]:
        return [
            record["body"]
            for name, data, _ in self.heard
            if name == "message"
            for record in json.loads(data)
        ]


@contextmanager
def listening(url: str, last_id: str = "") -> Iterator[Listener]:
    listener = Listener()
    begun = threading.Event()
    streams = []

    def read() -> None:
        headers = {"Last-Event-ID": last_id} if last_id else {}
        with (
            Server(url) as server,
            server.stream("/api/v1/logs/live", [("service", "fed")], headers) as stream,
        ):
            streams.append(stream)
            parser = EventParser(last_id)
            for chunk in stream.chunks():
                events = [(event.name, event.data, event.id) for event in parser.feed(chunk)]
                with listener.changed:
                    listener.heard += events
                    if parser.last_id:
                        begun.set()
                    listener.changed.notify_all()

    thread = threading.Thread(target=read)
    thread.start()
    assert begun.wait(WAIT_S)
    try:
        yield listener
    finally:
        streams[0].abort()
        thread.join(WAIT_S)


def say(server: ServerProcess, *bodies: str) -> None:
    with Server(server.url) as door:
        door.post("/v1/logs", logs_request("fed", bodies).SerializeToString(), PROTOBUF)


def test_a_feed_of_the_tier_has_every_shards_records_and_goes_on_where_it_was(tier: Tier) -> None:
    one, two = tier.shards.values()
    with listening(tier.tier.url) as first:
        say(one, "one")
        say(two, "two")
        first.wait_for(lambda _: {"one", "two"} <= set(first.bodies))
        last_id = first.heard[-1][2]
    assert last_id.count("=") == 2
    say(one, "three")
    say(two, "four")
    with listening(tier.tier.url, last_id) as second:
        second.wait_for(lambda _: len(second.bodies) >= 2)
        say(two, "five")
        second.wait_for(lambda _: "five" in second.bodies)
        assert sorted(second.bodies) == ["five", "four", "three"]
    refused = ask(tier.tier.url, path="/api/v1/logs/live?after=c%3A1%3D5")
    assert refused.status == 400


@dataclass
class Follower:
    """Hears a merged feed of a tier, as its doors do; what it heard is told by words of its own."""

    feed: MergedFeed
    words_of: Callable[[dict[str, Any]], str]
    words: list[str] = field(default_factory=list)
    news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def follow(self) -> None:
        while True:
            for heard in self.feed.take_waiting():
                for event in heard.events:
                    if event.name == "message":
                        self.words += map(self.words_of, json.loads(event.data))
                self.feed.places[heard.shard] = heard.last_id
            async with self.news:
                self.news.notify_all()
            await self.feed.hear()

    async def wait_for(self, words: set[str], *, without: str | None) -> None:
        """Wait until all of this was heard, and a shard, or none, is told to be missing."""

        def is_there() -> bool:
            missing = self.feed.missing
            return words <= set(self.words) and (without in missing if without else not missing)

        async with asyncio.timeout(WAIT_S), self.news:
            await self.news.wait_for(is_there)


@asynccontextmanager
async def following(
    shards: Shards, path: str, words_of: Callable[[dict[str, Any]], str], after: str | None = None
) -> AsyncIterator[Follower]:
    pairs = [("service", "cut")] if "logs" in path else []
    # Less than shards are silent by themselves: who has nothing to tell is lost and found again.
    feed = MergedFeed(shards, f"/api/v1/{path}", pairs, after, silence_s=10.0)
    follower = Follower(feed, words_of)
    try:
        await feed.begin()
        task = asyncio.ensure_future(follower.follow())
        yield follower
        task.cancel()
    finally:
        feed.close()


def test_feeds_lose_and_double_nothing_where_shards_hang_and_are_cut_off(tier: Tier) -> None:
    first, second = NAMES
    hung, cut = (ChaosProxy(urlsplit(server.url).port or 0) for server in tier.shards.values())
    proxies = {first: hung, second: cut}
    shards = Shards([Shard(name, proxy.url) for name, proxy in proxies.items()], timeout_s=WAIT_S)

    def speak(word: str, *names: str) -> set[str]:
        """Say something at shards, past what hangs: a log record, and an app that is announced."""
        for name in names:
            with Server(tier.shards[name].url) as door:
                logs = logs_request("cut", [f"{word} at {name}"]).SerializeToString()
                door.post("/v1/logs", logs, PROTOBUF)
                TreeClient(door).schedule(NewChild(app_name=f"{word} at {name}")).document()
        return {f"{word} at {name}" for name in names}

    logs = ("logs/live", lambda said: str(said["body"]))
    apps = ("watch", lambda said: str(said["document"]["app_name"]))

    async def see() -> None:
        async with AsyncExitStack() as stack:

            async def follow(which: Any, after: str | None = None) -> Follower:
                path, words_of = which
                return await stack.enter_async_context(following(shards, path, words_of, after))

            followers = [await follow(logs), await follow(apps)]
            heard = speak("before", *NAMES)
            for each in followers:
                await each.wait_for(heard, without=None)
            # One hangs with its connections open, and goes on writing down what it is told.
            hung.change_weather(lost=frozenset(Way))
            missed = speak("meanwhile", first)
            heard |= speak("meanwhile", second)
            for each in followers:
                await each.wait_for(heard, without=first)
                assert not missed & set(each.words)
            # Who comes back now with the last id is told what is missing, and goes on from there.
            returned = await follow(logs, followers[0].feed.event_id)
            assert first in returned.feed.missing
            cut.cut()
            since = speak("after", second)
            for each in (*followers, returned):
                await each.wait_for(since, without=first)
            hung.calm()
            since |= missed | speak("at last", *NAMES)
            for each in (*followers, returned):
                await each.wait_for(since, without=None)
            assert sorted(returned.words) == sorted(since)
            for each in followers:
                assert sorted(each.words) == sorted(heard | since)

    try:
        asyncio.run(see())
    finally:
        shards.close()
        for proxy in proxies.values():
            proxy.close()


def test_what_a_shard_that_is_away_keeps_is_missing_and_named(
    tier: Tier, tmp_path_factory: pytest.TempPathFactory
) -> None:
    here = tier.shards[NAMES[0]]
    shards = f"{NAMES[0]}={here.url},{NAMES[1]}=http://127.0.0.1:9"
    folder = tmp_path_factory.mktemp("half") / "tier"
    with ServerProcess(folder, {"shards": shards}) as half, RemoteStore(half.url) as store:
        for path in ("comments", "apps", "crashes", "sessions", "registry/versions"):
            answer = ask(half.url, path=f"/api/v1/{path}")
            assert answer.status == 200, answer.body
            assert answer.headers["x-clew-partial"] == NAMES[1]
            told = json.loads(answer.body)
            assert told["partial"] is True
            assert told["missing_shards"] == [NAMES[1]]
        with pytest.raises(ClewError, match="the answer lacks what these shards have: b:4317"):
            store.find_comments(CommentQuery())
        with pytest.raises(ClewError, match=r"^http.*: shard b:4317: no clew server answers"):
            store.add_comment(tier.owned_by(NAMES[1]), NewComment(body="nobody is there"))
        kept = store.add_comment(tier.owned_by(NAMES[0]), NewComment(body="here", author="half"))
        assert store.get_comment(kept.id) == kept
        with pytest.raises(ClewError, match="these do not: b:4317") as caught:
            store.get_comment("00000000-0000-7000-8000-000000000000")
        assert caught.value.code is ErrorCode.UNAVAILABLE
        with listening(half.url) as listener:
            say(here, "half")
            listener.wait_for(lambda _: "half" in listener.bodies)
            missing = [json.loads(data) for name, data, _ in listener.heard if name == "shards"]
            assert missing == [{"partial": True, "missing_shards": [NAMES[1]]}]
