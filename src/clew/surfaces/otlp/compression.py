"""Decompress a body without ever holding more than a cap.

A few kilobytes can unpack to gigabytes; every step here is bounded by what may come out, not by
what went in.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

import zstandard
from isal import isal_zlib

from clew.base.errors import ClewError, ErrorCode

GZIP_WINDOW_BITS: Final = 31
"""zlib's way to say: a gzip header and trailer, and the largest window."""

ZSTD_WINDOW_BYTES_MAX: Final = 8 << 20
"""The largest window that a zstd content encoding may need (RFC 9659)."""

ZSTD_PIECE_BYTES: Final = 1 << 10
"""Input per step where a frame hides its size: four bytes of zstd can stand for 128 KiB, so one
step overshoots the cap by 32 MiB at most."""

GZIP_RESERVED_FLAGS: Final = 0xE0
"""Bits of a member's fourth byte that mean nothing yet: a reader must refuse them (RFC 1952)."""

GZIP_STEP_BYTES_MAX: Final = 1 << 20
"""Output per step of gzip: a typical body is one step, a bomb never gets further than one more."""


# The stubs of isal call the exception class an exception.
_ISAL_ERROR: Final[type[Exception]] = isal_zlib.error  # type: ignore[assignment]


class Compression(Enum):
    """The content encodings that are understood; the value is the name in the header."""

    IDENTITY = "identity"
    GZIP = "gzip"
    ZSTD = "zstd"


def decompress(body: bytes, compression: Compression, bytes_max: int) -> bytes:
    """Return the body unpacked.

    Raises:
        ClewError: TOO_LARGE as soon as more than `bytes_max` would come out, INVALID_ARGUMENT when
            the bytes are not of their encoding or end early.
    """
    match compression:
        case Compression.IDENTITY:
            unpacked = body
        case Compression.GZIP:
            unpacked = _gunzip(body, bytes_max)
        case Compression.ZSTD:
            unpacked = _unzstd(body, bytes_max)
    if len(unpacked) > bytes_max:
        raise _too_large(bytes_max)
    return unpacked


def _too_large(bytes_max: int) -> ClewError:
    return ClewError(
        ErrorCode.TOO_LARGE,
        f"the body is larger than {bytes_max} bytes when decompressed",
        hint="send smaller batches, or raise --otlp-unpacked-bytes-max",
    )


def _broken(compression: Compression, reason: str) -> ClewError:
    return ClewError(
        ErrorCode.INVALID_ARGUMENT, f"the body is not valid {compression.value}: {reason}"
    )


class _Unpacked:
    """Pieces of output in order, and the cap on their sum. One piece is given back uncopied."""

    def __init__(self, bytes_max: int) -> None:
        self.bytes_max = bytes_max
        self._pieces: list[bytes] = []
        self._size = 0

    @property
    def room(self) -> int:
        return self.bytes_max - self._size

    def add(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self._size += len(piece)
        if self._size > self.bytes_max:
            raise _too_large(self.bytes_max)

    def join(self) -> bytes:
        return self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)


def _gunzip(body: bytes, bytes_max: int) -> bytes:
    unpacked = _Unpacked(bytes_max)
    rest = body
    while rest:
        # Each round is one member: the format allows several, one after the other.
        if len(rest) > 3 and rest[3] & GZIP_RESERVED_FLAGS:
            raise _broken(Compression.GZIP, "unknown header flags set")
        member = isal_zlib.decompressobj(wbits=GZIP_WINDOW_BITS)
        while not member.eof:
            try:
                piece = member.decompress(rest, min(unpacked.room + 1, GZIP_STEP_BYTES_MAX))
            except _ISAL_ERROR as error:
                raise _broken(Compression.GZIP, str(error)) from error
            unpacked.add(piece)
            rest = member.unconsumed_tail
            if not member.eof and not piece and not rest:
                raise _broken(Compression.GZIP, "it ends early")
        rest = member.unused_data
    return unpacked.join()


def _unzstd(body: bytes, bytes_max: int) -> bytes:
    decompressor = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW_BYTES_MAX)
    unpacked = _Unpacked(bytes_max)
    rest = body
    try:
        while rest:
            # Each round is one frame: the format allows several, one after the other.
            rest = _unzstd_frame(decompressor, rest, unpacked)
    except zstandard.ZstdError as error:
        raise _broken(Compression.ZSTD, str(error)) from error
    return unpacked.join()


def _unzstd_frame(
    decompressor: zstandard.ZstdDecompressor, body: bytes, unpacked: _Unpacked
) -> bytes:
    """Unpack one frame and return what follows it."""
    size = zstandard.get_frame_parameters(body).content_size
    step = ZSTD_PIECE_BYTES
    if size != zstandard.CONTENTSIZE_UNKNOWN:
        if size > unpacked.room:
            raise _too_large(unpacked.bytes_max)
        # The size is part of the frame and holds: a frame that yields more is an error to zstd.
        step = len(body)
    frame = decompressor.decompressobj()
    for start in range(0, len(body), step):
        unpacked.add(frame.decompress(body[start : start + step]))
        if frame.eof:
            return frame.unused_data + body[start + step :]
    raise _broken(Compression.ZSTD, "it ends early")
