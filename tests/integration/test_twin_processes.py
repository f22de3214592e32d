"""Processes over REST: phases, who took part, what is stuck, what the registry does not allow."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from clew.base.times import format_time
from clew.testing.server import ServerProcess
from tests.integration.fingerprints import MORNING, fingerprint, request_of, state_change

if TYPE_CHECKING:
    from collections.abc import Iterator

CLIENT = httpx.Client(timeout=60)
SECOND = 1_000_000_000

REGISTRY = {
    "registry": {"name": "flows"},
    "objects": {},
    "processes": {
        "Checkout": {
            "name": "Checkout",
            "prefix": "checkout",
            "phases": ["cart", "pay", "ship"],
            "transitions": {"cart": ["pay"], "pay": ["ship", "cart"]},
            "timeout_seconds": 600,
            "fields": {"total": {"name": "total", "type": "float", "min_value": 0}},
        },
        "Import": {
            "name": "Import",
            "prefix": "import",
            "phases": ["read", "write"],
            "timeout_seconds": 86400,
        },
    },
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("processes") / "data") as server:
        response = CLIENT.put(f"{server.url}/api/v1/registry", json=REGISTRY)
        assert response.status_code == 201, response.text
        yield server


def send(server: ServerProcess, *records: dict[str, Any], service: str = "shop") -> None:
    response = CLIENT.post(
        f"{server.otlp_url}/v1/logs",
        content=request_of(records, {"service.name": service}),
        headers={"content-type": "application/x-protobuf"},
    )
    assert (response.status_code, response.content) == (200, b""), response.text


def ask(server: ServerProcess, path: str, **parameters: Any) -> dict[str, Any]:
    response = CLIENT.get(f"{server.url}/api/v1/{path}", params=parameters)
    assert response.status_code == 200, response.text
    document: dict[str, Any] = response.json()
    return document


def refuse(server: ServerProcess, code: int, path: str, **parameters: Any) -> str:
    response = CLIENT.get(f"{server.url}/api/v1/{path}", params=parameters)
    assert response.status_code == code, response.text
    hint: str = response.json()["hint"]
    return hint


def only(server: ServerProcess, name: str, **parameters: Any) -> dict[str, Any]:
    """Return the one process of a trace."""
    (process,) = ask(server, f"processes/{name}", **parameters)["processes"]
    found: dict[str, Any] = process
    return found


def trace(number: int) -> str:
    return f"{number:032x}"


def step(
    obj_id: str,
    seconds: float,
    phase: str = "",
    status: str = "started",
    *,
    under: str = "",
    obj_type: str = "Checkout",
    **fields: Any,
) -> dict[str, Any]:
    """Return an event that says where a process stands."""
    at = MORNING + int(seconds * SECOND)
    said = {"trilog__process__type": obj_type, "trilog__process__status": status}
    if phase:
        said["trilog__process__current_phase"] = phase
    prefix = obj_type.lower()
    record = fingerprint(
        "phase_change", obj_id, at, int(seconds * 10), fields, obj_type=obj_type, prefix=prefix
    )
    record["attributes"] |= {name.replace("__", "."): value for name, value in said.items()}
    return record | {"trace_id": under, "span_id": "b7ad6b7169203331" if under else ""}


def phases(process: dict[str, Any]) -> list[tuple[str, float, bool]]:
    return [
        (each["name"], each["duration_ms"] / 1000, each["is_allowed"]) for each in process["phases"]
    ]


def codes(process: dict[str, Any]) -> list[str]:
    return [each["code"] for each in process["warnings"]]


def test_a_process_is_told_phase_by_phase_whatever_the_order_of_arrival(
    server: ServerProcess,
) -> None:
    under = trace(1)
    steps = [
        step("order-1", 0, "cart", under=under, total=5.0),
        step("order-1", 2, "pay", under=under),
        step("order-1", 3, "pay", under=under),
        step("order-1", 5, "ship", under=under),
        step("order-1", 9, status="completed", under=under),
    ]
    random.Random(3).shuffle(steps)
    for each in steps:
        send(server, each)
    send(server, steps[0])
    process = only(server, under)
    assert (process["type"], process["id"], process["status"]) == (
        "Checkout",
        "order-1",
        "completed",
    )
    assert phases(process) == [("cart", 2, True), ("pay", 3, True), ("ship", 4, True)]
    assert (process["duration_ms"], process["events"]) == (9000, 5)
    assert process["started_at"] == format_time(MORNING)
    assert process["ended_at"] == process["phases"][-1]["end"] == format_time(MORNING + 9 * SECOND)
    assert (process["next_phases"], process["warnings"]) == ([], [])
    assert process["twin"]["state"] == {"total": 5.0}
    assert process["phases"][0]["span_id"] == "b7ad6b7169203331"
    # The process itself names it as well as its trace does.
    at = format_time(MORNING + 60 * SECOND)
    assert only(server, "order-1", at=at) == only(server, under.upper(), at=at)


def test_a_process_over_two_services_names_all_that_took_part(server: ServerProcess) -> None:
    under = trace(2)
    touched = {"trace_id": under, "span_id": "1" * 16}
    send(
        server,
        step("order-2", 0, "cart", under=under),
        state_change("cart-2", MORNING + SECOND, 1, items=1) | touched,
        state_change("cart-2", MORNING + 2 * SECOND, 2, items=2) | touched,
    )
    send(
        server,
        step("order-2", 3, "pay", under=under),
        fingerprint("event", "card-2", MORNING + 4 * SECOND, 1, {}, obj_type="Card") | touched,
        service="payments",
    )
    # What another trace did with the same cart is no part of it.
    send(server, state_change("cart-2", MORNING + 5 * SECOND, 3, items=9))
    process = only(server, under, at=format_time(MORNING + 10 * SECOND))
    assert process["services"] == ["payments", "shop"]
    assert [each["service"] for each in process["phases"]] == ["shop", "payments"]
    assert [
        (each["type"], each["id"], each["events"], each["changes"], each["services"])
        for each in process["participants"]
    ] == [("ShoppingCart", "cart-2", 2, 2, ["shop"]), ("Card", "card-2", 1, 0, ["payments"])]
    assert process["next_phases"] == ["cart", "ship"]
    assert (process["phase"], process["status"]) == ("pay", "started")
    assert process["last_at"] == format_time(MORNING + 4 * SECOND)
    assert process["phases"][-1] | {"end": None} == process["phases"][-1]
    assert process["duration_ms"] == 10_000


def test_a_process_that_never_ends_is_stuck_or_takes_too_long(server: ServerProcess) -> None:
    silent, lively = trace(3), trace(4)
    send(server, step("silent", 0, "pay", under=silent), step("lively", 0, "pay", under=lively))
    touched = {"trace_id": lively, "span_id": "1" * 16}
    send(server, state_change("cart-4", MORNING + 599 * SECOND, 1, items=1) | touched)

    def status_of(name: str, seconds: int) -> str:
        status: str = only(server, name, at=format_time(MORNING + seconds * SECOND))["status"]
        return status

    assert [status_of(silent, seconds) for seconds in (0, 599, 600)] == [
        *("started", "started"),
        "stuck",
    ]
    assert [status_of(lively, seconds) for seconds in (600, 601, 1198, 1199)] == [
        *("started", "timed_out", "timed_out"),
        "stuck",
    ]
    stuck = ask(server, "processes", status=["stuck", "timed_out"], type="Checkout")
    assert {"silent", "lively"} <= {each["id"] for each in stuck["processes"]}
    assert only(server, silent)["timeout_seconds"] == 600


def test_a_process_whose_type_nobody_describes_is_never_stuck(server: ServerProcess) -> None:
    send(server, step("strange", 0, "somewhere", obj_type="Strange"))
    process = only(server, "strange")
    assert (process["status"], process["timeout_seconds"]) == ("started", None)
    assert phases(process)[0][2] is True
    listed = ask(server, "processes", type="Strange")["processes"]
    assert [(each["status"], each["timeout_seconds"]) for each in listed] == [("started", None)]


def test_a_trace_tells_each_of_its_processes(server: ServerProcess) -> None:
    under = trace(5)
    send(
        server,
        step("import-5", 4, "read", under=under, obj_type="Import"),
        step("order-5", 1, "cart", under=under),
        step("order-5", 6, status="failed", under=under),
    )
    answer = ask(server, f"processes/{under}")
    assert [(each["id"], each["status"]) for each in answer["processes"]] == [
        ("order-5", "failed"),
        ("import-5", "started"),
    ]
    order, import_ = answer["processes"]
    assert [each["id"] for each in order["participants"]] == ["import-5"]
    assert [each["id"] for each in import_["participants"]] == ["order-5"]
    first = ask(server, f"processes/{under}", limit=1)
    assert (first["count"], first["truncated"]) == (1, True)


def test_a_phase_that_the_registry_does_not_allow_is_told(server: ServerProcess) -> None:
    send(
        server,
        step("odd", 0, "cart"),
        step("odd", 1, "ship"),
        step("odd", 2, "lunch"),
        step("odd", 3, status="completed"),
        step("odd", 4, "pay", status="completed"),
        step("odd", 700, status="cancelled"),
        step("odd", 701, status="failed"),
    )
    process = only(server, "odd")
    assert [(each["name"], each["is_allowed"]) for each in process["phases"]] == [
        ("cart", True),
        ("ship", False),
        ("lunch", False),
        ("pay", False),
        ("pay", False),
    ]
    assert codes(process) == [
        *("phase_not_allowed", "unknown_phase", "phase_after_end", "phase_after_end"),
        *("unknown_status", "timed_out"),
    ]
    assert process["warnings"][0]["event_id"] == f"odd-{MORNING + SECOND}-10"
    assert "pay may" in process["warnings"][0]["message"]
    assert process["phases"][-2]["duration_ms"] == 0


def test_events_of_a_process_that_do_not_count_are_told_of(server: ServerProcess) -> None:
    send(server, step("held", 0, "cart", total=1.0), step("held", 1, "pay", total=-1.0))
    process = only(server, "held")
    assert phases(process)[0][0] == process["phase"] == "cart"
    (warning,) = process["warnings"]
    assert (warning["code"], warning["message"].split()[0]) == ("rejected", "1")


def test_a_process_that_was_deleted_is_told_and_not_listed(server: ServerProcess) -> None:
    at = MORNING + 2 * SECOND
    gone = fingerprint("deleted", "gone", at, 1, {}, obj_type="Checkout", prefix="checkout")
    send(server, step("gone", 0, "cart"), gone)
    process = only(server, "gone")
    assert (process["status"], process["ended_at"]) == ("deleted", format_time(at))
    listed = ask(server, "processes", type="Checkout", limit=1000)["processes"]
    assert "gone" not in {each["id"] for each in listed}


def test_processes_are_listed_a_page_at_a_time_and_stand_still(server: ServerProcess) -> None:
    send(
        server,
        *(step(f"paged-{n}", n, "read", obj_type="Import") for n in range(5)),
        step("paged-3", 8, "write", obj_type="Import"),
        step("paged-1", 9, status="completed", obj_type="Import"),
    )
    found: list[dict[str, Any]] = []
    page = ask(server, "processes", type="Import", start=format_time(MORNING), limit=2)
    total = page["total"]
    send(server, step("paged-9", 20, "read", obj_type="Import"))
    while True:
        found.extend(page["processes"])
        if not page["truncated"]:
            break
        page = ask(server, "processes", type="Import", limit=2, next=page["next"])
    paged = [each["id"] for each in found if each["id"].startswith("paged-")]
    assert paged == [f"paged-{n}" for n in (4, 3, 2, 1, 0)]
    assert len(found) == total
    assert [
        each["id"] for each in ask(server, "processes", type="Import", phase="write")["processes"]
    ] == ["paged-3"]
    (ended,) = ask(server, "processes", type="Import", status="completed")["processes"]
    assert (ended["id"], ended["duration_ms"], ended["phase"]) == ("paged-1", 8000, "read")
    assert ask(server, "processes", type="Import", service="payments")["processes"] == []
    late = ask(server, "processes", type="Import", start=format_time(MORNING + 8 * SECOND))
    assert {each["id"] for each in late["processes"]} == {"paged-1", "paged-3", "paged-9"}
    assert refuse(server, 400, "processes", type="Checkout", next=page.get("next") or "x")


def test_what_no_process_is_known_of_is_not_found(server: ServerProcess) -> None:
    send(server, state_change("plain", MORNING, 1, n=1) | {"trace_id": trace(77)})
    for name in (trace(9999), trace(77), "nobody", "a/b c"):
        assert "clew processes" in refuse(server, 404, f"processes/{name}")
    early = {"at": format_time(MORNING - SECOND)}
    assert "began" in refuse(server, 404, f"processes/{trace(1)}", **early)
    assert refuse(server, 400, f"processes/{trace(1)}", at="soon")
    assert refuse(server, 400, "processes", status="sleepy")
