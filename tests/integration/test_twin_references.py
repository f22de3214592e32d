"""References at ingest: an event may be held to whether the object that it names is there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from clew.testing.server import ServerProcess
from tests.integration.fingerprints import MORNING, fingerprint, request_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REGISTRY = {
    "registry": {"name": "shop", "version": "1.0.0"},
    "objects": {
        "Customer": {
            "name": "Customer",
            "prefix": "customer",
            "fields": {
                "age": {"name": "age", "type": "integer", "min_value": 0},
                "friend": {"name": "friend", "type": "reference", "ref_type": "Customer"},
            },
        },
        "Order": {
            "name": "Order",
            "prefix": "order",
            "fields": {
                "customer": {"name": "customer", "type": "reference", "ref_type": "Customer"},
                "anything": {"name": "anything", "type": "reference"},
                "others": {
                    "name": "others",
                    "type": "list",
                    "item": {"name": "other", "type": "reference", "ref_type": "Customer"},
                },
            },
        },
    },
}

CLIENT = httpx.Client(timeout=60)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("registry") / "registry.json"
    file.write_text(json.dumps(REGISTRY))
    return str(file)


@pytest.fixture(scope="module")
def warning(tmp_path_factory: pytest.TempPathFactory, registry: str) -> Iterator[ServerProcess]:
    settings = {"twin_registries": registry, "twin_references": "warn"}
    with ServerProcess(tmp_path_factory.mktemp("warning") / "data", settings) as server:
        yield server


def customer(obj_id: str, seq: int, type_: str = "created", **fields: Any) -> dict[str, Any]:
    return told(type_, "Customer", obj_id, seq, fields)


def order(obj_id: str, seq: int, **fields: Any) -> dict[str, Any]:
    return told("state_change", "Order", obj_id, seq, fields)


def told(
    type_: str, obj_type: str, obj_id: str, seq: int, fields: dict[str, Any]
) -> dict[str, Any]:
    prefix = obj_type.lower()
    return fingerprint(type_, obj_id, MORNING + seq, seq, fields, obj_type=obj_type, prefix=prefix)


def send(server: ServerProcess, *records: dict[str, Any]) -> None:
    response = CLIENT.post(
        f"{server.otlp_url}/v1/logs",
        content=request_of(records),
        headers={"content-type": "application/x-protobuf"},
    )
    assert response.status_code == 200, response.text
    assert not response.content, response.content


def ask(server: ServerProcess, path: str, **parameters: str) -> dict[str, Any]:
    response = CLIENT.get(f"{server.url}/api/v1/{path}", params=parameters)
    assert response.status_code == 200, response.text
    document: dict[str, Any] = response.json()
    return document


def dangling(server: ServerProcess, obj_id: str, *, severity: str = "warning") -> list[str]:
    """Return the attributes of an object's events that refer to nothing, as the server tells."""
    found = []
    for event in ask(server, "rejected", warned=str(severity == "warning").lower())["events"]:
        if event["obj_id"] == obj_id:
            for issue in event["issues"]:
                assert (issue["code"], issue["severity"]) == ("DANGLING_REFERENCE", severity)
                found.append(issue["attribute"])
    return sorted(found)


def test_a_server_that_was_told_nothing_does_not_look(tmp_path: Path, registry: str) -> None:
    with ServerProcess(tmp_path / "data", {"twin_registries": registry}) as server:
        send(server, order("o1", 1, customer="nobody"))
        assert ask(server, "objects/Order/o1")["state"] == {"customer": "nobody"}
        assert ask(server, "rejected", warned="true")["events"] == []
        assert ask(server, "rejected")["events"] == []


def test_a_reference_to_nobody_is_told_of_and_counts(warning: ServerProcess) -> None:
    send(warning, order("w1", 1, customer="w-nobody", others='["w-none","w-nil"]'))
    assert dangling(warning, "w1") == ["order.customer", "order.others", "order.others"]
    assert ask(warning, "objects/Order/w1")["state"]["customer"] == "w-nobody"


def test_an_object_that_was_told_of_is_there_for_the_next_request(warning: ServerProcess) -> None:
    send(warning, order("n1", 1, customer="n-ada"))
    send(warning, customer("n-ada", 2))
    send(warning, order("n2", 3, customer="n-ada"))
    assert (dangling(warning, "n1"), dangling(warning, "n2")) == (["order.customer"], [])


def test_any_word_of_an_object_makes_it_known(warning: ServerProcess) -> None:
    send(warning, customer("a-eve", 1, "action"), customer("a-bob", 1, "state_change", age=3))
    send(warning, order("a1", 2, customer="a-eve", others='["a-bob"]'))
    assert dangling(warning, "a1") == []


