"""What objects are and were: found, looked at as of a moment, with what they refer to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import msgspec
from msgspec import Meta

from clew.surfaces.mcp.answers import (
    TEXT_CHARS,
    TOKENS_MAX,
    Answer,
    Call,
    Draft,
    LeftOut,
    Table,
    table,
)
from clew.surfaces.mcp.tool import (
    LIMIT_DEFAULT,
    Asked,
    Cursor,
    Limit,
    Service,
    TextChars,
    Timed,
    Tool,
    TraceId,
    again,
    call,
    pick,
)
from clew.surfaces.mcp.tools.find import draft_page
from clew.twin import documents as doc
from clew.twin import parameters as ask

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clew.surfaces.mcp.questions import Questions

OBJECT_COLUMNS: Final = ("type", "id", "changed", "version", "events", "service", "state")
TWIN_COLUMNS: Final = ("type", "id", "exists", "version", "updated", "state")
REFERENCE_COLUMNS: Final = ("type", "id", "field", "to_type", "to_id", "dangling")
TOUCHED_COLUMNS: Final = ("type", "id", "changes", "events", "exists", "version", "state")

GRAPH_OBJECTS: Final = 50
"""Objects of a graph unless said otherwise: about what the budget of an answer holds."""

WARNINGS_MAX: Final = 5
"""Remarks on a state, the first ones: thousands of bad values say what five of them say."""

MOMENT: Final = "RFC 3339, Unix time, 15m (ago), or event:ID, span:ID: just after it"

ObjType = Annotated[str, Meta(description="As find_objects shows it")]
ObjId = Annotated[str, Meta(description="As find_objects shows it")]
At = Annotated[str | None, Meta(description=f"{MOMENT}; now when left out")]
RecordedAt = Annotated[
    str | None,
    Meta(
        description="By what was known then: a time, or `then`, the moment's own; now if left out"
    ),
]
KnownBy = Annotated[str | None, Meta(description="By what was known then: a time; now if left out")]

Item = TypeVar("Item")


class ObjectsAsked(Timed, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which objects; the time range is that of their events."""

    type: Annotated[str | None, Meta(description="Exact name of the type")] = None
    id: Annotated[str | None, Meta(description="Whole id, where the type is not known")] = None
    text: Annotated[str | None, Meta(description="Part of the id")] = None
    service: Service = None
    deleted: Annotated[bool, Meta(description="Those that are gone as well")] = False
    limit: Limit = LIMIT_DEFAULT
    cursor: Cursor = None
    text_chars: TextChars = TEXT_CHARS


