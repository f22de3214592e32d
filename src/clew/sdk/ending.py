"""The end of a watched process: what waits is sent, however the process came to be.

`atexit` knows the end of a program, and not that of the processes that `multiprocessing` starts:
those have hooks of their own, and a forked one forgets the hooks of its parent. So a child that is
forked registers anew, at the moment when `multiprocessing` has forgotten.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from clew.base.exits import at_exit

if TYPE_CHECKING:
    from collections.abc import Callable


def call_at_the_end(action: Callable[[], None]) -> None:
    """Call something at the end of this process, and of each that is forked from it."""
    at_exit(action)

    def register(_owner: object) -> None:
        at_exit(action)

    def begin_in_child() -> None:
        multiprocessing = sys.modules.get("multiprocessing.util")
        if multiprocessing is not None:
            # Where this is a fork of `multiprocessing`, it calls this once it has forgotten.
            multiprocessing.register_after_fork(register, register)

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=begin_in_child)
