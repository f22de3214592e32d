"""An SBE codec that knows nothing but a schema in XML: what our codec is compared with.

It shares no code, no offset and no constant with `clew.lineage.sbe`: every field is placed by the
types that the schema declares, one after another.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SIZES = {"uint8": 1, "uint16": 2, "uint32": 4, "uint64": 8}
MESSAGE = "{http://fixprotocol.io/2016/sbe}message"


@dataclass(frozen=True)
class Field:
    name: str
    size: int
    null: int | None


@dataclass(frozen=True)
class Block:
    """Fields one after another, and the groups behind them."""

    fields: tuple[Field, ...]
    groups: tuple[tuple[str, Block], ...]

    @property
    def length(self) -> int:
        return sum(field.size for field in self.fields)


class Schema:
    """A schema file: messages to bytes and back, by name."""

    def __init__(self, path: Path) -> None:
        self.root = ET.parse(path).getroot()
        assert self.root.get("byteOrder") == "littleEndian"
        self.id = int(self.root.get("id", "0"))
        self.version = int(self.root.get("version", "0"))
        self._types = {kind.get("name", ""): kind for kind in self.root.iter("type")}
        self._header = self._composite("messageHeader")
        self._group = self._composite("groupSizeEncoding")
        self.messages = {
            each.get("name", ""): (int(each.get("id", "0")), self._block(each))
            for each in self.root.iter(MESSAGE)
        }

    def declared_lengths(self) -> dict[str, tuple[int, int]]:
        """Return for each block what its attribute says, and what its fields take."""
        found = {}
        for each in (*self.root.iter(MESSAGE), *self.root.iter("group")):
            block = self._block(each)
            found[each.get("name", "")] = (int(each.get("blockLength", "-1")), block.length)
        return found

    def encode(self, name: str, values: Mapping[str, Any]) -> bytes:
        template, block = self.messages[name]
        head = {
            "blockLength": block.length,
            "templateId": template,
            "schemaId": self.id,
            "version": self.version,
        }
        return self._put(self._header, head) + self._encode(block, values)

    def decode(self, octets: bytes) -> tuple[str, dict[str, Any], bytes]:
        """Return the message's name, its values, and the bytes behind it."""
        head, rest = self._take(self._header, octets, sum(f.size for f in self._header))
        assert head["schemaId"] == self.id
        ((name, block),) = (
            (name, block)
            for name, (template, block) in self.messages.items()
            if template == head["templateId"]
        )
        values, rest = self._decode(block, rest, head["blockLength"])
        return name, values, rest

    def _encode(self, block: Block, values: Mapping[str, Any]) -> bytes:
        octets = self._put(block.fields, values)
        for name, group in block.groups:
            entries: Sequence[Mapping[str, Any]] = values[name]
            octets += self._put(
                self._group, {"blockLength": group.length, "numInGroup": len(entries)}
            )
            octets += b"".join(self._encode(group, entry) for entry in entries)
        return octets

    def _decode(self, block: Block, octets: bytes, length: int) -> tuple[dict[str, Any], bytes]:
        values: dict[str, Any]
        values, rest = self._take(block.fields, octets, length)
        for name, group in block.groups:
            size, rest = self._take(self._group, rest, sum(f.size for f in self._group))
            entries = []
            for _ in range(size["numInGroup"]):
                entry, rest = self._decode(group, rest, size["blockLength"])
                entries.append(entry)
            values[name] = entries
        return values, rest

    @staticmethod
    def _put(fields: Sequence[Field], values: Mapping[str, Any]) -> bytes:
        octets = b""
        for field in fields:
            value = values.get(field.name)
            number = field.null if value is None else value
            assert number is not None, f"{field.name} is required"
            octets += int(number).to_bytes(field.size, "little")
        return octets

    @staticmethod
    def _take(fields: Sequence[Field], octets: bytes, length: int) -> tuple[dict[str, Any], bytes]:
        assert len(octets) >= length >= sum(field.size for field in fields)
        values: dict[str, Any] = {}
        place = 0
        for field in fields:
            number = int.from_bytes(octets[place : place + field.size], "little")
            values[field.name] = None if number == field.null else number
            place += field.size
        return values, octets[length:]

    def _block(self, element: ET.Element) -> Block:
        fields = tuple(self._field(field) for field in element.findall("field"))
        groups = tuple((g.get("name", ""), self._block(g)) for g in element.findall("group"))
        return Block(fields, groups)

    def _field(self, element: ET.Element) -> Field:
        kind = self._types[element.get("type", "")]
        null = kind.get("nullValue") if kind.get("presence") == "optional" else None
        size = SIZES[kind.get("primitiveType", "")]
        return Field(element.get("name", ""), size, None if null is None else int(null))

    def _composite(self, name: str) -> tuple[Field, ...]:
        for each in self.root.iter("composite"):
            if each.get("name") == name:
                return tuple(
                    Field(kind.get("name", ""), SIZES[kind.get("primitiveType", "")], None)
                    for kind in each.findall("type")
                )
        return ()
