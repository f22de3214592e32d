"""One hand-built request a signal in which every field of OTLP occurs with a value of its own.

Nothing in them is refused, so they must come back whole from any way through clew.
"""

from __future__ import annotations

from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import (
    AnyValue,
    ArrayValue,
    EntityRef,
    InstrumentationScope,
    KeyValue,
    KeyValueList,
)
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    Exemplar,
    ExponentialHistogram,
    ExponentialHistogramDataPoint,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
    Summary,
    SummaryDataPoint,
)
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from clew.telemetry.otlp.signal import Signal

TRACE_ID = bytes.fromhex("5b8efff798038103d269b633813fc60c")
SPAN_ID = bytes.fromhex("eee19b7ec3c1b174")
OTHER_SPAN_ID = bytes.fromhex("eee19b7ec3c1b173")


def maximal_requests(at: int) -> dict[Signal, Any]:
    """Return a request a signal; all their times lie within a second after `at` (Unix ns)."""
    return {
        Signal.TRACES: ExportTraceServiceRequest(
            resource_spans=[
                ResourceSpans(
                    resource=_resource(),
                    schema_url="https://schemas/resource",
                    scope_spans=[
                        ScopeSpans(
                            scope=_scope(), schema_url="https://schemas/scope", spans=_spans(at)
                        )
                    ],
                )
            ]
        ),
        Signal.LOGS: ExportLogsServiceRequest(
            resource_logs=[
                ResourceLogs(
                    resource=_resource(),
                    schema_url="https://schemas/resource",
                    scope_logs=[
                        ScopeLogs(
                            scope=_scope(),
                            schema_url="https://schemas/scope",
                            log_records=_log_records(at),
                        )
                    ],
                )
            ]
        ),
        Signal.METRICS: ExportMetricsServiceRequest(
            resource_metrics=[
                ResourceMetrics(
                    resource=_resource(),
                    schema_url="https://schemas/resource",
                    scope_metrics=[
                        ScopeMetrics(
                            scope=_scope(),
                            schema_url="https://schemas/scope",
                            metrics=_metrics(at),
                        )
                    ],
                )
            ]
        ),
    }


def _attributes(where: str) -> list[KeyValue]:
    """Return attributes of every type, with unique keys and only reversible nested values."""
    nested = ArrayValue(
        values=[
            AnyValue(string_value=f"{where} élan\n"),
            AnyValue(int_value=2**53 + 1),
            AnyValue(double_value=1.0),
            AnyValue(array_value=ArrayValue()),
            AnyValue(),
        ]
    )
    members = KeyValueList(values=[KeyValue(key="member", value=AnyValue(bool_value=True))])
    return [
        KeyValue(key="where", value=AnyValue(string_value=where)),
        KeyValue(key="integer", value=AnyValue(int_value=-(2**63))),
        KeyValue(key="double", value=AnyValue(double_value=-0.0)),
        KeyValue(key="boolean", value=AnyValue(bool_value=False)),
        KeyValue(key="bytes", value=AnyValue(bytes_value=b"\x00\xff")),
        KeyValue(key="array", value=AnyValue(array_value=nested)),
        KeyValue(key="list", value=AnyValue(kvlist_value=members)),
        KeyValue(key="empty value", value=AnyValue()),
        KeyValue(key="no value"),
    ]


def _irreversible(where: str) -> AnyValue:
    """Return a nested value that JSON alone would not bring back."""
    return AnyValue(
        kvlist_value=KeyValueList(
            values=[
                KeyValue(key="twice", value=AnyValue(bytes_value=where.encode())),
                KeyValue(key="twice", value=AnyValue(double_value=float("inf"))),
                KeyValue(key="no value"),
            ]
        )
    )


def _resource() -> Resource:
    return Resource(
        attributes=[
            KeyValue(key="service.name", value=AnyValue(string_value="maximal")),
            *_attributes("resource"),
        ],
        dropped_attributes_count=1,
        entity_refs=[
            EntityRef(
                schema_url="https://schemas/entity",
                type="service",
                id_keys=["service.name", "where"],
                description_keys=["integer"],
            ),
            EntityRef(type="host"),
        ],
    )


def _scope() -> InstrumentationScope:
    return InstrumentationScope(
        name="scope", version="1.2.3", attributes=_attributes("scope"), dropped_attributes_count=2
    )


def _spans(at: int) -> list[Span]:
    full = Span(
        trace_id=TRACE_ID,
        span_id=SPAN_ID,
        trace_state="vendor=1",
        parent_span_id=OTHER_SPAN_ID,
        flags=0x301,
        name="GET /",
        kind=Span.SPAN_KIND_SERVER,
        start_time_unix_nano=at + 1,
        end_time_unix_nano=at + 100,
        attributes=_attributes("span"),
        dropped_attributes_count=3,
        events=[
            Span.Event(
                time_unix_nano=at + 2,
                name="event",
                attributes=_attributes("event"),
                dropped_attributes_count=4,
            ),
            Span.Event(
                time_unix_nano=at + 3, attributes=[KeyValue(key="a", value=_irreversible("event"))]
            ),
        ],
        dropped_events_count=5,
        links=[
            Span.Link(
                trace_id=TRACE_ID[::-1],
                span_id=OTHER_SPAN_ID,
                trace_state="vendor=2",
                attributes=_attributes("link"),
                dropped_attributes_count=6,
                flags=0x201,
            ),
            Span.Link(attributes=[KeyValue(key="a"), KeyValue(key="a")]),
        ],
        dropped_links_count=7,
        status=Status(message="broken", code=Status.STATUS_CODE_ERROR),
    )
    odd = Span(
        trace_id=TRACE_ID,
        span_id=OTHER_SPAN_ID,
        parent_span_id=bytes(8),
        kind=77,  # type: ignore[arg-type]  # a kind that a later version may add
        start_time_unix_nano=at + 50,
        end_time_unix_nano=at + 49,
        status=Status(code=9),  # type: ignore[arg-type]
    )
    return [full, odd]


