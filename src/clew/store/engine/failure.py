"""What the engine's error codes mean to a caller.

The engine answers with a number, a name and a text for its own developers. Here the number becomes
one of our codes, and the text loses what a caller cannot use or should not see: the repeated
prefix, the list of tokens the parser would have taken, the statement repeated, and paths.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from clickhouse_connect.driver.exceptions import ClickHouseError, Error

from clew.base.errors import ClewError, ErrorCode

if TYPE_CHECKING:
    from collections.abc import Iterator
from contextlib import contextmanager

MESSAGE_CHARACTERS_MAX: Final = 400
"""A sentence or two. Longer texts of the engine repeat the statement."""

RETRY_AFTER_MS: Final = 1_000
"""A merge or a query ends within about a second, and frees what it held."""

_TIMEOUT = frozenset({159, 160, 209})
_TOO_LARGE = frozenset({158, 161, 162, 167, 168, 191, 241, 290, 306, 307, 396})
_OVERLOADED = frozenset({202, 252, 473})
_FORBIDDEN = frozenset({164, 291, 344, 392, 446, 452, 497})
# Not enough space, broken descriptors and files, network, a table or a query that went away.
_UNAVAILABLE = frozenset({33, 74, 75, 76, 77, 88, 210, 218, 236, 243, 246, 279, 394, 425, 999})
_OURS = frozenset({40, 49, 226, 228, 271, 1000, 1001, 1002})
"""Broken parts and broken invariants: never the fault of a statement."""

_PREFIX = re.compile(r"^(?:Code: \d+\. )?(?:DB::Exception: )?")
_TRAILER = re.compile(r"(?:\s*\((?:[A-Z][A-Z0-9_]+|version [^()]*(?:\([^)]*\))?)\)[.:]?)+\s*$")
_NOISE = re.compile(
    r"(?:\. |: )?(?:Expected one of: |In scope |Stack trace)|: while executing", re.IGNORECASE
)
_PATH = re.compile(r"(?<![\w.])(?:/[\w.@+-]+){2,}/?")


def failure(error: ClickHouseError, *, default: ErrorCode = ErrorCode.INTERNAL) -> ClewError:
    """Return the error of ours for one of the engine's.

    `default` is the code for numbers that no list here names; a statement of a user gives
    INVALID_ARGUMENT, since whatever the engine finds wrong with it is its own.
    """
    number = error.code if isinstance(error, Error) else None
    text = readable(str(error))
    if number is None:
        # No answer of the engine at all: the connection broke, or the client was closed.
        return ClewError(
            ErrorCode.UNAVAILABLE,
            f"the engine did not answer: {text}",
            retry_after_ms=RETRY_AFTER_MS,
        )
    if number in _TIMEOUT:
        return ClewError(
            ErrorCode.TIMEOUT,
            f"the query ran too long: {text}",
            hint="ask for a shorter time range",
        )
    if number in _TOO_LARGE:
        return ClewError(
            ErrorCode.TOO_LARGE,
            f"the query needs too much: {text}",
            hint="ask for a shorter time range, fewer columns or fewer groups",
        )
    if number in _OVERLOADED:
        return ClewError(ErrorCode.OVERLOADED, text, retry_after_ms=RETRY_AFTER_MS)
    if number in _FORBIDDEN:
        return ClewError(ErrorCode.FORBIDDEN, text)
    if number in _UNAVAILABLE:
        return ClewError(ErrorCode.UNAVAILABLE, text, retry_after_ms=RETRY_AFTER_MS)
    if number in _OURS:
        return ClewError(ErrorCode.INTERNAL, text)
    return ClewError(ErrorCode.INVALID_ARGUMENT if number in _STATEMENT else default, text)


# What a value or a pattern that came from outside can cause in a statement of ours.
_STATEMENT = frozenset(
    {6, 27, 36, 38, 41, 42, 43, 44, 46, 47, 53, 60, 62, 69, 70, 72, 81, 125, 153, 190, 215}
    | {321, 349, 386, 403, 407, 427, 456, 457, 611}
)


def readable(text: str) -> str:
    """Return the engine's text for a person: lower case start, no stop, one line, no paths."""
    line = " ".join(text.split())
    while (match := _PREFIX.match(line)) and match.end():
        line = line[match.end() :]
    line = _TRAILER.sub("", line)
    line = _TRAILER.sub("", _NOISE.split(line, maxsplit=1)[0])
    line = _PATH.sub("…", line).strip().rstrip(".:, ")
    if len(line) > MESSAGE_CHARACTERS_MAX:
        line = line[: MESSAGE_CHARACTERS_MAX - 1] + "…"
    # "SQL ..." and "UInt8 ..." keep their capitals.
    return line[:1].lower() + line[1:] if line[1:2].islower() else line


@contextmanager
def translated(*, default: ErrorCode = ErrorCode.INTERNAL) -> Iterator[None]:
    """Turn the client's exceptions inside the block into errors of ours."""
    try:
        yield
    except ClickHouseError as error:
        raise failure(error, default=default) from error
