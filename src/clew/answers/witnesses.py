"""Who spoke of trace ids: the spans and logs that carry them, their apps, the objects they touched.

This is how lineage, which knows ids alone, comes to telemetry, tree and twin.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, Protocol

from clew.base.times import NS_PER_MS, format_time
from clew.lineage import documents as doc
from clew.lineage.contract import Place, Seen, Witnessed
from clew.lineage.naming import SpanName
from clew.lineage.numbers import U32_MAX, U64_MAX

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from clew.answers.contract import AppSource, KnownApp
    from clew.telemetry.query.tagged import TaggedLog, TaggedSpan

TRACE_ID: Final = "tracelink.trace_id"
"""The attribute of spans and logs that have to do with an item: its trace id, as decimal text."""

STREAM_ID: Final = "tracelink.stream_id"
EPOCH: Final = "tracelink.epoch"
SEQ: Final = "tracelink.seq"

ITEM: Final = (STREAM_ID, EPOCH, SEQ)
"""The attributes of spans and logs that say which item that is."""

OBJECT: Final = ("trilog.obj.type", "trilog.obj.id")
"""The attributes of logs that are events of an object."""

FIELDS: Final = (*ITEM, *OBJECT)
"""What is told with each span and log, in this order."""

STAGES_MAX: Final = 10
"""Of one node: an id may be that of every item of a chain."""

LOGS_MAX: Final = 100
"""Of one node: those that tell of objects may stand behind others."""

OBJECTS_MAX: Final = 10

_APP_ID_CHARS: Final = 36


class RecordSource(Protocol):
    """Finds spans and logs that have a trace id, with the values of `FIELDS`. From any thread."""

    def find_spans(self, values: Collection[str], limit: int) -> list[TaggedSpan]:
        """Return the spans that have any of some ids, at most `limit` of each, by start."""
        ...

    def find_spans_with(self, attributes: Mapping[str, str], limit: int) -> list[TaggedSpan]:
        """Return the spans that have an id and all of some attributes, at most `limit`."""
        ...

    def find_named(self, names: Collection[tuple[str, str]]) -> list[TaggedSpan]:
        """Return the spans with some trace and span ids, whatever they carry."""
        ...

    def find_logs(self, values: Collection[str], limit: int) -> list[TaggedLog]:
        """Return the first logs about an item that have any of some ids, at most `limit` of each.

        Each knows how many have its id.
        """
        ...

    def find_logs_with(self, attributes: Mapping[str, str], limit: int) -> list[TaggedLog]:
        """Return the first logs about an item that have an id and all of some attributes."""
        ...


class SpanObjectSource(Protocol):
    """Knows which objects spans spoke of. Blocks; from any thread."""

    def find_in_spans(
        self, spans: Collection[tuple[str, str]]
    ) -> Mapping[tuple[str, str], Sequence[tuple[str, str]]]:
        """Return the objects, by type and id, that events in some spans are about."""
        ...


class StrandWitnesses:
    """Implements `clew.lineage.contract.Witnesses` over the other strands."""

    def __init__(self, records: RecordSource, apps: AppSource, objects: SpanObjectSource) -> None:
        self._records = records
        self._apps = apps
        self._objects = objects

    def find_witnesses(
        self, trace_ids: Collection[int], spans: Mapping[int, SpanName] | None = None
    ) -> Mapping[int, Witnessed]:
        """Return what is known of those of these ids of which anything is."""
        values = [str(each) for each in trace_ids]
        found: dict[int, Witnessed] = {}
        if tagged := [*self._records.find_spans(values, STAGES_MAX), *self._find_made(spans or {})]:
            self._add_spans(found, tagged)
        for trace_id, span in (spans or {}).items():
            found.setdefault(trace_id, Witnessed()).span = span
        for log in self._records.find_logs(values, LOGS_MAX):
            node = found.setdefault(int(log.value), Witnessed())
            node.log_count = log.total
            if place := read_place(log.fields):
                node.records.setdefault(place, _log_record(log))
            _add_object(node, *log.fields[len(ITEM) :])
        return found

    def find_carried(self, span: SpanName) -> int | None:
        """Return the trace id that a span carries, None where it carries none or is not here."""
        carried = (read_number(each.value) for each in self._records.find_named([span]))
        return next((each for each in carried if each), None)

    def _find_made(self, spans: Mapping[int, SpanName]) -> list[TaggedSpan]:
        """Return spans that ids were made of, each with its id as if it carried it."""
        ids = {span: str(trace_id) for trace_id, span in spans.items()}
        found = self._records.find_named(ids) if ids else ()
        return [replace(each, value=ids[SpanName(each.trace_id, each.span_id)]) for each in found]

    def find_seen(self, stream_id: int, epoch: int | None, seq: int, limit: int) -> list[Seen]:
        """Return items with a number in a stream that spans and logs say are there."""
        asked = {STREAM_ID: str(stream_id), SEQ: str(seq)}
        if epoch is not None:
            asked[EPOCH] = str(epoch)
        spans = self._records.find_spans_with(asked, limit)
        logs = self._records.find_logs_with(asked, limit)
        seen = [
            (span.value, span.fields, span.start + span.duration, _span_record(span))
            for span in spans
        ]
        seen += [(log.value, log.fields, log.at, _log_record(log)) for log in logs]
        return [
            Seen(trace_id, place, at, record)
            for value, fields, at, record in seen
            if (trace_id := read_number(value)) and (place := read_place(fields))
        ]

    def _add_spans(self, found: dict[int, Witnessed], spans: Sequence[TaggedSpan]) -> None:
        # What a resource says of itself is anybody's to write.
        app_ids = {span.app_id for span in spans if len(span.app_id) == _APP_ID_CHARS}
        known = self._apps.find_known(app_ids) if app_ids else {}
        objects = self._objects.find_in_spans({(span.trace_id, span.span_id) for span in spans})
        for span in spans:
            node = found.setdefault(int(span.value), Witnessed())
            node.stages.append(_stage(span))
            node.stage_count = span.total
            if place := read_place(span.fields):
                node.records.setdefault(place, _span_record(span))
            if span.app_id in app_ids:
                app = _app(span.app_id, known.get(span.app_id))
                if app not in node.apps:
                    node.apps.append(app)
            for obj_type, obj_id in objects.get((span.trace_id, span.span_id), ()):
                _add_object(node, obj_type, obj_id)


def _add_object(node: Witnessed, obj_type: str, obj_id: str) -> None:
    """Add an object to those of a node, if it is one that it does not have."""
    each = doc.StageObject(type=obj_type, id=obj_id)
    if obj_type and obj_id and each not in node.objects and len(node.objects) < OBJECTS_MAX:
        node.objects.append(each)


def read_place(fields: Sequence[str]) -> Place | None:
    """Return the item that the values of `ITEM` name; None where they are not three numbers."""
    stream_id, epoch, seq = (read_number(each) for each in fields[: len(ITEM)])
    if stream_id is None or epoch is None or seq is None or stream_id > U32_MAX:
        return None
    return Place(stream_id, epoch, seq)


def read_number(text: str) -> int | None:
    """Return the number of 64 bits that an attribute's value is; anybody may write them."""
    is_number = text.isascii() and text.isdigit() and len(text) <= len(str(U64_MAX))
    return number if is_number and (number := int(text)) <= U64_MAX else None


def _span_record(span: TaggedSpan) -> doc.ItemRecord:
    return doc.ItemRecord(
        kind="span",
        trace_id=span.trace_id,
        span_id=span.span_id,
        service=span.service,
        name=span.operation,
    )


def _log_record(log: TaggedLog) -> doc.ItemRecord:
    return doc.ItemRecord(
        kind="log",
        trace_id=log.trace_id or None,
        span_id=log.span_id or None,
        service=log.service,
        name=log.event,
    )


def _stage(span: TaggedSpan) -> doc.Stage:
    return doc.Stage(
        service=span.service,
        operation=span.operation,
        trace_id=span.trace_id,
        span_id=span.span_id,
        start_time=format_time(span.start),
        end_time=format_time(span.start + span.duration),
        duration_ms=span.duration / NS_PER_MS,
        status=span.status,
        app_id=span.app_id or None,
    )


def _app(app_id: str, app: KnownApp | None) -> doc.StageApp:
    return doc.StageApp(
        app_id=app_id,
        app_name=None if app is None else app.app_name,
        status=None if app is None else app.status.value,
    )
