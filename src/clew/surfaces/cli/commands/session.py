"""`clew session`: start, note, show, stop, list, export, activity and what corrects them."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import msgspec
from cyclopts import Parameter

from clew.base.errors import ClewError, ErrorCode
from clew.base.ids import new_uuid
from clew.base.times import NS_PER_S, parse_duration_ns
from clew.surfaces.cli.completion import complete_apps, complete_services
from clew.surfaces.cli.errors import ExitCode
from clew.surfaces.cli.flags import (
    FILTERS,
    AnswerFlags,
    PageNumber,
    PageText,
    ServerFlags,
    Switch,
    TimeFlags,
    to_query,
)
from clew.surfaces.cli.naming import find_app, pick_id
from clew.surfaces.cli.session import Listing, Session, Sheet, paged
from clew.surfaces.cli.views.session_page import write_page
from clew.surfaces.cli.views.sessions import (
    activity_table,
    link_lines,
    note_lines,
    session_lines,
    session_table,
)
from clew.surfaces.cli.views.teams import shared_session_lines, shared_session_table
from clew.team.remote import SessionClient, TeamClient
from clew.team.sessions.parameters import (
    CURRENT,
    ME,
    NOTE_BYTES_MAX,
    ActivityQuery,
    NewNote,
    NewSession,
    SessionChange,
    SessionQuery,
    Target,
)
from clew.team.teams.parameters import TeamSessionQuery
from clew.tree.remote import TreeClient

if TYPE_CHECKING:
    from clew.remote.http import Server
    from clew.remote.reply import Reply
    from clew.team.sessions import documents as doc
    from clew.team.teams import documents as team_doc

STDIN: Final = "-"

CANDIDATES_MAX: Final = 1000
"""Sessions looked at for the end of an id: a year of a team's."""

NO_PLAN: Final = "none"

_MINUTE_NS: Final = 60 * NS_PER_S
_TARGETS: Final = ("trace", "span", "app", "object", "lineage", "metric", "service", "query")

Which = Annotated[str, Parameter(help="The session's id, or a part of it. [default: the open one]")]
InSession = Annotated[
    str,
    Parameter(
        name="--session",
        group=FILTERS,
        help="The session's id, or a part of it. [default: the open one]",
    ),
]
Body = Annotated[
    str,
    Parameter(help="What was found; - reads it from standard input.", allow_leading_hyphen=True),
]


@Parameter(name="*", group=FILTERS)
@dataclass(frozen=True, kw_only=True)
class TargetFlags:
    """`Target`, a flag for each kind; one is given, or none."""

    trace: str | None = None
    """A trace, by its id."""

    span: str | None = None
    """A span: TRACE/SPAN, or its id alone beside --trace."""

    app: Annotated[str | None, Parameter(completer=complete_apps)] = None
    """An app: its id, the beginning or end of it, or its name."""

    object: str | None = None
    """An object: TYPE/ID."""

    lineage: str | None = None
    """A lineage id, in decimal or hexadecimal behind 0x."""

    metric: str | None = None
    """A metric, by its exact name."""

    service: Annotated[str | None, Parameter(completer=complete_services)] = None
    """A service, by its exact name."""


@Parameter(name="*", group=FILTERS)
@dataclass(frozen=True, kw_only=True)
class LinkFlags(TargetFlags):
    """What a link is to, or a note."""

    query: str | None = None
    """A question, by its id, which --format json shows."""

    note: str | None = None
    """A note, by the id that the session shows."""


@Parameter(name="*", group=FILTERS)
@dataclass(frozen=True, kw_only=True)
class SessionFlags(TimeFlags):
    """`SessionQuery`, and short words for what is asked most."""

    owner: str | None = None
    """Only of this owner, such as key:ann; me is whoever asks."""

    mine: Switch = False
    """Only your own: --owner me."""

    open: Switch = False
    """Only those that are open."""

    limit: PageNumber = None
    """Sessions of one page, at most 1000. [default: 100]"""

    next: PageText = None
    """The cursor of the answer before."""


