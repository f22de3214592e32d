"""What templates are found in log texts, and that order and company do not change them."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.telemetry.analytics.templates import PLACEHOLDER, find_templates

NAMES = ["alice", "bob", "carol", "dave", "erin", "frank"]


def templates_of(texts: list[str]) -> set[str]:
    return {each.text for each in find_templates(texts)}


def test_what_takes_many_values_is_a_placeholder_and_what_takes_few_is_not() -> None:
    texts = [f"user {name} logged in" for name in NAMES]
    texts += ["login failed", "login succeeded", "disk full"]
    assert templates_of(texts) == {
        "user <*> logged in",
        "login failed",
        "login succeeded",
        "disk full",
    }


def test_messages_that_share_a_shape_by_chance_stay_apart() -> None:
    texts = [f"{one} {two}" for one, two in zip(NAMES, reversed(NAMES), strict=True)]
    assert templates_of(texts) == set(texts)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([f"level=info user={n} ok" for n in NAMES], "level=info user=<*> ok"),
        ([f'{{"event":"login","user":"{n}"}}' for n in NAMES], '{"event":"login","user":"<*>"}'),
        ([f"from <*>.<*>:<*> by {n} done" for n in NAMES], "from <*> by <*> done"),
        ([f"  {n}   was \n here" for n in NAMES], "<*> was here"),
    ],
)
def test_texts_of_many_forms_are_put_together(texts: list[str], expected: str) -> None:
    assert templates_of(texts) == {expected}


def test_an_empty_text_and_a_very_long_one_are_texts_too() -> None:
    long = " ".join(f"word{chr(97 + number % 26)}" for number in range(5000))
    [empty, cut] = find_templates(["", long])
    assert empty.text == ""
    assert cut.text.endswith(PLACEHOLDER)
    assert len(cut.text) < 1000


words = st.sampled_from(["a", "b", "failed", "user", "x=1", "y=2", PLACEHOLDER, "[z]"])
lines = st.lists(st.lists(words, max_size=6).map(" ".join), max_size=40)


@given(lines, st.randoms())
def test_every_text_is_in_one_template_whatever_the_order(
    texts: list[str], shuffling: random.Random
) -> None:
    found = find_templates(texts)
    members = sorted(place for each in found for place in each.members)
    assert members == list(range(len(texts)))
    assert len({each.text for each in found}) == len(found)
    shuffled = list(texts)
    shuffling.shuffle(shuffled)
    again = find_templates(shuffled)
    by_text = {each.text: sorted(texts[place] for place in each.members) for each in found}
    assert by_text == {
        each.text: sorted(shuffled[place] for place in each.members) for each in again
    }
