"""Log records that are fingerprints become events: at once, durably, and none other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from clew.testing.server import ServerProcess
from tests.integration.fingerprints import MORNING, fingerprint, request_of, state_change

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CLIENT = httpx.Client(timeout=60)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("twin") / "data") as server:
        yield server


def send(server: ServerProcess, body: bytes) -> None:
    response = CLIENT.post(
        f"{server.otlp_url}/v1/logs",
        content=body,
        headers={"content-type": "application/x-protobuf"},
    )
    assert response.status_code == 200, response.text


def ask(server: ServerProcess, sql: str) -> list[dict[str, Any]]:
    response = CLIENT.post(f"{server.url}/api/v1/sql", json={"q": sql})
    assert response.status_code == 200, response.text
    rows: list[dict[str, Any]] = response.json()["rows"]
    return rows


def event_of(server: ServerProcess, obj_id: str) -> dict[str, Any]:
    (row,) = ask(server, f"SELECT * FROM trilog_events WHERE ObjId = '{obj_id}'")
    return row


def test_a_fingerprint_is_an_event_with_the_types_of_its_fields(server: ServerProcess) -> None:
    fields = {
        "count": 5,
        "total": 5.0,
        "open": True,
        "status": 'a "quoted" word',
        "tags": ["a", 1],
        "owner": {"name": "Ada"},
        "coupon": None,
        "big": 2**63 - 1,
    }
    send(server, request_of([state_change("typed", MORNING, 7, **fields)]))
    event = event_of(server, "typed")
    assert event["Patch"] == {
        "count": "5",
        "total": "5.0",
        "open": "true",
        "status": '"a \\"quoted\\" word"',
        "tags": '["a",1]',
        "owner": '{"name":"Ada"}',
        "coupon": "null",
        "big": str(2**63 - 1),
    }
    assert (event["EventType"], event["ObjType"], event["Seq"]) == (
        "state_change",
        "ShoppingCart",
        7,
    )
    assert event["Verdict"] == "accepted"


def test_a_log_that_is_about_no_object_is_no_event(server: ServerProcess) -> None:
    body = "the word trilog. stands in it"
    send(server, request_of([{"at": MORNING, "attributes": {"user": "ada"}, "body": body}]))
    assert ask(server, f"SELECT 1 FROM otel_logs WHERE Body = '{body}'")
    assert not ask(server, f"SELECT 1 FROM trilog_events WHERE Body = '{body}'")


def test_what_an_event_says_besides_is_kept_apart_from_its_fields(server: ServerProcess) -> None:
    record = fingerprint(
        "event",
        "besides",
        MORNING,
        1,
        {},
        trilog__event__name="item_added",
        event__item_count=9,
        trilog__meta__user="ada",
    )
    send(server, request_of([record]))
    event = event_of(server, "besides")
    assert event["EventName"] == "item_added"
    assert event["Patch"] == {}
    assert event["Data"] == {"event.item_count": "9", "trilog.meta.user": '"ada"'}


def test_older_spellings_are_read(server: ServerProcess) -> None:
    record = {
        "at": MORNING,
        "attributes": {
            "trilog.obj.id": "old",
            "trilog.obj.type": "ShoppingCart",
            "trilog.log.category": "action",
            "action_name": "checkout",
            "amount": 3,
        },
    }
    send(server, request_of([record]))
    event = event_of(server, "old")
    assert (event["EventType"], event["EventName"]) == ("action", "checkout")
    assert event["EventId"].startswith("content-")


def test_a_type_without_prefixed_fields_has_its_bare_ones(server: ServerProcess) -> None:
    record = fingerprint(
        "state_change",
        "bare",
        MORNING,
        1,
        {},
        obj_type="Sensor",
        temperature=21.5,
        code__file__path="sensor.py",
    )
    send(server, request_of([record]))
    assert event_of(server, "bare")["Patch"] == {"temperature": "21.5"}


def test_a_process_without_an_object_is_named_by_its_trace(server: ServerProcess) -> None:
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    record = {
        "at": MORNING,
        "trace_id": trace_id,
        "attributes": {
            "trilog.process.type": "CheckoutFlow",
            "trilog.event.type": "phase_change",
            "trilog.process.current_phase": "payment",
            "trilog.process.status": "started",
        },
    }
    send(server, request_of([record]))
    event = event_of(server, trace_id)
    assert (event["ObjType"], event["Phase"], event["Status"]) == (
        "CheckoutFlow",
        "payment",
        "started",
    )


def test_an_event_without_an_id_that_is_sent_twice_is_one(server: ServerProcess) -> None:
    record = state_change("twice", MORNING, 1, count=1)
    del record["attributes"]["trilog.event.id"]
    send(server, request_of([record]))
    send(server, request_of([record]))
    rows = ask(server, "SELECT EventId FROM trilog_events WHERE ObjId = 'twice'")
    assert len(rows) == 2
    assert len({row["EventId"] for row in rows}) == 1


def test_events_outlive_a_kill_with_the_records_they_came_by(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with ServerProcess(folder) as server:
        records = [state_change("kept", MORNING + n, n, count=n) for n in range(200)]
        send(server, request_of(records))
        server.kill()
    with ServerProcess(folder) as server:
        for table in ("trilog_events", "otel_logs"):
            (row,) = ask(server, f"SELECT count() AS n FROM {table}")
            assert int(row["n"]) == 200