@Parameter(name="*", group=FILTERS)
@dataclass(frozen=True, kw_only=True)
class ActivityFlags(TimeFlags):
    """`ActivityQuery`."""

    owner: str | None = None
    """Only of this owner, such as key:ann; me is whoever asks."""


def start(
    title: Annotated[str, Parameter(help="What you look for, on one line.")],
    *,
    plan: Annotated[
        str | None, Parameter(group=FILTERS, help="How long it is to take: 45m, 1h30m; 8h at most.")
    ] = None,
    kind: Annotated[
        Literal["own", "agent", "beside"],
        Parameter(group=FILTERS, help="Yours, your agent's, or one more beside them."),
    ] = "own",
    switch: Annotated[
        Switch, Parameter(group=FILTERS, help="End the one that is open instead of refusing.")
    ] = False,
    answer: AnswerFlags | None = None,
) -> ExitCode:
    """Start a work session."""
    session = Session(answer)
    new = NewSession(
        title=title,
        planned_minutes=None if plan is None else _minutes(plan),
        kind=kind,
        switch=switch,
        # An id of our own: when the connection breaks, sending again does not start another.
        id=new_uuid(time.time_ns()),
    )
    return _show(session, _client(session).start(new))


def note(
    body: Body,
    /,
    *,
    in_session: InSession = CURRENT,
    about: TargetFlags | None = None,
    answer: AnswerFlags | None = None,
) -> ExitCode:
    """Keep what you found out."""
    session = Session(answer)
    client = _client(session)
    new = NewNote(
        body=_read_body(body),
        about=_target(about or TargetFlags(), session.client.server),
        id=new_uuid(time.time_ns()),
    )
    reply = client.note(find_session(client, in_session), new)
    return session.show_sheet(Sheet(reply, note_lines, lambda document, _: document, longest=0))


def show(which: Which = CURRENT, /, *, answer: AnswerFlags | None = None) -> ExitCode:
    """Show a session."""
    session = Session(answer)
    client = _client(session)
    try:
        reply = client.get(find_session(client, which))
    except ClewError as error:
        # What is none of this server's may be one that somebody of a team shared.
        if error.code is not ErrorCode.NOT_FOUND or which == CURRENT:
            raise
        shared = _find_shared(TeamClient(session.client.server), which)
        if shared is None:
            raise
        sheet = Sheet(shared, shared_session_lines, _first_shared, _longest_of(shared))
        return session.show_sheet(sheet)
    return _show(session, reply)


def stop(which: Which = CURRENT, /, *, answer: AnswerFlags | None = None) -> ExitCode:
    """End a session."""
    session = Session(answer)
    client = _client(session)
    return _show(session, client.stop(find_session(client, which)))


def list_(
    *,
    team: Annotated[
        Switch, Parameter(group=FILTERS, help="Those that were shared with the chosen team.")
    ] = False,
    flags: SessionFlags | None = None,
    answer: AnswerFlags | None = None,
) -> ExitCode:
    """List sessions."""
    flags = flags or SessionFlags()
    if team:
        return _list_shared(Session(answer), flags)
    if flags.mine and flags.owner is not None:
        raise ClewError(ErrorCode.INVALID_ARGUMENT, "--mine is --owner me", hint="give one of them")
    query = SessionQuery(
        last=flags.last,
        start=flags.start,
        end=flags.end,
        owner=ME if flags.mine else flags.owner,
        open=True if flags.open else None,
        next=flags.next,
    )
    if flags.limit is not None:
        query = msgspec.structs.replace(query, limit=flags.limit)
    session = Session(answer)
    find = paged(_client(session).find, query)
    return session.show(Listing(find(), "sessions", "session", session_table, find), _nothing)


