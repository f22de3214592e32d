"""How telemetry begins where nobody began it: the seam between those who emit and `clew.init`.

A strand may need a way out for what it emits and may not import the floor that sets one up. So the
root of the package says here what is to be called, and whoever emits first calls it.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class _Beginning:
    """What was said, and whether it was asked for."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.begin: Callable[[], object] | None = None
        self.is_done = False
        self.failure = ""


class BeginningError(RuntimeError):
    """Telemetry could not be set up, so nothing can be emitted."""


_beginning = _Beginning()


def say_how_to_begin(begin: Callable[[], object]) -> None:
    """Name what sets telemetry up. It MUST NOT block on the network, and is called once."""
    _beginning.begin = begin


def begin_telemetry() -> None:
    """Set telemetry up as `say_how_to_begin` said, once for this process; whoever else asks waits.

    Raises:
        BeginningError: it could not be; it is not tried again, and every later call hears of it.
    """
    with _beginning.lock:
        if not _beginning.is_done and _beginning.begin is not None:
            _beginning.is_done = True
            try:
                _beginning.begin()
            except Exception as error:
                _beginning.failure = f"{type(error).__name__}: {error}"
                raise BeginningError(_beginning.failure) from error
    if _beginning.failure:
        raise BeginningError(_beginning.failure)
