"""What a server writes down of objects, and what it keeps of them when their events go."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from clew.base.times import format_time
from clew.testing.server import ServerProcess
from tests.integration.fingerprints import MORNING, fingerprint, request_of, state_change

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CLIENT = httpx.Client(timeout=60)
DEADLINE_SECONDS = 150.0
DAY = 86_400 * 10**9

LONG_AGO = MORNING - 80 * DAY
"""In a month that a retention of thirty days is done with."""

KEEPING_ALL = {"retention_logs": "off"}
KEEPING = KEEPING_ALL | {"retention_events": "30d"}
MANY = 3_000
"""Events that are worth a snapshot."""


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


def count(server: ServerProcess, rows: str) -> int:
    """Return how many rows of ``TABLE WHERE …`` there are; all that was sent is flushed then."""
    response = CLIENT.post(
        f"{server.url}/api/v1/sql", json={"q": f"SELECT count() AS n FROM {rows}"}
    )
    assert response.status_code == 200, response.text
    return int(response.json()["rows"][0]["n"])


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not holds():
        assert time.monotonic() < deadline


def test_a_late_event_counts_at_once_though_a_snapshot_was_written_before_it(
    tmp_path: Path,
) -> None:
    path = "objects/ShoppingCart/busy"
    end = MORNING + MANY

    def look(server: ServerProcess) -> tuple[Any, ...]:
        now, before, middle = (
            ask(server, path),
            ask(server, path, at=format_time(MORNING + 10)),
            ask(server, path, at=format_time(MORNING + MANY // 2)),
        )
        return (
            (now["version"], now["state"]["n"], now["state"].get("late")),
            (before["version"], before["state"].get("late")),
            (middle["version"], middle["state"].get("late")),
        )

    with ServerProcess(tmp_path / "data") as server:
        send(server, *(state_change("busy", MORNING + n, n, n=n) for n in range(MANY)))
        assert count(server, "trilog_events") == MANY
        assert ask(server, path)["state"] == {"n": MANY - 1}
        wait_until(lambda: count(server, "trilog_snapshots") > 0)
        assert look(server) == ((MANY, MANY - 1, None), (11, None), (MANY // 2 + 1, None))
        send(server, state_change("busy", MORNING + 10, 0, late=1))
        honoured = ((MANY + 1, MANY - 1, 1), (12, 1), (MANY // 2 + 2, 1))
        assert look(server) == honoured
        assert count(server, "trilog_events") == MANY + 1
        assert look(server) == honoured
        server.kill()
    with ServerProcess(tmp_path / "data") as server:
        # Nothing is in memory now: the snapshot is found, and found wrong.
        assert count(server, "trilog_snapshots") > 0
        assert look(server) == honoured
        send(
            server, state_change("busy", MORNING + 20, 0, late=2), state_change("busy", end, 1, n=0)
        )
        assert look(server) == ((MANY + 3, 0, 2), (12, 1), (MANY // 2 + 3, 2))


def test_objects_outlive_their_events_whenever_the_server_is_killed(tmp_path: Path) -> None:
    objects = [f"old-{n}" for n in range(300)]
    with ServerProcess(tmp_path / "data", KEEPING_ALL) as server:
        send(
            server,
            *(state_change(each, LONG_AGO, 1, a=1, b=1) for each in objects),
            *(state_change(each, LONG_AGO + DAY, 2, b=2) for each in objects),
            fingerprint("deleted", "old-299", LONG_AGO + 2 * DAY, 3, {}),
            *(state_change(each, MORNING, 3, c=3) for each in objects[:100]),
        )
        assert count(server, "trilog_events") == 701
    for _ in range(2):
        ServerProcess(tmp_path / "data", KEEPING).kill()
    with ServerProcess(tmp_path / "data", KEEPING) as server:
        wait_until(lambda: count(server, "trilog_snapshots WHERE IsBaseline") == 300)
        # One that was killed may have written the last of them, and then the events go here.
        assert count(server, "trilog_events") in {100, 701}
        assert ask(server, "objects/ShoppingCart/old-0")["version"] == 3
        server.kill()
    with ServerProcess(tmp_path / "data", KEEPING) as server:
        wait_until(lambda: count(server, "trilog_events") == 100)
        assert count(server, "trilog_snapshots") == 300
        for name, state, version in (
            ("old-0", {"a": 1, "b": 2, "c": 3}, 3),
            ("old-150", {"a": 1, "b": 2}, 2),
        ):
            now = ask(server, f"objects/ShoppingCart/{name}")
            assert (now["exists"], now["state"], now["version"]) == (True, state, version)
            assert (now["warnings"], now["created_at"]) == ([], format_time(LONG_AGO))
        gone = ask(server, "objects/ShoppingCart/old-299")
        assert (gone["exists"], gone["state"]) == (False, {"a": 1, "b": 2})
        listed = ask(server, "objects", limit=1000)
        assert listed["total"] == 299
        assert sum(each["events"] for each in listed["objects"]) == 100
        assert ask(server, "objects", deleted="true", limit=1)["total"] == 300
        assert ask(server, "objects", text="old-15", limit=1000)["total"] == 11
    with ServerProcess(tmp_path / "data", KEEPING) as server:
        assert ask(server, "objects/ShoppingCart/old-150")["state"] == {"a": 1, "b": 2}


@pytest.fixture(scope="module")
def aged(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A server one of whose objects lost its old events."""
    with ServerProcess(tmp_path_factory.mktemp("aged") / "data", KEEPING_ALL) as server:
        send(
            server,
            state_change("aged", LONG_AGO, 1, a=1, b=1),
            state_change("aged", LONG_AGO + DAY, 2, b=2),
            state_change("aged", MORNING, 3, b=3),
        )
        count(server, "trilog_events")
        folder = server.folder
    with ServerProcess(folder, KEEPING) as server:
        wait_until(lambda: count(server, "trilog_snapshots") == 1)
        # A round that writes what they came to takes none of them.
        assert count(server, "trilog_events") == 3
    with ServerProcess(folder, KEEPING) as server:
        wait_until(lambda: count(server, "trilog_events") == 1)
        yield server


