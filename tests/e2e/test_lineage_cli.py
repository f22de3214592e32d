"""`clew lineage` as a person and as a program meet it."""

from __future__ import annotations

import itertools
import json
import time
import urllib.request

import pytest

from clew.surfaces.cli.text import width_of
from clew.testing.requests import ids_of, spans_request
from clew.testing.server import ServerProcess
from tests.e2e.terminal import clew, clew_on_terminal
from tests.integration.link_bodies import set_bytes

CAMERA, LIDAR, JOINED, SHOWN = (0x5EED_0000_0000 + each for each in (1, 2, 3, 4))
HOSTILE = "join\x1b[2J\u202e"
NOBODY = 2**63 + 5
WINDOWED = 0x5EED_0000_0100
AT_S = int(time.time()) - 3600
PLAIN = {"NO_COLOR": "1"}


def post(url: str, body: bytes, kind: str, status: int = 200) -> None:
    request = urllib.request.Request(url, body, {"content-type": kind})
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert answer.status == status


@pytest.fixture(scope="module")
def joined(server: ServerProcess) -> ServerProcess:
    """A frame of a camera and a sweep of a lidar, joined, and what was made of that."""
    links = set_bytes(JOINED, [CAMERA, LIDAR], stream_id=3, seq=9)
    links += set_bytes(SHOWN, [JOINED, CAMERA], stream_id=4, seq=9)
    post(f"{server.url}/api/v1/links", links, "application/octet-stream")
    request = spans_request(
        "fusion",
        [ids_of(0x5EED_0003)],
        operation=HOSTILE,
        attributes={"tracelink.trace_id": str(JOINED)},
    )
    body = request.SerializeToString()
    post(f"{server.otlp_url}/v1/traces", body, "application/x-protobuf")
    return server


def test_a_pipe_gets_the_document_of_the_rest_door(joined: ServerProcess) -> None:
    ended = clew("lineage", str(SHOWN), server=joined.url)
    assert ended.code == 0, ended.stderr
    address = f"{joined.url}/api/v1/lineage/{SHOWN}"
    with urllib.request.urlopen(address, timeout=60) as answer:
        assert ended.document == json.load(answer)
    assert [node["depth"] for node in ended.document["nodes"]] == [0, 1, 1, 2]
    down = clew("lineage", hex(CAMERA), "--down", "--depth", "1", server=joined.url)
    assert {node["trace_id"] for node in down.document["nodes"]} == {
        str(each) for each in (CAMERA, JOINED, SHOWN)
    }


def test_a_terminal_draws_a_tree_with_spans_and_items(joined: ServerProcess) -> None:
    shown = clew_on_terminal("lineage", str(SHOWN), server=joined.url, environ=PLAIN)
    assert shown.code == 0, shown.stderr
    lines = shown.stdout.splitlines()
    assert f"├─{JOINED}" in lines[2]
    assert "fusion" in lines[2]
    assert "3/9" in lines[2]
    assert f"│ ├─{CAMERA}" in lines[3]
    assert "nothing is known of it" in lines[3]
    assert f"│ ╰─{LIDAR}" in lines[4]
    assert f"╰─{CAMERA}" in lines[5]
    assert "as above" in lines[5]
    assert f"clew trace {ids_of(0x5EED_0003)[0].hex()}  join" in shown.stdout
    assert "made of · 4 nodes · 4 edges · 2 missing" in shown.stdout
    assert "\x1b[2J" not in shown.stdout
    assert "\u202e" not in shown.stdout
    assert all(width_of(line) <= 100 for line in lines)


@pytest.fixture(scope="module")
def windowed(server: ServerProcess) -> ServerProcess:
    """A scene of three frames of one stream, a sweep of another, and an input nobody told of."""
    inputs = [
        *({"trace_id": WINDOWED + each, "stream_id": 21, "seq": 40 + each} for each in (1, 2, 3)),
        {"trace_id": WINDOWED + 4, "stream_id": 22, "seq": 7},
    ]
    links = {
        "items": [{**each, "at": f"{AT_S}.{place}10"} for place, each in enumerate(inputs)],
        "sets": [
            {
                "trace_id": WINDOWED,
                "stream_id": 23,
                "seq": 1,
                "at": f"{AT_S}.350",
                "parents": [str(WINDOWED + each) for each in range(1, 6)],
            }
        ],
    }
    post(f"{server.url}/api/v1/links", json.dumps(links).encode(), "application/json")
    return server


