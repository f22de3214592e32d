"""The address of a PostgreSQL server: what is shown of it, and what never is."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

SCHEMES: Final = ("postgresql", "postgres")

_SECRETS: Final = frozenset({"password", "sslpassword"})
"""Parameters of an address that are nobody's to see."""

HIDDEN: Final = "…"


def is_postgres(text: str) -> bool:
    """Return whether a text names a PostgreSQL server, a host or a database at least."""
    return re.match(rf"(?:{'|'.join(SCHEMES)})://.", text) is not None


def hide_password(text: str) -> str:
    """Return an address as it may be printed: without the passwords that are in it.

    Whatever cannot be taken apart is hidden whole after its scheme.
    """
    try:
        parts = urlsplit(text)
        user, at, host = parts.netloc.rpartition("@")
        name, colon, _ = user.partition(":")
        shown = f"{name}{colon and ':' + HIDDEN}{at}{host}"
        asked = [
            (key, HIDDEN if key.lower() in _SECRETS else value)
            for key, value in parse_qsl(parts.query, keep_blank_values=True)
        ]
        query = urlencode(asked, safe=f"/{HIDDEN}", encoding="utf-8") if asked else ""
        return urlunsplit((parts.scheme, shown, parts.path, query, ""))
    except ValueError:
        return f"{text.partition('://')[0]}://{HIDDEN}"
