"""`clew keys`: made, listed and revoked over REST, or in the data folder when no server runs.

The first key of a server that other machines are to reach is made before it starts: with
`--offline`, by whoever may write to its data folder, and therefore could do anything to it. The
folder's lock keeps a running server and this apart.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import msgspec
from cyclopts import Group, Parameter

from clew.access import documents as doc
from clew.access.caller import LOCAL
from clew.access.parameters import KeyQuery, NewKey, RoleName
from clew.access.remote import AccessClient
from clew.base.errors import ClewError, ErrorCode
from clew.remote.answer import Answer
from clew.remote.reply import Reply
from clew.surfaces.cli.errors import ExitCode
from clew.surfaces.cli.flags import FILTERS, AnswerFlags, PageNumber, PageText, Switch
from clew.surfaces.cli.session import Listing, Session, Sheet
from clew.surfaces.cli.views.access import created_lines, key_lines, key_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clew.access.keys import KeyRing
    from clew.surfaces.cli.grid import Line

KEY: Final = Group("Key", sort_key=1)
OFFLINE: Final = Group("Without a server", sort_key=3)

KeyId = Annotated[str, Parameter(help="The key's id, as a list shows it.")]


@Parameter(name="*", group=OFFLINE)
@dataclass(frozen=True, kw_only=True)
class OfflineFlags:
    """Where the keys are when no server runs."""

    offline: Switch = False
    """Open the registry itself: for the first key, and when every key is lost."""

    data_dir: Annotated[Path | None, Parameter(name="--data-dir")] = None
    """The data folder. [default: that of clew serve, see clew config]"""


@Parameter(name="*", group=KEY)
@dataclass(frozen=True, kw_only=True)
class NewKeyFlags:
    """`NewKey`, but for the name, which is an argument."""

    role: RoleName
    """What it may do."""

    app_id: str | None = None
    """Bind it to the subtree of this app; of the rest it may only add telemetry."""

    expires_in: str | None = None
    """How long it is valid: 30d, 12h. [default: for ever]"""

    expires_at: str | None = None
    """Until when instead: RFC 3339, or a Unix time."""


@Parameter(name="*", group=FILTERS)
@dataclass(frozen=True, kw_only=True)
class KeyFlags:
    """`KeyQuery`."""

    state: Literal["live", "all"] | None = None
    """The live ones, or those that were revoked or have expired as well. [default: live]"""

    limit: PageNumber = None
    """Items of one page, at most 10000. [default: 100]"""

    next: PageText = None
    """The cursor of the answer before."""


def create(
    name: Annotated[str, Parameter(help="What it is called: whoever holds it, or what it is for.")],
    /,
    *,
    flags: NewKeyFlags,
    place: OfflineFlags | None = None,
    answer: AnswerFlags | None = None,
) -> ExitCode:
    """Make a key, and show it this once."""
    wanted = NewKey(
        name=name,
        role=flags.role,
        app_id=flags.app_id,
        expires_in=flags.expires_in,
        expires_at=flags.expires_at,
    )
    session = Session(answer)
    if place is None or not place.offline:
        return _show(session, _client(session, place).create_key(wanted), created_lines)
    with _open_keys(place) as keys:
        created = keys.create(wanted, LOCAL).result()
    return _show(session, _reply(created), created_lines)


def list_(
    *,
    flags: KeyFlags | None = None,
    place: OfflineFlags | None = None,
    answer: AnswerFlags | None = None,
) -> ExitCode:
    """Show keys, without their secrets."""
    session = Session(answer)
    query = _query(flags or KeyFlags())
    if place is not None and place.offline:
        with _open_keys(place) as keys:
            found = _reply(keys.find(query))
        return session.show(Listing(found, "keys", "key", key_table))
    client = _client(session, place)

    def find(limit: int | None = None) -> Reply[doc.KeyList]:
        page = query if limit is None else msgspec.structs.replace(query, limit=limit)
        return client.find_keys(page)

    return session.show(Listing(find(), "keys", "key", key_table, find))


def revoke(
    key_id: KeyId,
    /,
    *,
    place: OfflineFlags | None = None,
    answer: AnswerFlags | None = None,
) -> ExitCode:
    """Take a key out of use, at once and for good."""
    session = Session(answer)
    if place is None or not place.offline:
        return _show(session, _client(session, place).revoke_key(key_id), _revoked_lines)
    with _open_keys(place) as keys:
        revoked = keys.revoke(key_id, LOCAL).result()
    return _show(session, _reply(doc.KeyAnswer(key=revoked)), _revoked_lines)


class Forgotten(msgspec.Struct, frozen=True, kw_only=True):
    """How many keys there were."""

    forgotten: int


def forget(*, place: OfflineFlags | None = None, answer: AnswerFlags | None = None) -> ExitCode:
    """Remove every key, so that the server asks for none any more."""
    if place is None or not place.offline:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            "a running server keeps asking for keys",
            hint="stop it, then: clew keys forget --offline",
        )
    session = Session(answer)
    with _open_keys(place) as keys:
        forgotten = Forgotten(forgotten=keys.forget(LOCAL).result())
    return _show(session, _reply(forgotten), _forgotten_lines)


def _revoked_lines(document: doc.KeyAnswer, width: int) -> list[Line]:
    return key_lines(document.key, width)


def _forgotten_lines(document: Forgotten, _width: int) -> list[Line]:
    from clew.surfaces.cli.grid import plain
    from clew.surfaces.cli.text import plural

    return [plain(f"{plural(document.forgotten, 'key')} forgotten")]


def _client(session: Session, place: OfflineFlags | None) -> AccessClient:
    if place is not None and place.data_dir is not None:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            "--data-dir means nothing to a running server",
            hint="add --offline, or leave it out",
        )
    return AccessClient(session.client.server)


def _show(session: Session, reply: Reply[Any], lines: Any) -> ExitCode:
    return session.show_sheet(Sheet(reply, lines, lambda document, _: document, longest=0))


def _reply(document: Any) -> Reply[Any]:
    """Return a document of our own as if a server had answered it."""
    return Reply(Answer(msgspec.json.encode(document), {}), type(document))


def _query(flags: KeyFlags) -> KeyQuery:
    given = {
        name: getattr(flags, name)
        for name in KeyQuery.__struct_fields__
        if getattr(flags, name) is not None
    }
    return KeyQuery(**given)


@contextmanager
def _open_keys(place: OfflineFlags) -> Iterator[KeyRing]:
    """Open the registry that `clew serve` would open, as the only one who does.

    Raises:
        ClewError: CONFLICT while a server runs; UNSUPPORTED without the server's packages.
    """
    if find_spec("pyarrow") is None:
        raise ClewError(
            ErrorCode.UNSUPPORTED,
            "the registry is opened by the server's part of clew, which is not installed",
            hint="pip install 'clew[server]', or ask a running server without --offline",
        )
    import time

    from clew.access.keys import KeyRing
    from clew.app.configuration.load import load
    from clew.app.store import open_registry
    from clew.store.folder import FolderLock

    given = {} if place.data_dir is None else {"data_dir": str(place.data_dir)}
    configuration = load(given).configuration
    with FolderLock.acquire(configuration.data_dir):
        database = open_registry(configuration)
        try:
            yield KeyRing(database, time.time_ns)
        finally:
            database.close()
