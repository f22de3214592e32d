"""Every door of a server with keys: who is let in, who is not, and what they hear."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import grpc
import pytest

from clew.access.caller import ROLE_VERBS, Role, Verb
from clew.remote.http import Server
from clew.surfaces.compat.jaeger.door import _ADDRESSES as JAEGER
from clew.surfaces.grpc.export import SERVICES
from clew.surfaces.mcp.http import PATH as MCP_PATH
from clew.surfaces.rest.route import BASE, Route
from clew.surfaces.rest.routes.table import ROUTES
from clew.testing.requests import ids_of, spans_request
from clew.testing.server import ServerProcess
from tests.integration.wire import WAIT_SECONDS_MAX, Answer, ask, wait_until

JSON = {"content-type": "application/json"}
PROTOBUF = {"content-type": "application/x-protobuf"}
APP = "0b0e8a52-6f1c-4d3e-9a51-0d6f3a1b2c4d"
SPANS = spans_request("guarded", [ids_of(1)]).SerializeToString()
EXPORT = f"/{SERVICES[next(iter(SERVICES))]}/Export"
JAEGER_CALLS = [
    *(
        f"/jaeger.api_v3.QueryService/{name}"
        for name in ("GetServices", "GetOperations", "GetTrace", "FindTraces", "FindSpans")
    ),
    "/jaeger.api_v3.Capabilities/GetCapabilities",
]


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


@dataclass(frozen=True)
class Guarded:
    """A server with a key for each role, and one that is bound to an app."""

    server: ServerProcess
    keys: Mapping[str, str]

    def ask(
        self,
        method: str,
        path: str,
        who: str | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        shown = {} if who is None else bearer(self.keys[who])
        return ask(self.server.url, method, path, body, {**shown, **(headers or {})})

    def make(self, name: str, role: str, **more: str) -> tuple[str, str]:
        """Make a key; return its id and what its holder sends."""
        body = json.dumps({"name": name, "role": role, **more}).encode()
        made = self.ask("POST", f"{BASE}/keys", "admin", body, JSON)
        assert made.status == 201, made.body
        return made.document["key"]["id"], made.document["api_key"]


@contextmanager
def open_guarded(folder: Path) -> Iterator[Guarded]:
    with ServerProcess(folder) as server:
        # Whoever makes the first key needs none.
        body = b'{"name": "admin", "role": "admin"}'
        first = ask(server.url, "POST", f"{BASE}/keys", body, JSON)
        assert first.status == 201, first.body
        keys = {"admin": str(first.document["api_key"])}
        guarded = Guarded(server, keys)
        for role in ("reader", "writer", "operator"):
            keys[role] = guarded.make(role, role)[1]
        keys["bound"] = guarded.make("bound", "admin", app_id=APP)[1]
        yield guarded
        assert "Traceback" not in server.stderr


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with open_guarded(tmp_path_factory.mktemp("guarded") / "data") as opened:
        yield opened


def filled(route: Route) -> str:
    """Return an address of a route; what stands in its path need not exist."""
    return re.sub(r"\{(\w+)(?::\w+)?\}", "0af7651916cd43dd8448eb211c80319c", route.path)


GUARDED_ROUTES = [route for route in ROUTES if not route.is_public]
ADDRESSES = sorted(
    {(route.method, filled(route)) for route in GUARDED_ROUTES}
    | {
        (method, filled_path)
        for each in JAEGER
        for method in each.methods
        for filled_path in [re.sub(r"\{(\w+)(?::\w+)?\}", "0af7", each.path)]
    }
    | {("GET", "/"), ("GET", "/openapi.json"), ("GET", "/llms.txt"), ("POST", MCP_PATH)}
    | {("GET", MCP_PATH), ("GET", "/nowhere"), ("OPTIONS", f"{BASE}/traces"), ("PUT", "/")}
    | {("POST", f"/v1/{signal}") for signal in ("traces", "logs", "metrics")}
)


@pytest.mark.parametrize(("method", "path"), ADDRESSES, ids=" ".join)
def test_nothing_is_answered_without_a_key(guarded: Guarded, method: str, path: str) -> None:
    for headers in ({}, bearer("clew_0123456789abcdef_" + "0" * 64)):
        answer = guarded.ask(method, path, headers={**JSON, **headers})
        assert answer.status == 401
        assert answer.headers["www-authenticate"] == 'Bearer realm="clew"'
        assert b"0af7651916cd43dd" not in answer.body


def test_probes_need_no_key(guarded: Guarded) -> None:
    assert guarded.ask("GET", "/healthz").status == 200
    assert guarded.ask("GET", "/readyz").status == 200
    assert [route.path for route in ROUTES if route.is_public] == ["/healthz", "/readyz"]


@pytest.mark.parametrize("role", ["reader", "writer", "operator", "admin", "bound"])
def test_each_route_is_for_those_whose_role_has_its_verb(guarded: Guarded, role: str) -> None:
    # What a process tells of itself is about no app of the tree, so where the key is bound to one
    # does not matter: as with telemetry.
    verbs = frozenset({Verb.INGEST}) if role == "bound" else ROLE_VERBS[Role(role)]
    wrong = []
    for route in GUARDED_ROUTES:
        if route.decides_itself:
            continue
        # A live feed would not end; HEAD asks for the same.
        method = "HEAD" if route.method == "GET" else route.method
        status = guarded.ask(method, filled(route), role, headers=JSON).status
        if (status == 403) is (route.verb in verbs) or status == 401:
            wrong.append((method, route.path, status))
    assert not wrong


def test_a_route_that_changes_something_never_takes_the_verb_of_one_that_asks() -> None:
    asking = {("POST", f"{BASE}/sql"), ("POST", f"{BASE}/objects/states")}
    for route in ROUTES:
        if route.method != "GET" and (route.method, route.path) not in asking:
            assert route.verb is not Verb.OBSERVE or route.decides_itself, route.path


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "{key}"},
        {"authorization": "Basic {key}"},
        {"authorization": "Bearer {cut}"},
        {"authorization": "Bearer {key}0"},
        {"authorization": "Bearer {key}, Bearer {key}"},
        {"authorization": "Bearer"},
        {"x-api-key": "{cut}"},
        {"x-api-key": "Bearer {key}"},
        # Which of two is meant would be a matter of who reads them.
        {"x-api-key": "{cut}", "authorization": "Bearer {key}"},
        {"cookie": "authorization=Bearer {key}"},
        {"x-trails-app-id": APP},
        {"x-trails-app-id": "nobody", "authorization": "Bearer {key}"},
        {"x-trails-app-id": APP, "authorization": "Bearer {key}"},
        {"x-trails-app-id": APP, "x-trails-sig": "ed25519:AAAA", "authorization": "Bearer {key}"},
    ],
    ids=str,
)
def test_what_is_not_quite_a_key_is_none(guarded: Guarded, headers: dict[str, str]) -> None:
    key = guarded.keys["admin"]
    sent = {name: text.format(key=key, cut=key[:-1]) for name, text in headers.items()}
    for url in (guarded.server.url, guarded.server.otlp_url):
        answer = ask(url, "POST", "/v1/traces", SPANS, {**PROTOBUF, **sent})
        assert answer.status == 401, answer.body
    assert guarded.ask("GET", f"{BASE}/whoami", headers=sent).status == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer {key}"},
        {"Authorization": "bearer   {key}  "},
        {"X-Api-Key": "{key}"},
        {"x-api-key": "{key}", "authorization": "Basic c29tZWJvZHk6ZWxzZQ=="},
    ],
    ids=str,
)
def test_a_key_is_shown_in_one_of_two_headers(guarded: Guarded, headers: dict[str, str]) -> None:
    sent = {name: text.format(key=guarded.keys["reader"]) for name, text in headers.items()}
    who = guarded.ask("GET", f"{BASE}/whoami", headers=sent).document
    assert who == {"kind": "key", "name": "reader", "verbs": ["observe"], "app_id": None}


def test_two_headers_of_one_name_are_no_key(guarded: Guarded) -> None:
    connection = HTTPConnection(urlsplit(guarded.server.url).netloc, timeout=WAIT_SECONDS_MAX)
    connection.putrequest("GET", f"{BASE}/whoami")
    for _ in range(2):
        connection.putheader("authorization", f"Bearer {guarded.keys['admin']}")
    connection.endheaders()
    assert connection.getresponse().status == 401
    connection.close()


@pytest.mark.parametrize("door", ["url", "otlp_url"])
def test_telemetry_is_taken_from_those_who_may_add_it(guarded: Guarded, door: str) -> None:
    def send(who: str | None, **headers: str) -> Answer:
        shown = {} if who is None else bearer(guarded.keys[who])
        return ask(
            getattr(guarded.server, door),
            "POST",
            "/v1/traces",
            SPANS,
            {**PROTOBUF, **shown, **headers},
        )

    refused = send(None)
    assert refused.status == 401
    assert refused.headers["content-type"] == "application/x-protobuf"
    assert send("reader").status == 403
    for who in ("writer", "operator", "admin", "bound"):
        assert send(who).status == 200
    # A page asks first whether it may send a key at all, and cannot show it yet.
    preflight = ask(
        getattr(guarded.server, door),
        "OPTIONS",
        "/v1/traces",
        headers={
            "origin": "http://localhost:3000",
            "access-control-request-method": "POST",
            "access-control-request-headers": "authorization,content-type",
        },
    )
    assert preflight.status == 204
    assert preflight.headers["access-control-allow-headers"] == "authorization,content-type"


def call(guarded: Guarded, method: str, metadata: list[tuple[str, str]]) -> grpc.StatusCode:
    with grpc.insecure_channel(guarded.server.otlp_grpc) as channel:
        try:
            list(channel.unary_stream(method)(b"", metadata=metadata, timeout=WAIT_SECONDS_MAX))
        except grpc.RpcError as error:
            code: grpc.StatusCode = error.code()
            return code
    return grpc.StatusCode.OK


@pytest.mark.parametrize("method", [EXPORT, *JAEGER_CALLS, "/some.Service/Nothing"])
def test_no_call_is_answered_without_a_key(guarded: Guarded, method: str) -> None:
    cut = guarded.keys["admin"][:-1]
    for metadata in (
        [],
        [("authorization", f"Bearer {cut}")],
        [("x-api-key", cut)],
        [("authorization", f"Bearer {guarded.keys['admin']}")] * 2,
        [("x-trails-app-id", APP)],
    ):
        assert call(guarded, method, metadata) is grpc.StatusCode.UNAUTHENTICATED


def test_calls_are_for_those_whose_role_has_their_verb(guarded: Guarded) -> None:
    def status(method: str, who: str) -> grpc.StatusCode:
        return call(guarded, method, [("x-api-key", guarded.keys[who])])

    denied, fine = grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.OK
    assert [status(EXPORT, who) for who in ("reader", "writer", "bound")] == [denied, fine, fine]
    services = JAEGER_CALLS[0]
    assert [status(services, who) for who in ("reader", "writer", "bound")] == [fine, fine, denied]
    assert call(guarded, services, [("authorization", f"Bearer {guarded.keys['reader']}")]) is fine


def test_jaegers_clients_are_told_as_jaeger_tells_them(guarded: Guarded) -> None:
    assert guarded.ask("GET", "/jaeger/api/services").document["errors"][0]["code"] == 401
    assert guarded.ask("GET", "/jaeger/api/v3/services").document["error"]["grpcCode"] == 16
    assert guarded.ask("GET", "/jaeger/api/services", "bound").document["errors"][0]["code"] == 403
    assert guarded.ask("GET", "/jaeger/api/services", "reader").status == 200


def tool(guarded: Guarded, who: str, name: str, **arguments: object) -> dict[str, Any]:
    """Call a tool over MCP, by the handshake-free form of the older revision."""
    request = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": name, "arguments": arguments},
    }
    headers = {**JSON, "accept": "application/json, text/event-stream"}
    answer = guarded.ask("POST", MCP_PATH, who, json.dumps(request).encode(), headers)
    assert answer.status == 200, answer.body
    result: dict[str, Any] = answer.document["result"]
    return result


def test_a_tool_may_what_the_route_behind_it_may(guarded: Guarded) -> None:
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    said = {"trace_id": trace_id, "body": "seen"}
    assert not tool(guarded, "reader", "summary").get("isError")
    denied = tool(guarded, "reader", "add_comment", **said)
    assert denied["isError"]
    assert json.loads(denied["content"][0]["text"])["code"] == "forbidden"
    assert not tool(guarded, "writer", "add_comment", **said).get("isError")
    assert tool(guarded, "bound", "summary")["isError"]
    assert tool(guarded, "bound", "sql", statement="SELECT 1")["isError"]


def test_a_session_is_its_owners_and_an_admins_to_change(guarded: Guarded) -> None:
    def send(who: str, method: str, path: str, body: object = None, **headers: str) -> Answer:
        sent = {**JSON, **{name.replace("_", "-"): text for name, text in headers.items()}}
        raw = b"" if body is None else json.dumps(body).encode()
        return guarded.ask(method, f"{BASE}/sessions{path}", who, raw, sent)

    own = send("writer", "POST", "", {"title": "why"}).document
    assert own["owner"] == "key:writer"
    # Everybody has one of their own, and whoever may look may look at it.
    assert send("operator", "POST", "", {"title": "mine"}).status == 201
    assert send("reader", "POST", "", {"title": "mine"}).status == 403
    assert send("reader", "GET", f"/{own['id']}").document["title"] == "why"
    mine = guarded.ask("GET", f"{BASE}/sessions?owner=me", "operator").document["sessions"]
    assert [each["owner"] for each in mine] == ["key:operator"]
    for method, path, body in (
        ("POST", "/notes", {"body": "x"}),
        ("POST", "/links", {"kind": "service", "id": "x"}),
        ("PATCH", "", {"title": "x"}),
        ("POST", "/stop", None),
        ("DELETE", "", None),
    ):
        assert send("operator", method, f"/{own['id']}{path}", body).status == 403
    # What somebody else asks never belongs to it, whatever they say.
    look = f"{BASE}/services/stranger/operations"
    assert guarded.ask("GET", look, "reader", headers={"x-clew-session": own["id"]}).status == 200
    assert guarded.ask("GET", look.replace("stranger", "own"), "writer").status == 200
    stopped = send("admin", "POST", f"/{own['id']}/stop").document
    assert [each["id"] for each in stopped["links"]] == ["own"]
    activity = guarded.ask("GET", f"{BASE}/sessions/activity", "reader").document
    assert {each["owner"] for each in activity["members"]} == {"key:writer", "key:operator"}
    assert send("operator", "POST", "/current/stop").status == 200


def test_a_comment_is_its_writers_and_an_admins_to_change(guarded: Guarded) -> None:
    path = f"{BASE}/traces/1/comments"

    def say(who: str, **more: str) -> dict[str, Any]:
        body = json.dumps({"body": "said", **more}).encode()
        answer = guarded.ask("POST", path, who, body, JSON)
        assert answer.status == 201, answer.body
        comment: dict[str, Any] = answer.document["comment"]
        return comment

    def change(who: str, comment: dict[str, Any], method: str = "PATCH") -> int:
        return guarded.ask(
            method, f"{BASE}/comments/{comment['id']}", who, b'{"body": "changed"}', JSON
        ).status

    own = say("writer")
    assert (own["author"], own["owner"]) == ("writer", "key:writer")
    # Anybody may call themselves anything; whose it is does not follow from that.
    posing = say("operator", author="writer")
    assert (posing["author"], posing["owner"]) == ("writer", "key:operator")
    assert [change(who, own) for who in ("operator", "reader", "bound")] == [403, 403, 403]
    assert change("writer", posing, "DELETE") == 403
    assert change("writer", own) == 200
    assert change("admin", own) == 200
    assert change("operator", posing, "DELETE") == 200
    assert change("writer", posing, "DELETE") == 404
    by_tool = tool(guarded, "writer", "add_comment", trace_id="1", body="seen")
    assert by_tool["structuredContent"]["comment"]["owner"] == "key:writer"


class Feed:
    """A live feed, read by a thread of its own until it ends."""

    def __init__(self, url: str, key: str | None = None) -> None:
        self._connection = HTTPConnection(urlsplit(url).netloc, timeout=WAIT_SECONDS_MAX)
        self._connection.request(
            "GET", f"{BASE}/traces/live", headers={} if key is None else bearer(key)
        )
        self._response = self._connection.getresponse()
        assert self._response.status == 200
        # What stands at its beginning shows that it is open.
        assert self._response.readline() == b"retry: 1000\n"
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        # A feed that is cut off rather than ended is over as well.
        with suppress(HTTPException, OSError, ValueError):
            self._response.read()

    @property
    def is_open(self) -> bool:
        return self._reader.is_alive()

    def close(self) -> None:
        with suppress(OSError):
            self._connection.sock.shutdown(socket.SHUT_RDWR)
        self.wait_ended()

    def wait_ended(self) -> None:
        self._reader.join(WAIT_SECONDS_MAX)
        assert not self._reader.is_alive()
        self._connection.close()


def test_a_revoked_key_is_refused_at_once_and_its_feeds_end(guarded: Guarded) -> None:
    key_id, key = guarded.make("leaver", "reader")
    other = Feed(guarded.server.url, guarded.keys["reader"])
    feed = Feed(guarded.server.url, key)
    assert guarded.ask("DELETE", f"{BASE}/keys/{key_id}", "admin").status == 200
    assert guarded.ask("GET", f"{BASE}/whoami", headers=bearer(key)).status == 401
    assert call(guarded, JAEGER_CALLS[0], [("x-api-key", key)]) is grpc.StatusCode.UNAUTHENTICATED
    feed.wait_ended()
    assert other.is_open
    other.close()
    assert guarded.ask("DELETE", f"{BASE}/keys/nobodys", "admin").status == 404


def test_a_feed_ends_when_its_key_expires(guarded: Guarded) -> None:
    # As long as it may take on a busy machine until it is open.
    _, key = guarded.make("guest", "reader", expires_in="10s")
    Feed(guarded.server.url, key).wait_ended()
    answer = guarded.ask("GET", f"{BASE}/whoami", headers=bearer(key))
    assert answer.document["detail"] == "the API key has expired"


def test_role_refs_are_kept_with_their_history(guarded: Guarded) -> None:
    path = f"{BASE}/admin/role-refs"
    made = {"name": "ops", "grants": [{"sub": "key:operator", "roles": ["control"]}]}
    answer = guarded.ask("POST", path, "admin", json.dumps(made).encode(), JSON)
    assert answer.status == 201
    again = guarded.ask("POST", path, "admin", json.dumps(made).encode(), JSON)
    assert again.document == answer.document
    other = json.dumps(made | {"grants": []}).encode()
    assert guarded.ask("POST", path, "admin", other, JSON).status == 409
    edit = json.dumps({"grants": [{"sub": "ann", "roles": ["read"]}], "assignable": True}).encode()
    assert guarded.ask("PUT", f"{path}/ops", "admin", edit, JSON).status == 200
    assert guarded.ask("PUT", f"{path}/ops2", "admin", edit, JSON).status == 404
    kept = guarded.ask("GET", f"{path}/ops", "admin").document["role_ref"]
    assert (kept["assignable"], kept["grants"]) == (True, [{"sub": "ann", "roles": ["read"]}])
    assert guarded.ask("GET", path, "admin").document["total"] == 1
    assert guarded.ask("DELETE", f"{path}/ops", "admin").document["role_ref"]["name"] == "ops"
    assert guarded.ask("GET", f"{path}/ops", "admin").status == 404
    history = guarded.ask("GET", f"{path}/ops/history", "admin").document
    assert [change["action"] for change in history["changes"]] == ["deleted", "updated", "created"]
    wrong = json.dumps({"name": "x", "grants": [{"sub": "ann", "roles": ["root"]}]}).encode()
    assert guarded.ask("POST", path, "admin", wrong, JSON).status == 400


def test_the_audit_log_tells_what_was_denied_and_what_was_done(tmp_path: Path) -> None:
    # A server of its own: of the denials of all these tests, not every one is written.
    with open_guarded(tmp_path / "data") as guarded:
        check_audit_log(guarded)


def check_audit_log(guarded: Guarded) -> None:
    agent = {"user-agent": "curious/1.0"}
    assert guarded.ask("GET", f"{BASE}/keys", "reader", headers=agent).status == 403
    assert guarded.ask("GET", f"{BASE}/logs", headers=agent).status == 401

    def find(question: str) -> list[dict[str, Any]]:
        document = guarded.ask("GET", f"{BASE}/audit?{question}", "admin").document
        entries: list[dict[str, Any]] = document["entries"]
        return entries

    # Denials are written behind the answer; the registry takes a moment.
    wait_until(
        lambda: any(each["user_agent"] == "curious/1.0" for each in find("caller=reader")),
        "the denial is written",
    )
    (denied,) = [each for each in find("caller=reader") if each["user_agent"] == "curious/1.0"]
    assert denied["action"] == f"GET {BASE}/keys"
    assert (denied["allowed"], denied["auth_domain"]) == (False, "external")
    assert denied["detail"] == "the key reader may not admin on this server"
    assert denied["source_ip"] == "127.0.0.1"
    made = find("action=keys.create&allowed=true")
    assert {each["caller"] for each in made} == {"local", "admin"}
    assert guarded.ask("GET", f"{BASE}/audit?allowed=perhaps", "admin").status == 400


def test_a_secret_is_told_once_and_never_again(guarded: Guarded) -> None:
    _, key = guarded.make("secretive", "reader")
    secret = key.rpartition("_")[2].encode()
    for path in (f"{BASE}/keys?state=all", f"{BASE}/audit?limit=1000", "/metrics"):
        assert secret not in guarded.ask("GET", path, "admin").body
    for name in ("registry.db", "registry.db-wal"):
        assert secret not in (guarded.server.folder / name).read_bytes()
    assert secret.decode() not in guarded.server.stderr


def test_the_python_client_shows_its_key(guarded: Guarded) -> None:
    with Server(guarded.server.url, api_key=guarded.keys["reader"]) as server:
        assert json.loads(server.get(f"{BASE}/whoami").body)["name"] == "reader"


def test_the_first_key_shuts_a_server_that_was_open_and_a_restart_keeps_it_shut(
    tmp_path: Path,
) -> None:
    with ServerProcess(tmp_path / "data") as server:
        feed = Feed(server.url)
        path = f"{BASE}/traces/1/comments"
        early = ask(server.url, "POST", path, b'{"body": "early"}', JSON).document["comment"]
        assert (early["author"], early["owner"]) == ("anonymous", None)
        who = ask(server.url, path=f"{BASE}/whoami").document
        assert (who["kind"], who["name"]) == ("local", "local")
        # A proxy may ask for a password of its own; without keys it means nothing here.
        proxied = ask(server.url, path=f"{BASE}/whoami", headers={"authorization": "Basic eDp5"})
        assert proxied.document["kind"] == "local"
        not_first = ask(server.url, "POST", f"{BASE}/keys", b'{"name":"a","role":"reader"}', JSON)
        assert not_first.status == 409
        body = b'{"name": "root", "role": "admin"}'
        made = ask(server.url, "POST", f"{BASE}/keys", body, JSON)
        assert made.headers["cache-control"] == "no-store"
        feed.wait_ended()
        assert ask(server.url, path=f"{BASE}/traces").status == 401
        server.terminate()
    key = made.document["api_key"]
    with ServerProcess(tmp_path / "data") as server:
        assert ask(server.url, path=f"{BASE}/traces").status == 401
        assert ask(server.url, path=f"{BASE}/traces", headers=bearer(key)).status == 200
        # What was said before there were keys is nobody's but an admin's.
        late = b'{"name": "late", "role": "writer"}'
        made_late = ask(server.url, "POST", f"{BASE}/keys", late, JSON | bearer(key))
        comment = f"{BASE}/comments/{early['id']}"
        for sent, status in ((made_late.document["api_key"], 403), (key, 200)):
            assert ask(server.url, "DELETE", comment, headers=bearer(sent)).status == status
        # The last key is revoked: nobody is let in, rather than everybody.
        path = f"{BASE}/keys/{made.document['key']['id']}"
        assert ask(server.url, "DELETE", path, headers=bearer(key)).status == 200
        assert ask(server.url, path=f"{BASE}/traces").status == 401
