"""The bytes of one frame of the write-ahead log.

A frame is a header of 48 bytes and a payload, all numbers little-endian:

======  =====  ==========================================================================
offset  bytes  field
======  =====  ==========================================================================
0       4      magic, ``9b 43 4c 46``
4       4      crc32 of bytes 8..48
8       4      crc32 of the payload
12      4      payload length, at most `PAYLOAD_BYTES_MAX`
16      8      frame number
24      8      received, Unix nanoseconds (a control frame: when it was queued)
32      8      oldest, Unix nanoseconds (a control frame: 0)
40      4      epoch
44      1      kind: 0..15 are the log's own, 16..255 are kinds of record
45      3      zero
48             payload
======  =====  ==========================================================================

Both checksums start from the crc32 of the log id. The id is random and never leaves the machine, so
a payload cannot carry bytes that pass for a frame when the log is read past a damaged place. The
header has a checksum of its own so that its length is to be trusted when only the payload is
damaged, and so that looking for the next whole frame never reads a payload in vain.

Record frames are numbered in ascending order; a number whose write failed is not used again by the
same process. The epoch of a frame is the leadership under which it was first written: of a server
that is alone, its opening of the log. Control frames use up no number: theirs is the last record
frame they speak of.

=======  ====  =============================================================================
control  kind  payload
=======  ====  =============================================================================
CUT      1     first, last: these record frames are one batch, inserted under one token
SPLIT    2     first, middle, last, table (UTF-8): for this table the insert of first..last
               is from now on two inserts, first..middle and middle + 1..last
FLUSHED  3     through: every record frame up to here is in the engine
ACKED    4     through: every record frame up to here is on as many servers as was promised;
               not written by a server that is alone
=======  ====  =============================================================================
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from isal import isal_zlib

MAGIC = b"\x9bCLF"
HEADER = struct.Struct("<4sIIIQQQIB3x")
HEADER_BYTES = HEADER.size
_CHECKED_FROM = 8

# One request is one payload. The doors allow far less; the number keeps a damaged length from
# looking like a frame, and one frame from outgrowing a segment.
PAYLOAD_BYTES_MAX = 64 * 1024 * 1024

CUT = 1
SPLIT = 2
FLUSHED = 3
ACKED = 4
RECORD_KIND_MIN = 16
RECORD_KIND_MAX = 255

CHANGES = 32
"""The kind of record that is a commit of the registry: it has no rows."""

LEADERSHIP = 33
"""The kind of record with which a leader begins that found an undecided end of the log: it is
empty, and only there to be the first frame of its epoch."""

WITHOUT_ROWS = frozenset((CHANGES, LEADERSHIP))

_CUT = struct.Struct("<QQ")
_SPLIT = struct.Struct("<QQQ")
_FLUSHED = struct.Struct("<Q")


@dataclass(frozen=True, slots=True)
class FrameHeader:
    """What stands before a payload of `length` bytes."""

    kind: int
    number: int
    epoch: int
    received: int
    oldest: int
    length: int
    payload_crc: int

    @property
    def is_record(self) -> bool:
        """Whether the frame carries a record, not a word of the log to itself."""
        return self.kind >= RECORD_KIND_MIN


@dataclass(frozen=True, slots=True)
class Cut:
    """Record frames `first`..`last` are one batch."""

    first: int
    last: int

    def encode(self) -> bytes:
        """Return the payload."""
        return _CUT.pack(self.first, self.last)


@dataclass(frozen=True, slots=True)
class Split:
    """For one table, the insert of `first`..`last` became two, the first ending at `middle`."""

    first: int
    middle: int
    last: int
    table: str

    def encode(self) -> bytes:
        """Return the payload."""
        return _SPLIT.pack(self.first, self.middle, self.last) + self.table.encode()


@dataclass(frozen=True, slots=True)
class Flushed:
    """Every record frame up to `through` is in the engine."""

    through: int

    def encode(self) -> bytes:
        """Return the payload."""
        return _FLUSHED.pack(self.through)


@dataclass(frozen=True, slots=True)
class Acked:
    """Every record frame up to `through` is acknowledged by as many servers as was promised."""

    through: int

    def encode(self) -> bytes:
        """Return the payload."""
        return _FLUSHED.pack(self.through)


def checksum_seed(log_id: bytes) -> int:
    """Return what the checksums of a log start from."""
    return int(isal_zlib.crc32(log_id))


def encode_header(
    payload: bytes, *, seed: int, kind: int, number: int, epoch: int, received: int, oldest: int
) -> bytes:
    """Return the header that goes before a payload."""
    payload_crc = isal_zlib.crc32(payload, seed)
    unchecked = HEADER.pack(
        MAGIC, 0, payload_crc, len(payload), number, received, oldest, epoch, kind
    )
    header_crc = isal_zlib.crc32(unchecked[_CHECKED_FROM:], seed)
    return MAGIC + header_crc.to_bytes(4, "little") + unchecked[_CHECKED_FROM:]


def parse_header(view: memoryview, offset: int, *, seed: int) -> FrameHeader | None:
    """Return the header that starts at `offset`, None when no whole and unhurt one does."""
    raw = view[offset : offset + HEADER_BYTES]
    if len(raw) < HEADER_BYTES or raw[:4] != MAGIC:
        return None
    _, header_crc, payload_crc, length, number, received, oldest, epoch, kind = HEADER.unpack(raw)
    if isal_zlib.crc32(raw[_CHECKED_FROM:], seed) != header_crc or length > PAYLOAD_BYTES_MAX:
        return None
    return FrameHeader(kind, number, epoch, received, oldest, length, payload_crc)


def is_payload_whole(view: memoryview, offset: int, header: FrameHeader, *, seed: int) -> bool:
    """Return whether all of the payload follows the header at `offset`, unhurt."""
    start = offset + HEADER_BYTES
    payload = view[start : start + header.length]
    return len(payload) == header.length and (isal_zlib.crc32(payload, seed) == header.payload_crc)


def decode_control(kind: int, payload: bytes) -> Cut | Split | Flushed | Acked | None:
    """Return what a control frame says; None for a kind that a newer program may have added."""
    if kind == CUT:
        return Cut(*_CUT.unpack(payload))
    if kind == SPLIT:
        first, middle, last = _SPLIT.unpack(payload[: _SPLIT.size])
        return Split(first, middle, last, payload[_SPLIT.size :].decode())
    if kind == FLUSHED:
        return Flushed(*_FLUSHED.unpack(payload))
    if kind == ACKED:
        return Acked(*_FLUSHED.unpack(payload))
    return None
