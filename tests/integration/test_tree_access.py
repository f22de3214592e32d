"""Every door of the tree, for those who may see little of it: they learn no more at any."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection
from websockets.typing import Subprotocol

from clew.base.ids import new_uuid
from clew.surfaces.rest.route import BASE
from clew.surfaces.rest.routes.table import ROUTES
from tests.integration.test_signed_requests import (
    JSON,
    Family,
    as_admin,
    family,
)
from tests.integration.wire import Answer, ask, wait_until
from tests.sockets import connect

__all__ = ["family"]

APP_ROUTES = [
    (route.method, route.path)
    for route in ROUTES
    if route.tag == "tree" and "{app_id}" in route.path
]
BODIES = {"control": b'{"action": "checkpoint"}'}
NAMED = [f"{BASE}/apps?within=", f"{BASE}/apps?parent_id=", f"{BASE}/crashes?app_id="]


@dataclass(frozen=True)
class Keys:
    """What a reader sends, and an admin of the child's subtree alone."""

    reader: str
    bound: str


@pytest.fixture(scope="module")
def keys(family: Family) -> Keys:
    def make(name: str, role: str, **more: str) -> str:
        made = as_admin(family, "POST", "keys", {"name": name, "role": role, **more})
        return str(made.document["api_key"])

    return Keys(make("reads", "reader"), make("below", "admin", app_id=family.child.app_id))


def call(family: Family, method: str, path: str, key: str | None) -> Answer:
    shown = {} if key is None else {"x-api-key": key}
    body = BODIES.get(path.rpartition("/")[2], b"" if method == "POST" else None)
    return ask(family.server.url, method, path, body, {**JSON, **shown})


def denied(family: Family, **of: str) -> list[dict[str, Any]]:
    query = "&".join(f"{name}={value}" for name, value in of.items())
    found = as_admin(family, "GET", f"audit?allowed=false&limit=1000&{query}").document
    return list(found["entries"])


def wait_denied(family: Family, count: int = 1, **of: str) -> None:
    """Wait until so many denials are written; whoever was denied did not wait for it."""
    wait_until(lambda: len(denied(family, **of)) >= count, f"{count} denials of {of}")


@pytest.mark.parametrize(("method", "path"), APP_ROUTES, ids=str)
def test_an_app_that_is_not_to_be_seen_is_not_there(
    family: Family, keys: Keys, method: str, path: str
) -> None:
    nobodys = new_uuid(1)
    for hidden in (family.root.app_id, family.other.app_id):
        before = len(denied(family, caller="below", app_id=hidden))
        answer = call(family, method, path.replace("{app_id}", hidden), keys.bound)
        none = call(family, method, path.replace("{app_id}", nobodys), keys.bound)
        assert (answer.status, none.status) == (404, 404)
        said = answer.body.replace(hidden.encode(), nobodys.encode())
        assert said == none.body
        wait_denied(family, before + 1, caller="below", app_id=hidden)


@pytest.mark.parametrize("place", NAMED)
def test_a_list_about_a_hidden_app_is_as_of_one_that_is_not_there(
    family: Family, keys: Keys, place: str
) -> None:
    nobodys = new_uuid(1)
    hidden = call(family, "GET", place + family.other.app_id, keys.bound)
    none = call(family, "GET", place + nobodys, keys.bound)
    said = hidden.body.replace(family.other.app_id.encode(), nobodys.encode())
    assert (hidden.status, said) == (none.status, none.body)


def test_who_only_reads_changes_nothing_and_is_told_of(family: Family, keys: Keys) -> None:
    leaf = family.leaf.app_id
    for method, path in APP_ROUTES:
        answer = call(family, method, path.replace("{app_id}", leaf), keys.reader)
        if method == "GET":
            # An app that said nothing has no last snapshot.
            assert answer.status in {200, 404}, path
            continue
        # It sees the app, which is why it is told that it may not.
        assert answer.status == 403, (method, path, answer.body)
    for verb in ("command", "cancel"):
        wait_denied(family, caller="reads", app_id=leaf, action=verb)
        for each in denied(family, caller="reads", app_id=leaf, action=verb):
            assert each["source_ip"] == "127.0.0.1"
            assert each["correlation_id"]
    child = json.dumps({"app_name": "x", "parent_id": leaf}).encode()
    headers = {**JSON, "x-api-key": keys.reader}
    assert ask(family.server.url, "POST", f"{BASE}/children", child, headers).status == 403


def test_without_a_key_nothing_of_the_tree_is_told_and_each_try_is(family: Family) -> None:
    for method, path in APP_ROUTES:
        filled = path.replace("{app_id}", family.leaf.app_id)
        answer = call(family, method, filled, None)
        assert answer.status == 401
        assert family.leaf.app_id.encode() not in answer.body
        wait_denied(family, caller="nobody", action=f"{method}%20{filled}")


