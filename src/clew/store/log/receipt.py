"""What the log answers: that frames were written, all of a group or none."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from clew.base.errors import ClewError


@dataclass(frozen=True, slots=True)
class Group:
    """Record frames `first`..`last` were written and synced together, or none of them was."""

    first: int
    last: int
    failure: ClewError | None = None

    def error(self) -> ClewError | None:
        """Return the failure as an error of its own, for one waiter to raise."""
        return _copy(self.failure) if self.failure else None


class Receipt:
    """The promise that a control frame is durable."""

    def __init__(self) -> None:
        self._is_settled = threading.Event()
        self._failure: ClewError | None = None

    def wait(self) -> None:
        """Return when the frame is durable.

        Raises:
            ClewError: it could not be written.
        """
        self._is_settled.wait()
        if self._failure is not None:
            raise _copy(self._failure)

    def settle(self, failure: ClewError | None) -> None:
        """Let the waiter go on."""
        self._failure = failure
        self._is_settled.set()


def _copy(error: ClewError) -> ClewError:
    """Return the same error for another to raise; what kind of error it is stays."""
    twin = type(error).__new__(type(error))
    twin.__dict__.update(error.__dict__)
    twin.args = error.args
    return twin
