"""The routes of work sessions: started, noted in, ended, listed, and who did how much."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from clew.access.caller import Verb
from clew.surfaces.rest.answers import answer_document, encode
from clew.surfaces.rest.body import read_document
from clew.surfaces.rest.route import BASE, Asked, OpenRoute, QueryRoute
from clew.surfaces.rest.visits import choice_of
from clew.surfaces.rest.writes import wait_durable
from clew.team.sessions import documents as doc
from clew.team.sessions import parameters as ask

if TYPE_CHECKING:
    from concurrent.futures import Future

    import msgspec
    from starlette.responses import Response

    from clew.surfaces.rest.desk import Desk
    from clew.surfaces.rest.route import Route

SESSION_BYTES_MAX: Final = 16 << 10
"""A title with an escape for each character, and a few words."""

NOTE_BYTES_MAX: Final = 8 * ask.NOTE_BYTES_MAX
"""The largest note with its JSON around it: one byte of text may take six as an escape."""

TARGET_BYTES_MAX: Final = 16 << 10
"""An id of a thousand characters, each escaped."""

CREATED: Final = 201

ONE: Final = f"{BASE}/sessions/{{session_id}}"

_NOTE_HINT: Final = 'send {"body": "…", "about": {"kind": "trace", "id": "…"}}'


async def _start(desk: Desk, asked: Asked) -> Response:
    new = await read_document(
        asked.request,
        ask.NewSession,
        SESSION_BYTES_MAX,
        what="a session",
        hint='send {"title": "…", "planned_minutes": 45}',
    )
    return await _answer(desk, asked, desk.sessions.start(new, asked.caller), CREATED)


async def _stop(desk: Desk, asked: Asked) -> Response:
    return await _answer(desk, asked, desk.sessions.stop(_id(desk, asked), asked.caller))


async def _change(desk: Desk, asked: Asked) -> Response:
    change = await read_document(
        asked.request,
        ask.SessionChange,
        SESSION_BYTES_MAX,
        what="a change of a session",
        hint='send {"title": "…"}',
    )
    changing = desk.sessions.change(_id(desk, asked), change, asked.caller)
    return await _answer(desk, asked, changing)


async def _delete(desk: Desk, asked: Asked) -> Response:
    return await _answer(desk, asked, desk.sessions.delete(_id(desk, asked), asked.caller))


async def _note(desk: Desk, asked: Asked) -> Response:
    note = await read_document(
        asked.request, ask.NewNote, NOTE_BYTES_MAX, what="a note", hint=_NOTE_HINT
    )
    noting = desk.sessions.note(_id(desk, asked), note, asked.caller)
    return await _answer(desk, asked, noting, CREATED)


async def _delete_note(desk: Desk, asked: Asked) -> Response:
    note_id = asked.path["note_id"]
    deleting = desk.sessions.delete_note(_id(desk, asked), note_id, asked.caller)
    return await _answer(desk, asked, deleting)


async def _link(desk: Desk, asked: Asked) -> Response:
    target = await read_document(
        asked.request,
        ask.Target,
        TARGET_BYTES_MAX,
        what="what a link is to",
        hint='send {"kind": "trace", "id": "…"}',
    )
    linking = desk.sessions.link(_id(desk, asked), target, asked.caller)
    return await _answer(desk, asked, linking, CREATED)


async def _delete_link(desk: Desk, asked: Asked) -> Response:
    kind, link_id = asked.path["kind"], asked.path["link_id"]
    deleting = desk.sessions.delete_link(_id(desk, asked), kind, link_id, asked.caller)
    return await _answer(desk, asked, deleting)


def _id(desk: Desk, asked: Asked) -> str:
    choice = choice_of(asked.request.headers)
    return desk.sessions.resolve(asked.path["session_id"], asked.caller, choice)


async def _answer(desk: Desk, asked: Asked, writing: Future[Any], status: int = 200) -> Response:
    document: msgspec.Struct = await wait_durable(desk, asked, writing)
    return answer_document(encode(document), status)


_ONE_ERRORS: Final = (400, 404, 429, 503, 504)
_END_ERRORS: Final = (400, 404, 409, 429, 503)
_BODY_ERRORS: Final = (400, 404, 409, 413, 415, 429, 503)

ROUTES: Final[tuple[Route, ...]] = (
    QueryRoute(
        path=f"{BASE}/sessions",
        summary="Work sessions, the newest first, by owner, by time, open or ended",
        tag="sessions",
        parameters=ask.SessionQuery,
        documents=(doc.SessionList,),
        ask=lambda desk, asked: desk.sessions.find(asked.parameters, asked.caller),
    ),
    OpenRoute(
        path=f"{BASE}/sessions",
        method="POST",
        verb=Verb.MESSAGE,
        summary="Start a work session: what you look at while it is open becomes its links",
        tag="sessions",
        body=ask.NewSession,
        body_types=("application/json",),
        success=CREATED,
        documents=(doc.Session,),
        errors=(400, 409, 413, 415, 429, 503),
        respond=_start,
    ),
    QueryRoute(
        path=f"{BASE}/sessions/activity",
        summary="Sessions, hours and findings of everybody in a time range, of a week if none",
        tag="sessions",
        parameters=ask.ActivityQuery,
        documents=(doc.ActivityReport,),
        ask=lambda desk, asked: desk.sessions.activity(asked.parameters, asked.caller),
    ),
    QueryRoute(
        path=ONE,
        summary="One session with its notes and links; `current` is the one that is open",
        tag="sessions",
        documents=(doc.Session,),
        errors=_ONE_ERRORS,
        ask=lambda desk, asked: desk.sessions.get(_id(desk, asked)),
    ),
    OpenRoute(
        path=ONE,
        method="PATCH",
        verb=Verb.MESSAGE,
        summary="Give a session another title or plan",
        tag="sessions",
        body=ask.SessionChange,
        body_types=("application/json",),
        documents=(doc.Session,),
        errors=_BODY_ERRORS,
        respond=_change,
    ),
    OpenRoute(
        path=ONE,
        method="DELETE",
        verb=Verb.MESSAGE,
        summary="Remove a session with its notes and links; the answer is what it was",
        tag="sessions",
        documents=(doc.Session,),
        errors=_END_ERRORS,
        respond=_delete,
    ),
    OpenRoute(
        path=f"{ONE}/stop",
        method="POST",
        verb=Verb.MESSAGE,
        summary="End a session; ending it again changes nothing",
        tag="sessions",
        documents=(doc.Session,),
        errors=_END_ERRORS,
        respond=_stop,
    ),
    OpenRoute(
        path=f"{ONE}/notes",
        method="POST",
        verb=Verb.MESSAGE,
        summary="Keep what was found out, of an ended session too",
        tag="sessions",
        body=ask.NewNote,
        body_types=("application/json",),
        success=CREATED,
        documents=(doc.Note,),
        errors=_BODY_ERRORS,
        respond=_note,
    ),
    OpenRoute(
        path=f"{ONE}/notes/{{note_id}}",
        method="DELETE",
        verb=Verb.MESSAGE,
        summary="Remove a note; the answer is what it was",
        tag="sessions",
        documents=(doc.Note,),
        errors=_END_ERRORS,
        respond=_delete_note,
    ),
    OpenRoute(
        path=f"{ONE}/links",
        method="POST",
        verb=Verb.MESSAGE,
        summary="Link something by hand, as if it had been looked at",
        tag="sessions",
        body=ask.Target,
        body_types=("application/json",),
        success=CREATED,
        documents=(doc.Link,),
        errors=_BODY_ERRORS,
        respond=_link,
    ),
    OpenRoute(
        path=f"{ONE}/links/{{kind}}/{{link_id:path}}",
        method="DELETE",
        verb=Verb.MESSAGE,
        summary="Remove a link; the answer is what it was",
        tag="sessions",
        documents=(doc.Link,),
        errors=_END_ERRORS,
        respond=_delete_link,
    ),
)
