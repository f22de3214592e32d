"""What is called at the end of this process, whatever started it."""

from __future__ import annotations

import atexit
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def at_exit(action: Callable[[], None]) -> None:
    """Call something at the end of this process.

    The processes that `multiprocessing` starts leave out what `atexit` knows; they have hooks of
    their own.
    """
    multiprocessing = sys.modules.get("multiprocessing.util")
    process = sys.modules.get("multiprocessing.process")
    if multiprocessing is not None and process is not None and process.parent_process():
        multiprocessing.Finalize(None, action, exitpriority=0)
    else:
        atexit.register(action)


def not_at_exit(action: Callable[[], None]) -> None:
    """Take back what `at_exit` was told; no harm when it was not."""
    atexit.unregister(action)
