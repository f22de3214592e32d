"""`clew team sync|queue|retry|clear|log|conflicts|conflict|resolve`, and saved queries."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
from cyclopts import Parameter

from clew.base.errors import ClewError, ErrorCode
from clew.surfaces.cli.asking import confirm
from clew.surfaces.cli.commands.team import OfTeam, Yes, done, show
from clew.surfaces.cli.errors import ExitCode
from clew.surfaces.cli.flags import AnswerFlags, PageNumber, PageText, Switch
from clew.surfaces.cli.naming import pick_id
from clew.surfaces.cli.session import Listing, Session, paged
from clew.surfaces.cli.views import team_sync as views
from clew.surfaces.cli.views.teams import query_lines, query_table
from clew.team.remote import TeamClient
from clew.team.teams import parameters as ask

STDIN: Final = "-"

DOCUMENT_BYTES_MAX: Final = 1 << 20
"""Of a document that somebody merged by hand: what the server takes."""

Which = Annotated[str, Parameter(help="Its id, or the end of it that a list shows.")]
WhichOrAll = Annotated[
    str | None, Parameter(help="Its id, or the end of it. [default: all that were set aside]")
]


def sync(*, answer: AnswerFlags | None = None) -> ExitCode:
    """Send and pull now. Exit code 4 when the team's server is not there, 1 when it failed."""
    session = Session(answer)
    reply = _client(session).sync()
    show(session, reply, views.report_lines)
    match reply.document().outcome:
        case "offline":
            return ExitCode.UNREACHABLE
        case "failed":
            return ExitCode.FAILED
        case "paused":
            return ExitCode.NOT_ALLOWED
    return ExitCode.OK


def queue(
    *,
    failed: Annotated[Switch, Parameter(help="What was set aside instead.")] = False,
    limit: PageNumber = None,
    answer: AnswerFlags | None = None,
) -> ExitCode:
    """List what waits to be sent, and why."""
    session = Session(answer)
    query = ask.QueueQuery(state="failed" if failed else "pending")
    reply = _client(session).queue(_limited(query, limit))
    return session.show(
        Listing(reply, "operations", "operation", views.queue_table, how="raise --limit"),
        lambda: _nothing("nothing was set aside" if failed else "nothing waits to be sent"),
    )


def retry(which: WhichOrAll = None, /, *, answer: AnswerFlags | None = None) -> ExitCode:
    """Let what was set aside begin anew."""
    session = Session(answer)
    client = _client(session)
    return show(session, client.retry(_operation(client, which)), done("will be tried again"))


def clear(
    which: WhichOrAll = None, /, *, yes: Yes = False, answer: AnswerFlags | None = None
) -> ExitCode:
    """Give up what was set aside."""
    session = Session(answer)
    client = _client(session)
    choice = _operation(client, which)
    what = "all that was set aside" if which is None else "it"
    confirm(f"give {what} up? what it changed is undone here", "nothing was given up", yes=yes)
    return show(session, client.clear(choice), done("given up"))


def log(*, limit: PageNumber = None, answer: AnswerFlags | None = None) -> ExitCode:
    """List what rounds of the sync did."""
    session = Session(answer)
    reply = _client(session).rounds(_limited(ask.RoundQuery(), limit))
    return session.show(
        Listing(reply, "rounds", "round", views.round_table, how="raise --limit"),
        lambda: _nothing("nothing was synced yet", "clew team sync"),
    )


def conflicts(
    *,
    resolved: Annotated[Switch, Parameter(help="Those that somebody decided as well.")] = False,
    limit: PageNumber = None,
    next: PageText = None,  # noqa: A002 - the name of the parameter
    answer: AnswerFlags | None = None,
) -> ExitCode:
    """List versions that met."""
    session = Session(answer)
    query = _limited(ask.ConflictQuery(resolved=resolved, next=next), limit)
    find = paged(_client(session).conflicts, query)
    return session.show(
        Listing(find(), "conflicts", "conflict", views.conflict_table, find),
        lambda: _nothing("no conflict is waiting"),
    )


def conflict(which: Which, /, *, answer: AnswerFlags | None = None) -> ExitCode:
    """Show the sides of a conflict beside each other."""
    session = Session(answer)
    client = _client(session)
    return show(session, client.get_conflict(_conflict(client, which)), views.conflict_lines)


