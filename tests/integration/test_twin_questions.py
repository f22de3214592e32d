"""What can be asked of objects over REST: events, values, differences, graphs, traces, lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from clew.base.times import format_time
from clew.testing.server import ServerProcess
from tests.integration.fingerprints import MORNING, fingerprint, request_of, state_change

if TYPE_CHECKING:
    from collections.abc import Iterator

CLIENT = httpx.Client(timeout=60)
TRACE = "0af7651916cd43dd8448eb211c80319c"
CART = "objects/ShoppingCart"

REFERENCE = {"type": "reference", "ref_type": "Node"}
REGISTRY = {
    "registry": {"name": "graph"},
    "objects": {
        "Node": {
            "name": "Node",
            "prefix": "node",
            "fields": {
                "next": {"name": "next", **REFERENCE},
                "others": {
                    "name": "others",
                    "type": "list",
                    "item": {"name": "item", **REFERENCE},
                },
                "label": {"name": "label", "type": "string", "max_length": 5},
            },
        }
    },
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("twin") / "data") as server:
        response = CLIENT.put(f"{server.url}/api/v1/registry", json=REGISTRY)
        assert response.status_code == 201, response.text
        yield server


def send(server: ServerProcess, *records: dict[str, Any]) -> None:
    response = CLIENT.post(
        f"{server.otlp_url}/v1/logs",
        content=request_of(records),
        headers={"content-type": "application/x-protobuf"},
    )
    assert (response.status_code, response.content) == (200, b""), response.text


def ask(server: ServerProcess, path: str, **parameters: Any) -> dict[str, Any]:
    response = CLIENT.get(f"{server.url}/api/v1/{path}", params=parameters)
    assert response.status_code == 200, response.text
    document: dict[str, Any] = response.json()
    return document


def refuse(server: ServerProcess, status: int, path: str, **parameters: Any) -> str:
    response = CLIENT.get(f"{server.url}/api/v1/{path}", params=parameters)
    assert response.status_code == status, response.text
    detail: str = response.json()["detail"]
    return detail


def node(obj_id: str, at: int, seq: int, **fields: Any) -> dict[str, Any]:
    return fingerprint("state_change", obj_id, at, seq, fields, obj_type="Node", prefix="node")


def pages(server: ServerProcess, path: str, noun: str, **parameters: Any) -> list[dict[str, Any]]:
    """Return all items of a list, a page of two at a time."""
    items: list[dict[str, Any]] = []
    page = ask(server, path, limit=2, **parameters)
    items.extend(page[noun])
    while page.get("next"):
        assert page["truncated"]
        page = ask(server, path, limit=2, next=page["next"], **parameters)
        items.extend(page[noun])
    return items


def test_a_timeline_is_read_a_page_at_a_time_and_stands_still(server: ServerProcess) -> None:
    send(
        server,
        *(state_change("paged", MORNING + n, n, count=n) for n in (3, 1, 5, 2, 4)),
        state_change("paged", MORNING + 3, 3, count=3),
        fingerprint("event", "paged", MORNING + 2, 9, {}, trilog__event__name="look"),
    )
    path = f"{CART}/paged/timeline"
    events = pages(server, path, "events")
    assert [each["at"] for each in events] == sorted(each["at"] for each in events)
    assert [each["changes"].get("count") for each in events] == [1, 2, None, 3, 4, 5]
    newest = pages(server, path, "events", newest_first="true", changes="true")
    assert [each["changes"]["count"] for each in newest] == [5, 4, 3, 2, 1]
    first = ask(server, path, limit=2)
    assert (first["count"], first["total"]) == (2, 6)
    send(server, state_change("paged", MORNING, 7, count=0))
    rest = ask(server, path, limit=10, next=first["next"])
    assert [each["changes"].get("count") for each in rest["events"]] == [None, 3, 4, 5]
    named = ask(server, path, event_type="event")["events"]
    assert [each["name"] for each in named] == ["look"]


def test_a_timeline_counts_the_events_of_each_stretch(server: ServerProcess) -> None:
    second = 1_000_000_000
    moments = (0, 0, 3)
    send(
        server,
        *(
            state_change("segments", MORNING + n * second + k, k, a=k)
            for k, n in enumerate(moments)
        ),
    )
    segments = ask(server, f"{CART}/segments/timeline", segment="1s")["segments"]
    assert [each["events"] for each in segments] == [2, 0, 0, 1]
    assert refuse(server, 400, f"{CART}/segments/timeline", segment="1ns")


def test_the_history_of_a_field_names_who_set_each_value(server: ServerProcess) -> None:
    span = {"trace_id": TRACE, "span_id": "b7ad6b7169203331"}
    send(
        server,
        state_change("history", MORNING, 1, status="open", other=1),
        state_change("history", MORNING + 1, 2, other=2),
        state_change("history", MORNING + 2, 3, status="open"),
        state_change("history", MORNING + 3, 4, status="paid") | span,
        fingerprint("snapshot", "history", MORNING + 4, 5, {"other": 3}),
    )
    values = pages(server, f"{CART}/history/history/status", "values")
    assert [(each["previous"], each["value"], each["version"]) for each in values] == [
        (None, "open", 1),
        ("open", "paid", 4),
        ("paid", None, 5),
    ]
    assert values[1]["span_id"] == "b7ad6b7169203331"
    every = ask(server, f"{CART}/history/history/status", distinct="false")["values"]
    assert [each["value"] for each in every] == ["open", "open", "paid", None]


def test_a_difference_tells_what_changed_and_by_which_event(server: ServerProcess) -> None:
    send(
        server,
        state_change("diff", MORNING, 1, a=1, b=1, c=1),
        state_change("diff", MORNING + 5, 2, b=2, d=1),
    )
    found = ask(
        server,
        f"{CART}/diff/diff",
        **{"from": format_time(MORNING), "to": format_time(MORNING + 9)},
    )
    assert (found["added"], found["removed"], found["unchanged"]) == ({"d": 1}, {}, 2)
    assert found["changed"]["b"]["event"]["event_id"] == f"diff-{MORNING + 5}-2"
    assert found["added_by"]["d"]["event_id"] == f"diff-{MORNING + 5}-2"
    assert (found["changed"]["b"]["from"], found["changed"]["b"]["to"]) == (1, 2)
    assert refuse(server, 400, f"{CART}/diff/diff", **{"from": "now", "to": "1h"})


def test_many_moments_are_answered_at_once(server: ServerProcess) -> None:
    send(server, *(state_change("slider", MORNING + n * 10, n, n=n) for n in range(20)))
    at = [format_time(MORNING + n * 10 + 5) for n in (3, 1, 19)] + [f"event:slider-{MORNING}-0"]
    states = ask(server, f"{CART}/slider/states", at=at)["states"]
    assert [each["state"]["n"] for each in states] == [3, 1, 19, 0]
    over = ask(
        server,
        f"{CART}/slider/states",
        start=format_time(MORNING),
        end=format_time(MORNING + 190),
        steps=20,
    )["states"]
    assert [each["state"]["n"] for each in over] == list(range(20))
    assert [each["version"] for each in over] == list(range(1, 21))
    assert refuse(server, 400, f"{CART}/slider/states")


def test_several_objects_are_answered_at_once(server: ServerProcess) -> None:
    send(server, state_change("one", MORNING, 1, n=1), state_change("two", MORNING, 1, n=2))
    objects = [["ShoppingCart", each] for each in ("two", "nobody", "one")]
    response = CLIENT.post(f"{server.url}/api/v1/objects/states", json={"objects": objects})
    states = response.json()["states"]
    assert [(each["exists"], each["state"]) for each in states] == [
        (True, {"n": 2}),
        (False, {}),
        (True, {"n": 1}),
    ]


def test_a_graph_is_a_consistent_cut_at_one_instant(server: ServerProcess) -> None:
    send(
        server,
        node("root", MORNING, 1, next="a", others=["b", "missing"]),
        node("a", MORNING, 1, next="root", label="first"),
        node("b", MORNING, 1, label="old"),
        node("b", MORNING + 10, 2, label="new"),
    )
    graph = ask(server, "objects/Node/root/graph", at=format_time(MORNING + 5))
    labels = {each["id"]: each["state"].get("label") for each in graph["objects"]}
    assert labels == {"root": None, "a": "first", "b": "old"}
    edges = {(each["from"][1], each["to"][1], each["is_dangling"]) for each in graph["references"]}
    assert edges == {
        ("root", "a", False),
        ("root", "b", False),
        ("root", "missing", True),
        ("a", "root", False),
    }
    near = ask(server, "objects/Node/root/graph", depth=0)
    assert [each["id"] for each in near["objects"]] == ["root"]
    assert near["truncated"]


def test_a_trace_shows_the_objects_that_it_touched_at_each_step(server: ServerProcess) -> None:
    trace = {"trace_id": "1" * 32, "span_id": "2" * 16}
    send(
        server,
        state_change("before", MORNING - 5, 1, n=0),
        state_change("before", MORNING, 2, n=1) | trace,
        state_change("touched", MORNING + 1, 1, n=10) | trace,
        state_change("before", MORNING + 2, 3, n=2) | trace,
    )
    path = f"traces/{'1' * 32}/objects"
    last = ask(server, path)
    assert (last["step"], last["steps"], last["count"]) == (3, 3, 2)
    assert [each["twin"]["state"]["n"] for each in last["objects"]] == [2, 10]
    first = ask(server, path, step=1)
    assert [each["twin"]["state"] for each in first["objects"]] == [{"n": 1}, {}]
    assert first["event"]["changes"] == {"n": 1}
    start = ask(server, path, step=0)
    assert [each["twin"]["state"] for each in start["objects"]] == [{"n": 0}, {}]
    assert refuse(server, 400, path, step=4)
    assert refuse(server, 404, f"traces/{'9' * 32}/objects")


def test_objects_are_listed_with_those_that_changed_last_first(server: ServerProcess) -> None:
    send(
        server,
        *(
            fingerprint(
                "state_change",
                f"listed-{n}",
                MORNING + n,
                1,
                {"n": n},
                obj_type="Listed",
                prefix="listed",
            )
            for n in range(5)
        ),
        fingerprint("deleted", "listed-3", MORNING + 9, 2, {}, obj_type="Listed", prefix="listed"),
    )
    found = pages(server, "objects", "objects", type="Listed")
    assert [each["id"] for each in found] == [f"listed-{n}" for n in (4, 2, 1, 0)]
    assert [each["state"] for each in found] == [{"n": n} for n in (4, 2, 1, 0)]
    everything = ask(server, "objects", type="Listed", deleted="true")
    assert everything["objects"][0] | {"first_at": "", "last_at": ""} == {
        "type": "Listed",
        "id": "listed-3",
        "exists": False,
        "version": 2,
        "events": 2,
        "first_at": "",
        "last_at": "",
        "service": "shop",
        "state": {"n": 3},
    }
    assert ask(server, "objects", type="Listed")["total"] == 4
    assert ask(server, "objects", id="listed-2")["objects"][0]["type"] == "Listed"
    assert ask(server, "objects", type="Nothing")["objects"] == []


def test_what_does_not_count_is_listed_with_its_reasons(server: ServerProcess) -> None:
    send(
        server,
        *(node(f"long-{n}", MORNING + n, 1, label="too long") for n in range(3)),
        node("fine", MORNING, 1, label="ok"),
    )
    found = pages(server, "rejected", "events", type="Node")
    assert sorted(each["obj_id"] for each in found) == ["long-0", "long-1", "long-2"]
    assert found[0]["issues"][0]["code"] == "INVALID_VALUE"
    assert ask(server, "rejected", type="Node")["by_code"] == {"INVALID_VALUE": 3}
    assert ask(server, "rejected", code="MISSING_OBJ_ID")["events"] == []
    metrics = CLIENT.get(f"{server.url}/metrics").text
    assert 'clew_twin_events_total{verdict="rejected"} 3' in metrics
    assert ask(server, "rejected", warned="true", type="ShoppingCart")["by_code"]