def export(
    which: Which = CURRENT,
    /,
    *,
    output: Annotated[
        Path | None,
        Parameter(name=("--output", "-o"), help="Write it here. [default: standard output]"),
    ] = None,
    server: ServerFlags | None = None,
) -> ExitCode:
    """Write a session as Markdown."""
    client = SessionClient((server or ServerFlags()).open())
    page = write_page(client.get(find_session(client, which)).document())
    if output is None:
        sys.stdout.write(page)
        return ExitCode.OK
    try:
        output.write_text(page, encoding="utf-8")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ClewError(ErrorCode.FORBIDDEN, f"cannot write {output}: {reason}") from error
    return ExitCode.OK


def activity(*, flags: ActivityFlags | None = None, answer: AnswerFlags | None = None) -> ExitCode:
    """Show sessions, hours and findings."""
    session = Session(answer)
    reply = _client(session).activity(to_query(flags, ActivityQuery))
    return session.show(Listing(reply, "members", "owner", activity_table), _no_activity)


def change(
    which: Which = CURRENT,
    /,
    *,
    title: Annotated[str | None, Parameter(group=FILTERS, help="What it is called now.")] = None,
    plan: Annotated[
        str | None, Parameter(group=FILTERS, help="How long it is to take, or none.")
    ] = None,
    answer: AnswerFlags | None = None,
) -> ExitCode:
    """Give a session another title or plan."""
    session = Session(answer)
    client = _client(session)
    minutes = None if plan is None or plan == NO_PLAN else _minutes(plan)
    changed = SessionChange(
        title=msgspec.UNSET if title is None else title,
        planned_minutes=msgspec.UNSET if plan is None else minutes,
    )
    return _show(session, client.change(find_session(client, which), changed))


def link(
    *,
    in_session: InSession = CURRENT,
    flags: TargetFlags | None = None,
    answer: AnswerFlags | None = None,
) -> ExitCode:
    """Link something by hand."""
    session = Session(answer)
    client = _client(session)
    target = _target(flags or TargetFlags(), session.client.server)
    if target is None:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT, "a link is to something", hint="give --trace, --app, …"
        )
    return _show_link(session, client.link(find_session(client, in_session), target))


def unlink(
    *,
    in_session: InSession = CURRENT,
    flags: LinkFlags | None = None,
    answer: AnswerFlags | None = None,
) -> ExitCode:
    """Remove a link or a note."""
    session = Session(answer)
    client = _client(session)
    flags = flags or LinkFlags()
    target = _target(flags, session.client.server)
    if (target is None) == (flags.note is None):
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            "one thing is removed at a time",
            hint="give --note, --query, --trace, --service …, one of them",
        )
    where = find_session(client, in_session)
    if target is not None:
        return _show_link(session, client.delete_link(where, target))
    reply = client.delete_note(where, str(flags.note))
    return session.show_sheet(Sheet(reply, note_lines, lambda document, _: document, longest=0))


def delete(
    which: Annotated[str, Parameter(help="The session's id, or a part of it.")],
    /,
    *,
    answer: AnswerFlags | None = None,
) -> ExitCode:
    """Remove a session."""
    session = Session(answer)
    client = _client(session)
    return _show(session, client.delete(find_session(client, which)))


def _list_shared(session: Session, flags: SessionFlags) -> ExitCode:
    """List what was shared with a team; the filters are those of sessions here."""
    if flags != SessionFlags(limit=flags.limit):
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            "--team lists all that was shared",
            hint="leave the other filters out; --limit says how many",
        )
    query = TeamSessionQuery()
    if flags.limit is not None:
        query = msgspec.structs.replace(query, limit=flags.limit)
    reply = TeamClient(session.client.server).sessions(query)
    listing = Listing(reply, "sessions", "session", shared_session_table, how="raise --limit")
    return session.show(listing, _nothing_shared)


