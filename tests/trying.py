"""How many examples a property is tried with: few in `make test`, many times as many in a soak."""

from __future__ import annotations

import os
from typing import Final

TIMES: Final = int(os.environ.get("CLEW_EXAMPLES", "1"))
"""How many times as many; `make soak` sets it."""

EXAMPLES_USUAL: Final = 40
"""Of a property that says no number: what is wrong in one case of ten is missed once in seventy
runs. One that asks an engine says less, one that is about rare cases more."""


def examples(count: int) -> int:
    """Return how many examples to try where `make test` has the time for `count`."""
    return count * TIMES
