"""One object with very many events: every question has an answer, or says why not.

Some thousands of events here; ``make soak`` sends a million.
"""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from clew.base.times import format_time
from clew.testing.server import ServerProcess
from tests.integration.fingerprints import MORNING, fingerprint, request_of, state_change

if TYPE_CHECKING:
    from collections.abc import Iterator

EVENTS = int(os.environ.get("CLEW_TWIN_EVENTS", "6000"))
REQUEST_EVENTS = 2000
STEP = 1_000_000
"""A millisecond between two events: a million of them take 17 minutes."""

FIELDS = 7
"""Each event sets one field, in turn, so that a state is put together from several."""

READ_MAX = 500_000
"""More changes of one object than that are not read one by one."""

CLIENT = httpx.Client(timeout=120)
PATH = "objects/ShoppingCart"


def at_of(number: int) -> int:
    return MORNING + number * STEP


def state_of(number: int) -> dict[str, int]:
    """Return the state after so many events: of each field the last number that it was set to."""
    last = range(max(0, number - FIELDS), number)
    return {f"f{each % FIELDS}": each for each in last}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with an object whose events came in a wild order, some of them twice."""
    shuffled = random.Random(1)
    starts = list(range(0, EVENTS, REQUEST_EVENTS))
    shuffled.shuffle(starts)
    with ServerProcess(tmp_path_factory.mktemp("million") / "data") as server:
        for start in [*starts, starts[0]]:
            numbers = list(range(start, min(EVENTS, start + REQUEST_EVENTS)))
            shuffled.shuffle(numbers)
            send(
                server,
                (state_change("busy", at_of(n), n, **{f"f{n % FIELDS}": n}) for n in numbers),
            )
        yield server


def send(server: ServerProcess, records: Any) -> None:
    response = CLIENT.post(
        f"{server.otlp_url}/v1/logs",
        content=request_of(records),
        headers={"content-type": "application/x-protobuf"},
    )
    assert (response.status_code, response.content) == (200, b""), response.text


def ask(server: ServerProcess, path: str, status: int = 200, **parameters: Any) -> dict[str, Any]:
    response = CLIENT.get(f"{server.url}/api/v1/{path}", params=parameters)
    assert response.status_code == status, response.text
    document: dict[str, Any] = response.json()
    return document


def test_any_moment_of_it_is_what_was_said_until_then(server: ServerProcess) -> None:
    numbers = [EVENTS, 1, EVENTS // 2, EVENTS // 3, EVENTS - 1, FIELDS, 3 * EVENTS // 4]
    for number in numbers:
        state = ask(server, f"{PATH}/busy", at=format_time(at_of(number) - 1))
        assert (state["state"], state["version"]) == (state_of(number), number)
    before = ask(server, f"{PATH}/busy", at=format_time(MORNING - 1))
    assert [each["code"] for each in before["warnings"]] == ["before_first_event"]


def test_a_slider_over_it_gives_the_same(server: ServerProcess) -> None:
    numbers = [EVENTS * n // 20 for n in range(1, 20)]
    moments = [format_time(at_of(number) - 1) for number in numbers]
    states = ask(server, f"{PATH}/busy/states", at=moments)["states"]
    assert [each["state"] for each in states] == [state_of(number) for number in numbers]
    assert [each["version"] for each in states] == numbers


def test_a_late_event_of_it_counts_at_once(server: ServerProcess) -> None:
    late = fingerprint("state_change", "busy", at_of(EVENTS // 2), EVENTS, {"late": 1})
    send(server, [late])
    now = ask(server, f"{PATH}/busy")
    assert (now["state"], now["version"]) == (state_of(EVENTS) | {"late": 1}, EVENTS + 1)
    half = ask(server, f"{PATH}/busy", at=format_time(at_of(EVENTS // 2)))
    assert half["state"]["late"] == 1
    before = ask(server, f"{PATH}/busy", at=format_time(at_of(EVENTS // 2) - 1))
    assert (before["version"], before["state"].get("late")) == (EVENTS // 2, None)


def test_its_events_are_counted_and_paged(server: ServerProcess) -> None:
    asked: dict[str, Any] = {"limit": 3, "newest_first": "true", "segment": "1h"}
    page = ask(server, f"{PATH}/busy/timeline", **asked)
    assert page["total"] in (EVENTS, EVENTS + 1)
    assert [each["seq"] for each in page["events"]] == [EVENTS - 1, EVENTS - 2, EVENTS - 3]
    assert sum(each["events"] for each in page["segments"]) == page["total"]
    following = ask(server, f"{PATH}/busy/timeline", **asked, next=page["next"])
    assert following["events"][0]["seq"] == EVENTS - 4


def test_what_would_read_too_many_of_them_says_so(server: ServerProcess) -> None:
    if EVENTS > READ_MAX:
        refused = ask(server, f"{PATH}/busy/history/f1", 413)
        assert "timeline" in refused["hint"]
    else:
        values = ask(server, f"{PATH}/busy/history/f1", limit=2, newest_first="true")
        assert values["total"] == len(range(1, EVENTS, FIELDS))
    ends: dict[str, Any] = {
        "from": format_time(at_of(EVENTS // 2) - 1),
        "to": format_time(at_of(EVENTS) - 1),
    }
    difference = ask(server, f"{PATH}/busy/diff", **ends)
    assert set(difference["changed"]) == {f"f{n}" for n in range(FIELDS)}


def test_a_deletion_among_them_is_folded_too(server: ServerProcess) -> None:
    moment = at_of(EVENTS)
    send(
        server,
        [
            fingerprint("deleted", "busy", moment, EVENTS + 1, {}),
            fingerprint("created", "busy", moment + 1, EVENTS + 2, {"again": True}),
        ],
    )
    now = ask(server, f"{PATH}/busy")
    assert (now["exists"], now["state"], now["version"]) == (True, {"again": True}, EVENTS + 3)
    (listed,) = ask(server, "objects")["objects"]
    assert listed["state"] == {"again": True}
