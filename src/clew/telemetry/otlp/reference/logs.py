"""Log records of one request as rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clew.telemetry.otlp.enumeration import (
    SPAN_ID_BYTES,
    TRACE_ID_BYTES,
    ZERO_SPAN_ID,
    ZERO_TRACE_ID,
)
from clew.telemetry.otlp.limits import Reason
from clew.telemetry.otlp.messages import serialize_known
from clew.telemetry.otlp.reference.intake import (
    over_limit,
    read_resource,
    read_scope,
    repeated_size,
)
from clew.telemetry.otlp.residue import (
    loss_members,
    member,
    number_members,
    read_attributes,
    write_object,
    write_residue,
)
from clew.telemetry.otlp.text import LETTERS, Letter, Reach, base64_text, quote, value_text
from clew.telemetry.tables import LOGS

if TYPE_CHECKING:
    from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
    from opentelemetry.proto.logs.v1 import logs_pb2

    from clew.telemetry.otlp.reference.intake import Arrival, Intake, Resource, Scope
    from clew.telemetry.otlp.residue import AttributeList

# Both columns are one byte wide.
SEVERITY_MAX: Final = 255
TRACE_FLAGS_MASK: Final = 0xFF


def read_logs(request: logs_service_pb2.ExportLogsServiceRequest, intake: Intake) -> None:
    """Keep or refuse every log record of a request, in arrival order."""
    for resource_logs in request.resource_logs:
        resource = read_resource(resource_logs)
        for scope_logs in resource_logs.scope_logs:
            scope = read_scope(scope_logs)
            shared = [
                *resource.members,
                *loss_members(scope=scope.attributes.loss),
                *number_members(scope_dropped=scope.dropped),
            ]
            repeated = repeated_size(resource, scope, shared)
            intake.weigh_scope(repeated)
            intake.weigh_rows(len(scope_logs.log_records), repeated)
            for record in scope_logs.log_records:
                _read_record(record, resource, scope, shared, intake)


def _read_record(
    record: logs_pb2.LogRecord, resource: Resource, scope: Scope, shared: list[str], intake: Intake
) -> None:
    reach, body_reach = Reach(), Reach()
    attributes = read_attributes(record.attributes, reach)
    body = value_text(record.body, body_reach)
    time = record.time_unix_nano or record.observed_time_unix_nano or intake.arrival.received
    reason = over_limit(resource.reach, scope.reach, reach, body_reach) or _refusal(
        record, time, intake.arrival
    )
    if reason:
        intake.refuse(reason)
        return
    members = [
        *shared,
        *_record_members(record, attributes),
        *_body_members(record, reversible=body_reach.reversible),
    ]
    intake.keep(
        LOGS,
        (
            time,
            record.observed_time_unix_nano,
            "" if record.trace_id == ZERO_TRACE_ID else record.trace_id.hex(),
            "" if record.span_id == ZERO_SPAN_ID else record.span_id.hex(),
            record.flags & TRACE_FLAGS_MASK,
            record.severity_text,
            record.severity_number if 0 <= record.severity_number <= SEVERITY_MAX else 0,
            resource.service_name,
            body,
            resource.schema_url,
            resource.attributes,
            scope.schema_url,
            scope.name,
            scope.version,
            scope.attributes,
            attributes,
            record.event_name,
            write_residue(members),
        ),
    )


def _refusal(record: logs_pb2.LogRecord, time: int, arrival: Arrival) -> Reason | None:
    if len(record.trace_id) not in (0, TRACE_ID_BYTES):
        return Reason.TRACE_ID
    if len(record.span_id) not in (0, SPAN_ID_BYTES):
        return Reason.SPAN_ID
    return None if arrival.admits(time, record.observed_time_unix_nano) else Reason.TIME


def _record_members(record: logs_pb2.LogRecord, attributes: AttributeList) -> list[str]:
    members = loss_members(attributes=attributes.loss)
    members += number_members(dropped_attributes=record.dropped_attributes_count)
    if record.flags > TRACE_FLAGS_MASK:
        members.append(member("flags", str(record.flags)))
    if not 0 <= record.severity_number <= SEVERITY_MAX:
        members.append(member("severity", str(record.severity_number)))
    if not record.time_unix_nano:
        members.append(member("time", "true"))
    if record.trace_id == ZERO_TRACE_ID:
        members.append(member("trace_id", quote("zero")))
    if record.span_id == ZERO_SPAN_ID:
        members.append(member("span_id", quote("zero")))
    return members


def _body_members(record: logs_pb2.LogRecord, *, reversible: bool) -> list[str]:
    case = record.body.WhichOneof("value")
    if case == "string_value":
        return []
    if not record.HasField("body"):
        return [member("body", quote(Letter.NO_VALUE))]
    if reversible:
        return [member("body", quote(LETTERS[case]))]
    raw = quote(base64_text(serialize_known(record.body)))
    return [member("body", write_object([member("raw", raw)]))]
