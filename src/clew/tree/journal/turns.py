"""Long work of a thread in short turns.

Python gives the interpreter to a thread that waits for it only after a while, and the event loop
gives it back after each thing that it does: while a thread reckons for 20 ms, the loop comes to do
some twenty things, where it has a hundred sockets to serve. Nobody waits for the journal, so it
pauses, again and again and for as long as the loop has something to do.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TURN_VALUES: Final = 250
"""Of one turn: a millisecond at some 4 µs each. Shorter ones find the processor's caches cold."""

PAUSE_S: Final = 0.001
"""Between two turns: what has come is done in it. A batch of 2000 records takes 16 ms longer."""

_NEVER: Final = threading.Event()
"""What a pause waits for."""

Value = TypeVar("Value")


def in_turns(values: Sequence[Value]) -> Iterator[Value]:
    """Yield values, pausing after some; for a thread of its own, never for the event loop."""
    for at in range(0, len(values), TURN_VALUES):
        if at:
            _NEVER.wait(PAUSE_S)
        yield from values[at : at + TURN_VALUES]
