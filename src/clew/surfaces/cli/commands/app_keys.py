"""`clew app-keys`: public keys of apps, taken out of use and lifted again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

from cyclopts import Parameter

from clew.access.parameters import NewRevokedKey, RevokedKeyQuery
from clew.access.remote import AccessClient
from clew.surfaces.cli.completion import complete_apps
from clew.surfaces.cli.errors import ExitCode
from clew.surfaces.cli.flags import FILTERS, AnswerFlags, PageNumber, PageText
from clew.surfaces.cli.naming import find_app
from clew.surfaces.cli.session import Listing, Session, Sheet, paged
from clew.surfaces.cli.views.grants import revoked_key_lines, revoked_key_table
from clew.tree.remote import TreeClient

if TYPE_CHECKING:
    from clew.access import documents as doc
    from clew.remote.reply import Reply

PUB_KEY_PREFIX: Final = "ed25519:"
"""How a public key begins, and no id of an app."""

PubKey = Annotated[str, Parameter(help="The public key, as a list shows it.")]
KeyOrApp = Annotated[
    str,
    Parameter(help="The public key, or the app that has it: its id, an end of it, or its name."),
    Parameter(completer=complete_apps),
]


@Parameter(name="*", group=FILTERS)
@dataclass(frozen=True, kw_only=True)
class RevokedKeyFlags:
    """`RevokedKeyQuery`."""

    limit: PageNumber = None
    """Items of one page, at most 10000. [default: 100]"""

    next: PageText = None
    """The cursor of the answer before."""


def revoke(
    key: KeyOrApp,
    /,
    *,
    reason: Annotated[str, Parameter(help="Why: kept with it, and in the audit log.")] = "",
    answer: AnswerFlags | None = None,
) -> ExitCode:
    """Let the public key of an app count no more."""
    session = Session(answer)
    server = session.client.server
    if key.startswith(PUB_KEY_PREFIX):
        wanted = NewRevokedKey(pub_key=key, reason=reason)
    else:
        wanted = NewRevokedKey(app_id=find_app(TreeClient(server), key), reason=reason)
    return _show(session, AccessClient(server).revoke_app_key(wanted))


def list_(*, flags: RevokedKeyFlags | None = None, answer: AnswerFlags | None = None) -> ExitCode:
    """Show public keys that count no more."""
    session = Session(answer)
    client = AccessClient(session.client.server)
    flags = flags or RevokedKeyFlags()
    given = {
        name: getattr(flags, name)
        for name in RevokedKeyQuery.__struct_fields__
        if getattr(flags, name) is not None
    }
    query = RevokedKeyQuery(**given)
    find = paged(client.find_revoked_app_keys, query)
    return session.show(Listing(find(), "revoked_keys", "revoked key", revoked_key_table, find))


def lift(pub_key: PubKey, /, *, answer: AnswerFlags | None = None) -> ExitCode:
    """Let a public key count again."""
    session = Session(answer)
    return _show(session, AccessClient(session.client.server).lift_app_key(pub_key))


def _show(session: Session, reply: Reply[doc.RevokedKeyAnswer]) -> ExitCode:
    return session.show_sheet(
        Sheet(reply, revoked_key_lines, lambda document, _: document, longest=0)
    )
