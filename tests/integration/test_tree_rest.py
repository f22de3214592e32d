"""The tree over REST and its web socket, as raw peers of a real server meet it."""

from __future__ import annotations

import base64
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection

from clew.remote.http import Server
from clew.testing.server import ServerProcess
from clew.tree.parameters import CancelParameters, NewChild, NewCommand
from clew.tree.remote import TreeClient
from tests.integration.tree_house import message, new_id, registration
from tests.integration.wire import wait_until
from tests.sockets import connect

SECONDS_MAX = 150.0
"""A deadline, not an expectation: what hangs fails, what is slow on a busy machine does not."""


@dataclass
class Peer:
    """A socket of an app that speaks raw frames."""

    socket: ClientConnection
    seqs: dict[str, int] = field(default_factory=dict)

    def hear(self) -> dict[str, Any]:
        frame: dict[str, Any] = json.loads(self.socket.recv(SECONDS_MAX))
        return frame

    def ask(self, **frame: Any) -> dict[str, Any]:
        self.socket.send(json.dumps(frame))
        return self.hear()

    def join(self, app_id: str, parent_id: str | None = None, **more: Any) -> None:
        assert self.ask(**registration(app_id, parent_id, **more))["type"] == "registered"

    def say(self, app_id: str, kind: str, payload: Any) -> None:
        self.seqs[app_id] = self.seqs.get(app_id, 0) + 1
        self.socket.send(json.dumps(message(app_id, self.seqs[app_id], kind, payload)))
        assert self.hear()["type"] == "ack"


@contextmanager
def peer(server: ServerProcess) -> Iterator[Peer]:
    with connect(server.trails_url, compression=None) as socket:
        yield Peer(socket)


def ask(
    server: ServerProcess,
    method: str,
    path: str,
    body: Any = None,
    headers: Mapping[str, str] | None = None,
) -> tuple[int, Any]:
    request = urllib.request.Request(
        f"{server.url}/api/v1{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"content-type": "application/json", **(headers or {})},
    )
    try:
        with urllib.request.urlopen(request, timeout=SECONDS_MAX) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def get(
    server: ServerProcess, path: str, status: int = 200, who: Mapping[str, str] | None = None
) -> Any:
    code, document = ask(server, "GET", path, headers=who)
    assert code == status, document
    return document


def ids(document: Any) -> list[str]:
    return [each["app_id"] for each in document["apps"]]


def test_a_tree_is_announced_joined_listed_and_read(server: ServerProcess) -> None:
    status, root = ask(server, "POST", "/children", {"appName": "rest-root", "tags": {"run": 7}})
    assert status == 201
    root_id = root["app"]["app_id"]
    info = json.loads(base64.b64decode(root["trails_info"]))
    assert info["appId"] == root_id
    assert info["joinToken"] == root["join_token"]
    assert info["serverEp"] == server.trails_url
    assert info["tags"] == {"run": 7}
    child_id, grandchild_id = new_id(), new_id()
    with peer(server) as app:
        app.join(root_id, join_token=root["join_token"])
        app.join(child_id, root_id, app_name="rest-child 100%_")
        app.join(grandchild_id, child_id)
        app.say(child_id, "Status", {"progress": 0.25})
        app.say(child_id, "Status", {"progress": 0.5, "long": "x" * 5000})
        app.say(grandchild_id, "Result", {"rows": 3})

        tree = get(server, f"/apps?within={root_id}&order=tree")
        assert ids(tree) == [root_id, child_id, grandchild_id]
        assert (tree["count"], tree["total"], tree["truncated"]) == (3, 3, False)
        assert [each["status"] for each in tree["apps"]] == ["connected", "running", "done"]
        assert tree["apps"][1]["path"] == [root_id, child_id]
        # What is long is left out of lists, and said to be; one app has it whole.
        assert "payload" not in tree["apps"][1]["last_snapshot"]
        assert tree["apps"][1]["last_snapshot"]["payload_bytes"] > 5000
        one = get(server, f"/apps/{child_id}")
        assert one["last_snapshot"]["payload"]["progress"] == 0.5
        assert get(server, f"/apps/{grandchild_id}")["result"]["payload"] == {"rows": 3}
        assert ids(get(server, f"/apps/{root_id}/children")) == [child_id]
        below = get(server, f"/apps/{root_id}/children?recursive=true&status=done")
        assert ids(below) == [grandchild_id]
        for found, query in (
            ([child_id], f"parent_id={root_id}"),
            ([child_id], f"within={root_id}&text=100%25_"),
            ([], f"within={root_id}&text=100%25x"),
            ([child_id], f"text={child_id[-12:]}"),
            ([root_id], "name=rest-root"),
            ([grandchild_id, child_id, root_id], f"within={root_id}&active=1h"),
            ([child_id, root_id], f"within={root_id}&status=running&status=connected"),
            ([], f"within={root_id}&namespace=none"),
        ):
            assert sorted(ids(get(server, f"/apps?{query}"))) == sorted(found), query
        said = get(server, f"/apps/{child_id}/messages?limit=1")
        assert (said["messages"][0]["seq"], said["total"], said["truncated"]) == (2, 2, True)
        rest = get(server, f"/apps/{child_id}/messages?limit=1&next={said['next']}")
        assert (rest["messages"][0]["seq"], rest["truncated"]) == (1, False)
        assert get(server, f"/apps/{child_id}/snapshots")["count"] == 2
        assert get(server, f"/apps/{child_id}/snapshots/latest")["seq"] == 2
        get(server, f"/apps/{root_id}/snapshots/latest", 404)


