"""What the index of words can say of a text that is searched for.

The engine cuts searched texts into words: runs of ASCII letters and digits and of everything beyond
ASCII, in lower case. A text holds a needle only if, for each word of the needle,

- a word that ends on both sides within the needle (``refused`` in ``was refused by``) is one of the
  text's words: found by its posting list;
- a word at the needle's edge may go on in the text, so it is part of one: found by comparing it
  with each word of the dictionary, where it is long enough and ASCII alone.

A needle that is one such part holds of just the texts in which it is found; any other needle is
compared as well, with the few texts that have its words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from clew.store.engine.contract import WORD_PART_CHARS_MIN

WHOLE_WORDS_MAX: Final = 8
"""Of long needles the longest words: a few leave hardly a text that is not meant."""

_WORD: Final = re.compile(r"[0-9a-z\u0080-\U0010ffff]+")
_PART: Final = re.compile(rf"[0-9a-z]{{{WORD_PART_CHARS_MIN},}}")


@dataclass(frozen=True, slots=True)
class NeedleWords:
    """The words that every text has in which a needle stands.

    `whole` are words of the text, `parts` stand in words of it. `is_all` says that a text with the
    one part has the needle. Empty ones tell nothing: every text must be read.
    """

    whole: tuple[str, ...]
    parts: tuple[str, ...]
    is_all: bool

    def __bool__(self) -> bool:
        """Whether there is anything to ask the index for."""
        return bool(self.whole or self.parts)


def needle_words(needle: str) -> NeedleWords:
    """Return the words of a needle, which is in lower case."""
    whole: list[str] = []
    parts: list[str] = []
    for word in _WORD.finditer(needle):
        if word.start() > 0 and word.end() < len(needle):
            whole.append(word[0])
        else:
            parts += _PART.findall(word[0])
    longest = sorted(dict.fromkeys(whole), key=len, reverse=True)[:WHOLE_WORDS_MAX]
    return NeedleWords(tuple(longest), tuple(dict.fromkeys(parts)), parts == [needle])
