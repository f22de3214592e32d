"""The routes of teams: connected or not, who is in, what is shared, what waits and what met."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from clew.access.caller import Verb
from clew.base.errors import ClewError, ErrorCode
from clew.surfaces.rest.answers import answer_document, answer_problem, encode
from clew.surfaces.rest.body import read_document
from clew.surfaces.rest.route import BASE, Asked, OpenRoute
from clew.team.errors import AuthError, MfaRequiredError, TeamError
from clew.team.teams import documents as doc
from clew.team.teams import parameters as ask

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.responses import Response

    from clew.surfaces.rest.desk import Desk
    from clew.surfaces.rest.route import Route

BODY_BYTES_MAX: Final = 1 << 20
"""The largest is a document that somebody merged by hand."""

CREATED: Final = 201

NOT_SPOKEN: Final = 501
"""Of what the team's server does not speak, or this installation: 415 is of a body's media type."""

TAG: Final = "team"

Body = TypeVar("Body", bound=msgspec.Struct)

_READ_ERRORS: Final = (400, 403, 404, 409, 429, 501, 503)
_WRITE_ERRORS: Final = (400, 403, 404, 409, 413, 415, 429, 501, 503)


async def _answer(
    desk: Desk, asked: Asked, working: Awaitable[msgspec.Struct], status: int = 200
) -> Response:
    """Answer with a document, or with what the team's server refused, told apart from ours."""
    try:
        return answer_document(encode(await working), status)
    except ClewError as error:
        if error.code is ErrorCode.UNSUPPORTED:
            return answer_problem(error, status=NOT_SPOKEN)
        if isinstance(error, TeamError):
            raise _explained(error) from None
        if error.code is ErrorCode.FORBIDDEN:
            scope = asked.request.scope
            action = f"{scope['method']} {scope['path']}"
            desk.identity.deny(asked.caller, action, error.message, scope)
        raise


def _explained(error: TeamError) -> ClewError:
    """Return an error of the team's server as one of ours.

    401 would say that this server does not know the caller, and a program would look for another
    key of it. So who is not known *there* is forbidden here, and where a one-time code is wanted
    as well, the question was not complete.
    """
    match error:
        case MfaRequiredError():
            return ClewError(ErrorCode.INVALID_ARGUMENT, error.message, hint=error.hint)
        case AuthError():
            return ClewError(
                ErrorCode.FORBIDDEN,
                f"the team's server lets nobody in by this: {error.message}",
                hint=error.hint,
            )
    return error


def _read(
    path: str,
    summary: str,
    document: type[msgspec.Struct],
    work: Callable[[Desk, Asked], Awaitable[msgspec.Struct]],
    parameters: type[msgspec.Struct] | None = None,
) -> Route:
    """Return a route that asks."""

    async def respond(desk: Desk, asked: Asked) -> Response:
        return await _answer(desk, asked, work(desk, asked))

    given: dict[str, Any] = {} if parameters is None else {"parameters": parameters}
    return OpenRoute(
        path=f"{BASE}/{path}",
        summary=summary,
        tag=TAG,
        documents=(document,),
        errors=_READ_ERRORS,
        respond=respond,
        **given,
    )


def _send(
    path: str,
    summary: str,
    document: type[msgspec.Struct],
    body: type[Body],
    work: Callable[[Desk, Asked, Body], Awaitable[msgspec.Struct]],
    *,
    verb: Verb = Verb.ADMIN,
    success: int = 200,
    method: str = "POST",
) -> Route:
    """Return a route that is sent a document, which may be left out where it is all defaults."""

    async def respond(desk: Desk, asked: Asked) -> Response:
        given = await read_document(
            asked.request, body, BODY_BYTES_MAX, what="this", hint="send a JSON object"
        )
        return await _answer(desk, asked, work(desk, asked, given), success)

    return OpenRoute(
        path=f"{BASE}/{path}",
        method=method,
        verb=verb,
        summary=summary,
        tag=TAG,
        body=body,
        body_types=("application/json",),
        success=success,
        documents=(document,),
        errors=_WRITE_ERRORS,
        respond=respond,
    )


