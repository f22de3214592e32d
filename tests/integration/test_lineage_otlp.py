"""Edges out of OpenTelemetry: link sets as log records, and spans that link to others."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest
import requests
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import Link, SpanKind

from clew.base.times import format_time
from clew.lineage.exchange.identity import span_trace_id
from clew.testing.server import ServerProcess
from tests.guides import environment
from tests.lineage_graphs import depths_of, pairs_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from opentelemetry.trace import SpanContext, Tracer

CLIENT = httpx.Client(timeout=60, limits=httpx.Limits(max_keepalive_connections=0))
SECONDS_MAX: Final = 60.0

_BASES = itertools.count(1)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("told") / "data") as server:
        yield server


@pytest.fixture
def base() -> int:
    """Return what a test adds to its ids, so that they are its own."""
    return next(_BASES) << 32


@pytest.fixture
def tracer(server: ServerProcess) -> Iterator[Tracer]:
    """Return a tracer of the official SDK, whose spans are durable when they end."""
    with traced(server) as tracer:
        yield tracer


@contextmanager
def traced(server: ServerProcess) -> Iterator[Tracer]:
    with requests.Session() as session:
        provider = TracerProvider(resource=Resource.create({"service.name": "orders"}))
        exporter = OTLPSpanExporter(
            f"{server.otlp_url}/v1/traces", timeout=SECONDS_MAX, session=session
        )
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        yield provider.get_tracer("someone.elses")
        provider.shutdown()


def get(server: ServerProcess, path: str, **parameters: Any) -> dict[str, Any]:
    response = CLIENT.get(f"{server.url}/api/v1/lineage/{path}", params=parameters)
    assert response.status_code == 200, response.text
    document: dict[str, Any] = response.json()
    return document


def ask(server: ServerProcess, sql: str) -> list[dict[str, Any]]:
    response = CLIENT.post(f"{server.url}/api/v1/sql", json={"q": sql})
    assert response.status_code == 200, response.text
    rows: list[dict[str, Any]] = response.json()["rows"]
    return rows


def node_id(context: SpanContext) -> int:
    return span_trace_id(f"{context.trace_id:032x}", f"{context.span_id:016x}")


def value_of(given: Any) -> AnyValue:
    if isinstance(given, list):
        return AnyValue(array_value=ArrayValue(values=[value_of(each) for each in given]))
    if isinstance(given, bool):
        return AnyValue(bool_value=given)
    if isinstance(given, int):
        return AnyValue(int_value=given)
    return AnyValue(string_value=given)


def send_logs(server: ServerProcess, *records: dict[str, Any], event: str = "") -> None:
    body = ExportLogsServiceRequest()
    scope = body.resource_logs.add().scope_logs.add()
    for attributes in records:
        scope.log_records.add(
            time_unix_nano=time.time_ns(),
            event_name=event,
            attributes=[
                KeyValue(key=f"tracelink.{key}", value=value_of(value))
                for key, value in attributes.items()
            ],
        )
    response = CLIENT.post(
        f"{server.otlp_url}/v1/logs",
        content=body.SerializeToString(),
        headers={"content-type": "application/x-protobuf"},
    )
    assert response.status_code == 200, response.text
    assert response.content == b"", "what is wrong with a set is no fault of the record"


def refused(server: ServerProcess) -> dict[str, int]:
    """Return what was refused of what came as telemetry, by reason."""
    # A question sees every row that was acknowledged before it; what they told is counted by then.
    ask(server, "SELECT 1 FROM trace_links")
    text = CLIENT.get(f"{server.url}/metrics").text
    found = {}
    for line in text.splitlines():
        if line.startswith('clew_links_refused_total{door="otlp"'):
            name, _, count = line.rpartition(" ")
            found[name.partition('reason="')[2].partition('"')[0]] = int(float(count))
    return found


PUBLISHER: Final = """
import json
import os
import clew
from clew import lineage

run = clew.init("fusion")
tracing = lineage.enable_tracing(7, to="otlp")

