"""Link sets as bytes, written by `struct` alone: the tests' own writer."""

from __future__ import annotations

import struct
from collections.abc import Sequence


def set_bytes(
    trace_id: int, parents: Sequence[int], *, stream_id: int = 1, epoch: int = 1, seq: int = 0
) -> bytes:
    """Return a set as SBE, whatever is in it."""
    head = struct.pack(
        "<HHHHIQQQHH", 28, 1, 904, 1, stream_id, epoch, seq, trace_id, 8, len(parents)
    )
    return head + struct.pack(f"<{len(parents)}Q", *parents)


def descriptor_bytes(
    trace_id: int, *, stream_id: int = 1, epoch: int = 1, seq: int = 0, at: int = 2**64 - 1
) -> bytes:
    """Return a descriptor as SBE, whatever is in it."""
    return struct.pack("<HHHHIQQQIQ", 40, 4, 900, 1, stream_id, epoch, seq, at, 2**32 - 1, trace_id)
