"""The twin over REST: what was sent as fingerprints is what the object was."""

from __future__ import annotations

import json
import random
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx
import pytest

from clew.base.times import format_time
from clew.testing.server import ServerProcess
from clew.twin import Reconstructor
from tests.integration.fingerprints import MORNING, fingerprint, request_of, state_change

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REGISTRY = {
    "registry": {"name": "shop", "version": "1.0.0"},
    "objects": {
        "Order": {
            "name": "Order",
            "prefix": "order",
            "fields": {
                "total": {"name": "total", "type": "float", "min_value": 0},
                "items": {
                    "name": "items",
                    "type": "list",
                    "item": {"name": "item", "type": "string"},
                },
                "paid": {"name": "paid", "type": "float"},
                "customer": {
                    "name": "customer",
                    "type": "string",
                    "renamed_from": ["buyer"],
                },
            },
            "invariants": [{"name": "covered", "expression": "paid <= total"}],
        }
    },
}

CLIENT = httpx.Client(timeout=60)


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
    assert response.status_code == 200, response.text
    assert not response.content, response.content


def order(obj_id: str, at: int, seq: int, **fields: Any) -> dict[str, Any]:
    return fingerprint("state_change", obj_id, at, seq, fields, obj_type="Order", prefix="order")


def ask(server: ServerProcess, path: str, **parameters: str) -> dict[str, Any]:
    response = CLIENT.get(f"{server.url}/api/v1/{path}", params=parameters)
    assert response.status_code == 200, response.text
    document: dict[str, Any] = response.json()
    return document


def test_a_state_is_what_was_said_up_to_the_moment(server: ServerProcess) -> None:
    changes = [
        state_change("scrubbed", MORNING, 1, item_count=1, total=9.5),
        state_change("scrubbed", MORNING + 10, 2, item_count=2),
        state_change("scrubbed", MORNING + 20, 3, coupon=None, total=19),
    ]
    random.Random(1).shuffle(changes)
    send(server, *changes, changes[0])
    path = "objects/ShoppingCart/scrubbed"
    first = ask(server, path, at=format_time(MORNING))
    assert (first["state"], first["version"]) == ({"item_count": 1, "total": 9.5}, 1)
    second = ask(server, path, at=format_time(MORNING + 19))
    assert (second["state"], second["version"]) == ({"item_count": 2, "total": 9.5}, 2)
    now = ask(server, path)
    assert now["state"] == {"item_count": 2, "total": 19, "coupon": None}
    assert now["last_event"]["event_id"] == f"scrubbed-{MORNING + 20}-3"
    assert (now["exists"], now["warnings"]) == (True, [])


def test_a_late_event_is_honoured(server: ServerProcess) -> None:
    send(server, state_change("late", MORNING + 100, 2, a=2))
    before = ask(server, "objects/ShoppingCart/late", at=format_time(MORNING + 50))
    assert (before["exists"], before["warnings"][0]["code"]) == (False, "before_first_event")
    send(server, state_change("late", MORNING + 40, 1, a=1, b=1))
    after = ask(server, "objects/ShoppingCart/late", at=format_time(MORNING + 50))
    assert after["state"] == {"a": 1, "b": 1}
    assert ask(server, "objects/ShoppingCart/late")["state"] == {"a": 2, "b": 1}


def test_what_was_known_before_a_late_event_can_still_be_asked(server: ServerProcess) -> None:
    path = "objects/ShoppingCart/heard"
    born = time.time_ns()
    send(server, state_change("heard", MORNING + 100, 2, a=2))
    (first,) = ask(server, f"{path}/timeline")["events"]
    known = first["received_at"]
    send(server, state_change("heard", MORNING + 40, 1, a=1, b=1))
    # The first one once more, which it was known before.
    send(server, state_change("heard", MORNING + 100, 2, a=2))
    then = ask(server, path, recorded_at=known)
    assert (then["state"], then["version"], then["recorded_at"]) == ({"a": 2}, 1, known)
    assert "recorded_at" not in ask(server, path)
    unheard = ask(server, path, recorded_at=format_time(born))
    assert (unheard["exists"], unheard["warnings"][0]["code"]) == (False, "before_first_arrival")
    assert ask(server, f"{path}/history/a", recorded_at=known)["count"] == 1
    twins = Reconstructor(server.url)
    for strategy in ("snapshot_delta", "full_replay"):
        result = twins.reconstruct("heard", None, "ShoppingCart", strategy, recorded_at=known)
        assert (result.state, result.to_dict()["recorded_at"]) == ({"a": 2}, known)
        late = twins.reconstruct("heard", MORNING + 50, "ShoppingCart", strategy)
        assert late.state == {"a": 1, "b": 1}
        result = twins.reconstruct(
            "heard", MORNING + 50, "ShoppingCart", strategy, recorded_at="then"
        )
        assert (result.exists, result.warnings[0].code) == (False, "before_first_arrival")
    assert len(twins.timeline("heard", "ShoppingCart", recorded_at=known)) == 1
    several = twins.reconstruct_batch(["heard"], None, "ShoppingCart", recorded_at=known)
    assert several["heard"] is not None
    assert several["heard"].version == 1
    twins.close()


