"""Long JSON in a column, made shorter: the server stores columns as they come and unpacks nothing.

Packed is a JSON object of one field, ``{"clew:deflate": "…"}``: base64 of the deflated text. It is
made where it saves at least a quarter, and read by every clew, whatever it makes itself. What a
person or the server's rules read (names, words of comments, queries, roles) is never packed.
Light install.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from typing import Final

import msgspec

from clew.team.entities.codec import DOCUMENT_BYTES_MAX
from clew.team.trailbase.answers import decode_json

PACK_CHARS_MIN: Final = 4096
"""Shorter columns are not worth that another program cannot read them at a glance."""

SHARE_MAX: Final = 0.75
"""Of the length that is left: base64 takes back a third of what is saved."""

MARK: Final = "clew:deflate"

_HEAD: Final = f'{{"{MARK}":"'


def pack(text: str) -> str:
    """Return a JSON text, shorter where that is worth it."""
    # What looks packed and is not would be unpacked by whoever reads it.
    is_lookalike = text.startswith(_HEAD)
    if len(text) < PACK_CHARS_MIN and not is_lookalike:
        return text
    plain = text.encode()
    if len(plain) > DOCUMENT_BYTES_MAX:
        # Nobody would unpack it again.
        return text
    packed = base64.b64encode(zlib.compress(plain)).decode()
    made = f'{_HEAD}{packed}"}}'
    is_worth_it = len(made) <= SHARE_MAX * len(plain)
    return made if is_worth_it or is_lookalike else text


def unpack(text: str) -> str:
    """Return the JSON text that was packed; any other as it is.

    Raises:
        ValueError: it says that it is packed, and is not, or is longer than any document.
    """
    if not text.startswith(_HEAD):
        return text
    document = decode_json(text)
    if not isinstance(document, dict) or set(document) != {MARK}:
        return text
    try:
        raw = base64.b64decode(msgspec.convert(document[MARK], str), validate=True)
        unpacker = zlib.decompressobj()
        # A few kilobytes of a stranger's can be gigabytes of zeros.
        found = unpacker.decompress(raw, DOCUMENT_BYTES_MAX + 1)
        if len(found) > DOCUMENT_BYTES_MAX or not unpacker.eof:
            raise ValueError(MARK)
        return found.decode()
    except (binascii.Error, zlib.error, msgspec.ValidationError) as error:
        raise ValueError(MARK) from error
