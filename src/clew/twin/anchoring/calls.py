"""Functions of every kind inside a context manager that is open only while their own code runs.

A generator is left between two values, and so is its anchor: whoever takes the values is about
something else. The manager is therefore opened anew for each step.
"""

from __future__ import annotations

import inspect
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator
    from contextlib import AbstractContextManager

    Arguments = tuple[tuple[Any, ...], dict[str, Any]]
    Opening = Callable[[Arguments], AbstractContextManager[Any]]

F = TypeVar("F", bound="Callable[..., Any]")


def wrap(function: F, open_for: Opening) -> F:
    """Return a function of the same kind that runs inside what `open_for` makes of its arguments.

    What it makes is opened once for each step, in turn, and must bear that.
    """
    called = type(function).__call__
    if inspect.isasyncgenfunction(function) or inspect.isasyncgenfunction(called):
        made: Any = _async_generator(function, open_for)
    elif inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(called):
        made = _coroutine(function, open_for)
    elif inspect.isgeneratorfunction(function) or inspect.isgeneratorfunction(called):
        made = _generator(function, open_for)
    else:
        made = _plain(function, open_for)
    return cast("F", made)


def _plain(function: Callable[..., Any], open_for: Opening) -> Callable[..., Any]:
    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        with open_for((args, kwargs)):
            return function(*args, **kwargs)

    return call


def _coroutine(function: Callable[..., Any], open_for: Opening) -> Callable[..., Any]:
    @wraps(function)
    async def call(*args: Any, **kwargs: Any) -> Any:
        with open_for((args, kwargs)):
            return await function(*args, **kwargs)

    return call


def _generator(function: Callable[..., Any], open_for: Opening) -> Callable[..., Any]:
    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        scope = open_for((args, kwargs))
        steps: Generator[Any, Any, Any] = function(*args, **kwargs)
        try:
            with scope:
                value = next(steps)
            while True:
                try:
                    sent = yield value
                except GeneratorExit:
                    raise
                except BaseException as error:  # noqa: BLE001 - it is the generator's to handle
                    with scope:
                        value = steps.throw(error)
                else:
                    with scope:
                        value = steps.send(sent)
        except StopIteration as end:
            return end.value
        finally:
            with scope:
                steps.close()

    return call


def _async_generator(function: Callable[..., Any], open_for: Opening) -> Callable[..., Any]:
    @wraps(function)
    async def call(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        scope = open_for((args, kwargs))
        steps: AsyncGenerator[Any, Any] = function(*args, **kwargs)
        try:
            with scope:
                value = await anext(steps)
            while True:
                try:
                    sent = yield value
                except GeneratorExit:
                    raise
                except BaseException as error:  # noqa: BLE001 - it is the generator's to handle
                    with scope:
                        value = await steps.athrow(error)
                else:
                    with scope:
                        value = await steps.asend(sent)
        except StopAsyncIteration:
            return
        finally:
            with scope:
                await steps.aclose()

    return call
