"""Live feeds on a real socket: what comes, what is resumed, what is said to be left out."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPResponse
from itertools import count
from urllib.parse import urlsplit

import pytest
from google.protobuf.message import Message

from clew.remote.events import Event, EventParser
from clew.testing.requests import ids_of, logs_request, spans_request
from clew.testing.server import ServerProcess
from tests.integration.wire import WAIT_SECONDS_MAX, ask, wait_until

PROTOBUF = {"content-type": "application/x-protobuf"}

StartServer = Callable[..., ServerProcess]


class Feed:
    """A feed that is being read."""

    def __init__(self, response: HTTPResponse) -> None:
        self._response = response
        self._parser = EventParser()
        self._events: list[Event] = []

    @property
    def last_id(self) -> str:
        return self._parser.last_id

    def events(self) -> Iterator[Event]:
        """Yield events until the server ends the feed."""
        while chunk := self._response.read1(65536):
            yield from self._parser.feed(chunk)

    def wait_for_id(self) -> str:
        """Return the id with which the feed begins."""
        while not self._parser.last_id:
            assert not list(self._parser.feed(self._response.read1(65536)))
        return self._parser.last_id

    def read_spans(self, wanted: int) -> list[str]:
        """Return the ids of the next spans, in the order in which they came."""
        ids: list[str] = []
        for event in self.events():
            assert event.name == "message"
            assert event.id
            batch = json.loads(event.data)
            assert isinstance(batch, list)
            ids += [span["span_id"] for span in batch]
            if len(ids) >= wanted:
                break
        return ids


@contextmanager
def follow(url: str, path: str, last_id: str | None = None) -> Iterator[Feed]:
    connection = HTTPConnection(str(urlsplit(url).netloc), timeout=WAIT_SECONDS_MAX)
    with closing(connection):
        headers = {} if last_id is None else {"last-event-id": last_id}
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        assert response.status == 200, response.read()
        assert response.getheader("content-type") == "text/event-stream; charset=utf-8"
        yield Feed(response)


def send(server: ServerProcess, signal_name: str, request: Message) -> None:
    body = request.SerializeToString()
    assert ask(server.otlp_url, "POST", f"/v1/{signal_name}", body, PROTOBUF).status == 200


def send_spans(server: ServerProcess, service: str, numbers: Iterable[int]) -> list[str]:
    """Send one request for each span, so that each has a frame of its own."""
    ids = [ids_of(number) for number in numbers]
    for each in ids:
        send(server, "traces", spans_request(service, [each]))
    return [span_id.hex() for _, span_id in ids]


def live_clients(server: ServerProcess) -> int:
    lines = ask(server.url, path="/metrics").body.decode().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("clew_live_clients "))


def test_spans_come_as_they_are_acknowledged(server: ServerProcess) -> None:
    with follow(server.url, "/api/v1/traces/live?service=sse-new") as feed:
        feed.wait_for_id()
        send_spans(server, "sse-other", [1])
        sent = send_spans(server, "sse-new", range(1, 6))
        assert feed.read_spans(5) == sent


def test_log_records_come_as_they_are_acknowledged(server: ServerProcess) -> None:
    with follow(server.url, "/api/v1/logs/live?service=sse-log&severity=info") as feed:
        feed.wait_for_id()
        send(server, "logs", logs_request("sse-log", ["one", "line\nbreak"]))
        batch = json.loads(next(feed.events()).data)
    assert {record["body"] for record in batch} == {"one", "line\nbreak"}


@pytest.mark.parametrize("by_header", [True, False])
def test_a_feed_goes_on_where_it_was_left(server: ServerProcess, by_header: bool) -> None:
    service = f"sse-resume-{by_header}"
    path = f"/api/v1/traces/live?service={service}"
    with follow(server.url, path) as feed:
        feed.wait_for_id()
        first = send_spans(server, service, [1, 2])
        assert feed.read_spans(2) == first
        seen = feed.last_id
    missed = send_spans(server, service, range(3, 10))
    again = (
        follow(server.url, path, seen) if by_header else follow(server.url, f"{path}&after={seen}")
    )
    with again as feed:
        assert feed.read_spans(len(missed)) == missed


def test_a_feed_that_was_left_before_anything_came_misses_nothing(server: ServerProcess) -> None:
    path = "/api/v1/traces/live?service=sse-early"
    with follow(server.url, path) as feed:
        begun = feed.wait_for_id()
    missed = send_spans(server, "sse-early", [1])
    with follow(server.url, path, begun) as feed:
        assert feed.read_spans(1) == missed


def test_a_feed_is_resumed_on_the_next_server(start_server: StartServer) -> None:
    path = "/api/v1/traces/live"
    first = start_server()
    with follow(first.url, path) as feed:
        begun = feed.wait_for_id()
    missed = send_spans(first, "sse-restart", [1, 2, 3])
    assert first.terminate() == 0
    with follow(start_server().url, path, begun) as feed:
        assert feed.read_spans(3) == missed


def test_more_than_a_batch_comes_in_batches_and_none_twice(server: ServerProcess) -> None:
    path = "/api/v1/traces/live?service=sse-many"
    with follow(server.url, path) as feed:
        begun = feed.wait_for_id()
    ids = [ids_of(number) for number in range(1, 1301)]
    send(server, "traces", spans_request("sse-many", ids[:700]))
    send(server, "traces", spans_request("sse-many", ids[700:]))
    with follow(server.url, path, begun) as feed:
        came = feed.read_spans(len(ids))
    assert sorted(came) == sorted(span_id.hex() for _, span_id in ids)


def test_what_a_client_lags_too_far_behind_for_is_counted(server: ServerProcess) -> None:
    path = "/api/v1/traces/live?service=sse-lag"
    with follow(server.url, path) as feed:
        begun = feed.wait_for_id()
    numbers = count(1)
    for _ in range(12):
        ids = [ids_of(next(numbers)) for _ in range(1000)]
        send(server, "traces", spans_request("sse-lag", ids))
    with follow(server.url, path, begun) as feed:
        events = feed.events()
        left_out, batch = next(events), next(events)
    dropped = json.loads(left_out.data)["dropped"]
    assert left_out.name == "dropped"
    assert dropped + len(json.loads(batch.data)) == 12_000
    # It goes on from here, not from what was left out.
    later = send_spans(server, "sse-lag", [next(numbers)])
    with follow(server.url, path, batch.id) as feed:
        assert feed.read_spans(1) == later


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("?after=nonsense", "nonsense"),
        ("?after=99999999999999", "99999999999999"),
        ("?last=15m", "last"),
        ("?limit=5", "limit"),
        ("?status=bad", "status"),
        ("?q=((", "column 3"),
    ],
)
def test_a_wrong_question_is_an_error_not_an_empty_feed(
    server: ServerProcess, query: str, named: str
) -> None:
    answer = ask(server.url, path=f"/api/v1/traces/live{query}")
    assert answer.status == 400
    assert named in answer.document["detail"]
    # The feeds of the tests before are over when their server has seen that they were left.
    wait_until(lambda: live_clients(server) == 0, "nobody is fed")


def test_one_feed_too_many_is_told_to_come_back(start_server: StartServer) -> None:
    server = start_server({"live_clients_max": "2"})
    path = "/api/v1/logs/live"
    with follow(server.url, path) as first, follow(server.url, path) as second:
        first.wait_for_id()
        second.wait_for_id()
        refused = ask(server.url, path=path)
        assert refused.status == 429
        assert int(refused.headers["retry-after"]) >= 1
        assert "--live-clients-max" in refused.document["hint"]
    # A client that hangs up makes room.
    wait_until(lambda: live_clients(server) == 0, "both feeds are over")
    with follow(server.url, path) as third:
        third.wait_for_id()


def test_a_feed_ends_with_the_server(start_server: StartServer) -> None:
    server = start_server()
    with follow(server.url, "/api/v1/traces/live") as feed:
        feed.wait_for_id()
        server.signal(signal.SIGTERM)
        assert list(feed.events()) == []
    assert server.wait() == 0
