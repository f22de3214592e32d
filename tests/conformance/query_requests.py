"""OTLP requests as short as a test can say them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import (
    AnyValue,
    ArrayValue,
    InstrumentationScope,
    KeyValue,
    KeyValueList,
)
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span

if TYPE_CHECKING:
    from collections.abc import Iterable

SECOND: Final = 10**9
NOW: Final = 1_795_000_000 * SECOND
"""When every question of these tests is asked."""


def any_value(value: Any) -> AnyValue:
    """Return a Python value as OTLP has it."""
    match value:
        case None:
            return AnyValue()
        case bool():
            return AnyValue(bool_value=value)
        case int():
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)
        case bytes():
            return AnyValue(bytes_value=value)
        case list():
            return AnyValue(array_value=ArrayValue(values=map(any_value, value)))
        case dict():
            return AnyValue(kvlist_value=KeyValueList(values=entries(value)))
        case _:
            return AnyValue(string_value=value)


def entries(attributes: dict[str, Any]) -> list[KeyValue]:
    """Return attributes as OTLP has them."""
    return [KeyValue(key=key, value=any_value(value)) for key, value in attributes.items()]


def span(
    number: int,
    *,
    at: int = NOW,
    trace: int = 1,
    parent: int = 0,
    duration: int = 0,
    attributes: dict[str, Any] | None = None,
    **more: Any,
) -> Span:
    """Return a span whose ids are numbers; `parent` 0 is none."""
    return Span(
        trace_id=trace.to_bytes(16, "big"),
        span_id=number.to_bytes(8, "big"),
        parent_span_id=parent.to_bytes(8, "big") if parent else b"",
        start_time_unix_nano=at,
        end_time_unix_nano=at + duration,
        attributes=entries(attributes or {}),
        **{"name": "work", **more},
    )


def traces_request(
    spans: Iterable[Span], service: str = "shop", resource: dict[str, Any] | None = None
) -> ExportTraceServiceRequest:
    """Return a request of spans of one service."""
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    group.resource.attributes.extend(entries({"service.name": service, **(resource or {})}))
    scope = InstrumentationScope(name="tests", version="1", attributes=entries({"s": 1}))
    group.scope_spans.add(scope=scope, spans=spans)
    return request


def log(body: Any, *, at: int = NOW, attributes: dict[str, Any] | None = None, **more: Any) -> Any:
    """Return a log record."""
    return LogRecord(
        body=any_value(body),
        time_unix_nano=at,
        attributes=entries(attributes or {}),
        **more,
    )


def logs_request(records: Iterable[LogRecord], service: str = "shop") -> ExportLogsServiceRequest:
    """Return a request of log records of one service."""
    request = ExportLogsServiceRequest()
    group = request.resource_logs.add()
    group.resource.attributes.extend(entries({"service.name": service}))
    group.scope_logs.add(log_records=records)
    return request
