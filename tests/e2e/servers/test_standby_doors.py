"""Every door of a standby reads, refuses what is written, and names the leader; with API keys."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from mcp import Client, StdioServerParameters

from clew.base.errors import ClewError, ErrorCode
from clew.base.gathering import Shard, gather
from clew.remote.shards import Shards
from clew.surfaces.grpc._gen import query_service_pb2 as pb
from clew.surfaces.grpc.jaeger import SERVICE
from clew.testing.group import ServerGroup
from clew.testing.history import wait_until
from clew.testing.requests import spans_request
from clew.testing.server import ServerProcess
from clew.tree.client.client import TrailsClient
from clew.tree.frames.info import TrailsConfig
from tests.e2e.terminal import clew
from tests.integration.wire import ask

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.terminal import Ended

WAIT_SECONDS = 90.0
TIER = {
    "otlp_http": "off",
    "otlp_grpc": "off",
    "trails": "off",
    "links": "off",
    # Nothing here is about how fast anybody is.
    "shard_timeout": "30",
}
TRACE = "07" * 16
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
BODY = spans_request("checkout", [(bytes([7]) * 16, bytes([1]) * 8)]).SerializeToString()
LARGE = b'{"body":"' + bytes(8 << 20)
PROTOBUF = {"content-type": "application/x-protobuf"}
JSON = {"content-type": "application/json"}


def call_tool(url: str, key: str, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return what a tool of MCP answers, over streamable HTTP."""
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
    answer = ask(url, "POST", "/mcp", json.dumps(asked).encode(), headers)
    assert answer.status == 200, answer.body
    result: dict[str, Any] = answer.document["result"]
    return result