def test_one_request_may_tell_of_both_in_the_order_of_time(warning: ServerProcess) -> None:
    # Exporters put the records of one logger together, whatever another one said between.
    send(
        warning,
        order("s1", 2, customer="s-ada"),
        order("s2", 1, customer="s-bob"),
        customer("s-ada", 1),
        customer("s-bob", 2),
    )
    assert (dangling(warning, "s1"), dangling(warning, "s2")) == ([], ["order.customer"])


def test_an_object_may_refer_to_itself(warning: ServerProcess) -> None:
    send(warning, customer("i-ada", 1, friend="i-ada"))
    assert dangling(warning, "i-ada") == []


def test_a_reference_that_names_no_type_or_nothing_is_not_looked_at(
    warning: ServerProcess,
) -> None:
    send(warning, order("t1", 1, anything="t-what", customer=None))
    assert dangling(warning, "t1") == []


def test_an_object_that_was_deleted_is_not_there_until_it_is_created_again(
    warning: ServerProcess,
) -> None:
    send(warning, customer("d-ada", 10), customer("d-ada", 20, "deleted"))
    send(warning, order("d1", 21, customer="d-ada"))
    # What comes after the end begins no life, nor does what is late for it.
    send(warning, customer("d-ada", 22, "state_change", age=1), customer("d-ada", 15))
    send(warning, order("d2", 23, customer="d-ada"))
    send(warning, customer("d-ada", 24))
    send(warning, order("d3", 25, customer="d-ada"))
    # A deletion that is late for the new life does not end it.
    send(warning, customer("d-ada", 16, "deleted"))
    send(warning, order("d4", 26, customer="d-ada"))
    found = [dangling(warning, obj_id) for obj_id in ("d1", "d2", "d3", "d4")]
    assert found == [["order.customer"], ["order.customer"], [], []]


def test_with_reject_it_is_kept_aside_and_makes_nothing_known(
    tmp_path: Path, registry: str
) -> None:
    settings = {"twin_registries": registry, "twin_references": "reject"}
    with ServerProcess(tmp_path / "data", settings) as server:
        send(server, order("r1", 1, customer="nobody"), customer("bad", 1, age=-1))
        send(server, customer("eve", 2, friend="nobody"))
        send(server, order("r2", 3, customer="eve"), order("r3", 3, customer="bad"))
        for obj_id in ("r1", "r2", "r3"):
            assert dangling(server, obj_id, severity="error") == ["order.customer"]
            response = CLIENT.get(f"{server.url}/api/v1/objects/Order/{obj_id}")
            assert response.status_code == 404
        send(server, customer("eve", 4))
        send(server, order("r2", 5, customer="eve"))
        assert ask(server, "objects/Order/r2")["state"] == {"customer": "eve"}
        assert 'verdict="rejected"} 5' in CLIENT.get(f"{server.url}/metrics").text


def test_what_was_told_and_judged_before_a_crash_or_an_end_holds_after_it(
    tmp_path: Path, registry: str
) -> None:
    settings = {"twin_registries": registry, "twin_references": "reject"}
    with ServerProcess(tmp_path / "data", settings) as server:
        send(server, customer("ada", 1), customer("gone", 1))
        send(server, customer("gone", 2, "deleted"))
        assert server.terminate() == 0
    with ServerProcess(tmp_path / "data", settings) as server:
        send(server, order("c1", 3, customer="ada"), order("c2", 3, customer="gone"))
        send(server, order("c3", 4, customer="late"))
        # It is read back before the customer that it lacked.
        send(server, customer("late", 5))
        send(server, order("c4", 6, customer="late"))
        server.kill()
    with ServerProcess(tmp_path / "data", settings) as server:
        send(server, order("c5", 7, customer="ada", others='["late"]'))
        send(server, order("c6", 7, customer="gone"))
        found = {
            each: dangling(server, each, severity="error")
            for each in ("c1", "c2", "c3", "c4", "c5", "c6")
        }
        lacking = ["order.customer"]
        assert found == {"c1": [], "c2": lacking, "c3": lacking, "c4": [], "c5": [], "c6": lacking}
        for obj_id in ("c1", "c4", "c5"):
            assert ask(server, f"objects/Order/{obj_id}")["exists"]


def test_a_word_that_is_no_way_with_references_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="off, warn, reject"):
        ServerProcess(tmp_path / "data", {"twin_references": "maybe"})
