"""What a team's server answered: its documents with walls around them, its refusals as errors.

Nothing of a refusal's text is ever shown but the kind of a constraint: it is the server's to choose
and might repeat what we sent. Light install.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec

from clew.base.times import NS_PER_S
from clew.team.errors import (
    AuthError,
    ConflictError,
    DeniedError,
    MfaRequiredError,
    NotFoundError,
    RateLimitError,
    ServerError,
    SyncError,
    TeamError,
    ValidationError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

JSON_DEPTH_MAX: Final = 32
"""Of a document from a server: ours are three deep; a column may hold JSON of somebody's own."""

RETRY_AFTER_S_MAX: Final = 24 * 60 * 60
"""A server that says more is not taken at its word: after a day it may have been mended."""

BOOTSTRAP_HINT: Final = "is it set up for clew? check with: clew team bootstrap"

_DATE_S_MAX: Final = 2**33
"""The year 2242: its nanoseconds are a number that a database keeps, with room for a difference."""

_CONSTRAINT = re.compile(rb"db constraint: (unique|pk|fk|check|not null|trigger)\b")
_SECONDS = re.compile(r"[0-9]{1,9}")


class AnswerTooLargeError(ServerError):
    """An answer is over the limit: whoever asked for many things may ask for fewer."""


@dataclass(frozen=True, slots=True, repr=False)
class Reply:
    """An answer of the kind 2xx, read whole. Its body may hold tokens, so nothing shows it."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"Reply(status={self.status}, bytes={len(self.body)})"

    def document(self) -> Any:
        """Return the body's JSON document.

        Raises:
            ServerError: it is none, or is nested more deeply than any of ours.
        """
        return decode_json(self.body)

    def object(self) -> dict[str, Any]:
        """Return the body's JSON object.

        Raises:
            ServerError: it is something else.
        """
        document = self.document()
        if not isinstance(document, dict):
            raise ServerError("the server answered with something that is no object")
        return document


def decode_json(body: bytes | str) -> Any:
    """Return a JSON document from a stranger.

    Raises:
        ServerError: it is none, or is nested more deeply than `JSON_DEPTH_MAX`.
    """
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        # The decoder's own words may quote the body.
        raise ServerError(
            "the server answered with something that is no JSON", hint=BOOTSTRAP_HINT
        ) from error
    if not _is_shallow(document, JSON_DEPTH_MAX):
        raise ServerError(f"the server's answer is nested more than {JSON_DEPTH_MAX} deep")
    return document


def encode_json(value: object) -> bytes:
    """Return a value as JSON.

    Raises:
        ValidationError: it is nothing that JSON can say. It is not repeated.
    """
    try:
        return msgspec.json.encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError):
        raise ValidationError("this is nothing that JSON can say") from None


def _is_shallow(value: Any, depth_left: int) -> bool:
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list):
        return True
    return depth_left > 0 and all(
        _is_shallow(item, depth_left - 1) for item in value if isinstance(item, dict | list)
    )


def constraint_of(body: bytes) -> str:
    """Return which kind of constraint a refusal speaks of: ``unique``, ``pk``, ``fk``, or nothing.

    Raises nothing; an unknown text is no constraint.
    """
    found = _CONSTRAINT.search(body[:4096])
    return found.group(1).decode() if found else ""


def refusal(
    status: int, headers: Mapping[str, str], body: bytes, *, host: str, now: int
) -> TeamError:
    """Return what an answer other than 2xx means. `now` is the time here in Unix nanoseconds."""
    wait_ms = retry_after_ms(headers, now)
    match status:
        case 401:
            return AuthError(
                f"{host} does not know who we are",
                hint="connect again: clew team connect",
                status=status,
            )
        case 403 if b"mfa_token" in body:
            return _second_factor(body, host)
        case 403:
            return DeniedError(f"{host} refuses this", hint=_ROLE_HINT, status=status)
        case 404:
            return NotFoundError(f"{host} has no such record", status=status)
        case 405:
            return SyncError(
                f"{host} has no such API, or not for this", hint=BOOTSTRAP_HINT, status=status
            )
        case 409 | 412:
            return ConflictError(f"the record at {host} has changed", status=status)
        case 400 | 411 | 413 | 415 | 422:
            return _invalid(status, body, host)
        case 429:
            return RateLimitError(
                f"{host} asks for fewer requests", retry_after_ms=wait_ms, status=status
            )
        case _ if 300 <= status < 400:
            return SyncError(
                f"{host} sends us to another address, which is not followed: a token goes nowhere"
                " but to the server that it belongs to",
                hint="connect to the address that the server is at",
                status=status,
            )
        case _ if status >= 500 or status in {408, 424, 425}:
            return ServerError(
                f"{host} failed with {status}", retry_after_ms=wait_ms, status=status
            )
        case _:
            return SyncError(f"{host} answered {status}", hint=BOOTSTRAP_HINT, status=status)


def _second_factor(body: bytes, host: str) -> TeamError:
    try:
        document = decode_json(body)
    except ServerError:
        document = None
    token = document.get("mfa_token") if isinstance(document, dict) else None
    if isinstance(token, str):
        return MfaRequiredError(f"{host} asks for a one-time code", token=token)
    return DeniedError(f"{host} refuses this", status=403)


_ROLE_HINT: Final = "your role in the team may not allow it; see: clew team members"


def _invalid(status: int, body: bytes, host: str) -> TeamError:
    if status == 413:
        return ValidationError(f"{host} takes nothing so large", status=status)
    constraint = constraint_of(body)
    if constraint in {"unique", "pk"}:
        return ConflictError(f"{host} has a record with this id or name already", status=status)
    if constraint:
        return ValidationError(f"{host} refuses a value: constraint {constraint}", status=status)
    return ValidationError(f"{host} cannot read this", hint=BOOTSTRAP_HINT, status=status)


def retry_after_ms(headers: Mapping[str, str], now: int) -> int | None:
    """Return how long a server asks us to wait: seconds or a date, None where it says neither.

    A date is measured by the server's own clock where it tells the time, so that ours may be wrong.
    """
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    if _SECONDS.fullmatch(text):
        return min(int(text), RETRY_AFTER_S_MAX) * 1000
    until = http_date_s(text)
    if until is None:
        return None
    told = http_date_s(headers.get("date", ""))
    wait_s = until - (told if told is not None else now // NS_PER_S)
    return min(max(wait_s, 0), RETRY_AFTER_S_MAX) * 1000


def http_date_s(text: str) -> int | None:
    """Return a date of HTTP in Unix seconds, None where it is none, or none of our time."""
    try:
        at_s = int(parsedate_to_datetime(text).timestamp()) if text else -1
    except (ValueError, OverflowError):
        return None
    return at_s if 0 <= at_s < _DATE_S_MAX else None
