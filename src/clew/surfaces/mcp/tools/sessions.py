"""An investigation as a work session: what is asked in between becomes its links."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Final

from msgspec import Meta

from clew.base.errors import ClewError, ErrorCode
from clew.surfaces.mcp.answers import Answer, Call, Draft, whole
from clew.surfaces.mcp.tool import Asked, Tool, call
from clew.team.sessions.parameters import NewNote, NewSession, Target

if TYPE_CHECKING:
    from clew.surfaces.mcp.questions import Questions
    from clew.team.sessions.documents import Session


class StartAsked(Asked, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is looked for."""

    title: Annotated[str, Meta(description="What you look for, on one line")]
    planned_minutes: Annotated[int | None, Meta(description="1 to 480")] = None
    switch: Annotated[bool, Meta(description="End the one that is open")] = False


class NoteAsked(Asked, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was found, and of what."""

    body: Annotated[str, Meta(description="What was found, with ids and figures")]
    trace_id: Annotated[str | None, Meta(description="About this trace")] = None
    span_id: Annotated[str | None, Meta(description="About this span of it")] = None


class StopAsked(Asked, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether others are to see it."""

    share: Annotated[bool, Meta(description="Share it with the team, if that was agreed to")] = (
        False
    )


class SessionAnswer(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """How a session stands."""

    is_recorded: ClassVar[bool] = False

    id: str
    title: str
    started_at: str
    seconds: float
    overrun_seconds: float = 0.0
    ended_at: str | None = None
    findings: int = 0
    links: int = 0
    visits_left_out: int = 0
    shared: bool = False


class NotedAnswer(Answer, frozen=True, kw_only=True):
    """The note, as it is kept."""

    is_recorded: ClassVar[bool] = False

    id: str
    created_at: str


def _start(questions: Questions, asked: StartAsked) -> Draft:
    new = NewSession(
        title=asked.title,
        planned_minutes=asked.planned_minutes,
        kind="agent",
        switch=asked.switch,
    )
    session = questions.start_session(new)
    steps = [call("summary", "begin with the whole", last="1h")]
    return whole(_told(session, steps))


def _note(questions: Questions, asked: NoteAsked) -> Draft:
    note = questions.add_note(NewNote(body=asked.body, about=_about(asked)))
    return whole(NotedAnswer(id=note.id, created_at=note.created_at))


def _stop(questions: Questions, asked: StopAsked) -> Draft:
    return whole(_told(questions.stop_session(share=asked.share)))


def _about(asked: NoteAsked) -> Target | None:
    if asked.trace_id is None:
        if asked.span_id is None:
            return None
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            "a span is one of a trace",
            hint="give trace_id as well",
        )
    if asked.span_id is None:
        return Target(kind="trace", id=asked.trace_id)
    return Target(kind="span", id=f"{asked.trace_id}/{asked.span_id}")


def _told(session: Session, steps: list[Call] | None = None) -> SessionAnswer:
    return SessionAnswer(
        id=session.id,
        title=session.title,
        started_at=session.started_at,
        seconds=session.seconds,
        overrun_seconds=session.overrun_seconds,
        ended_at=session.ended_at,
        findings=session.note_count,
        links=session.link_count,
        visits_left_out=session.visits_left_out,
        shared=session.shared,
        next=steps or [],
    )


SESSION_START: Final = Tool(
    name="session_start",
    title="Begin an investigation",
    description="Open a work session for people to read: all you ask until session_stop is linked.",
    parameters=StartAsked,
    answer=SessionAnswer,
    run=_start,
    example={"title": "why checkout is slow since noon", "planned_minutes": 30, "switch": True},
    is_read_only=False,
)
SESSION_NOTE: Final = Tool(
    name="session_note",
    title="Keep a finding",
    description="Note in the open session what was found; add_comment is for one trace's readers.",
    parameters=NoteAsked,
    answer=NotedAnswer,
    run=_note,
    example={"body": "the pool of connections is full from 12:04 on"},
    is_read_only=False,
)
SESSION_STOP: Final = Tool(
    name="session_stop",
    title="End an investigation",
    description="End the open session; tells its findings and links.",
    parameters=StopAsked,
    answer=SessionAnswer,
    run=_stop,
    is_read_only=False,
)
