"""Words that a person looks for, as an expression of the registry's full-text index.

Whatever is typed is a list of words and quoted phrases; there are no operators, so nothing typed
can be wrong, and nothing typed can mean something else than it says.

SQLite cuts texts into words by itself. PostgreSQL would do it by the language it is set to, and
keep accents where an extension is missing; so for it they are cut here, as SQLite would.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

from clew.base.errors import ClewError, ErrorCode
from clew.store.database.contract import Dialect

TEXT_CHARS_MAX: Final = 1000
WORDS_MAX: Final = 32
"""More than anyone remembers of a comment; each one is a lookup."""

WORD_CHARS_MAX: Final = 500
"""Where PostgreSQL's words end: 2000 bytes at most, and its own bound is 2046. What is cut off a
longer one is not looked at."""

_MARKS: Final = range(0x300, 0x370)
"""Accents and the like, once they are apart from their letters."""

_CHARACTERS_KEPT: Final = 4096
"""More than a language has; looking one up costs a tenth of working it out."""

_PART = re.compile(r'"([^"]*)"|(\S+)')


def match_expression(text: str, dialect: Dialect) -> str:
    """Return the expression that finds bodies with all words and phrases of a text.

    A word also finds longer ones that begin with it; a phrase is found as it stands.

    Raises:
        ClewError: INVALID_ARGUMENT when the text holds no word, or too many.
    """
    if len(text) > TEXT_CHARS_MAX:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"text is longer than {TEXT_CHARS_MAX} characters",
            hint="a few words find it",
        )
    found = _PART.findall(text.replace("\0", " "))
    parts = [(phrase or word, bool(phrase)) for phrase, word in found if _has_word(phrase or word)]
    if not parts or len(parts) > WORDS_MAX:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"text holds {'more than ' + str(WORDS_MAX) if parts else 'no'} words",
            hint='give words, or a "phrase in quotes"',
        )
    if dialect is Dialect.POSTGRES:
        return " & ".join(_query_of(part, is_phrase=is_phrase) for part, is_phrase in parts)
    # Inside quotes a quote is doubled; everything else is text.
    quoted = (('"{}"'.format(part.replace('"', '""')), is_phrase) for part, is_phrase in parts)
    return " ".join(part if is_phrase else f"{part}*" for part, is_phrase in quoted)


def word_positions(body: str) -> str:
    """Return the words of a body and where they stand, as the text of a ``tsvector``."""
    places: dict[str, list[int]] = {}
    for place, word in enumerate(cut_words(body), start=1):
        places.setdefault(word, []).append(place)
    return " ".join(f"'{word}':{','.join(map(str, at))}" for word, at in places.items())


def cut_words(text: str) -> list[str]:
    """Return the words of a text in order, without case and accents."""
    plain = "".join(map(_plain, text))
    return [word[:WORD_CHARS_MAX] for word in plain.split(" ") if word]


@lru_cache(_CHARACTERS_KEPT)
def _plain(character: str) -> str:
    """Return what a character is to the index: a letter, nothing, or a blank between words."""
    if ord(character) in _MARKS:
        return ""
    # As one character, as SQLite does it.
    folded = character.casefold()
    folded = folded if len(folded) == 1 else character.lower()
    apart = unicodedata.normalize("NFD", folded)
    kept = "".join(each for each in apart if ord(each) not in _MARKS)
    if kept != apart:
        folded = unicodedata.normalize("NFC", kept)
    return folded if all(map(_is_of_word, folded)) else " "


def _query_of(part: str, *, is_phrase: bool) -> str:
    """Return a word or a phrase as a ``tsquery``: what stands side by side, the last one begun."""
    words = [f"'{word}'" for word in cut_words(part)]
    return f"({' <-> '.join(words)}{'' if is_phrase else ':*'})"


def _has_word(text: str) -> bool:
    """Whether the index sees anything in a text: letters, digits and private characters."""
    return any(map(_is_of_word, text))


def _is_of_word(character: str) -> bool:
    category = unicodedata.category(character)
    return category[0] in "LN" or category == "Co"
