"""Answers of a bounded size, for a reader that pays for every token.

A page is cut between items, never inside one, and always at its end, so that what is kept is what
would have come first anyway. How many items fit is found by writing the answer with fewer of them
until it fits; nothing is guessed from averages, since one span can be as large as a hundred others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clew.base.errors import ClewError, ErrorCode

if TYPE_CHECKING:
    from collections.abc import Callable

# Tokenizers of today's models make a token of three to four characters of English and of JSON.
CHARS_PER_TOKEN: Final = 4

# The envelope of an empty answer with its hint takes about this much.
TOKENS_MIN: Final = 100


def check_budget(tokens: int | None) -> int | None:
    """Return the bytes that a budget of tokens allows, None without a budget.

    Raises:
        ClewError: INVALID_ARGUMENT when not even an empty answer would fit.
    """
    if tokens is None:
        return None
    if tokens < TOKENS_MIN:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"--max-tokens {tokens} does not hold an answer",
            hint=f"give at least {TOKENS_MIN}",
        )
    return tokens * CHARS_PER_TOKEN


def tokens_of(text: str) -> int:
    """Return about how many tokens a text takes."""
    return -(-len(text.encode()) // CHARS_PER_TOKEN)


def count_fitting(count: int, room: int, write: Callable[[int], str]) -> int:
    """Return how many of the first items fit, or -1 when not even an answer without any does.

    `write` returns the whole answer with that many items; it grows with them.
    """
    if _fits(write(count), room):
        return count
    low, high = -1, count
    while high - low > 1:
        middle = (low + high) // 2
        if _fits(write(middle), room):
            low = middle
        else:
            high = middle
    return low


def _fits(text: str, room: int) -> bool:
    return len(text.encode()) <= room
