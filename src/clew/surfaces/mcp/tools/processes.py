"""Processes: which there are and which do not come to an end, and how those of a trace went."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from msgspec import Meta

from clew.surfaces.mcp.answers import TOKENS_MAX, Answer, Call, Draft, LeftOut, Table, table
from clew.surfaces.mcp.tool import (
    LIMIT_DEFAULT,
    Asked,
    Cursor,
    Limit,
    Service,
    Timed,
    Tool,
    again,
    call,
    figure,
    pick,
)
from clew.surfaces.mcp.tools.find import draft_page
from clew.twin import documents as doc
from clew.twin import parameters as ask

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clew.surfaces.mcp.questions import Questions

LIST_COLUMNS: Final = (
    *("type", "id", "status", "phase", "started", "ms", "timeout_s", "events", "services"),
    "trace_id",
)
PROCESS_COLUMNS: Final = (
    *("process", "type", "status", "phase", "started", "ended", "heard", "ms", "timeout_s"),
    *("next_phases", "state"),
)
PHASE_COLUMNS: Final = (
    *("process", "phase", "start", "ms", "allowed", "service", "event_id", "span_id"),
)
PARTICIPANT_COLUMNS: Final = ("process", "type", "id", "changes", "events", "services")

WARNINGS_MAX: Final = 10
"""Remarks on what went astray, those of the first processes first."""

LATE: Final = frozenset({"stuck", "timed_out"})


class ProcessesAsked(Timed, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which processes; the time range is that of their events."""

    type: Annotated[str | None, Meta(description="Exact name of the type")] = None
    phase: Annotated[str | None, Meta(description="In this phase now, or at the end")] = None
    status: Annotated[
        list[ask.ProcessStatus],
        Meta(description="Any of these; stuck: silent for its timeout, timed_out: longer than it"),
    ] = msgspec.field(default_factory=list)
    service: Service = None
    limit: Limit = LIMIT_DEFAULT
    cursor: Cursor = None


