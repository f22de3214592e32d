"""What follows a durable write: the memory is changed, and only then is anybody answered."""

from __future__ import annotations

from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Kept = TypeVar("Kept")
Told = TypeVar("Told")


def when_kept(written: Future[Kept], settle: Callable[[Kept], Told]) -> Future[Told]:
    """Return a future with what `settle` gives for the result of a write.

    `settle` runs once, in the writer's thread, when the write is durable; whoever waits for the
    future sees what it changed. A write that failed changes nothing and fails the future alike.
    """
    answered: Future[Told] = Future()

    def pass_on(done: Future[Kept]) -> None:
        error = done.exception()
        if error is not None:
            answered.set_exception(error)
        else:
            answered.set_result(settle(done.result()))

    written.add_done_callback(pass_on)
    return answered