class StateAsked(Asked, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which object, when, and what of it."""

    type: ObjType
    id: ObjId
    at: At = None
    recorded_at: RecordedAt = None
    fields: Annotated[list[str], Meta(description="Only these fields")] = msgspec.field(
        default_factory=list
    )
    raw: Annotated[bool, Meta(description="Values as sent, not as the registry says")] = False
    text_chars: TextChars = TEXT_CHARS


class GraphAsked(Asked, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From which object on, when, and how far."""

    type: ObjType
    id: ObjId
    at: At = None
    recorded_at: RecordedAt = None
    depth: Annotated[int, Meta(description=f"References in a row, at most {ask.DEPTH_MAX}")] = 8
    limit: Annotated[int, Meta(description="Objects at most")] = GRAPH_OBJECTS


class TouchedAsked(Asked, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """By which trace, and at which of its steps."""

    trace_id: TraceId
    step: Annotated[
        int | None,
        Meta(description="After so many of its events; 0 before the first; the last if left out"),
    ] = None
    limit: Limit = LIMIT_DEFAULT


class ObjectsAnswer(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """Objects as they are now, those that changed last first; one that is gone has no state."""

    total: int | None = None
    at_least: int | None = None
    objects: Table


class StateAnswer(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """An object at a moment. `twin` is all but its fields; `last_event` says who changed it."""

    twin: dict[str, Any]
    fields: Table
    warnings: list[doc.Remark] = msgspec.field(default_factory=list)


class GraphAnswer(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """Objects at one instant, and the fields that name others; dangling: was not there."""

    at: str
    recorded_at: str | None = None
    objects: Table
    references: Table
    warnings: list[doc.Remark] = msgspec.field(default_factory=list)


class TouchedAnswer(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """Objects as a trace had them after a step of `steps`; `event` is what happened in it."""

    step: int
    steps: int
    at: str | None = None
    event: dict[str, Any] | None = None
    objects: Table


def _find_objects(questions: Questions, asked: ObjectsAsked) -> Draft:
    def fetch(limit: int) -> doc.ObjectList:
        query = pick(asked, ask.ObjectQuery, limit=limit, next=asked.cursor)
        return questions.ask("/objects", doc.ObjectList, query)

    def write(found: doc.ObjectList, items: int, page: dict[str, Any]) -> ObjectsAnswer:
        shown = found.objects[:items]
        rows = (
            [
                *(each.type, each.id, each.last_at[:23], each.version, each.events, each.service),
                each.state if each.exists else None,
            ]
            for each in shown
        )
        steps = [
            call("object_timeline", "how it came to be so", type=each.type, id=each.id)
            for each in shown[:1]
        ]
        return ObjectsAnswer(
            objects=table(OBJECT_COLUMNS, rows), next=steps or _nothing(asked), **page
        )

    return draft_page("find_objects", asked, fetch, write, "objects", text_chars=asked.text_chars)


def _nothing(asked: ObjectsAsked) -> list[Call]:
    if asked.deleted:
        return [call("rejected_events", "events that do not count")]
    return [again("find_objects", "those that are gone as well", asked, deleted=True)]


def _object_state(questions: Questions, asked: StateAsked) -> Draft:
    query = pick(asked, ask.StateQuery)
    name = {"type": asked.type, "id": asked.id}
    state = questions.ask("/objects/{type}/{id}", doc.TwinState, query, name)
    wanted = asked.fields or list(state.state)
    fields = [(field, state.state[field]) for field in wanted if field in state.state]
    steps = _after_state(asked, state)

    def write(items: int) -> StateAnswer:
        rest = [field for field, _ in fields[items:]]
        left_out = _more("fields of the state", len(rest), _fields_call(asked, rest))
        absent = [field for field in asked.fields if field not in state.state]
        left_out += _more(f"fields that it has not: {', '.join(absent[:10])}", len(absent), None)
        return StateAnswer(
            twin=_facts(state),
            # Not shortened: an empty value is another one than none.
            fields=Table(columns=["field", "value"], rows=[[*each] for each in fields[:items]]),
            warnings=state.warnings[:WARNINGS_MAX],
            left_out=left_out + _more_warnings(state.warnings),
            next=steps,
        )

    full = again("object_state", "longer texts", asked, text_chars=10 * max(1, asked.text_chars))
    return Draft(most=len(fields), write=write, text_chars=max(1, asked.text_chars), full=full)


def _fields_call(asked: StateAsked, rest: list[str]) -> Call:
    return again("object_state", "those of them that fit", asked, fields=rest[:LIMIT_DEFAULT])


def _after_state(asked: StateAsked, state: doc.TwinState) -> list[Call]:
    name = {"type": asked.type, "id": asked.id}
    steps = [call("object_timeline", "how it came to be so", **name, newest_first=True)]
    if state.last_event is not None and state.last_event.trace_id is not None:
        trace_id = state.last_event.trace_id
        steps.insert(0, call("trace_outline", "the trace that changed it last", trace_id=trace_id))
    when = {"at": asked.at, "recorded_at": asked.recorded_at}
    steps.append(call("object_graph", "with what it refers to", **name, **when))
    return steps


def _object_graph(questions: Questions, asked: GraphAsked) -> Draft:
    name = {"type": asked.type, "id": asked.id}
    query = pick(asked, ask.GraphQuery)
    graph = questions.ask("/objects/{type}/{id}/graph", doc.ObjectGraph, query, name)

    def write(items: int) -> GraphAnswer:
        shown = graph.objects[:items]
        names = {(each.type, each.id) for each in shown}
        references = [each for each in graph.references if each.from_ in names]
        get = again("object_graph", "as many as fit", asked, max_tokens=TOKENS_MAX)
        left_out = _more("objects", len(graph.objects) - len(shown), get)
        if graph.truncated:
            wide = {"limit": ask.OBJECTS_MAX, "depth": ask.DEPTH_MAX, "max_tokens": TOKENS_MAX}
            wider = again("object_graph", "more of them", asked, **wide)
            left_out += _more("objects beyond depth or limit (at least)", 1, wider)
        return GraphAnswer(
            at=graph.at,
            recorded_at=graph.recorded_at or None,
            objects=table(TWIN_COLUMNS, map(twin_row, shown)),
            references=table(REFERENCE_COLUMNS, map(_reference_row, references)),
            warnings=graph.warnings[:WARNINGS_MAX],
            left_out=left_out + _more_warnings(graph.warnings),
            next=_after_graph(graph, asked),
        )

    return Draft(most=len(graph.objects), write=write)


def _reference_row(each: doc.Reference) -> list[Any]:
    return [*each.from_, each.field, *each.to, each.is_dangling or None]


def _after_graph(graph: doc.ObjectGraph, asked: GraphAsked) -> list[Call]:
    for each in graph.references:
        if each.is_dangling:
            why = f"who set {each.field}, which names what is not there"
            name = {"type": each.from_[0], "id": each.from_[1], "field": each.field}
            return [call("field_history", why, **name, newest_first=True)]
    first = {"type": graph.root[0], "id": graph.root[1]}
    when = {"at": asked.at, "recorded_at": asked.recorded_at}
    return [call("object_state", "the first of them in full", **first, **when)]


def twin_row(state: doc.TwinState) -> list[Any]:
    """Return a state as a row of `TWIN_COLUMNS`."""
    updated = state.updated_at[:23] if state.updated_at else None
    return [state.type, state.id, state.exists, state.version, updated, state.state or None]


def _touched_objects(questions: Questions, asked: TouchedAsked) -> Draft:
    query = pick(asked, ask.TouchedQuery)
    path = "/traces/{trace_id}/objects"
    found = questions.ask(path, doc.TouchedObjects, query, {"trace_id": asked.trace_id})
    rows = [
        [
            *(each.twin.type, each.twin.id, each.changes, each.events),
            *(each.twin.exists, each.twin.version, each.twin.state or None),
        ]
        for each in found.objects
    ]
    steps = [call("trace_outline", "the spans of the trace", trace_id=asked.trace_id)]
    if found.step:
        before = again("touched_objects", "one step before", asked, step=found.step - 1)
        steps.insert(0, before)

    def write(items: int) -> TouchedAnswer:
        get = again("touched_objects", "as many as fit", asked, max_tokens=TOKENS_MAX)
        left_out = _more("objects", len(rows) - items, get)
        if found.truncated:
            wider = again(
                "touched_objects", "more of them", asked, limit=ask.LIMIT_MAX, max_tokens=TOKENS_MAX
            )
            left_out += _more("objects beyond the limit (at least)", 1, wider)
        return TouchedAnswer(
            step=found.step,
            steps=found.steps,
            at=found.at,
            event=_event_facts(found.event) if found.event is not None else None,
            objects=table(TOUCHED_COLUMNS, rows[:items]),
            left_out=left_out,
            next=steps,
        )

    return Draft(most=len(rows), write=write)


def _event_facts(event: doc.TimelineEvent) -> dict[str, Any]:
    """Return what an event was, without what is empty."""
    told: dict[str, Any] = msgspec.to_builtins(event)
    return {name: value for name, value in told.items() if value not in (None, [], {}, "")}


def _facts(state: doc.TwinState) -> dict[str, Any]:
    """Return all of a state but its fields and remarks, without what is empty."""
    told: dict[str, Any] = msgspec.to_builtins(state)
    del told["state"], told["warnings"]
    return {name: value for name, value in told.items() if value is not None}


def _more_warnings(warnings: Sequence[doc.Remark]) -> list[LeftOut]:
    return _more("warnings", len(warnings) - WARNINGS_MAX, None)


def _more(what: str, count: int, get: Call | None) -> list[LeftOut]:
    return [LeftOut(what=what, count=count, get=get)] if count > 0 else []


FIND_OBJECTS: Final = Tool(
    name="find_objects",
    title="Find objects",
    description=(
        "Business objects that programs report on (carts, orders, jobs …), each with its state "
        "now, those that changed last first."
    ),
    parameters=ObjectsAsked,
    answer=ObjectsAnswer,
    run=_find_objects,
    example={"limit": 5},
)
OBJECT_STATE: Final = Tool(
    name="object_state",
    title="State of an object at a moment",
    description=(
        "What an object was at a time, or just after an event or a span: fields, version, and the "
        "event that changed it last."
    ),
    parameters=StateAsked,
    answer=StateAnswer,
    run=_object_state,
    example={"type": "DemoOrder", "id": "web-1", "at": "1s"},
)
OBJECT_GRAPH: Final = Tool(
    name="object_graph",
    title="Objects that refer to one another",
    description="An object and all that its references reach, as they were at one instant.",
    parameters=GraphAsked,
    answer=GraphAnswer,
    run=_object_graph,
    example={"type": "DemoOrder", "id": "web-1"},
)
TOUCHED_OBJECTS: Final = Tool(
    name="touched_objects",
    title="Objects that a trace touched",
    description="Every object that a trace touched, as it was after a step of the trace.",
    parameters=TouchedAsked,
    answer=TouchedAnswer,
    run=_touched_objects,
    example={"trace_id": "{trace_id}"},
)
