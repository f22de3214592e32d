"""Which inputs made which output, asked of a server that was told over every door."""

from __future__ import annotations

import itertools
import random
import socket
import time
from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from clew.lineage.parameters import LineageQuery
from clew.lineage.remote import LineageClient
from clew.remote.http import Server
from clew.testing.server import ServerProcess
from tests.integration.fingerprints import request_of, state_change
from tests.integration.link_bodies import descriptor_bytes, set_bytes
from tests.lineage_graphs import Pair, depths_of, find_ways, pairs_of, walk_plainly

if TYPE_CHECKING:
    from collections.abc import Iterator

CLIENT = httpx.Client(timeout=60)
PROTOBUF: Final = {"content-type": "application/x-protobuf"}
WAIT_SECONDS_MAX: Final = 60.0

STARTED_S: Final = int(time.time()) - 3600
"""When items were put out whose times are told."""

_BASES = itertools.count(1)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("lineage") / "data") as server:
        yield server


@pytest.fixture
def base() -> int:
    """Return what a test adds to its ids, so that they are its own."""
    return next(_BASES) << 32


def post(server: ServerProcess, *messages: bytes) -> None:
    headers = {"content-type": "application/octet-stream"}
    body = b"".join(messages)
    response = CLIENT.post(f"{server.url}/api/v1/links", content=body, headers=headers)
    assert response.status_code == 200, response.text


def get(server: ServerProcess, path: str, **parameters: Any) -> dict[str, Any]:
    response = CLIENT.get(f"{server.url}/api/v1/lineage/{path}", params=parameters)
    assert response.status_code == 200, response.text
    document: dict[str, Any] = response.json()
    return document


def node_of(document: dict[str, Any], trace_id: int) -> dict[str, Any]:
    (node,) = [node for node in document["nodes"] if node["trace_id"] == str(trace_id)]
    found: dict[str, Any] = node
    return found


def test_an_id_that_nobody_knows_is_an_answer(server: ServerProcess) -> None:
    document = get(server, str(2**64 - 1))
    (node,) = document["nodes"]
    assert (node["trace_id"], node["missing"]) == (str(2**64 - 1), True)
    assert (document["edges"], document["truncated"], document["missing"]) == ([], False, 1)
    document = get(server, "path", **{"from": "1", "to": str(2**63)})
    assert (document["found"], document["length"]) == (False, None)


def test_a_diamond_is_walked_both_ways(server: ServerProcess, base: int) -> None:
    root, left, right, join = (base + each for each in range(4))
    post(
        server,
        set_bytes(left, [root], stream_id=2, seq=1),
        set_bytes(right, [root], stream_id=3, seq=1),
        set_bytes(join, [right, left], stream_id=4, seq=9, epoch=2**64 - 1),
    )
    up = get(server, str(join))
    assert depths_of(up) == {join: 0, left: 1, right: 1, root: 2}
    assert pairs_of(up) == {(join, left), (join, right), (left, root), (right, root)}
    (first,) = [edge for edge in up["edges"] if edge["parent_trace_id"] == str(right)]
    assert (first["trace_id"], first["stream_id"], first["position"]) == (str(join), 4, 0)
    assert (first["epoch"], first["seq"]) == (str(2**64 - 1), "9")
    assert node_of(up, root)["missing"] is True
    assert "missing" not in node_of(up, left)
    assert node_of(up, left)["items"] == [
        {"stream_id": 2, "epoch": "1", "seq": "1", "at": node_of(up, left)["items"][0]["at"]}
    ]
    down = get(server, str(root), direction="down")
    assert depths_of(down) == {root: 0, left: 1, right: 1, join: 2}
    near = get(server, str(join), depth=1)
    assert depths_of(near).keys() == {join, left, right}
    assert (near["truncated"], near["stopped_by"]) == (True, ["depth"])
    path = get(server, "path", **{"from": str(root), "to": str(join)})
    assert (path["found"], path["length"], path["direction"]) == (True, 2, "down")
    assert len(path["nodes"]) == 4


def test_a_set_that_is_told_twice_is_one(server: ServerProcess, base: int) -> None:
    once = set_bytes(base + 2, [base, base + 1], seq=5)
    for _ in range(3):
        post(server, once)
    document = get(server, str(base + 2))
    assert len(document["edges"]) == 2
    assert node_of(document, base + 2)["item_count"] == 1


