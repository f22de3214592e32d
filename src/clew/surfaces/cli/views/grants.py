"""Single grants, and public keys of apps that count no more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clew.surfaces.cli.grid import Column, Style, lay_out, plain
from clew.surfaces.cli.text import NOTHING, escape, show_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clew.access.documents import (
        AppGrant,
        AppGrantAnswer,
        AppGrantList,
        RevokedKey,
        RevokedKeyAnswer,
        RevokedKeyList,
    )
    from clew.surfaces.cli.grid import Line

_GRANT_COLUMNS: Final = (
    Column("subject", flexible=True),
    Column("roles", flexible=True),
    Column("app"),
    Column("below", drop=3),
    Column("expires", drop=1),
    Column("by", flexible=True, drop=2),
    Column("id"),
)

_KEY_COLUMNS: Final = (
    Column("public key"),
    Column("revoked"),
    Column("by", flexible=True, drop=1),
    Column("reason", flexible=True, drop=2),
)


def grant_table(document: AppGrantList, width: int) -> list[Line]:
    """Return a line per grant; ids are whole, since commands take them."""
    return lay_out(_GRANT_COLUMNS, [_grant_row(grant) for grant in document.grants], width)


def grant_lines(document: AppGrantAnswer, _width: int) -> list[Line]:
    """Return what is known of one grant."""
    grant = document.grant
    return _facts(
        [
            ("subject", grant.sub),
            ("roles", " ".join(grant.roles)),
            ("app", grant.app_id),
            ("reaches", "the app and what is below it" if grant.cascade else "the app alone"),
            ("expires", "never" if grant.expires_at is None else show_time(grant.expires_at)),
            ("id", grant.id),
        ]
    )


def revoked_key_table(document: RevokedKeyList, width: int) -> list[Line]:
    """Return a line per public key."""
    return lay_out(_KEY_COLUMNS, [_key_row(key) for key in document.revoked_keys], width)


def revoked_key_lines(document: RevokedKeyAnswer, _width: int) -> list[Line]:
    """Return what is known of one public key."""
    key = document.revoked_key
    return _facts(
        [
            ("public key", key.pub_key),
            ("revoked", f"{show_time(key.revoked_at)} by {key.revoked_by}"),
            ("reason", key.reason or NOTHING),
        ]
    )


def _facts(facts: Sequence[tuple[str, str]]) -> list[Line]:
    longest = max(len(name) for name, _ in facts)
    return [
        [(f"{name:{longest}}  ", Style.DIM), (escape(text), Style.PLAIN)] for name, text in facts
    ]


def _grant_row(grant: AppGrant) -> list[Line]:
    return [
        plain(escape(grant.sub)),
        plain(escape(" ".join(grant.roles))),
        plain(escape(grant.app_id)),
        plain("too" if grant.cascade else "no"),
        plain("never" if grant.expires_at is None else show_time(grant.expires_at)),
        plain(escape(grant.granted_by)),
        plain(escape(grant.id)),
    ]


def _key_row(key: RevokedKey) -> list[Line]:
    return [
        plain(escape(key.pub_key)),
        plain(show_time(key.revoked_at)),
        plain(escape(key.revoked_by)),
        plain(escape(key.reason or NOTHING)),
    ]
