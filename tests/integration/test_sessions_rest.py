"""Work sessions at the REST door: what is asked while one is open becomes its links."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any
from urllib.parse import quote

import pytest

from clew.testing.requests import metrics_request
from clew.testing.server import ServerProcess
from tests.e2e.telemetry import Trace
from tests.integration.fingerprints import MORNING, fingerprint, request_of
from tests.integration.test_tree_rest import peer
from tests.integration.tree_house import new_id
from tests.integration.wire import WAIT_SECONDS_MAX, Answer, ask

StartServer = Callable[..., ServerProcess]

JSON = {"content-type": "application/json"}
PROTOBUF = {"content-type": "application/x-protobuf"}
METRIC = "session.tests.size"


@dataclass(frozen=True)
class Seen:
    """A server that knows something of each kind."""

    server: ServerProcess
    trace: Trace
    app_id: str


@pytest.fixture(scope="module")
def seen(server: ServerProcess) -> Iterator[Seen]:
    trace = Trace("session-shop", 1)
    root = trace.span("POST /pay", 0, 100)
    trace.log("hm", 10, root)
    trace.send(server)
    metrics = metrics_request("session-shop", METRIC, [1.0, 2.0])
    body = metrics.SerializeToString()
    assert ask(server.url, "POST", "/v1/metrics", body, PROTOBUF).status == 200
    record = fingerprint("created", "session/1", MORNING, 1, {"status": "active"})
    assert ask(server.url, "POST", "/v1/logs", request_of([record]), PROTOBUF).status == 200
    app_id = new_id()
    with peer(server) as app:
        app.join(app_id, app_name="session-app")
        yield Seen(server, trace, app_id)


def send(
    server: ServerProcess, method: str, path: str, document: Any = None, **headers: str
) -> Answer:
    body = b"" if document is None else json.dumps(document).encode()
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return ask(server.url, method, f"/api/v1/{path}", body, {**JSON, **sent})


def started(server: ServerProcess, **more: Any) -> dict[str, Any]:
    answer = send(server, "POST", "sessions", {"title": "why is pay slow", **more})
    assert answer.status == 201, answer.body
    document: dict[str, Any] = answer.document
    return document


def read(server: ServerProcess, session_id: str = "current") -> dict[str, Any]:
    answer = ask(server.url, path=f"/api/v1/sessions/{session_id}")
    assert answer.status == 200, answer.body
    document: dict[str, Any] = answer.document
    return document


@contextmanager
def beside(server: ServerProcess) -> Iterator[dict[str, Any]]:
    """Give a session that takes what names it, whatever else is open on a shared server."""
    session = started(server, kind="beside")
    yield session
    assert send(server, "POST", f"sessions/{session['id']}/stop").status == 200


def links(server: ServerProcess, session: dict[str, Any]) -> list[tuple[str, str, int]]:
    found = read(server, session["id"])["links"]
    return [(each["kind"], each["id"], each["count"]) for each in found]


def test_a_session_lives_from_start_to_stop(server: ServerProcess) -> None:
    session = started(server, planned_minutes=45, switch=True)
    assert (session["owner"], session["kind"], session["shared"]) == ("local", "own", False)
    again = send(server, "POST", "sessions", {"title": "another"})
    assert again.status == 409
    assert "--switch" in again.document["hint"]
    assert ask(server.url, path="/api/v1/services").status == 200
    note = send(server, "POST", "sessions/current/notes", {"body": "the pool is full"})
    assert note.status == 201
    assert read(server)["id"] == session["id"]
    listed = ask(server.url, path="/api/v1/sessions?open=true&owner=me").document
    assert session["id"] in {each["id"] for each in listed["sessions"]}
    stopped = send(server, "POST", "sessions/current/stop").document
    assert (stopped["id"], stopped["end_reason"]) == (session["id"], "stopped")
    assert [each["body"] for each in stopped["notes"]] == ["the pool is full"]
    assert [each["how"] for each in stopped["links"]] == ["clew services"]
    assert send(server, "POST", "sessions/current/stop").status == 404
    renamed = send(server, "PATCH", f"sessions/{session['id']}", {"title": "the pool"}).document
    assert (renamed["title"], renamed["planned_minutes"]) == ("the pool", 45)
    removed = send(server, "DELETE", f"sessions/{session['id']}")
    assert removed.document == renamed
    assert ask(server.url, path=f"/api/v1/sessions/{session['id']}").status == 404


def test_each_kind_of_answer_becomes_its_link(seen: Seen) -> None:
    trace_id = seen.trace.trace_id
    span = f"{1:016x}"
    asked = [
        (f"traces/{trace_id}", ("trace", trace_id)),
        (f"correlate?trace={trace_id}", ("trace", trace_id)),
        (f"logs?trace_id={trace_id}&span_id={span}", ("span", f"{trace_id}/{span}")),
        (f"apps/{seen.app_id}", ("app", seen.app_id)),
        (f"apps/{seen.app_id}/messages", ("app", seen.app_id)),
        (f"objects/ShoppingCart/{quote('session/1', safe='')}", ("object", None)),
        ("lineage/255?direction=down", ("lineage", "255")),
        (f"metrics/{METRIC}", ("metric", METRIC)),
        (f"metrics/query?name={METRIC}", ("metric", METRIC)),
        ("services/session-shop/operations", ("service", "session-shop")),
        ("traces?service=session-shop&last=1h", ("query", None)),
        ("sql?q=SELECT%201", ("query", None)),
        ("summary", ("query", None)),
        # What is not there, what is not understood, and what is no look.
        (f"traces/{'e' * 32}", None),
        ("traces?last=soon", None),
        ("attributes", None),
        ("suggest?kind=service&text=session-shop", None),
        ("ingest/status", None),
        ("sessions", None),
    ]
    with beside(seen.server) as session:
        choice = {"x-clew-session": session["id"]}
        for path, _ in asked:
            ask(seen.server.url, path=f"/api/v1/{path}", headers=choice)
        # The same statement as a body, and what is said of the trace.
        send(seen.server, "POST", "sql", {"q": "SELECT  1"}, x_clew_session=session["id"])
        found = read(seen.server, session["id"])
    expected = dict.fromkeys(link for _, link in asked if link is not None and link[1])
    named = {(each["kind"], each["id"]) for each in found["links"] if each["kind"] != "query"}
    assert {link for link in named if link[0] != "object"} == set(expected)
    assert [each["id"] for each in found["links"] if each["kind"] == "object"] == [
        "ShoppingCart/session/1"
    ]
    questions = [each["how"].split()[1] for each in found["links"] if each["kind"] == "query"]
    assert sorted(questions) == ["sql", "summary", "traces"]
    # What was asked several times in a row was looked at once.
    assert {each["count"] for each in found["links"]} == {1}
    for each in found["links"]:
        assert each["how"].startswith("clew ")
        assert ask(seen.server.url, path=each["path"]).status == 200


def test_the_header_chooses_a_session_or_none(server: ServerProcess) -> None:
    own = started(server, switch=True)
    agent = started(server, kind="agent", switch=True)
    with beside(server) as other:
        for number, choice in enumerate(["", "agent", other["id"].upper(), "off", "nonsense"]):
            path = f"/api/v1/services/s{number}/operations"
            headers = {"x-clew-session": choice} if choice else {}
            assert ask(server.url, path=path, headers=headers).status == 200
        assert links(server, own) == [("service", "s0", 1)]
        assert links(server, agent) == [("service", "s1", 1)]
        assert links(server, other) == [("service", "s2", 1)]
    agents = send(server, "POST", "sessions/current/stop", x_clew_session="agent").document
    assert agents["id"] == agent["id"]
    assert send(server, "POST", "sessions/current/stop").document["id"] == own["id"]


def test_polling_is_one_look_and_feeds_are_none(server: ServerProcess) -> None:
    with beside(server) as session:
        headers = {"x-clew-session": session["id"]}
        for _ in range(30):
            ask(server.url, path="/api/v1/summary?last=15m", headers=headers)
        ask(server.url, "HEAD", "/api/v1/services", headers=headers)
        assert [(kind, count) for kind, _, count in links(server, session)] == [("query", 1)]


def test_comments_that_are_made_meanwhile_are_findings(server: ServerProcess) -> None:
    trace_id = f"{0x5E55:032x}"
    with beside(server) as session:
        headers = {"x_clew_session": session["id"]}
        said = send(
            server, "POST", f"traces/{trace_id}/comments", {"body": "the bank"}, **headers
        ).document["comment"]
        send(server, "POST", f"traces/{trace_id}/comments", {"body": "x"}, x_clew_session="off")
        found = read(server, session["id"])
        assert [(each["id"], each["kind"]) for each in found["notes"]] == [(said["id"], "comment")]
        assert [(each["kind"], each["id"]) for each in found["links"]] == [("trace", trace_id)]
        assert send(server, "DELETE", f"comments/{said['id']}").status == 200
        assert read(server, session["id"])["notes"] == []


def test_notes_and_links_are_added_and_removed_by_hand(server: ServerProcess) -> None:
    with beside(server) as session:
        path = f"sessions/{session['id']}"
        about = {"kind": "object", "id": "Cart/a b/c"}
        note = send(server, "POST", f"{path}/notes", {"body": "here", "about": about}).document
        assert note["about"] == about
        assert send(server, "POST", f"{path}/links", {"kind": "metric", "id": "a.b"}).status == 201
        assert links(server, session) == [("object", "Cart/a b/c", 1), ("metric", "a.b", 1)]
        gone = send(server, "DELETE", f"{path}/links/object/{quote('Cart/a b/c')}")
        assert gone.document["id"] == "Cart/a b/c"
        assert send(server, "DELETE", f"{path}/notes/{note['id']}").document == note
        assert send(server, "DELETE", f"{path}/notes/{note['id']}").status == 404
        assert links(server, session) == [("metric", "a.b", 1)]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "sessions", {"title": ""}, 400),
        ("POST", "sessions", {"title": "x", "planned_minutes": 0}, 400),
        ("POST", "sessions", {"title": "x", "planned_minutes": "45m"}, 400),
        ("POST", "sessions", {"title": "x", "kind": "other"}, 400),
        ("POST", "sessions", {"title": "x", "id": "1"}, 400),
        ("POST", "sessions", {"titel": "x"}, 400),
        ("POST", "sessions", {"title": "x" * 20_000}, 413),
        ("POST", "sessions/nobody/stop", None, 400),
        ("POST", "sessions/01964b2e-7c1f-7d3a-9c55-0d6f3a1b2c4d/stop", None, 404),
        ("POST", "sessions/01964b2e-7c1f-7d3a-9c55-0d6f3a1b2c4d/notes", {"body": "x"}, 404),
        ("POST", "sessions/01964b2e-7c1f-7d3a-9c55-0d6f3a1b2c4d/notes", {"body": " "}, 400),
        ("POST", "sessions/01964b2e-7c1f-7d3a-9c55-0d6f3a1b2c4d/links", {"kind": "x"}, 400),
        ("DELETE", "sessions/01964b2e-7c1f-7d3a-9c55-0d6f3a1b2c4d/links/x/y", None, 400),
        ("PATCH", "sessions/01964b2e-7c1f-7d3a-9c55-0d6f3a1b2c4d", {}, 400),
        ("GET", "sessions?limit=0", None, 400),
        ("GET", "sessions?next=made-up", None, 400),
        ("GET", "sessions?open=maybe", None, 400),
        ("GET", "sessions/activity?last=1h&start=2h", None, 400),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_hint(
    server: ServerProcess, method: str, path: str, body: Any, status: int
) -> None:
    answer = send(server, method, path, body)
    assert answer.status == status, answer.body
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.document["hint"]


def test_looks_of_many_at_once_are_all_kept(server: ServerProcess) -> None:
    with beside(server) as session, ThreadPoolExecutor(8) as threads:
        headers = {"x-clew-session": session["id"]}

        def look(number: int) -> int:
            path = f"/api/v1/services/many-{number % 40}/operations"
            return ask(server.url, path=path, headers=headers).status

        assert set(threads.map(look, range(120))) == {200}
        assert {each[1:] for each in links(server, session)} == {
            (f"many-{number}", 1) for number in range(40)
        }


def test_what_was_acknowledged_outlives_a_crash(start_server: StartServer) -> None:
    server = start_server()
    session = started(server, planned_minutes=30)
    assert ask(server.url, path="/api/v1/services/before/operations").status == 200
    # Reading writes down what was looked at.
    assert [each["id"] for each in read(server)["links"]] == ["before"]
    noted: list[str] = []
    going = threading.Event()

    def note() -> None:
        while True:
            try:
                answer = send(server, "POST", "sessions/current/notes", {"body": "n"})
            except (OSError, ValueError, HTTPException):
                # It was killed before the answer, or between its head and its body.
                return
            if answer.status != 201:
                return
            noted.append(answer.document["id"])
            if len(noted) == 20:
                going.set()

    with ThreadPoolExecutor(2) as threads:
        writers = [threads.submit(note) for _ in range(2)]
        assert going.wait(WAIT_SECONDS_MAX)
        server.signal(signal.SIGKILL)
        server.wait()
        for writer in writers:
            writer.result()
    again = start_server()
    found = read(again)
    assert (found["id"], found["ended_at"]) == (session["id"], None)
    assert set(noted) <= {each["id"] for each in found["notes"]}
    assert [each["id"] for each in found["links"]] == ["before"]
    # It goes on where it was.
    assert ask(again.url, path="/api/v1/services/after/operations").status == 200
    stopped = send(again, "POST", "sessions/current/stop").document
    assert [each["id"] for each in stopped["links"]] == ["before", "after"]
