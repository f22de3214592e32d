"""`clew team`: connected or not, who is in, how one comes in, and what was done there."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from cyclopts import Parameter

from clew.base.errors import ClewError, ErrorCode
from clew.surfaces.cli.asking import confirm, read_password
from clew.surfaces.cli.completion import complete_teams
from clew.surfaces.cli.errors import ExitCode
from clew.surfaces.cli.flags import FILTERS, AnswerFlags, Switch, read_whole_number
from clew.surfaces.cli.naming import pick_id
from clew.surfaces.cli.session import Listing, Session, Sheet
from clew.surfaces.cli.views import teams as views
from clew.team.errors import CODE_HINT
from clew.team.remote import TeamClient
from clew.team.teams import parameters as ask

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from clew.remote.reply import Reply
    from clew.surfaces.cli.grid import Line

OfTeam = Annotated[
    str | None,
    Parameter(
        name=("--team", "--team-id"),
        group=FILTERS,
        completer=complete_teams,
        help="The team, by its name or id. [default: the chosen one]",
    ),
]
Yes = Annotated[Switch, Parameter(name=("--yes", "-y"), help="Do not ask.")]
Email = Annotated[str, Parameter(help="Whose account it is.")]
User = Annotated[str, Parameter(help="A member, by address or id.")]
Kinds = Literal["sessions", "comments", "queries"]


def connect(
    url: Annotated[str, Parameter(help="The address of the team's server; HTTPS but here.")],
    /,
    *,
    email: Email,
    totp: Annotated[
        str | None, Parameter(help="The code of an authenticator, where the account has one.")
    ] = None,
    password_stdin: Annotated[
        Switch, Parameter(help="Read the password from standard input.")
    ] = False,
    answer: AnswerFlags | None = None,
) -> ExitCode:
    """Become known to a team's server."""
    session = Session(answer)
    password = read_password(email, from_stdin=password_stdin)
    new = ask.NewConnection(server_url=url, email=email, password=password, totp=totp)
    client = _client(session)
    try:
        reply = client.connect(new)
    except ClewError as error:
        # The server knows the password and asks for more; whoever sits there can answer at once.
        if totp is not None or error.hint != CODE_HINT or not _is_somebody_there():
            raise
        sys.stderr.write("Code of your authenticator: ")
        sys.stderr.flush()
        code = sys.stdin.readline().strip()
        reply = client.connect(msgspec.structs.replace(new, totp=code))
    return show(session, reply, views.connection_lines)


def disconnect(
    *,
    account: Annotated[
        str | None, Parameter(help="The id of an account. [default: the current one]")
    ] = None,
    force: Annotated[Switch, Parameter(help="Also give up what was not sent yet.")] = False,
    yes: Yes = False,
    answer: AnswerFlags | None = None,
) -> ExitCode:
    """Go away from a team's server."""
    session = Session(answer)
    confirm(
        "wipe the tokens, the queue and the copies of this account?",
        "nothing was wiped",
        yes=yes,
    )
    reply = _client(session).disconnect(ask.Disconnection(account=account, force=force))
    return show(session, reply, views.status_lines)


def status(*, answer: AnswerFlags | None = None) -> ExitCode:
    """Show how things stand."""
    session = Session(answer)
    return show(session, _client(session).status(), views.status_lines)


def list_(*, answer: AnswerFlags | None = None) -> ExitCode:
    """List the teams that you belong to."""
    session = Session(answer)
    listing = Listing(_client(session).teams(), "teams", "team", views.team_table)
    return session.show(listing, _no_team)


def create(
    name: Annotated[str, Parameter(help="What the team is called.")],
    /,
    *,
    answer: AnswerFlags | None = None,
) -> ExitCode:
    """Found a team."""
    session = Session(answer)
    return show(session, _client(session).found(ask.NewTeam(name=name)), views.team_lines)


def choose(
    team: Annotated[
        str | None, Parameter(completer=complete_teams, help="A team, by its name or id.")
    ] = None,
    /,
    *,
    account: Annotated[
        str | None, Parameter(help="An account, by the id that status shows.")
    ] = None,
    answer: AnswerFlags | None = None,
) -> ExitCode:
    """Choose which team is meant."""
    if team is None and account is None:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT, "nothing is chosen", hint="name a team, or --account"
        )
    session = Session(answer)
    reply = _client(session).choose(ask.AccountChoice(account=account, team_id=team))
    return show(session, reply, views.status_lines)


def join(
    code: Annotated[str, Parameter(help="The code of an invite.")],
    /,
    *,
    name: Annotated[str | None, Parameter(help="What you are called there.")] = None,
    answer: AnswerFlags | None = None,
) -> ExitCode:
    """Come into a team."""
    session = Session(answer)
    reply = _client(session).join(ask.NewJoin(code=code, display_name=name))
    return show(session, reply, views.joined_lines)


def leave(*, team: OfTeam = None, yes: Yes = False, answer: AnswerFlags | None = None) -> ExitCode:
    """Leave a team."""
    session = Session(answer)
    confirm(f"leave {team or 'the team'}?", "nobody left", yes=yes)
    reply = _client(session).leave(ask.TeamQuery(team_id=team))
    return show(session, reply, done("left"))


