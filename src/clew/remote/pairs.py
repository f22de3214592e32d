"""What a question asks for, spelled as an address has it: parameters, and parts of a path."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

Pairs = list[tuple[str, str]]
"""Query parameters in order; a name may occur more than once."""


def quoted(text: str) -> str:
    """Quote data that becomes one part of a path."""
    return quote(text, safe="")


def to_pairs(query: msgspec.Struct, *, without: frozenset[str] = frozenset()) -> Pairs:
    """Return the parameters that differ from their defaults, as a query string has them."""
    pairs: Pairs = []
    for field in _fields(type(query)):
        value: Any = getattr(query, field.name)
        if field.name not in without and value != field.default:
            pairs.extend(_spell(field.encode_name, value))
    return pairs


@functools.cache
def _fields(kind: type[msgspec.Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    """Return the fields of a struct; the library looks through its annotations each time."""
    return msgspec.structs.fields(kind)


def _spell(name: str, value: object) -> Iterable[tuple[str, str]]:
    """Spell one parameter: nothing for None, one pair per item of a list, `true` and `false`."""
    if value is None:
        return ()
    if isinstance(value, list | tuple):
        return [found for item in value for found in _spell(name, item)]
    if isinstance(value, bool):
        return [(name, "true" if value else "false")]
    if isinstance(value, float):
        return [(name, f"{value:.15g}")]
    return [(name, str(value))]
