"""What may be said of a session: titles, plans, notes, and what links are to. Pure."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from clew.base.errors import ClewError, ErrorCode, shorten
from clew.team.sessions.parameters import (
    NOTE_BYTES_MAX,
    PLANNED_MAX,
    PLANNED_MIN,
    TITLE_CHARS_MAX,
    Target,
)
from clew.team.sessions.targets import KINDS, checked_id

_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def taken(what: str, given: str) -> ClewError:
    """Return the error of an id that something else has."""
    return ClewError(
        ErrorCode.ALREADY_EXISTS,
        f"another {what} has the id {given}",
        hint="leave id out, or give one that is used once",
    )


def target_of(kind: str, link_id: str) -> Target:
    """Return what a link is to, as it is kept.

    Raises:
        ClewError: INVALID_ARGUMENT.
    """
    try:
        target = msgspec.convert({"kind": kind, "id": link_id}, Target)
    except msgspec.ValidationError:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"nothing is of kind {shorten(kind, 64)!r}",
            hint=f"it is one of {', '.join(sorted(KINDS))}",
        ) from None
    if target.kind == "query":
        return target
    return Target(kind=target.kind, id=checked_id(target.kind, link_id))


def checked_title(title: str) -> str:
    """Return a title without blanks around it.

    Raises:
        ClewError: INVALID_ARGUMENT.
    """
    shown = title.strip()
    if 1 <= len(shown) <= TITLE_CHARS_MAX and not _CONTROLS.search(shown):
        return shown
    raise ClewError(
        ErrorCode.INVALID_ARGUMENT,
        "title is no line of text",
        hint=f"say what you look for, in 1 to {TITLE_CHARS_MAX} characters on one line",
    )


def checked_plan(minutes: int | None) -> int | None:
    """Return a plan, if it is one.

    Raises:
        ClewError: INVALID_ARGUMENT.
    """
    if minutes is None or PLANNED_MIN <= minutes <= PLANNED_MAX:
        return minutes
    raise ClewError(
        ErrorCode.INVALID_ARGUMENT,
        f"a plan of {minutes} minutes is not between {PLANNED_MIN} and {PLANNED_MAX}",
        hint="plan at most eight hours, or nothing",
    )


def checked_body(body: str) -> str:
    """Return what a note says, if it may.

    Raises:
        ClewError: INVALID_ARGUMENT, TOO_LARGE.
    """
    if not body.strip():
        raise ClewError(ErrorCode.INVALID_ARGUMENT, "body is empty", hint="say something")
    try:
        size = len(body.encode())
    except UnicodeEncodeError:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT, "body holds half a character (a lone surrogate)"
        ) from None
    if size > NOTE_BYTES_MAX:
        raise ClewError(
            ErrorCode.TOO_LARGE,
            f"body is larger than {NOTE_BYTES_MAX} bytes",
            hint="say it shorter, or in several notes",
        )
    return body
