"""Stages in OpenTelemetry: link sets as log records, outputs as spans that are linked, and logs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry._logs import NoOpLoggerProvider
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from clew.lineage import LinkRing, TraceLinkPublisher
from clew.lineage.logs import ITEM_EVENT, SET_EVENT, LogLinkPublisher
from clew.lineage.publisher import Drop
from tests.emitted import Emitted
from tests.integration.otlp_sink import OtlpSink
from tests.patience import PATIENT

if TYPE_CHECKING:
    from collections.abc import Mapping

SECONDS_MAX = 150.0

IDS = st.integers(-1, 4) | st.integers(2**63 - 1, 2**64)


def test_a_set_is_a_record_with_decimal_texts() -> None:
    emitted = Emitted()
    publisher = LogLinkPublisher(stream_id=7, epoch=9, provider=emitted.provider)
    assert publisher.emit(11, 2**64 - 1, [10, 0, 20, 10])
    (record,) = emitted.records()
    assert record.event_name == SET_EVENT
    assert record.attributes == {
        "tracelink.trace_id": "18446744073709551615",
        "tracelink.stream_id": "7",
        "tracelink.epoch": "9",
        "tracelink.seq": "11",
        "tracelink.parents": ("10", "20"),
    }
    told = publisher.statistics()
    assert (told.accepted, told.untraced_parents, told.duplicate_parents) == (1, 1, 1)


def test_an_item_is_a_record_without_parents() -> None:
    emitted = Emitted()
    publisher = LogLinkPublisher(stream_id=7, provider=emitted.provider).open_stream(8, epoch=3)
    assert publisher.describe(1, 42, timestamp_ns=1_700_000_000_000_000_000)
    (record,) = emitted.records()
    assert (record.event_name, record.timestamp) == (ITEM_EVENT, 1_700_000_000_000_000_000)
    assert record.attributes == {
        "tracelink.trace_id": "42",
        "tracelink.stream_id": "8",
        "tracelink.epoch": "3",
        "tracelink.seq": "1",
    }


def test_nothing_is_said_when_closed_or_where_nobody_listens() -> None:
    emitted = Emitted()
    publisher = LogLinkPublisher(stream_id=7, provider=emitted.provider)
    stream = publisher.open_stream(8)
    publisher.close()
    assert not publisher.emit(1, 3, [1, 2])
    assert not stream.describe(1, 3)
    assert stream.statistics().dropped[Drop.CLOSED] == 1
    assert emitted.records() == []
    assert LogLinkPublisher(stream_id=7, provider=NoOpLoggerProvider()).emit(1, 3, [1, 2])


def test_what_are_no_numbers_is_dropped_and_raises_nothing() -> None:
    publisher = LogLinkPublisher(stream_id=7, provider=Emitted().provider)
    wrong: Any = object()
    assert not publisher.emit(wrong, 3, [1, 2])
    assert not publisher.emit(1, wrong, wrong)
    assert not publisher.describe(1, wrong)
    assert sum(publisher.statistics().dropped.values()) == 3


@given(seq=IDS, trace_id=IDS, parents=st.lists(IDS, max_size=6), epoch=st.none() | IDS)
def test_the_same_is_taken_and_counted_as_by_datagrams(
    seq: int, trace_id: int, parents: list[int], epoch: int | None
) -> None:
    emitted = Emitted()
    ring = TraceLinkPublisher(LinkRing(slots=2, max_parents=4), stream_id=7)
    logs = LogLinkPublisher(stream_id=7, max_parents=4, provider=emitted.provider)
    taken = ring.emit(seq, trace_id, parents, epoch=epoch)
    assert logs.emit(seq, trace_id, parents, epoch=epoch) is taken
    assert logs.describe(seq, trace_id, epoch=epoch) is ring.describe(seq, trace_id, epoch=epoch)
    assert logs.statistics().dropped == ring.statistics().dropped
    if taken:
        assert logs.statistics().duplicate_parents == ring.statistics().duplicate_parents
        assert logs.statistics().untraced_parents == ring.statistics().untraced_parents


PIPELINE = """
import json, logging, os
import clew
from clew import lineage

run = clew.init("pipeline")
tracing = lineage.enable_tracing(7, to="otlp", spans=True)

@lineage.stage
def camera():
    return "image"