def test_random_graphs_are_as_they_were_told(server: ServerProcess, base: int) -> None:
    chosen = random.Random(base)
    told: set[Pair] = set()
    messages = []
    for output in range(1, 60):
        parents = chosen.sample(range(output), k=min(output, chosen.randrange(1, 4)))
        told |= {(base + output, base + parent) for parent in parents}
        messages.append(set_bytes(base + output, [base + parent for parent in parents]))
    post(server, *messages)
    for direction in ("up", "down"):
        for root in (base + 59, base + 30, base):
            document = get(server, str(root), direction=direction, depth=100)
            wanted = walk_plainly(told, root, 100, is_up=direction == "up")
            assert depths_of(document) == wanted
            assert pairs_of(document) == {pair for pair in told if set(pair) <= wanted.keys()}
    path = get(server, "path", **{"from": str(base + 59), "to": str(base)})
    ways = find_ways(told, base + 59, base)
    assert pairs_of(path) == {pair for way in ways for pair in itertools.pairwise(way)}


def test_links_outside_the_time_asked_for_are_passed_over(server: ServerProcess, base: int) -> None:
    links = {
        "sets": [
            {"trace_id": str(base + 1), "parents": [str(base)], "at": "3h"},
            {"trace_id": str(base + 2), "parents": [str(base + 1)], "at": "5m"},
        ]
    }
    assert CLIENT.post(f"{server.url}/api/v1/links", json=links).status_code == 200
    assert len(get(server, str(base + 2))["edges"]) == 2
    assert len(get(server, str(base + 2), last="1h")["edges"]) == 1
    assert get(server, str(base + 2), end="1h")["edges"] == []


def test_a_cycle_is_told(server: ServerProcess, base: int) -> None:
    post(server, set_bytes(base, [base + 1]), set_bytes(base + 1, [base]))
    assert get(server, str(base))["cycles"] == [[str(base), str(base + 1)]]


def test_items_are_found_by_their_place_in_a_stream(server: ServerProcess, base: int) -> None:
    seq = str(base)
    post(
        server,
        descriptor_bytes(base + 1, stream_id=77, epoch=1, seq=base),
        descriptor_bytes(base + 2, stream_id=77, epoch=2, seq=base),
        set_bytes(base + 3, [base + 1], stream_id=78, epoch=1, seq=base),
    )
    found = get(server, "items", stream_id=77, seq=seq)
    assert [item["trace_id"] for item in found["items"]] == [str(base + 1), str(base + 2)]
    assert (found["count"], found["total"], found["truncated"]) == (2, 2, False)
    found = get(server, "items", stream_id=77, seq=seq, epoch=2)
    assert [item["trace_id"] for item in found["items"]] == [str(base + 2)]


def test_an_items_span_is_told_with_it_and_finds_it(server: ServerProcess, base: int) -> None:
    otel_trace, otel_span = base.to_bytes(16, "big"), base.to_bytes(8, "big")
    item = {"trace_id": base + 1, "stream_id": 90, "epoch": 3, "seq": base}
    start = time.time_ns() - 60 * 10**9
    request = ExportTraceServiceRequest()
    span = (
        request.resource_spans.add()
        .scope_spans.add()
        .spans.add(
            trace_id=otel_trace,
            span_id=otel_span,
            name="grab",
            start_time_unix_nano=start,
            end_time_unix_nano=start + 25_000_000,
        )
    )
    for name, value in item.items():
        span.attributes.add(key=f"tracelink.{name}").value.string_value = str(value)
    body = request.SerializeToString()
    url = f"{server.otlp_url}/v1/traces"
    assert CLIENT.post(url, content=body, headers=PROTOBUF).status_code == 200
    logged = state_change(f"frame-{base}", start, 1, total=5)
    logged["attributes"] |= {f"tracelink.{name}": str(value) for name, value in item.items()}
    logged["attributes"]["tracelink.seq"] = str(base + 1)
    url = f"{server.otlp_url}/v1/logs"
    assert CLIENT.post(url, content=request_of([logged]), headers=PROTOBUF).status_code == 200
    record = {
        "kind": "span",
        "trace_id": otel_trace.hex(),
        "span_id": otel_span.hex(),
        "service": "unknown",
        "name": "grab",
    }
    for asked in ({}, {"epoch": 3}):
        found = get(server, "items", stream_id=90, seq=base, **asked)
        (told,) = found["items"]
        assert (told["trace_id"], told["epoch"]) == (str(base + 1), "3")
        assert told["record"] == record
        assert [stage["operation"] for stage in told["stages"]] == ["grab"]
    assert get(server, "items", stream_id=90, seq=base, epoch=4)["items"] == []
    (told,) = get(server, "items", stream_id=90, seq=base + 1)["items"]
    assert told["record"]["kind"] == "log"
    # What a descriptor told of as well is one item.
    post(server, descriptor_bytes(base + 1, stream_id=90, epoch=3, seq=base))
    found = get(server, "items", stream_id=90, seq=base)
    assert (found["count"], found["total"]) == (1, 1)
    by_id = get(server, "items", trace_id=base + 1)
    (told,) = [item for item in by_id["items"] if item["seq"] == str(base)]
    assert told["record"] == record
    named = get(server, "items", trace_id=f"{otel_trace.hex()}:{otel_span.hex()}")
    assert named == by_id
    post(server, set_bytes(base + 2, [base + 1]))
    told = node_of(get(server, str(base + 2)), base + 1)["items"]
    assert [item["record"] for item in told if item["seq"] == str(base)] == [record]


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"seq": "1"},
        {"stream_id": "1"},
        {"epoch": "1"},
        {"trace_id": "1", "stream_id": "1", "seq": "1"},
        {"trace_id": "0"},
        {"stream_id": str(2**32), "seq": "1"},
        {"stream_id": "1", "seq": "x"},
    ],
)
def test_items_are_asked_for_by_an_id_or_by_a_place(
    server: ServerProcess, asked: dict[str, str]
) -> None:
    response = CLIENT.get(f"{server.url}/api/v1/lineage/items", params=asked)
    assert response.status_code == 400
    assert response.json()["hint"]


