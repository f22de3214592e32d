"""Apps that sign what they ask over REST: they act by where they stand in the tree."""

from __future__ import annotations

import json
import secrets
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from clew.access.signing import SignedHead, signed_octets
from clew.base.ids import new_uuid
from clew.surfaces.rest.route import BASE
from clew.testing.server import ServerProcess
from clew.tree.frames.keys import Signer
from tests.integration.wire import WAIT_SECONDS_MAX, Answer, ask
from tests.sockets import connect

JSON = {"content-type": "application/json"}


@dataclass
class Member:
    """An app that has joined, with a key of its own."""

    server: ServerProcess
    socket: ClientConnection
    parent: Member | None = None
    app_id: str = field(default_factory=lambda: new_uuid(time.time_ns()))
    signer: Signer = field(default_factory=Signer)

    def frame(self) -> dict[str, Any]:
        return {
            "type": "register",
            "app_id": self.app_id,
            "parent_id": self.parent.app_id if self.parent else None,
            "app_name": "member",
            "child_pub_key": self.signer.pub_key,
            "process_info": {"pid": 1},
        }

    def join(self) -> None:
        self.socket.send(json.dumps(self.frame()))
        assert json.loads(self.socket.recv(WAIT_SECONDS_MAX))["type"] == "registered"

    def sign(self, method: str, target: str, body: bytes = b"") -> dict[str, str]:
        head = SignedHead(self.app_id, str(time.time_ns() // 10**6), secrets.token_hex(16), "")
        return {
            "x-trails-app-id": head.app_id,
            "x-trails-timestamp": head.timestamp,
            "x-trails-nonce": head.nonce,
            "x-trails-sig": self.signer.sign(signed_octets(method, target, head, body)),
        }

    def ask(self, method: str, path: str, body: bytes | None = None) -> Answer:
        headers = self.sign(method, path, body or b"")
        return ask(self.server.url, method, path, body, {**JSON, **headers})


@dataclass(frozen=True)
class Family:
    """A root, its child, the child's child, and a root beside it; the server asks for keys."""

    server: ServerProcess
    key: str
    root: Member
    child: Member
    leaf: Member
    other: Member


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Family]:
    with ExitStack() as stack:
        folder = tmp_path_factory.mktemp("signed") / "data"
        server = stack.enter_context(ServerProcess(folder))
        place = f"ws://{server.addresses['trails']}/ws"

        def member(parent: Member | None = None) -> Member:
            socket = stack.enter_context(connect(place, compression=None))
            joined = Member(server, socket, parent)
            joined.join()
            return joined

        root, other = member(), member()
        child = member(root)
        leaf = member(child)
        made = ask(server.url, "POST", f"{BASE}/keys", b'{"name":"root","role":"admin"}', JSON)
        yield Family(server, made.document["api_key"], root, child, leaf, other)
        assert "Traceback" not in server.stderr


def test_an_app_sees_itself_and_what_is_below_it_and_nothing_else(family: Family) -> None:
    def statuses(who: Member) -> list[int]:
        everybody = (family.root, family.child, family.leaf, family.other)
        return [who.ask("GET", f"{BASE}/apps/{each.app_id}").status for each in everybody]

    assert statuses(family.root) == [200, 200, 200, 404]
    assert statuses(family.child) == [404, 200, 200, 404]
    assert statuses(family.leaf) == [404, 404, 200, 404]
    assert statuses(family.other) == [404, 404, 404, 200]
    # Telemetry is nobody's in the tree.
    assert family.root.ask("GET", f"{BASE}/traces?limit=1").status == 403
    assert family.root.ask("GET", f"{BASE}/keys").status == 403
    who = family.child.ask("GET", f"{BASE}/whoami").document
    assert (who["kind"], who["name"]) == ("app", family.child.app_id)


def test_an_app_steers_those_below_it_and_never_upward(family: Family) -> None:
    body = b'{"action": "checkpoint", "payload": {"n": 1}}'

    def steer(who: Member, target: Member) -> int:
        return who.ask("POST", f"{BASE}/apps/{target.app_id}/control", body).status

    assert steer(family.root, family.leaf) in {200, 202}
    frame = json.loads(family.leaf.socket.recv(WAIT_SECONDS_MAX))
    assert (frame["type"], frame["action"], frame["payload"]) == (
        "control",
        "checkpoint",
        {"n": 1},
    )
    assert steer(family.leaf, family.root) == 404
    assert steer(family.other, family.leaf) == 404
    assert steer(family.leaf, family.leaf) == 403


def test_a_signed_request_that_was_overheard_is_of_no_use(family: Family) -> None:
    path = f"{BASE}/apps/{family.child.app_id}"
    headers = family.child.sign("GET", path)
    assert ask(family.server.url, "GET", path, headers=headers).status == 200
    again = ask(family.server.url, "GET", path, headers=headers)
    assert (again.status, again.document["detail"]) == (401, "the request was here already")
    fresh = family.child.sign("GET", path)
    assert ask(family.server.url, "GET", f"{path}/messages", headers=fresh).status == 401
    stolen = family.other.sign("GET", path) | {"x-trails-app-id": family.child.app_id}
    assert ask(family.server.url, "GET", path, headers=stolen).status == 401


def test_a_key_that_names_an_app_of_the_open_tier_keeps_what_both_may(family: Family) -> None:
    named = {"x-trails-app-id": family.child.app_id, "authorization": f"Bearer {family.key}"}

    def look(path: str, **headers: str) -> Answer:
        return ask(family.server.url, "GET", f"{BASE}/{path}", headers={**named, **headers})

    assert look(f"apps/{family.leaf.app_id}").status == 200
    assert look(f"apps/{family.root.app_id}").status == 404
    assert look("traces").status == 403
    alone = ask(
        family.server.url,
        "GET",
        f"{BASE}/whoami",
        headers={"x-trails-app-id": family.child.app_id},
    )
    assert alone.status == 401


def test_a_key_that_is_bound_to_an_app_sees_its_subtree(family: Family) -> None:
    wanted: dict[str, Any] = {
        "name": "bound",
        "role": "operator",
        "app_id": family.child.app_id,
    }
    admin = {**JSON, "authorization": f"Bearer {family.key}"}
    made = ask(family.server.url, "POST", f"{BASE}/keys", json.dumps(wanted).encode(), admin)
    bound = {"x-api-key": made.document["api_key"]}

    def look(path: str) -> Answer:
        return ask(family.server.url, "GET", f"{BASE}/{path}", headers=bound)

    everybody = (family.root, family.child, family.leaf, family.other)
    statuses = [look(f"apps/{each.app_id}").status for each in everybody]
    assert statuses == [404, 200, 200, 404]
    listed = {app["app_id"] for app in look("apps").document["apps"]}
    assert listed == {family.child.app_id, family.leaf.app_id}


def test_a_role_ref_opens_an_app_to_those_it_names(family: Family) -> None:
    admin = {**JSON, "authorization": f"Bearer {family.key}"}

    def make(path: str, document: dict[str, Any]) -> Answer:
        body = json.dumps(document).encode()
        return ask(family.server.url, "POST", f"{BASE}/{path}", body, admin)

    outsider = {"name": "outsider", "role": "reader", "app_id": family.other.app_id}
    key = {"x-api-key": make("keys", outsider).document["api_key"]}
    child_id = new_uuid(time.time_ns())
    grants = [{"sub": "key:outsider", "roles": ["read"]}]
    assert make("admin/role-refs", {"name": "friends", "grants": grants}).status == 201
    scheduled = make(
        "children",
        {
            "app_id": child_id,
            "parent_id": family.leaf.app_id,
            "app_name": "shared",
            "role_refs": ["friends"],
        },
    )
    assert scheduled.status in {200, 201}, scheduled.body
    path = f"{BASE}/apps/{child_id}"
    assert ask(family.server.url, "GET", path, headers=key).status == 200
    leaf = f"{BASE}/apps/{family.leaf.app_id}"
    assert ask(family.server.url, "GET", leaf, headers=key).status == 404
    gone = ask(family.server.url, "DELETE", f"{BASE}/admin/role-refs/friends", headers=admin)
    assert gone.status == 200
    assert ask(family.server.url, "GET", path, headers=key).status == 404


def as_admin(family: Family, method: str, path: str, document: Any = None) -> Answer:
    body = None if document is None else json.dumps(document).encode()
    headers = {**JSON, "authorization": f"Bearer {family.key}"}
    return ask(family.server.url, method, f"{BASE}/{path}", body, headers)


def test_a_single_grant_opens_an_app_until_it_is_taken_back(family: Family) -> None:
    other = {"sub": f"app:{family.other.app_id}", "app_id": family.child.app_id}

    def seen() -> list[int]:
        each = (family.root, family.child, family.leaf)
        return [family.other.ask("GET", f"{BASE}/apps/{app.app_id}").status for app in each]

    assert seen() == [404, 404, 404]
    alone = as_admin(family, "POST", "admin/grants", {**other, "roles": ["read"], "cascade": False})
    assert alone.status == 201, alone.body
    assert seen() == [404, 200, 404]
    below = as_admin(
        family, "POST", "admin/grants", {**other, "roles": ["control"], "expires_in": "1h"}
    )
    assert below.document["grant"]["expires_at"] is not None
    assert seen() == [404, 200, 200]
    body = b'{"action": "checkpoint"}'
    steered = family.other.ask("POST", f"{BASE}/apps/{family.leaf.app_id}/control", body)
    assert steered.status in {200, 202}, steered.body
    assert json.loads(family.leaf.socket.recv(WAIT_SECONDS_MAX))["action"] == "checkpoint"
    listed = as_admin(family, "GET", f"admin/grants?sub={other['sub']}").document["grants"]
    ids = [below.document["grant"]["id"], alone.document["grant"]["id"]]
    assert [grant["id"] for grant in listed] == ids
    for grant_id in ids:
        assert as_admin(family, "DELETE", f"admin/grants/{grant_id}").status == 200
    assert as_admin(family, "DELETE", f"admin/grants/{ids[0]}").status == 404
    assert seen() == [404, 404, 404]
    told = as_admin(family, "GET", f"audit?app_id={family.child.app_id}&allowed=true").document
    actions = [entry["action"] for entry in told["entries"] if "grants" in entry["action"]]
    assert sorted(actions) == ["grants.add"] * 2 + ["grants.remove"] * 2


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"roles": []}, 400),
        ({"roles": ["root"]}, 400),
        ({"sub": "two words"}, 400),
        ({"app_id": "planner"}, 400),
        ({"app_id": "0b0e8a52-6f1c-4d3e-9a51-0d6f3a1b2c4d"}, 404),
        ({"expires_in": "1h", "expires_at": "2099-01-01T00:00:00Z"}, 400),
        ({"expires_at": "2001-01-01T00:00:00Z"}, 400),
        ({"until": "2h"}, 400),
    ],
)
def test_what_is_no_grant_is_refused(family: Family, wrong: dict[str, Any], status: int) -> None:
    grant = {"app_id": family.child.app_id, "sub": "key:x", "roles": ["read"], **wrong}
    answer = as_admin(family, "POST", "admin/grants", grant)
    assert (answer.status, bool(answer.document["hint"])) == (status, True)


