"""The entries of `attribute=`: one comparison of one attribute each, ANDed.

The form is made for command lines and URLs: a key, an operator, and then the value as it is, to the
last character, without quotes. Only a key may be quoted. See `docs/reference/filters.md`.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Final

from clew.base.errors import ClewError, ErrorCode
from clew.telemetry.query.filter.condition import (
    And,
    Attribute,
    Compare,
    Condition,
    Exists,
    Not,
    Operator,
    Place,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clew.telemetry.query.filter.vocabulary import Vocabulary

# What a person or an agent writes by hand, with room; every entry costs the engine a column read.
ATTRIBUTE_FILTERS_MAX: Final = 32
# Long enough for any value that is worth comparing whole; a body that is larger is searched for.
ATTRIBUTE_FILTER_CHARS_MAX: Final = 4096

HINT: Final = (
    "write key=value, key!=value, key~=part, key=~regex, key!~regex, key>number, key (exists) "
    "or !key (absent)"
)

# Longest first, since the first that fits is taken.
OPERATORS: Final = ("!=", "!~", "=~", "~=", ">=", "<=", "=", ">", "<")
NEGATED: Final = {"!=": Operator.EQUALS, "!~": Operator.MATCHES}

_OPERATOR = re.compile("|".join(map(re.escape, OPERATORS)))
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)

PLACES: Final = {f"{place.value}.": place for place in Place if place is not Place.ANY}
"""The prefixes of keys."""


def parse_attribute_filters(entries: Sequence[str], vocabulary: Vocabulary) -> Condition:
    """Return the condition that all entries hold.

    Raises:
        ClewError: INVALID_ARGUMENT for an entry that does not parse, or for too many of them.
    """
    if len(entries) > ATTRIBUTE_FILTERS_MAX:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"more than {ATTRIBUTE_FILTERS_MAX} attribute filters",
            hint="a filter expression in q says more with less",
        )
    return And(tuple(_parse_entry(entry, vocabulary) for entry in entries))


def parse_number(text: str) -> float | None:
    """Return the finite number that a text is, None when it is none."""
    given = text.strip()
    number = float(given) if _NUMBER.fullmatch(given) else math.inf
    return number if math.isfinite(number) else None


def place_key(key: str, vocabulary: Vocabulary) -> Attribute:
    """Return the attribute that an unquoted key names: its prefix, if any, says where.

    A prefix that means no place of the signal belongs to the key: logs have no events, and
    ``event.name`` is a usual key of theirs.
    """
    for prefix, place in PLACES.items():
        if place is Place.SPAN:
            # ``span.kind`` and the like are usual keys: this place is said before quotes alone.
            continue
        if place in vocabulary.places and key.startswith(prefix) and len(key) > len(prefix):
            return Attribute(key.removeprefix(prefix), place)
    return Attribute(key)


def unescape(text: str) -> str:
    """Return what a quoted text stands for: a backslash keeps the next character as it is."""
    return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[1]), text, flags=re.DOTALL)


_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r"}


def _parse_entry(entry: str, vocabulary: Vocabulary) -> Condition:
    if len(entry) > ATTRIBUTE_FILTER_CHARS_MAX:
        raise _refusal(entry, f"is longer than {ATTRIBUTE_FILTER_CHARS_MAX} characters")
    is_absence = entry.startswith("!")
    attribute, rest = _read_key(entry[1:] if is_absence else entry, entry, vocabulary)
    if is_absence:
        if rest:
            raise _refusal(entry, "!key stands alone")
        return Not(Exists(attribute))
    if not rest:
        return Exists(attribute)
    match = _OPERATOR.match(rest)
    if match is None:
        raise _refusal(entry, "an operator is missing after the key")
    return _compare(attribute, match[0], rest[match.end() :], entry)


def _read_key(text: str, entry: str, vocabulary: Vocabulary) -> tuple[Attribute, str]:
    """Return the attribute at the start of a text, and what follows it."""
    prefix = next((prefix for prefix in PLACES if text.startswith(f'{prefix}"')), "")
    quoted = _QUOTED.match(text, len(prefix))
    if quoted is not None:
        attribute = Attribute(unescape(quoted[1]), PLACES.get(prefix, Place.ANY))
        if attribute.place not in vocabulary.places:
            raise _refusal(entry, f"a {vocabulary.record} has no {attribute.place.value}s")
        return attribute, text[quoted.end() :].lstrip()
    operator = _OPERATOR.search(text)
    end = operator.start() if operator else len(text)
    key_text = text[:end].strip()
    if not key_text:
        raise _refusal(entry, "the key is missing")
    return place_key(key_text, vocabulary), text[end:]


def _compare(attribute: Attribute, sign: str, value: str, entry: str) -> Condition:
    if sign in NEGATED:
        return Not(Compare(attribute, NEGATED[sign], value))
    operator = Operator(sign)
    if not operator.is_order:
        return Compare(attribute, operator, value)
    number = parse_number(value)
    if number is None:
        raise _refusal(entry, f"{sign} needs a number")
    return Compare(attribute, operator, number)


def _refusal(entry: str, reason: str) -> ClewError:
    shown = entry if len(entry) <= 80 else f"{entry[:80]}…"
    return ClewError(ErrorCode.INVALID_ARGUMENT, f"attribute filter {shown!r}: {reason}", hint=HINT)
