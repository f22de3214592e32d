"""Prices: a user's own before the shipped table, by day, tier and cache."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from clew.base.errors import ClewError, ErrorCode
from clew.telemetry.genai.prices import PriceBook, Use, open_prices

BOOK = PriceBook()

OWN = """
[[price]]
model = "house-*"
input = 1
output = 2.5

[[price]]
model = "house-large"
provider = "Ours"
from = 2026-03-01
input = 4
output = 8
cache_read = 0.4

[[price]]
model = "house-large"
provider = "ours"
from = 2026-01-01
input = 3
output = 6

[[price]]
model = "gpt-4o"
input = 0
output = 0
"""


def use(model: str, provider: str = "ours", day: date = date(2026, 6, 1), **tokens: int) -> Use:
    given = {"input": 0, "output": 0, "cache_read": 0, "cache_creation": 0, "input_largest": 0}
    return Use(provider=provider, models=(model,), day=day, **{**given, **tokens})


def book(tmp_path: Path, text: str = OWN) -> PriceBook:
    path = tmp_path / "prices.toml"
    path.write_text(text)
    return open_prices(path)


def test_the_most_exact_and_newest_of_our_own_prices_counts(tmp_path: Path) -> None:
    ours = book(tmp_path)
    million = 1_000_000
    assert ours.price(use("house-small", input=million, output=million)) == Decimal("3.5")
    assert ours.price(use("house-large", input=million)) == 4
    assert ours.price(use("house-large", input=million, day=date(2026, 2, 1))) == 3
    # Before the first price of its own, and of other providers, it is one of the house.
    assert ours.price(use("house-large", input=million, day=date(2025, 2, 1))) == 1
    assert ours.price(use("HOUSE-large", "other", input=million)) == 1
    assert ours.price(use("gpt-4o", "openai", input=million)) == 0


def test_cached_tokens_have_their_own_price_and_are_part_of_the_input(tmp_path: Path) -> None:
    ours = book(tmp_path)
    cached = use("house-large", input=1_000_000, cache_read=500_000)
    assert ours.price(cached) == Decimal("2.2")
    # A sender that leaves cached tokens out of the input has them priced all the same.
    assert ours.price(use("house-large", input=0, cache_read=1_000_000)) == Decimal("0.4")


def test_the_shipped_table_prices_by_the_length_of_a_call() -> None:
    short = use("gemini-2.5-pro", "gcp.gemini", input=1_000_000, input_largest=1_000)
    long = use("gemini-2.5-pro", "gcp.gemini", input=1_000_000, input_largest=300_000)
    low, high = BOOK.price(short), BOOK.price(long)
    assert low is not None
    assert high is not None
    assert high > low
    assert 200_000 in BOOK.tiers


def test_a_model_that_no_table_knows_has_no_price_and_a_gateway_has_that_of_its_model() -> None:
    assert BOOK.price(use("of-our-own", "ours", input=10)) is None
    direct = BOOK.price(use("gpt-4o", "openai", input=1_000_000))
    assert direct == BOOK.price(use("gpt-4o", "our-gateway", input=1_000_000))


def test_the_table_says_which_it_is_and_as_of_when() -> None:
    assert BOOK.name.startswith("genai-prices ")
    assert BOOK.dated is not None
    assert date.fromisoformat(BOOK.dated) > date(2025, 1, 1)


@pytest.mark.parametrize(
    "text",
    [
        "price = 3",
        '[[price]]\nmodel = "m"\ninput = 1',
        '[[price]]\nmodel = "m"\ninput = -1\noutput = 1',
        '[[price]]\nmodel = "m"\ninput = nan\noutput = 1',
        '[[price]]\nmodel = "m"\ninput = 1\noutput = 1\nimput = 2',
        '[[price]]\nmodel = "m"\ninput = 1\noutput = 1\nfrom = "soon"',
        "[[price",
        "\x00",
    ],
)
def test_a_file_that_is_not_one_of_prices_is_refused_with_its_name(
    tmp_path: Path, text: str
) -> None:
    with pytest.raises(ClewError, match=r"prices\.toml") as raised:
        book(tmp_path, text)
    assert raised.value.code is ErrorCode.INVALID_ARGUMENT


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ClewError, match="No such file"):
        open_prices(tmp_path / "none.toml")
