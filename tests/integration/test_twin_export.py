"""Objects and events taken out whole: every one, once, in order, as lines and as Parquet."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import httpx
import pyarrow.parquet as pq
import pytest

from clew.base.times import format_time
from clew.testing.server import ServerProcess
from clew.twin.query.exported import PAGE_EVENTS
from tests.integration.fingerprints import MORNING, fingerprint, request_of

if TYPE_CHECKING:
    from collections.abc import Iterator

CLIENT = httpx.Client(timeout=60)
TRACE = "0af7651916cd43dd8448eb211c80319c"
S = 1_000_000_000

REGISTRY = {
    "registry": {"name": "tables"},
    "objects": {
        "Job": {
            "name": "Job",
            "prefix": "job",
            "fields": {
                "tries": {"name": "tries", "type": "integer"},
                "cost": {"name": "cost", "type": "float"},
                "done": {"name": "done", "type": "boolean"},
                "due": {"name": "due", "type": "timestamp"},
                "tags": {"name": "tags", "type": "list"},
                "owner": {"name": "owner", "type": "reference", "ref_type": "Job"},
            },
        }
    },
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("export") / "data") as server:
        assert CLIENT.put(f"{server.url}/api/v1/registry", json=REGISTRY).status_code == 201
        yield server


def send(server: ServerProcess, records: list[dict[str, Any]]) -> None:
    response = CLIENT.post(
        f"{server.otlp_url}/v1/logs",
        content=request_of(records),
        headers={"content-type": "application/x-protobuf"},
    )
    assert response.status_code == 200, response.text


def job(kind: str, obj_id: str, seq: int, second: int, **fields: Any) -> dict[str, Any]:
    at = MORNING + second * S
    return fingerprint(kind, obj_id, at, seq, fields, obj_type="Job", prefix="job")


def free(obj_type: str, obj_id: str, seq: int, second: int, **fields: Any) -> dict[str, Any]:
    """Return an event of a type that no registry knows."""
    at = MORNING + second * S
    named = {"obj_type": obj_type, "prefix": obj_type.lower()}
    return fingerprint("state_change", obj_id, at, seq, fields, **named)


def take(server: ServerProcess, what: str, **parameters: Any) -> httpx.Response:
    return CLIENT.get(f"{server.url}/api/v1/export/{what}", params=parameters)


def lines(server: ServerProcess, what: str, **parameters: Any) -> list[dict[str, Any]]:
    response = take(server, what, **parameters)
    assert response.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in response.text.splitlines()]


def table(server: ServerProcess, what: str, **parameters: Any) -> list[dict[str, Any]]:
    response = take(server, what, format="parquet", **parameters)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/vnd.apache.parquet"
    assert response.headers["content-disposition"] == f'attachment; filename="{what}.parquet"'
    rows: list[dict[str, Any]] = pq.read_table(io.BytesIO(response.content)).to_pylist()
    return rows


def test_described_fields_are_columns_of_their_types(server: ServerProcess) -> None:
    due = "2026-03-01T12:00:00.5Z"
    first = {"tries": 1, "cost": 2, "done": False, "due": due, "tags": ["a"], "owner": "p1"}
    send(
        server,
        [
            job("created", "j1", 1, 0, **first)
            | {"trace_id": TRACE, "span_id": "00f067aa0ba902b7"},
            job("state_change", "j1", 2, 5, tries=2, done=True, stray="kept in the state"),
            job("created", "j2", 1, 3, tries=7),
            job("deleted", "j2", 2, 4),
        ],
    )
    (row,) = table(server, "objects", type="Job", at=format_time(MORNING + S))
    assert (row["id"], row["version"], row["trace_id"]) == ("j1", 1, TRACE)
    assert [row[f"state.{name}"] for name in ("tries", "cost", "done", "tags", "owner")] == [
        *(1, 2.0, False, '["a"]', "p1"),
    ]
    assert row["state.due"].isoformat() == "2026-03-01T12:00:00.500000+00:00"
    (now,) = table(server, "objects", type="Job")
    assert (now["state.tries"], now["state.done"], now["exists"]) == (2, True, True)
    assert json.loads(now["state"])["stray"] == "kept in the state"
    both = table(server, "objects", type="Job", deleted="true")
    assert {each["id"]: each["exists"] for each in both} == {"j1": True, "j2": False}
    events = table(server, "events", type="Job", id="j1")
    assert [(each["changes.tries"], each["changes.done"]) for each in events] == [
        (1, False),
        (2, True),
    ]
    assert [each["at"].value for each in events] == [MORNING, MORNING + 5 * S]


def test_lines_are_the_documents_of_the_lists(server: ServerProcess) -> None:
    send(server, [free("Lamp", "l1", number, number, on=bool(number % 2)) for number in range(4)])
    listed = CLIENT.get(f"{server.url}/api/v1/objects/Lamp/l1/timeline").json()["events"]
    assert lines(server, "events", type="Lamp") == listed
    at = format_time(MORNING + S)
    state = CLIENT.get(f"{server.url}/api/v1/objects/Lamp/l1", params={"at": at}).json()
    assert lines(server, "objects", type="Lamp", at=at) == [state]
    place = f"event:l1-{MORNING}-0"
    (early,) = lines(server, "objects", type="Lamp", at=place)
    assert (early["version"], early["state"]) == (1, {"on": False})


def test_events_are_those_that_the_filters_say(server: ServerProcess) -> None:
    span = {"trace_id": "c1" * 16, "span_id": "c1" * 8}
    named = {"obj_type": "Door", "prefix": "door"}
    knock = fingerprint("event", "d2", MORNING + 2 * S, 2, {}, trilog__event__name="knock", **named)
    send(
        server,
        [free("Door", "d1", 1, 0, open=True) | span, free("Door", "d2", 1, 1, open=False), knock],
    )

    def found(**filters: Any) -> list[tuple[str, str]]:
        events = lines(server, "events", **({"type": "Door"} | filters))
        return [(each["obj_id"], each["type"]) for each in events]

    first, second = ("d1", "state_change"), ("d2", "state_change")
    assert found() == [first, second, ("d2", "event")]
    assert found(trace_id="C1" * 16) == [first]
    assert found(changes="true") == [first, second]
    assert found(event_type="event", text="D2") == [("d2", "event")]
    assert found(id="d2", start=format_time(MORNING + 2 * S)) == [("d2", "event")]
    assert found(service="other") == []


def test_fields_that_nobody_described_are_columns_of_what_they_hold(server: ServerProcess) -> None:
    send(
        server,
        [
            free("Thing", "t1", 1, 0, whole=1, mixed=1, number=1, word="a", deep={"a": [1]}),
            free("Thing", "t2", 1, 1, whole=2, mixed="x", number=0.5, nothing=None),
        ],
    )
    second, first = table(server, "objects", type="Thing")
    own = {name: value for name, value in first.items() if name.startswith("state.")}
    assert own == {
        "state.whole": 1,
        "state.mixed": "1",
        "state.number": 1.0,
        "state.word": "a",
        "state.deep": '{"a":[1]}',
    }
    assert (second["state.mixed"], second["state.number"]) == ('"x"', 0.5)
    # Of objects of several types the fields stand together, as JSON.
    many = table(server, "objects", text="t1")
    assert not [name for name in many[0] if name.startswith("state.")]


def test_every_event_is_there_once_and_in_order_however_many_there_are(
    server: ServerProcess,
) -> None:
    count = PAGE_EVENTS + 200
    sent = [free("Meter", f"m{number % 3}", number, number // 7, value=number)
            for number in range(count)]  # fmt: skip
    send(server, sent[: count // 2])
    # The second half comes with much of the first once more.
    send(server, sent[100:])
    rows = table(server, "events", type="Meter")
    places = [(row["obj_id"], row["at"].value, row["seq"]) for row in rows]
    assert places == sorted(places)
    assert sorted(row["changes.value"] for row in rows) == list(range(count))
    halves = [
        len(lines(server, "events", type="Meter", **{name: format_time(MORNING + 300 * S)}))
        for name in ("end", "start")
    ]
    assert (sum(halves), halves[0]) == (count, 2100)


def test_nothing_is_a_file_without_rows(server: ServerProcess) -> None:
    assert table(server, "events", type="Nothing") == []
    assert table(server, "objects", type="Nothing") == []
    assert take(server, "objects", type="Nothing").content == b""
    head = CLIENT.head(f"{server.url}/api/v1/export/objects")
    assert (head.status_code, head.content) == (200, b"")


@pytest.mark.parametrize(
    ("what", "parameters", "status"),
    [
        ("objects", {"format": "csv"}, 400),
        ("objects", {"limit": "3"}, 400),
        ("objects", {"at": "soon"}, 400),
        ("objects", {"at": "event:none"}, 404),
        ("objects", {"last": "1h", "start": "2h"}, 400),
        ("events", {"event_type": "birth"}, 400),
        ("events", {"start": "1h", "end": "2h"}, 400),
        ("events", {"deleted": "true"}, 400),
        ("events", {"trace_id": ""}, 400),
        ("states", {}, 404),
    ],
)
def test_what_cannot_be_exported_is_refused_before_anything_is_sent(
    server: ServerProcess, what: str, parameters: dict[str, str], status: int
) -> None:
    response = take(server, what, **parameters)
    assert response.status_code == status, response.text
    assert response.json()["hint"] or status == 404