def test_pages_of_a_tree_are_whole_however_they_are_cut(server: ServerProcess) -> None:
    root_id = new_id()
    with peer(server) as app:
        app.join(root_id)
        below = [new_id() for _ in range(7)]
        for each in below:
            app.join(each, root_id)
        for order in ("newest", "tree"):
            whole = ids(get(server, f"/apps?within={root_id}&order={order}"))
            assert sorted(whole) == sorted([root_id, *below])
            pages: list[str] = []
            following = ""
            while True:
                page = get(server, f"/apps?within={root_id}&order={order}&limit=3{following}")
                pages += ids(page)
                if not page["truncated"]:
                    break
                following = f"&next={page['next']}"
            assert pages == whole
        other = get(server, f"/apps?limit=3&next={page.get('next', 'x')}", 400)
        assert other["code"] == "invalid_argument"


def test_the_same_child_twice_is_one_and_another_of_its_id_is_refused(
    server: ServerProcess,
) -> None:
    child = {"app_id": new_id(), "app_name": "twice", "start_deadline": 60}
    status, first = ask(server, "POST", "/children", child)
    assert (status, first["created"]) == (201, True)
    status, again = ask(server, "POST", "/children", child)
    assert (status, again["created"], again["join_token"]) == (200, False, None)
    assert again["trails_info"] is None
    status, other = ask(server, "POST", "/children", {**child, "app_name": "other"})
    assert (status, other["code"]) == (409, "already_exists")
    status, gone = ask(server, "DELETE", f"/children/{child['app_id']}")
    assert (status, gone["app"]["status"]) == (200, "cancelled")
    assert ask(server, "DELETE", f"/children/{child['app_id']}")[0] == 200
    assert ask(server, "DELETE", f"/children/{new_id()}")[0] == 404


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"app_name": ""}, 400),
        ({"app_name": "a", "appName": "b"}, 400),
        ({"app_name": "a", "colour": 1}, 400),
        ({"app_name": "a", "app_id": "x"}, 400),
        ({"app_name": "a", "start_deadline": 0}, 400),
        ({"app_name": "a", "parent_id": "01964b2e-7c1f-7d3a-9c55-0d6f3a1b2c4d"}, 404),
        ({"app_name": "a", "grants": [{"sub": "x", "roles": ["king"]}]}, 400),
        ({"app_name": "a", "tags": {"x": "y" * 300_000}}, 413),
        ([], 400),
    ],
)
def test_a_child_that_is_none_is_refused(server: ServerProcess, body: Any, status: int) -> None:
    code, problem = ask(server, "POST", "/children", body)
    assert code == status
    assert problem["hint"] or status in {404, 413}


