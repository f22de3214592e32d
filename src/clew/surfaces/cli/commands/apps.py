"""`clew apps`, `app`, `messages` and `crashes`: the tree as lists, and one app of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from cyclopts import Parameter

from clew.base.errors import ClewError, ErrorCode
from clew.surfaces.cli.completion import complete_apps
from clew.surfaces.cli.errors import ExitCode
from clew.surfaces.cli.flags import FILTERS, AnswerFlags, PageNumber, PageText, to_query
from clew.surfaces.cli.naming import find_app, nothing_found
from clew.surfaces.cli.session import Listing, Session, Sheet, paged
from clew.surfaces.cli.views.apps import (
    app_lines,
    app_table,
    crash_legend,
    crash_table,
    message_legend,
    message_table,
)
from clew.tree.parameters import AppQuery, CrashQuery, MessageQuery, StatusName
from clew.tree.remote import TreeClient

if TYPE_CHECKING:
    from clew.tree import documents as doc

AppName = Annotated[
    str,
    Parameter(help="The app: its id, the beginning or end of it, or its name."),
    Parameter(completer=complete_apps),
]
OtherApp = Annotated[str | None, Parameter(completer=complete_apps)]


@Parameter(name="*", group=FILTERS)
@dataclass(frozen=True, kw_only=True)
class AppFlags:
    """`AppQuery`, but for what only a drawn tree needs."""

    namespace: str | None = None
    """Exact namespace."""

    status: Annotated[list[StatusName] | None, Parameter(negative=(), consume_multiple=False)] = (
        None
    )
    """Repeatable: one of these statuses."""

    parent_id: Annotated[
        str | None, Parameter(name=("--parent", "--parent-id"), completer=complete_apps)
    ] = None
    """Only the children of this app."""

    within: OtherApp = None
    """Only this app and what is below it."""

    name: str | None = None
    """Exact name."""

    role_ref: str | None = None
    """Only apps that list this role ref."""

    text: str | None = None
    """A part of the name, or how the id begins or ends."""

    active: str | None = None
    """Only trees in which something lives, or has ended since: 15m, or a time."""

    order: Literal["newest", "tree"] | None = None
    """By age, or each app before what is below it. [default: newest]"""

    limit: PageNumber = None
    """Items of one page, at most 10000. [default: 100]"""

    next: PageText = None
    """The cursor of the answer before."""


@Parameter(name="*", group=FILTERS)
@dataclass(frozen=True, kw_only=True)
class MessageFlags:
    """`MessageQuery`."""

    type: Literal["Status", "Result", "Error"] | None = None
    """Only messages of this type."""

    limit: PageNumber = None
    """Items of one page, at most 10000. [default: 100]"""

    next: PageText = None
    """The cursor of the answer before."""


@Parameter(name="*", group=FILTERS)
@dataclass(frozen=True, kw_only=True)
class CrashFlags:
    """`CrashQuery`."""

    since: PageText = None
    """From this moment on: 15m (ago), or a time."""

    namespace: str | None = None
    """Exact namespace."""

    app_id: Annotated[
        str | None, Parameter(name=("--app", "--app-id"), completer=complete_apps)
    ] = None
    """Only of this app."""

    within: OtherApp = None
    """Only of this app and what is below it."""

    limit: PageNumber = None
    """Items of one page, at most 10000. [default: 100]"""

    next: PageText = None
    """The cursor of the answer before."""


def apps(*, flags: AppFlags | None = None, answer: AnswerFlags | None = None) -> ExitCode:
    """List apps of the tree."""
    session = Session(answer)
    client = TreeClient(session.client.server)
    query = to_query(flags, AppQuery)
    query = msgspec.structs.replace(
        query,
        parent_id=_resolve(client, query.parent_id),
        within=_resolve(client, query.within),
    )
    find = paged(client.find_apps, query)
    return session.show(Listing(find(), "apps", "app", app_table, find), lambda: _no_app(client))


def app(app: AppName, /, *, answer: AnswerFlags | None = None) -> ExitCode:
    """Show one app."""
    session = Session(answer)
    client = TreeClient(session.client.server)
    reply = client.get_app(find_app(client, app))
    return session.show_sheet(
        Sheet(
            reply,
            app_lines,
            lambda document, kept: document if kept else _without_payloads(document),
            longest=1,
            how=f"clew messages {reply.document().app_id}",
        )
    )


def messages(
    app: AppName, /, *, flags: MessageFlags | None = None, answer: AnswerFlags | None = None
) -> ExitCode:
    """List what an app has said."""
    session = Session(answer)
    client = TreeClient(session.client.server)
    app_id = find_app(client, app)
    query = to_query(flags, MessageQuery)
    find = paged(partial(client.find_messages, app_id), query)
    listing = Listing(find(), "messages", "message", message_table, find, legend=message_legend)
    return session.show(
        listing,
        lambda: ClewError(
            ErrorCode.NOT_FOUND, "the app has said nothing of this", hint=f"see: clew app {app_id}"
        ),
    )


def crashes(*, flags: CrashFlags | None = None, answer: AnswerFlags | None = None) -> ExitCode:
    """List crashes."""
    session = Session(answer)
    client = TreeClient(session.client.server)
    query = to_query(flags, CrashQuery)
    query = msgspec.structs.replace(
        query, app_id=_resolve(client, query.app_id), within=_resolve(client, query.within)
    )
    find = paged(client.find_crashes, query)
    listing = Listing(find(), "crashes", "crash", crash_table, find, legend=crash_legend)
    return session.show(
        listing, lambda: ClewError(ErrorCode.NOT_FOUND, "nothing has crashed", hint=None)
    )


def _resolve(client: TreeClient, text: str | None) -> str | None:
    return None if text is None else find_app(client, text)


def _without_payloads(app: doc.App) -> doc.App:
    """Return an app without what it said, for an answer that has no room for it."""
    said = {
        name: msgspec.structs.replace(each, payload=msgspec.UNSET)
        for name in ("last_snapshot", "result")
        if (each := getattr(app, name)) is not None
    }
    return msgspec.structs.replace(app, **said)


def _no_app(client: TreeClient) -> ClewError:
    hint = "ask with fewer filters, or look at: clew tree --all"
    return nothing_found(client, "no app matched", hint)
