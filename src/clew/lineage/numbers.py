"""Numbers of 64 bits as documents have them: decimal texts, since numbers in JSON lose their ends.

Who writes may use numbers as well.
"""

from __future__ import annotations

from typing import Final

from clew.base.errors import ClewError, ErrorCode, shorten
from clew.lineage.layout import parse_trace_id

U64_MAX: Final = 2**64 - 1
U32_MAX: Final = 2**32 - 1

_DIGITS_MAX: Final = 20
_QUOTED_CHARS_MAX: Final = 80


def parse_number(given: str | int, what: str, most: int = U64_MAX) -> int:
    """Return a number from 0 to `most` that is given as a text or as a number.

    Raises:
        ClewError: INVALID_ARGUMENT, naming `what` it should be.
    """
    if isinstance(given, str):
        text = given.strip()
        is_number = text.isascii() and text.isdigit() and len(text) <= _DIGITS_MAX
        number = int(text) if is_number else -1
    else:
        number = given
    if not 0 <= number <= most:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"not {what}: {shorten(str(given), _QUOTED_CHARS_MAX)!r}",
            hint=f"give a decimal number from 0 to {most}",
        )
    return number


def parse_id(given: str | int) -> int:
    """Return a trace id, which is not 0.

    Raises:
        ClewError: INVALID_ARGUMENT.
    """
    return parse_trace_id(str(given))
