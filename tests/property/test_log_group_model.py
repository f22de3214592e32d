"""Whatever servers and network do, what was said to be kept is kept, once, in one order.

Real threads take part, so a seed gives the same script and not the same run: nothing is shrunk.
"""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.property.log_town import Town

if TYPE_CHECKING:
    from pathlib import Path

SCRIPTS = int(os.environ.get("CLEW_GROUP_SCRIPTS", "2"))
STEPS = 25

WEIGHTS = {"send": 8, "again": 3, "crash": 3, "promote": 2, "cut": 2, "heal": 2, "tend": 2}


class Script:
    """A walk through what may happen to three servers."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self.next = 0

    def send(self) -> None:
        for _ in range(self.town.script.randint(1, 6)):
            self.next += 1
            self.town.send(self.next)

    def again(self) -> None:
        """A client that heard nothing good sends the same again, to whoever leads now."""
        for number in sorted(self.town.tried - self.town.kept)[-3:]:
            self.town.send(number)

    def crash(self) -> None:
        server = self.town.servers[self.town.script.choice("abc")]
        was_leader = server.is_leader
        server.crash()
        if was_leader:
            server.lead()
        else:
            server.follow()

    def promote(self) -> None:
        self.town.promote(self.town.script.choice("abc"))

    def cut(self) -> None:
        self.town.cuts.add(frozenset(self.town.script.sample("abc", 2)))

    def heal(self) -> None:
        self.town.cuts.clear()

    def tend(self) -> None:
        self.town.tend()

    def walk(self) -> None:
        names = list(WEIGHTS)
        for name in self.town.script.choices(names, list(WEIGHTS.values()), k=STEPS):
            self.town.log.append(name)
            getattr(self, name)()
            self.town.check()


@pytest.mark.slow
@pytest.mark.parametrize("number", range(SCRIPTS))
def test_what_was_acknowledged_is_there_once_whatever_happens(number: int, tmp_path: Path) -> None:
    seed = int(os.environ.get("CLEW_SEED") or time.time_ns() % 2**32) + number
    sys.stdout.write(f"CLEW_SEED={seed - number}\n")
    town = Town(tmp_path, seed)
    try:
        assert town.promote("a")
        Script(town).walk()
        town.settle()
    finally:
        sys.stdout.write(f"{' '.join(town.log)}\n")
        town.close()
    sys.stdout.write(f"{len(town.tried)} tried, {len(town.kept)} kept\n")