def test_a_feed_that_is_signed_goes_on_where_it_ended_and_shows_no_more(family: Family) -> None:
    with ExitStack() as stack:
        place = f"ws://{family.server.addresses['trails']}/ws"
        born = Member(family.server, stack.enter_context(connect(place, compression=None)))
        born.parent = family.leaf
        born.join()
        path = f"{BASE}/watch?after=0&within={born.app_id}"

        def hear(count: int, **headers: str) -> list[dict[str, Any]]:
            signed = {**family.child.sign("GET", path), **headers}
            asked = urllib.request.Request(f"{family.server.url}{path}", headers=signed)
            heard: list[dict[str, Any]] = []
            with urllib.request.urlopen(asked, timeout=WAIT_SECONDS_MAX) as stream:
                while len(heard) < count:
                    line = stream.readline()
                    if line.startswith(b"data: ["):
                        heard += json.loads(line.removeprefix(b"data: "))
            return heard

        first = hear(2)
        assert {event["app_id"] for event in first} == {born.app_id}
        assert hear(1, **{"last-event-id": str(first[0]["id"])}) == first[1:]
        # It is a place in the feed of whoever signed, and no way to that of another.
        above = f"{BASE}/watch?within={family.root.app_id}"
        asked = family.child.sign("GET", above) | {"last-event-id": str(first[1]["id"])}
        assert ask(family.server.url, "GET", above, headers=asked).status == 404


