"""Messages that stand one behind the other, without anything between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clew.base.errors import ClewError, ErrorCode
from clew.lineage.sbe.header import HEADER, HEADER_BYTES, Kind, Octets, read_kind
from clew.lineage.sbe.linkset import BLOCK_BYTES, GROUP

if TYPE_CHECKING:
    from collections.abc import Iterator


def cut_messages(octets: Octets) -> Iterator[memoryview]:
    """Yield the messages of a text of bytes; each says of itself how long it is.

    Raises:
        ClewError: INVALID_ARGUMENT where no message of ours begins, or one does not end: what comes
            behind it cannot be told apart any more.
    """
    view = memoryview(octets)
    start = 0
    while start < len(view):
        end = start + _measure(view[start:], start)
        if end > len(view):
            raise _wrong(start, "the bytes end before it does")
        yield view[start:end]
        start = end


def _measure(view: memoryview, start: int) -> int:
    """Return the bytes of the message that begins here."""
    if len(view) < HEADER_BYTES:
        raise _wrong(start, "the bytes end before its header does")
    fixed = HEADER_BYTES + HEADER.unpack_from(view)[0]
    match read_kind(view):
        case Kind.DESCRIPTOR:
            return int(fixed)
        case Kind.LINK_SET:
            if fixed < HEADER_BYTES + BLOCK_BYTES:
                raise _wrong(start, "its block is shorter than its fields")
            if len(view) < fixed + GROUP.size:
                raise _wrong(start, "the bytes end before it does")
            stride, count = GROUP.unpack_from(view, fixed)
            return int(fixed + GROUP.size + stride * count)
        case Kind.OTHER:
            raise _wrong(start, "it is of another schema, template or version")


def _wrong(start: int, why: str) -> ClewError:
    return ClewError(
        ErrorCode.INVALID_ARGUMENT,
        f"no message is read at byte {start}: {why}",
        hint="send link sets (schema 904, template 1) or descriptors (900, 4), nothing between",
    )