def _log_records(at: int) -> list[LogRecord]:
    full = LogRecord(
        time_unix_nano=at + 1,
        observed_time_unix_nano=at + 2,
        severity_number=17,  # type: ignore[arg-type]
        severity_text="ERROR",
        body=AnyValue(string_value="it broke"),
        attributes=_attributes("log"),
        dropped_attributes_count=3,
        flags=0x1FF,
        trace_id=TRACE_ID,
        span_id=SPAN_ID,
        event_name="failure",
    )
    bodies = [
        AnyValue(bool_value=True),
        AnyValue(int_value=2**63 - 1),
        AnyValue(double_value=0.1),
        AnyValue(bytes_value=b"body"),
        AnyValue(array_value=ArrayValue(values=[AnyValue(string_value="x")])),
        AnyValue(kvlist_value=KeyValueList()),
        AnyValue(),
        _irreversible("body"),
    ]
    observed = [LogRecord(observed_time_unix_nano=at + 3, body=body) for body in bodies]
    zero_ids = LogRecord(
        time_unix_nano=at + 4,
        trace_id=bytes(16),
        span_id=bytes(8),
        severity_number=-1,  # type: ignore[arg-type]
    )
    return [full, *observed, zero_ids]


def _exemplars(at: int) -> list[Exemplar]:
    return [
        Exemplar(
            filtered_attributes=_attributes("exemplar"),
            time_unix_nano=at + 5,
            as_double=0.25,
            span_id=SPAN_ID,
            trace_id=TRACE_ID,
        ),
        Exemplar(time_unix_nano=at + 6, as_int=2**53 + 1),
        Exemplar(),
    ]


def _metric(name: str, **data: Any) -> Metric:
    metadata = [*_attributes(name), KeyValue(key="twice"), KeyValue(key="twice")]
    return Metric(name=name, description=f"a {name}", unit="By", metadata=metadata, **data)


def _metrics(at: int) -> list[Metric]:
    point: dict[str, Any] = {
        "attributes": _attributes("point"),
        "start_time_unix_nano": at + 1,
        "time_unix_nano": at + 2,
        "flags": 1,
    }
    bare: dict[str, Any] = {"time_unix_nano": at + 3}
    exemplars = _exemplars(at)
    numbers = [
        NumberDataPoint(**point, as_double=1.5, exemplars=exemplars),
        NumberDataPoint(**point, as_int=-(2**63), exemplars=exemplars),
        NumberDataPoint(**bare, as_int=3),
        NumberDataPoint(**bare),
    ]
    histogram = HistogramDataPoint(
        **point,
        count=2**64 - 1,
        sum=-0.0,
        bucket_counts=[1, 2**53 + 1],
        explicit_bounds=[0.5],
        exemplars=exemplars,
        min=-1.0,
        max=2.5,
    )
    exponential = ExponentialHistogramDataPoint(
        **point,
        count=4,
        sum=7.5,
        scale=-2,
        zero_count=1,
        positive=ExponentialHistogramDataPoint.Buckets(offset=-3, bucket_counts=[1, 0, 2]),
        negative=ExponentialHistogramDataPoint.Buckets(offset=4, bucket_counts=[3]),
        exemplars=exemplars,
        min=-9.0,
        max=9.0,
        zero_threshold=0.001,
    )
    empty_buckets = ExponentialHistogramDataPoint(
        **bare, positive=ExponentialHistogramDataPoint.Buckets()
    )
    quantiles = [
        SummaryDataPoint.ValueAtQuantile(quantile=0.5, value=1.0),
        SummaryDataPoint.ValueAtQuantile(quantile=0.99, value=float("inf")),
    ]
    summary = SummaryDataPoint(**point, count=10, sum=20.5, quantile_values=quantiles)
    return [
        _metric("gauge", gauge=Gauge(data_points=numbers)),
        _metric("sum", sum=Sum(data_points=numbers, aggregation_temporality=2, is_monotonic=True)),  # type: ignore[arg-type]
        _metric(
            "histogram",
            histogram=Histogram(
                data_points=[histogram, HistogramDataPoint(**bare)],
                aggregation_temporality=1,  # type: ignore[arg-type]
            ),
        ),
        _metric(
            "exponential",
            exponential_histogram=ExponentialHistogram(
                data_points=[exponential, empty_buckets],
                aggregation_temporality=2,  # type: ignore[arg-type]
            ),
        ),
        _metric("summary", summary=Summary(data_points=[summary, SummaryDataPoint(**bare)])),
    ]