def tell(server: ServerProcess, **links: Any) -> None:
    assert CLIENT.post(f"{server.url}/api/v1/links", json=links).status_code == 200


def put_out(trace_id: int, stream_id: int, seq: int, ms: int, epoch: int = 1) -> dict[str, Any]:
    """Return an item that was put out so many milliseconds after the beginning."""
    at = f"{STARTED_S}.{ms:03d}"
    return {"trace_id": str(trace_id), "stream_id": stream_id, "epoch": epoch, "seq": seq, "at": at}


def test_a_join_tells_its_windows_by_input_stream(server: ServerProcess, base: int) -> None:
    frames, sweep, scene = [base + each for each in range(3)], base + 7, base + 8
    tell(
        server,
        items=[
            *(put_out(frame, 1, 100 + place, 33 * place) for place, frame in enumerate(frames)),
            # The same frames, without distortion: what the join took.
            *(put_out(frame, 2, 50 + place, 33 * place + 5) for place, frame in enumerate(frames)),
            put_out(sweep, 3, 9, 60, epoch=2),
            # The scene is shown after it was made, under the same id.
            put_out(scene, 5, 1, 400),
        ],
        sets=[{**put_out(scene, 4, 1, 100), "parents": [str(each) for each in [*frames, sweep]]}],
    )
    document = get(server, str(scene))
    root = document["nodes"][0]
    assert (root["input_count"], len(root["windows"])) == (4, 2)
    camera, lidar = root["windows"]
    assert (camera["stream_id"], camera["epoch"], camera["count"]) == (2, "1", 3)
    assert (camera["first_seq"], camera["last_seq"], camera["span_ms"]) == ("50", "52", 66.0)
    assert (camera["oldest_ms"], camera["newest_ms"]) == (95.0, 29.0)
    assert camera["first_at"] < camera["last_at"]
    assert (lidar["stream_id"], lidar["epoch"], lidar["count"]) == (3, "2", 1)
    assert (lidar["span_ms"], lidar["oldest_ms"], lidar["newest_ms"]) == (0.0, 40.0, 40.0)
    ages = {edge["parent_trace_id"]: edge["age_ms"] for edge in document["edges"]}
    assert list(ages.values()) == [95.0, 62.0, 29.0, 40.0]
    assert all(node["windows"] == [] for node in document["nodes"][1:])
    # Downwards, what went in beside the frame that was asked of is told as well.
    down = get(server, str(frames[0]), direction="down")
    assert node_of(down, scene)["windows"] == root["windows"]
    path = get(server, "path", **{"from": str(scene), "to": str(sweep)})
    assert node_of(path, scene)["windows"] == root["windows"]