def _end(
    path: str,
    summary: str,
    document: type[msgspec.Struct],
    work: Callable[[Desk, Asked], Awaitable[msgspec.Struct]],
    *,
    parameters: type[msgspec.Struct] | None = None,
    verb: Verb = Verb.ADMIN,
) -> Route:
    """Return a route that takes something away."""
    asking = _read(path, summary, document, work, parameters)
    return dataclasses.replace(asking, method="DELETE", verb=verb, errors=_WRITE_ERRORS)


ROUTES: Final[tuple[Route, ...]] = (
    _read(
        "team",
        "How things stand with the team's server",
        doc.TeamStatus,
        lambda desk, _: desk.teams.status(),
    ),
    _send(
        "team/connect",
        "Become known to a team's server",
        doc.Connection,
        ask.NewConnection,
        lambda desk, _, body: desk.teams.connect(body),
    ),
    _send(
        "team/disconnect",
        "Wipe tokens, queue and copies of an account",
        doc.TeamStatus,
        ask.Disconnection,
        lambda desk, _, body: desk.teams.disconnect(body),
    ),
    _send(
        "team/choose",
        "Choose the account and the team that are meant",
        doc.TeamStatus,
        ask.AccountChoice,
        lambda desk, _, body: desk.teams.choose(body),
    ),
    _read(
        "team/teams",
        "The teams that one belongs to",
        doc.TeamList,
        lambda desk, _: desk.teams.teams(),
    ),
    _send(
        "team/teams",
        "Found a team, also without a network",
        doc.TeamHead,
        ask.NewTeam,
        lambda desk, _, body: desk.teams.found(body),
        success=CREATED,
    ),
    _send(
        "team/join",
        "Come into a team by the code of an invite",
        doc.Joined,
        ask.NewJoin,
        lambda desk, _, body: desk.teams.join(body),
    ),
    _send(
        "team/leave",
        "Leave a team",
        doc.Changed,
        ask.TeamQuery,
        lambda desk, _, body: desk.teams.leave(body),
    ),
    _read(
        "team/members",
        "Who is in a team: owners, admins, then who joined first",
        doc.MemberList,
        lambda desk, asked: desk.teams.members(asked.parameters),
        ask.TeamQuery,
    ),
    _send(
        "team/members/{user_id}",
        "Give a member another role; the team's server decides",
        doc.MemberHead,
        ask.RoleChange,
        lambda desk, asked, body: desk.teams.change_role(asked.path["user_id"], body),
        method="PATCH",
    ),
    _end(
        "team/members/{user_id}",
        "Take a member out of a team",
        doc.MemberHead,
        lambda desk, asked: desk.teams.remove_member(asked.path["user_id"], asked.parameters),
        parameters=ask.TeamQuery,
    ),
    _read(
        "team/invites",
        "The invites of a team, the newest first",
        doc.InviteList,
        lambda desk, asked: desk.teams.invites(asked.parameters),
        ask.TeamQuery,
    ),
    _send(
        "team/invites",
        "Make a way into a team; this answer alone has its code",
        doc.InviteHead,
        ask.NewInvite,
        lambda desk, _, body: desk.teams.invite(body),
        success=CREATED,
    ),
    _end(
        "team/invites/{invite_id}",
        "Take an invite back",
        doc.Changed,
        lambda desk, asked: desk.teams.revoke_invite(asked.path["invite_id"]),
    ),
    _read(
        "team/activity",
        "What a team did",
        doc.TeamActivity,
        lambda desk, asked: desk.teams.activity(asked.parameters),
        ask.TeamQuery,
    ),
    _send(
        "team/consent",
        "Agree, or not any more, that kinds of things may be shared",
        doc.TeamHead,
        ask.ConsentChange,
        lambda desk, _, body: desk.teams.consent(body),
    ),
    _read(
        "team/sessions",
        "Sessions that were shared with a team, the newest first",
        doc.TeamSessionList,
        lambda desk, asked: desk.teams.shared_sessions(asked.parameters),
        ask.TeamSessionQuery,
    ),
    _read(
        "team/sessions/{session_id}",
        "One of them, with its notes and links",
        doc.TeamSession,
        lambda desk, asked: desk.teams.shared_session(asked.path["session_id"]),
    ),
    _send(
        "sessions/{session_id}/share",
        "Share a session with a team; the copy is kept in step",
        doc.Shared,
        ask.NewShare,
        lambda desk, asked, body: desk.teams.share_session(
            asked.path["session_id"], body, asked.caller
        ),
        verb=Verb.MESSAGE,
    ),
    _end(
        "sessions/{session_id}/share",
        "Take a session back: the team's server erases it",
        doc.Changed,
        lambda desk, asked: desk.teams.unshare_session(
            asked.path["session_id"], asked.parameters, asked.caller
        ),
        parameters=ask.TeamQuery,
        verb=Verb.MESSAGE,
    ),
    _send(
        "comments/{comment_id}/share",
        "Share a comment with a team",
        doc.Shared,
        ask.NewShare,
        lambda desk, asked, body: desk.teams.share_comment(
            asked.path["comment_id"], body, asked.caller
        ),
        verb=Verb.MESSAGE,
    ),
    _end(
        "comments/{comment_id}/share",
        "Take a comment back: the team's server erases it",
        doc.Changed,
        lambda desk, asked: desk.teams.unshare_comment(
            asked.path["comment_id"], asked.parameters, asked.caller
        ),
        parameters=ask.TeamQuery,
        verb=Verb.MESSAGE,
    ),
    _read(
        "team/queries",
        "The saved queries of a team",
        doc.QueryList,
        lambda desk, asked: desk.teams.queries(asked.parameters),
        ask.TeamQuery,
    ),
    _send(
        "team/queries",
        "Keep a query for a team",
        doc.QueryHead,
        ask.NewQuery,
        lambda desk, _, body: desk.teams.save_query(body),
        verb=Verb.MESSAGE,
        success=CREATED,
    ),
    _end(
        "team/queries/{query_id}",
        "Delete a saved query",
        doc.Changed,
        lambda desk, asked: desk.teams.delete_query(asked.path["query_id"]),
        verb=Verb.MESSAGE,
    ),
    _send(
        "team/sync",
        "Send and pull now, and say what came of it",
        doc.SyncReport,
        ask.SyncAsked,
        lambda desk, _, __: desk.teams.sync(),
        verb=Verb.MESSAGE,
    ),
    _read(
        "team/queue",
        "Operations that wait, or that were set aside, and why",
        doc.OperationList,
        lambda desk, asked: desk.teams.queue(asked.parameters),
        ask.QueueQuery,
    ),
    _send(
        "team/queue/retry",
        "Let what was set aside begin anew",
        doc.Changed,
        ask.OperationChoice,
        lambda desk, _, body: desk.teams.retry(body),
        verb=Verb.MESSAGE,
    ),
    _send(
        "team/queue/clear",
        "Give up what was set aside",
        doc.Changed,
        ask.OperationChoice,
        lambda desk, _, body: desk.teams.clear(body),
    ),
    _read(
        "team/rounds",
        "What rounds of the sync did, the last first",
        doc.RoundList,
        lambda desk, asked: desk.teams.rounds(asked.parameters),
        ask.RoundQuery,
    ),
    _read(
        "team/conflicts",
        "Versions that met, and what was made of them",
        doc.ConflictList,
        lambda desk, asked: desk.teams.conflicts(asked.parameters),
        ask.ConflictQuery,
    ),
    _read(
        "team/conflicts/{conflict_id}",
        "One conflict with all its sides",
        doc.ConflictHead,
        lambda desk, asked: desk.teams.get_conflict(asked.path["conflict_id"]),
    ),
    _send(
        "team/conflicts/{conflict_id}/resolve",
        "Decide a conflict; it may be decided again",
        doc.ConflictHead,
        ask.ConflictResolution,
        lambda desk, asked, body: desk.teams.resolve(asked.path["conflict_id"], body),
        verb=Verb.MESSAGE,
    ),
)