@lineage.stage
def camera():
    return "image"

@lineage.stage("fusion", stream_id=3)
def fuse(image, cloud):
    return image + cloud

image, cloud = camera(), camera()
scene = fuse(image, cloud)
print(json.dumps([each.trace_id for each in (image, cloud, scene)]))
run.shutdown()
assert run.dropped == 0
"""


def test_a_publisher_over_otlp_joins_two_inputs(server: ServerProcess) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PUBLISHER],
        capture_output=True,
        text=True,
        timeout=2 * SECONDS_MAX,
        env=environment({"CLEW_SERVER": server.url}),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    image, cloud, scene = json.loads(done.stdout)
    document = get(server, str(scene))
    assert depths_of(document) == {scene: 0, image: 1, cloud: 1}
    assert pairs_of(document) == {(scene, image), (scene, cloud)}
    positions = {edge["parent_trace_id"]: edge["position"] for edge in document["edges"]}
    assert positions == {str(image): 0, str(cloud): 1}
    assert {edge["stream_id"] for edge in document["edges"]} == {3}
    assert document["missing"] == 0
    rows = ask(server, f"SELECT Source, Parents FROM trace_links WHERE TraceId = {scene}")
    assert rows == [{"Source": "otlp", "Parents": 2}] * 2


def test_a_batch_consumer_of_plain_opentelemetry_joins_what_it_received(
    server: ServerProcess, tracer: Tracer
) -> None:
    """As the semantic conventions of messaging have it: links to where each message was made."""
    created = []
    for number in range(3):
        with tracer.start_as_current_span(
            "create orders",
            kind=SpanKind.PRODUCER,
            attributes={
                "messaging.system": "kafka",
                "messaging.destination.name": "orders",
                "messaging.operation.type": "create",
                "messaging.message.id": f"m{number}",
            },
        ) as span:
            created.append(span.get_span_context())
    with tracer.start_as_current_span(
        "process orders",
        kind=SpanKind.CONSUMER,
        links=[Link(each) for each in created],
        attributes={
            "messaging.system": "kafka",
            "messaging.destination.name": "orders",
            "messaging.operation.type": "process",
            "messaging.batch.message_count": 3,
        },
    ) as span:
        processed = span.get_span_context()
    node, *messages = (node_id(each) for each in (processed, *created))
    document = get(server, str(node))
    assert pairs_of(document) == {(node, each) for each in messages}
    order = {int(edge["parent_trace_id"]): edge["position"] for edge in document["edges"]}
    assert order == {each: place for place, each in enumerate(messages)}
    # Each is told with its span, and when that was.
    nodes = {int(each["trace_id"]): each for each in document["nodes"]}
    for context, each in zip((processed, *created), (node, *messages), strict=True):
        names = {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"}
        assert nodes[each]["span"] == names
        (stage,) = nodes[each]["stages"]
        assert {key: stage[key] for key in names} == names
        assert "missing" not in nodes[each]
    assert nodes[node]["stages"][0]["operation"] == "process orders"
    # And each is found by its span.
    name = f"{processed.trace_id:032x}:{processed.span_id:016x}"
    assert get(server, name) == document
    # Downwards as well: what a message went into.
    assert depths_of(get(server, str(messages[1]), direction="down")) == {messages[1]: 0, node: 1}


def test_ids_that_spans_carry_are_the_ends_of_their_edges(
    server: ServerProcess, tracer: Tracer, base: int
) -> None:
    context = tracer.start_span("somewhere").get_span_context()
    # Whoever knows of the ids says them; the third input is told by its span alone.
    links = [Link(context, {"tracelink.trace_id": str(base + each)}) for each in (2, 1)]
    item = {"stream_id": "9", "epoch": "5", "seq": "8"}
    with tracer.start_as_current_span(
        "fuse",
        links=[*links, Link(context)],
        attributes={
            "tracelink.trace_id": str(base),
            **{f"tracelink.{key}": value for key, value in item.items()},
        },
    ) as fused:
        pass
    document = get(server, str(base))
    inputs = [base + 2, base + 1, node_id(context)]
    order = {int(edge["parent_trace_id"]): edge["position"] for edge in document["edges"]}
    assert order == {each: place for place, each in enumerate(inputs)}
    # Of a span that is not here it is known which it is.
    far = next(each for each in document["nodes"] if each["trace_id"] == str(inputs[2]))
    assert (far["missing"], far["span"]["span_id"]) == (True, f"{context.span_id:016x}")
    # A span that carries an id stands in the graph under that.
    own = fused.get_span_context()
    assert get(server, f"{own.trace_id:032x}:{own.span_id:016X}") == document
    (row,) = ask(server, f"SELECT StreamId, Epoch, Seq FROM trace_items WHERE TraceId = {base}")
    assert {key: str(value) for key, value in row.items()} == {
        "StreamId": "9",
        "Epoch": "5",
        "Seq": "8",
    }


def test_the_command_line_takes_the_ids_of_a_span(server: ServerProcess, tracer: Tracer) -> None:
    first = tracer.start_span("first")
    first.end()
    with tracer.start_as_current_span("second", links=[Link(first.get_span_context())]) as span:
        second = span.get_span_context()
    name = f"{second.trace_id:032x}/{second.span_id:016x}"
    done = subprocess.run(
        [sys.executable, "-m", "clew.app.main", "lineage", name, "--server", server.url],
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert pairs_of(document) == {(node_id(second), node_id(first.get_span_context()))}
    path = get(
        server,
        "path",
        **{"from": str(node_id(first.get_span_context())), "to": name.replace("/", ":")},
    )
    assert (path["found"], path["length"]) == (True, 1)


def test_who_links_to_a_message_by_its_span_comes_to_the_id_that_it_carries(
    server: ServerProcess, tracer: Tracer, base: int
) -> None:
    carries = {"tracelink.trace_id": str(base)}
    with tracer.start_as_current_span("send", kind=SpanKind.PRODUCER, attributes=carries) as span:
        sent = span.get_span_context()
    with tracer.start_as_current_span("receive", kind=SpanKind.CONSUMER, links=[Link(sent)]) as got:
        received = node_id(got.get_span_context())
    assert depths_of(get(server, str(received))) == {received: 0, node_id(sent): 1, base: 2}


def test_what_is_wrong_with_a_set_is_counted_by_its_reason(
    server: ServerProcess, base: int
) -> None:
    before = refused(server)
    own = {"trace_id": str(base), "stream_id": "1", "epoch": "0", "seq": "1"}
    send_logs(
        server,
        own | {"parents": ["0", "1"]},
        own | {"parents": ["1", "1"]},
        own | {"parents": ["1", str(base)]},
        own | {"parents": []},
        own | {"parents": [str(2**64)]},
        own | {"parents": ["1"], "stream_id": str(2**32)},
        own | {"parents": ["1"], "trace_id": "0"},
        own | {"parents": 7},
        own | {"parents": [True]},
        own | {"parents": "sixteen"},
        own | {"parents": [str(base + 1), base + 2], "trace_id": str(base + 3)},
    )
    send_logs(server, {"trace_id": str(base)}, event="tracelink.item")
    after = refused(server)
    assert {reason: after[reason] - before.get(reason, 0) for reason in after} == {
        "zero_parent": 1,
        "duplicate_parent": 1,
        "self_parent": 1,
        "no_parents": 1,
        "out_of_range": 2,
        "no_trace_id": 1,
        "wrong_type": 3,
        "incomplete": 1,
    }
    assert get(server, str(base))["edges"] == []
    # The sound one stands, and takes numbers for texts.
    assert depths_of(get(server, str(base + 3))) == {base + 3: 0, base + 1: 1, base + 2: 1}


def test_a_span_that_has_nothing_to_do_with_it_leaves_no_row(
    server: ServerProcess, tracer: Tracer
) -> None:
    with tracer.start_as_current_span("alone", attributes={"tracelink.stage": "alone"}) as span:
        context = span.get_span_context()
    node = node_id(context)
    for table in ("trace_links", "trace_items", "trace_spans"):
        assert not ask(server, f"SELECT 1 FROM {table} WHERE TraceId = {node}")
    # Whoever asks for it by its name hears that it is there, and that nothing leads to it.
    document = get(server, f"{context.trace_id:032x}:{context.span_id:016x}")
    (told,) = document["nodes"]
    assert (told["trace_id"], document["edges"], document["missing"]) == (str(node), [], 0)
    assert [stage["operation"] for stage in told["stages"]] == ["alone"]


def post_run(server: ServerProcess) -> httpx.Response:
    version = {"version": {"datasetVersion": "v7"}}
    run = {
        "eventType": "COMPLETE",
        "eventTime": format_time(time.time_ns()),
        "run": {"runId": "one"},
        "job": {"namespace": "airflow", "name": "nightly"},
        "inputs": [{"namespace": "lake", "name": "orders", "facets": version}],
        "outputs": [{"namespace": "lake", "name": "daily"}],
    }
    return CLIENT.post(f"{server.url}/api/v1/lineage/openlineage", json=run)


def test_what_was_told_is_there_once_after_a_crash(tmp_path: Path, base: int) -> None:
    own = {"trace_id": str(base), "stream_id": "1", "epoch": "0", "seq": "1"}
    columns = {
        "trace_links": "toString(ParentTraceId) AS far, Position AS place",
        "trace_items": "StreamId AS far, Seq AS place",
        "trace_spans": "SpanTraceId AS far, SpanId AS place",
        "trace_datasets": "Namespace AS far, concat(Name, ' ', Version) AS place",
    }

    def rows(server: ServerProcess) -> list[list[dict[str, Any]]]:
        return [
            ask(
                server,
                f"SELECT toString(TraceId) AS id, {each}, toString(Received) AS received,"
                f" Source, Frame FROM {table} ORDER BY Frame, id, place",
            )
            for table, each in columns.items()
        ]

    with ServerProcess(tmp_path / "data") as server:
        send_logs(server, own | {"parents": [str(base + 1), str(base + 2)]})
        with traced(server) as tracer:
            for _ in range(3):
                first = tracer.start_span("create")
                first.end()
                tracer.start_span("process", links=[Link(first.get_span_context())]).end()
        links = {"sets": [{"trace_id": str(base + 5), "parents": [str(base)]}]}
        assert CLIENT.post(f"{server.url}/api/v1/links", json=links).status_code == 200
        assert post_run(server).status_code == 200
        before = rows(server)
        # What was refused is counted by the process that refused it, and by no later one.
        send_logs(server, own | {"parents": ["0"]})
        assert refused(server) == {"zero_parent": 1}
        server.kill()
    assert [len(each) for each in before] == [7, 3, 6, 2]
    assert {(each["far"], each["place"]) for each in before[3]} == {
        ("lake", "orders v7"),
        ("lake", "daily "),
    }
    # Whoever starts it again may be elsewhere: texts of times are not those of a place.
    elsewhere = {**os.environ, "TZ": "Asia/Kolkata"}
    with ServerProcess(tmp_path / "data", environ=elsewhere) as server:
        assert rows(server) == before
        assert refused(server) == {}
        assert (
            'clew_links_accepted_total{door="otlp"} 0' in CLIENT.get(f"{server.url}/metrics").text
        )


def test_a_context_that_is_none_is_no_input(server: ServerProcess, tracer: Tracer) -> None:
    before = refused(server).get("no_span", 0)
    with tracer.start_as_current_span("odd", links=[Link(trace.INVALID_SPAN_CONTEXT)]) as span:
        node = node_id(span.get_span_context())
    assert get(server, str(node))["edges"] == []
    # The SDK leaves such links out, unless they carry something.
    assert refused(server).get("no_span", 0) == before
