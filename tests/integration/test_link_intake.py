"""Link sets that are posted: kept durably, each edge once, and what is wrong with them is told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from clew.testing.server import ServerProcess
from tests.integration.link_bodies import descriptor_bytes, set_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CLIENT = httpx.Client(timeout=60)

OCTETS = {"content-type": "application/octet-stream"}

LARGEST = 2**64 - 1

AT = f"{datetime.now(UTC).date() - timedelta(days=2)}T10:00:00.000000001Z"
"""Within what is kept, whenever this runs."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("links") / "data") as server:
        yield server


def post(server: ServerProcess, links: dict[str, Any]) -> httpx.Response:
    return CLIENT.post(f"{server.url}/api/v1/links", json=links)


def post_octets(server: ServerProcess, body: bytes) -> httpx.Response:
    return CLIENT.post(f"{server.url}/api/v1/links", content=body, headers=OCTETS)


def ask(server: ServerProcess, sql: str) -> list[dict[str, Any]]:
    response = CLIENT.post(f"{server.url}/api/v1/sql", json={"q": sql})
    assert response.status_code == 200, response.text
    rows: list[dict[str, Any]] = response.json()["rows"]
    return rows


def edges_of(server: ServerProcess, trace_id: int) -> list[dict[str, Any]]:
    return ask(server, f"SELECT * FROM trace_links WHERE TraceId = {trace_id} ORDER BY Position")


def test_a_set_that_is_posted_is_there_at_once_with_its_parents_in_their_order(
    server: ServerProcess,
) -> None:
    links = {
        "sets": [
            {
                "trace_id": str(LARGEST),
                "parents": ["20", 10],
                "stream_id": 7,
                "epoch": "9",
                "seq": str(LARGEST),
                "at": AT,
            }
        ]
    }
    response = post(server, links)
    assert response.status_code == 200, response.text
    assert response.json() == {"accepted": 1, "rejected": 0, "reasons": {}}
    first, second = edges_of(server, LARGEST)
    assert [int(row["ParentTraceId"]) for row in (first, second)] == [20, 10]
    assert (first["Parents"], first["StreamId"], first["Source"]) == (2, 7, "http")
    assert (int(first["Epoch"]), int(first["Seq"])) == (9, LARGEST)
    assert first["Timestamp"] == AT


def test_messages_stand_one_behind_the_other_in_a_body(server: ServerProcess) -> None:
    body = (
        set_bytes(301, [201, 202], stream_id=3, epoch=1, seq=5)
        + descriptor_bytes(201, stream_id=2, seq=8)
        + set_bytes(302, [301], stream_id=4, seq=6)
    )
    response = post_octets(server, body)
    assert response.json() == {"accepted": 3, "rejected": 0, "reasons": {}}
    assert [int(row["ParentTraceId"]) for row in edges_of(server, 301)] == [201, 202]
    items = ask(
        server,
        "SELECT TraceId, StreamId, Seq FROM trace_items WHERE TraceId IN (201, 301, 302)"
        " ORDER BY TraceId",
    )
    assert [(int(row["TraceId"]), row["StreamId"], int(row["Seq"])) for row in items] == [
        (201, 2, 8),
        (301, 3, 5),
        (302, 4, 6),
    ]


def test_what_is_wrong_with_a_set_is_counted_and_the_others_are_kept(server: ServerProcess) -> None:
    wrong = [
        {"trace_id": "0", "parents": ["1"]},
        {"trace_id": "400", "parents": []},
        {"trace_id": "400", "parents": ["0", "1"]},
        {"trace_id": "400", "parents": ["1", "1"]},
        {"trace_id": "400", "parents": ["1", "400"]},
        {"trace_id": "400", "parents": ["1"], "at": "1999-01-01T00:00:00Z"},
    ]
    response = post(server, {"sets": [*wrong, {"trace_id": "401", "parents": ["1"]}]})
    assert response.json() == {
        "accepted": 1,
        "rejected": 6,
        "reasons": {
            "no_trace_id": 1,
            "no_parents": 1,
            "zero_parent": 1,
            "duplicate_parent": 1,
            "self_parent": 1,
            "time": 1,
        },
    }
    assert not edges_of(server, 400)
    assert len(edges_of(server, 401)) == 1
    response = post_octets(server, set_bytes(402, [0, 1]) + set_bytes(403, [1]))
    assert response.json() == {"accepted": 1, "rejected": 1, "reasons": {"zero_parent": 1}}


