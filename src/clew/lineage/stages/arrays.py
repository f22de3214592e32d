"""Arrays of numpy that carry the id of what they are. Imported where an array is met.

An array's own metadata (that of its dtype) goes along into sums of two arrays, where one id would
stand for both, and is lost on disk. So it is a subclass: views, slices and copies keep the id, and
what is computed is a plain array, since only its stage can say what it is.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from clew.lineage.layout import NULL_TRACE_ID


class TracedArray(np.ndarray[Any, Any]):
    """An array with a `trace_id`; in all else an array."""

    __slots__ = ("trace_id",)

    trace_id: int

    def __array_finalize__(self, obj: object) -> None:
        self.trace_id = getattr(obj, "trace_id", NULL_TRACE_ID)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        plain = [_plain(each) for each in inputs]
        out = kwargs.get("out")
        if out is not None:
            kwargs["out"] = tuple(_plain(each) for each in out)
        made = getattr(ufunc, method)(*plain, **kwargs)
        if out is None:
            return made
        # What was written into is given back as it was given, id included.
        return out[0] if len(out) == 1 else out

    def __reduce__(self) -> Any:
        reduced: Any = super().__reduce__()
        return _rebuild, (*reduced[:3], self.trace_id)


def carry_array(value: Any, trace_id: int) -> Any:
    """Return a view of an array that carries an id; what is no array as it is."""
    if not isinstance(value, np.ndarray):
        return value
    if type(value) not in (np.ndarray, TracedArray):
        # A subclass has an own idea of what its views are, a mask or units, which must not be lost.
        return value
    made = value.view(TracedArray)
    made.trace_id = trace_id
    return made


def _plain(value: Any) -> Any:
    return value.view(np.ndarray) if isinstance(value, TracedArray) else value


def _rebuild(made: Any, arguments: Any, state: Any, trace_id: int) -> TracedArray:
    array: TracedArray = made(*arguments)
    array.__setstate__(state)
    array.trace_id = trace_id
    return array
