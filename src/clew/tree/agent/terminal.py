"""The terminal that a command is started on: whose turn it is, and giving it back.

A command that is started in a group of its own is in the background of the terminal: it could not
read a key, and Ctrl-C would not reach it. So where a person sits before it, the group gets the
terminal, as it would from a shell.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import termios
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class Terminal:
    """The terminal of this process, of which it is the foreground now."""

    descriptor: int
    own_group: int
    modes: list[Any]
    is_handed_over: bool = False

    @property
    def has_shell(self) -> bool:
        """Whether the command has the terminal, and somebody above us would get it back."""
        return self.is_handed_over and os.getsid(0) != os.getpid()

    def hand_over(self, group: int) -> None:
        """Let a group read keys, and be interrupted by them."""
        self.is_handed_over = self._give(group)

    def take_back(self, *, restores_modes: bool) -> None:
        """Be the foreground again; what a killed program did to the terminal's modes is undone."""
        if not self.is_handed_over:
            return
        self._give(self.own_group)
        self.is_handed_over = False
        if restores_modes:
            with contextlib.suppress(termios.error):
                termios.tcsetattr(self.descriptor, termios.TCSADRAIN, self.modes)

    def _give(self, group: int) -> bool:
        # From the background the call itself would stop this process.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTTOU])
        try:
            os.tcsetpgrp(self.descriptor, group)
        except OSError:
            return False
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return True


def find_terminal() -> Terminal | None:
    """Return the terminal that a person sits at, None where there is none.

    Both stdin and stdout must be on it: in a pipeline, the others of it need it as well. And this
    process must be its foreground.
    """
    try:
        descriptor = sys.stdin.fileno()
        if not (os.isatty(descriptor) and os.isatty(sys.stdout.fileno())):
            return None
        if os.tcgetpgrp(descriptor) != os.getpgrp():
            return None
        return Terminal(descriptor, os.getpgrp(), termios.tcgetattr(descriptor))
    except (OSError, ValueError, AttributeError, termios.error):
        # Closed, replaced by something that is no file, or another session's terminal.
        return None


def find_controlling_terminal() -> Terminal | None:
    """Return the terminal of this session if this process is in front of it, None otherwise.

    For a command that asks for it although its stdin or stdout is none, as a pager in a pipeline.
    """
    try:
        descriptor = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except OSError:
        return None
    try:
        if os.tcgetpgrp(descriptor) == os.getpgrp():
            return Terminal(descriptor, os.getpgrp(), termios.tcgetattr(descriptor))
    except (OSError, termios.error):
        # It is gone.
        os.close(descriptor)
        return None
    os.close(descriptor)
    return None
