"""Chance that repeats: what happens to an order depends on the seed and the order alone."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Chance:
    """Draws for one thing, such as an order; the same seed and name give the same draws.

    Threads may draw in any order, so each draw is named rather than taken from a sequence.
    """

    seed: int
    name: str

    def happens(self, what: str, probability: float) -> bool:
        """Whether something happens."""
        return self._draw(what).random() < probability

    def between(self, what: str, low: float, high: float) -> float:
        """Return a number between two."""
        return self._draw(what).uniform(low, high)

    def pick(self, what: str, choices: tuple[str, ...]) -> str:
        """Return one of several."""
        return self._draw(what).choice(choices)

    def _draw(self, what: str) -> random.Random:
        # A text as seed is hashed by a fixed function, unlike `hash`, which differs by process.
        return random.Random(f"{self.seed}/{self.name}/{what}")  # noqa: S311 - nothing secret
