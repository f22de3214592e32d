"""Values between JSON, query strings and SQLite, as the server converts them."""

from __future__ import annotations

import base64
import binascii
import re
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

SqlValue = str | int | float | bytes | None
Json = object

UUID_CHARS: Final = 36
"""A text of this length is tried as a UUID before it is tried as base64, which it is as well."""

_BASE64 = re.compile(r"[A-Za-z0-9_-]*={0,2}")


class Refusal(Exception):  # noqa: N818 - an answer, which the handler returns by raising it
    """An answer that is no success: its status, and its text where it has one."""

    def __init__(self, status: int, text: str = "") -> None:
        super().__init__(status, text)
        self.status = status
        self.text = text


@dataclass(frozen=True, slots=True)
class Column:
    """A column as the server knows it. `type` is INTEGER, REAL, TEXT, BLOB or ANY."""

    name: str
    type: str
    is_required: bool = False

    @property
    def is_hidden(self) -> bool:
        """Written only: its name begins with an underscore."""
        return self.name.startswith("_")


def encode_id(value: bytes) -> str:
    """Return bytes as the server writes them: URL-safe base64 with padding."""
    return base64.urlsafe_b64encode(value).decode()


def decode_base64(text: str) -> bytes:
    """Return the bytes of URL-safe base64 with padding.

    Raises:
        Refusal: 400.
    """
    if not _BASE64.fullmatch(text):
        raise Refusal(400, "Invalid base64")
    try:
        return base64.urlsafe_b64decode(text)
    except binascii.Error:
        raise Refusal(400, "Invalid base64") from None


def decode_id(text: str) -> bytes:
    """Return the bytes of an id in a path or a body: the text of a UUID, or base64.

    Raises:
        Refusal: 400.
    """
    if len(text) == UUID_CHARS:
        try:
            return uuid.UUID(text).bytes
        except ValueError:
            return decode_base64(text)
    return decode_base64(text)


def from_json(column: Column, value: Json) -> SqlValue:
    """Return what is written into a column for a value of a body. Nothing is parsed out of texts.

    Raises:
        Refusal: 400.
    """
    kind = column.type
    match value:
        case None:
            return None
        case bool():
            return _expect(kind in {"INTEGER", "ANY"}, int(value))
        case int():
            return float(value) if kind == "REAL" else _expect(kind in {"INTEGER", "ANY"}, value)
        case float():
            return _expect(kind in {"REAL", "ANY"}, value)
        case str():
            if kind == "BLOB":
                return decode_id(value)
            return _expect(kind in {"TEXT", "ANY"}, value)
        case _:
            # A nested document is taken only where the schema says that a column holds one.
            return _expect(is_well=False, value=None)


def from_query(column: Column, text: str) -> SqlValue:
    """Return what a column is compared with for a value of a filter.

    Numbers are parsed first, whatever the column; a BLOB takes base64 only.

    Raises:
        Refusal: 400.
    """
    number = _number(text)
    match column.type:
        case "BLOB":
            return decode_base64(text) if number is None else _expect(is_well=False, value=None)
        case "INTEGER":
            return _expect(isinstance(number, int), number)
        case "REAL":
            return _expect(number is not None, number if number is None else float(number))
        case _:
            return text if number is None else str(number)


def to_json(value: SqlValue) -> Json:
    """Return a value as an answer has it."""
    return encode_id(value) if isinstance(value, bytes) else value


def to_document(columns: Mapping[str, Column], row: Mapping[str, SqlValue]) -> dict[str, Json]:
    """Return a record as an answer has it: all columns but the hidden ones."""
    return {name: to_json(row[name]) for name, column in columns.items() if not column.is_hidden}


def _number(text: str) -> int | float | None:
    for parse in (int, float):
        try:
            return parse(text)
        except ValueError:
            continue
    return None


def _expect(is_well: bool, value: SqlValue) -> SqlValue:
    if not is_well:
        raise Refusal(400, "Invalid Parameters")
    return value