def test_writers_whose_clocks_differ_are_put_in_order_by_what_they_say(
    server: ServerProcess,
) -> None:
    minute = 60 * 10**9
    ahead = time.time_ns() + 5 * minute
    path = "objects/ShoppingCart/skewed"
    # The second to be sent is the earlier one by its writer's clock, and stays so.
    send(server, state_change("skewed", MORNING, 7, a=1, b=1))
    send(server, state_change("skewed", MORNING - minute, 8, a=2, c=2))
    now = ask(server, path)
    assert (now["state"], now["version"]) == ({"a": 1, "b": 1, "c": 2}, 2)
    # What is told from the future is seen at once, and told to be of there.
    send(server, state_change("skewed", ahead, 1, a=3))
    now = ask(server, path)
    assert (now["state"]["a"], now["version"], now["at"]) == (3, 3, format_time(ahead))
    assert [each["code"] for each in now["warnings"]] == ["clock_skew"]
    assert ask(server, path, at="now")["state"]["a"] == 1
    timeline = ask(server, f"{path}/timeline")["events"]
    assert [each["seq"] for each in timeline] == [8, 7, 1]
    assert timeline[2]["received_at"] < timeline[2]["at"]


def test_a_deleted_object_is_gone_and_its_last_state_is_not(server: ServerProcess) -> None:
    send(
        server,
        state_change("gone", MORNING, 1, a=1),
        fingerprint("deleted", "gone", MORNING + 10, 2, {}),
        state_change("gone", MORNING + 20, 3, a=2),
    )
    state = ask(server, "objects/ShoppingCart/gone")
    assert (state["exists"], state["state"]) == (False, {"a": 1})
    assert [each["code"] for each in state["warnings"]] == ["change_after_delete"]


def test_a_moment_may_be_the_place_of_an_event_or_a_span(server: ServerProcess) -> None:
    span = {"trace_id": "0af7651916cd43dd8448eb211c80319c", "span_id": "b7ad6b7169203331"}
    send(
        server,
        state_change("placed", MORNING, 1, a=1) | span,
        state_change("placed", MORNING, 2, a=2),
    )
    path = "objects/ShoppingCart/placed"
    assert ask(server, path, at=f"event:placed-{MORNING}-1")["state"] == {"a": 1}
    assert ask(server, path, at=f"placed-{MORNING}-1")["state"] == {"a": 1}
    assert ask(server, path, at="span:b7ad6b7169203331")["state"] == {"a": 1}
    assert ask(server, path, at="b7ad6b7169203331")["state"] == {"a": 1}
    assert ask(server, path, at=format_time(MORNING))["state"] == {"a": 2}
    response = CLIENT.get(f"{server.url}/api/v1/{path}", params={"at": "event:nobody"})
    assert response.status_code == 404
    response = CLIENT.get(f"{server.url}/api/v1/{path}", params={"at": "nobody"})
    assert response.status_code == 400
    assert "span:ID" in response.json()["hint"]


def test_an_object_that_nobody_spoke_of_is_not_found(server: ServerProcess) -> None:
    response = CLIENT.get(f"{server.url}/api/v1/objects/ShoppingCart/nobody")
    assert response.status_code == 404
    assert "clew objects" in response.json()["hint"]


def test_values_are_read_as_the_fields_of_the_registry(server: ServerProcess) -> None:
    send(
        server,
        order("typed", MORNING, 1, total=5, items='["a","b"]', buyer="ada"),
    )
    state = ask(server, "objects/Order/typed")["state"]
    assert state == {"total": 5.0, "items": ["a", "b"], "customer": "ada"}
    raw = ask(server, "objects/Order/typed", raw="true")["state"]
    assert raw["items"] == '["a","b"]'


def test_an_event_that_breaks_its_registry_never_counts(server: ServerProcess) -> None:
    send(server, order("held", MORNING, 1, total=5), order("held", MORNING + 1, 2, total=-5))
    assert ask(server, "objects/Order/held")["state"] == {"total": 5.0}


def test_a_state_that_breaks_an_invariant_says_so(server: ServerProcess) -> None:
    send(
        server,
        order("covered", MORNING, 1, total=5.0, paid=5.0),
        order("covered", MORNING + 1, 2, paid=6.0),
    )
    assert ask(server, "objects/Order/covered", at=format_time(MORNING))["warnings"] == []
    (warning,) = ask(server, "objects/Order/covered")["warnings"]
    assert (warning["code"], "paid <= total" in warning["message"]) == ("invariant", True)


