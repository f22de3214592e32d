"""`clew audit` and `clew whoami`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cyclopts import Parameter

from clew.access.parameters import AuditQuery
from clew.access.remote import AccessClient
from clew.base.errors import ClewError, ErrorCode
from clew.surfaces.cli.errors import ExitCode
from clew.surfaces.cli.flags import FILTERS, AnswerFlags, PageNumber, PageText, TimeFlags
from clew.surfaces.cli.session import Listing, Session, Sheet, paged
from clew.surfaces.cli.views.access import audit_table, whoami_lines


@Parameter(name="*", group=FILTERS)
@dataclass(frozen=True, kw_only=True)
class AuditFlags(TimeFlags):
    """`AuditQuery`."""

    caller: str | None = None
    """Only what this key, by its name, or this app, by its id, asked for."""

    action: str | None = None
    """Only this action: keys.create, cancel, GET /api/v1/traces."""

    app_id: str | None = None
    """Only what was asked for this app."""

    allowed: Literal["true", "false"] | None = None
    """Only what was allowed, or only what was denied."""

    limit: PageNumber = None
    """Items of one page, at most 10000. [default: 100]"""

    next: PageText = None
    """The cursor of the answer before."""


def audit(*, flags: AuditFlags | None = None, answer: AnswerFlags | None = None) -> ExitCode:
    """Show who asked for what, and whether it was allowed."""
    session = Session(answer)
    client = AccessClient(session.client.server)
    query = _query(flags or AuditFlags())
    find = paged(client.find_entries, query)
    return session.show(Listing(find(), "entries", "entry", audit_table, find), _nothing)


def whoami(*, answer: AnswerFlags | None = None) -> ExitCode:
    """Show who the server takes this caller for."""
    session = Session(answer)
    reply = AccessClient(session.client.server).whoami()
    return session.show_sheet(Sheet(reply, whoami_lines, lambda document, _: document, longest=0))


def _query(flags: AuditFlags) -> AuditQuery:
    given = {
        name: getattr(flags, name)
        for name in AuditQuery.__struct_fields__
        if getattr(flags, name) is not None
    }
    if flags.allowed is not None:
        given["allowed"] = flags.allowed == "true"
    return AuditQuery(**given)


def _nothing() -> ClewError:
    return ClewError(
        ErrorCode.NOT_FOUND, "nothing of that is in the audit log", hint="widen the filters"
    )
