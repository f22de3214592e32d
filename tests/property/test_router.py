"""Our own router sends each record to the shard that owns it, whole and once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from clew.base.sharding import Ring
from clew.testing.router import split_logs, split_metrics, split_spans

RING = Ring(["a:4317", "b:4317", "c:4317"])

# Few of each, so that resources and scopes meet again on the other side.
SERVICES = st.sampled_from(["", "cart", "pay", "ship"])
SCOPES = st.sampled_from(["", "http", "sql"])
TRACES = st.integers(0, 20).map(lambda number: number.to_bytes(16, "big") if number else b"")

SHAPES = st.lists(
    st.tuples(SERVICES, st.lists(st.tuples(SCOPES, st.lists(TRACES, max_size=5)), max_size=3)),
    max_size=4,
)
Shape = list[tuple[str, list[tuple[str, list[bytes]]]]]


def fill(request: Any, noun: str, records: str, shape: Shape) -> Any:
    """Return a request of a shape; every record has a number of its own as its name."""
    number = 0
    for service, scopes in shape:
        resource = getattr(request, f"resource_{noun}").add(schema_url=f"of {service}")
        if service:
            resource.resource.attributes.add(key="service.name").value.string_value = service
        for name, traces in scopes:
            scope = getattr(resource, f"scope_{noun}").add(schema_url=f"of {name}")
            scope.scope.name = name
            for trace in traces:
                number += 1
                record = getattr(scope, records).add()
                if records == "log_records":
                    record.body.int_value = number
                else:
                    record.name = str(number)
                if records != "metrics":
                    record.trace_id = trace
    return request


def told(request: Any, noun: str, records: str) -> Iterator[tuple[bytes, ...]]:
    """Yield each record with all that is around it."""
    for resource in getattr(request, f"resource_{noun}"):
        for scope in getattr(resource, f"scope_{noun}"):
            for record in getattr(scope, records):
                around = (resource.resource, scope.scope, record)
                urls = (resource.schema_url.encode(), scope.schema_url.encode())
                yield (*(each.SerializeToString() for each in around), *urls)


def check(request: Any, parts: Any, noun: str, records: str) -> None:
    together: Counter[Any] = Counter()
    for part in parts.values():
        together.update(told(part, noun, records))
    assert together == Counter(told(request, noun, records))


@given(SHAPES)
def test_spans_go_to_the_owner_of_their_trace(shape: Shape) -> None:
    request = fill(ExportTraceServiceRequest(), "spans", "spans", shape)
    parts: Any = split_spans(request, RING)
    check(request, parts, "spans", "spans")
    for name, part in parts.items():
        for resource in part.resource_spans:
            for scope in resource.scope_spans:
                assert {RING.owner_of(span.trace_id) for span in scope.spans} == {name}


@given(SHAPES)
def test_log_records_go_with_their_trace_or_else_with_their_service(shape: Shape) -> None:
    request = fill(ExportLogsServiceRequest(), "logs", "log_records", shape)
    parts: Any = split_logs(request, RING)
    check(request, parts, "logs", "log_records")
    for name, part in parts.items():
        for resource in part.resource_logs:
            service = "".join(each.value.string_value for each in resource.resource.attributes)
            for scope in resource.scope_logs:
                for record in scope.log_records:
                    assert RING.owner_of(record.trace_id or service.encode()) == name


@given(SHAPES)
def test_metrics_go_with_their_service(shape: Shape) -> None:
    request = fill(ExportMetricsServiceRequest(), "metrics", "metrics", shape)
    parts: Any = split_metrics(request, RING)
    check(request, parts, "metrics", "metrics")
    for name, part in parts.items():
        for resource in part.resource_metrics:
            service = "".join(each.value.string_value for each in resource.resource.attributes)
            assert RING.owner_of(service.encode()) == name
