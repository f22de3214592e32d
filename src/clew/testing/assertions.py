"""`assert_twin`: what an object is, held against what it should be, the difference to be read."""

from __future__ import annotations

import difflib
import pprint
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import format_time
from clew.twin.blueprint.processes import Process
from clew.twin.reconstructor.moments import EVENT, SPAN
from clew.twin.reconstructor.reconstructor import Reconstructor
from clew.twin.reconstructor.transitions import is_same

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from clew.twin.reconstructor.moments import When
    from clew.twin.reconstructor.reconstructor import Kind, Named
    from clew.twin.reconstructor.result import ReconstructionResult

PAUSE_S: Final = 0.05
"""Between two questions of one that waits: what a person does not notice, and a server neither."""

_SHOWN_CHARS_MAX: Final = 60
"""Of a value in a line of the difference; the whole of it stands below."""

_LINES_MAX: Final = 40
"""Of the difference of two long values."""

_WORDS: Final = ("phase", "status")
"""What a process says of itself beside its fields."""


def assert_twin(
    where: Any,
    obj_id: Named,
    expected: Mapping[str, Any] | None = None,
    /,
    *,
    at: When = None,
    obj_type: Kind = None,
    exists: bool = True,
    exactly: bool = False,
    within: float = 0.0,
    **fields: Any,
) -> None:
    """Assert what an object is, or was at a moment.

    `where` is a run that was recorded, a `Reconstructor`, or anything that one takes: a server's
    address, a client. The fields that are named are compared, those of `expected` too, whose names
    may be any; the others may be as they like, unless `exactly` says that nothing else was set. A
    field that nobody set has its default. Whatever is equal to a value does for it, so
    ``pytest.approx`` and the like work; true is not 1. Of a process, `phase` and `status` count as
    fields.

    `exists` says whether the object is to be there. `within` seconds are given to the answer to
    come true, where others write what is asked for.

    Raises:
        AssertionError: it is otherwise; the message says how, and which event made it so.
        ClewError: what cannot be asked, as of `Reconstructor.reconstruct`. An object that nothing
            is known of is no such error: it does not exist.
    """
    __tracebackhide__ = True
    deadline = time.monotonic() + within
    wanted = {**(expected or {}), **fields}
    own = where if isinstance(where, Reconstructor) else Reconstructor(where)
    question = _Question(
        reconstructor=own,
        obj_id=obj_id,
        at=at,
        obj_type=obj_type,
        fields=wanted,
        exists=exists,
        exactly=exactly,
    )
    try:
        problem = question.find_problem()
        while problem and time.monotonic() < deadline:
            threading.Event().wait(PAUSE_S)
            problem = question.find_problem()
    finally:
        if own is not where:
            own.close()
    if problem:
        raise AssertionError(problem)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    """What is asked, and what the answer should be."""

    reconstructor: Reconstructor
    obj_id: Named
    at: When
    obj_type: Kind
    fields: Mapping[str, Any]
    exists: bool
    exactly: bool

    def find_problem(self) -> str:
        """Return what is not as it should be, in words; nothing where all is."""
        try:
            result = self.reconstructor.reconstruct(self.obj_id, self.at, self.obj_type)
        except ClewError as error:
            # A place in the course of events that nobody knows is no answer about the object.
            is_place = isinstance(self.at, str) and self.at.startswith((EVENT, SPAN))
            if error.code is not ErrorCode.NOT_FOUND or is_place:
                raise
            return error.message if self.exists else ""
        shown = result.to_dict()
        whom = f"{shown['type']} {shown['id']} at {shown['at']}"
        if result.exists is not self.exists:
            return f"{whom} {self._tell_existence(result)}"
        if not self.exists:
            return ""
        wrong = [
            line
            for name, expected in self.fields.items()
            for line in self._compare(result, name, expected)
        ]
        if self.exactly:
            wrong += [
                f"  {name}: is {_show(result.state[name])}, and not expected at all"
                for name in sorted(result.state.keys() - self.fields.keys())
            ]
        warned = [f"  warning {each.code}: {each.message}" for each in result.warnings]
        return "\n".join([f"{whom} is not as expected", *wrong, *warned]) if wrong else ""

    def _tell_existence(self, result: ReconstructionResult) -> str:
        if result.exists:
            return f"exists, with {_show(result.state)}"
        why = "; ".join(each.message for each in result.warnings)
        gone = "was deleted" if result.version else "does not exist"
        return f"{gone}: {why}" if why else gone

    def _compare(self, result: ReconstructionResult, name: str, expected: Any) -> Iterator[str]:
        """Yield the lines that tell of one field, none where it is as expected."""
        try:
            actual = _read(result, name)
        except (AttributeError, KeyError):
            known = sorted({*result.state, *getattr(type(result.twin), "get_fields", dict)()})
            meant = difflib.get_close_matches(name, known, n=1)
            guess = f"; did you mean {meant[0]}?" if meant else f"; it has {', '.join(known)}"
            yield f"  {name}: there is no such field{guess}"
            return
        # A timestamp may be held against a datetime or against its text.
        if is_same(expected, actual) or is_same(expected, result.state.get(name, actual)):
            return
        yield f"  {name}: expected {_show(expected)}"
        yield f"  {' ' * len(name)}  is       {_show(actual)}{self._tell_origin(result, name)}"
        if len(repr(actual)) > _SHOWN_CHARS_MAX or len(repr(expected)) > _SHOWN_CHARS_MAX:
            lines = _differ(expected, actual)
            yield from (f"    {line}" for line in lines[:_LINES_MAX])
            if len(lines) > _LINES_MAX:
                yield f"    … {len(lines) - _LINES_MAX} more lines"

    def _tell_origin(self, result: ReconstructionResult, name: str) -> str:
        """Return which event gave a field its value."""
        if name in _WORDS and isinstance(result.twin, Process):
            return ""
        metadata = result.metadata
        at = result.to_dict()["at"]
        changes = self.reconstructor.find_field_changes(
            metadata.obj_id, name, metadata.obj_type, end=at
        )
        if not changes:
            return ", the default: no event set it"
        event = changes[-1].event
        said = f", since {format_time(event.at)}: {event.type.value} {event.event_id}"
        span = f" in span {event.span_id}" if event.span_id else ""
        return f"{said}{span}{f' of {event.service}' if event.service else ''}"


def _read(result: ReconstructionResult, name: str) -> Any:
    if name in _WORDS and isinstance(result.twin, Process):
        return getattr(result.twin, name)
    return result[name]


def _differ(expected: Any, actual: Any) -> list[str]:
    one, other = (
        pprint.pformat(each, width=_SHOWN_CHARS_MAX).splitlines() for each in (expected, actual)
    )
    # Two lines of heading name files that there are none of.
    return list(difflib.unified_diff(one, other, lineterm="", n=1))[2:]


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARS_MAX else f"{text[: _SHOWN_CHARS_MAX - 1]}…"
