"""The routes of comments: kept, edited, listed and searched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from clew.access.caller import Verb
from clew.surfaces.rest.answers import answer_document, encode
from clew.surfaces.rest.body import read_document
from clew.surfaces.rest.route import BASE, Asked, OpenRoute, QueryRoute
from clew.surfaces.rest.visits import choice_of
from clew.surfaces.rest.writes import wait_durable
from clew.team.comments import documents as doc
from clew.team.comments import parameters as ask

if TYPE_CHECKING:
    from concurrent.futures import Future

    from starlette.requests import Request
    from starlette.responses import Response

    from clew.surfaces.rest.desk import Desk
    from clew.surfaces.rest.route import Route

COMMENT_BYTES_MAX: Final = 8 * ask.BODY_BYTES_MAX
"""The largest comment with its JSON around it: one byte of text may take six as an escape."""

CREATED: Final = 201

Document = TypeVar("Document", bound=msgspec.Struct)


async def _add(desk: Desk, asked: Asked) -> Response:
    comment = await _read(asked.request, ask.NewComment)
    session_id = desk.sessions.find_open(asked.caller, choice_of(asked.request.headers))
    adding = desk.comments.add(asked.path["trace_id"], comment, asked.caller, session_id)
    return await _answer(desk, asked, adding, CREATED)


async def _edit(desk: Desk, asked: Asked) -> Response:
    edit = await _read(asked.request, ask.CommentEdit)
    editing = desk.comments.edit(asked.path["comment_id"], edit, asked.caller)
    return await _answer(desk, asked, editing)


async def _delete(desk: Desk, asked: Asked) -> Response:
    deleting = desk.comments.delete(asked.path["comment_id"], asked.caller)
    return await _answer(desk, asked, deleting)


def _find_of_trace(desk: Desk, asked: Asked) -> doc.CommentList:
    given: dict[str, Any] = msgspec.structs.asdict(asked.parameters)
    return desk.comments.find(ask.CommentQuery(trace_id=asked.path["trace_id"], **given))


async def _answer(
    desk: Desk, asked: Asked, writing: Future[doc.Comment], status: int = 200
) -> Response:
    comment = await wait_durable(desk, asked, writing)
    return answer_document(encode(doc.CommentAnswer(comment=comment)), status)


async def _read(request: Request, kind: type[Document]) -> Document:
    """Return what is to be kept."""
    return await read_document(
        request, kind, COMMENT_BYTES_MAX, what="a comment", hint='send {"body": "…"}'
    )


_WRITE_ERRORS: Final = (400, 404, 413, 415, 429, 503)

ROUTES: Final[tuple[Route, ...]] = (
    QueryRoute(
        path=f"{BASE}/traces/{{trace_id}}/comments",
        summary="Comments on one trace, as they were written",
        tag="comments",
        parameters=ask.TraceCommentQuery,
        documents=(doc.CommentList,),
        ask=_find_of_trace,
    ),
    OpenRoute(
        path=f"{BASE}/traces/{{trace_id}}/comments",
        method="POST",
        on_tier=True,
        verb=Verb.MESSAGE,
        summary="Comment on a trace, or on a span of it; the trace need not be here yet",
        tag="comments",
        body=ask.NewComment,
        body_types=("application/json",),
        success=CREATED,
        documents=(doc.CommentAnswer,),
        errors=(400, 409, 413, 415, 429, 503),
        respond=_add,
    ),
    QueryRoute(
        path=f"{BASE}/comments",
        summary="Find comments by trace, span, author, time and words",
        tag="comments",
        parameters=ask.CommentQuery,
        documents=(doc.CommentList,),
        ask=lambda desk, asked: desk.comments.find(asked.parameters),
    ),
    QueryRoute(
        path=f"{BASE}/comments/{{comment_id}}",
        summary="One comment",
        tag="comments",
        documents=(doc.CommentAnswer,),
        errors=(400, 404, 429, 503, 504),
        ask=lambda desk, asked: doc.CommentAnswer(
            comment=desk.comments.get(asked.path["comment_id"])
        ),
    ),
    OpenRoute(
        path=f"{BASE}/comments/{{comment_id}}",
        method="PATCH",
        on_tier=True,
        verb=Verb.MESSAGE,
        summary="Change what a comment says",
        tag="comments",
        body=ask.CommentEdit,
        body_types=("application/json",),
        documents=(doc.CommentAnswer,),
        errors=_WRITE_ERRORS,
        respond=_edit,
    ),
    OpenRoute(
        path=f"{BASE}/comments/{{comment_id}}",
        method="DELETE",
        on_tier=True,
        verb=Verb.MESSAGE,
        summary="Remove a comment; the answer is what it was",
        tag="comments",
        documents=(doc.CommentAnswer,),
        errors=(400, 404, 429, 503),
        respond=_delete,
    ),
)
