"""OTLP spans in Jaeger's JSON, as the OpenTelemetry specification maps the one to the other.

What Jaeger's model has no place for becomes tags (the kind, the status, the scope, the trace
state), a link is a reference, an event a log with its name in the field ``event``. What was lost on
the way here is a warning on the span.
"""

from __future__ import annotations

from base64 import b64encode
from math import isfinite
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.proto.trace.v1 import trace_pb2

from clew.base.times import NS_PER_US
from clew.surfaces.compat.jaeger.documents import KeyValue, Log, Process, Reference, Span, Trace
from clew.telemetry.otlp.limits import INTEGER_EXACT_MAX
from clew.telemetry.otlp.text import Reach, double_text, value_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from clew.surfaces.compat.jaeger.documents import RefType

_KINDS: Final[Mapping[int, str]] = {
    trace_pb2.Span.SPAN_KIND_INTERNAL: "internal",
    trace_pb2.Span.SPAN_KIND_SERVER: "server",
    trace_pb2.Span.SPAN_KIND_CLIENT: "client",
    trace_pb2.Span.SPAN_KIND_PRODUCER: "producer",
    trace_pb2.Span.SPAN_KIND_CONSUMER: "consumer",
}
_STATUSES: Final[Mapping[int, str]] = {
    trace_pb2.Status.STATUS_CODE_OK: "OK",
    trace_pb2.Status.STATUS_CODE_ERROR: "ERROR",
}
_SERVICE: Final = "service.name"
_NAMELESS: Final = "unknown"
"""The service of a resource that names none, as the rows have it."""

_REF_TYPE: Final = "opentracing.ref_type"
_EVENT: Final = "event"
_FLAGS_MASK: Final = 0xFF
"""The flags that W3C trace context defines; OTLP keeps more above them."""


def split_traces(data: trace_pb2.TracesData) -> dict[str, trace_pb2.TracesData]:
    """Return spans by the trace they are of, in lower-case hex, each under its resource and scope.

    Traces stand in the order of their first span.
    """
    traces: dict[str, Any] = {}
    for resource_spans in data.resource_spans:
        for scope_spans in resource_spans.scope_spans:
            scopes: dict[str, Any] = {}
            for span in scope_spans.spans:
                trace_id = span.trace_id.hex()
                if trace_id not in scopes:
                    trace = traces.setdefault(trace_id, trace_pb2.TracesData())
                    under = trace.resource_spans.add(resource=resource_spans.resource)
                    scopes[trace_id] = under.scope_spans.add(scope=scope_spans.scope)
                scopes[trace_id].spans.append(span)
    return traces


class TraceBuilder:
    """Puts chunks of one trace together."""

    def __init__(self, trace_id: str) -> None:
        self._trace_id = trace_id
        self._processes: dict[bytes, str] = {}
        self._spans: list[tuple[int, Span]] = []
        self.trace = Trace(trace_id=trace_id, spans=[], processes={})

    def add(self, body: bytes) -> None:
        """Add the spans of a serialised ``TracesData``."""
        for resource_spans in trace_pb2.TracesData.FromString(body).resource_spans:
            process_id = self._process_id(resource_spans.resource)
            for scope_spans in resource_spans.scope_spans:
                scope_tags = _scope_tags(scope_spans.scope)
                for span in scope_spans.spans:
                    made = self._span(span, scope_tags, process_id)
                    # Microseconds would put a parent and its child in an order by chance.
                    self._spans.append((span.start_time_unix_nano, made))

    def finish(self) -> Trace:
        """Return the trace, its spans by start."""
        self._spans.sort(key=lambda each: (each[0], each[1].span_id))
        self.trace.spans = [span for _, span in self._spans]
        return self.trace

    def _process_id(self, resource: Any) -> str:
        identity = resource.SerializeToString(deterministic=True)
        process_id = self._processes.get(identity)
        if process_id is None:
            process_id = f"p{len(self._processes) + 1}"
            self._processes[identity] = process_id
            self.trace.processes[process_id] = _process(resource)
        return process_id

    def _span(self, span: Any, scope_tags: list[KeyValue], process_id: str) -> Span:
        start, end = span.start_time_unix_nano, span.end_time_unix_nano
        return Span(
            trace_id=self._trace_id,
            span_id=span.span_id.hex(),
            flags=span.flags & _FLAGS_MASK,
            operation_name=span.name,
            references=_references(span, self._trace_id),
            start_time=start // NS_PER_US,
            duration=max(0, end - start) // NS_PER_US,
            tags=[*scope_tags, *_tags(span.attributes), *_field_tags(span)],
            logs=[_log(event) for event in span.events],
            process_id=process_id,
            warnings=_warnings(span) or None,
        )