def test_a_command_is_kept_answered_and_given_once(server: ServerProcess) -> None:
    app_id = new_id()
    path = f"/apps/{app_id}/control"
    with peer(server) as app:
        app.join(app_id)
        asked = {"action": "reconfigure", "payload": {"workers": 4}}
        key = {"idempotency-key": f"once-{app_id}"}
        status, sent = ask(server, "POST", path, asked, key)
        assert (status, sent["over"]) == (202, False)
        assert sent["targets"][0]["ack"] is None
        frame = app.hear()
        assert (frame["action"], frame["payload"]) == ("reconfigure", {"workers": 4})
        status, again = ask(server, "POST", path, asked, key)
        assert (status, again["correlation_id"]) == (202, sent["correlation_id"])
        status, other = ask(server, "POST", path, {"action": "pause"}, key)
        assert (status, other["code"]) == (409, "already_exists")

        def answer() -> None:
            waited = app.hear()
            ack = {"correlation_id": waited["correlation_id"], "action": "drain"}
            frame = {"type": "control_ack", "app_id": app_id, "ack": False, "error": "busy", **ack}
            app.socket.send(json.dumps(frame))

        answering = threading.Thread(target=answer)
        answering.start()
        status, answered = ask(server, "POST", f"{path}?wait=60s", {"action": "drain"})
        answering.join()
        target = answered["targets"][0]
        assert (status, answered["over"]) == (200, True)
        assert (target["status"], target["ack"], target["error"]) == ("failed", False, "busy")
        kept = get(server, f"/control/{answered['correlation_id']}")
        assert kept == answered
        get(server, f"/control/{new_id()}", 404)
        for wrong in (
            {"payload": 1},
            {"action": ""},
            {"action": "cancel"},
            {"action": "x", "ttl_ms": 0},
            {"action": "x", "correlation_id": "a" * 200},
        ):
            assert ask(server, "POST", path, wrong)[0] == 400, wrong
        assert ask(server, "POST", f"{path}?wait=soon", {"action": "x"})[0] == 400
        assert ask(server, "POST", f"/apps/{new_id()}/control", {"action": "x"})[0] == 404


def test_a_cascaded_command_reaches_those_that_match(server: ServerProcess) -> None:
    root_id, one, two = new_id(), new_id(), new_id()
    with peer(server) as app:
        app.join(root_id, app_name="planner")
        app.join(one, root_id, app_name="worker-1")
        app.join(two, root_id, app_name="tool")
        body = {"action": "checkpoint", "cascade": True, "nameFilter": "worker-*"}
        status, sent = ask(server, "POST", f"/apps/{root_id}/control", body)
        assert status == 202
        assert [target["app_id"] for target in sent["targets"]] == [one]
        assert app.hear()["app_id"] == one
        nobody = {**body, "nameFilter": "nobody-*"}
        status, none = ask(server, "POST", f"/apps/{root_id}/control", nobody)
        assert (status, none["over"], none["targets"]) == (200, True, [])


