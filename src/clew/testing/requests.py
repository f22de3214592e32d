"""OTLP requests for tests, made with the official message classes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SPAN_NS = 1_000_000


def spans_request(
    service: str,
    ids: Iterable[tuple[bytes, bytes]],
    *,
    operation: str = "work",
    start_ns: int | None = None,
    attributes: Mapping[str, str] | None = None,
) -> ExportTraceServiceRequest:
    """Return a request with one span of a millisecond for each (trace id, span id)."""
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add()
    _name_service(resource_spans.resource.attributes, service)
    scope_spans = resource_spans.scope_spans.add()
    start = time.time_ns() if start_ns is None else start_ns
    for trace_id, span_id in ids:
        span = scope_spans.spans.add(
            trace_id=trace_id,
            span_id=span_id,
            name=operation,
            start_time_unix_nano=start,
            end_time_unix_nano=start + SPAN_NS,
        )
        for key, value in (attributes or {}).items():
            span.attributes.add(key=key).value.string_value = value
    return request


def logs_request(
    service: str, bodies: Iterable[str], *, time_ns: int | None = None
) -> ExportLogsServiceRequest:
    """Return a request with one log record of severity INFO for each body."""
    request = ExportLogsServiceRequest()
    resource_logs = request.resource_logs.add()
    _name_service(resource_logs.resource.attributes, service)
    scope_logs = resource_logs.scope_logs.add()
    at = time.time_ns() if time_ns is None else time_ns
    for body in bodies:
        record = scope_logs.log_records.add(time_unix_nano=at, severity_number=9)
        record.body.string_value = body
    return request


def metrics_request(
    service: str, name: str, values: Iterable[float], *, time_ns: int | None = None
) -> ExportMetricsServiceRequest:
    """Return a request with one gauge that has a point for each value."""
    request = ExportMetricsServiceRequest()
    resource_metrics = request.resource_metrics.add()
    _name_service(resource_metrics.resource.attributes, service)
    metric = resource_metrics.scope_metrics.add().metrics.add(name=name, unit="1")
    at = time.time_ns() if time_ns is None else time_ns
    for value in values:
        metric.gauge.data_points.add(time_unix_nano=at, as_double=value)
    return request


def ids_of(number: int) -> tuple[bytes, bytes]:
    """Return a trace id and a span id that no other number above 0 has."""
    return number.to_bytes(16, "big"), number.to_bytes(8, "big")


def _name_service(attributes: object, service: str) -> None:
    attributes.add(key="service.name").value.string_value = service  # type: ignore[attr-defined]
