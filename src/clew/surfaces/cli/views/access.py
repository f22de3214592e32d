"""Keys, and who asked for what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clew.surfaces.cli.grid import Column, Style, lay_out, plain, styled
from clew.surfaces.cli.text import NOTHING, escape, plural, show_time

if TYPE_CHECKING:
    from clew.access.documents import AuditEntry, AuditList, Key, KeyCreated, KeyList, Whoami
    from clew.surfaces.cli.grid import Line

_KEY_COLUMNS: Final = (
    Column("name", flexible=True),
    Column("role"),
    Column("state"),
    Column("bound to", drop=2),
    Column("last used", drop=1),
    Column("expires", drop=3),
    Column("id"),
)

_AUDIT_COLUMNS: Final = (
    Column("at"),
    Column("caller", flexible=True),
    Column("action", flexible=True),
    Column("target", flexible=True, drop=1),
    Column("", drop=3),
    Column("detail", flexible=True, drop=2),
)

_STATE_STYLES: Final = {"live": Style.GREEN, "expired": Style.YELLOW, "revoked": Style.RED}


def key_table(document: KeyList, width: int) -> list[Line]:
    """Return a line per key."""
    return lay_out(_KEY_COLUMNS, [_key_row(key) for key in document.keys], width)


def key_lines(key: Key, _width: int) -> list[Line]:
    """Return what is known of one key."""
    facts = [
        ("name", key.name),
        ("role", key.role),
        ("bound to", key.app_id),
        ("expires", _time(key.expires_at)),
        ("revoked", _time(key.revoked_at)),
        ("id", key.id),
    ]
    return [
        [(name.ljust(10), Style.DIM), (escape(text), Style.PLAIN)]
        for name, text in facts
        if text not in {None, NOTHING}
    ]


def created_lines(document: KeyCreated, width: int) -> list[Line]:
    """Return a new key on a line of its own, which is never cut, and what to do with it."""
    return [
        [(document.api_key, Style.BOLD)],
        [],
        *key_lines(document.key, width),
        [],
        [("it is shown this once; its holder sets CLEW_API_KEY to it", Style.DIM)],
    ]


def audit_table(document: AuditList, width: int) -> list[Line]:
    """Return a line per entry, and how many denials were not written one by one."""
    lines = lay_out(_AUDIT_COLUMNS, [_entry_row(entry) for entry in document.entries], width)
    if document.unwritten:
        told = f"{plural(document.unwritten, 'denial')} since the start came too fast to be written"
        lines.append([(told, Style.YELLOW)])
    return lines


def whoami_lines(document: Whoami, _width: int) -> list[Line]:
    """Return who one is, and what one may do."""
    facts = [
        ("caller", f"{document.kind} {document.name}"),
        ("may", " ".join(document.verbs) or "what its place in the tree allows"),
        ("bound to", document.app_id or NOTHING),
    ]
    return [[(name.ljust(10), Style.DIM), (escape(text), Style.PLAIN)] for name, text in facts]


def _key_row(key: Key) -> list[Line]:
    return [
        plain(escape(key.name)),
        plain(escape(key.role)),
        styled(escape(key.state), _STATE_STYLES.get(key.state, Style.PLAIN)),
        plain(escape(key.app_id) if key.app_id else "everything"),
        plain(_time(key.last_used_at)),
        plain(_time(key.expires_at)),
        plain(escape(key.id)),
    ]


def _entry_row(entry: AuditEntry) -> list[Line]:
    mark = styled("", Style.PLAIN) if entry.allowed else styled("denied", Style.RED)
    # Once where kind and name are the same: local, server.
    who = " ".join(dict.fromkeys((entry.caller_kind, entry.caller)))
    return [
        plain(show_time(entry.at)),
        styled(escape(who), Style.CYAN),
        plain(escape(entry.action)),
        plain(escape(entry.app_id or entry.target or NOTHING)),
        mark,
        plain(escape(entry.detail)),
    ]


def _time(text: str | None) -> str:
    return NOTHING if text is None else show_time(text)