def resolve(
    which: Which,
    /,
    *,
    take: Annotated[
        Literal["local", "remote", "outcome", "merged"],
        Parameter(help="The side that is to be; outcome leaves what is there."),
    ],
    document: Annotated[
        str | None,
        Parameter(
            help="With merged: a file that holds the JSON document; - is standard input.",
            allow_leading_hyphen=True,
        ),
    ] = None,
    answer: AnswerFlags | None = None,
) -> ExitCode:
    """Decide a conflict."""
    session = Session(answer)
    client = _client(session)
    merged = None if document is None else _read_document(document)
    asked = ask.ConflictResolution(take=take, document=merged)
    return show(session, client.resolve(_conflict(client, which), asked), views.conflict_lines)


def query_save(
    name: Annotated[str, Parameter(help="What it is called.")],
    query: Annotated[
        str,
        Parameter(help="The question; - reads it from standard input.", allow_leading_hyphen=True),
    ],
    /,
    *,
    language: Annotated[
        Literal["sql", "promql", "filter"], Parameter(help="What it is written in.")
    ] = "sql",
    description: Annotated[str, Parameter(help="What it is good for.")] = "",
    team: OfTeam = None,
    answer: AnswerFlags | None = None,
) -> ExitCode:
    """Keep a query for a team."""
    session = Session(answer)
    new = ask.NewQuery(
        name=name,
        query=_read_text(query) if query == STDIN else query,
        language=language,
        description=description,
        team_id=team,
    )
    return show(session, _client(session).save_query(new), query_lines)


def query_list(*, team: OfTeam = None, answer: AnswerFlags | None = None) -> ExitCode:
    """List the saved queries of a team."""
    session = Session(answer)
    reply = _client(session).queries(ask.TeamQuery(team_id=team))
    return session.show(
        Listing(reply, "queries", "query", query_table),
        lambda: _nothing("this team saved no query yet", "clew team query save NAME QUERY"),
    )


def query_delete(
    which: Annotated[str, Parameter(help="Its id, or the end of it, or its name.")],
    /,
    *,
    team: OfTeam = None,
    yes: Yes = False,
    answer: AnswerFlags | None = None,
) -> ExitCode:
    """Delete a saved query."""
    session = Session(answer)
    client = _client(session)
    found = client.queries(ask.TeamQuery(team_id=team)).document().queries
    named = [each.id for each in found if each.name == which]
    query_id = (
        named[0]
        if len(named) == 1
        else pick_id(which, lambda: [each.id for each in found], "query", "clew team query list")
    )
    confirm(f"delete the query {which} for the whole team?", "nothing was deleted", yes=yes)
    return show(session, client.delete_query(query_id), done("deleted"))


def _limited(query: Any, limit: int | None) -> Any:
    return query if limit is None else msgspec.structs.replace(query, limit=limit)


def _operation(client: TeamClient, which: str | None) -> ask.OperationChoice:
    if which is None:
        return ask.OperationChoice()

    def find() -> list[str]:
        query = ask.QueueQuery(state="failed", limit=ask.LIMIT_MAX)
        return [each.op_id for each in client.queue(query).document().operations]

    op_id = pick_id(which, find, "operation that was set aside", "clew team queue --failed")
    return ask.OperationChoice(op_id=op_id)


def _conflict(client: TeamClient, which: str) -> str:
    def find() -> list[str]:
        query = ask.ConflictQuery(resolved=True, limit=ask.LIMIT_MAX)
        return [each.id for each in client.conflicts(query).document().conflicts]

    return pick_id(which, find, "conflict", "clew team conflicts")


def _read_document(path: str) -> dict[str, Any]:
    text = _read_text(path)
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"the document is no JSON object: {error}",
            hint="begin with what --format json shows of the conflict, such as its outcome",
        ) from error


def _read_text(path: str) -> str:
    try:
        if path == STDIN:
            octets = sys.stdin.buffer.read(DOCUMENT_BYTES_MAX + 1)
        else:
            with Path(path).open("rb") as stream:
                octets = stream.read(DOCUMENT_BYTES_MAX + 1)
        text = octets.decode().rstrip("\n")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ClewError(ErrorCode.INVALID_ARGUMENT, f"cannot read {path}: {reason}") from error
    except UnicodeDecodeError as error:
        raise ClewError(ErrorCode.INVALID_ARGUMENT, f"{path} is not UTF-8") from error
    if len(octets) > DOCUMENT_BYTES_MAX:
        raise ClewError(ErrorCode.TOO_LARGE, f"{path} is larger than {DOCUMENT_BYTES_MAX} bytes")
    return text


def _client(session: Session) -> TeamClient:
    return TeamClient(session.client.server)


def _nothing(message: str, hint: str | None = None) -> ClewError:
    return ClewError(ErrorCode.NOT_FOUND, message, hint=hint)
