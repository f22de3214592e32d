"""How a process ends: by itself, because somebody cancelled it, or because it lost its server."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

SUPERVISED: Final = "CLEW_SUPERVISED"
"""Set by an agent in the environment of the process that it watches: it will tell the exit code."""

# For a program that names no grace of its own: TRAILS' grace of a cancel.
GRACE_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class CancelContext:
    """Why the app is to end, who wants it, and until when it may take its time.

    `deadline` is a moment of `time.monotonic`.
    """

    reason: str
    initiated_by: str
    cascade: bool
    deadline: float

    @property
    def grace_remaining(self) -> float:
        """Seconds that are left before the app may be ended from outside."""
        return max(0.0, self.deadline - time.monotonic())


class _Deafness:
    """What takes SIGINT where it was ignored: nothing still, until this process itself sends it."""

    def __init__(self) -> None:
        self.is_over = False

    def __call__(self, number: int, frame: object) -> None:
        del number, frame
        if self.is_over:
            raise KeyboardInterrupt


_deafness: Final = _Deafness()


def become_interruptible() -> None:
    """Let `interrupt` reach this process though Ctrl-C does not: so shells start background jobs.

    Ctrl-C is ignored as before; a program that is started from here hears it. Does nothing in
    another thread than the main one, where no signal can be taken.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if is_main and signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, _deafness)


def interrupt(shutdown: Callable[[], object]) -> None:
    """End this process as Ctrl-C does, so that `finally` blocks and exit hooks run.

    Where nobody listens to that (the program has chosen so), what waits is sent first, and the
    process is then ended by SIGTERM.
    """
    _deafness.is_over = True
    if callable(signal.getsignal(signal.SIGINT)):
        os.kill(os.getpid(), signal.SIGINT)
        return
    shutdown()
    os.kill(os.getpid(), signal.SIGTERM)


def is_supervised() -> bool:
    """Whether an agent watches this process and will tell how it ended."""
    return bool(os.environ.get(SUPERVISED))


def uncaught() -> BaseException | None:
    """Return the exception that is ending the program, None when it ends by itself."""
    error: BaseException | None = getattr(sys, "last_value", None)
    return error if isinstance(error, Exception) else None


def kill_after(seconds: float) -> None:
    """End this process without asking when it has not ended by itself by then."""
    timer = threading.Timer(seconds, lambda: os.kill(os.getpid(), signal.SIGKILL))
    timer.daemon = True
    timer.start()
