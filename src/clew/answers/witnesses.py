"""Who spoke of trace ids: the spans and logs that carry them, their apps, the objects they touched.

This is how lineage, which knows ids alone, comes to telemetry, tree and twin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from clew.base.times import NS_PER_MS, format_time
from clew.lineage import documents as doc
from clew.lineage.contract import Witnessed

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from clew.answers.contract import AppSource
    from clew.telemetry.query.tagged import TaggedSpan
    from clew.tree.machine.app import App

TRACE_ID: Final = "tracelink.trace_id"
"""The attribute of spans and logs that have to do with an item: its trace id, as decimal text."""

STAGES_MAX: Final = 10
"""Of one node: an id may be that of every item of a chain."""

OBJECTS_MAX: Final = 10

_APP_ID_CHARS: Final = 36


class RecordSource(Protocol):
    """Finds spans and logs by values of an attribute. Blocks; from any thread."""

    def find_spans(self, values: Collection[str], limit: int) -> list[TaggedSpan]:
        """Return the spans that have any of some values, at most `limit` of each, by start."""
        ...

    def count_logs(self, values: Collection[str]) -> dict[str, int]:
        """Return how many log records have each of some values, of those that any has."""
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

    def find_witnesses(self, trace_ids: Collection[int]) -> Mapping[int, Witnessed]:
        """Return what is known of those of these ids of which anything is."""
        values = [str(each) for each in trace_ids]
        spans = self._records.find_spans(values, STAGES_MAX)
        found: dict[int, Witnessed] = {}
        for value, count in self._records.count_logs(values).items():
            found.setdefault(int(value), Witnessed()).log_count = count
        if spans:
            self._add_spans(found, spans)
        return found

    def _add_spans(self, found: dict[int, Witnessed], spans: Sequence[TaggedSpan]) -> None:
        # What a resource says of itself is anybody's to write.
        app_ids = {span.app_id for span in spans if len(span.app_id) == _APP_ID_CHARS}
        known = self._apps.find_known(app_ids) if app_ids else {}
        objects = self._objects.find_in_spans({(span.trace_id, span.span_id) for span in spans})
        for span in spans:
            node = found.setdefault(int(span.value), Witnessed())
            node.stages.append(_stage(span))
            node.stage_count = span.total
            if span.app_id in app_ids:
                app = _app(span.app_id, known.get(span.app_id))
                if app not in node.apps:
                    node.apps.append(app)
            for obj_type, obj_id in objects.get((span.trace_id, span.span_id), ()):
                each = doc.StageObject(type=obj_type, id=obj_id)
                if each not in node.objects and len(node.objects) < OBJECTS_MAX:
                    node.objects.append(each)


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


def _app(app_id: str, app: App | None) -> doc.StageApp:
    return doc.StageApp(
        app_id=app_id,
        app_name=None if app is None else app.app_name,
        status=None if app is None else app.status.value,
    )