async def call_beside(url: str, key: str, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return what a tool of `clew mcp` says beside its answer."""
    command = StdioServerParameters(
        command=sys.executable,
        args=["-m", "clew.app.main", "mcp", "--server", url],
        env={**os.environ, "CLEW_API_KEY": key},
    )
    async with Client(command) as client:
        return dict((await client.call_tool(tool, arguments)).meta or {})


def text_of(result: dict[str, Any]) -> str:
    """Return the text of what a tool answers."""
    return str(result["content"][0]["text"])


def run(standby: ServerProcess, key: str, *words: str) -> Ended:
    """Run a command at the standby."""
    return clew(*words, server=standby.url, environ={"CLEW_API_KEY": key})


def check_hung_up(states: list[grpc.ChannelConnectivity], what: str) -> None:
    """Wait until a channel that nobody uses has been connected, and is so no more."""
    ready = grpc.ChannelConnectivity.READY
    wait_until(lambda: ready in states, WAIT_SECONDS, "the channel was connected")
    wait_until(lambda: states[-1] is not ready, WAIT_SECONDS, what)


def check_refusals(standby: ServerProcess, leader: str, key: str) -> None:
    """Write at every door; each refusal names the leader, and nobody stays connected to be refused.

    What stands in front of the servers leads a connection to whoever leads, when it is made.
    """
    known = {"x-api-key": key}
    with grpc.insecure_channel(standby.otlp_grpc) as channel:
        states: list[grpc.ChannelConnectivity] = []
        channel.subscribe(states.append)
        with pytest.raises(grpc.RpcError) as refused:
            channel.unary_unary(EXPORT)(BODY, timeout=150, metadata=[("x-api-key", key)])
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        assert leader in refused.value.details()
        check_hung_up(states, "the standby hangs up")
    comment = (standby.url, f"/api/v1/traces/{TRACE}/comments", b'{"body":"no"}', JSON)
    for url, path, body, kind in (
        *((url, "/v1/traces", BODY, PROTOBUF) for url in (standby.url, standby.otlp_url)),
        (standby.url, "/v1/traces", b"", PROTOBUF),
        comment,
        # More than what is on its way when the answer is: it is still the answer that is seen.
        *[(*comment[:2], LARGE, JSON)] * 5,
    ):
        answer = ask(url, "POST", path, body, {**kind, **known})
        assert (answer.status, answer.headers["connection"]) == (503, "close")
        assert int(answer.headers["retry-after"]) >= 1
        assert leader.encode() in answer.body
    upgrade = {
        "connection": "Upgrade",
        "upgrade": "websocket",
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
        "sec-websocket-version": "13",
        **known,
    }
    plane = standby.trails_url.replace("ws://", "http://").removesuffix("/ws")
    answer = ask(plane, "GET", "/ws", headers=upgrade)
    assert answer.status == 503
    assert int(answer.headers["retry-after"]) >= 1
    assert leader.encode() in answer.body
    for tool, arguments in (
        ("add_comment", {"trace_id": TRACE, "body": "no"}),
        ("session_start", {"title": "no"}),
        ("cancel", {"app_id": "11111111-1111-4111-8111-111111111111"}),
    ):
        assert leader in text_of(call_tool(standby.url, key, tool, arguments))
    for words in (
        ("comment", "add", TRACE, "no"),
        ("keys", "create", "more", "--role", "reader"),
    ):
        ended = run(standby, key, *words)
        assert ended.code != 0, ended.stdout
        assert leader in ended.stderr, (words, ended.stderr)


def check_reads(standby: ServerProcess, key: str) -> None:
    """Read at every door that has anything to read."""
    # A load balancer has no key: who reads may come here, who writes may not.
    assert ask(standby.url, "GET", "/readyz").status == 200
    assert ask(standby.url, "GET", "/readyz?writes=true").status == 503
    known = {"x-api-key": key}
    assert ask(standby.url, "GET", f"/api/v1/traces/{TRACE}", headers=known).status == 200
    assert ask(standby.url, "GET", f"/jaeger/api/traces/{TRACE}", headers=known).status == 200
    with grpc.insecure_channel(standby.otlp_grpc) as channel:
        asking = channel.unary_unary(f"/{SERVICE}/GetServices")
        services = asking(b"", timeout=150, metadata=[("x-api-key", key)])
        assert "checkout" in pb.GetServicesResponse.FromString(services).services
    outline = call_tool(standby.url, key, "trace_outline", {"trace_id": TRACE})
    assert "checkout" in text_of(outline)
    assert "_meta" not in outline, "nothing was written"
    ended = run(standby, key, "trace", TRACE)
    assert (ended.code, ended.stderr) == (0, "")
    assert "checkout" in ended.stdout


def check_copies(leader: ServerProcess, key: str) -> None:
    """Write at every door of a leader with one standby; each success says that two have it."""
    known = {"x-api-key": key}
    sent = ask(leader.url, "POST", "/v1/traces", BODY, {**PROTOBUF, **known})
    assert (sent.status, sent.headers["x-clew-acks"]) == (200, "2"), sent.body
    with grpc.insecure_channel(leader.otlp_grpc) as channel:
        exporting = channel.unary_unary(EXPORT)
        _, call = exporting.with_call(BODY, timeout=150, metadata=[("x-api-key", key)])
        assert ("x-clew-acks", "2") in call.trailing_metadata()
    said = json.dumps({"author": "ann", "body": "seen"}).encode()
    comments = f"/api/v1/traces/{TRACE}/comments"
    kept = ask(leader.url, "POST", comments, said, {**JSON, **known})
    assert (kept.status, kept.headers["x-clew-acks"]) == (201, "2"), kept.body
    ended = run(leader, key, "comment", "add", TRACE, "so do I")
    assert (ended.code, json.loads(ended.stderr)) == (
        0,
        {"note": "kept by 2 servers", "acks": 2},
    )
    asked = {"trace_id": TRACE, "body": "and I"}
    assert call_tool(leader.url, key, "add_comment", asked)["_meta"]["x-clew-acks"] == 2
    assert asyncio.run(call_beside(leader.url, key, "add_comment", asked))["x-clew-acks"] == 2
    with TrailsClient.init_with(TrailsConfig.create("planner", leader.trails_url)) as app:
        app.status("planning")
        wait_until(lambda: app.delivery().acked == 1, WAIT_SECONDS, "the status is acknowledged")
        assert app.delivery().copies == 2
        child = app.spawn("worker")
        assert app.cancel(child.app_id).copies == 2


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_standby_with_keys_reads_at_all_doors_and_refuses_writes_with_the_leaders_address(
    tmp_path: Path,
) -> None:
    doors = {"otlp_grpc": "127.0.0.1:0", "trails": "127.0.0.1:0"}
    with ServerGroup(tmp_path, settings=doors) as group, ExitStack() as within:
        folder = ("--offline", "--data-dir", str(group.folders[0]))
        made = clew("keys", "create", "peer", "--role", "admin", *folder)
        assert made.code == 0, made.stderr
        key = json.loads(made.stdout)["api_key"]
        known = {"x-api-key": key}
        leads = group.start(0, "leader", peer_key=key)
        standby = group.start(1, peer_key=key)
        group.wait_leading(0)
        leader = group.urls[0]
        at_leader = within.enter_context(grpc.insecure_channel(leads.otlp_grpc))
        states: list[grpc.ChannelConnectivity] = []
        at_leader.subscribe(states.append)
        at_leader.unary_unary(EXPORT)(BODY, timeout=150, metadata=[("x-api-key", key)])
        check_copies(leads, key)

        def has_it() -> bool:
            path = f"/api/v1/traces/{TRACE}"
            return ask(group.urls[1], "GET", path, headers=known).status == 200

        wait_until(has_it, WAIT_SECONDS, "the standby has the span and the key")
        # It took the leader's registry, so it is shut to whoever has no key.
        assert ask(group.urls[1], "GET", "/api/v1/traces").status == 401
        check_refusals(standby, leader, key)
        check_reads(standby, key)
        # What apps pin is the same at both, whichever of them leads.
        pinned = [folder / "server.key" for folder in group.folders]

        def is_shared() -> bool:
            return pinned[1].exists() and pinned[1].read_text() == pinned[0].read_text()

        wait_until(is_shared, WAIT_SECONDS, "the standby has its leader's key")
        assert pinned[1].stat().st_mode & 0o777 == 0o600
        assert ask(leader, "GET", "/internal/server-key").status == 401
        # One that nobody acknowledges may have been deposed: whoever exports to it comes anew too,
        # through what knows who leads.
        check_hung_up(states, "the leader hangs up")

        wrong = f"{key[:-4]}AAAA"
        check_tier(group, key, wrong, tmp_path / "tier")

        # A key that is none: both say so, and what the leader sends arrives all the same.
        assert group.processes.pop(0).terminate() == 0
        standby = group.start(0, peer_key=wrong)
        wait_until(lambda: "--peer-key" in standby.stderr, WAIT_SECONDS, "the standby says so")
        wait_until(
            lambda: "--peer-key" in group.processes[1].stderr, WAIT_SECONDS, "the leader says so"
        )
        for process in group.processes.values():
            assert wrong not in process.stderr
        group.wait_leading(1)
        group.end()


def check_tier(group: ServerGroup, key: str, wrong: str, folder: Path) -> None:
    """Ask a tier with the group as a shard, while the other server comes to lead."""
    shard = Shard("a", group.urls[0], (group.urls[1],))
    written: list[str] = []
    comments = f"/api/v1/traces/{TRACE}/comments"

    def write(tier: ServerProcess, body: str) -> int:
        said = json.dumps({"author": "cy", "body": body}).encode()
        status = ask(tier.url, "POST", comments, said, JSON).status
        if status == 201:
            written.append(body)
        return status

    def show(url: str) -> list[str]:
        told = ask(url, "GET", comments, headers={"x-api-key": key})
        return [each["body"] for each in told.document["comments"] if each["author"] == "cy"]

    named = {"shards": ",".join(f"a={url}" for url in shard.urls), "shard_key": key}
    with ServerProcess(folder, TIER | named) as tier:
        assert ask(tier.url, "GET", f"/api/v1/traces/{TRACE}").status == 200
        assert write(tier, "by the tier's key") == 201
        wait_until(lambda: show(group.urls[1]) == written, WAIT_SECONDS, "the standby has it")

        group.kill(0)
        read = ask(tier.url, "GET", f"/api/v1/traces/{TRACE}")
        assert (read.status, read.headers["x-clew-standby"]) == (200, "a")
        assert write(tier, "to nobody") == 503
        promoted = clew("promote", server=group.urls[1], environ={"CLEW_API_KEY": key})
        assert promoted.code == 0, promoted.stderr
        group.start(0, peer_key=key)
        group.wait_leading(1)

        def is_led() -> bool:
            return "x-clew-standby" not in ask(tier.url, "GET", "/api/v1/services").headers

        wait_until(is_led, WAIT_SECONDS, "the new leader is asked")
        assert write(tier, "to the new one") == 201
        assert show(tier.url) == show(group.urls[1]) == written
    for keys, asked_with in (({}, key), ({"a": wrong}, key), ({}, wrong), ({}, None)):
        shards = Shards([shard], api_keys=keys, timeout_s=WAIT_SECONDS)
        try:
            with gather(shards.names, asked_with):
                if not keys and asked_with == key:
                    assert shards.ask(lambda server: server.get("/api/v1/services")).answers
                    continue
                # Told by name, and not as a shard that is away.
                with pytest.raises(ClewError, match=r"^shard a: ") as refused:
                    shards.ask(lambda server: server.get("/api/v1/services"))
            assert refused.value.code is ErrorCode.UNAUTHENTICATED
            assert wrong not in refused.value.message
        finally:
            shards.close()
