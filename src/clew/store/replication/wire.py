"""Frames of the log as servers send them to one another.

They look as they do in a file (`clew.store.log.frame`), but their checksums start from a constant:
the id that those of a file start from never leaves the machine. Here frames follow one another
without a gap and nothing is looked for past a damaged place, so nothing can pass for a frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from clew.base.errors import ClewError, ErrorCode
from clew.store.log.frame import HEADER_BYTES, encode_header, is_payload_whole, parse_header

if TYPE_CHECKING:
    from collections.abc import Iterable

WIRE_SEED: Final = 0x636C6577
"""What checksums on the way start from."""

RECORDS_PATH: Final = "/internal/wal/records"
POSITION_PATH: Final = "/internal/wal/position"
SNAPSHOT_PATH: Final = "/internal/snapshot"
KEY_PATH: Final = "/internal/server-key"

EPOCH_HEADER: Final = "x-tael-wal-epoch"
NODE_HEADER: Final = "x-clew-node"
LEADER_HEADER: Final = "x-clew-leader"

GROUP_HEADER: Final = "x-clew-group"
"""Which servers belong together: the id that the first leadership among them gave."""

AFTER_HEADER: Final = "x-clew-after"
"""The number of the frame before the first one sent: numbers may have gaps."""

ACKED_HEADER: Final = "x-clew-acked"
"""Up to which number frames are acknowledged, so that they may be seen."""

STARTS_HEADER: Final = "x-clew-starts"
"""The epochs of the leader's log with their first numbers."""

OLDEST_HEADER: Final = "x-clew-oldest"
"""After which number the leader's log still has every frame."""

LAST_HEADER: Final = "x-clew-last"
"""The newest frame of the leader's log."""

REQUIRED_HEADER: Final = "x-clew-required"
"""How many standbys the leader has wait for each record."""

EXTENT_HEADER: Final = "x-clew-extent"
"""Of a claim: how much of the log the sender has, as the epoch and the number of its newest frame.
Who has more does not let it lead. One that leads whatever others have does not say it."""

ORIGIN_HEADER: Final = "x-clew-registry"
"""Where the leader's registry comes from: two that differ need a snapshot."""

CONTENT_TYPE: Final = "application/x-clew-frames"


@dataclass(frozen=True, slots=True)
class Record:
    """A record frame, whichever server wrote it first."""

    number: int
    epoch: int
    kind: int
    received: int
    oldest: int
    payload: bytes

    @property
    def size(self) -> int:
        """How many bytes it takes, in a file and on the way."""
        return HEADER_BYTES + len(self.payload)


def encode_records(records: Iterable[Record]) -> bytes:
    """Return frames one after another, as they are sent."""
    parts: list[bytes] = []
    for record in records:
        header = encode_header(
            record.payload,
            seed=WIRE_SEED,
            kind=record.kind,
            number=record.number,
            epoch=record.epoch,
            received=record.received,
            oldest=record.oldest,
        )
        parts += (header, record.payload)
    return b"".join(parts)


def parse_records(body: bytes) -> list[Record]:
    """Return the frames of a body, which are in ascending order.

    Raises:
        ClewError: INVALID_ARGUMENT when anything of it is no whole record frame.
    """
    view = memoryview(body)
    records: list[Record] = []
    offset = 0
    while offset < len(view):
        header = parse_header(view, offset, seed=WIRE_SEED)
        if (
            header is None
            or not header.is_record
            or not is_payload_whole(view, offset, header, seed=WIRE_SEED)
            or (records and header.number <= records[-1].number)
        ):
            raise ClewError(
                ErrorCode.INVALID_ARGUMENT,
                f"no whole frame at byte {offset} of {len(view)}",
                hint="it was damaged on the way; send it again",
            )
        start = offset + HEADER_BYTES
        offset = start + header.length
        records.append(
            Record(
                header.number,
                header.epoch,
                header.kind,
                header.received,
                header.oldest,
                bytes(view[start:offset]),
            )
        )
    return records
