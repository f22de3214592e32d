"""Log texts to templates: what is equal in many lines, and ``<*>`` where they differ.

Theory of operation. Texts come with what is certainly variable masked already (numbers, ids) and
equal ones counted together. A text is cut into words and the separators between them; texts with
the same separators, in the same places, have the same *shape*. Texts of one shape are then taken
apart, as long as a position tells a few kinds of message apart, and put together where a position
takes many values: ``login failed`` and ``login succeeded`` stay two templates, while the names of a
hundred users become one ``<*>``. Taking apart beats the usual putting together (Drain, Spell) in
that the outcome depends on the texts alone, not on their order, so that two windows compare.

Cost: each text is looked at once for every level of its partition, at most as many as it has words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

PLACEHOLDER: Final = "<*>"
"""What stands where texts of one template differ."""

KINDS_MAX: Final = 4
"""A position with so many words or fewer tells kinds of messages apart; one with more varies. Log
levels, verbs and outcomes come in twos and threes, names and keys in dozens."""

CONSTANT_SHARE_MIN: Final = 0.5
"""Texts are put together only if so many of their words are equal: else they share a shape by
chance and would become a row of placeholders."""

WORDS_MAX: Final = 100
"""Words of a text that are looked at; the rest, if any, is one placeholder. Longer lines are dumps
whose beginnings tell them apart."""

_SEPARATORS = re.compile(r"([\s,;:=|()\[\]{}\"']+)")
_REPEATED = re.compile(r"<\*>(?:[-.,:/_]?<\*>)+")


@dataclass(frozen=True, slots=True)
class Template:
    """A template and the places, in the order given, of the texts that it stands for."""

    text: str
    members: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Text:
    place: int
    words: tuple[str, ...]


def find_templates(texts: Sequence[str]) -> list[Template]:
    """Return templates such that every text belongs to exactly one.

    Order:  by their first member. Equal texts give equal templates, in whatever order they come.
    """
    shapes: dict[tuple[str, ...], list[_Text]] = {}
    for place, text in enumerate(texts):
        words, separators = _cut(text)
        shapes.setdefault(separators, []).append(_Text(place, words))
    merged: dict[str, list[int]] = {}
    for separators, group in shapes.items():
        for words, members in _partition(group):
            merged.setdefault(_join(words, separators), []).extend(members)
    templates = [Template(text, tuple(sorted(members))) for text, members in merged.items()]
    return sorted(templates, key=lambda each: each.members[0])


def _cut(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the words of a text and its separators; there is one word more than separators."""
    parts = _SEPARATORS.split(text.strip(), maxsplit=WORDS_MAX)
    if len(parts) > 2 * WORDS_MAX:
        parts[-1] = PLACEHOLDER
    # Runs of white space differ by indentation alone.
    separators = tuple(" " if each.isspace() else each for each in parts[1::2])
    return tuple(parts[0::2]), separators


def _partition(group: list[_Text]) -> Iterable[tuple[tuple[str, ...], list[int]]]:
    """Yield the words of each template of one shape, with its members."""
    waiting = [group]
    while waiting:
        texts = waiting.pop()
        kinds = [len(set(words)) for words in zip(*(text.words for text in texts), strict=True)]
        varied = [position for position, count in enumerate(kinds) if count > 1]
        first = texts[0].words
        if not varied:
            yield first, [text.place for text in texts]
            continue
        fewest = min(varied, key=lambda position: kinds[position])
        if kinds[fewest] > KINDS_MAX and _constant_share(first, kinds) >= CONSTANT_SHARE_MIN:
            words = tuple(
                word if kinds[position] == 1 else PLACEHOLDER for position, word in enumerate(first)
            )
            yield words, [text.place for text in texts]
            continue
        parts: dict[str, list[_Text]] = {}
        for text in texts:
            parts.setdefault(text.words[fewest], []).append(text)
        waiting.extend(parts.values())


def _constant_share(words: Sequence[str], kinds: Sequence[int]) -> float:
    """Return how many of the words that say something are the same in all texts."""
    telling = [
        count
        for word, count in zip(words, kinds, strict=True)
        if count > 1 or (word and PLACEHOLDER not in word)
    ]
    return sum(count == 1 for count in telling) / len(telling)


def _join(words: Sequence[str], separators: Sequence[str]) -> str:
    parts = [words[0]]
    for separator, word in zip(separators, words[1:], strict=True):
        parts += (separator, word)
    return _REPEATED.sub(PLACEHOLDER, "".join(parts))
