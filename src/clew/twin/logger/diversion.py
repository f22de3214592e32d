"""Who hears of events before OpenTelemetry does: the recordings of tests."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clew.twin.logger.record import Told

Listener = Callable[["Told"], bool]
"""Takes an event in the thread that says it; returns whether it goes to OpenTelemetry as well."""

LISTENERS: Final[list[Listener]] = []


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Let a listener hear of every event of this process, whichever logger says it."""
    LISTENERS.append(listener)
    try:
        yield
    finally:
        LISTENERS.remove(listener)


def tell_listeners(told: Told) -> bool:
    """Tell every listener of an event; return whether all of them let it go on."""
    answers = [each(told) for each in tuple(LISTENERS)]
    return all(answers)