def test_the_item_that_went_in_is_the_last_one_before_the_output(
    server: ServerProcess, base: int
) -> None:
    daily, first, second = base, base + 1, base + 2
    tell(
        server,
        # An id with more items than are told of a node: a table that is written every hour.
        items=[put_out(daily, 6, run, 10 * run) for run in range(60)]
        + [put_out(base + 5, 7, 1, 900)],
        sets=[
            {**put_out(first, 8, 1, 25), "parents": [str(daily), str(base + 4)]},
            {**put_out(second, 8, 2, 555), "parents": [str(daily), str(base + 5)]},
        ],
    )
    (window,) = node_of(get(server, str(first)), first)["windows"]
    assert (window["first_seq"], window["newest_ms"]) == ("2", 5.0)
    told = get(server, str(first))
    assert told["nodes"][0]["input_count"] == 2
    assert [edge["age_ms"] for edge in told["edges"]] == [5.0, None]
    node = get(server, str(second))["nodes"][0]
    assert [(each["stream_id"], each["first_seq"]) for each in node["windows"]] == [
        (6, "55"),
        (7, "1"),
    ]
    # Clocks that differ make ages below 0, and nobody hides them.
    assert [window["newest_ms"] for window in node["windows"]] == [5.0, -345.0]
    assert node_of(get(server, str(second)), daily)["item_count"] == 60


def test_a_node_has_its_spans_logs_apps_and_objects(server: ServerProcess, base: int) -> None:
    app_id = "01964b2e-7c1f-7d3a-9c55-0d6f3a1b2c4d"
    otel_trace, otel_span = base.to_bytes(16, "big"), base.to_bytes(8, "big")
    start = time.time_ns() - 60 * 10**9
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    for key, value in (("service.name", "fusion"), ("trails.app.id", app_id)):
        resource.resource.attributes.add(key=key).value.string_value = value
    span = resource.scope_spans.add().spans.add(
        trace_id=otel_trace,
        span_id=otel_span,
        name="join frames",
        start_time_unix_nano=start,
        end_time_unix_nano=start + 25_000_000,
    )
    span.attributes.add(key="tracelink.trace_id").value.int_value = base + 1
    span.attributes.add(key="tracelink.stream_id").value.int_value = 7
    body = request.SerializeToString()
    url = f"{server.otlp_url}/v1/traces"
    assert CLIENT.post(url, content=body, headers=PROTOBUF).status_code == 200
    change = state_change(f"cart-{base}", start, 1, total=5)
    change["attributes"]["tracelink.trace_id"] = str(base + 1)
    change |= {"trace_id": otel_trace.hex(), "span_id": otel_span.hex()}
    body = request_of([change])
    url = f"{server.otlp_url}/v1/logs"
    assert CLIENT.post(url, content=body, headers=PROTOBUF).status_code == 200
    post(server, set_bytes(base + 2, [base + 1]))
    node = node_of(get(server, str(base + 2)), base + 1)
    assert "missing" not in node
    (stage,) = node["stages"]
    assert (stage["service"], stage["operation"]) == ("fusion", "join frames")
    assert (stage["trace_id"], stage["span_id"]) == (otel_trace.hex(), otel_span.hex())
    assert (stage["duration_ms"], stage["status"]) == (25.0, "unset")
    assert (node["stage_count"], node["log_count"]) == (1, 1)
    assert node["apps"] == [{"app_id": app_id, "app_name": None, "status": None}]
    assert node["objects"] == [{"type": "ShoppingCart", "id": f"cart-{base}"}]


def test_what_came_by_a_datagram_is_walked_too_and_the_client_asks_the_same(
    server: ServerProcess, base: int
) -> None:
    host, _, port = server.links_address.removeprefix("udp://").rpartition(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(set_bytes(base + 1, [base]), (host, int(port)))
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    with Server(server.url) as asked:
        client = LineageClient(asked)
        while not (answer := client.get_lineage(str(base + 1), LineageQuery()).document()).edges:
            assert time.monotonic() < deadline
    assert [edge.parent_trace_id for edge in answer.edges] == [str(base)]
    assert answer.losses == {}


@pytest.mark.parametrize("wrong", ["0", "-1", "x", str(2**64), "1.0", "0x"])
def test_what_is_no_trace_id_is_refused(server: ServerProcess, wrong: str) -> None:
    assert CLIENT.get(f"{server.url}/api/v1/lineage/{wrong}").status_code == 400
    parameters = {"from": "1", "to": wrong}
    response = CLIENT.get(f"{server.url}/api/v1/lineage/path", params=parameters)
    assert response.status_code == 400
