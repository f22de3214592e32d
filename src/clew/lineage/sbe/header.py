"""The header of every SBE message: block length, template, schema, version; eight bytes."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from clew.lineage.sbe.faults import Fault

HEADER: Final = struct.Struct("<HHHH")
HEADER_BYTES: Final = HEADER.size

LINEAGE_SCHEMA: Final = 904
LINK_SET_TEMPLATE: Final = 1

CONTROL_SCHEMA: Final = 900
DESCRIPTOR_TEMPLATE: Final = 4

VERSION: Final = 1
"""Of both schemas. A later version may append fields, and is read for those that it has of ours."""

Octets = bytes | bytearray | memoryview


class Kind(Enum):
    """What a message is. Template ids say nothing before the schema is known."""

    LINK_SET = auto()
    DESCRIPTOR = auto()
    OTHER = auto()
    """Another schema or template: none of ours, and no fault."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A message that is one of ours and says something that it must not."""

    fault: Fault


def read_kind(buffer: Octets, offset: int = 0) -> Kind:
    """Return what kind of message begins at an offset; one too short to tell is `OTHER`."""
    if len(buffer) - offset < HEADER_BYTES:
        return Kind.OTHER
    _, template, schema, version = HEADER.unpack_from(buffer, offset)
    if version < VERSION:
        return Kind.OTHER
    match schema, template:
        case (904, 1):
            return Kind.LINK_SET
        case (900, 4):
            return Kind.DESCRIPTOR
        case _:
            return Kind.OTHER
