"""Attribute lists from a map column and the residue's description of what it lost."""

from __future__ import annotations

from base64 import b64decode
from typing import TYPE_CHECKING, Any, TypeAlias

from opentelemetry.proto.common.v1 import common_pb2

from clew.telemetry.otlp.text import Letter, fill_value

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

Pairs: TypeAlias = "tuple[tuple[str, str], ...]"
"""A map column's value: keys and texts."""

Loss: TypeAlias = "Mapping[str, list[str]] | str | None"
"""``T`` of the contract: keys by type letter, or the base64 of the whole list, or nothing lost."""


def fill_attributes(entries: Any, pairs: Pairs, loss: Loss) -> None:
    """Append an attribute list to a repeated ``KeyValue`` field."""
    if isinstance(loss, str):
        entries.extend(common_pb2.KeyValueList.FromString(b64decode(loss)).values)
        return
    letters = _letters(loss)
    for key, text in pairs:
        entry = entries.add(key=key)
        letter = letters.get(key)
        if letter != Letter.NO_VALUE:
            fill_value(entry.value, letter, text)


def attributes_identity(pairs: Pairs, loss: Loss) -> Hashable:
    """Return a value that is equal for equal attribute lists; unique keys have no order."""
    if isinstance(loss, str):
        return loss
    letters = _letters(loss)
    return frozenset((key, text, letters.get(key)) for key, text in pairs)


def _letters(loss: Mapping[str, list[str]] | None) -> dict[str, str]:
    return {key: letter for letter, keys in loss.items() for key in keys} if loss else {}
