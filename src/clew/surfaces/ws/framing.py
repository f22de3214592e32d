"""Frames of RFC 6455 as nearly all of them are: one message of text, whole, masked by its client.

The protocol of the `websockets` package takes every other frame. It costs several times as much for
each, because it may stop after any byte; so it is given whole frames as far as they have come, and
this module says where one ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

try:
    from websockets.speedups import apply_mask
except ImportError:
    from websockets.utils import apply_mask

if TYPE_CHECKING:
    from collections.abc import MutableSequence

_WHOLE_TEXT: Final = 0x81
"""First byte of the last frame of a text message, its first one too; no extension bit is set."""

_MASKED: Final = 0x80
_LENGTH_OF_2: Final = 126
_LENGTH_OF_8: Final = 127
_MASK_BYTES: Final = 4
_SHORT_MAX: Final = (1 << 16) - 1


def take_texts(data: bytes, messages: MutableSequence[bytes], bytes_max: int) -> int:
    """Put whole text messages at the beginning of `data` into `messages`; return where they end.

    It ends at the first frame that is anything else, is longer than 64 KiB or not all there, and
    begins no message at `bytes_max` or beyond.
    """
    at, end = 0, len(data)
    while at < bytes_max and at + 2 <= end and data[at] == _WHOLE_TEXT:
        size = data[at + 1] - _MASKED
        mask = at + 2
        if size == _LENGTH_OF_2:
            size = int.from_bytes(data[mask : mask + 2], "big")
            mask += 2
        elif size < 0 or size == _LENGTH_OF_8:
            break
        begin = mask + _MASK_BYTES
        stop = begin + size
        if stop > end:
            break
        messages.append(apply_mask(data[begin:stop], data[mask:begin]))
        at = stop
    return at


def find_end(data: bytes) -> int | None:
    """Return where the frame that begins `data` ends, be it there or not; None when too little is.

    Whether there may be such a frame is not asked here.
    """
    if len(data) < 2:
        return None
    size = data[1] % _MASKED
    wide = {_LENGTH_OF_2: 2, _LENGTH_OF_8: 8}.get(size, 0)
    if len(data) < 2 + wide:
        return None
    if wide:
        size = int.from_bytes(data[2 : 2 + wide], "big")
    return 2 + wide + (_MASK_BYTES if data[1] >= _MASKED else 0) + size


def text_frame(octets: bytes) -> bytes:
    """Return a text message of a server: one frame, not masked."""
    size = len(octets)
    if size < _LENGTH_OF_2:
        return bytes((_WHOLE_TEXT, size)) + octets
    if size <= _SHORT_MAX:
        return bytes((_WHOLE_TEXT, _LENGTH_OF_2)) + size.to_bytes(2, "big") + octets
    return bytes((_WHOLE_TEXT, _LENGTH_OF_8)) + size.to_bytes(8, "big") + octets
