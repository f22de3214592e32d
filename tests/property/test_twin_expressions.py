"""Patterns and conditions of strangers mean what Python means by them, wherever Python is safe."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from clew.twin.schema.expressions import parse_expression
from clew.twin.schema.patterns import Pattern
from tests.trying import examples

CHARACTERS = "ab0_ \n]-é"

ATOMS = st.sampled_from(
    ["a", "b", "0", ".", "\\d", "\\w", "\\S", "[ab]", "[^a]", "[a-z0-9_]", "\\.", "é", "[\\]\\-]"]
)
COUNTS = st.sampled_from(
    ["", "", "*", "+", "?", "{2}", "{1,2}", "{0,1}", "{1,}", "{0}", "*?", "+?"]
)
PATTERNS = st.recursive(
    st.tuples(ATOMS, COUNTS).map("".join),
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3).map("".join)
        | st.tuples(inner, inner).map("|".join)
        | st.tuples(inner, COUNTS).map(lambda pair: f"({pair[0]}){pair[1]}")
        | inner.map(lambda each: f"(?:{each})")
        | inner.map(lambda each: f"^{each}")
    ),
    max_leaves=5,
)


@settings(max_examples=examples(50))
@given(PATTERNS, st.lists(st.text(CHARACTERS, max_size=6), min_size=1, max_size=5))
def test_a_pattern_matches_what_python_matches(text: str, samples: list[str]) -> None:
    pattern = Pattern(text)
    for sample in samples:
        assert pattern.matches(sample) == bool(re.match(text, sample)), (text, sample)
        whole = Pattern(f"(?:{text})$")
        assert whole.matches(sample) == bool(re.fullmatch(text, sample)), (text, sample)


NUMBERS = st.integers(-9, 9).map(str) | st.sampled_from(["a", "b", "0.5"])
SUMS = st.recursive(
    NUMBERS,
    lambda inner: st.tuples(inner, st.sampled_from("+-*"), inner).map(
        lambda each: f"({' '.join(each)})"
    ),
    max_leaves=3,
)
COMPARISONS = st.tuples(SUMS, st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), SUMS).map(
    " ".join
) | st.tuples(SUMS, st.sampled_from(["in", "not in"])).map(lambda each: f"{' '.join(each)} [1, 2]")
CONDITIONS = st.recursive(
    COMPARISONS,
    lambda inner: (
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(
            lambda each: f"({' '.join(each)})"
        )
        | inner.map(lambda each: f"not ({each})")
    ),
    max_leaves=4,
)


@settings(max_examples=examples(50))
@given(CONDITIONS, st.integers(-5, 5), st.floats(-5, 5))
def test_a_condition_over_values_that_are_there_is_pythons(text: str, a: int, b: float) -> None:
    expected: Any = eval(text, {"__builtins__": {}}, {"a": a, "b": b})
    assert parse_expression(text).holds({"a": a, "b": b}) == expected


@given(CONDITIONS, st.integers(-5, 5))
def test_what_is_missing_never_turns_a_condition_into_the_opposite(text: str, a: int) -> None:
    """Unknown may become either when the value comes; what is said without it must stay."""
    expression = parse_expression(text)
    said = expression.holds({"a": a})
    if said is not None:
        assert {expression.holds({"a": a, "b": each / 2}) for each in range(-20, 20)} == {said}
