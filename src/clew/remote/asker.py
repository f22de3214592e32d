"""Who asks, as each question says it: by which API key, and in which work session."""

from __future__ import annotations

import re
from typing import Final

from clew.base.errors import ClewError, ErrorCode

SESSION_HEADER: Final = "x-clew-session"
"""Says which work session what is asked belongs to: an id, ``off``, or ``agent``."""

SESSION_VARIABLE: Final = "CLEW_SESSION"
"""The environment's name for the same."""

_SESSION: Final = re.compile(r"[0-9a-f-]{36}|off|agent")


def tell_asker(api_key: str | None, session: str | None) -> dict[str, str]:
    """Return the headers that say who asks; neither has to be said.

    Raises:
        ClewError: INVALID_ARGUMENT for what is no key, and no session.
    """
    told = {}
    if api_key:
        told["Authorization"] = f"Bearer {_checked_key(api_key)}"
    if session:
        told[SESSION_HEADER] = _checked_session(session)
    return told


def _checked_key(text: str) -> str:
    """Return an API key as a header may hold it.

    Raises:
        ClewError: INVALID_ARGUMENT when there is more in it than a word; it is not repeated.
    """
    key = text.strip()
    if key.isascii() and key.isprintable() and " " not in key:
        return key
    raise ClewError(
        ErrorCode.INVALID_ARGUMENT,
        "the API key is not one",
        hint="it looks like clew_0123456789abcdef_… and is one word; check CLEW_API_KEY",
    )


def _checked_session(text: str) -> str:
    """Return what says which work session a question belongs to, as a header may hold it.

    Raises:
        ClewError: INVALID_ARGUMENT.
    """
    given = text.strip().lower()
    if _SESSION.fullmatch(given):
        return given
    raise ClewError(
        ErrorCode.INVALID_ARGUMENT,
        f"not a work session: {text[:64]!r}",
        hint="CLEW_SESSION is the id of one, or off, or agent",
    )
