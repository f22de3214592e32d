"""`clew grants`: roles for one app each, given, shown and taken back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from cyclopts import Group, Parameter

from clew.access.parameters import GrantQuery, NewGrant
from clew.access.remote import AccessClient
from clew.surfaces.cli.commands.apps import AppName
from clew.surfaces.cli.completion import complete_apps
from clew.surfaces.cli.errors import ExitCode
from clew.surfaces.cli.flags import FILTERS, AnswerFlags, PageNumber, PageText, Switch
from clew.surfaces.cli.naming import find_app
from clew.surfaces.cli.session import Listing, Session, Sheet, paged
from clew.surfaces.cli.views.grants import grant_lines, grant_table
from clew.tree.remote import TreeClient

if TYPE_CHECKING:
    from clew.access import documents as doc
    from clew.remote.reply import Reply

GRANT: Group = Group("Grant", sort_key=1)

Subject = Annotated[str, Parameter(help="Who: key:NAME, or app:ID.")]
GrantId = Annotated[str, Parameter(help="The grant's id, as a list shows it.")]


@Parameter(name="*", group=GRANT)
@dataclass(frozen=True, kw_only=True)
class NewGrantFlags:
    """`NewGrant`, but for the app and the subject, which are arguments."""

    role: Annotated[list[str], Parameter(negative=(), consume_multiple=False)]
    """Repeatable: what they may do."""

    alone: Switch = False
    """Not for what is below the app."""

    expires_in: str | None = None
    """How long it counts: 2h, 30d. [default: for ever]"""

    expires_at: str | None = None
    """Until when instead: RFC 3339, or a Unix time."""


@Parameter(name="*", group=FILTERS)
@dataclass(frozen=True, kw_only=True)
class GrantFlags:
    """`GrantQuery`."""

    app_id: Annotated[str | None, Parameter(completer=complete_apps)] = None
    """Only those for this app: its id, an end of it, or its name."""

    sub: str | None = None
    """Only those of this subject: key:ci."""

    limit: PageNumber = None
    """Items of one page, at most 10000. [default: 100]"""

    next: PageText = None
    """The cursor of the answer before."""


def add(
    app: AppName,
    subject: Subject,
    /,
    *,
    flags: NewGrantFlags,
    answer: AnswerFlags | None = None,
) -> ExitCode:
    """Grant roles for one app."""
    session = Session(answer)
    server = session.client.server
    wanted = NewGrant(
        app_id=find_app(TreeClient(server), app),
        sub=subject,
        roles=flags.role,
        cascade=not flags.alone,
        expires_in=flags.expires_in,
        expires_at=flags.expires_at,
    )
    return _show(session, AccessClient(server).add_grant(wanted))


def list_(*, flags: GrantFlags | None = None, answer: AnswerFlags | None = None) -> ExitCode:
    """Show grants for single apps."""
    session = Session(answer)
    flags = flags or GrantFlags()
    server = session.client.server
    given = {
        name: getattr(flags, name)
        for name in GrantQuery.__struct_fields__
        if getattr(flags, name) is not None
    }
    if flags.app_id is not None:
        given["app_id"] = find_app(TreeClient(server), flags.app_id)
    query = GrantQuery(**given)
    find = paged(AccessClient(server).find_grants, query)
    return session.show(Listing(find(), "grants", "grant", grant_table, find))


def remove(grant_id: GrantId, /, *, answer: AnswerFlags | None = None) -> ExitCode:
    """Take a grant back."""
    session = Session(answer)
    return _show(session, AccessClient(session.client.server).remove_grant(grant_id))


def _show(session: Session, reply: Reply[doc.AppGrantAnswer]) -> ExitCode:
    return session.show_sheet(Sheet(reply, grant_lines, lambda document, _: document, longest=0))