def test_a_cancel_tells_what_became_of_each(server: ServerProcess) -> None:
    root_id, live, ended = new_id(), new_id(), new_id()
    _, announced = ask(server, "POST", "/children", {"app_name": "early"})
    with peer(server) as app:
        app.join(root_id)
        app.join(live, root_id)
        app.join(ended, root_id)
        app.say(ended, "Result", {})
        child = {"app_name": "late", "parent_id": root_id}
        late = ask(server, "POST", "/children", child)[1]["app"]["app_id"]
        path = f"/apps/{root_id}/cancel?cascade=true&grace_ms=60000&reason=enough"
        status, begun = ask(server, "POST", path, headers={"idempotency-key": f"c-{root_id}"})
        assert (status, begun["over"]) == (202, False)
        for _ in range(2):
            frame = app.hear()
            assert frame["action"] == "cancel"
            assert frame["payload"]["reason"] == "enough"
            ack = {"correlation_id": frame["correlation_id"], "action": "cancel", "ack": True}
            app.socket.send(json.dumps({"type": "control_ack", "app_id": frame["app_id"], **ack}))
        # The same cancel again is the same one: it waits for the end, and tells it.
        status, over = ask(
            server, "POST", f"{path}&wait=true", headers={"idempotency-key": f"c-{root_id}"}
        )
        assert (status, over["over"]) == (200, True)
        outcomes = {
            each["app_id"]: (each["status"], each["phase"], each["confirmed"])
            for each in over["outcomes"]
        }
        assert over["outcomes"][0]["app_id"] == root_id
        assert outcomes == {
            root_id: ("cancelled", "cooperative", True),
            live: ("cancelled", "cooperative", True),
            late: ("cancelled", "scheduled", False),
            ended: ("done", "already_terminal", True),
        }
        assert (over["ended_before"], over["left_out"]) == (1, 0)
        # As often as it is asked for, it says the same: what ended since was part of it.
        again = ask(server, "POST", path, headers={"idempotency-key": f"c-{root_id}"})[1]
        assert again == over
        status, before = ask(server, "POST", f"/apps/{ended}/cancel")
        assert before["outcomes"][0]["phase"] == "already_terminal"
        assert before["outcomes"][0]["status"] == "done"
        status, refused = ask(server, "POST", "/children", child)
        assert (status, refused["code"]) == (409, "conflict")
    early = f"/apps/{announced['app']['app_id']}/cancel"
    for wrong in ("grace_ms=x", "grace_ms=-1", "grace_ms=3600001", "wait=soon", "colour=1"):
        assert ask(server, "POST", f"{early}?{wrong}")[0] == 400, wrong


def test_crashes_are_listed_and_their_return_is_told(server: ServerProcess) -> None:
    root_id, child_id = new_id(), new_id()
    with peer(server) as app:
        app.join(root_id)
        with peer(server) as dying:
            dying.join(child_id, root_id)
        with connect(f"{watch_url(server)}?app_id={child_id}&after=0", compression=None) as feed:
            while json.loads(feed.recv(SECONDS_MAX))["kind"] != "crash":
                continue
        crashes = get(server, f"/crashes?within={root_id}&since=1h")
        assert [each["app_id"] for each in crashes["crashes"]] == [child_id]
        assert crashes["crashes"][0]["crash_type"] == "connection_drop"
        assert crashes["crashes"][0]["recovered_at"] is None
        assert get(server, f"/crashes?app_id={root_id}")["count"] == 0
        assert get(server, f"/apps/{child_id}")["status"] == "crashed"
        get(server, "/crashes?since=tomorrowish", 400)


def watch_url(server: ServerProcess) -> str:
    return server.url.replace("http", "ws", 1) + "/api/v1/watch"


def test_a_web_socket_and_a_stream_of_events_say_the_same(server: ServerProcess) -> None:
    root_id = new_id()
    with peer(server) as app, connect(watch_url(server), compression=None) as live:
        assert json.loads(live.recv(SECONDS_MAX))["kind"] == "ready"
        app.join(root_id)
        app.say(root_id, "Status", {"progress": 0.5})
        app.say(root_id, "Result", {})
        with connect(f"{watch_url(server)}?after=0&within={root_id}", compression=None) as replay:
            json.loads(replay.recv(SECONDS_MAX))
            replayed = [json.loads(replay.recv(SECONDS_MAX)) for _ in range(6)]
        heard: list[Any] = []
        while len(heard) < 6:
            event = json.loads(live.recv(SECONDS_MAX))
            if event.get("app_id") == root_id:
                heard.append(event)
        assert heard == replayed
        assert [event["document"].get("to") for event in heard] == [
            *("scheduled", "connected", None, "running", None, "done"),
        ]
        url = f"{server.url}/api/v1/watch?within={root_id}&after=0"
        with urllib.request.urlopen(url, timeout=SECONDS_MAX) as stream:
            streamed: list[Any] = []
            while len(streamed) < 6:
                line = stream.readline()
                if line.startswith(b"data: ["):
                    streamed += json.loads(line.removeprefix(b"data: "))
        assert streamed == heard
        # Who comes back says where it was.
        middle = urllib.request.Request(url, headers={"last-event-id": str(heard[3]["id"])})
        with urllib.request.urlopen(middle, timeout=SECONDS_MAX) as stream:
            while not (line := stream.readline()).startswith(b"data: ["):
                continue
            assert json.loads(line.removeprefix(b"data: ")) == heard[4:]


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("", {"Origin": "http://evil.example"}, 403),
        ("", {"Host": "evil.example"}, 403),
        ("?colour=red", {}, 400),
        ("?after=later", {}, 400),
        ("?app_id=01964b2e-7c1f-7d3a-9c55-0d6f3a1b2c4d", {}, 404),
        ("/elsewhere", {}, 404),
    ],
)
def test_an_upgrade_is_looked_at_like_every_request(
    server: ServerProcess, path: str, headers: dict[str, str], status: int
) -> None:
    with pytest.raises(InvalidStatus) as refused:
        connect(watch_url(server) + path, additional_headers=headers)
    assert refused.value.response.status_code == status
    assert refused.value.response.body is not None
    assert json.loads(refused.value.response.body)["status"] == status
    if not headers:
        # The stream of events says the same, and says it as a status.
        assert ask(server, "GET", f"/watch{path}")[0] == status


