"""Conditions of `clew watch`: what parses, and when it holds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.base.errors import ClewError, ErrorCode
from clew.surfaces.cli.commands.watch import FIELDS
from clew.surfaces.cli.conditions import parse_condition

SAMPLE = {"errors": 3.0, "p95_ms": 40.0, "cost_usd": None}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("errors > 2", True),
        ("errors>3", False),
        (" errors >= 3 ", True),
        ("errors = 3", True),
        ("errors == 3.0", True),
        ("errors != 3", False),
        ("errors < 1e3", True),
        ("p95_ms <= 39.5", False),
        ("cost_usd > 0", False),
        ("cost_usd < 1", False),
    ],
)
def test_an_absolute_condition_is_judged_at_once(text: str, holds: bool) -> None:
    assert parse_condition(text, list(SAMPLE)).holds(SAMPLE, None) is holds


@pytest.mark.parametrize(
    ("text", "first", "holds"),
    [
        ("p95_ms > 2x", 19.0, True),
        ("p95_ms > 2x", 20.0, False),
        ("p95_ms < 0.5x", 100.0, True),
        ("p95_ms > 2X", 0.0, True),
        ("p95_ms > 2x", None, False),
    ],
)
def test_a_multiple_is_of_the_first_sample(text: str, first: float | None, holds: bool) -> None:
    condition = parse_condition(text, FIELDS)
    assert condition.holds(SAMPLE, {"p95_ms": first}) is holds
    assert not condition.holds(SAMPLE, None)


@pytest.mark.parametrize(
    "text",
    ["", "errors", "errors >", "> 3", "errors ~ 3", "errors > x", "errors > 1..2", "a" * 999],
)
def test_what_is_no_condition_is_told_with_an_example(text: str) -> None:
    with pytest.raises(ClewError) as caught:
        parse_condition(text, FIELDS)
    assert caught.value.code is ErrorCode.INVALID_ARGUMENT
    assert "p95_ms > 2x" in (caught.value.hint or "")


def test_a_field_that_is_not_there_is_told_with_the_nearest() -> None:
    with pytest.raises(ClewError) as caught:
        parse_condition("error_rat > 1", FIELDS)
    assert caught.value.message == "there is no field 'error_rat' to watch"
    assert caught.value.hint == "did you mean error_rate?"
    with pytest.raises(ClewError) as far:
        parse_condition("zzz > 1", FIELDS)
    assert (far.value.hint or "").startswith("known here: spans")


@given(st.text(max_size=60))
def test_no_text_is_anything_but_a_condition_or_a_clear_error(text: str) -> None:
    try:
        condition = parse_condition(text, FIELDS)
    except ClewError as error:
        said: ErrorCode | None = error.code
    else:
        said = None
        assert condition.field in FIELDS
    assert said in {None, ErrorCode.INVALID_ARGUMENT}
