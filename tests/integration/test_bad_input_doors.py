"""What is wrong in many ways over MCP on stdio and OTLP over gRPC: an error, and no fault.

The calls are made from the list of tools, so that a new tool or argument is among them by itself.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, Final

import grpc
import pytest

from clew.surfaces.grpc.export import SERVICES
from clew.testing.requests import ids_of, logs_request, metrics_request, spans_request
from clew.testing.server import ServerProcess
from tests.integration.test_bad_input import HOSTILE
from tests.integration.wire import WAIT_SECONDS_MAX, ask

REVISION: Final = "2025-11-25"

LINES: Final = (
    "",
    "{",
    "null",
    "[]",
    "7",
    '"text"',
    "[" * 20_000,
    '{"jsonrpc": "2.0"}',
    '{"jsonrpc": "1.0", "id": 1, "method": "ping"}',
    '{"jsonrpc": "2.0", "id": {}, "method": "ping"}',
    '{"jsonrpc": "2.0", "id": "a", "method": 7}',
    '{"jsonrpc": "2.0", "id": "b", "method": "no/such"}',
    '{"jsonrpc": "2.0", "id": "c", "method": "tools/call"}',
    '{"jsonrpc": "2.0", "id": "d", "method": "tools/call", "params": []}',
    '{"jsonrpc": "2.0", "id": "e", "method": "tools/call", "params": {"name": 7}}',
    '{"jsonrpc": "2.0", "id": "f", "method": "tools/call", "params": {"name": "\\ud800"}}',
    '{"jsonrpc": "2.0", "id": "g", "method": "resources/read", "params": {"uri": "file:///x"}}',
    '{"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 99}}',
    "x" * 200_000,
)
"""Lines that are no requests, or wrong ones."""

ODD: Final[tuple[Any, ...]] = (
    None,
    True,
    -1,
    0,
    10**30,
    1.5,
    "",
    HOSTILE,
    "x" * 5000,
    [],
    [None],
    {},
    {"a": 1},
)
"""Values of every kind: each argument takes a few of them and no tool takes all."""


class Agent:
    """A client of MCP that writes what it wants, over the stdio of `clew mcp`."""

    def __init__(self, url: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "clew.app.main", "mcp", "--server", url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._ids = 1000

    def write(self, line: str | bytes) -> None:
        """Write one line, whatever it is."""
        assert self._process.stdin is not None
        octets = line.encode("utf-8", "surrogatepass") if isinstance(line, str) else line
        self._process.stdin.write(octets + b"\n")
        self._process.stdin.flush()

    def ask(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to a request; what else is said meanwhile is passed over."""
        self._ids += 1
        asked = {"jsonrpc": "2.0", "id": self._ids, "method": method, "params": params}
        self.write(json.dumps(asked))
        assert self._process.stdout is not None
        while True:
            line = self._process.stdout.readline()
            assert line, "clew mcp has ended"
            said: dict[str, Any] = json.loads(line)
            if said.get("id") == self._ids:
                return said

    def close(self) -> str:
        """End it as a client does; return what it wrote on stderr."""
        _, said = self._process.communicate(timeout=WAIT_SECONDS_MAX)
        assert self._process.returncode == 0, said
        return said.decode()


@pytest.fixture(scope="module")
def agent(server: ServerProcess) -> Iterator[Agent]:
    opened = Agent(server.url)
    about = {"name": "test", "version": "1"}
    params = {"protocolVersion": REVISION, "capabilities": {}, "clientInfo": about}
    assert opened.ask("initialize", params)["result"]["protocolVersion"] == REVISION
    opened.write('{"jsonrpc": "2.0", "method": "notifications/initialized"}')
    yield opened
    assert "made a mistake" not in opened.close()
    assert "Traceback" not in server.stderr


def test_lines_that_are_no_requests_end_nothing(agent: Agent) -> None:
    for line in (*LINES, b"\xff\xfe{", HOSTILE.replace("\n", " ").replace("\r", " ")):
        agent.write(line)
        assert agent.ask("ping", {}).get("result") == {}, line[:80]


def test_no_argument_of_a_tool_is_a_reason_for_a_fault(agent: Agent) -> None:
    tools = agent.ask("tools/list", {})["result"]["tools"]
    assert len(tools) > 20
    for number, tool in enumerate(tools):
        schema = tool["inputSchema"]
        needed = dict.fromkeys(schema.get("required", ()), "x")
        for place, name in enumerate(schema["properties"]):
            # Four of the values for each argument, others for its neighbour: all for all tools.
            for step in range(4):
                value = ODD[(number + place * 5 + step * 3) % len(ODD)]
                arguments = {**needed, name: value, "max_tokens": 1000} | {name: value}
                check(agent, tool["name"], arguments)
        check(agent, tool["name"], {HOSTILE: HOSTILE})
    assert agent.ask("ping", {})["result"] == {}


