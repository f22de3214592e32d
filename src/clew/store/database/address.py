"""The address of a PostgreSQL server: what is shown of it, and what never is."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote_plus, urlsplit

SCHEMES: Final = ("postgresql", "postgres")

_SECRETS: Final = frozenset({"password", "sslpassword"})
"""Parameters of an address that are nobody's to see."""

HIDDEN: Final = "…"


def is_postgres(text: str) -> bool:
    """Return whether a text names a PostgreSQL server, a host or a database at least."""
    return re.match(rf"(?:{'|'.join(SCHEMES)})://.", text) is not None


def hide_password(text: str) -> str:
    """Return an address as it may be printed: without the passwords that are in it.

    Whatever cannot be taken apart for certain is hidden whole after its scheme: a password with a
    slash or a question mark in it looks like a host and a path.
    """
    hidden = f"{text.partition('://')[0]}://{HIDDEN}"
    try:
        parts = urlsplit(text)
        user, at, host = parts.netloc.rpartition("@")
        if not at and "," not in host:
            # Raises where what should be a port is something else.
            _ = parts.port
    except ValueError:
        return hidden
    if parts.fragment or "@" in f"{parts.path}{parts.query}":
        return hidden
    name, colon, _ = user.partition(":")
    shown = f"{name}{colon and ':' + HIDDEN}{at}{host}"
    query = "&".join(map(_hide_value, parts.query.split("&")))
    return f"{parts.scheme}://{shown}{parts.path}{query and '?' + query}"


def _hide_value(parameter: str) -> str:
    key, equals, _ = parameter.partition("=")
    return f"{key}={HIDDEN}" if equals and unquote_plus(key).lower() in _SECRETS else parameter
