"""`stage`: a function whose outputs have ids, whatever kind of function it is.

What the arguments carry are its inputs; the function itself gets plain values, so it is written as
if nothing were traced. Its output comes back as `Traced`, always: switching tracing on changes no
type.
"""

from __future__ import annotations

import inspect
from functools import wraps
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, overload

from clew.lineage.stages.carrier import PLAIN, Traced
from clew.lineage.stages.course import Course, strip_argument
from clew.lineage.stages.output import Stage
from clew.lineage.stages.tracing import SWITCH

if TYPE_CHECKING:
    from collections.abc import (
        AsyncGenerator,
        AsyncIterator,
        Callable,
        Coroutine,
        Generator,
        Iterator,
    )

R = TypeVar("R")


class Decorator(Protocol):
    """What `stage` with arguments gives: it is put before a function of any kind."""

    # What is none of the kinds before is taken by the last, which no type can say.
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, function: Callable[..., Coroutine[Any, Any, R]], /
    ) -> Callable[..., Coroutine[Any, Any, Traced[R]]]: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, function: Callable[..., AsyncIterator[R]], /
    ) -> Callable[..., AsyncIterator[Traced[R]]]: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, function: Callable[..., Iterator[R]], /
    ) -> Callable[..., Iterator[Traced[R]]]: ...
    @overload
    def __call__(self, function: Callable[..., R], /) -> Callable[..., Traced[R]]: ...


@overload
def stage(  # type: ignore[overload-overlap]
    function: Callable[..., Coroutine[Any, Any, R]], /
) -> Callable[..., Coroutine[Any, Any, Traced[R]]]: ...
@overload
def stage(  # type: ignore[overload-overlap]
    function: Callable[..., AsyncIterator[R]], /
) -> Callable[..., AsyncIterator[Traced[R]]]: ...
@overload
def stage(  # type: ignore[overload-overlap]
    function: Callable[..., Iterator[R]], /
) -> Callable[..., Iterator[Traced[R]]]: ...
@overload
def stage(function: Callable[..., R], /) -> Callable[..., Traced[R]]: ...
@overload
def stage(
    function: str | None = None, /, *, stream_id: int | None = None, new_id: bool = False
) -> Decorator: ...


def stage(
    function: Callable[..., Any] | str | None = None,
    /,
    *,
    stream_id: int | None = None,
    new_id: bool = False,
) -> Any:
    """Make a function a stage: its outputs are told of, with what they were made of.

        @lineage.stage
        def fuse(camera: Image, lidar: Cloud) -> Scene: …

        @lineage.stage("source", stream_id=1)
        def read() -> Iterator[Image]: …

    Inputs are the arguments that carry ids, and those in lists, tuples and dictionaries; further,
    what is drawn from generators that are given as arguments. Arguments that carry none are no
    inputs. A generator makes an output with each value, of what was drawn since the last one.

    What the function raises is raised as it is; there is no output then. Nothing of tracing raises.

    Args:
        function: the function, or the name of the stage, which is the function's by default.
        stream_id: of the outputs; by default a checksum of the name.
        new_id: outputs of one input have an id of their own, as where one is split into several.
    """
    if callable(function):
        return _wrap(function, Stage(_name_of(function), stream_id=stream_id, new_id=new_id))

    def decorate(decorated: Callable[..., Any]) -> Callable[..., Any]:
        name = _name_of(decorated) if function is None else function
        return _wrap(decorated, Stage(name, stream_id=stream_id, new_id=new_id))

    return decorate


def _name_of(function: Callable[..., Any]) -> str:
    name = str(getattr(function, "__qualname__", type(function).__qualname__))
    return name.rpartition("<locals>.")[2]


def _wrap(function: Callable[..., Any], made: Stage) -> Callable[..., Any]:
    called = type(function).__call__
    if inspect.isasyncgenfunction(function) or inspect.isasyncgenfunction(called):
        return _async_generator(function, made)
    if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(called):
        return _coroutine(function, made)
    if inspect.isgeneratorfunction(function) or inspect.isgeneratorfunction(called):
        return _generator(function, made)
    return _plain(function, made)


def _plain(function: Callable[..., Any], made: Stage) -> Callable[..., Any]:
    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Traced[Any]:
        if SWITCH.tracing is None:
            # A loop where it stands: a comprehension is a call of its own, as is any function.
            given = []
            for each in args:
                kind = type(each)
                if kind is Traced:
                    given.append(each.value)
                else:
                    given.append(each if kind in PLAIN else strip_argument(each))
            if not kwargs:
                return Traced(function(*given))
            named = {name: strip_argument(kwargs[name]) for name in kwargs}
            return Traced(function(*given, **named))
        course = Course(made)
        plain, named = course.take(args, kwargs)
        with course:
            value = function(*plain, **named)
        return course.finish(value)

    return call


def _coroutine(function: Callable[..., Any], made: Stage) -> Callable[..., Any]:
    @wraps(function)
    async def call(*args: Any, **kwargs: Any) -> Traced[Any]:
        if SWITCH.tracing is None:
            # A loop where it stands: a comprehension is a call of its own, as is any function.
            given = []
            for each in args:
                kind = type(each)
                if kind is Traced:
                    given.append(each.value)
                else:
                    given.append(each if kind in PLAIN else strip_argument(each))
            if not kwargs:
                return Traced(await function(*given))
            named = {name: strip_argument(kwargs[name]) for name in kwargs}
            return Traced(await function(*given, **named))
        course = Course(made)
        plain, named = course.take(args, kwargs)
        with course:
            value = await function(*plain, **named)
        return course.finish(value)

    return call


def _generator(function: Callable[..., Any], made: Stage) -> Callable[..., Any]:
    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Generator[Traced[Any], Any, Any]:
        course = Course(made)
        plain, named = course.take(args, kwargs)
        steps: Generator[Any, Any, Any] = function(*plain, **named)
        try:
            with course:
                value = next(steps)
            while True:
                try:
                    sent = yield course.finish(value)
                except GeneratorExit:
                    raise
                except BaseException as error:  # noqa: BLE001 - it is the generator's to handle
                    with course:
                        value = steps.throw(error)
                else:
                    plain_sent = course.draw(sent)
                    with course:
                        value = steps.send(plain_sent)
        except StopIteration as end:
            return end.value
        finally:
            steps.close()

    return call


def _async_generator(function: Callable[..., Any], made: Stage) -> Callable[..., Any]:
    @wraps(function)
    async def call(*args: Any, **kwargs: Any) -> AsyncGenerator[Traced[Any], Any]:
        course = Course(made)
        plain, named = course.take(args, kwargs)
        steps: AsyncGenerator[Any, Any] = function(*plain, **named)
        try:
            with course:
                value = await anext(steps)
            while True:
                try:
                    sent = yield course.finish(value)
                except GeneratorExit:
                    raise
                except BaseException as error:  # noqa: BLE001 - it is the generator's to handle
                    with course:
                        value = await steps.athrow(error)
                else:
                    plain_sent = course.draw(sent)
                    with course:
                        value = await steps.asend(plain_sent)
        except StopAsyncIteration:
            return
        finally:
            await steps.aclose()

    return call
