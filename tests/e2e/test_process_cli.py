"""`clew processes` and `clew process` as a person and as a program meet them."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

import pytest

from clew.surfaces.cli.text import width_of
from clew.testing.requests import spans_request
from clew.testing.server import ServerProcess
from tests.e2e.terminal import clew, clew_on_terminal
from tests.integration.fingerprints import MORNING, request_of, state_change
from tests.integration.test_twin_processes import SECOND, step

TYPE = "CliFlow"
TRACE = "c1ec1ec1ec1ec1ec1ec1ec1ec1ec10f1"
HOSTILE = "ship\x1b[2J\u202e"
PLAIN = {"NO_COLOR": "1"}

REGISTRY = {
    "registry": {"name": "cli-flows", "version": "1.0.0"},
    "processes": {
        TYPE: {
            "name": TYPE,
            "prefix": "cliflow",
            "phases": ["cart", "pay", "ship"],
            "transitions": {"cart": ["pay"], "pay": ["ship"]},
            "timeout_seconds": 60,
        }
    },
}


@pytest.fixture(scope="module")
def flows(server: ServerProcess, tmp_path_factory: pytest.TempPathFactory) -> ServerProcess:
    """A process that stopped at paying, one that ended, and one that went astray."""
    file: Path = tmp_path_factory.mktemp("flows") / "registry.json"
    file.write_text(json.dumps(REGISTRY))
    pushed = clew("registry", "push", str(file), server=server.url)
    assert pushed.code == 0, pushed.stderr
    touched = {"trace_id": TRACE, "span_id": "1" * 16}
    body = request_of(
        [
            step("flow-1", 0, "cart", obj_type=TYPE, under=TRACE),
            step("flow-1", 4, "pay", obj_type=TYPE, under=TRACE, total=7),
            state_change("flow-cart", MORNING + SECOND, 1, n=1) | touched,
            step("flow-2", 1, "cart", obj_type=TYPE),
            step("flow-2", 3, status="completed", obj_type=TYPE),
            step("flow-3", 2, "cart", obj_type=TYPE),
            step("flow-3", 5, HOSTILE, obj_type=TYPE),
            step("flow-3", 6, status="failed", obj_type=TYPE),
        ]
    )
    span = spans_request("flow-shop", [(bytes.fromhex(TRACE), b"\x11" * 8)])
    for signal, sent in (("logs", body), ("traces", span.SerializeToString())):
        request = urllib.request.Request(
            f"{server.otlp_url}/v1/{signal}", sent, {"content-type": "application/x-protobuf"}
        )
        with urllib.request.urlopen(request) as response:
            assert response.status == 200
    return server


def test_processes_are_listed_and_those_that_are_stuck_found(flows: ServerProcess) -> None:
    listed = clew("processes", TYPE, server=flows.url)
    assert listed.code == 0, listed.stderr
    found = {each["id"]: each["status"] for each in listed.document["processes"]}
    assert found == {"flow-1": "stuck", "flow-2": "completed", "flow-3": "failed"}
    stuck = clew("processes", TYPE, "--stuck", "--format", "ndjson", server=flows.url)
    assert [json.loads(line)["id"] for line in stuck.lines] == ["flow-1"]
    both = clew("processes", TYPE, "--stuck", "--status", "failed", server=flows.url)
    assert {each["id"] for each in both.document["processes"]} == {"flow-1", "flow-3"}
    shown = clew_on_terminal("processes", TYPE, server=flows.url, environ=PLAIN)
    assert "1 process stuck or timed out" in shown.stdout
    assert "3 processes" in shown.stdout


@pytest.mark.parametrize("width", [60, 120])
def test_a_process_is_shown_with_its_phases_and_who_took_part(
    flows: ServerProcess, width: int
) -> None:
    shown = clew_on_terminal("process", TRACE, server=flows.url, columns=width, environ=PLAIN)
    assert shown.code == 0, shown.stderr
    for word in (f"{TYPE} flow-1", "stuck", "pay …", "may go to ship", "flow-cart", "total"):
        assert word in shown.stdout
    assert all(width_of(line) <= width for line in shown.lines)
    (process,) = clew("process", TRACE, server=flows.url).document["processes"]
    assert [each["name"] for each in process["phases"]] == ["cart", "pay"]


def test_a_trace_names_the_objects_that_it_touched(flows: ServerProcess) -> None:
    report = clew("correlate", TRACE, server=flows.url).document
    touched = [(each["type"], each["id"], each["changes"]) for each in report["objects"]]
    assert touched == [(TYPE, "flow-1", 2), ("ShoppingCart", "flow-cart", 1)]
    assert report["sections"]["objects"] == {"count": 2, "total": 2, "truncated": False}
    shown = clew_on_terminal("correlate", TRACE, server=flows.url, environ=PLAIN)
    assert "objects that it touched" in shown.stdout
    assert "flow-cart" in shown.stdout
    cut = clew("correlate", TRACE, "--limit", "1", server=flows.url).document
    assert cut["sections"]["objects"]["more"] == f"clew touched {TRACE}"


def test_what_went_astray_is_said_and_cannot_act_on_the_terminal(flows: ServerProcess) -> None:
    shown = clew_on_terminal("process", "flow-3", server=flows.url, columns=120)
    assert "unknown_phase" in shown.stdout
    assert "\x1b[2J" not in shown.stdout
    assert "\u202e" not in shown.stdout


def test_a_budget_says_what_it_left_out(flows: ServerProcess) -> None:
    short = clew("process", TRACE, "--max-tokens", "300", server=flows.url)
    assert (short.code, short.document["truncated"]) == (0, True)
    assert "hint" in short.document


def test_what_matches_nothing_says_what_there_is(flows: ServerProcess) -> None:
    for arguments, word in (
        (("process", "nobody"), "clew processes"),
        (("processes", "NoSuchFlow"), "clew processes"),
        (("processes", TYPE, "--phase", "lunch"), "less at once"),
        (("processes", TYPE, "--stuck", "--end", "30d"), "--status started"),
    ):
        ended = clew(*arguments, server=flows.url)
        assert (ended.code, ended.error["code"]) == (2, "not_found")
        assert word in ended.error["hint"]
    assert clew("processes", "--status", "sleepy", server=flows.url).code == 3