def _process(resource: Any) -> Process:
    service = ""
    rest = []
    for attribute in resource.attributes:
        if attribute.key != _SERVICE:
            rest.append(attribute)
        elif not service:
            service = value_text(attribute.value, Reach())
    return Process(service or _NAMELESS, _tags(rest))


def _scope_tags(scope: Any) -> list[KeyValue]:
    named = (("otel.scope.name", scope.name), ("otel.scope.version", scope.version))
    return [KeyValue(key, "string", text) for key, text in named if text]


def _field_tags(span: Any) -> list[KeyValue]:
    """Return what Jaeger shows of a span's fields as tags."""
    tags = []
    if span.kind in _KINDS:
        tags.append(KeyValue("span.kind", "string", _KINDS[span.kind]))
    if span.status.code in _STATUSES:
        tags.append(KeyValue("otel.status_code", "string", _STATUSES[span.status.code]))
    if span.status.code == trace_pb2.Status.STATUS_CODE_ERROR:
        tags.append(KeyValue("error", "bool", True))
    if span.status.message:
        tags.append(KeyValue("otel.status_description", "string", span.status.message))
    if span.trace_state:
        tags.append(KeyValue("w3c.tracestate", "string", span.trace_state))
    return tags


def _tags(attributes: Iterable[Any]) -> list[KeyValue]:
    return [_tag(attribute.key, attribute.value) for attribute in attributes]


def _tag(key: str, value: Any) -> KeyValue:
    match value.WhichOneof("value"):
        case "string_value":
            return KeyValue(key, "string", value.string_value)
        case "bool_value":
            return KeyValue(key, "bool", value.bool_value)
        case "int_value":
            number = value.int_value
            is_exact = abs(number) <= INTEGER_EXACT_MAX
            return KeyValue(key, "int64", number if is_exact else str(number))
        case "double_value":
            double = value.double_value
            # JSON has no infinities, and no number that is none.
            return KeyValue(key, "float64", double if isfinite(double) else double_text(double))
        case "bytes_value":
            return KeyValue(key, "binary", b64encode(value.bytes_value).decode("ascii"))
        case _:
            return KeyValue(key, "string", value_text(value, Reach()))


def _references(span: Any, trace_id: str) -> list[Reference]:
    """Return the parent first, since readers look for it there; then the links."""
    parent_id = span.parent_span_id.hex() if any(span.parent_span_id) else ""
    parent_type: RefType = "CHILD_OF"
    links = []
    for link in span.links:
        link_type = _ref_type(link)
        linked = (link.trace_id.hex(), link.span_id.hex())
        if linked == (trace_id, parent_id):
            # It tells of the parent, which stands there once, what kind of parent it is.
            parent_type = link_type
        else:
            links.append(Reference(link_type, *linked))
    parent = [Reference(parent_type, trace_id, parent_id)] if parent_id else []
    return [*parent, *links]


def _ref_type(link: Any) -> RefType:
    """Return what a link says of itself, where it came from OpenTracing; a link follows."""
    for attribute in link.attributes:
        if attribute.key == _REF_TYPE:
            return "CHILD_OF" if attribute.value.string_value == "child_of" else "FOLLOWS_FROM"
    return "FOLLOWS_FROM"


def _log(event: Any) -> Log:
    fields = _tags(event.attributes)
    if event.name and all(field.key != _EVENT for field in fields):
        fields.insert(0, KeyValue(_EVENT, "string", event.name))
    return Log(event.time_unix_nano // NS_PER_US, fields)


def _warnings(span: Any) -> list[str]:
    warnings = [
        f"{count} {what} of this span were dropped before they came here"
        for count, what in (
            (span.dropped_attributes_count, "attributes"),
            (span.dropped_events_count, "events"),
            (span.dropped_links_count, "links"),
        )
        if count
    ]
    if span.end_time_unix_nano < span.start_time_unix_nano:
        warnings.append("this span ends before it starts, so it is shown without a duration")
    return warnings
