"""What is wrong with what a program emits, said through `logging`: once of a kind in a minute."""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import Final

LOGGER_NAME: Final = "clew.twin"

INTERVAL_S: Final = 60.0
"""Between two complaints of one kind. A call that is wrong is often in a loop."""

KINDS_MAX: Final = 1000
"""Kinds that are remembered; past it all are forgotten, and each may be told once more."""

logger = logging.getLogger(LOGGER_NAME)


class Complaints:
    """Tells of a kind of trouble and counts what it keeps back. From any thread."""

    def __init__(self, interval_s: float = INTERVAL_S) -> None:
        self._interval_s = interval_s
        self._lock = threading.RLock()
        self._told: dict[tuple[str, ...], tuple[float, int]] = {}
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._begin_in_child)

    def _begin_in_child(self) -> None:
        # It may have been held by a thread that the child does not have.
        self._lock = threading.RLock()

    def tell(self, kind: tuple[str, ...], message: str) -> bool:
        """Log a warning, unless one of its kind was told just now; return whether it was logged."""
        now = time.monotonic()
        with self._lock:
            told_at, kept_back = self._told.get(kind, (None, 0))
            if told_at is not None and now - told_at < self._interval_s:
                self._told[kind] = (told_at, kept_back + 1)
                return False
            if len(self._told) >= KINDS_MAX:
                self._told.clear()
            self._told[kind] = (now, 0)
        again = f" (and {kept_back} times more since)" if kept_back else ""
        logger.warning("%s%s", message, again)
        return True


COMPLAINTS: Final = Complaints()
"""Those of this process."""
