"""Spans of one trace request as rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clew.telemetry.otlp.enumeration import (
    SPAN_ID_BYTES,
    SPAN_KINDS,
    STATUS_CODES,
    TRACE_ID_BYTES,
    ZERO_SPAN_ID,
    ZERO_TRACE_ID,
)
from clew.telemetry.otlp.limits import Reason
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
    position_members,
    read_attributes,
    write_residue,
)
from clew.telemetry.otlp.text import Reach, quote
from clew.telemetry.tables import TRACES

if TYPE_CHECKING:
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
    from opentelemetry.proto.trace.v1 import trace_pb2

    from clew.telemetry.otlp.reference.intake import Arrival, Intake, Resource, Scope
    from clew.telemetry.otlp.residue import AttributeList


def read_spans(request: trace_service_pb2.ExportTraceServiceRequest, intake: Intake) -> None:
    """Keep or refuse every span of a request, in arrival order."""
    for resource_spans in request.resource_spans:
        resource = read_resource(resource_spans)
        for scope_spans in resource_spans.scope_spans:
            scope = read_scope(scope_spans)
            shared = _shared_members(resource, scope)
            repeated = repeated_size(resource, scope, shared)
            intake.weigh_scope(repeated)
            intake.weigh_rows(len(scope_spans.spans), repeated)
            for span in scope_spans.spans:
                _read_span(span, resource, scope, shared, intake)


def _shared_members(resource: Resource, scope: Scope) -> list[str]:
    urls = {"resource_schema_url": resource.schema_url, "scope_schema_url": scope.schema_url}
    return [
        *resource.members,
        *loss_members(scope=scope.attributes.loss),
        *(member(key, quote(url)) for key, url in urls.items() if url),
        *number_members(scope_dropped=scope.dropped),
    ]


def _read_span(
    span: trace_pb2.Span, resource: Resource, scope: Scope, shared: list[str], intake: Intake
) -> None:
    intake.weigh_items(len(span.events) + len(span.links))
    reach = Reach()
    attributes = read_attributes(span.attributes, reach)
    events = [read_attributes(event.attributes, reach) for event in span.events]
    links = [read_attributes(link.attributes, reach) for link in span.links]
    reason = over_limit(resource.reach, scope.reach, reach) or _refusal(span, intake.arrival)
    if reason:
        intake.refuse(reason)
        return
    start, end = span.start_time_unix_nano, span.end_time_unix_nano
    parent = span.parent_span_id
    members = [
        *shared,
        *_span_members(span, attributes),
        *position_members("events", map(_event_members, span.events, events)),
        *position_members("links", map(_link_members, span.links, links)),
    ]
    intake.keep(
        TRACES,
        (
            start,
            span.trace_id.hex(),
            span.span_id.hex(),
            "" if parent == ZERO_SPAN_ID else parent.hex(),
            span.trace_state,
            span.name,
            _name_in(SPAN_KINDS, span.kind),
            resource.service_name,
            resource.attributes,
            scope.name,
            scope.version,
            scope.attributes,
            attributes,
            max(end - start, 0),
            _name_in(STATUS_CODES, span.status.code),
            span.status.message,
            [event.time_unix_nano for event in span.events],
            [event.name for event in span.events],
            events,
            [link.trace_id.hex() for link in span.links],
            [link.span_id.hex() for link in span.links],
            [link.trace_state for link in span.links],
            links,
            write_residue(members),
        ),
    )


def _refusal(span: trace_pb2.Span, arrival: Arrival) -> Reason | None:
    if len(span.trace_id) != TRACE_ID_BYTES or span.trace_id == ZERO_TRACE_ID:
        return Reason.TRACE_ID
    if len(span.span_id) != SPAN_ID_BYTES or span.span_id == ZERO_SPAN_ID:
        return Reason.SPAN_ID
    if len(span.parent_span_id) not in (0, SPAN_ID_BYTES):
        return Reason.PARENT_SPAN_ID
    event_times = [event.time_unix_nano for event in span.events]
    times = (span.start_time_unix_nano, span.end_time_unix_nano, *event_times)
    return None if arrival.admits(*times) else Reason.TIME


def _span_members(span: trace_pb2.Span, attributes: AttributeList) -> list[str]:
    members = loss_members(attributes=attributes.loss)
    members += number_members(
        dropped_attributes=span.dropped_attributes_count,
        dropped_events=span.dropped_events_count,
        dropped_links=span.dropped_links_count,
        flags=span.flags,
    )
    if span.parent_span_id == ZERO_SPAN_ID:
        members.append(member("parent", quote("zero")))
    if not 0 <= span.kind < len(SPAN_KINDS):
        members.append(member("kind", str(span.kind)))
    if not 0 <= span.status.code < len(STATUS_CODES):
        members.append(member("status", str(span.status.code)))
    if span.end_time_unix_nano < span.start_time_unix_nano:
        members.append(member("end", quote(str(span.end_time_unix_nano))))
    return members


def _event_members(event: trace_pb2.Span.Event, attributes: AttributeList) -> list[str]:
    return [
        *loss_members(attributes=attributes.loss),
        *number_members(dropped=event.dropped_attributes_count),
    ]


def _link_members(link: trace_pb2.Span.Link, attributes: AttributeList) -> list[str]:
    return [
        *loss_members(attributes=attributes.loss),
        *number_members(dropped=link.dropped_attributes_count, flags=link.flags),
    ]


def _name_in(names: tuple[str, ...], number: int) -> str:
    return names[number] if 0 <= number < len(names) else names[0]
