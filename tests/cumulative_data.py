"""Random points of metrics that count since their streams began: what a rate is made of.

Streams begin anew, with a new start or by falling; bounds and scales change; points come twice or
share their time with another; some series say each time what was added.
"""

from __future__ import annotations

import random
from typing import Any, Final

from tests.sharded_data import MS, Piece

STREAMS: Final = 5
POINTS: Final = 14
BOUNDS: Final = ([1.0, 10.0, 100.0], [1.0, 50.0])


def make_cumulative(seed: int, start: int) -> list[list[Piece]]:
    """Return the requests of each series, in the order of their times; each has a point of a kind.

    `start` is in Unix nanoseconds; what is made lies within the ten minutes after it.
    """
    chance = random.Random(seed)
    return [_Stream(chance, start, number).pieces() for number in range(STREAMS)]


def spread(seed: int, series: list[list[Piece]], shards: int) -> list[list[Piece]]:
    """Return the requests of each shard.

    Each series lies in one shard, or moves from one to another, or is in all of them.
    """
    chance = random.Random(seed)
    parts: list[list[Piece]] = [[] for _ in range(shards)]
    for pieces in series:
        how = chance.choice(("one", "moves", "all"))
        moves = sorted(chance.sample(range(len(pieces)), k=2))
        order = chance.sample(range(shards), k=shards)
        for place, piece in enumerate(pieces):
            hops = sum(place >= each for each in moves) if how == "moves" else 0
            parts[chance.randrange(shards) if how == "all" else order[hops % shards]].append(piece)
    return parts


class _Stream:
    """One series of each kind, and what it has counted so far."""

    def __init__(self, chance: random.Random, start: int, number: int) -> None:
        self._chance = chance
        self._at = start
        self._began = start + chance.choice((-900_000, 1_000)) * MS
        self._is_delta = number == 0
        self._number = number
        self._bounds = chance.choice(BOUNDS)
        self._scale = chance.randrange(3)
        self._forget()

    def pieces(self) -> list[Piece]:
        """Return the points in requests of their own."""
        made: list[Piece] = []
        for _ in range(POINTS):
            if made and self._chance.random() < 0.1:
                # A request whose answer was lost is sent again.
                made.append(made[-1])
                continue
            self._at += self._chance.choice((0, 1, 15, 60, 60, 100)) * 1000 * MS
            self._change()
            self._count()
            made.append(self._piece())
        return made

    def _forget(self) -> None:
        self._total = 0.0
        self._counts = [0] * (len(self._bounds) + 1)
        self._positive: dict[int, int] = {}
        self._negative: dict[int, int] = {}
        self._zeros = 0

    def _change(self) -> None:
        happens = self._chance.random()
        if happens < 0.1:
            self._began = self._at - 10 * MS
            self._forget()
        elif happens < 0.2:
            self._forget()
        elif happens < 0.25:
            self._bounds = self._chance.choice(BOUNDS)
            self._counts = [0] * (len(self._bounds) + 1)
        elif happens < 0.45:
            self._scale -= 1
            self._positive = _coarser(self._positive)
            self._negative = _coarser(self._negative)

    def _count(self) -> None:
        if self._is_delta:
            self._forget()
        self._total += self._chance.randrange(50) / 4
        self._counts = [each + self._chance.randrange(5) for each in self._counts]
        for side in (self._positive, self._negative):
            for _ in range(self._chance.randrange(4)):
                index = self._chance.randrange(-6, 7)
                side[index] = side.get(index, 0) + 1
        self._zeros += self._chance.randrange(2)

    def _piece(self) -> Piece:
        of_point = {
            "startTimeUnixNano": str(self._began),
            "timeUnixNano": str(self._at),
            "attributes": [{"key": "route", "value": {"stringValue": f"/{self._number % 3}"}}],
        }
        temporality = 1 if self._is_delta else 2
        total = of_point | {"asDouble": self._total}
        explicit = of_point | {
            "count": str(sum(self._counts)),
            "sum": sum(self._counts) * 1.5,
            "bucketCounts": [str(each) for each in self._counts],
            "explicitBounds": self._bounds,
        }
        if self._chance.random() < 0.7:
            explicit |= {"min": self._chance.randrange(9) - 4, "max": self._chance.randrange(99)}
        counted = sum((*self._positive.values(), *self._negative.values(), self._zeros))
        exponential = of_point | {
            "count": str(counted),
            "sum": counted * 0.5,
            "scale": self._scale,
            "zeroCount": str(self._zeros),
            "zeroThreshold": 0.25,
            "positive": _dense(self._positive),
            "negative": _dense(self._negative),
        }
        metrics = [
            {
                "name": "calls",
                "sum": {
                    "dataPoints": [total],
                    "aggregationTemporality": temporality,
                    "isMonotonic": self._number != 1,
                },
            },
            {
                "name": "time",
                "histogram": {"dataPoints": [explicit], "aggregationTemporality": temporality},
            },
            {
                "name": "size",
                "exponentialHistogram": {
                    "dataPoints": [exponential],
                    "aggregationTemporality": temporality,
                },
            },
        ]
        service = {"key": "service.name", "value": {"stringValue": f"s{self._number % 2}"}}
        held = {"resource": {"attributes": [service]}, "scopeMetrics": [{"metrics": metrics}]}
        return Piece("/v1/metrics", {"resourceMetrics": [held]})


def _coarser(counts: dict[int, int]) -> dict[int, int]:
    found: dict[int, int] = {}
    for index, count in counts.items():
        found[index >> 1] = found.get(index >> 1, 0) + count
    return found


def _dense(counts: dict[int, int]) -> dict[str, Any]:
    if not counts:
        return {"offset": 0, "bucketCounts": []}
    low, high = min(counts), max(counts)
    listed = [str(counts.get(index, 0)) for index in range(low, high + 1)]
    return {"offset": low, "bucketCounts": listed}