def _find_shared(client: TeamClient, which: str) -> Reply[team_doc.TeamSession] | None:
    """Return a session that somebody of a team shared, None where there is none such."""

    def find() -> list[str]:
        query = TeamSessionQuery(limit=CANDIDATES_MAX)
        return [each.id for each in client.sessions(query).document().sessions]

    try:
        return client.get_session(pick_id(which, find, "session", "clew session list --team"))
    except ClewError as error:
        if error.code is ErrorCode.NOT_FOUND:
            return None
        raise


def _first_shared(whole: team_doc.TeamSession, kept: int) -> team_doc.TeamSession:
    return msgspec.structs.replace(whole, notes=whole.notes[:kept], links=whole.links[:kept])


def _longest_of(reply: Reply[team_doc.TeamSession]) -> int:
    document = reply.document()
    return max(len(document.notes), len(document.links))


def _nothing_shared() -> ClewError:
    return ClewError(
        ErrorCode.NOT_FOUND,
        "nobody shared a session with this team yet",
        hint="share one with: clew session share",
    )


def _client(session: Session) -> SessionClient:
    return SessionClient(session.client.server)


def _show(session: Session, reply: Reply[doc.Session]) -> ExitCode:
    """Show a session; within a budget, with the first of its notes and links."""
    document = reply.document()

    def first(whole: doc.Session, kept: int) -> doc.Session:
        return msgspec.structs.replace(whole, notes=whole.notes[:kept], links=whole.links[:kept])

    longest = max(len(document.notes), len(document.links))
    return session.show_sheet(Sheet(reply, session_lines, first, longest))


def _show_link(session: Session, reply: Reply[doc.Link]) -> ExitCode:
    return session.show_sheet(Sheet(reply, link_lines, lambda document, _: document, longest=0))


def find_session(client: SessionClient, which: str) -> str:
    """Return the id of the session that is meant.

    Raises:
        ClewError: NOT_FOUND, or INVALID_ARGUMENT when several are meant.
    """
    if which.strip().lower() == CURRENT:
        return CURRENT

    def find() -> list[str]:
        found = client.find(SessionQuery(limit=CANDIDATES_MAX)).document().sessions
        return [each.id for each in found]

    return pick_id(which, find, "session", "clew session list")


def _target(flags: TargetFlags, server: Server) -> Target | None:
    """Return what the flags name, None where they name nothing.

    Raises:
        ClewError: INVALID_ARGUMENT when they name several things; what `find_app` raises.
    """
    given = {kind: value for kind in _TARGETS if (value := getattr(flags, kind, None)) is not None}
    if given.keys() == {"trace", "span"} and "/" not in given["span"]:
        given = {"span": f"{given['trace']}/{given['span']}"}
    if not given:
        return None
    if len(given) > 1:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"--{' and --'.join(given)} are several things",
            hint="name one",
        )
    ((kind, value),) = given.items()
    if kind == "app":
        value = find_app(TreeClient(server), value)
    return msgspec.convert({"kind": kind, "id": value}, Target)


def _minutes(plan: str) -> int:
    """Return a plan in minutes; what is begun counts."""
    return -(-parse_duration_ns(plan, bare=_MINUTE_NS) // _MINUTE_NS)


def _read_body(body: str) -> str:
    if body != STDIN:
        return body
    read = sys.stdin.buffer.read(NOTE_BYTES_MAX + 1)
    try:
        return read.decode().rstrip("\n")
    except UnicodeDecodeError as error:
        # What is too long may have been cut inside a character; its size is what is wrong then.
        if len(read) > NOTE_BYTES_MAX:
            return read.decode(errors="replace")
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT, "standard input is not UTF-8", hint="a note is text"
        ) from error


def _nothing() -> ClewError:
    return ClewError(
        ErrorCode.NOT_FOUND,
        "no session matched",
        hint="start one with: clew session start --title 'what you look for'",
    )


def _no_activity() -> ClewError:
    return ClewError(
        ErrorCode.NOT_FOUND, "nobody had a session in this time", hint="widen the time: --last 30d"
    )
