"""How objects came to be as they are: events, values of a field, what differs, what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from msgspec import Meta

from clew.surfaces.mcp.answers import TEXT_CHARS, TOKENS_MAX, Answer, Draft, LeftOut, Table, table
from clew.surfaces.mcp.tool import (
    LIMIT_DEFAULT,
    Asked,
    Cursor,
    Limit,
    Service,
    TextChars,
    Timed,
    Tool,
    again,
    call,
    pick,
)
from clew.surfaces.mcp.tools.find import draft_page
from clew.surfaces.mcp.tools.twin import (
    MOMENT,
    WARNINGS_MAX,
    KnownBy,
    ObjId,
    ObjType,
    RecordedAt,
)
from clew.twin import documents as doc
from clew.twin import parameters as ask

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clew.surfaces.mcp.answers import Call
    from clew.surfaces.mcp.questions import Questions

EVENT_COLUMNS: Final = (
    *("at", "event", "changes", "data", "phase", "status", "service"),
    *("trace_id", "span_id", "event_id", "issue"),
)
VALUE_COLUMNS: Final = (
    *("at", "value", "before", "version", "event", "service", "trace_id", "span_id", "event_id"),
)
DIFF_COLUMNS: Final = (*("field", "how", "from", "to", "at", "trace_id", "span_id", "event_id"),)
REJECTED_COLUMNS: Final = (
    *("at", "type", "id", "code", "message", "changes", "service", "trace_id", "event_id"),
)

NewestFirst = Annotated[bool, Meta(description="Else the oldest first")]


class TimelineAsked(Timed, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which events of an object."""

    type: ObjType
    id: ObjId
    event_type: list[ask.EventKind] = msgspec.field(default_factory=list)
    field: Annotated[list[str], Meta(description="Only events that set one of these")] = (
        msgspec.field(default_factory=list)
    )
    changes: Annotated[bool, Meta(description="Only events that changed the object")] = False
    recorded_at: KnownBy = None
    newest_first: NewestFirst = False
    limit: Limit = LIMIT_DEFAULT
    cursor: Cursor = None
    text_chars: TextChars = TEXT_CHARS


