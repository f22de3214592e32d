"""Rows of the span table as OTLP traces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

from clew.telemetry.otlp.encode.attributes import fill_attributes
from clew.telemetry.otlp.encode.columns import read_rows
from clew.telemetry.otlp.encode.grouping import Grouping, Origin
from clew.telemetry.otlp.enumeration import SPAN_KINDS, STATUS_CODES, ZERO_SPAN_ID
from clew.telemetry.otlp.residue import read_residue
from clew.telemetry.tables import TRACES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pyarrow as pa


def encode_spans(rows: pa.Table) -> trace_service_pb2.ExportTraceServiceRequest:
    """Return span rows as an export request.

    `rows` are rows of `TRACES` with all its columns (`Frame` may be absent), as the engine or a
    decoder gives them.

    Raises:
        ClewError: a column is missing.
    """
    return encode_span_rows(read_rows(TRACES, rows))


def encode_span_rows(
    rows: Iterable[Mapping[str, Any]],
) -> trace_service_pb2.ExportTraceServiceRequest:
    """Return span rows that `read_rows` gave as an export request.

    Reading costs what all rows cost, however few of them are taken: who makes several requests of
    one table reads it once.
    """
    request = trace_service_pb2.ExportTraceServiceRequest()
    _fill(request.resource_spans, rows)
    return request


def encode_traces_data(rows: pa.Table) -> trace_pb2.TracesData:
    """Return span rows in the shape that files and the Jaeger query API use; see `encode_spans`."""
    traces = trace_pb2.TracesData()
    _fill(traces.resource_spans, read_rows(TRACES, rows))
    return traces


def _fill(resource_spans: Any, rows: Iterable[Mapping[str, Any]]) -> None:
    grouping = Grouping(resource_spans, "scope_spans")
    for row in rows:
        residue = read_residue(row["Residue"])
        origin = Origin(
            row["ResourceAttributes"],
            residue.get("resource_schema_url", ""),
            row["ScopeName"],
            row["ScopeVersion"],
            row["ScopeAttributes"],
            residue.get("scope_dropped", 0),
            residue.get("scope_schema_url", ""),
            residue,
        )
        _fill_span(grouping.scope_of(origin).spans.add(), row, residue)


def _fill_span(span: trace_pb2.Span, row: Mapping[str, Any], residue: Mapping[str, Any]) -> None:
    span.trace_id = bytes.fromhex(row["TraceId"])
    span.span_id = bytes.fromhex(row["SpanId"])
    span.trace_state = row["TraceState"]
    zero_parent = residue.get("parent") == "zero"
    span.parent_span_id = ZERO_SPAN_ID if zero_parent else bytes.fromhex(row["ParentSpanId"])
    span.flags = residue.get("flags", 0)
    span.name = row["SpanName"]
    span.kind = residue.get("kind", SPAN_KINDS.index(row["SpanKind"]))
    span.start_time_unix_nano = row["Timestamp"]
    span.end_time_unix_nano = int(residue.get("end", row["Timestamp"] + row["Duration"]))
    fill_attributes(span.attributes, row["SpanAttributes"], residue.get("attributes"))
    span.dropped_attributes_count = residue.get("dropped_attributes", 0)
    _fill_events(span, row, residue.get("events", {}))
    span.dropped_events_count = residue.get("dropped_events", 0)
    _fill_links(span, row, residue.get("links", {}))
    span.dropped_links_count = residue.get("dropped_links", 0)
    span.status.message = row["StatusMessage"]
    span.status.code = residue.get("status", STATUS_CODES.index(row["StatusCode"]))


def _fill_events(span: trace_pb2.Span, row: Mapping[str, Any], losses: Mapping[str, Any]) -> None:
    columns = (row["Events.Timestamp"], row["Events.Name"], row["Events.Attributes"])
    for position, (time, name, attributes) in enumerate(zip(*columns, strict=True)):
        loss = losses.get(str(position), {})
        event = span.events.add(time_unix_nano=time, name=name)
        fill_attributes(event.attributes, attributes, loss.get("attributes"))
        event.dropped_attributes_count = loss.get("dropped", 0)


def _fill_links(span: trace_pb2.Span, row: Mapping[str, Any], losses: Mapping[str, Any]) -> None:
    columns = (
        row["Links.TraceId"],
        row["Links.SpanId"],
        row["Links.TraceState"],
        row["Links.Attributes"],
    )
    for position, (trace_id, span_id, state, attributes) in enumerate(zip(*columns, strict=True)):
        loss = losses.get(str(position), {})
        link = span.links.add(
            trace_id=bytes.fromhex(trace_id), span_id=bytes.fromhex(span_id), trace_state=state
        )
        fill_attributes(link.attributes, attributes, loss.get("attributes"))
        link.dropped_attributes_count = loss.get("dropped", 0)
        link.flags = loss.get("flags", 0)
