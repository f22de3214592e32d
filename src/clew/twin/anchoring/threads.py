"""Anchors across threads and executors, where a context variable does not follow by itself.

Tasks of asyncio and `asyncio.to_thread` take their context along. A thread, and the pool of an
executor, begin with an empty one.
"""

from __future__ import annotations

from concurrent.futures import Executor
from contextvars import copy_context
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future

P = ParamSpec("P")
R = TypeVar("R")


def propagate(function: Callable[P, R]) -> Callable[P, R]:
    """Return a function that runs in the context of here and now, wherever it is called.

    ``Thread(target=propagate(work))``. Everything in the context goes along: the anchor, baggage,
    the span. Each call has a copy of its own, so that several may run at once.
    """
    here = copy_context()

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        return here.copy().run(function, *args, **kwargs)

    return call


class AnchoredExecutor(Executor):
    """An executor of threads whose calls run in the context of those who submitted them.

    It is a view of another one: closing it closes that.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Submit a call, with the context of here and now."""
        return self._executor.submit(propagate(fn), *args, **kwargs)

    def map(
        self,
        fn: Callable[..., R],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
    ) -> Iterator[R]:
        """As `Executor.map`, with the context of here and now."""
        mapped = propagate(fn)
        return self._executor.map(mapped, *iterables, timeout=timeout, chunksize=chunksize)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Close the executor behind it."""
        self._executor.shutdown(wait, cancel_futures=cancel_futures)
