"""Questions to the server that a program waits for: what was asked, and the answers as futures."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from clew.base.errors import ClewError, ErrorCode
from clew.tree.client.answers import Answer, read_answer
from clew.tree.frames.outbound import Issued, Spawned

if TYPE_CHECKING:
    from collections.abc import Callable

    from clew.tree.frames.inbound import Inbound, Issue, Spawn

Answered = TypeVar("Answered")

# The first answer comes as soon as the question is durable.
ANSWER_S_MAX: Final = 10.0


@dataclass(slots=True)
class Request:
    """A question to the server. `answer` takes what answers it, and returns whether that is all.

    It is called in the thread of the sockets and MUST NOT block or raise.
    """

    key: str
    frame: Inbound
    answer: Callable[[Issued | Spawned | ClewError], bool]
    is_sent: bool = False


class Issuing:
    """A command on its way: `accepted` is its first answer, `over` its last."""

    def __init__(self, frame: Issue, *, waits: bool) -> None:
        self.accepted: Future[Answer] = _uncancellable(Future())
        self.over: Future[Answer] = _uncancellable(Future())
        self.latest: Answer | None = None
        self.request = Request(frame.correlation_id, frame, self._take)
        self._waits = waits

    def _take(self, answer: Issued | Spawned | ClewError) -> bool:
        if isinstance(answer, ClewError):
            for future in (self.accepted, self.over):
                if not future.done():
                    future.set_exception(answer)
            return True
        if isinstance(answer, Issued):
            self.latest = read_answer(answer)
            if not self.accepted.done():
                self.accepted.set_result(self.latest)
            if answer.is_over and not self.over.done():
                self.over.set_result(self.latest)
        return not self._waits or self.over.done()


class Spawning:
    """A child on its way into the tree."""

    def __init__(self, frame: Spawn) -> None:
        self.spawned: Future[Spawned] = _uncancellable(Future())
        self.request = Request(frame.child_id, frame, self._take)

    def _take(self, answer: Issued | Spawned | ClewError) -> bool:
        if self.spawned.done():
            return True
        if isinstance(answer, ClewError):
            self.spawned.set_exception(answer)
        elif isinstance(answer, Spawned):
            self.spawned.set_result(answer)
        return self.spawned.done()


def timed_out(what: str) -> ClewError:
    """Return the error of a question that nobody answered in time."""
    return ClewError(
        ErrorCode.TIMEOUT,
        f"the server has not answered {what} in time",
        hint="is_connected tells whether there is a connection",
    )


def _uncancellable(future: Future[Answered]) -> Future[Answered]:
    """Return a future that only its answer ends: whoever waits may give up, but not cancel it."""
    future.set_running_or_notify_cancel()
    return future
