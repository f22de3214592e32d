"""The tests of significance against brute force: every table, every sequence, every arrangement."""

from __future__ import annotations

import math
import random
from collections import Counter
from fractions import Fraction
from itertools import combinations

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from clew.telemetry.analytics.statistics import (
    Share,
    adjust,
    compare_ranks,
    compare_rates,
    compare_shares,
    count_above,
    disperse_counts,
    disperse_means,
    disperse_shares,
    expect_none,
    find_quantile,
)
from tests.trying import examples

few = st.integers(0, 14)


@st.composite
def shares(draw: st.DrawFn, trials_max: int = 14) -> Share:
    trials = draw(st.integers(1, trials_max))
    return Share(draw(st.integers(0, trials)), trials)


def fisher_by_fractions(one: Share, two: Share) -> float:
    """Sum, in exact arithmetic, the tables with these margins no likelier than this one."""
    hits = one.hits + two.hits
    weights = {
        at: Fraction(math.comb(one.trials, at) * math.comb(two.trials, hits - at))
        for at in range(max(0, hits - two.trials), min(hits, one.trials) + 1)
    }
    tail = sum(weight for weight in weights.values() if weight <= weights[one.hits])
    return float(tail / sum(weights.values()))


@given(shares(), shares())
def test_small_shares_are_compared_exactly(one: Share, two: Share) -> None:
    assert compare_shares(one, two) == pytest.approx(fisher_by_fractions(one, two))


@given(shares(400), shares(400))
@example(Share(60, 400), Share(90, 400))
def test_larger_shares_are_compared_nearly_as_exactly(one: Share, two: Share) -> None:
    exact, found = fisher_by_fractions(one, two), compare_shares(one, two)
    assert found == pytest.approx(exact, rel=0.5, abs=0.03)
    # The two sides of the bound at which anything is reported agree to within a small factor.
    if exact < 1e-4:
        assert found < 1e-3


@given(shares(100_000), shares(100_000), st.floats(1, 50))
def test_dispersion_never_makes_shares_differ_more(
    one: Share, two: Share, dispersion: float
) -> None:
    assume(abs(one.rate - two.rate) > 0.05)
    plain = compare_shares(one, two)
    assert 0 <= plain <= 1
    assert compare_shares(one, two, dispersion=dispersion) >= plain * 0.9 - 1e-12


@given(shares(100_000), shares(100_000))
def test_shares_differ_alike_whichever_comes_first(one: Share, two: Share) -> None:
    assert compare_shares(one, two) == pytest.approx(compare_shares(two, one))


def binomial_by_fractions(one: int, total: int, share: Fraction) -> float:
    weights = [
        math.comb(total, at) * share**at * (1 - share) ** (total - at) for at in range(total + 1)
    ]
    return float(sum(weight for weight in weights if weight <= weights[one]))


@given(few, few, st.integers(1, 6), st.integers(1, 6))
def test_few_events_are_compared_exactly(one: int, two: int, here: int, there: int) -> None:
    expected = binomial_by_fractions(one, one + two, Fraction(here, here + there))
    assert compare_rates(one, here, two, there) == pytest.approx(expected)