def test_a_body_of_which_nothing_can_be_kept_is_an_error(server: ServerProcess) -> None:
    response = post(server, {"sets": [{"trace_id": "500", "parents": ["500"]}]})
    assert response.status_code == 400
    assert response.json()["detail"] == "no message was kept: self_parent (1)"


@pytest.mark.parametrize(
    "links",
    [
        {"sets": [{"trace_id": "600", "parents": ["x"]}]},
        {"sets": [{"trace_id": "600", "parents": [-1]}]},
        {"sets": [{"trace_id": "600", "parents": [str(2**64)]}]},
        {"sets": [{"trace_id": "600", "parents": [2**64]}]},
        {"sets": [{"trace_id": "600", "parents": [1.5]}]},
        {"sets": [{"trace_id": "600", "parents": ["1"], "stream_id": 2**32}]},
        {"sets": [{"trace_id": "600", "parents": ["1"], "at": "yesterday-ish"}]},
        {"sets": [{"trace_id": "600", "parents": ["1"], "extra": 1}]},
        {"sets": [{"trace_id": "600", "parents": ["1"]}, 7]},
        {"items": [{"trace_id": "0"}]},
        {"edges": []},
        [],
    ],
)
def test_a_document_that_is_none_is_refused_whole(server: ServerProcess, links: Any) -> None:
    assert post(server, links).status_code == 400
    assert not edges_of(server, 600)


WHOLE = set_bytes(700, [1, 2])


@pytest.mark.parametrize(
    "body",
    [
        *(WHOLE[:size] for size in (1, 7, 8, 20, 39, len(WHOLE) - 1)),
        WHOLE + b"\0",
        WHOLE[:4] + b"\xe7\x03" + WHOLE[6:],
        b"\x1b\x00" + WHOLE[2:],
        WHOLE[:36] + b"\x00\x00" + WHOLE[38:],
        WHOLE[:38] + b"\xff\xff" + WHOLE[40:],
        b"\xff" * 64,
    ],
)
def test_bytes_that_are_no_messages_are_refused_whole(server: ServerProcess, body: bytes) -> None:
    assert post_octets(server, set_bytes(699, [698]) + body).status_code in {200, 400}
    assert not edges_of(server, 700)


def test_nothing_is_nothing(server: ServerProcess) -> None:
    assert post_octets(server, b"").json() == {"accepted": 0, "rejected": 0, "reasons": {}}
    assert post(server, {}).json() == {"accepted": 0, "rejected": 0, "reasons": {}}


def test_other_media_types_and_large_bodies_are_refused(server: ServerProcess) -> None:
    response = CLIENT.post(f"{server.url}/api/v1/links", content=b"x")
    assert response.status_code == 415
    assert post_octets(server, b"\0" * ((4 << 20) + 1)).status_code == 413


def test_what_was_acknowledged_is_there_after_a_kill(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data") as first:
        for number in range(20):
            body = set_bytes(1000 + number, [1, 2, 3], seq=number)
            assert post_octets(first, body).status_code == 200
        first.kill()
    with ServerProcess(tmp_path / "data") as second:
        (counted,) = ask(
            second, "SELECT count() AS rows, uniqExact(TraceId) AS sets FROM trace_links"
        )
        assert (int(counted["rows"]), int(counted["sets"])) == (60, 20)