class HistoryAsked(Timed, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which field of which object."""

    type: ObjType
    id: ObjId
    field: Annotated[str, Meta(description="Its name, as object_state shows it")]
    distinct: Annotated[bool, Meta(description="Leave out events that set what was there")] = True
    recorded_at: KnownBy = None
    newest_first: NewestFirst = False
    limit: Limit = LIMIT_DEFAULT
    cursor: Cursor = None
    text_chars: TextChars = TEXT_CHARS


class DiffAsked(Asked, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Between which moments of an object."""

    type: ObjType
    id: ObjId
    from_: Annotated[str, Meta(description=MOMENT)] = msgspec.field(name="from")
    to: Annotated[str | None, Meta(description="Likewise; now when left out")] = None
    recorded_at: RecordedAt = None
    text_chars: TextChars = TEXT_CHARS


class RejectedAsked(Timed, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which events."""

    type: Annotated[str | None, Meta(description="Only of objects of this type")] = None
    id: Annotated[str | None, Meta(description="Only of this object")] = None
    code: Annotated[str | None, Meta(description="Only for this reason: INVALID_VALUE …")] = None
    service: Service = None
    warned: Annotated[bool, Meta(description="Those that count and look wrong, instead")] = False
    limit: Limit = LIMIT_DEFAULT
    cursor: Cursor = None


class TimelineAnswer(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """Events; `changes` are the fields that one sets, `issue` why it is doubted or refused."""

    total: int | None = None
    at_least: int | None = None
    events: Table


class HistoryAnswer(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """Values that a field had, each from `at` on, and the span that set it."""

    total: int | None = None
    at_least: int | None = None
    values: Table
    warnings: list[doc.Remark] = msgspec.field(default_factory=list)


class DiffAnswer(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """Fields that differ; the rest of a row is the event that set the field last."""

    between: tuple[str, str]
    recorded_at: list[str] = msgspec.field(default_factory=list)
    existed: bool
    exists: bool
    changes: int
    unchanged_fields: int
    fields: Table
    warnings: list[doc.Remark] = msgspec.field(default_factory=list)


class RejectedAnswer(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """Events that are in no state, the newest first, and how many by reason."""

    total: int | None = None
    at_least: int | None = None
    by_code: dict[str, int]
    events: Table


def _object_timeline(questions: Questions, asked: TimelineAsked) -> Draft:
    name = {"type": asked.type, "id": asked.id}

    def fetch(limit: int) -> doc.Timeline:
        query = pick(asked, ask.TimelineQuery, limit=limit, next=asked.cursor)
        return questions.ask("/objects/{type}/{id}/timeline", doc.Timeline, query, name)

    def write(found: doc.Timeline, items: int, page: dict[str, Any]) -> TimelineAnswer:
        shown = found.events[:items]
        steps = [
            call("object_state", "what it was then", **name, at=f"event:{each.event_id}")
            for each in shown[-1:]
        ]
        steps += _traces(each.trace_id for each in shown)
        return TimelineAnswer(
            events=table(EVENT_COLUMNS, map(_event_row, shown)),
            next=steps or [call("object_state", "what it is now", **name)],
            **page,
        )

    return draft_page("object_timeline", asked, fetch, write, "events", text_chars=asked.text_chars)


def _event_row(event: doc.TimelineEvent) -> list[Any]:
    kind = event.type if event.name is None else f"{event.type} {event.name}"
    if event.type == "log":
        kind = f"log: {event.body}"
    return [
        *(event.at[:26], kind, event.changes or None, event.data or None),
        *(event.phase, event.status, event.service, event.trace_id, event.span_id),
        *(event.event_id, _issue(event) if event.verdict != "accepted" else None),
    ]


def _issue(event: doc.TimelineEvent) -> str:
    first = event.issues[0] if event.issues else {}
    more = f" (+{len(event.issues) - 1})" if len(event.issues) > 1 else ""
    return f"{event.verdict}: {first.get('code', '')} {first.get('message', '')}{more}"


def _traces(trace_ids: Iterator[str | None]) -> list[Call]:
    """Return a call for the last trace of some, if there is any."""
    known = [trace_id for trace_id in trace_ids if trace_id is not None]
    return [
        call("trace_outline", "the trace of the last one", trace_id=each) for each in known[-1:]
    ]


def _field_history(questions: Questions, asked: HistoryAsked) -> Draft:
    name = {"type": asked.type, "id": asked.id}
    path = "/objects/{type}/{id}/history/{field}"

    def fetch(limit: int) -> doc.FieldHistory:
        query = pick(asked, ask.HistoryQuery, limit=limit, next=asked.cursor)
        return questions.ask(path, doc.FieldHistory, query, {**name, "field": asked.field})

    def write(found: doc.FieldHistory, items: int, page: dict[str, Any]) -> HistoryAnswer:
        shown = found.values[:items]
        rows = (
            [
                *(each.at[:26], each.value, each.previous, each.version, each.type, each.service),
                *(each.trace_id, each.span_id, each.event_id),
            ]
            for each in shown
        )
        steps = _traces(each.trace_id for each in shown)
        return HistoryAnswer(
            values=table(VALUE_COLUMNS, rows),
            warnings=found.warnings,
            next=steps or [call("object_state", "which fields it has", **name)],
            **page,
        )

    return draft_page("field_history", asked, fetch, write, "values", text_chars=asked.text_chars)


def _object_diff(questions: Questions, asked: DiffAsked) -> Draft:
    name = {"type": asked.type, "id": asked.id}
    query = ask.DifferenceQuery(from_=asked.from_, to=asked.to, recorded_at=asked.recorded_at)
    found = questions.ask("/objects/{type}/{id}/diff", doc.Difference, query, name)
    rows = sorted(_differences(found), key=lambda row: row[0])
    places = [*found.added_by.values(), *(each.event for each in found.changed.values())]
    ordered = sorted((each.at, each.trace_id) for each in places if each and each.trace_id)
    steps = _traces(trace_id for _, trace_id in ordered)
    steps += [call("object_timeline", "the events between", **name, changes=True)]
    had_come = [
        each for each in (found.from_recorded_at, found.to_recorded_at) if isinstance(each, str)
    ]
    get = call(
        "object_diff",
        "as many as fit",
        **{**name, "from": asked.from_, "to": asked.to, "max_tokens": TOKENS_MAX},
        recorded_at=asked.recorded_at,
    )

    def write(items: int) -> DiffAnswer:
        rest = len(rows) - items
        left_out = [LeftOut(what="fields", count=rest, get=get)] if rest > 0 else []
        return DiffAnswer(
            between=(found.from_, found.to),
            recorded_at=had_come,
            existed=found.existed,
            exists=found.exists,
            changes=found.versions,
            unchanged_fields=found.unchanged,
            # Not shortened: an empty value is another one than none.
            fields=Table(columns=[*DIFF_COLUMNS], rows=[[*row] for row in rows[:items]]),
            warnings=found.warnings[:WARNINGS_MAX],
            left_out=left_out,
            next=steps,
        )

    return Draft(most=len(rows), write=write, text_chars=max(1, asked.text_chars))


def _differences(found: doc.Difference) -> Iterator[tuple[Any, ...]]:
    for field, value in found.added.items():
        yield field, "added", None, value, *_place(found.added_by.get(field))
    for field, value in found.removed.items():
        yield field, "removed", value, None
    for field, change in found.changed.items():
        yield field, "changed", change.from_, change.to, *_place(change.event)


def _place(event: doc.EventPlace | None) -> tuple[Any, ...]:
    return (event.at[:26], event.trace_id, event.span_id, event.event_id) if event else ()


def _rejected_events(questions: Questions, asked: RejectedAsked) -> Draft:
    def fetch(limit: int) -> doc.RejectedList:
        query = pick(asked, ask.RejectedQuery, limit=limit, next=asked.cursor)
        return questions.ask("/rejected", doc.RejectedList, query)

    def write(found: doc.RejectedList, items: int, page: dict[str, Any]) -> RejectedAnswer:
        shown = found.events[:items]
        steps = _traces(each.trace_id for each in shown[:1])
        if not found.events and not asked.warned:
            steps = [again("rejected_events", "those that look wrong", asked, warned=True)]
        return RejectedAnswer(
            by_code=found.by_code,
            events=table(REJECTED_COLUMNS, map(_rejected_row, shown)),
            next=steps,
            **page,
        )

    return draft_page("rejected_events", asked, fetch, write, "events")


def _rejected_row(event: doc.TimelineEvent) -> list[Any]:
    first = event.issues[0] if event.issues else {}
    return [
        *(event.at[:26], event.obj_type, event.obj_id, first.get("code"), first.get("message")),
        *(event.changes or None, event.service, event.trace_id, event.event_id),
    ]


OBJECT_TIMELINE: Final = Tool(
    name="object_timeline",
    title="Timeline of an object",
    description=(
        "The events of an object in order: what each set, and the trace and span it happened in."
    ),
    parameters=TimelineAsked,
    answer=TimelineAnswer,
    run=_object_timeline,
    example={"type": "DemoOrder", "id": "web-1", "changes": True},
)
FIELD_HISTORY: Final = Tool(
    name="field_history",
    title="History of a field",
    description="Every value that a field of an object had, with the span that set it.",
    parameters=HistoryAsked,
    answer=HistoryAnswer,
    run=_field_history,
    example={"type": "DemoOrder", "id": "web-1", "field": "status"},
)
OBJECT_DIFF: Final = Tool(
    name="object_diff",
    title="What differs between two moments of an object",
    description="Fields that differ between two moments of an object, and what changed them.",
    parameters=DiffAsked,
    answer=DiffAnswer,
    run=_object_diff,
    example={"type": "DemoOrder", "id": "web-1", "from": "1h"},
)
REJECTED_EVENTS: Final = Tool(
    name="rejected_events",
    title="Events of objects that were refused",
    description=(
        "Events of objects that validation refused, which are in no state, and why; or those that "
        "count and look wrong."
    ),
    parameters=RejectedAsked,
    answer=RejectedAnswer,
    run=_rejected_events,
    example={"last": "1h", "limit": 5},
)
