"""Values that carry the id of what they are: in our hand, in their own metadata, or as a field.

Outputs of stages are `Traced`, whether or not tracing is on, so that switching it on changes no
type. Values that go on by themselves, through a queue or a file, keep the id where they have room
for it: arrays of numpy and batches of Arrow in their metadata (`carry`), objects of a program in an
attribute `trace_id`, dictionaries under ``tracelink.trace_id``.

Nothing here raises, whatever the values are.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast

import msgspec

from clew.lineage.layout import NULL_TRACE_ID, TRACE_ID_MAX
from clew.lineage.stages.names import TRACE_ID

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["Traced", "carry", "trace_id_of", "value_of"]

T = TypeVar("T")

Input = tuple[int, object]
"""The id of an input, 0 where it was not traced, and the span that made it, or None."""

_TEXT_CHARS_MAX: Final = 20
"""Of a decimal id below 2^64. Longer texts are none, and take long to be made numbers."""

LOOKED_INTO_MAX: Final = 256
"""Of a list, how many places tell whether it is one of items: more than a set may name (167), and
few, so that a long list of numbers costs its stage nothing."""

PLAIN: Final = frozenset({str, bytes, int, float, bool, complex, type(None)})
"""Kinds that have no room for an id, which need not be looked at."""

_CONTAINERS: Final = frozenset({list, tuple, dict})


class Traced(msgspec.Struct, Generic[T], eq=False):
    """A value in the hand of a pipeline, with the id of the lineage that it is of.

    The id is 0 where it is not traced. `span` is the span that it was made in, if one is told.

    Every output of a stage is one, whether or not it is traced: a struct is made in a third of the
    time that a dataclass takes, of which that was a fifth.
    """

    value: T
    trace_id: int = NULL_TRACE_ID
    span: object = None


def carry(value: T, trace_id: int) -> T:
    """Return an array or a batch with the id in its metadata; other values as they are.

    An array of numpy becomes a view (`TracedArray`), a record batch or a table of Arrow another one
    of the same columns; nothing is copied. Slices of both keep the id.
    """
    module = type(value).__module__
    try:
        if module.startswith("numpy") or module == _ARRAYS:
            from clew.lineage.stages.arrays import carry_array

            return cast("T", carry_array(value, trace_id))
        if module.startswith("pyarrow"):
            from clew.lineage.stages.batches import carry_batch

            return cast("T", carry_batch(value, trace_id))
    except Exception:  # noqa: BLE001 - what is traced must not break, and goes on without an id
        return value
    return value


def trace_id_of(value: object) -> int:
    """Return the id that a value carries, 0 where it carries none."""
    return find_trace_id(value) or NULL_TRACE_ID


def value_of(value: Traced[T] | T) -> T:
    """Return what is in our hand, or the value itself where it is not."""
    # What a value says of its class is not asked: proxies may raise where they stand for nothing.
    return cast("Traced[T]", value).value if type(value) is Traced else cast("T", value)


def find_trace_id(value: object) -> int | None:
    """Return the id that a value carries; None where it is no item at all, for all one can see."""
    kind = type(value)
    if kind is Traced:
        return cast("Traced[object]", value).trace_id
    if kind in PLAIN:
        return None
    try:
        if isinstance(value, dict):
            return _read_id(value.get(TRACE_ID))
        if kind.__module__.startswith("pyarrow"):
            from clew.lineage.stages.batches import read_batch

            return _read_id(read_batch(value))
        return _read_id(getattr(value, "trace_id", None))
    except Exception:  # noqa: BLE001 - what is traced must not break; its attributes may do anything
        return None


def find_inputs(value: object) -> Sequence[Input]:
    """Return what an argument carries: itself, or the list or dictionary of items that it is."""
    kind = type(value)
    if kind is Traced:
        carrier = cast("Traced[object]", value)
        return ((carrier.trace_id, carrier.span),)
    if kind in PLAIN:
        return ()
    own = find_trace_id(value)
    if own is not None:
        return ((own, None),)
    if kind not in _CONTAINERS:
        return ()
    items: Any = value.values() if isinstance(value, dict) else value
    if all(find_trace_id(item) is None for item in islice(items, LOOKED_INTO_MAX)):
        return ()
    found = [(find_trace_id(item), span_of(item)) for item in items]
    return [(trace_id, span) for trace_id, span in found if trace_id is not None]


def span_of(value: object) -> object:
    """Return the span that made a value, None where none is told."""
    return cast("Traced[object]", value).span if type(value) is Traced else None


def strip(value: object) -> object:
    """Return what a function gets in the stead of an argument: values out of our hand.

    Lists, tuples and dictionaries are looked into, one level, where one of their first values is in
    our hand.
    """
    kind = type(value)
    if kind is Traced:
        return cast("Traced[object]", value).value
    if kind not in _CONTAINERS:
        return value
    if isinstance(value, dict):
        if _holds(value.values()):
            return {key: value_of(each) for key, each in value.items()}
        return value
    items = cast("list[object] | tuple[object, ...]", value)
    return type(items)(map(value_of, items)) if _holds(items) else value


def _holds(values: Iterable[object]) -> bool:
    return any(type(each) is Traced for each in islice(values, LOOKED_INTO_MAX))


def _read_id(found: object) -> int | None:
    """Return an id that stands somewhere as a number or as a decimal text."""
    if isinstance(found, str | bytes):
        is_short = 0 < len(found) <= _TEXT_CHARS_MAX
        found = int(found) if is_short and found.isdigit() else None
    if isinstance(found, bool) or not isinstance(found, int):
        return None
    return found if NULL_TRACE_ID <= found <= TRACE_ID_MAX else None


_ARRAYS: Final = "clew.lineage.stages.arrays"