def test_a_registry_is_kept_in_every_version(server: ServerProcess) -> None:
    newer = json.loads(json.dumps(REGISTRY))
    newer["registry"]["version"] = "1.1.0"
    newer["objects"]["Order"]["fields"]["note"] = {"name": "note", "type": "string"}
    url = f"{server.url}/api/v1/registry"
    stored = CLIENT.put(url, json=newer)
    assert stored.status_code == 201, stored.text
    assert stored.json()["breaking"] == []
    assert CLIENT.get(url).json()["registry"]["version"] == "1.1.0"
    again = CLIENT.put(url, json=REGISTRY)
    assert (again.status_code, again.json()["created"]) == (200, False)
    assert again.json()["breaking"] == [
        "Order.note: the field is gone; a new one may say renamed_from"
    ]
    versions = CLIENT.get(f"{url}/versions").json()["registries"]
    assert [(v["version"], v["is_current"]) for v in versions] == [
        ("1.0.0", True),
        ("1.1.0", False),
    ]
    old = CLIENT.get(f"{url}/{stored.json()['checksum']}").json()
    assert "note" in old["objects"]["Order"]["fields"]


def test_a_server_is_given_registries_by_files(tmp_path: Path) -> None:
    file = tmp_path / "registry.json"
    file.write_text(json.dumps(REGISTRY))
    settings = {"twin_registries": str(file)}
    for _ in range(2):
        with ServerProcess(tmp_path / "data", settings) as server:
            versions = CLIENT.get(f"{server.url}/api/v1/registry/versions").json()
            assert [each["stored_by"] for each in versions["registries"]] == ["file registry.json"]
    file.write_text("{}")
    with pytest.raises(RuntimeError, match=r"registry\.json: not a registry"):
        ServerProcess(tmp_path / "other", settings)


def test_a_registry_that_contradicts_itself_is_refused(server: ServerProcess) -> None:
    broken = json.loads(json.dumps(REGISTRY))
    broken["objects"]["Order"]["fields"]["total"]["max_value"] = -1
    response = CLIENT.put(f"{server.url}/api/v1/registry", json=broken)
    assert response.status_code == 400
    assert "total" in response.json()["detail"]


def test_two_registries_that_describe_one_type_differently_are_told_of_and_both_hold(
    server: ServerProcess,
) -> None:
    def describe(name: str, total: dict[str, Any]) -> dict[str, Any]:
        kind = {"name": "Bill", "prefix": "bill", "fields": {"total": {"name": "total", **total}}}
        return {"registry": {"name": name, "version": "1"}, "objects": {"Bill": kind}}

    def put(document: dict[str, Any]) -> dict[str, Any]:
        response = CLIENT.put(f"{server.url}/api/v1/registry", json=document)
        assert response.status_code == 201, response.text
        answer: dict[str, Any] = response.json()
        return answer

    def bill(seq: int, stored: dict[str, Any], total: object) -> dict[str, Any]:
        return fingerprint(
            "state_change",
            "b1",
            MORNING + seq,
            seq,
            {"total": total},
            obj_type="Bill",
            prefix="bill",
            trilog__registry__checksum=stored["checksum"],
        )

    first = put(describe("sales", {"type": "integer", "min_value": 0}))
    second = put(describe("ledger", {"type": "string", "choices": ["5", "many"]}))
    assert first["breaking"] == []
    assert second["breaking"] == [
        "Bill.total: sales describes it otherwise: the integer became a string"
    ]
    # Each event is held to the registry that it names, and read as the newest one says.
    send(server, bill(1, first, 5), bill(2, first, -1), bill(3, second, "some"))
    assert ask(server, "objects/Bill/b1")["state"] == {"total": "5"}
    rejected = ask(server, "rejected", type="Bill")["events"]
    assert [each["issues"][0]["code"] for each in rejected] == ["INVALID_VALUE"] * 2
    send(server, bill(4, first, 6))
    (warning,) = ask(server, "objects/Bill/b1")["warnings"]
    assert (warning["code"], warning["field"]) == ("bad_value", "total")


def test_an_event_of_a_type_that_its_registry_lacks_is_kept_aside(server: ServerProcess) -> None:
    checksum = CLIENT.get(f"{server.url}/api/v1/registry", params={"name": "shop"}).json()
    lost = fingerprint(
        "state_change",
        "l1",
        MORNING,
        1,
        {"a": 1},
        obj_type="Nobodys",
        trilog__registry__checksum=checksum["registry"]["checksum"],
    )
    # Without a registry of its own, a type that nobody describes counts, and is wondered at.
    free = fingerprint("state_change", "f1", MORNING, 1, {"a": 1}, obj_type="Nobodys")
    send(server, lost, free)
    assert ask(server, "objects/Nobodys/f1")["exists"]
    for warned, obj_id in (("false", "l1"), ("true", "f1")):
        (event,) = ask(server, "rejected", type="Nobodys", warned=warned)["events"]
        assert event["obj_id"] == obj_id
        assert [each["code"] for each in event["issues"]] == ["UNKNOWN_OBJECT_TYPE"]


def test_an_id_may_hold_any_character(server: ServerProcess) -> None:
    for obj_id in ("shelf/7", "timeline", "a b?c#d%2F", "ключ"):
        send(server, state_change(obj_id, MORNING, 1, n=1))
        path = f"{server.url}/api/v1/objects/ShoppingCart/{quote(obj_id, safe='')}"
        response = CLIENT.get(path)
        assert (response.status_code, response.json().get("id")) == (200, obj_id)
        timeline = CLIENT.get(f"{path}/timeline").json()
        assert timeline["events"][0]["obj_id"] == obj_id
