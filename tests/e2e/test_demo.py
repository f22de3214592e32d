"""`clew demo`: it runs, and what it tells is what the server has."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from clew.testing.server import ServerProcess
from tests.e2e.executed import until
from tests.e2e.terminal import CLEW, Ended, clew, clew_on_terminal, environment
from tests.integration.wire import ask

CHANGING = {"elapsed_ms", "end_time", "services", "rows", "count", "total"}
SERVICES = {"shop", "payments", "assistant"}


def get(server: ServerProcess, path: str, **parameters: Any) -> Any:
    answer = ask(server.url, "GET", f"/api/v1/{path}?{urlencode(parameters)}")
    assert answer.status == 200, answer.body
    return answer.document


@pytest.fixture(scope="module")
def ran(server: ServerProcess) -> Ended:
    """One run, told as a document."""
    said = clew("demo", "--requests", "40", "--seed", "11", server=server.url)
    assert said.code == 0, said.stderr
    return said


def test_five_questions_are_answered_by_what_the_server_has(
    server: ServerProcess, ran: Ended
) -> None:
    document = ran.document
    assert document["seed"] == 11
    assert document["requests"] + document["conversations"] == 40
    assert document["dropped"] == 0
    slowest, errors, tokens, order, _answer = document["questions"]
    assert all(asked["server_ms"] is not None for asked in document["questions"])
    trace_id = slowest["answer"]["trace_id"]
    assert slowest["command"] == f"clew trace {trace_id}"
    assert get(server, f"traces/{trace_id}")["span_count"] == slowest["answer"]["span_count"]
    assert {each["name"] for each in errors["answer"]["services"]} >= SERVICES
    assert {row["model"] for row in tokens["answer"]["rows"]} == {"demo-large", "demo-small"}
    assert all(int(row["input_tokens"]) > 0 for row in tokens["answer"]["rows"])
    assert [each["type"] for each in order["answer"]["events"]][:2] == ["snapshot", "state_change"]


def test_an_answer_names_its_inputs_with_their_stages_spans_and_apps(
    server: ServerProcess, ran: Ended
) -> None:
    asked = ran.document["questions"][-1]
    answer = asked["answer"]
    assert asked["command"] == f"clew lineage {answer['root']}"
    assert (answer["missing"], answer["truncated"], answer["losses"]) == (0, False, {})
    by_id = {node["trace_id"]: node for node in answer["nodes"]}
    made_by = {trace_id: node["stages"][-1]["operation"] for trace_id, node in by_id.items()}
    assert made_by[answer["root"]] == "answer"
    inputs: dict[str, list[str]] = {}
    for edge in sorted(answer["edges"], key=lambda edge: edge["position"]):
        named = inputs.setdefault(made_by[edge["trace_id"]], [])
        named.append(made_by[edge["parent_trace_id"]])
    assert inputs == {
        "answer": ["take request", "search_products", "place_order"],
        "search_products": ["take request", "list products"],
        "place_order": ["search_products", "write receipt"],
        "write receipt": ["price order", "authorise card"],
        "authorise card": ["price order", "check fraud"],
        "check fraud": ["price order"],
    }
    assert max(node["depth"] for node in answer["nodes"]) == 4
    for node in answer["nodes"]:
        assert node["items"]
        for stage in node["stages"]:
            spans = get(server, f"traces/{stage['trace_id']}")["spans"]
            assert stage["span_id"] in {span["span_id"] for span in spans}
        (app,) = node["apps"]
        assert (app["app_name"], app["status"]) == (node["stages"][0]["service"], "done")
    (priced,) = (node for node in answer["nodes"] if made_by[node["trace_id"]] == "price order")
    assert [each["operation"] for each in priced["stages"]] == ["load cart", "price order"]
    assert [each["type"] for each in priced["objects"]] == ["DemoOrder"]


def test_a_parcel_is_made_of_the_orders_in_it(server: ServerProcess, ran: Ended) -> None:
    found = get(server, "traces", operation="pack parcel", attributes="typed", limit=1)
    trace_id = found["spans"][0]["attributes"]["tracelink.trace_id"]
    answer = get(server, f"lineage/{trace_id}", depth=1)
    assert len(answer["edges"]) == 8
    parcel, *receipts = answer["nodes"]
    assert {node["stages"][0]["operation"] for node in receipts} == {"write receipt"}
    assert {each["type"] for each in parcel["objects"]} == {"DemoOrder"}
    assert len(parcel["objects"]) == 8
    # And back: what is known of an order names the parcel that it went with.
    order = parcel["objects"][0]["id"]
    events = get(server, f"objects/DemoOrder/{order}/timeline")["events"]
    (shipped,) = (each for each in events if each["changes"].get("status") == "shipped")
    assert shipped["data"]["tracelink.trace_id"] == trace_id


def test_orders_and_checkouts_are_objects_that_a_registry_describes(
    server: ServerProcess, ran: Ended
) -> None:
    orders = get(server, "objects", type="DemoOrder", limit=100)["objects"]
    outcomes = [each["state"]["status"] for each in orders]
    assert outcomes.count("shipped") >= 8
    assert set(outcomes) <= {"paid", "refused", "failed", "shipped"}
    assert {"product", "amount", "status"} == set(orders[0]["state"])
    first = get(server, "objects/DemoOrder/web-1")
    assert first["warnings"] == []
    trace_id = first["last_event"]["trace_id"]
    (checkout, *_) = get(server, "processes", type="DemoCheckout", status="completed")["processes"]
    (whole,) = get(server, f"processes/{checkout['trace_id']}")["processes"]
    assert [each["name"] for each in whole["phases"]] == ["payment", "shipping"]
    assert whole["warnings"] == []
    graph = get(server, f"objects/DemoCheckout/{checkout['id']}/graph")
    assert [each["type"] for each in graph["objects"]] == ["DemoCheckout", "DemoOrder"]
    touched = get(server, f"traces/{trace_id}/objects")["objects"]
    assert ("DemoOrder", "web-1") in {
        (each["twin"]["type"], each["twin"]["id"]) for each in touched
    }
    for kind in ("DemoOrder", "DemoCheckout"):
        assert get(server, "rejected", type=kind)["events"] == []


def test_a_jaeger_client_fetches_its_traces(server: ServerProcess, ran: Ended) -> None:
    def jaeger(path: str, **parameters: Any) -> Any:
        answer = ask(server.url, "GET", f"/jaeger/api/{path}?{urlencode(parameters)}")
        assert answer.status == 200, answer.body
        return answer.document["data"]

    assert set(jaeger("services")) >= SERVICES
    slowest = ran.document["questions"][0]["answer"]
    (trace,) = jaeger(f"traces/{slowest['trace_id']}")
    assert len(trace["spans"]) == slowest["span_count"]
    found = jaeger("traces", service="assistant", tags='{"gen_ai.operation.name":"chat"}', limit=3)
    assert len(found) == 3
    calls = {(each["parent"], each["child"]) for each in jaeger("dependencies", lookback=3_600_000)}
    assert calls >= {("assistant", "shop"), ("shop", "payments")}


def test_every_command_that_it_names_asks_the_same(server: ServerProcess, ran: Ended) -> None:
    import shlex

    for asked in ran.document["questions"]:
        again = clew(*shlex.split(asked["command"])[1:], server=server.url)
        assert again.code == 0, again.stderr
        # Another run of the demo may have come between, so what is counted over time may differ.
        ours, theirs = asked["answer"], again.document
        assert {k: v for k, v in ours.items() if k not in CHANGING} == {
            k: v for k, v in theirs.items() if k not in CHANGING
        }


def test_every_kind_of_metric_that_the_sdk_makes_is_there(
    server: ServerProcess, ran: Ended
) -> None:
    def point(name: str) -> Any:
        return get(server, "metrics", name=name, limit=1)["metrics"][0]

    assert (point("shop.orders")["metric_type"], point("shop.orders")["monotonic"]) == ("sum", True)
    assert point("http.server.active_requests")["monotonic"] is False
    assert point("shop.order.value")["temporality"] == "cumulative"
    assert "scale" not in point("shop.order.value")["histogram"]
    assert point("payments.amount")["histogram"]["scale"] is not None
    assert point("payments.amount")["temporality"] == "delta"
    assert point("payments.fraud.score")["metric_type"] == "gauge"
    assert point("shop.stock")["metric_type"] == "gauge"
    assert point("shop.orders.shipped")["monotonic"] is True
    assert point("shop.orders.waiting")["monotonic"] is False
    assert point("gen_ai.client.token.usage")["metric_type"] == "histogram"


def test_a_request_is_one_trace_across_the_services_with_its_logs(
    server: ServerProcess, ran: Ended
) -> None:
    (charge, *_) = get(server, "traces", service="payments", operation="/charge", limit=1)["spans"]
    trace = get(server, f"traces/{charge['trace_id']}")
    assert {"shop", "payments"} <= set(trace["services"])
    assert trace["missing_parents"] == []
    assert get(server, "logs", trace_id=charge["trace_id"])["count"] >= 1


def test_an_agents_run_has_its_model_calls_and_tools(server: ServerProcess, ran: Ended) -> None:
    found = get(server, "traces", attribute="gen_ai.operation.name=invoke_agent", limit=1)
    (run,) = found["spans"]
    spans = get(server, f"traces/{run['trace_id']}", attributes="typed")["spans"]
    by_kind: dict[str, list[Any]] = {}
    for span in spans:
        by_kind.setdefault(span["attributes"].get("gen_ai.operation.name", ""), []).append(span)
    assert len(by_kind["chat"]) == 3
    assert {span["attributes"]["gen_ai.tool.name"] for span in by_kind["execute_tool"]} == {
        "search_products",
        "place_order",
    }
    chat = by_kind["chat"][0]["attributes"]
    assert chat["gen_ai.usage.input_tokens"] > 0
    assert chat["gen_ai.response.finish_reasons"] == ["tool_calls"]
    assert chat["gen_ai.conversation.id"].startswith("conv-11-")


def test_two_agents_are_told_apart_by_what_they_cost(server: ServerProcess, ran: Ended) -> None:
    agents = {
        each["agent"]: each["cost"]["reported_usd"]
        for each in get(server, "agents", service="assistant")["agents"]
    }
    assert agents["shopper"] > agents["gift finder"] > 0


def test_a_batch_points_at_the_orders_that_it_ships(server: ServerProcess, ran: Ended) -> None:
    (batch, *_) = get(server, "traces", service="shop", operation="ship orders", limit=1)["spans"]
    assert batch["kind"] == "consumer"
    assert batch["parent_span_id"] is None
    assert len(batch["links"]) == 8
    linked = get(server, f"traces/{batch['links'][0]['trace_id']}")
    assert batch["links"][0]["span_id"] in {span["span_id"] for span in linked["spans"]}


def test_on_a_terminal_the_answers_are_pictures_with_their_commands(server: ServerProcess) -> None:
    said = clew_on_terminal("demo", "--requests", "6", "--seed", "2", server=server.url)
    assert said.code == 0, said.stdout
    assert "1. Where did the slowest request spend its time?" in said.stdout
    assert "$ clew services --start" in said.stdout
    assert "the server took" in said.stdout
    assert "$ clew lineage " in said.stdout
    assert "█" in said.stdout
    # The tree, who was killed, what the cancel did to each, and how to go on.
    shown = re.sub(r"\x1b\[[0-9;]*m", "", said.stdout)
    assert shown.count("$ clew tree ") == 3
    assert "killed by SIGKILL" in shown
    assert "cancel over  3 apps: 3 cancelled" in shown
    assert "cancel trails planner" in shown
    assert "go on with" in shown


def test_a_tree_that_stays_goes_on_until_somebody_stops_it(
    server: ServerProcess, tmp_path: Path
) -> None:
    output = tmp_path / "output"
    arguments = ("demo", "--requests", "1", "--seed", "3", "--stay", "10m", "--format", "table")
    with output.open("wb") as writing:
        demo = subprocess.Popen(
            [*CLEW, *arguments],
            stdout=writing,
            stderr=subprocess.STDOUT,
            env=environment(server.url),
            start_new_session=True,
        )

    def is_shown() -> bool:
        assert demo.poll() is None, output.read_text()
        return f"{server.url}/#/tree" in output.read_text()

    try:
        until(is_shown)
        (planner,) = (
            app["app_id"]
            for app in get(server, "apps", status="running", limit=100)["apps"]
            if app["app_name"] == "planner"
        )
        cancelled = ("cancel", planner, "--cascade", "--wait", "--grace", "2s")
        assert clew(*cancelled, server=server.url).code == 0
        assert demo.wait(150) == 0, output.read_text()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(demo.pid, signal.SIGKILL)
        demo.wait()
    assert "7 apps, none of them runs any more" in output.read_text()


def test_without_a_server_nothing_starts() -> None:
    said = clew("demo", server="http://127.0.0.1:9")
    assert said.code == 4
    assert json.loads(said.stderr)["hint"] == "start one with: clew serve"
    assert clew("demo", "--requests", "0", server="http://127.0.0.1:9").code == 3


def test_a_tree_of_processes_fails_is_killed_and_is_cancelled_as_a_whole(
    server: ServerProcess, ran: Ended
) -> None:
    tree = ran.document["tree"]

    def statuses(moment: str) -> dict[str, str]:
        return {app["app_name"]: app["status"] for app in tree[moment] if app["app_name"] != "tool"}

    assert set(statuses("before").values()) == {"running"}
    assert [app["status"] for app in tree["before"]].count("connected") == 3
    ended = statuses("after")
    assert ended.pop(tree["killed"]) == "crashed"
    assert ended.pop(tree["failed"]) == "error"
    assert set(ended.values()) == {"cancelled"}
    assert all(app["confirmed"] for app in tree["after"])
    asked, cancelled = tree["commands"]
    assert asked["answer"]["targets"][0]["ack"] is True
    assert all(each["confirmed"] for each in cancelled["answer"]["outcomes"])
    for told in tree["commands"]:
        trace = get(server, f"traces/{told['trace_id']}")
        assert {span["service"] for span in trace["spans"]} == {"trails"}


def test_no_process_of_the_tree_outlives_the_demo(ran: Ended) -> None:
    ids = [app["app_id"] for app in ran.document["tree"]["after"]]
    assert ids
    for entry in Path("/proc").iterdir():
        # What another test tells a process of its own may be nonsense.
        with contextlib.suppress(OSError, ValueError):
            if entry.name.isdigit():
                assert not is_app(entry, ids)


def is_app(entry: Path, ids: list[str]) -> bool:
    """Whether a process is told to be one of these apps, or is the agent of one."""
    for variable in (entry / "environ").read_bytes().split(b"\0"):
        name, _, value = variable.partition(b"=")
        if name == b"TRAILS_INFO":
            return json.loads(base64.b64decode(value))["appId"] in ids
    return False