def check(agent: Agent, tool: str, arguments: dict[str, Any]) -> None:
    """Call a tool, and look at what it says."""
    said = agent.ask("tools/call", {"name": tool, "arguments": arguments})
    what = (tool, str(arguments)[:200])
    if "result" not in said:
        # Arguments that the revision itself has no form for.
        assert said["error"]["code"] == -32602, (what, said)
        return
    (content,) = said["result"]["content"]
    if said["result"].get("isError"):
        error = json.loads(content["text"])
        assert error["code"] not in {"internal", "unavailable"}, (what, error)
        assert 0 < len(error["error"]) <= 1100, what
        assert "\n" not in error["error"], what
        assert "\x1b" not in content["text"], what


REQUESTS: Final[dict[str, Any]] = {
    "traces": spans_request("bad-grpc", [ids_of(1), ids_of(2)], attributes={"k": HOSTILE[:-3]}),
    "logs": logs_request("bad-grpc", ["plain"]),
    "metrics": metrics_request("bad-grpc", "m", [1.0, float("nan")]),
}

TAKEN: Final = {
    grpc.StatusCode.OK,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
}


def damaged(message: bytes, seed: int) -> bytes:
    """Return a message with a few bytes changed, cut out or put in twice."""
    chance = random.Random(seed)
    octets = bytearray(message)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(octets))
        match chance.randrange(4):
            case 0:
                octets[at] ^= 1 << chance.randrange(8)
            case 1:
                del octets[at : at + chance.randint(1, 20)]
            case 2:
                octets[at:at] = octets[at : at + chance.randint(1, 20)]
            case _:
                octets[at] = 0xFF
        if not octets:
            return b"\xff"
    return bytes(octets)


def outcome(export: Any, message: Any) -> tuple[grpc.StatusCode, str]:
    """Return how a call ended, and what was said."""
    try:
        export(message, timeout=WAIT_SECONDS_MAX)
    except grpc.RpcError as error:
        return error.code(), error.details()
    return grpc.StatusCode.OK, ""


@pytest.mark.parametrize("signal", list(SERVICES), ids=str)
def test_no_message_over_grpc_is_a_reason_for_a_fault(server: ServerProcess, signal: Any) -> None:
    message = REQUESTS[str(signal.value)].SerializeToString()
    wrong = [b"", b"\xff", b"\x0a", b"\x0a\xff\xff\xff\xff\x0f", b"x" * 100_000, b"\x0a\x00" * 9000]
    wrong += [b"\x0b" * 50_000, message[:-1], message[: len(message) // 2], message * 2]
    wrong += [damaged(message, seed) for seed in range(150)]
    with grpc.insecure_channel(server.otlp_grpc) as channel:
        export = channel.unary_unary(f"/{SERVICES[signal]}/Export")
        for octets in wrong:
            code, details = outcome(export, octets)
            assert code in TAKEN, (octets[:80], details)
            assert bool(details) is (code is not grpc.StatusCode.OK)
            assert "\n" not in details
        # What is well is taken as before.
        assert export(message, timeout=WAIT_SECONDS_MAX) is not None
    assert ask(server.url, path="/readyz").status == 200


def test_no_call_over_grpc_is_a_reason_for_a_fault(server: ServerProcess) -> None:
    message = REQUESTS["traces"].SerializeToString()
    service = SERVICES[next(iter(SERVICES))]
    with grpc.insecure_channel(server.otlp_grpc) as channel:
        for method in (f"/{service}/Import", "/nobody/Export", f"/{service}/Export/x", "/x"):
            with pytest.raises(grpc.RpcError) as refused:
                channel.unary_unary(method)(message, timeout=WAIT_SECONDS_MAX)
            assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED, method
        for metadata in (
            (("authorization", "Bearer " + "x" * 5000),),
            (("x-api-key", "~" * 100), ("x-api-key", "two")),
            (("x-trails-app-id", "nobody"), ("x-trails-sig", "ed25519:AAAA")),
            (("grpc-status-details-bin", b"\xff\x00"),),
        ):
            export = channel.unary_unary(f"/{service}/Export")
            assert export(message, timeout=WAIT_SECONDS_MAX, metadata=metadata) is not None
        streamed = channel.stream_unary(f"/{service}/Export")
        code, _ = outcome(streamed, iter([message, message]))
        assert code in TAKEN | {grpc.StatusCode.UNIMPLEMENTED}
    assert "Traceback" not in server.stderr
