"""The words of what is searched for, as the index of words is asked for them."""

from __future__ import annotations

import pytest

from clew.telemetry.query.filter.words import WHOLE_WORDS_MAX, needle_words


@pytest.mark.parametrize(
    ("needle", "whole", "parts"),
    [
        ("refused", [], ["refused"]),
        ("connection refused by", ["refused"], ["connection"]),
        ("code-9803", [], ["code", "9803"]),
        (" oom ", ["oom"], []),
        ("10.0.3.7", ["0", "3"], []),
        ("ab", [], []),
        ("…", [], []),
        ("größe", [], []),
        ("verschlüsselt", [], ["verschl", "sselt"]),
        ("(größe)", ["größe"], []),
        ("%_\\", [], []),
        ("a_refused%b", ["refused"], []),
        ("one one", [], ["one"]),
    ],
)
def test_words_inside_are_whole_and_those_at_the_edges_are_parts(
    needle: str, whole: list[str], parts: list[str]
) -> None:
    words = needle_words(needle)
    assert (list(words.whole), list(words.parts)) == (whole, parts)


def test_only_one_part_alone_tells_all() -> None:
    assert [needle_words(text).is_all for text in ("oom", "oom ", "oom oom", "ab", "")] == [
        True,
        False,
        False,
        False,
        False,
    ]


def test_of_a_long_needle_the_longest_words_are_asked_for() -> None:
    needle = " ".join("w" * length for length in range(1, 40))
    whole = needle_words(needle).whole
    assert [len(word) for word in whole] == list(range(38, 38 - WHOLE_WORDS_MAX, -1))
