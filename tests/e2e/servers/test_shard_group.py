"""A query tier over a shard that is a group: who leads is asked, and a standby where none does."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import pytest

from clew.base.errors import ClewError, ErrorCode
from clew.base.gathering import Shard
from clew.base.sharding import Ring
from clew.remote.events import EventParser
from clew.remote.http import Server
from clew.remote.shards import Shards
from clew.testing.group import ServerGroup
from clew.testing.history import wait_until
from clew.testing.server import ServerProcess
from tests.e2e.terminal import clew
from tests.integration.wire import Answer, ask
from tests.sharded_data import compared, divide, make_pieces, send

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

WAIT_SECONDS: Final = 90.0
TRACES: Final = 12
PAGE: Final = 7

QUIET: Final = {"otlp_http": "off", "otlp_grpc": "off", "trails": "off", "links": "off"}
# Nothing here is about how fast anybody is: a server may take a fifth of it to say what it is.
PATIENT: Final = {"shard_timeout": "30"}

JSON: Final = {"content-type": "application/json"}
STANDBY: Final = "x-clew-standby"


@dataclass(slots=True)
class Listener:
    """Hears a live feed of the tier until it is left."""

    url: str
    path: str
    events: list[tuple[str, Any]] = field(default_factory=list)
    begun: threading.Event = field(default_factory=threading.Event)
    server: Server | None = None
    thread: threading.Thread | None = None

    def __enter__(self) -> Listener:
        self.server = Server(self.url)
        self.thread = threading.Thread(target=self._listen, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self.server is not None
        assert self.thread is not None
        self.server.abort()
        self.thread.join(WAIT_SECONDS)
        assert not self.thread.is_alive()

    def _listen(self) -> None:
        assert self.server is not None
        parser = EventParser()
        try:
            with self.server.stream(self.path) as stream:
                self.begun.set()
                for chunk in stream.chunks():
                    for event in parser.feed(chunk):
                        self.events.append((event.name, json.loads(event.data)))
        except ClewError:
            return

    def heard(self) -> list[str]:
        """Return the ids of the spans that were told of, in that order."""
        spans = [data for name, data in list(self.events) if name == "message"]
        return [span["span_id"] for batch in spans for span in batch]

    def told(self, which: str) -> list[list[str]]:
        """Return each time which shards cannot be heard, or which a standby tells of."""
        return [data.get(which, []) for name, data in list(self.events) if name == "shards"]


def get(server: str, path: str) -> tuple[Any, Mapping[str, str]]:
    """Return a document and its heads; it has to be there."""
    answer = ask(server, "GET", f"/api/v1/{path}")
    assert answer.status == 200, (path, answer.body)
    return json.loads(answer.body), answer.headers


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_shard_that_is_a_group_answers_whoever_of_it_leads_and_says_so_where_nobody_does(
    tmp_path: Path,
) -> None:
    start = (time.time_ns() // 10**9 - 1200) * 10**9
    window = f"start={start // 10**9}&end={start // 10**9 + 700}"
    lists = (
        f"traces?{window}&view=spans&limit=500",
        f"summary?{window}",
        "sql?q=SELECT%20count()%20FROM%20otel_traces",
        "objects",
    )
    with (
        ServerGroup(tmp_path, settings={"otlp_http": "off"}, on_hosts=True) as group,
        ServerProcess(tmp_path / "b", QUIET) as other,
    ):
        group.start_all("leader", "standby")
        group.wait_leading(0)
        first, second = divide(make_pieces(5, start, TRACES), 2, 3)
        send(group.urls[0], first)
        send(other.url, second)
        group.wait_in_step(0)
        first_url, second_url = group.client_urls
        shards = f"a={second_url},b={other.url},a={first_url}"
        with (
            ServerProcess(tmp_path / "tier", QUIET | PATIENT | {"shards": shards}) as tier,
            Listener(tier.url, "/api/v1/traces/live") as listener,
        ):
            wait_until(lambda: is_led(tier), WAIT_SECONDS, "the leader is asked")
            whole = {path: get(tier.url, path) for path in lists}
            for document, headers in whole.values():
                assert not {"partial", "standby_shards"} & document.keys()
                assert STANDBY not in headers
            wait_until(
                lambda: roles_of(tier, group) == ["leads", "standby"],
                WAIT_SECONDS,
                "it is told who leads",
            )
            assert listener.begun.wait(WAIT_SECONDS)

            # It hangs, and says nothing to whoever asks: the question goes on within its time.
            group.pause(0)
            document, headers = get(tier.url, lists[0])
            assert (document.pop("standby_shards"), headers[STANDBY]) == (["a"], "a")
            assert compared(document) == compared(whole[lists[0]][0])
            group.resume(0)
            wait_until(lambda: is_led(tier), WAIT_SECONDS, "the leader is asked again")

            page_path = f"traces?view=spans&{window}&limit={PAGE}"
            page, _ = get(tier.url, page_path)
            seen = [span["span_id"] for span in page["spans"]]
            group.kill(0)
            for path in lists:
                document, headers = get(tier.url, path)
                # Nothing is missing, so it is not said to be; who answered is.
                assert (document.pop("standby_shards"), headers[STANDBY]) == (["a"], "a"), path
                assert "x-clew-partial" not in headers
                assert compared(document) == compared(whole[path][0]), path
            page, headers = get(tier.url, f"{page_path}&next={quote(page['next'])}")
            assert headers[STANDBY] == "a"
            seen += [span["span_id"] for span in page["spans"]]
            wait_until(
                lambda: roles_of(tier, group) == [None, "standby"],
                WAIT_SECONDS,
                "it is told who is away",
            )
            told = clew("servers", server=tier.url)
            assert told.code == 0, told.stdout
            assert states_of(told.document, group) == ["away", "waits"]
            # Whoever asks here alone may not reach it.
            (note,) = told.document["notes"]
            assert note.startswith(f"if {first_url} is gone, have one lead a: ")
            assert note.endswith(f"clew promote --server {second_url}")
            refused = ask(tier.url, "POST", "/internal/promote", b"{}", JSON)
            assert refused.status == 409
            assert b"promote a server of the shard" in refused.body
            trace = next(
                f"{number:032x}"
                for number in range(1, 500)
                if Ring(["a", "b"]).owner_of_trace(f"{number:032x}") == "a"
            )
            comments = f"/api/v1/traces/{trace}/comments"
            refused = ask(tier.url, "POST", comments, b'{"body":"who?"}', JSON)
            assert refused.status == 503
            assert f"answers here leads (no answer: {first_url})".encode() in refused.body

            wait_until(
                lambda: ["a"] in listener.told("standby_shards"),
                WAIT_SECONDS,
                "the feed goes on with the standby, and says so",
            )

            # The next one leads, and what is written goes there.
            assert group.promote(1)[0] == 202
            group.wait_claimed(1)
            group.start(0)
            group.wait_leading(1)
            written = ask(tier.url, "POST", comments, b'{"author":"ada","body":"here"}', JSON)
            assert written.status == 201, written.body
            kept = json.loads(ask(group.urls[1], "GET", comments).body)
            assert [each["body"] for each in kept["comments"]] == ["here"]
            for path in lists:
                document, headers = get(tier.url, path)
                assert STANDBY not in headers
                assert compared(document) == compared(whole[path][0]), path
            while page.get("next") is not None:
                page, headers = get(tier.url, f"{page_path}&next={quote(page['next'])}")
                assert "x-clew-partial" not in headers
                seen += [span["span_id"] for span in page["spans"]]
            expected = [span["span_id"] for span in whole[lists[0]][0]["spans"]]
            assert seen == expected

            # The feed was lost, said so, and goes on with the new leader, each span once.
            late = make_pieces(9, start, 1)[:1]
            send(group.urls[1], late)
            ids = sorted(
                span["spanId"]
                for resource in late[0].body["resourceSpans"]
                for scope in resource["scopeSpans"]
                for span in scope["spans"]
            )
            wait_until(
                lambda: set(ids) <= set(listener.heard()), WAIT_SECONDS, "the feed tells of spans"
            )
            assert sorted(listener.heard()) == ids
            assert ["a"] in listener.told("missing_shards")
            assert listener.told("missing_shards")[-1] == []
            assert listener.told("standby_shards")[-1] == []
            wait_until(
                lambda: roles_of(tier, group) == ["standby", "leads"],
                WAIT_SECONDS,
                "it is told who leads now",
            )
            check_numbers(group, other.url, tmp_path)
            cuts = Cuts(group, tier, comments, lists[0], ["here"])
            cuts.cut_off_leader(1, 0)
            cuts.cut_off_standby(0)
            cuts.part(1, 0)
        group.end()


@dataclass(frozen=True, slots=True)
class Cuts:
    """Networks that are cut around a tier over a group, one after the other.

    `comments` is where those of a trace of the group are written, `kept` what was acknowledged.
    """

    group: ServerGroup
    tier: ServerProcess
    comments: str
    list_path: str
    kept: list[str]

    def write(self, body: str) -> Answer:
        """Write through the tier, and remember what was acknowledged."""
        said = json.dumps({"author": "ada", "body": body}).encode()
        written = ask(self.tier.url, "POST", self.comments, said, JSON)
        if written.status == 201:
            self.kept.append(body)
        return written

    def check_kept(self, number: int) -> None:
        """See that a server has what was acknowledged, once each, and nothing that was refused."""

        def show() -> list[str]:
            with self.group.at(number):
                told = json.loads(ask(self.group.urls[number], "GET", self.comments).body)
            return sorted(each["body"] for each in told["comments"])

        # A standby hears of it with what comes next.
        wait_until(
            lambda: set(self.kept) <= set(show()), WAIT_SECONDS, "it shows what was acknowledged"
        )
        assert show() == sorted(self.kept)

    def see_spans(self, *, may_lack: bool = False) -> tuple[list[str], bool]:
        """Return the spans that the tier lists, and whether a standby told of them.

        With `may_lack` not all that was acknowledged last has to be shown.
        """
        document, headers = get(self.tier.url, self.list_path)
        assert may_lack or "x-clew-partial" not in headers
        return [span["span_id"] for span in document["spans"]], STANDBY in headers

    def cut_off_leader(self, leader: int, standby: int) -> None:
        """Cut the tier off the leader alone, whose group is whole."""
        whole, _ = self.see_spans()
        with self.group.cut_off_clients(leader):
            assert self.see_spans() == (whole, True)
            refused = self.write("to nobody")
            assert refused.status == 503
            away = self.group.client_urls[leader]
            assert f"answers here leads (no answer: {away})".encode() in refused.body
            # The group goes on, and what it takes in is seen by way of its standby.
            with self.group.at(leader):
                path, body = self.comments, b'{"author":"ben","body":"beside"}'
                written = ask(self.group.urls[leader], "POST", path, body, JSON)
            assert (written.status, written.headers["x-clew-acks"]) == (201, "2")
            self.kept.append("beside")
            wait_until(
                lambda: b"beside" in ask(self.tier.url, "GET", self.comments).body,
                WAIT_SECONDS,
                "the standby shows what was written meanwhile",
            )
            assert self.see_spans() == (whole, True)
        wait_until(lambda: is_led(self.tier), WAIT_SECONDS, "the leader is asked again")
        assert self.see_spans() == (whole, False)
        assert self.write("to the leader").status == 201
        self.check_kept(standby)

    def cut_off_standby(self, standby: int) -> None:
        """Cut the tier off the standby alone: nobody notices."""
        whole, _ = self.see_spans()
        with self.group.cut_off_clients(standby):
            assert self.see_spans() == (whole, False)
            assert self.write("without the standby").status == 201
            assert self.see_spans() == (whole, False)
        self.check_kept(standby)

    def part(self, old: int, new: int) -> None:
        """Cut the leader off its standby, with the tier between them, and have that one lead."""
        whole, _ = self.see_spans()
        self.group.wait_in_step(old)
        with self.group.partition(old):
            self.group.wait_missed(old, new)
            # Nothing that one server alone would have is acknowledged.
            assert self.see_spans() == (whole, False)
            assert self.write("to one alone").status == 503
            assert self.group.promote(new)[0] == 202
            self.group.wait_claimed(new)
            # Two say that they lead, and who was deposed does not know it; the larger epoch counts.
            wait_until(
                lambda: roles_of(self.tier, self.group)[new] == "leads",
                WAIT_SECONDS,
                "the new leader is asked",
            )
            assert self.see_spans(may_lack=True) == (whole, True)
            assert self.write("to the deposed").status == 503
            self.check_kept(new)
        self.group.wait_leading(new)
        wait_until(lambda: is_led(self.tier), WAIT_SECONDS, "it leads for good")
        assert self.see_spans() == (whole, False)
        assert self.write("to the new one").status == 201
        self.group.wait_in_step(new)
        for number in (old, new):
            self.check_kept(number)


def is_led(tier: ServerProcess) -> bool:
    """Return whether every shard is answered by a server that leads."""
    return STANDBY not in get(tier.url, "services")[1]


def roles_of(tier: ServerProcess, group: ServerGroup) -> list[str | None]:
    """Return what each server of the group says that it is; `leads` of the one that is asked."""
    members = get(tier.url, "shards")[0]["shards"][0]["members"]
    roles = {each["url"]: "leads" if each["leads"] else each["role"] for each in members}
    return [roles[url] for url in group.client_urls]


def states_of(document: dict[str, Any], group: ServerGroup) -> list[str]:
    """Return how the servers of the group are, by what is told of the first shard."""
    shard, _ = document["servers"]
    states = {member["url"]: member["state"] for member in shard["members"]}
    return [states[url] for url in group.client_urls]


def check_numbers(group: ServerGroup, other: str, folder: Path) -> None:
    """See that servers of a group number their records alike, and that strangers are refused."""
    sql = quote("SELECT SpanId, Frame FROM otel_traces ORDER BY Frame, SpanId")
    group.wait_in_step(1)
    one, two = (get(url, f"sql?q={sql}")[0]["rows"] for url in group.urls)
    assert one == two
    mixed = Shards(
        [Shard("a", group.urls[1], (other,))], timeout_s=WAIT_SECONDS, grace_s=WAIT_SECONDS
    )
    try:
        with pytest.raises(ClewError, match="belongs to no group of servers") as refused:
            mixed.ask(lambda server: server.get("/healthz"))
    finally:
        mixed.close()
    assert refused.value.code is ErrorCode.CONFLICT
