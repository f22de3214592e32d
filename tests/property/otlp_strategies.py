"""Hypothesis strategies for OTLP requests, and one hand-built request that leaves no field out.

Requests hold what senders really get wrong beside what is right: zero and short ids, times that no
column can hold, unknown enumeration numbers, duplicate keys, values without a case, NaN. Some hold
what senders of a later version add: unknown fields in messages of every level.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from google.protobuf.message import Message
from hypothesis import strategies as st
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
from tests.property.otlp_maximal import maximal_requests

__all__ = ["OLDEST", "RECEIVED", "maximal_requests", "requests"]

SECOND: Final = 1_000_000_000
DAY: Final = 24 * 3600 * SECOND

RECEIVED: Final = 1_790_000_000 * SECOND
"""When every generated request was received, and the oldest time that is still taken."""
OLDEST: Final = RECEIVED - 7 * DAY

TRACE_ID: Final = bytes(range(1, 17))
SPAN_ID: Final = bytes(range(241, 249))


def _mostly(
    usual: st.SearchStrategy[Any], *unusual: st.SearchStrategy[Any], once_in: int = 10
) -> Any:
    """Draw something unusual about once in so many times."""
    # An end of the range would be drawn more often than its share.
    lot = once_in // 2
    return st.integers(0, once_in - 1).flatmap(
        lambda drawn: st.one_of(*unusual) if drawn == lot else usual
    )


def _some(elements: st.SearchStrategy[Any], most: int) -> Any:
    """Draw a list that is mostly not empty."""
    return _mostly(st.lists(elements, min_size=1, max_size=most), st.just([]), once_in=20)


def _build(message: type[Message], /, **fields: st.SearchStrategy[Any]) -> Any:
    """Build messages in which every field may be absent."""
    optional = st.fixed_dictionaries({}, optional=fields)
    return optional.map(lambda drawn: message(**drawn))


texts = st.one_of(
    st.sampled_from(["", "a", "GET /", "\x00\x1f\x7f", '"\\\n', "\u2028é", "😀", "\ufeff"]),
    st.text(max_size=4),
)
keys = st.one_of(st.sampled_from(["a", "b", "c", "service.name", "", '"\\\t', "é"]), texts)
doubles = st.one_of(
    st.sampled_from(
        [
            *(0.0, -0.0, 1.0, 0.1, 1e21, 1e20, 123e17, 1e-6, 1e-7, 1.5e-7, 5e-324, 2.0**53),
            *(float("nan"), float("inf"), float("-inf"), -1e16, 1.7976931348623157e308),
        ]
    ),
    st.floats(),
)
int64s = st.one_of(
    st.sampled_from([0, 1, -1, 2**53, 2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63)]),
    st.integers(-(2**63), 2**63 - 1),
)
uint32s = st.sampled_from([0, 1, 255, 256, 0x301, 2**31, 2**32 - 1])
uint64s = st.sampled_from([0, 1, 7, 2**53 + 1, 2**63, 2**64 - 1])
sint32s = st.sampled_from([0, 1, -1, 20, 2**31 - 1, -(2**31)])
raw_bytes = st.sampled_from([b"", b"\x00", b"\xff\xfe", b"clew", b"\xfb\xef\xbe"])

_scalars = st.one_of(
    texts.map(lambda v: AnyValue(string_value=v)),
    st.booleans().map(lambda v: AnyValue(bool_value=v)),
    int64s.map(lambda v: AnyValue(int_value=v)),
    doubles.map(lambda v: AnyValue(double_value=v)),
    raw_bytes.map(lambda v: AnyValue(bytes_value=v)),
    st.sampled_from([AnyValue(), AnyValue(string_value_strindex=3)]),
)


def _entry(values: st.SearchStrategy[AnyValue]) -> st.SearchStrategy[KeyValue]:
    return st.builds(
        lambda key, value: KeyValue(key=key, value=value), keys, _mostly(values, st.none())
    )


def array_of(*values: AnyValue) -> AnyValue:
    """Return an array value."""
    return AnyValue(array_value=ArrayValue(values=values))


def list_of(*entries: KeyValue) -> AnyValue:
    """Return a key-value list value."""
    return AnyValue(kvlist_value=KeyValueList(values=entries))


def nested_value(depth: int) -> AnyValue:
    """Return a value that goes exactly so deep, arrays and key-value lists taking turns."""
    value = AnyValue(int_value=depth)
    for level in range(depth - 1):
        value = array_of(value) if level % 2 else list_of(KeyValue(key="k", value=value))
    return value


def listed_value(depth: int) -> AnyValue:
    """Return a value that goes exactly so deep, all in key-value lists: three messages a level."""
    value = AnyValue(bytes_value=b"irreversible")
    for _ in range(depth - 1):
        value = list_of(KeyValue(key="k", value=value))
    return value


def wide_entries(count: int) -> list[KeyValue]:
    """Return an attribute list of so many entries."""
    return [KeyValue(key=str(n), value=AnyValue(bool_value=True)) for n in range(count)]


values = _mostly(
    st.recursive(
        _scalars,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3).map(lambda v: array_of(*v)),
            st.lists(_entry(inner), max_size=3).map(lambda v: list_of(*v)),
        ),
        max_leaves=5,
    ),
    st.sampled_from(
        [
            *(nested_value(23), nested_value(24), nested_value(25), nested_value(34)),
            *(listed_value(23), listed_value(24)),
        ]
    ),
    once_in=60,
)

_wide_lists = [
    wide_entries(1024),
    wide_entries(1025),
    [KeyValue(key="wide", value=list_of(*wide_entries(1025)))],
    [KeyValue(key="wide", value=array_of(*(AnyValue(int_value=n) for n in range(1025))))],
]
attribute_lists = _mostly(
    st.lists(_entry(values), max_size=4), st.sampled_from(_wide_lists), once_in=60
)

trace_ids = _mostly(
    st.just(TRACE_ID), st.sampled_from([b"", bytes(16), b"\x01" * 15, b"\x01" * 17])
)
span_ids = _mostly(st.just(SPAN_ID), st.sampled_from([b"", bytes(8), b"\x01" * 7]))
parent_ids = _mostly(
    st.sampled_from([b"", SPAN_ID, bytes(8)]), st.sampled_from([bytes(7), TRACE_ID])
)
any_ids = st.sampled_from([b"", b"\xab", bytes(8), SPAN_ID, bytes(16), TRACE_ID])
times = _mostly(
    st.integers(OLDEST, RECEIVED + DAY),
    st.sampled_from(
        [
            *(0, 1, OLDEST - 1, OLDEST, RECEIVED + DAY, RECEIVED + DAY + 1),
            *(2**63 - 1, 2**63, 2**64 - 1),
        ]
    ),
)
enums = _mostly(st.sampled_from([0, 1, 2]), st.sampled_from([5, 6, -1, 2**31 - 1, -(2**31)]))
schema_urls = st.sampled_from(["", "https://opentelemetry.io/schemas/1.30.0", "other"])

entity_refs = _build(
    EntityRef,
    schema_url=schema_urls,
    type=texts,
    id_keys=st.lists(keys, max_size=2),
    description_keys=st.lists(keys, max_size=2),
)
resources = _build(
    Resource,
    attributes=attribute_lists,
    dropped_attributes_count=uint32s,
    entity_refs=st.lists(entity_refs, max_size=2),
)
scopes = _build(
    InstrumentationScope,
    name=texts,
    version=texts,
    attributes=attribute_lists,
    dropped_attributes_count=uint32s,
)

_events = _build(
    Span.Event,
    time_unix_nano=times,
    name=texts,
    attributes=attribute_lists,
    dropped_attributes_count=uint32s,
)
_links = _build(
    Span.Link,
    trace_id=any_ids,
    span_id=any_ids,
    trace_state=texts,
    attributes=attribute_lists,
    dropped_attributes_count=uint32s,
    flags=uint32s,
)


def _record(required: dict[str, Any], optional: dict[str, Any], message: type[Message]) -> Any:
    """Build records that mostly have what keeps them from being refused."""
    drawn = st.fixed_dictionaries(required, optional=optional)
    return drawn.map(lambda fields: message(**fields))


spans = _record(
    {"trace_id": trace_ids, "span_id": span_ids, "start_time_unix_nano": times},
    {
        "trace_state": texts,
        "parent_span_id": parent_ids,
        "flags": uint32s,
        "name": texts,
        "kind": enums,
        "end_time_unix_nano": times,
        "attributes": attribute_lists,
        "dropped_attributes_count": uint32s,
        "events": st.lists(_events, max_size=2),
        "dropped_events_count": uint32s,
        "links": st.lists(_links, max_size=2),
        "dropped_links_count": uint32s,
        "status": _build(Status, message=texts, code=enums),
    },
    Span,
)

log_records = _record(
    {},
    {
        "time_unix_nano": times,
        "observed_time_unix_nano": times,
        "severity_number": st.sampled_from([0, 9, 24, 25, 255, 256, -1]),
        "severity_text": texts,
        "body": values,
        "attributes": attribute_lists,
        "dropped_attributes_count": uint32s,
        "flags": uint32s,
        "trace_id": trace_ids,
        "span_id": span_ids,
        "event_name": texts,
    },
    LogRecord,
)

_number: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.just({}),
    doubles.map(lambda v: {"as_double": v}),
    int64s.map(lambda v: {"as_int": v}),
)


def _numbered(message: type[Message], fields: dict[str, Any]) -> Any:
    optional = st.fixed_dictionaries({}, optional=fields)
    return st.builds(lambda drawn, number: message(**drawn, **number), optional, _number)


exemplars = _numbered(
    Exemplar,
    {
        "filtered_attributes": attribute_lists,
        "time_unix_nano": times,
        "span_id": any_ids,
        "trace_id": any_ids,
    },
)
_point_fields: dict[str, Any] = {
    "attributes": attribute_lists,
    "start_time_unix_nano": times,
    "flags": uint32s,
}
_exemplar_field: dict[str, Any] = {"exemplars": st.lists(exemplars, max_size=2)}
_time_field: dict[str, Any] = {"time_unix_nano": times}
_range_fields: dict[str, Any] = {"count": uint64s, "sum": doubles, "min": doubles, "max": doubles}

number_points = st.builds(
    lambda drawn, number: NumberDataPoint(**drawn, **number),
    st.fixed_dictionaries(_time_field, optional=_point_fields | _exemplar_field),
    _number,
)
histogram_points = _record(
    _time_field,
    {
        **(_point_fields | _exemplar_field | _range_fields),
        "bucket_counts": st.lists(uint64s, max_size=3),
        "explicit_bounds": st.lists(doubles, max_size=3),
    },
    HistogramDataPoint,
)
_buckets = _build(
    ExponentialHistogramDataPoint.Buckets,
    offset=sint32s,
    bucket_counts=st.lists(uint64s, max_size=3),
)
exponential_points = _record(
    _time_field,
    {
        **(_point_fields | _exemplar_field | _range_fields),
        "scale": sint32s,
        "zero_count": uint64s,
        "positive": _buckets,
        "negative": _buckets,
        "zero_threshold": doubles,
    },
    ExponentialHistogramDataPoint,
)
summary_points = _record(
    _time_field,
    {
        **_point_fields,
        "count": uint64s,
        "sum": doubles,
        "quantile_values": st.lists(
            _build(SummaryDataPoint.ValueAtQuantile, quantile=doubles, value=doubles), max_size=3
        ),
    },
    SummaryDataPoint,
)


def _data(message: type[Message], points: Any, **fields: Any) -> Any:
    return _record({"data_points": _some(points, 3)}, fields, message)


_metric_data = st.one_of(
    st.just({}),
    _data(Gauge, number_points).map(lambda v: {"gauge": v}),
    _data(Sum, number_points, aggregation_temporality=enums, is_monotonic=st.booleans()).map(
        lambda v: {"sum": v}
    ),
    _data(Histogram, histogram_points, aggregation_temporality=enums).map(
        lambda v: {"histogram": v}
    ),
    _data(ExponentialHistogram, exponential_points, aggregation_temporality=enums).map(
        lambda v: {"exponential_histogram": v}
    ),
    _data(Summary, summary_points).map(lambda v: {"summary": v}),
)
metrics = st.builds(
    lambda drawn, data: Metric(**drawn, **data),
    st.fixed_dictionaries(
        {},
        optional={
            "name": texts,
            "description": texts,
            "unit": texts,
            "metadata": attribute_lists,
        },
    ),
    _metric_data,
)


def _requests(
    levels: tuple[type[Message], type[Message], type[Message]],
    names: tuple[str, str, str],
    records: st.SearchStrategy[Any],
) -> Any:
    """Build requests of one signal from its three outer messages and their repeated fields."""
    request, by_resource, by_scope = levels
    resources_name, scopes_name, records_name = names
    scope_groups = _record(
        {records_name: _some(records, 3)}, {"scope": scopes, "schema_url": schema_urls}, by_scope
    )
    resource_groups = _record(
        {scopes_name: _some(scope_groups, 2)},
        {"resource": resources, "schema_url": schema_urls},
        by_resource,
    )
    return _record({resources_name: _some(resource_groups, 2)}, {}, request)


trace_requests = _requests(
    (ExportTraceServiceRequest, ResourceSpans, ScopeSpans),
    ("resource_spans", "scope_spans", "spans"),
    spans,
)
log_requests = _requests(
    (ExportLogsServiceRequest, ResourceLogs, ScopeLogs),
    ("resource_logs", "scope_logs", "log_records"),
    log_records,
)
metric_requests = _requests(
    (ExportMetricsServiceRequest, ResourceMetrics, ScopeMetrics),
    ("resource_metrics", "scope_metrics", "metrics"),
    metrics,
)

_known_requests: st.SearchStrategy[tuple[Signal, Any]] = st.one_of(
    trace_requests.map(lambda request: (Signal.TRACES, request)),
    log_requests.map(lambda request: (Signal.LOGS, request)),
    metric_requests.map(lambda request: (Signal.METRICS, request)),
)


def messages_below(message: Any) -> Iterator[Any]:
    """Yield a message and all messages in it."""
    yield message
    for field, value in message.ListFields():
        if field.message_type is not None:
            for child in value if field.is_repeated else [value]:
                yield from messages_below(child)


UNKNOWN_FIELDS: Final = (
    b"\xc0\x0c\x05",
    b"\xc1\x0c" + bytes(8),
    b"\xc2\x0c\x02\xff\xfe",
    b"\xc3\x0c\x08\x01\xc4\x0c",
    b"\xc5\x0c" + bytes(4),
)
"""Field 200 in each wire type: number, eight bytes, bytes that are no text, group, four bytes."""


def with_unknown_fields(request: Any, unknown: bytes, every: int) -> Any:
    """Return a request that has an unknown field in every so many of its messages, in order."""
    marked = type(request).FromString(request.SerializeToString())
    for message in list(messages_below(marked))[::every]:
        message.MergeFromString(unknown)
    return marked


_unknown_requests: st.SearchStrategy[tuple[Signal, Any]] = st.builds(
    lambda drawn, unknown, every: (drawn[0], with_unknown_fields(drawn[1], unknown, every)),
    _known_requests,
    st.sampled_from(UNKNOWN_FIELDS),
    st.integers(1, 4),
)

requests: st.SearchStrategy[tuple[Signal, Any]] = _mostly(
    _known_requests, _unknown_requests, once_in=3
)
"""A signal and an export request of it."""
