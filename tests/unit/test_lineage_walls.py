"""A walk that takes too long ends with what it found, and says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clew.base.errors import ClewError, ErrorCode
from clew.lineage.query.walk import Stop, Walker

if TYPE_CHECKING:
    from collections.abc import Collection

    from clew.lineage.parameters import Direction
    from clew.lineage.query.edges import Pair


class Tired:
    """A chain without end, whose edges take too long to find after so many steps."""

    def __init__(self, steps: int, *, looks: bool = True) -> None:
        self.steps = steps
        self.looks = looks

    def find(
        self, ids: Collection[int], direction: Direction, *, time_ms_max: int
    ) -> tuple[set[Pair], bool]:
        self.steps -= 1
        if self.steps < 0:
            raise ClewError(ErrorCode.TIMEOUT, "the question took too long")
        return {(each, each + 1) for each in ids}, True

    def has_any(self, ids: Collection[int], direction: Direction, *, time_ms_max: int) -> bool:
        if not self.looks:
            raise ClewError(ErrorCode.TIMEOUT, "the question took too long")
        return True


def test_what_was_found_in_time_is_the_answer() -> None:
    found = Walker(Tired(3)).walk(1, "up", depth=20, nodes_max=100)
    assert (list(found.depths), found.stops) == ([1, 2, 3, 4], {Stop.TIME})
    way = Walker(Tired(3)).search(1, 9, "up", depth=20, nodes_max=100)
    assert (list(way.depths), way.stops) == ([1, 2, 3, 4], {Stop.TIME})


def test_whether_there_is_more_may_take_too_long_too() -> None:
    found = Walker(Tired(3, looks=False)).walk(1, "up", depth=3, nodes_max=100)
    assert (list(found.depths), found.stops) == ([1, 2, 3, 4], {Stop.TIME})


def test_a_walk_that_found_nothing_in_time_is_an_error() -> None:
    with pytest.raises(ClewError, match="too long"):
        Walker(Tired(0)).walk(1, "up", depth=20, nodes_max=100)


def test_the_time_is_that_of_all_its_walks() -> None:
    given: list[int] = []

    class Watched(Tired):
        def find(
            self, ids: Collection[int], direction: Direction, *, time_ms_max: int
        ) -> tuple[set[Pair], bool]:
            given.append(time_ms_max)
            return super().find(ids, direction, time_ms_max=time_ms_max)

    walker = Walker(Watched(10), seconds_max=5.0)
    for _ in range(2):
        walker.walk(1, "up", depth=2, nodes_max=100)
    assert given == sorted(given, reverse=True)
    assert all(0 < each <= 5000 for each in given)
    Walker(Watched(1), seconds_max=-1.0).walk(1, "up", depth=1, nodes_max=100)
    assert given[-1] == 1