@lineage.stage("fusion", stream_id=3)
def fuse(image, cloud):
    logging.getLogger("pipeline").warning("fusing")
    return image + cloud

@lineage.stage
def broken(scene):
    raise KeyError("its own")

@lineage.stage
def parts(values):
    for value in values:
        yield value

image, cloud = camera(), camera()
scene = fuse(image, cloud)
try:
    broken(scene)
except KeyError:
    logging.getLogger("pipeline").warning("outside")
list(parts(iter([image])))
ids = [each.trace_id for each in (image, cloud, scene)]
print(json.dumps([tracing.epoch, ids, tracing.statistics().failures]))
run.shutdown()
assert run.dropped == 0
"""


def run_pipeline(program: str, environ: Mapping[str, str]) -> Any:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "CLEW_"))}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        env=clean | dict(environ),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def attributes_of(record: Any) -> dict[str, Any]:
    return {each.key: each.value.string_value for each in record.attributes}


def item(trace_id: int, stream_id: str, epoch: int, seq: int) -> dict[str, str]:
    return {
        "tracelink.trace_id": str(trace_id),
        "tracelink.stream_id": stream_id,
        "tracelink.epoch": str(epoch),
        "tracelink.seq": str(seq),
    }


def test_a_pipeline_shows_in_spans_links_and_logs() -> None:
    with OtlpSink() as sink:
        epoch, (image, cloud, scene), failures = run_pipeline(
            PIPELINE, {"CLEW_SERVER": sink.url, **PATIENT}
        )
        records = sink.logs()
        spans = [
            span
            for path, body in sink.bodies
            if path == "/v1/traces"
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]
    assert failures == 0
    cameras = [span for span in spans if span.name == "camera"]
    assert [attributes_of(span)["tracelink.trace_id"] for span in cameras] == [
        str(image),
        str(cloud),
    ]
    (fusion,) = (span for span in spans if span.name == "fusion")
    told = attributes_of(fusion)
    assert told.pop("tracelink.stage") == "fusion"
    assert told == item(scene, "3", epoch, 1)
    # The links lead to the spans that made the inputs, and say which these are.
    assert [(link.trace_id, link.span_id) for link in fusion.links] == [
        (span.trace_id, span.span_id) for span in cameras
    ]
    assert [attributes_of(link)["tracelink.trace_id"] for link in fusion.links] == [
        str(image),
        str(cloud),
    ]
    (broken,) = (span for span in spans if span.name == "broken")
    assert "tracelink.trace_id" not in attributes_of(broken)
    assert broken.status.message == "KeyError: 'its own'"
    (first_part, _last) = (span for span in spans if span.name == "parts")
    assert [link.span_id for link in first_part.links] == [cameras[0].span_id]
    assert first_part.status.code == _last.status.code == 0

    (links,) = (record for record in records if record.event_name == SET_EVENT)
    (parents,) = (each.value for each in links.attributes if each.key == "tracelink.parents")
    assert [each.string_value for each in parents.array_value.values] == [str(image), str(cloud)]
    logged = {record.body.string_value: record for record in records}
    inside = attributes_of(logged["fusing"])
    assert {key: inside[key] for key in inside if key.startswith("tracelink.")} == item(
        scene, "3", epoch, 1
    )
    assert logged["fusing"].span_id == fusion.span_id
    assert not any(key.startswith("tracelink.") for key in attributes_of(logged["outside"]))


def test_the_pipeline_runs_as_well_where_telemetry_is_switched_off() -> None:
    _, ids, failures = run_pipeline(PIPELINE, {"OTEL_SDK_DISABLED": "true"})
    assert all(ids)
    assert failures == 0


UNSPEAKABLE = """
import json
import clew
from clew import lineage

run = clew.init("pipeline")
tracing = lineage.enable_tracing(7, to=lineage.LinkRing(), spans=True)

class Unspeakable(Exception):
    def __str__(self):
        raise RuntimeError("nothing may be said of it")

@lineage.stage
def fail():
    raise Unspeakable

try:
    fail()
except Unspeakable:
    print(json.dumps(tracing.statistics().failures))
"""


def test_an_error_that_cannot_be_told_of_is_raised_as_it_is() -> None:
    with OtlpSink() as sink:
        assert run_pipeline(UNSPEAKABLE, {"CLEW_SERVER": sink.url}) == 1
