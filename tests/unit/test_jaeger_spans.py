"""OTLP spans in Jaeger's JSON: what the one has and the other has no place for."""

from __future__ import annotations

import math
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as OtlpSpan
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from clew.surfaces.compat.jaeger import v1
from clew.surfaces.compat.jaeger.documents import KeyValue, Reference, Trace
from clew.surfaces.compat.jaeger.spans import TraceBuilder, split_traces
from clew.telemetry.query.traces.whole import TraceChunk
from tests.conformance.query_requests import NOW, entries, span, traces_request

TRACE = f"{1:032x}"


def build(*spans: OtlpSpan, service: str = "shop", **resource: Any) -> Trace:
    builder = TraceBuilder(TRACE)
    builder.add(traces_request(spans, service, resource).SerializeToString())
    return builder.finish()


def test_a_parent_that_is_linked_to_as_well_stands_once_and_is_what_the_link_says() -> None:
    links: list[dict[str, Any]] = [
        {"trace_id": (1).to_bytes(16, "big"), "span_id": (7).to_bytes(8, "big")},
        {
            "trace_id": (2).to_bytes(16, "big"),
            "span_id": (9).to_bytes(8, "big"),
            "attributes": entries({"opentracing.ref_type": "child_of"}),
        },
    ]
    (made,) = build(span(1, parent=7, links=links)).spans
    assert made.references == [
        Reference("FOLLOWS_FROM", TRACE, f"{7:016x}"),
        Reference("CHILD_OF", f"{2:032x}", f"{9:016x}"),
    ]


def test_a_parent_of_zeros_is_none() -> None:
    root = span(1)
    root.parent_span_id = bytes(8)
    assert build(root).spans[0].references == []


def test_values_that_json_has_not_are_texts_of_their_type() -> None:
    attributes = {
        "nan": math.nan,
        "inf": -math.inf,
        "least": -(2**63),
        "map": {"a": [1, {"b": b"\x01"}]},
        "none": None,
    }
    (made,) = build(span(1, attributes=attributes)).spans
    assert made.tags[2:] == [
        KeyValue("nan", "float64", "NaN"),
        KeyValue("inf", "float64", "-Infinity"),
        KeyValue("least", "int64", str(-(2**63))),
        KeyValue("map", "string", '{"a":[1,{"b":"AQ=="}]}'),
        KeyValue("none", "string", ""),
    ]


def test_what_was_lost_on_the_way_is_a_warning() -> None:
    lossy = span(1, dropped_attributes_count=3, dropped_links_count=1)
    backwards = span(2, at=NOW + 1)
    backwards.end_time_unix_nano = NOW
    first, second = build(lossy, backwards).spans
    assert first.warnings is not None
    assert [warning.split(" of ")[0] for warning in first.warnings] == ["3 attributes", "1 links"]
    assert second.warnings is not None
    assert (second.duration, len(second.warnings)) == (0, 1)


def test_an_event_that_has_an_attribute_event_keeps_it() -> None:
    events = [
        {"name": "log", "time_unix_nano": 5000, "attributes": entries({"event": "mine"})},
        {"name": "", "time_unix_nano": 1999},
    ]
    (made,) = build(span(1, events=events)).spans
    assert [log.fields for log in made.logs] == [[KeyValue("event", "string", "mine")], []]
    assert [log.timestamp for log in made.logs] == [5, 1]


def test_equal_resources_are_one_process_and_a_nameless_one_is_unknown() -> None:
    builder = TraceBuilder(TRACE)
    for number, service in enumerate(["shop", "shop", ""], start=1):
        request = traces_request([span(number, at=NOW - number)], service)
        builder.add(request.SerializeToString())
    trace = builder.finish()
    assert [each.process_id for each in trace.spans] == ["p2", "p1", "p1"]
    assert {key: each.service_name for key, each in trace.processes.items()} == {
        "p1": "shop",
        "p2": "unknown",
    }


def test_a_file_of_several_traces_is_split_by_trace() -> None:
    request = traces_request([span(1, trace=1), span(2, trace=2), span(3, trace=1)])
    parts = split_traces(TracesData.FromString(request.SerializeToString()))
    assert list(parts) == [f"{1:032x}", f"{2:032x}"]
    ((resource,), (other,)) = (part.resource_spans for part in parts.values())
    assert [each.span_id[-1] for each in resource.scope_spans[0].spans] == [1, 3]
    assert resource.resource == other.resource
    assert other.scope_spans[0].scope.name == "tests"


def _chunk(trace: int, *numbers: int) -> TraceChunk:
    request = traces_request([span(each, trace=trace) for each in numbers])
    return TraceChunk(f"{trace:032x}", len(numbers), request.SerializeToString())


@pytest.mark.parametrize(
    ("chunks", "sizes", "left_out"),
    [
        ([_chunk(1, 1, 2), _chunk(2, 1, 2), _chunk(3, 1)], [2, 2], "1 more"),
        ([_chunk(1, 1, 2, 3, 4), _chunk(2, 1), _chunk(3, 1)], [4], "2 more"),
        ([_chunk(1, 1, 2, 3), _chunk(1, 4, 5), _chunk(3, 1)], [3], "2 more"),
        ([_chunk(1, 1, 2, 3, 4, 5), _chunk(2, 1)], [5], "2 more"),
        ([_chunk(1, 1), _chunk(2, 1), _chunk(3, 1)], [1, 1, 1], None),
    ],
)
def test_an_answer_says_what_it_has_no_room_for(
    monkeypatch: pytest.MonkeyPatch,
    chunks: list[TraceChunk],
    sizes: list[int],
    left_out: str | None,
) -> None:
    monkeypatch.setattr(v1, "SPANS_MAX", 4)
    wanted = [f"{number:032x}" for number in (1, 2, 3)]
    traces, errors = v1._build(chunks, wanted)
    assert [len(trace.spans) for trace in traces] == sizes
    assert [error.msg.split(" traces")[0] for error in errors] == ([left_out] if left_out else [])
    is_cut = [chunk.trace_id for chunk in chunks].count(wanted[0]) > 1
    assert bool(traces[0].warnings) == is_cut
