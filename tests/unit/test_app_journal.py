"""The journal as OTLP: what its bytes say to anybody's protobuf reader."""

from __future__ import annotations

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from clew.app.journal import SCOPE, encode_logs, encode_spans
from clew.base.version import own_version
from clew.tree.journal.records import JournalLog, JournalSpan, Subject, tell_entry
from clew.tree.registry.questions import OutboxEntry

ONE = Subject("1" * 36, "/" + "1" * 36 + "/", "wörker " * 100)
OTHER = Subject("2" * 36, "/" + "2" * 36 + "/", "")

VALUES: dict[str, str | int | bool] = {
    "flag": True,
    "no": False,
    "one": 1,
    "zero": 0,
    "below": -1,
    "of one byte": 127,
    "of two": 128,
    "of two, too": 1024,
    "of two at the most": (1 << 14) - 1,
    "of three": 1 << 14,
    "of three at the most": (1 << 21) - 1,
    "of four": 1 << 21,
    "large": (1 << 63) - 1,
    "small": -(1 << 63),
    "empty": "",
    "short": "Status",
    "long": "ä" * 5000,
}


SHARED = (("kind", "Status"), ("epoch", 1), ("others", 1 << 40))


def log(subject: Subject, at: int, **ids: bytes) -> JournalLog:
    return JournalLog(
        subject, at, "WARN", "trails.command", "said → done", VALUES, shared=SHARED, **ids
    )


def test_log_records_are_those_that_were_told() -> None:
    ids = {"trace_id": b"t" * 16, "span_id": b"s" * 8}
    logs = [log(ONE, 1), log(OTHER, 2), log(ONE, (1 << 63) - 1, **ids)]
    octets = encode_logs(logs)
    request = ExportLogsServiceRequest.FromString(octets)
    # As protobuf itself writes them, down to what is left out.
    assert request.SerializeToString() == octets
    first, second = request.resource_logs
    resource = {each.key: each.value.string_value for each in first.resource.attributes}
    assert resource == {
        "service.name": "trails",
        "trails.app.id": ONE.app_id,
        "trails.app.path": ONE.path,
        "trails.app.name": ONE.name,
    }
    (scope,) = first.scope_logs
    assert (scope.scope.name, scope.scope.version) == (SCOPE, own_version())
    early, late = scope.log_records
    assert (early.time_unix_nano, early.trace_id, early.span_id) == (1, b"", b"")
    assert (late.time_unix_nano, late.trace_id, late.span_id) == ((1 << 63) - 1, *ids.values())
    assert (late.severity_number, late.severity_text) == (13, "WARN")
    assert (late.event_name, late.body.string_value) == ("trails.command", "said → done")
    assert late.observed_time_unix_nano > 0
    told = {
        each.key: getattr(each.value, each.value.WhichOneof("value")) for each in late.attributes
    }
    expected = VALUES | dict(SHARED)
    assert [(type(told[key]), told[key]) for key in expected] == [
        (type(value), value) for value in expected.values()
    ]
    assert len(told) == len(expected)
    assert second.scope_logs[0].log_records[0].time_unix_nano == 2


def test_spans_are_those_that_were_told() -> None:
    ids = (b"t" * 16, b"s" * 8)
    spans = [
        JournalSpan(ONE, *ids, b"", "cancel", 1, 2, None, VALUES),
        JournalSpan(ONE, *ids, b"p" * 8, "command pause", 3, 4, "it would not", {}),
    ]
    octets = encode_spans(spans)
    request = ExportTraceServiceRequest.FromString(octets)
    assert request.SerializeToString() == octets
    root, below = request.resource_spans[0].scope_spans[0].spans
    assert (root.trace_id, root.span_id, root.parent_span_id) == (*ids, b"")
    assert (root.name, root.kind) == ("cancel", Span.SPAN_KIND_INTERNAL)
    assert (root.start_time_unix_nano, root.end_time_unix_nano) == (1, 2)
    assert not root.HasField("status")
    assert below.parent_span_id == b"p" * 8
    assert (below.status.code, below.status.message) == (Status.STATUS_CODE_ERROR, "it would not")


def test_a_message_is_told_with_all_that_its_document_says() -> None:
    document = (
        '{"app_name":"worker","msg_type":"Error","seq":7,"epoch":2,"source":"agent",'
        '"payload_bytes":17,"payload":{"at": [1.50, "ä b"]},"correlation_id":"c","is_late":true}'
    )
    entry = OutboxEntry(
        id=9, at=5, app_id=ONE.app_id, path=ONE.path, kind="message", document=document
    )
    told = tell_entry(entry, ONE)
    assert (told.at, told.severity, told.event_name) == (5, "ERROR", "trails.message")
    assert told.body == 'Error {"at":[1.50,"ä b"]}'
    assert {**told.attributes, **dict(told.shared)} == {
        "trails.event.id": 9,
        "trails.msg_type": "Error",
        "trails.seq": 7,
        "trails.epoch": 2,
        "trails.source": "agent",
        "trails.payload_bytes": 17,
        "trails.correlation_id": "c",
        "trails.is_late": True,
    }
    assert len(told.trace_id) == 16


def test_a_message_too_long_for_the_outbox_is_told_by_its_size() -> None:
    document = (
        '{"app_name":"worker","msg_type":"Status","seq":1,"epoch":1,"source":"app",'
        '"payload_bytes":5000}'
    )
    entry = OutboxEntry(
        id=1, at=1, app_id=ONE.app_id, path=ONE.path, kind="message", document=document
    )
    assert tell_entry(entry, ONE).body == "Status 5000 bytes"
