"""The tree's journal as telemetry: its records as OTLP, through the pipeline like anybody's."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, TypeVar

from clew.base.version import own_version
from clew.telemetry.otlp.signal import Signal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from clew.app.store import Store
    from clew.tree.journal.records import Attribute, JournalLog, JournalSpan, Subject

SERVICE: Final = "trails"
"""The service that the journal's records are of: what clew says of an app is never counted as the
app's own telemetry, and the app is named by `trails.app.id`."""

SCOPE: Final = "clew.tree"

_SEVERITIES: Final = {"INFO": 9, "WARN": 13, "ERROR": 17}
"""Severity numbers of OpenTelemetry."""

Record = TypeVar("Record", "JournalLog", "JournalSpan")


class TelemetryJournal:
    """Implements `clew.tree.journal.journal.JournalSink`."""

    def __init__(self, store: Store) -> None:
        self._pipeline = store.pipeline
        self._kinds = store.kinds

    async def write(self, logs: Sequence[JournalLog], spans: Sequence[JournalSpan]) -> None:
        """Take records; they are durable when this returns."""
        if logs:
            await self._pipeline.accept(self._kinds[Signal.LOGS], encode_logs(logs))
        if spans:
            await self._pipeline.accept(self._kinds[Signal.TRACES], encode_spans(spans))


def encode_logs(logs: Sequence[JournalLog]) -> bytes:
    """Return an OTLP request of log records."""
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

    observed = time.time_ns()
    request = ExportLogsServiceRequest()
    for subject, records in _by_subject(logs).items():
        resource = request.resource_logs.add()
        _describe(resource.resource, subject)
        scope = resource.scope_logs.add()
        scope.scope.name, scope.scope.version = SCOPE, own_version()
        for record in records:
            kept = scope.log_records.add(
                time_unix_nano=record.at,
                observed_time_unix_nano=observed,
                severity_number=_SEVERITIES[record.severity],
                severity_text=record.severity,
                event_name=record.event_name,
                trace_id=record.trace_id,
                span_id=record.span_id,
            )
            kept.body.string_value = record.body
            _add_attributes(kept.attributes, record.attributes)
    return bytes(request.SerializeToString())


def encode_spans(spans: Sequence[JournalSpan]) -> bytes:
    """Return an OTLP request of spans."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
    from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

    request = ExportTraceServiceRequest()
    for subject, records in _by_subject(spans).items():
        resource = request.resource_spans.add()
        _describe(resource.resource, subject)
        scope = resource.scope_spans.add()
        scope.scope.name, scope.scope.version = SCOPE, own_version()
        for record in records:
            kept = scope.spans.add(
                trace_id=record.trace_id,
                span_id=record.span_id,
                parent_span_id=record.parent_span_id,
                name=record.name,
                kind=Span.SPAN_KIND_INTERNAL,
                start_time_unix_nano=record.start,
                end_time_unix_nano=record.end,
            )
            if record.error is not None:
                kept.status.code = Status.STATUS_CODE_ERROR
                kept.status.message = record.error
            _add_attributes(kept.attributes, record.attributes)
    return bytes(request.SerializeToString())


def _by_subject(records: Sequence[Record]) -> dict[Subject, list[Record]]:
    grouped: dict[Subject, list[Record]] = {}
    for record in records:
        grouped.setdefault(record.subject, []).append(record)
    return grouped


def _describe(resource: Any, subject: Subject) -> None:
    _add_attributes(
        resource.attributes,
        {
            "service.name": SERVICE,
            "trails.app.id": subject.app_id,
            "trails.app.path": subject.path,
            "trails.app.name": subject.name,
        },
    )


def _add_attributes(attributes: Any, given: Mapping[str, Attribute]) -> None:
    for key, value in given.items():
        kept = attributes.add(key=key).value
        # A flag is an integer to Python, so it is asked for first.
        if isinstance(value, bool):
            kept.bool_value = value
        elif isinstance(value, int):
            kept.int_value = value
        else:
            kept.string_value = value
