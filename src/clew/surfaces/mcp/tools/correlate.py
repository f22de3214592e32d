"""Everything that belongs to one trace beside its spans: objects, logs, metrics, links."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clew.answers import documents as answers
from clew.answers.parameters import CorrelateQuery
from clew.surfaces.mcp.answers import Answer, Call, Draft, LeftOut, Table, table
from clew.surfaces.mcp.tool import Asked, TextChars, Tool, TraceId, call, figure
from clew.surfaces.mcp.tools.find import LOG_COLUMNS, LOG_TEXT_CHARS, log_row

if TYPE_CHECKING:
    from clew.surfaces.mcp.questions import Questions
    from clew.twin.documents import Participant

ITEMS = 30
"""Of each part: the tools for a part alone have the rest."""

METRIC_COLUMNS = ("service", "name", "type", "first", "last", "min", "max", "unit", "attributes")
APP_COLUMNS = ("app_id", "name", "status", "spans", "errors")
OBJECT_COLUMNS = ("type", "id", "changes", "events", "services")
LINK_COLUMNS = ("direction", "trace_id", "span_id", "service", "operation", "status")


class CorrelateAsked(Asked, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which trace."""

    trace_id: TraceId
    text_chars: TextChars = LOG_TEXT_CHARS


class CorrelateAnswer(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """What belongs to a trace. `nearby_logs` are others that its services wrote meanwhile.

    `apps` are those of the tree whose processes wrote its spans, `objects` those that it touched.
    """

    trace_id: str
    start_time: str
    duration_ms: float
    spans: int
    errors: int
    services: list[str]
    apps: Table
    objects: Table
    logs: Table
    nearby_logs: Table
    metrics: Table
    links: Table
    comments: Table


def _correlate(questions: Questions, asked: CorrelateAsked) -> Draft:
    query = CorrelateQuery(trace=asked.trace_id, limit=ITEMS)
    found = questions.ask("/correlate", answers.CorrelateReport, query)
    longest = max(
        *(len(found.logs), len(found.nearby_logs), len(found.metrics)),
        *(len(found.links) + len(found.linked_from), len(found.comments), len(found.apps)),
        len(found.objects),
    )

    def write(items: int) -> CorrelateAnswer:
        return CorrelateAnswer(
            trace_id=found.trace_id,
            start_time=found.start_time,
            duration_ms=found.duration_ms,
            spans=found.span_count,
            errors=found.error_count,
            services=found.services,
            apps=table(APP_COLUMNS, map(_app_row, found.apps[:items])),
            objects=table(OBJECT_COLUMNS, map(_object_row, found.objects[:items])),
            logs=_logs(found.logs[:items]),
            nearby_logs=_logs(found.nearby_logs[:items]),
            metrics=table(METRIC_COLUMNS, map(_metric_row, found.metrics[:items])),
            links=table(LINK_COLUMNS, _link_rows(found)[:items]),
            comments=table(
                ("author", "written", "body"),
                ([each.author, each.created_at[:23], each.body] for each in found.comments[:items]),
            ),
            left_out=_left_out(found, items),
            next=[
                call("trace_outline", "its spans", trace_id=found.trace_id),
                *(
                    call("app", "the app that wrote most of them", app_id=each.app_id)
                    for each in found.apps[:1]
                    if each.status is not None
                ),
                *(
                    call("touched_objects", "its objects as it left them", trace_id=found.trace_id)
                    for _ in found.objects[:1]
                ),
                *(
                    call("trace_outline", "the trace that links here", trace_id=each.trace_id)
                    for each in found.linked_from[:1]
                ),
            ],
        )

    return Draft(most=longest, write=write, least=min(5, longest), text_chars=asked.text_chars)


def _logs(records: list[Any]) -> Table:
    return table(LOG_COLUMNS, (log_row(each, with_attributes=False) for each in records))


def _metric_row(each: Any) -> list[Any]:
    figures = (each.first, each.last, each.min, each.max)
    return [
        *(each.service, each.name, each.metric_type),
        *(figure(value, 6) for value in figures),
        *(each.unit, each.attributes or None),
    ]


def _app_row(each: answers.TraceApp) -> list[Any]:
    return [each.app_id, each.app_name, each.status, each.span_count, each.error_count]


def _object_row(each: Participant) -> list[Any]:
    return [each.type, each.id, each.changes, each.events, each.services]


def _link_rows(found: answers.CorrelateReport) -> list[list[Any]]:
    outgoing = [["to", each.trace_id, each.span_id] for each in found.links]
    incoming = [
        ["from", each.trace_id, each.span_id, each.service, each.operation, each.status]
        for each in found.linked_from
    ]
    return [*outgoing, *incoming]


def _left_out(found: answers.CorrelateReport, items: int) -> list[LeftOut]:
    sections = found.sections
    trace_id = found.trace_id
    service = found.services[0] if found.services else None
    links = len(found.links) + len(found.linked_from)
    parts: tuple[tuple[str, int, int, Call | None], ...] = (
        ("log records", _all(sections.logs), len(found.logs), _log_call(trace_id)),
        ("log records nearby", _all(sections.nearby_logs), len(found.nearby_logs), None),
        (
            "metric series",
            _all(sections.metrics),
            len(found.metrics),
            call("metrics", "the metrics of a service", service=service),
        ),
        ("apps", _all(sections.apps), len(found.apps), None),
        (
            "objects",
            _all(sections.objects),
            len(found.objects),
            call("touched_objects", "its objects", trace_id=trace_id, limit=1000),
        ),
        ("links", _all(sections.links) + _all(sections.linked_from), links, None),
        (
            "comments",
            _all(sections.comments),
            len(found.comments),
            call("comments", "its comments", trace_id=trace_id),
        ),
    )
    return [
        LeftOut(what=what, count=known - min(here, items), get=get)
        for what, known, here, get in parts
        if known > min(here, items)
    ]


def _log_call(trace_id: str) -> Call:
    return call("find_logs", "its log records", trace_id=trace_id)


def _all(section: answers.Section) -> int:
    return section.total or section.at_least or section.count


CORRELATE = Tool(
    name="correlate",
    title="What belongs to a trace",
    description=(
        "One trace with the apps that ran it, the objects that it touched, its logs, what its "
        "services logged and measured meanwhile, its links to other traces and its comments."
    ),
    parameters=CorrelateAsked,
    answer=CorrelateAnswer,
    run=_correlate,
    example={"trace_id": "{trace_id}"},
)