def members(*, team: OfTeam = None, answer: AnswerFlags | None = None) -> ExitCode:
    """List who is in a team."""
    session = Session(answer)
    reply = _client(session).members(ask.TeamQuery(team_id=team))
    return session.show(Listing(reply, "members", "member", views.member_table), _nobody)


def role(
    user: User,
    role: Annotated[Literal["owner", "admin", "member"], Parameter(help="What they are to be.")],
    /,
    *,
    team: OfTeam = None,
    answer: AnswerFlags | None = None,
) -> ExitCode:
    """Give a member another role."""
    session = Session(answer)
    reply = _client(session).change_role(user, ask.RoleChange(role=role, team_id=team))
    return show(session, reply, views.member_lines)


def remove(
    user: User, /, *, team: OfTeam = None, yes: Yes = False, answer: AnswerFlags | None = None
) -> ExitCode:
    """Take a member out of a team."""
    session = Session(answer)
    confirm(f"take {user} out of {team or 'the team'}?", "nobody was taken out", yes=yes)
    reply = _client(session).remove_member(user, ask.TeamQuery(team_id=team))
    return show(session, reply, views.member_lines)


def invite(
    *,
    team: OfTeam = None,
    role: Annotated[Literal["admin", "member"], Parameter(help="What they come in as.")] = "member",
    expires: Annotated[str, Parameter(help="How long it is good: 7d, 12h; at most 90d.")] = "7d",
    uses: Annotated[
        int, Parameter(converter=read_whole_number, help="How many may come in by it.")
    ] = 1,
    answer: AnswerFlags | None = None,
) -> ExitCode:
    """Make a way into a team."""
    session = Session(answer)
    new = ask.NewInvite(team_id=team, role=role, expires_in=expires, uses=uses)
    return show(session, _client(session).invite(new), views.invite_lines)


def invites(*, team: OfTeam = None, answer: AnswerFlags | None = None) -> ExitCode:
    """List the invites of a team."""
    session = Session(answer)
    reply = _client(session).invites(ask.TeamQuery(team_id=team))
    return session.show(Listing(reply, "invites", "invite", views.invite_table), _no_invite)


def revoke(
    which: Annotated[str, Parameter(help="The invite's id, or the end of it.")],
    /,
    *,
    team: OfTeam = None,
    yes: Yes = False,
    answer: AnswerFlags | None = None,
) -> ExitCode:
    """Take an invite back."""
    session = Session(answer)
    client = _client(session)

    def find() -> list[str]:
        return [each.id for each in client.invites(ask.TeamQuery(team_id=team)).document().invites]

    invite_id = pick_id(which, find, "invite", "clew team invites")
    confirm(f"take invite {invite_id} back?", "nothing was taken back", yes=yes)
    return show(session, client.revoke_invite(invite_id), done("taken back"))


def activity(*, team: OfTeam = None, answer: AnswerFlags | None = None) -> ExitCode:
    """Show what a team did."""
    session = Session(answer)
    reply = _client(session).activity(ask.TeamQuery(team_id=team))
    return show(session, reply, views.activity_lines)


def consent(
    *,
    give: Annotated[
        str | None, Parameter(help="What may be shared: sessions,comments,queries.")
    ] = None,
    withdraw: Annotated[str | None, Parameter(help="What may not be shared any more.")] = None,
    team: OfTeam = None,
    answer: AnswerFlags | None = None,
) -> ExitCode:
    """Agree, or not any more, that kinds of things may be shared."""
    given, withdrawn = _kinds("--give", give), _kinds("--withdraw", withdraw)
    if not (given or withdrawn):
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            "it is not said what may be shared",
            hint="clew team consent --give sessions,comments --withdraw queries",
        )
    session = Session(answer)
    change = ask.ConsentChange(team_id=team, give=given, withdraw=withdrawn)
    return show(session, _client(session).consent(change), views.team_lines)


def show(session: Session, reply: Reply[Any], lines: Callable[[Any, int], list[Line]]) -> ExitCode:
    """Write a document that has no list to shorten."""
    return session.show_sheet(Sheet(reply, lines, lambda document, _: document, longest=0))


def done(said: str) -> Callable[[Any, int], list[Line]]:
    """Return what shows how many things were done so."""

    def lines(document: Any, _width: int) -> list[Line]:
        from clew.surfaces.cli.grid import plain

        return [plain(said if document.count == 1 else f"{document.count} {said}")]

    return lines


def _kinds(flag: str, text: str | None) -> list[Kinds]:
    names = [each.strip() for each in (text or "").split(",") if each.strip()]
    try:
        return msgspec.convert(names, list[Kinds])
    except msgspec.ValidationError:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"{flag} {text!r} names something that is not shared",
            hint=f"one or more of {', '.join(ask.TYPES_OF)}, with commas between",
        ) from None


def _is_somebody_there() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _client(session: Session) -> TeamClient:
    return TeamClient(session.client.server)


def _no_team() -> ClewError:
    return ClewError(
        ErrorCode.NOT_FOUND,
        "you are in no team yet",
        hint="found one with: clew team create NAME; or join: clew team join CODE",
    )


def _nobody() -> ClewError:
    return ClewError(
        ErrorCode.NOT_FOUND, "nobody of this team is known here yet", hint="clew team sync"
    )


def _no_invite() -> ClewError:
    return ClewError(
        ErrorCode.NOT_FOUND, "this team has no invite", hint="make one with: clew team invite"
    )