def test_a_watcher_that_speaks_is_shown_out(server: ServerProcess) -> None:
    with connect(watch_url(server), compression=None) as feed:
        feed.recv(SECONDS_MAX)
        feed.send("hello")
        with pytest.raises(ConnectionClosed) as closed:
            feed.recv(SECONDS_MAX)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1003


def test_the_end_of_the_server_and_of_a_key_end_feeds(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data") as own:
        _, made = ask(own, "POST", "/keys", {"name": "boss", "role": "admin"})
        boss = {"authorization": f"Bearer {made['api_key']}"}
        _, other = ask(own, "POST", "/keys", {"name": "eye", "role": "reader"}, boss)
        eye = {"authorization": f"Bearer {other['api_key']}"}
        with pytest.raises(InvalidStatus) as refused:
            connect(watch_url(own))
        assert refused.value.response.status_code == 401
        with (
            connect(watch_url(own), additional_headers=eye) as seeing,
            connect(watch_url(own), additional_headers=boss) as staying,
        ):
            seeing.recv(SECONDS_MAX)
            staying.recv(SECONDS_MAX)
            assert ask(own, "DELETE", f"/keys/{other['key']['id']}", headers=boss)[0] == 200
            with pytest.raises(ConnectionClosed) as closed:
                seeing.recv(SECONDS_MAX)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1008
            assert own.terminate() == 0
            with pytest.raises(ConnectionClosed) as ended:
                staying.recv(SECONDS_MAX)
            assert ended.value.rcvd is not None
            assert ended.value.rcvd.code == 1012
        assert "ERROR" not in own.stderr


def test_what_a_caller_may_not_see_is_as_if_it_were_not_there(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data") as own:
        root_id, child_id, other_id = new_id(), new_id(), new_id()
        with peer(own) as app:
            app.join(root_id)
            app.join(child_id, root_id)
            app.join(other_id)
            _, made = ask(own, "POST", "/keys", {"name": "boss", "role": "admin"})
            boss = {"authorization": f"Bearer {made['api_key']}"}

            def key(name: str, role: str, app_id: str | None = None) -> dict[str, str]:
                body = {"name": name, "role": role, "app_id": app_id}
                return {
                    "authorization": f"Bearer {ask(own, 'POST', '/keys', body, boss)[1]['api_key']}"
                }

            bound = key("bound", "operator", root_id)
            reader = key("reader", "reader")
            assert sorted(ids(get(own, "/apps", who=bound))) == sorted([root_id, child_id])
            assert sorted(ids(get(own, "/apps", who=reader))) == sorted(
                [root_id, child_id, other_id]
            )
            for path in ("", "/children", "/messages", "/snapshots", "/snapshots/latest"):
                get(own, f"/apps/{other_id}{path}", 404, bound)
            get(own, f"/apps?within={other_id}", 404, bound)
            get(own, f"/crashes?app_id={other_id}", 404, bound)
            for path in (f"/apps/{other_id}/cancel", f"/apps/{new_id()}/cancel"):
                assert ask(own, "POST", path, headers=bound)[0] == 404
            assert ask(own, "POST", f"/apps/{child_id}/cancel", headers=reader)[0] == 403
            child = {"app_name": "x", "parent_id": root_id}
            assert ask(own, "POST", "/children", child, reader)[0] == 403
            assert ask(own, "POST", "/children", {"app_name": "x"}, bound)[0] == 403
            granting = {**child, "grants": [{"sub": "key:reader", "roles": ["admin"]}]}
            assert ask(own, "POST", "/children", granting, bound)[0] == 403
            granting["grants"] = [{"sub": "key:reader", "roles": ["control"]}]
            assert ask(own, "POST", "/children", granting, bound)[0] == 201
            status, sent = ask(own, "POST", f"/apps/{child_id}/control", {"action": "x"}, bound)
            assert status == 202
            get(own, f"/control/{sent['correlation_id']}", 200, reader)
            _, hidden = ask(own, "POST", f"/apps/{other_id}/control", {"action": "x"}, boss)
            get(own, f"/control/{hidden['correlation_id']}", 404, bound)
            path = f"/audit?allowed=false&app_id={other_id}"
            # Whoever was denied did not wait until that was written.
            wait_until(lambda: get(own, path, who=boss)["total"] >= 7, "denials are written")


def test_the_client_of_the_tree_asks_what_the_routes_answer(server: ServerProcess) -> None:
    with Server(server.url) as remote, peer(server) as app:
        client = TreeClient(remote)
        scheduled = client.schedule(NewChild(app_name="by client", start_deadline=60)).document()
        app_id = scheduled.app.app_id
        app.join(app_id)
        sent = client.command(app_id, NewCommand(action="pause")).document()
        assert client.get_command(sent.correlation_id).document() == sent
        asked = CancelParameters(grace_ms=0, wait="true")
        over = client.cancel(app_id, asked, correlation_id=f"cc-{app_id}").document()
        assert (over.over, over.outcomes[0].status) == (True, "cancelled")


def test_grants_open_subtrees_in_lists_as_they_do_for_one_app(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data") as own:
        _, made = ask(own, "POST", "/keys", {"name": "boss", "role": "admin"})
        boss = {"authorization": f"Bearer {made['api_key']}"}
        ref = {"name": "ops", "grants": [{"sub": "key:eye", "roles": ["control"]}]}
        assert ask(own, "POST", "/admin/role-refs", ref, boss)[0] == 201

        def announce(name: str, parent_id: str | None = None, **more: Any) -> str:
            child = {"app_name": name, "parent_id": parent_id, **more}
            app_id: str = ask(own, "POST", "/children", child, boss)[1]["app"]["app_id"]
            return app_id

        home = announce("home")
        by_ref = announce("by ref", role_refs=["ops"])
        below_ref = announce("below ref", by_ref)
        parent = announce("parent")
        granted = announce("granted", parent, grants=[{"sub": "key:eye", "roles": ["read"]}])
        below = announce("below", granted)
        announce("sibling", parent)
        body = {"name": "eye", "role": "reader", "app_id": home}
        eye = {"authorization": f"Bearer {ask(own, 'POST', '/keys', body, boss)[1]['api_key']}"}
        seen = {home, by_ref, below_ref, granted, below}
        assert set(ids(get(own, "/apps", who=eye))) == seen
        assert set(ids(get(own, "/apps?order=tree&active=1h", who=eye))) == seen
        assert ids(get(own, f"/apps/{granted}/children", who=eye)) == [below]
        for app_id in (parent, home, by_ref, below_ref, granted, below):
            expected = 200 if app_id in seen else 404
            assert ask(own, "GET", f"/apps/{app_id}", headers=eye)[0] == expected
        # What is granted may be done, and no more.
        path = f"/apps/{below_ref}/control"
        assert ask(own, "POST", path, {"action": "x"}, eye)[0] == 202
        assert ask(own, "POST", f"/apps/{below_ref}/cancel", headers=eye)[0] == 403
        assert ask(own, "POST", f"/apps/{below}/control", {"action": "x"}, eye)[0] == 403
        with connect(f"{watch_url(own)}?after=0", additional_headers=eye) as feed:
            heard: set[str] = set()
            while heard != seen:
                event = json.loads(feed.recv(SECONDS_MAX))
                if event["kind"] == "transition":
                    heard.add(event["app_id"])
                assert heard <= seen