def test_a_moment_of_which_events_are_gone_is_told_from_one_before_the_first(
    aged: ServerProcess,
) -> None:
    path = "objects/ShoppingCart/aged"
    gone = ask(aged, path, at=format_time(LONG_AGO + DAY // 2))
    assert (gone["exists"], gone["state"], gone["version"]) == (False, {}, 0)
    assert [each["code"] for each in gone["warnings"]] == ["events_expired"]
    before = ask(aged, path, at=format_time(LONG_AGO - DAY))
    assert [each["code"] for each in before["warnings"]] == ["before_first_event"]
    between = ask(aged, path, at=format_time(LONG_AGO + 2 * DAY))
    assert (between["state"], between["version"], between["warnings"]) == ({"a": 1, "b": 2}, 2, [])


def test_what_is_asked_of_the_course_of_an_object_says_from_when_it_is_kept(
    aged: ServerProcess,
) -> None:
    path = "objects/ShoppingCart/aged"
    timeline = ask(aged, f"{path}/timeline")
    assert [each["changes"] for each in timeline["events"]] == [{"b": 3}]
    values = ask(aged, f"{path}/history/b")
    assert [(each["previous"], each["value"], each["version"]) for each in values["values"]] == [
        (2, 3, 3)
    ]
    months = {timeline["kept_from"], values["kept_from"]}
    assert len(months) == 1
    assert months.pop().endswith("-01T00:00:00.000000000Z")
    whole = ask(aged, f"{path}/diff", **{"from": format_time(LONG_AGO + 2 * DAY), "to": "now"})
    assert (whole["changed"]["b"]["from"], whole["warnings"]) == (2, [])
    part = ask(aged, f"{path}/diff", **{"from": format_time(LONG_AGO + 1), "to": "now"})
    assert [each["code"] for each in part["warnings"]] == ["events_expired"]


def test_instants_go_over_the_end_of_what_is_kept(aged: ServerProcess) -> None:
    moments = [LONG_AGO - DAY, LONG_AGO + DAY // 2, LONG_AGO + DAY, MORNING - 1, MORNING]
    path = "objects/ShoppingCart/aged/states"
    states = ask(aged, path, at=[format_time(each) for each in moments])["states"]
    assert [each["state"].get("b") for each in states] == [None, None, 2, 2, 3]
    assert [[w["code"] for w in each["warnings"]] for each in states] == [
        ["before_first_event"],
        ["events_expired"],
        [],
        [],
        [],
    ]