@settings(max_examples=examples(10))
@given(st.integers(900, 1300), st.integers(900, 1300))
def test_many_events_are_compared_nearly_as_exactly(one: int, two: int) -> None:
    weights = [1]
    for at in range(one + two):
        weights.append(weights[-1] * (one + two - at) // (at + 1))
    tail = sum(weight for weight in weights if weight <= weights[one])
    exact = tail / 2 ** (one + two)
    assert compare_rates(one, 1.0, two, 1.0) == pytest.approx(exact, rel=0.1, abs=0.002)


exposures = st.floats(min_value=0, exclude_min=True, allow_infinity=False)
counts = st.integers(0, 5_000)


@given(counts, exposures, counts, exposures)
@example(1, 1e300, 1, 1e-300)
@example(1, 1e-300, 1, 1e300)
@example(5_000, 1e300, 5_000, 1e-300)
@example(1, 1.7e308, 1, 1.7e308)
@example(0, 1.0, 3, 5e-324)
@example(5_000, 1.0, 5_000, 1e-16)
def test_rates_of_any_counts_and_times_are_compared(
    one: int, here: float, two: int, there: float
) -> None:
    assert 0 <= compare_rates(one, here, two, there) <= 1


def test_a_bursty_rate_needs_more_than_a_steady_one() -> None:
    steady = compare_rates(1_300, 3600, 6_000, 6 * 3600)
    bursty = compare_rates(1_300, 3600, 6_000, 6 * 3600, dispersion=100)
    assert steady < 1e-9
    assert bursty > 0.05


@given(st.integers(0, 1000), st.integers(1, 100), st.integers(1, 100))
def test_silence_is_as_likely_as_a_poisson_count_of_none(seen: int, here: int, there: int) -> None:
    assert expect_none(seen, here, there) == pytest.approx(math.exp(-seen * there / here))


values = st.lists(st.integers(0, 6), min_size=1, max_size=6)


@given(values, values)
def test_superiority_is_the_share_of_pairs(one: list[int], two: list[int]) -> None:
    wins = sum((here > there) + (here == there) / 2 for here in one for there in two)
    found = compare_ranks(Counter(one), Counter(two))
    assert found.superiority == pytest.approx(wins / len(one) / len(two))


@given(values, values)
def test_ranks_vary_as_much_as_over_all_arrangements(one: list[int], two: list[int]) -> None:
    """The variance, ties included, is that of every way to deal the values to the two sides."""
    together = one + two
    assume(len(set(together)) > 1)
    wins = []
    for chosen in combinations(range(len(together)), len(one)):
        rest = [together[place] for place in range(len(together)) if place not in chosen]
        wins.append(
            sum((together[at] > b) + (together[at] == b) / 2 for at in chosen for b in rest)
        )
    mean = len(one) * len(two) / 2
    variance = sum((each - mean) ** 2 for each in wins) / len(wins)
    observed = sum((a > b) + (a == b) / 2 for a in one for b in two)
    deviation = max(0.0, abs(observed - mean) - 0.5)
    expected = math.erfc(deviation / math.sqrt(2 * variance))
    assert compare_ranks(Counter(one), Counter(two)).p_value == pytest.approx(expected)


@given(values, st.floats(0.01, 1))
def test_a_quantile_is_the_bucket_of_the_nearest_rank(sample: list[int], quantile: float) -> None:
    ordered = sorted(sample)
    rank = max(1, math.ceil(quantile * len(ordered)))
    assert find_quantile(Counter(sample), quantile) == ordered[rank - 1]
    assert find_quantile({}, quantile) is None


@given(values, st.integers(0, 6))
def test_what_lies_above_a_bucket_is_counted(sample: list[int], bucket: int) -> None:
    above = sum(value > bucket for value in sample)
    assert count_above(Counter(sample), bucket) == Share(above, len(sample))


@given(st.lists(st.floats(0, 1), max_size=8))
def test_adjusted_probabilities_are_those_of_the_definition(p_values: list[float]) -> None:
    """Adjusted is the smallest bound at which the step-up procedure still reports the value."""
    ordered = sorted(p_values)
    for p_value, adjusted in zip(p_values, adjust(p_values), strict=True):
        steps = [
            other * len(p_values) / (rank + 1)
            for rank, other in enumerate(ordered)
            if other >= p_value
        ]
        assert adjusted == pytest.approx(min(1.0, *steps))


def test_independent_slices_are_not_dispersed_and_bursts_are() -> None:
    source = random.Random(5)
    steady = [sum(source.random() < 0.1 for _ in range(1000)) for _ in range(24)]
    assert disperse_counts(steady) < 2
    assert disperse_counts([0] * 23 + [2400]) > 100
    assert disperse_shares([Share(hits, 1000) for hits in steady]) < 2
    assert disperse_shares([Share(0, 1000)] * 23 + [Share(1000, 1000)]) > 100
    samples = [[source.gauss(10, 2) for _ in range(200)] for _ in range(24)]
    alike = [(len(one), sum(one), sum(x * x for x in one)) for one in samples]
    moved = [
        (len(one), sum(one) + shift * 200, sum((x + shift) ** 2 for x in one))
        for one, shift in zip(samples, range(24), strict=True)
    ]
    assert disperse_means(alike) < 2.5
    assert disperse_means(moved) > 100


@given(st.lists(st.integers(0, 10_000), max_size=24))
def test_dispersion_is_a_number_of_at_least_one(counts: list[int]) -> None:
    assert disperse_counts(counts) >= 1
    assert disperse_shares([Share(count // 2, count) for count in counts]) >= 1
    assert disperse_means([(count, count * 2.0, count * 5.0) for count in counts]) >= 1


def test_chance_alone_is_rarely_reported() -> None:
    """Of many comparisons of equal rates hardly one passes, which is what `adjust` is for."""
    source = random.Random(11)
    p_values = []
    for _ in range(300):
        one = sum(source.random() < 0.05 for _ in range(200))
        two = sum(source.random() < 0.05 for _ in range(400))
        p_values.append(compare_shares(Share(one, 200), Share(two, 400)))
    assert min(p_values) < 0.05
    assert min(adjust(p_values)) > 0.05