def mcp(family: Family, key: str, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return what a tool says, over streamable HTTP."""
    asked = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": tool, "arguments": arguments},
    }
    headers = {
        **JSON,
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": "2025-11-25",
        "x-api-key": key,
    }
    answer = ask(family.server.url, "POST", "/mcp", json.dumps(asked).encode(), headers)
    assert answer.status == 200, answer.body
    said: dict[str, Any] = json.loads(answer.document["result"]["content"][0]["text"])
    return said


def test_agents_see_no_more_over_mcp(family: Family, keys: Keys) -> None:
    hidden, leaf = family.root.app_id, family.leaf.app_id
    for tool, more in (
        ("app", {}),
        ("tree", {}),
        ("send", {"action": "stop", "wait_s": 0}),
        ("cancel", {"wait_s": 0}),
    ):
        said = mcp(family, keys.bound, tool, {"app_id": hidden, **more})
        none = mcp(family, keys.bound, tool, {"app_id": new_uuid(1), **more})
        assert said.get("code") == none.get("code"), (tool, said)
        assert "member" not in json.dumps(said)
        if tool in {"send", "cancel"}:
            refused = mcp(family, keys.reader, tool, {"app_id": leaf, **more})
            assert refused["code"] == "forbidden", refused
    for verb in ("command", "cancel"):
        wait_denied(family, caller="reads", app_id=leaf, action=verb)
    assert mcp(family, keys.reader, "app", {"app_id": leaf})["app"]["app_id"] == leaf


def watch(family: Family, query: str = "", **more: Any) -> ClientConnection:
    place = family.server.url.replace("http", "ws", 1)
    opened: ClientConnection = connect(f"{place}{BASE}/watch{query}", compression=None, **more)
    return opened


def upgrade(family: Family, query: str = "", **more: Any) -> int:
    """Return the status of an upgrade; 101 when it is one."""
    try:
        with watch(family, query, **more):
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code


def test_the_feed_opens_for_whoever_may_see(family: Family, keys: Keys) -> None:
    root = f"?within={family.root.app_id}"
    assert upgrade(family) == 401
    assert upgrade(family, additional_headers={"x-api-key": keys.reader}) == 101
    assert upgrade(family, root, additional_headers={"x-api-key": keys.bound}) == 404
    own = f"?within={family.child.app_id}"
    assert upgrade(family, own, additional_headers={"x-api-key": keys.bound}) == 101
    wait_denied(family, caller="nobody", action=f"GET%20{BASE}/watch")


def ticket(family: Family, key: str) -> list[Subprotocol]:
    made = call(family, "POST", f"{BASE}/watch/tickets", key)
    assert (made.status, made.headers["cache-control"]) == (201, "no-store")
    assert re.fullmatch(r"[0-9a-f]{64}", made.document["ticket"])
    return [Subprotocol("clew.watch.v1"), Subprotocol(f"clew.ticket.{made.document['ticket']}")]


def test_a_page_opens_the_feed_with_a_ticket_that_counts_once(family: Family, keys: Keys) -> None:
    origin = family.server.url
    shown = ticket(family, keys.bound)
    with watch(family, subprotocols=shown, origin=origin) as feed:
        assert feed.subprotocol == "clew.watch.v1"
        assert json.loads(feed.recv(120))["kind"] == "ready"
    assert upgrade(family, subprotocols=shown) == 401
    # It stands for who asked for it, and for nobody else.
    root = f"?within={family.root.app_id}"
    assert upgrade(family, root, subprotocols=ticket(family, keys.bound)) == 404
    # A page of another site has no use for one.
    foreign = ticket(family, keys.reader)
    assert upgrade(family, subprotocols=foreign, origin="https://elsewhere.example") == 403
    assert upgrade(family, subprotocols=[Subprotocol("clew.ticket.0")]) == 401
    assert call(family, "POST", f"{BASE}/watch/tickets", None).status == 401


def hear_out(feed: ClientConnection) -> None:
    """Hear what happens in the tree until the feed ends."""
    while True:
        feed.recv(120)


def test_a_ticket_counts_no_longer_than_its_key(family: Family) -> None:
    made = as_admin(family, "POST", "keys", {"name": "brief", "role": "reader"}).document
    shown = ticket(family, made["api_key"])
    late = ticket(family, made["api_key"])
    with watch(family, subprotocols=shown) as feed:
        assert json.loads(feed.recv(120))["kind"] == "ready"
        assert as_admin(family, "DELETE", f"keys/{made['key']['id']}").status == 200
        with pytest.raises(ConnectionClosed):
            hear_out(feed)
    assert upgrade(family, subprotocols=late) == 401
