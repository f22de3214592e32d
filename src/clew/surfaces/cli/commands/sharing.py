"""`clew session share|unshare` and `clew comment share|unshare`."""

from __future__ import annotations

from typing import Annotated, Final

from cyclopts import Parameter

from clew.base.ids import parse_uuid
from clew.surfaces.cli.asking import confirm
from clew.surfaces.cli.commands.session import Which, find_session
from clew.surfaces.cli.commands.team import OfTeam, Yes, done, show
from clew.surfaces.cli.errors import ExitCode
from clew.surfaces.cli.flags import AnswerFlags
from clew.surfaces.cli.session import Session
from clew.surfaces.cli.views.teams import shared_lines
from clew.team.remote import SessionClient, TeamClient
from clew.team.sessions.parameters import CURRENT
from clew.team.teams.parameters import NewShare, TeamQuery

_ERASED: Final = "taken back: the team's server erases it with the next sync"

CommentId = Annotated[str, Parameter(help="The comment's id, as a list shows it.")]


def share_session(
    which: Which = CURRENT, /, *, team: OfTeam = None, answer: AnswerFlags | None = None
) -> ExitCode:
    """Share a session with a team."""
    session = Session(answer)
    server = session.client.server
    session_id = _session(session, which)
    reply = TeamClient(server).share_session(session_id, NewShare(team_id=team))
    return show(session, reply, shared_lines)


def unshare_session(
    which: Which = CURRENT,
    /,
    *,
    team: OfTeam = None,
    yes: Yes = False,
    answer: AnswerFlags | None = None,
) -> ExitCode:
    """Take a session back."""
    session = Session(answer)
    session_id = _session(session, which)
    confirm("erase it at the team's server?", "nothing was taken back", yes=yes)
    reply = TeamClient(session.client.server).unshare_session(session_id, TeamQuery(team_id=team))
    return show(session, reply, done(_ERASED))


def share_comment(
    comment_id: CommentId, /, *, team: OfTeam = None, answer: AnswerFlags | None = None
) -> ExitCode:
    """Share a comment with a team."""
    session = Session(answer)
    client = TeamClient(session.client.server)
    reply = client.share_comment(parse_uuid(comment_id), NewShare(team_id=team))
    return show(session, reply, shared_lines)


def unshare_comment(
    comment_id: CommentId,
    /,
    *,
    team: OfTeam = None,
    yes: Yes = False,
    answer: AnswerFlags | None = None,
) -> ExitCode:
    """Take a comment back."""
    session = Session(answer)
    wanted = parse_uuid(comment_id)
    confirm("erase it at the team's server?", "nothing was taken back", yes=yes)
    reply = TeamClient(session.client.server).unshare_comment(wanted, TeamQuery(team_id=team))
    return show(session, reply, done(_ERASED))


def _session(session: Session, which: str) -> str:
    client = SessionClient(session.client.server)
    found = find_session(client, which)
    # The server knows which one is open; what is shared is named by its id.
    return client.get(found).document().id if found == CURRENT else found
