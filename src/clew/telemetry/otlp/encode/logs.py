"""Rows of the log table as OTLP logs."""

from __future__ import annotations

from base64 import b64decode
from typing import TYPE_CHECKING, Any

from opentelemetry.proto.collector.logs.v1 import logs_service_pb2

from clew.telemetry.otlp.encode.attributes import fill_attributes
from clew.telemetry.otlp.encode.columns import read_rows
from clew.telemetry.otlp.encode.grouping import Grouping, Origin
from clew.telemetry.otlp.enumeration import ZERO_SPAN_ID, ZERO_TRACE_ID
from clew.telemetry.otlp.residue import read_residue
from clew.telemetry.otlp.text import Letter, fill_value
from clew.telemetry.tables import LOGS

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa
    from opentelemetry.proto.common.v1 import common_pb2
    from opentelemetry.proto.logs.v1 import logs_pb2


def encode_logs(rows: pa.Table) -> logs_service_pb2.ExportLogsServiceRequest:
    """Return log rows as an export request.

    `rows` are rows of `LOGS` with all its columns (`Frame` may be absent), as the engine or a
    decoder gives them.

    Raises:
        ClewError: a column is missing.
    """
    request = logs_service_pb2.ExportLogsServiceRequest()
    grouping = Grouping(request.resource_logs, "scope_logs")
    for row in read_rows(LOGS, rows):
        residue = read_residue(row["Residue"])
        origin = Origin(
            row["ResourceAttributes"],
            row["ResourceSchemaUrl"],
            row["ScopeName"],
            row["ScopeVersion"],
            row["ScopeAttributes"],
            residue.get("scope_dropped", 0),
            row["ScopeSchemaUrl"],
            residue,
        )
        _fill_record(grouping.scope_of(origin).log_records.add(), row, residue)
    return request


def _fill_record(
    record: logs_pb2.LogRecord, row: Mapping[str, Any], residue: Mapping[str, Any]
) -> None:
    record.time_unix_nano = 0 if residue.get("time") else row["Timestamp"]
    record.observed_time_unix_nano = row["ObservedTimestamp"]
    record.severity_number = residue.get("severity", row["SeverityNumber"])
    record.severity_text = row["SeverityText"]
    if residue.get("body") != Letter.NO_VALUE:
        _fill_body(record.body, row["Body"], residue.get("body"))
    fill_attributes(record.attributes, row["LogAttributes"], residue.get("attributes"))
    record.dropped_attributes_count = residue.get("dropped_attributes", 0)
    record.flags = residue.get("flags", row["TraceFlags"])
    zero_trace = residue.get("trace_id") == "zero"
    record.trace_id = ZERO_TRACE_ID if zero_trace else bytes.fromhex(row["TraceId"])
    zero_span = residue.get("span_id") == "zero"
    record.span_id = ZERO_SPAN_ID if zero_span else bytes.fromhex(row["SpanId"])
    record.event_name = row["EventName"]


def _fill_body(body: common_pb2.AnyValue, text: str, loss: str | Mapping[str, str] | None) -> None:
    if loss is None or isinstance(loss, str):
        fill_value(body, loss, text)
    else:
        body.MergeFromString(b64decode(loss["raw"]))
