"""The residue of a row: what the columns lose, written as one JSON object, and read back.

Writers build it from `member`s in the contract's order; `read_residue` gives it back as a mapping.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import orjson

from clew.telemetry.otlp.text import LETTERS, Letter, Reach, base64_text, quote, value_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from opentelemetry.proto.common.v1 import common_pb2

# A fleet has a few dozen shapes of residue; those that hold values are not worth keeping.
_PARSED_RESIDUES_KEPT: Final = 1024


@dataclass(frozen=True, slots=True)
class AttributeList:
    """An attribute list as columns keep it: aligned keys and texts in arrival order.

    `loss` is the residue's description of what the texts lose (``T`` of the contract), as JSON;
    empty when they lose nothing.
    """

    keys: list[str]
    texts: list[str]
    loss: str


def read_attributes(entries: Sequence[common_pb2.KeyValue], reach: Reach) -> AttributeList:
    """Turn an attribute list into texts; `reach` learns how far its lists and values go."""
    reach.note_list(len(entries))
    keys: list[str] = []
    texts: list[str] = []
    letters: dict[Letter, list[str]] = {}
    nested = Reach()
    for entry in entries:
        key = entry.key
        value = entry.value
        case = value.WhichOneof("value")
        keys.append(key)
        if case == "string_value":
            texts.append(value.string_value)
            continue
        texts.append(value_text(value, nested))
        letter = LETTERS[case]
        if letter is Letter.NO_CASE and not entry.HasField("value"):
            letter = Letter.NO_VALUE
        letters.setdefault(letter, []).append(key)
    reach.note_list(nested.entries)
    reach.note_value(nested.depth)
    if not nested.reversible or len(set(keys)) < len(keys):
        # Who reads residues, which a start brings with it, need not load protobuf's descriptors.
        from clew.telemetry.otlp.messages import serialize_entries

        loss = quote(base64_text(serialize_entries(entries)))
    else:
        loss = _letters_text(letters)
    return AttributeList(keys, texts, loss)


def _letters_text(letters: Mapping[Letter, list[str]]) -> str:
    if not letters:
        return ""
    return write_object(
        member(letter, f"[{','.join(map(quote, letters[letter]))}]")
        for letter in Letter
        if letter in letters
    )


def member(key: str, value: str) -> str:
    """Return one member of a JSON object; `value` is JSON already."""
    return f'"{key}":{value}'


def number_members(**numbers: int) -> list[str]:
    """Return a member for each number that is not 0, in the order given."""
    return [member(key, str(number)) for key, number in numbers.items() if number]


def loss_members(**losses: str) -> list[str]:
    """Return a member for each loss (JSON text) that is not empty, in the order given."""
    return [member(key, loss) for key, loss in losses.items() if loss]


def position_members(key: str, losses: Iterable[list[str]]) -> list[str]:
    """Return the member that lists members by position; nothing where no position lost anything."""
    lossy = [
        member(str(position), write_object(members))
        for position, members in enumerate(losses)
        if members
    ]
    return [member(key, write_object(lossy))] if lossy else []


def write_object(members: Iterable[str]) -> str:
    """Return a JSON object of members."""
    return f"{{{','.join(members)}}}"


def write_residue(members: Sequence[str]) -> str:
    """Return a row's residue: an object of its members, empty text when there are none."""
    return write_object(members) if members else ""


@lru_cache(maxsize=_PARSED_RESIDUES_KEPT)
def read_residue(text: str) -> Mapping[str, Any]:
    """Return a row's residue as a mapping that the caller MUST NOT change."""
    residue: dict[str, Any] = orjson.loads(text) if text else {}
    return residue
