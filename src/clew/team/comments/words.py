"""Words that a person looks for, as an expression of SQLite's full-text index.

Whatever is typed is a list of words and quoted phrases; there are no operators, so nothing typed
can be wrong, and nothing typed can mean something else than it says.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from clew.base.errors import ClewError, ErrorCode

TEXT_CHARS_MAX: Final = 1000
WORDS_MAX: Final = 32
"""More than anyone remembers of a comment; each one is a lookup."""

_PART = re.compile(r'"([^"]*)"|(\S+)')


def match_expression(text: str) -> str:
    """Return the expression that finds bodies with all words and phrases of a text.

    A word also finds longer ones that begin with it; a phrase is found as it stands.

    Raises:
        ClewError: INVALID_ARGUMENT when the text holds no word, or too many.
    """
    if len(text) > TEXT_CHARS_MAX:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT, f"text is longer than {TEXT_CHARS_MAX} characters"
        )
    parts = []
    for phrase, word in _PART.findall(text.replace("\0", " ")):
        if not _has_word(phrase or word):
            continue
        # Inside quotes a quote is doubled; everything else is text.
        quoted = '"{}"'.format((phrase or word).replace('"', '""'))
        parts.append(quoted if phrase else f"{quoted}*")
    if not parts or len(parts) > WORDS_MAX:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"text holds {'more than ' + str(WORDS_MAX) if parts else 'no'} words",
            hint='give words, or a "phrase in quotes"',
        )
    return " ".join(parts)


def _has_word(text: str) -> bool:
    """Whether the index sees anything in a text: letters, digits and private characters."""
    return any(
        unicodedata.category(each)[0] in "LN" or unicodedata.category(each) == "Co" for each in text
    )
