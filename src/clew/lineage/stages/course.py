"""What a function draws from its arguments, and the outputs that a generator makes in its course.

An output of a generator is made of what was drawn since the one before it, and of what the
arguments carry; if nothing was drawn since, of the same as the one before. A window that slides
over its inputs keeps some of them without drawing them anew, which cannot be seen from outside:
such a stage says itself what it joins.
"""

from __future__ import annotations

from itertools import chain, islice
from types import AsyncGeneratorType, GeneratorType
from typing import TYPE_CHECKING, Any, Final, Self

from clew.lineage.stages.carrier import Traced, find_inputs, strip
from clew.lineage.stages.output import PARENTS_KEPT_MAX, Output
from clew.lineage.stages.tracing import current_tracing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from clew.lineage.stages.carrier import Input
    from clew.lineage.stages.output import Stage

_ITERATORS: Final = frozenset(
    {
        GeneratorType,
        *(map, filter, zip, enumerate, reversed, islice, chain),
        *map(type, (iter([]), iter(()), iter({}), iter({}.values()), iter(set()), iter(int, 0))),
    }
)
"""Kinds that can do nothing but give one value after the other. Files and cursors can do more, and
reach a function as they are."""


def strip_argument(value: Any) -> Any:
    """Return an argument as a function gets it where nothing is traced."""
    kind = type(value)
    if kind in _ITERATORS:
        return map(strip, value)
    return _DrawnLater(value, strip) if kind is AsyncGeneratorType else strip(value)


class Course:
    """One call of a function: its inputs, and the output that it makes now."""

    __slots__ = ("_before", "_drawn", "_given", "_is_drawing", "_output", "_stage")

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._given: list[Input] = []
        self._drawn: list[Input] = []
        self._before: list[Input] = []
        self._is_drawing = False
        self._output: Output | None = None

    def take(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[list[Any], Any]:
        """Return the arguments as the function gets them, and keep what they carry."""
        if current_tracing() is not None:
            for value in (*args, *kwargs.values()):
                self._given.extend(find_inputs(value))
        plain = [self._stripped(value) for value in args]
        named = (
            {name: self._stripped(value) for name, value in kwargs.items()} if kwargs else kwargs
        )
        return plain, named

    def draw(self, value: object) -> object:
        """Return a value as the function gets it: an input of the output that is made next."""
        if current_tracing() is not None and len(self._drawn) < PARENTS_KEPT_MAX:
            found = find_inputs(value)
            self._drawn.extend(found)
            if self._output is not None:
                self._output.take(found)
        return strip(value)

    def finish(self, value: Any) -> Traced[Any]:
        """Return the value of a step as an output, and tell of it."""
        output, self._output = self._output, None
        if output is None or not output.is_traced:
            self._drawn.clear()
            return Traced(value)
        if self._drawn:
            self._before, self._drawn = self._drawn, []
        else:
            output.take(self._before)
        made = output.carry(value)
        output.tell()
        return made

    def __enter__(self) -> Self:
        output = self._output = Output(self._stage)
        output.take(self._given)
        output.take(self._drawn)
        output.enter(is_whole=not self._is_drawing)
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if self._output is not None:
            self._output.leave(error)

    def _stripped(self, value: Any) -> Any:
        kind = type(value)
        if kind in _ITERATORS:
            self._is_drawing = True
            return _Drawn(value, self.draw)
        if kind is AsyncGeneratorType:
            self._is_drawing = True
            return _DrawnLater(value, self.draw)
        return strip(value)


class _Drawn:
    """An iterator whose values are inputs as they are drawn; in all else the one behind it."""

    __slots__ = ("_behind", "_draw")

    def __init__(self, behind: Iterator[Any], draw: Callable[[object], object]) -> None:
        self._behind = behind
        self._draw = draw

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> object:
        return self._draw(next(self._behind))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._behind, name)


class _DrawnLater:
    """The same for an asynchronous generator."""

    __slots__ = ("_behind", "_draw")

    def __init__(self, behind: AsyncIterator[Any], draw: Callable[[object], object]) -> None:
        self._behind = behind
        self._draw = draw

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> object:
        return self._draw(await anext(self._behind))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._behind, name)
