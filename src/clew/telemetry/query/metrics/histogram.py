"""Histograms as values: what was measured between two points, merged, and where a quantile lies.

Two forms. An *explicit* histogram counts what fell between given bounds. An *exponential* one
counts by powers of a base that its scale names: bucket ``i`` of scale ``s`` holds what lies in
``(b**i, b**(i + 1)]`` with ``b = 2 ** 2**-s``, so two buckets of one scale are exactly one bucket
of the scale below, and histograms of different scales merge at the coarser scale without loss.

A quantile is found by walking the buckets to the wanted rank and interpolating inside the one that
holds it, linearly, as the tools of the field do: exact at bucket edges, an estimate between them.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Bucket: TypeAlias = tuple[float, float, int]
"""Lower bound (not included), upper bound (included), how many measurements."""


@dataclass(frozen=True, slots=True)
class Explicit:
    """Counts between bounds; `counts` is one longer than `bounds`."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]

    def buckets(self) -> list[Bucket]:
        """Return the buckets in ascending order."""
        edges = (-math.inf, *self.bounds, math.inf)
        return [
            (edges[i], edges[i + 1], count)
            for i, count in enumerate(self.counts[: len(edges) - 1])
            if count
        ]


@dataclass(frozen=True, slots=True)
class Exponential:
    """Counts by powers of a base. Bucket numbers are absolute: the offset is already in them."""

    scale: int
    positive: Mapping[int, int]
    negative: Mapping[int, int]
    zero_count: int
    zero_threshold: float = 0.0

    def at_scale(self, scale: int) -> Exponential:
        """Return the same counts at an equal or smaller scale."""
        shift = self.scale - scale
        return Exponential(
            scale,
            _shifted(self.positive, shift),
            _shifted(self.negative, shift),
            self.zero_count,
            self.zero_threshold,
        )

    def plus(self, other: Exponential) -> Exponential:
        """Return both together, at the smaller scale."""
        scale = min(self.scale, other.scale)
        one, two = self.at_scale(scale), other.at_scale(scale)
        return Exponential(
            scale,
            Counter(one.positive) + Counter(two.positive),
            Counter(one.negative) + Counter(two.negative),
            one.zero_count + two.zero_count,
            max(one.zero_threshold, two.zero_threshold),
        )

    def buckets(self) -> list[Bucket]:
        """Return the buckets in ascending order."""
        negative = [
            (-bound(self.scale, i + 1), -bound(self.scale, i), count)
            for i, count in sorted(self.negative.items(), reverse=True)
        ]
        zero = [(-self.zero_threshold, self.zero_threshold, self.zero_count)]
        positive = [
            (bound(self.scale, i), bound(self.scale, i + 1), count)
            for i, count in sorted(self.positive.items())
        ]
        return [bucket for bucket in (*negative, *zero, *positive) if bucket[2]]


Counts: TypeAlias = Explicit | Exponential


@dataclass(slots=True)
class Merged:
    """Histograms of many points and series together."""

    explicit: dict[tuple[float, ...], list[int]] = field(default_factory=dict)
    exponential: Exponential | None = None

    def add(self, counts: Counts) -> None:
        """Add the measurements of one point."""
        if isinstance(counts, Exponential):
            self.exponential = counts if self.exponential is None else self.exponential.plus(counts)
            return
        sums = self.explicit.setdefault(counts.bounds, [0] * len(counts.counts))
        for i, count in enumerate(counts.counts[: len(sums)]):
            sums[i] += count

    def quantile(self, share: float) -> float | None:
        """Return the value below which a share (0 to 1) of the measurements lies."""
        buckets = [
            bucket
            for bounds, counts in self.explicit.items()
            for bucket in Explicit(bounds, tuple(counts)).buckets()
        ]
        if self.exponential is not None:
            buckets += self.exponential.buckets()
        return find_quantile(sorted(buckets), share)


def bound(scale: int, index: int) -> float:
    """Return the lower bound of an exponential bucket; infinity where no float holds it."""
    try:
        if scale <= 0:
            return math.ldexp(1.0, index << -scale)
        # The fraction and the whole power apart: their product would lose the low bits.
        fraction = (index & ((1 << scale) - 1)) * 2.0**-scale
        return math.ldexp(2.0**fraction, index >> scale)
    except OverflowError:
        return math.inf


def find_quantile(buckets: Iterable[Bucket], share: float) -> float | None:
    """Return the quantile over ascending buckets; None when they hold nothing.

    In a bucket without an end the finite end is the answer; one that begins at minus infinity and
    ends above zero is taken to begin at zero, as measured things (durations, sizes) do.
    """
    held = list(buckets)
    total = sum(count for _, _, count in held)
    if not total:
        return None
    rank = share * total
    passed = 0
    for low, high, count in held:
        if passed + count >= rank:
            return _interpolate(low, high, (rank - passed) / count)
        passed += count
    return held[-1][1]


def _interpolate(low: float, high: float, part: float) -> float:
    if math.isinf(low) and math.isinf(high):
        return math.nan
    if math.isinf(high):
        return low
    if math.isinf(low):
        if high <= 0:
            return high
        low = 0.0
    return low + (high - low) * part


def _shifted(counts: Mapping[int, int], shift: int) -> Mapping[int, int]:
    if not shift:
        return counts
    shifted: Counter[int] = Counter()
    for index, count in counts.items():
        shifted[index >> shift] += count
    return shifted