@pytest.mark.parametrize("columns", [80, 120])
def test_a_terminal_tells_what_a_join_took_of_which_stream(
    windowed: ServerProcess, columns: int
) -> None:
    shown = clew_on_terminal(
        "lineage", str(WINDOWED), server=windowed.url, environ=PLAIN, columns=columns
    )
    lines = shown.stdout.splitlines()
    assert lines[2] == "│ took 3 of stream 21: 41 to 43 within 200 ms, 140 ms to 340 ms old"
    assert lines[3] == "│ took 1 of stream 22: 7, 40.0 ms old"
    assert lines[4] == "│ and 1 input of which no item is known"
    assert [
        next(cell for cell in line.split("  ") if cell.strip().endswith(" ms")).strip()
        for line in lines[5:9]
    ] == ["340 ms", "240 ms", "140 ms", "40.0 ms"]
    assert all(width_of(line) <= columns for line in lines)


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_a_long_chain_keeps_to_the_width(server: ServerProcess, columns: int) -> None:
    chain = [2**63 + (each << 20) for each in range(1, 40)]
    links = (set_bytes(output, [source]) for source, output in itertools.pairwise(chain))
    post(f"{server.url}/api/v1/links", b"".join(links), "application/octet-stream")
    shown = clew_on_terminal(
        *("lineage", str(chain[-1]), "--depth", "38"),
        server=server.url,
        environ=PLAIN,
        columns=columns,
    )
    assert [line for line in shown.stdout.splitlines() if width_of(line) > columns] == []
    (last,) = [line for line in shown.stdout.splitlines() if str(chain[0]) in line]
    assert last.startswith("+")
    assert f"╰─{chain[0]}" in last


def test_items_are_listed_by_id_and_by_place(windowed: ServerProcess) -> None:
    by_place = clew(
        "lineage", "items", "--stream-id", "21", "--seq", "41", server=windowed.url
    ).document
    assert [item["trace_id"] for item in by_place["items"]] == [str(WINDOWED + 1)]
    by_id = clew("lineage", "items", "--trace-id", hex(WINDOWED + 4), server=windowed.url).document
    assert [(item["stream_id"], item["seq"]) for item in by_id["items"]] == [(22, "7")]
    shown = clew_on_terminal(
        *("lineage", "items", "--stream-id", "22", "--seq", "7"),
        server=windowed.url,
        environ=PLAIN,
    )
    assert "22/0/7" in shown.stdout
    assert str(WINDOWED + 4) in shown.stdout
    assert clew("lineage", "items", "--trace-id", "99", server=windowed.url).code == 2
    assert clew("lineage", "items", "--seq", "7", server=windowed.url).code == 3


def test_who_has_which_node_id_is_listed(server: ServerProcess) -> None:
    assert clew("lineage", "nodes", "--node-id", "900", server=server.url).code == 2
    wish = {"process": "4711", "host": "gpu-3", "started_at": 1, "node_id": 901}
    body = json.dumps(wish).encode()
    post(f"{server.url}/api/v1/lineage/nodes", body, "application/json", status=201)
    told = clew("lineage", "nodes", "--node-id", "901", server=server.url).document
    assert [(each["node_id"], each["process"]) for each in told["leases"]] == [(901, "4711")]
    shown = clew_on_terminal(
        *("lineage", "nodes", "--node-id", "901"), server=server.url, environ=PLAIN
    )
    (line,) = [line for line in shown.stdout.splitlines() if "gpu-3" in line]
    assert line.split()[:3] == ["901", "4711", "gpu-3"]
    assert "leased," in line
    assert "1 lease" in shown.stdout


def test_a_path_is_drawn_from_the_later_end(joined: ServerProcess) -> None:
    shown = clew_on_terminal(
        "lineage", str(LIDAR), "--path", str(SHOWN), server=joined.url, environ=PLAIN
    )
    assert shown.code == 0, shown.stderr
    assert shown.stdout.index(str(SHOWN)) < shown.stdout.index(str(JOINED))
    assert "2 steps · 3 nodes" in shown.stdout
    piped = clew("lineage", str(LIDAR), "--path", str(SHOWN), server=joined.url)
    assert (piped.document["direction"], piped.document["length"]) == ("down", 2)


def test_nothing_that_matches_is_an_answer_and_an_exit_code(joined: ServerProcess) -> None:
    ended = clew("lineage", str(NOBODY), server=joined.url)
    assert ended.code == 2
    assert ended.document["nodes"][0]["missing"] is True
    ended = clew("lineage", str(NOBODY), "--path", str(CAMERA), server=joined.url)
    assert (ended.code, ended.document["found"]) == (2, False)


def test_an_answer_keeps_to_its_budget(joined: ServerProcess) -> None:
    ended = clew("lineage", str(SHOWN), "--max-tokens", "300", server=joined.url)
    assert ended.code == 0, ended.stderr
    assert len(ended.stdout) <= 4 * 300
    assert ended.document["truncated"] is True
    assert "--depth" in ended.document["hint"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("0",),
        ("x",),
        (str(2**64),),
        (str(SHOWN), "--up", "--down"),
        (str(SHOWN), "--down", "--path", "7"),
        (str(SHOWN), "--path", "nobody"),
        (str(SHOWN), "--depth", "-1"),
        (str(SHOWN), "--depth", "1001"),
        (str(SHOWN), "--limit", "0"),
        (str(SHOWN), "--last", "soon"),
    ],
)
def test_what_cannot_be_asked_is_a_bad_argument(
    joined: ServerProcess, arguments: tuple[str, ...]
) -> None:
    ended = clew("lineage", *arguments, server=joined.url)
    assert (ended.code, ended.stdout) == (3, "")
    assert ended.error["code"] == "invalid_argument"
    assert ended.error["hint"]