def test_nobody_but_an_admin_grants_or_revokes(family: Family) -> None:
    grant = json.dumps({"app_id": family.leaf.app_id, "sub": "key:x", "roles": ["read"]}).encode()
    key = json.dumps({"app_id": family.leaf.app_id}).encode()
    for method, path, body in (
        ("GET", "admin/grants", None),
        ("POST", "admin/grants", grant),
        ("DELETE", "admin/grants/x", None),
        ("GET", "admin/revoked-keys", None),
        ("POST", "admin/revoked-keys", key),
        ("DELETE", "admin/revoked-keys/x", None),
    ):
        # By its place an ancestor steers; who else may is never its to say.
        assert family.root.ask(method, f"{BASE}/{path}", body).status == 403, (method, path)


def test_a_public_key_that_was_revoked_opens_nothing_until_it_is_lifted(family: Family) -> None:
    place = f"ws://{family.server.addresses['trails']}/ws"
    with connect(place, compression=None) as socket:
        lost = Member(family.server, socket)
        lost.join()
        whoami = f"{BASE}/whoami"
        assert lost.ask("GET", whoami).status == 200
        told = as_admin(
            family, "POST", "admin/revoked-keys", {"app_id": lost.app_id, "reason": "lost"}
        )
        assert told.status == 201, told.body
        key = told.document["revoked_key"]
        assert (key["pub_key"], key["reason"]) == (lost.signer.pub_key, "lost")
        assert json.loads(socket.recv(WAIT_SECONDS_MAX))["code"] == "revoked"
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(WAIT_SECONDS_MAX)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4004
        assert lost.ask("GET", whoami).status == 401
        with connect(place, compression=None) as other:
            again = Member(family.server, other, signer=lost.signer)
            other.send(json.dumps(again.frame()))
            assert json.loads(other.recv(WAIT_SECONDS_MAX))["code"] == "revoked"
        listed = as_admin(family, "GET", "admin/revoked-keys").document["revoked_keys"]
        assert [each["pub_key"] for each in listed] == [lost.signer.pub_key]
        path = f"admin/revoked-keys/{quote(lost.signer.pub_key, safe='')}"
        assert as_admin(family, "DELETE", path).status == 200
        assert as_admin(family, "DELETE", path).status == 404
        assert lost.ask("GET", whoami).status == 200


@pytest.mark.parametrize(
    "wrong",
    [{}, {"pub_key": "ed25519:AAAA"}, {"pub_key": "x", "app_id": "y"}, {"app_id": "planner"}],
)
def test_what_is_no_public_key_is_not_revoked(family: Family, wrong: dict[str, str]) -> None:
    answer = as_admin(family, "POST", "admin/revoked-keys", wrong)
    assert (answer.status, bool(answer.document["hint"])) == (400, True)
