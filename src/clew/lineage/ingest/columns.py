"""Columns of Arrow that many things are read from at once.

Whatever makes a value of Arrow out of one of Python's looks for pandas first, which takes a second
and 40 MB. So constants are made out of buffers here.
"""

from __future__ import annotations

import sys
from array import array
from binascii import unhexlify
from functools import cache
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from clew.lineage.exchange.identity import MIX_FACTORS, MIX_SHIFT, NAMED
from clew.lineage.numbers import U64_MAX

if TYPE_CHECKING:
    from collections.abc import Sequence

_CODES: Final = {pa.uint64(): "Q", pa.int64(): "q", pa.uint32(): "I", pa.int32(): "i"}

_DIGITS: Final = r"^[0-9]{1,20}$"
_DIGITS_MAX: Final = 20


def numbers_of(type_: pa.DataType, values: Sequence[int]) -> pa.Array:
    """Return whole numbers as an array."""
    held = values if isinstance(values, array) else array(_CODES[type_], values)
    return pa.Array.from_buffers(type_, len(held), [None, pa.py_buffer(held)])


def texts_of(values: Sequence[str]) -> pa.Array:
    """Return texts as an array."""
    builder = pa.lib.StringBuilder()
    builder.append_values(values)
    return builder.finish()


@cache
def number(type_: pa.DataType, value: int) -> pa.Scalar:
    """Return a number as Arrow's functions take it."""
    return numbers_of(type_, [value])[0]


@cache
def text(value: str) -> pa.Scalar:
    """Return a text as Arrow's functions take it."""
    return texts_of([value])[0]


@cache
def nothing(type_: pa.DataType) -> pa.Scalar:
    """Return no value, as Arrow's functions take it."""
    return pa.nulls(1, type_)[0]


def count_values(lists: pa.ListArray) -> int:
    """Return how many values there are in all lists together, without looking at any."""
    offsets = lists.offsets
    return int(offsets[len(offsets) - 1].as_py() - offsets[0].as_py())


def may_hold(texts: pa.Array, part: str) -> bool:
    """Whether a part may occur in any of some texts; surely not where it is said to be so.

    Arrow's functions, which take a tenth of a second to import, are not needed for that.
    """
    *_, letters = texts.buffers()
    return letters is not None and part.encode() in bytes(memoryview(letters))


def find_values(maps: pa.MapArray, key: str) -> tuple[pa.Array, pa.Array] | None:
    """Return which rows of a map have a key, ascending, and its value in each; None for no row.

    Of a repeated key the first value counts. Where no row has it, that is a look through the
    dictionary of keys.
    """
    import pyarrow.compute as pc

    keys = maps.keys
    code = pc.index(keys.dictionary, text(key)).as_py()
    if code < 0:
        return None
    entries = pa.ListArray.from_arrays(maps.offsets, keys.indices)
    is_it = pc.equal(entries.flatten(), number(pa.int32(), code))
    rows = pc.list_parent_indices(entries).filter(is_it)
    if not len(rows):
        return None
    values = pa.ListArray.from_arrays(maps.offsets, maps.items).flatten().filter(is_it)
    if len(rows) > 1:
        is_first = pa.concat_arrays([true(), pc.not_equal(rows[1:], rows[:-1])])
        rows, values = rows.filter(is_first), values.filter(is_first)
    return rows, values


def align(found: tuple[pa.Array, pa.Array] | None, rows: pa.Array) -> pa.Array:
    """Return what was found in each of some rows, null where nothing was."""
    import pyarrow.compute as pc

    if found is None:
        return pa.nulls(len(rows), pa.utf8())
    at, values = found
    return values.take(pc.index_in(rows, value_set=at))


def read_numbers(texts: pa.Array, most: int = U64_MAX) -> tuple[pa.Array, pa.Array]:
    """Return the decimal numbers that texts are, null for others; and which are wrong.

    What is null is not wrong.
    """
    import pyarrow.compute as pc

    is_digits = pc.match_substring_regex(texts, _DIGITS)
    # As many digits as the largest number has are compared as texts are.
    is_short = pc.less(pc.binary_length(texts), number(pa.int32(), _DIGITS_MAX))
    fits = pc.and_(is_digits, pc.or_(is_short, pc.less_equal(texts, text(str(U64_MAX)))))
    numbers = pc.if_else(fits, texts, nothing(pa.utf8())).cast(pa.uint64())
    if most < U64_MAX:
        within = pc.less_equal(numbers, number(pa.uint64(), most))
        numbers = pc.if_else(within, numbers, nothing(pa.uint64()))
    return numbers, pc.and_(pc.is_valid(texts), pc.is_null(numbers))


def mix_span_ids(trace_ids: pa.Array, span_ids: pa.Array) -> pa.Array:
    """Return the trace ids of spans, as `clew.lineage.exchange.identity.span_trace_id` does.

    Ids are hexadecimal, 32 digits and 16; none is null.
    """
    import pyarrow.compute as pc

    upper, lower = _words(trace_ids, 2)
    (spans,) = _words(span_ids, 1)
    mixed = _mix(pc.bit_wise_xor(_mix(upper), lower))
    mixed = _mix(pc.bit_wise_xor(mixed, spans))
    return pc.bit_wise_or(mixed, number(pa.uint64(), NAMED))


def _mix(words: pa.Array) -> pa.Array:
    import pyarrow.compute as pc

    shift = number(pa.uint64(), MIX_SHIFT)
    for factor in MIX_FACTORS:
        words = pc.bit_wise_xor(words, pc.shift_right(words, shift))
        words = pc.multiply(words, number(pa.uint64(), factor))
    return pc.bit_wise_xor(words, pc.shift_right(words, shift))


def _words(texts: pa.Array, count: int) -> list[pa.Array]:
    """Return ids of so many words as one array for each word."""
    _, offsets, letters = texts.buffers()
    if letters is None:
        return [numbers_of(pa.uint64(), [])] * count
    places = memoryview(offsets).cast("i")
    first, last = places[texts.offset], places[texts.offset + len(texts)]
    words = array("Q", unhexlify(memoryview(letters)[first:last]))
    if sys.byteorder == "little":
        words.byteswap()
    return [numbers_of(pa.uint64(), words[place::count]) for place in range(count)]


@cache
def true() -> pa.Array:
    """Return an array of one truth."""
    import pyarrow.compute as pc

    return pc.is_null(pa.nulls(1, pa.int64()))
