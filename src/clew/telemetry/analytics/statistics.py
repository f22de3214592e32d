"""Is a difference more than chance, and how large is it: pure functions over counts.

Theory of operation. Everything is computed from counts that the engine gives in one pass and that
add up: hits of trials, events of a stretch of time, histograms. Counts are compared *exactly* where
they are small and by the normal approximation where both agree to the third digit, so that neither
three errors of ten nor ten million spans are judged by a formula that does not fit them.

Telemetry is not coin flips. A bad minute fails a thousand spans together, so formulas for
independent trials see certainty everywhere. Each comparison therefore takes a *dispersion*: how
many times more a figure varied between slices of the baseline than independent trials would. The
counts are divided by it before they are compared (the effective number of trials), which widens
every interval as a quasi-likelihood does. Below 1 it is taken as 1.

Many comparisons give some small probability by chance alone; `adjust` holds the share of false ones
among those reported (Benjamini and Hochberg, 1995), and is valid for figures that move together.

Rejected: bootstraps (they need the rows), Welch's t-test (durations have no variance to speak of),
Kolmogorov-Smirnov (its distribution with ties is not known), and Barnard's test (exact as well, a
little stronger, and a hundred times dearer).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

EXACT_EXPECTED_MAX: Final = 20.0
"""Where the smallest cell is expected to hold fewer, a table is compared exactly. Above it the
normal approximation with continuity correction is right to a few percent of its value down to
probabilities of one in a thousand."""

EXACT_TOTAL_MAX: Final = 2_000
"""Up to so many events in all, rates are compared exactly: some hundred terms, 50 microseconds."""

_NEGLIGIBLE: Final = 1e-18
"""Terms this much smaller than the largest change no digit of a sum of 64-bit floats."""

_TIE: Final = 1 + 1e-9
"""Outcomes as likely as the observed one belong to its tail, whatever rounding says."""


@dataclass(frozen=True, slots=True)
class Share:
    """So many hits of so many trials."""

    hits: int
    trials: int

    @property
    def rate(self) -> float:
        """Hits of each trial; 0 without trials."""
        return self.hits / self.trials if self.trials else 0.0


@dataclass(frozen=True, slots=True)
class RankComparison:
    """How two samples lie to each other.

    `superiority` is the probability that a value of the first is above one of the second, ties
    counted half: 0.5 when they are alike, 1 when every one is above. `p_value` is two-sided.
    """

    superiority: float
    p_value: float


def compare_shares(current: Share, baseline: Share, *, dispersion: float = 1.0) -> float:
    """Return the two-sided probability that two shares differ so much by chance.

    Fisher's exact test where the smallest expected cell is small, else the pooled z-test with
    continuity correction. Fisher's, because it needs no guess at the rate in common and errs on
    the side of silence.
    """
    one, two = (_thinned(share, dispersion) for share in (current, baseline))
    trials = one.trials + two.trials
    hits = one.hits + two.hits
    if not one.trials or not two.trials or hits in {0, trials}:
        return 1.0
    expected = min(one.trials, two.trials) * min(hits, trials - hits) / trials
    if expected < EXACT_EXPECTED_MAX:
        return _fisher(one, two)
    pooled = hits / trials
    spread = math.sqrt(pooled * (1 - pooled) * (1 / one.trials + 1 / two.trials))
    correction = (1 / one.trials + 1 / two.trials) / 2
    return _two_sided(max(0.0, abs(one.rate - two.rate) - correction) / spread)


def compare_rates(
    current: int,
    current_seconds: float,
    baseline: int,
    baseline_seconds: float,
    *,
    dispersion: float = 1.0,
) -> float:
    """Return the two-sided probability that two numbers of events differ so much by chance.

    Given their sum, the first of two Poisson counts of one rate is binomial with the first's share
    of the time: compared exactly up to `EXACT_TOTAL_MAX` events, then by the normal approximation.
    Times so far apart that a float does not tell the share from none or all are no evidence.
    """
    scale = max(1.0, dispersion)
    one, two = round(current / scale), round(baseline / scale)
    total = one + two
    if not total or current_seconds <= 0 or baseline_seconds <= 0:
        return 1.0
    share = current_seconds / (current_seconds + baseline_seconds)
    if not 0 < share < 1:
        return 1.0
    if total <= EXACT_TOTAL_MAX:
        return _binomial(one, total, share)
    spread = math.sqrt(total * share * (1 - share))
    return _two_sided(max(0.0, abs(one - total * share) - 0.5) / spread)


def expect_none(
    seen: int, seen_seconds: float, silent_seconds: float, *, dispersion: float = 1.0
) -> float:
    """Return the probability of no event in a stretch of time, at the rate seen in another."""
    if seen_seconds <= 0:
        return 1.0
    return math.exp(-seen / max(1.0, dispersion) * silent_seconds / seen_seconds)


def compare_ranks(
    current: Mapping[int, int], baseline: Mapping[int, int], *, dispersion: float = 1.0
) -> RankComparison:
    """Return the Mann-Whitney comparison of two histograms over the same buckets.

    Values of one bucket are ties; the variance is corrected for them. The normal approximation
    holds from about eight values on each side.
    """
    ones, twos = sum(current.values()), sum(baseline.values())
    total = ones + twos
    if not ones or not twos:
        return RankComparison(0.5, 1.0)
    below, wins, ties = 0, 0.0, 0
    for bucket in sorted({*current, *baseline}):
        here, there = current.get(bucket, 0), baseline.get(bucket, 0)
        wins += here * (below + there / 2)
        below += there
        ties += (here + there) ** 3 - (here + there)
    superiority = wins / (ones * twos)
    if total < 2:
        return RankComparison(superiority, 1.0)
    variance = ones * twos / 12 * (total + 1 - ties / (total * (total - 1)))
    variance *= max(1.0, dispersion)
    if variance <= 0:
        return RankComparison(superiority, 1.0)
    deviation = max(0.0, abs(wins - ones * twos / 2) - 0.5)
    return RankComparison(superiority, _two_sided(deviation / math.sqrt(variance)))


def find_quantile(histogram: Mapping[int, int], quantile: float) -> int | None:
    """Return the bucket that holds the value of nearest rank; None for an empty histogram."""
    total = sum(histogram.values())
    rank = max(1, math.ceil(quantile * total))
    seen = 0
    for bucket in sorted(histogram):
        seen += histogram[bucket]
        if seen >= rank:
            return bucket
    return None


def count_above(histogram: Mapping[int, int], bucket: int) -> Share:
    """Return how many values lie in higher buckets."""
    above = sum(count for at, count in histogram.items() if at > bucket)
    return Share(above, sum(histogram.values()))


def adjust(p_values: Sequence[float]) -> list[float]:
    """Return probabilities adjusted for being so many, in the order given.

    Reporting those up to some bound keeps the expected share of false ones among them below it.
    """
    adjusted = [1.0] * len(p_values)
    lowest = 1.0
    ascending = sorted(range(len(p_values)), key=lambda place: p_values[place])
    for rank in range(len(p_values), 0, -1):
        place = ascending[rank - 1]
        lowest = min(lowest, p_values[place] * len(p_values) / rank)
        adjusted[place] = lowest
    return adjusted


def disperse_counts(counts: Sequence[int]) -> float:
    """Return how many times more counts of equal slices vary than Poisson counts: at least 1."""
    if len(counts) < 2 or not sum(counts):
        return 1.0
    mean = sum(counts) / len(counts)
    squares = sum((count - mean) ** 2 for count in counts)
    return max(1.0, squares / mean / (len(counts) - 1))


def disperse_shares(slices: Sequence[Share]) -> float:
    """Return how many times more shares vary between slices than those of independent trials."""
    filled = [each for each in slices if each.trials]
    trials = sum(each.trials for each in filled)
    hits = sum(each.hits for each in filled)
    if len(filled) < 2 or hits in {0, trials}:
        return 1.0
    pooled = hits / trials
    squares = sum((each.hits - each.trials * pooled) ** 2 / each.trials for each in filled)
    return max(1.0, squares / (pooled * (1 - pooled)) / (len(filled) - 1))


def disperse_means(slices: Sequence[tuple[int, float, float]]) -> float:
    """Return how many times more the means of slices vary than those of independent values.

    A slice is its number of values, their sum and the sum of their squares: the F ratio of the
    analysis of variance.
    """
    filled = [each for each in slices if each[0]]
    count = sum(each[0] for each in filled)
    if len(filled) < 2 or count <= len(filled):
        return 1.0
    mean = sum(each[1] for each in filled) / count
    between = sum(number * (total / number - mean) ** 2 for number, total, _ in filled)
    within = sum(squares - total * total / number for number, total, squares in filled)
    between /= len(filled) - 1
    within /= count - len(filled)
    if within <= 0:
        return 1.0
    return max(1.0, between / within)


def doublings(current: float, baseline: float) -> float:
    """Return how often the one has to be doubled (below 0: halved) to be the other.

    Both must be above 0.
    """
    return math.log2(current / baseline)


def _thinned(share: Share, dispersion: float) -> Share:
    scale = max(1.0, dispersion)
    trials = round(share.trials / scale)
    return Share(min(trials, round(share.hits / scale)), trials)


def _two_sided(deviations: float) -> float:
    return math.erfc(deviations / math.sqrt(2))


def _fisher(one: Share, two: Share) -> float:
    hits = one.hits + two.hits
    first, last = max(0, hits - two.trials), min(hits, one.trials)
    trials = one.trials + two.trials

    def logarithm(at: int) -> float:
        return _log_choose(one.trials, at) + _log_choose(two.trials, hits - at)

    mode = (one.trials + 1) * (hits + 1) // (trials + 2)
    return _tails(one.hits, first, last, mode, logarithm)


def _binomial(hits: int, trials: int, share: float) -> float:
    log_hit, log_miss = math.log(share), math.log1p(-share)

    def logarithm(at: int) -> float:
        return _log_choose(trials, at) + at * log_hit + (trials - at) * log_miss

    return _tails(hits, 0, trials, math.floor((trials + 1) * share), logarithm)


def _tails(
    observed: int, first: int, last: int, mode: int, logarithm: Callable[[int], float]
) -> float:
    """Return the weight of all outcomes no likelier than the observed one, of a single-peaked law.

    Sums outwards from the mode until terms no longer count; weights are relative to the mode's.
    """
    mode = min(max(mode, first), last)
    peak = logarithm(mode)
    limit = math.exp(logarithm(observed) - peak) * _TIE
    if not limit:
        # No float is so small; without this every outcome would have to be looked at.
        return 0.0
    everything = tail = 0.0
    for direction, begin in ((-1, mode), (1, mode + 1)):
        at = begin
        while first <= at <= last:
            weight = math.exp(logarithm(at) - peak)
            everything += weight
            if weight <= limit:
                tail += weight
            if weight < _NEGLIGIBLE and weight < limit * _NEGLIGIBLE:
                break
            at += direction
    return min(1.0, tail / everything)


def _log_choose(total: int, chosen: int) -> float:
    return math.lgamma(total + 1) - math.lgamma(chosen + 1) - math.lgamma(total - chosen + 1)
