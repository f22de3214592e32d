r"""One file of the write-ahead log: its name, its header, and reading it back.

The name says the number that the next record frame had when the file was made, the file's place in
the sequence of files, and the log id: ``<first, 20 digits>-<ordinal, 8 digits>-<id, hex>.log``. So
a file whose first block is lost can still be read. The header takes 64 bytes, little-endian:

======  =====  ==========================================================================
offset  bytes  field
======  =====  ==========================================================================
0       8      magic, ``CLEWLOG\n``
8       4      crc32 of bytes 12..64
12      4      format version
16      16     log id
32      4      epoch
36      4      ordinal
40      8      first: no record frame in this file has a lower number
48      8      previous_bytes: where the durable part of the file before this one ends
56      8      created, Unix nanoseconds
======  =====  ==========================================================================

Frames follow without a gap. Bytes of a file past the `previous_bytes` of its successor were never
acknowledged (a failed write whose rest could not be cut off) and are not read.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from isal import isal_zlib

from clew.store.log.frame import (
    HEADER_BYTES,
    MAGIC,
    RECORD_KIND_MIN,
    FrameHeader,
    is_payload_whole,
    parse_header,
)

if TYPE_CHECKING:
    from pathlib import Path

SEGMENT_HEADER_BYTES = 64
FORMAT_VERSION = 1

_MAGIC = b"CLEWLOG\n"
_HEADER = struct.Struct("<8sII16sIIQQQ")
_CHECKED_FROM = 12

_NAME = re.compile(r"^(\d{20})-(\d{8})-([0-9a-f]{32})\.log$")


@dataclass(frozen=True, slots=True, order=True)
class SegmentName:
    """What the name of a segment file says."""

    first: int
    ordinal: int
    log_id: bytes

    def __str__(self) -> str:
        return f"{self.first:020d}-{self.ordinal:08d}-{self.log_id.hex()}.log"

    @classmethod
    def parse(cls, name: str) -> SegmentName | None:
        """Return what a file name says, None when it is not the name of a segment."""
        matched = _NAME.match(name)
        if matched is None:
            return None
        return cls(int(matched[1]), int(matched[2]), bytes.fromhex(matched[3]))


@dataclass(frozen=True, slots=True)
class SegmentHeader:
    """The head of a segment file; the table above says what each field means."""

    log_id: bytes
    epoch: int
    ordinal: int
    first: int
    previous_bytes: int
    created: int
    version: int = FORMAT_VERSION

    def encode(self) -> bytes:
        """Return the header's bytes."""
        raw = _HEADER.pack(
            _MAGIC,
            0,
            self.version,
            self.log_id,
            self.epoch,
            self.ordinal,
            self.first,
            self.previous_bytes,
            self.created,
        )
        crc = isal_zlib.crc32(raw[_CHECKED_FROM:])
        return _MAGIC + crc.to_bytes(4, "little") + raw[_CHECKED_FROM:]

    @classmethod
    def parse(cls, view: memoryview) -> SegmentHeader | None:
        """Return the header at the start of a file, None when it is not whole."""
        raw = view[:SEGMENT_HEADER_BYTES]
        if len(raw) < SEGMENT_HEADER_BYTES or raw[:8] != _MAGIC:
            return None
        _, crc, version, log_id, epoch, ordinal, first, previous_bytes, created = _HEADER.unpack(
            raw
        )
        if isal_zlib.crc32(raw[_CHECKED_FROM:]) != crc:
            return None
        return cls(log_id, epoch, ordinal, first, previous_bytes, created, version)


@dataclass(frozen=True, slots=True)
class FrameRef:
    """Where a whole frame lies, and what its header says. `offset` is that of the payload."""

    path: Path
    offset: int
    length: int
    kind: int
    number: int
    epoch: int
    received: int
    oldest: int

    @property
    def is_record(self) -> bool:
        """Whether the frame carries a record, not a word of the log to itself."""
        return self.kind >= RECORD_KIND_MIN


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes `start`..`end` of a file that hold no whole frame although more of the log follows."""

    path: Path
    start: int
    end: int


@dataclass(slots=True)
class Scan:
    """What reading a stretch of the log has found so far; carried from file to file.

    `last` is the highest record number seen or known to be given out. `frames_lost` counts the
    numbers missing where there is damage: numbers that a failed write left unused among them, so
    it is what was lost at most.
    """

    seed: int
    last: int
    damage: list[Damage] = field(default_factory=list)
    frames_lost: int = 0
    _gap_open: bool = False

    def note_damage(self, path: Path, start: int, end: int) -> None:
        """Remember a hurt place; what is missing shows when the next number is known."""
        self.damage.append(Damage(path, start, end))
        self._gap_open = True

    def pass_number(self, number: int) -> None:
        """Go on from a record number known to be given out: all before it are accounted for."""
        if self._gap_open:
            self.frames_lost += max(0, number - self.last - 1)
            self._gap_open = False
        self.last = max(self.last, number)

    def pass_border(self, first: int) -> None:
        """Go on into a file whose record numbers start at `first` or later."""
        if self._gap_open:
            self.frames_lost += max(0, first - 1 - self.last)
            self._gap_open = False
        self.last = max(self.last, first - 1)


def scan_frames(path: Path, content: bytes, scan: Scan) -> tuple[list[FrameRef], int]:
    """Find the whole frames of a segment, in order, past places that hold none.

    `content` is the file up to where it counts. A place is passed over only if a whole frame
    follows it in the file; `scan` is told. Returns the frames, and where the last of them ends:
    bytes after that are a torn tail or damage, which only the caller can tell apart.
    """
    frames: list[FrameRef] = []
    view = memoryview(content)
    offset = SEGMENT_HEADER_BYTES
    while offset < len(view):
        header = _whole_frame(view, offset, scan)
        if header is None:
            found = _find_whole_frame(content, _search_start(view, offset, scan), scan)
            if found is None:
                break
            scan.note_damage(path, offset, found)
            offset = found
            continue
        if header.is_record:
            scan.pass_number(header.number)
        frames.append(_reference(path, offset, header))
        offset += HEADER_BYTES + header.length
    return frames, min(offset, len(view))


def _reference(path: Path, offset: int, header: FrameHeader) -> FrameRef:
    return FrameRef(
        path=path,
        offset=offset + HEADER_BYTES,
        length=header.length,
        kind=header.kind,
        number=header.number,
        epoch=header.epoch,
        received=header.received,
        oldest=header.oldest,
    )


def _whole_frame(view: memoryview, offset: int, scan: Scan) -> FrameHeader | None:
    header = parse_header(view, offset, seed=scan.seed)
    if header is None or (header.is_record and header.number <= scan.last):
        return None
    return header if is_payload_whole(view, offset, header, seed=scan.seed) else None


def _search_start(view: memoryview, offset: int, scan: Scan) -> int:
    """Where a search past a bad frame begins: behind its payload if its header is to be trusted."""
    header = parse_header(view, offset, seed=scan.seed)
    after = offset + HEADER_BYTES + header.length if header else 0
    return after if offset < after <= len(view) else offset + 1


def _find_whole_frame(content: bytes, start: int, scan: Scan) -> int | None:
    view = memoryview(content)
    at = content.find(MAGIC, start)
    while at != -1:
        if _whole_frame(view, at, scan) is not None:
            return at
        at = content.find(MAGIC, at + 1)
    return None