class ProcessAsked(Asked, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of which trace, and when."""

    trace_id: Annotated[str, Meta(description="32 hex digits, or the id of a process")]
    at: Annotated[
        str | None, Meta(description="RFC 3339, Unix time, 15m (ago), event:ID, span:ID; or now")
    ] = None
    limit: Annotated[int, Meta(description="Processes at most")] = ask.PROCESSES_DEFAULT


class ProcessesAnswer(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """Processes as they stand now, those that started last first."""

    total: int | None = None
    at_least: int | None = None
    processes: Table


class ProcessAnswer(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """The processes of a trace; `participants` are the other objects that it touched.

    `allowed` is false of a phase that the type does not have, or that may not follow there.
    """

    at: str
    processes: Table
    phases: Table
    participants: Table
    warnings: list[doc.Remark] = msgspec.field(default_factory=list)


def _find_processes(questions: Questions, asked: ProcessesAsked) -> Draft:
    def fetch(limit: int) -> doc.ProcessList:
        query = pick(asked, ask.ProcessQuery, limit=limit, next=asked.cursor)
        return questions.ask("/processes", doc.ProcessList, query)

    def write(found: doc.ProcessList, items: int, page: dict[str, Any]) -> ProcessesAnswer:
        shown = found.processes[:items]
        rows = (
            [
                *(each.type, each.id, each.status, each.phase, each.started_at[:23]),
                *(figure(each.duration_ms), each.timeout_seconds, each.events, each.services),
                each.trace_id,
            ]
            for each in shown
        )
        steps = _steps(shown) or [call("find_objects", "what programs report on at all")]
        return ProcessesAnswer(processes=table(LIST_COLUMNS, rows), next=steps, **page)

    return draft_page("find_processes", asked, fetch, write, "processes")


def _steps(shown: list[doc.ProcessSummary]) -> list[Call]:
    """Return the call that shows the course of the first one that wants to be looked at."""
    late = [each for each in shown if each.status in LATE or each.status == "failed"]
    return [
        call("process", "its phases, and who took part", trace_id=each.trace_id or each.id)
        for each in (*late, *shown)[:1]
    ]


def _process(questions: Questions, asked: ProcessAsked) -> Draft:
    query = pick(asked, ask.TraceProcessQuery)
    path = "/processes/{trace_id}"
    found = questions.ask(path, doc.TraceProcesses, query, {"trace_id": asked.trace_id})
    processes = found.processes
    rows = [_process_row(each) for each in processes]
    phases = [_phase_row(each, phase) for each in processes for phase in each.phases]
    others = [_participant_row(each, one) for each in processes for one in each.participants]
    warnings = [one for each in processes for one in (*each.warnings, *each.twin.warnings)]
    longest = max(len(rows), len(phases), len(others))

    def write(items: int) -> ProcessAnswer:
        get = again("process", "as many as fit", asked, max_tokens=TOKENS_MAX)
        left_out = [
            *_more("processes", len(rows) - items, get),
            *_more("phases", len(phases) - items, get),
            *_more("participants", len(others) - items, get),
            *_more("warnings", len(warnings) - WARNINGS_MAX, None),
        ]
        if found.truncated:
            wider = again("process", "more of them", asked, limit=ask.PROCESSES_MAX)
            left_out.extend(_more("processes beyond the limit (at least)", 1, wider))
        return ProcessAnswer(
            at=found.at,
            processes=table(PROCESS_COLUMNS, rows[:items]),
            phases=table(PHASE_COLUMNS, phases[:items]),
            participants=table(PARTICIPANT_COLUMNS, others[:items]),
            warnings=warnings[:WARNINGS_MAX],
            left_out=left_out,
            next=list(_after(processes)),
        )

    return Draft(most=longest, write=write, least=min(5, longest))


def _process_row(each: doc.ProcessTwin) -> list[Any]:
    ended = each.ended_at[:23] if each.ended_at else None
    return [
        *(each.id, each.type, each.status, each.phase, each.started_at[:23], ended),
        *(each.last_at[:23], figure(each.duration_ms), each.timeout_seconds),
        *(each.next_phases or None, each.twin.state or None),
    ]


def _phase_row(process: doc.ProcessTwin, phase: doc.ProcessPhase) -> list[Any]:
    return [
        *(process.id, phase.name, phase.start[:23], figure(phase.duration_ms)),
        *(phase.is_allowed, phase.service, phase.event_id, phase.span_id),
    ]


def _participant_row(process: doc.ProcessTwin, one: doc.Participant) -> list[Any]:
    return [process.id, one.type, one.id, one.changes, one.events, one.services]


def _after(processes: list[doc.ProcessTwin]) -> Iterator[Call]:
    for each in processes[:1]:
        if each.trace_id is not None:
            yield call("correlate", "what belongs to the trace", trace_id=each.trace_id)
            yield call("touched_objects", "the objects as it left them", trace_id=each.trace_id)
        yield call("object_timeline", "all of its events", type=each.type, id=each.id)


def _more(what: str, count: int, get: Call | None) -> list[LeftOut]:
    return [LeftOut(what=what, count=count, get=get)] if count > 0 else []


FIND_PROCESSES: Final = Tool(
    name="find_processes",
    title="Find processes",
    description=(
        "Business processes that run through phases (checkouts, imports …): where each stands, "
        "which are stuck or take too long."
    ),
    parameters=ProcessesAsked,
    answer=ProcessesAnswer,
    run=_find_processes,
    example={"limit": 5},
)
PROCESS: Final = Tool(
    name="process",
    title="How a process went",
    description=(
        "The processes of a trace: phases with durations, steps that their type does not allow, "
        "objects that took part."
    ),
    parameters=ProcessAsked,
    answer=ProcessAnswer,
    run=_process,
    example={"trace_id": "{trace_id}"},
)
