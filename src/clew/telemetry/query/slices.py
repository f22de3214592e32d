"""Pages of lists that are computed whole: services, operations, keys, values, series.

Such a list is small and ordered by a figure, not by time, so a page is a slice of it. The cursor
carries the range of the first page, so that "the last hour" stays the same hour.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import msgspec

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import TimeRange
from clew.telemetry.query.parameters import LIMIT_MAX

if TYPE_CHECKING:
    from collections.abc import Sequence

Item = TypeVar("Item")


class _Cursor(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    version: int
    offset: int
    start: int | None
    end: int | None


_VERSION = 1


@dataclass(frozen=True, slots=True)
class Slice:
    """Which items of which range: `limit` of them from `offset`."""

    offset: int
    limit: int
    window: TimeRange


def read_slice(cursor: str | None, limit: int, window: TimeRange) -> Slice:
    """Return the slice that a question asks for.

    Raises:
        ClewError: INVALID_ARGUMENT for a limit out of bounds or a cursor that is not ours.
    """
    check_limit(limit)
    if cursor is None:
        return Slice(0, limit, window)
    try:
        bytes_ = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        read = msgspec.msgpack.decode(bytes_, type=_Cursor)
    except (binascii.Error, ValueError, msgspec.DecodeError) as error:
        raise _not_ours() from error
    if read.version != _VERSION or read.offset < 0:
        raise _not_ours()
    return Slice(read.offset, limit, TimeRange(read.start, read.end))


def cut_slice(items: Sequence[Item], page: Slice) -> tuple[list[Item], str | None]:
    """Return the items of the slice, and the cursor of the next one where there is one."""
    end = page.offset + page.limit
    shown = list(items[page.offset : end])
    return shown, None if end >= len(items) else next_cursor(page)


def next_cursor(page: Slice) -> str:
    """Return the cursor of the slice after one."""
    end = page.offset + page.limit
    cursor = _Cursor(_VERSION, end, page.window.start, page.window.end)
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(cursor)).decode().rstrip("=")


def check_limit(limit: int) -> None:
    """Refuse a page size outside the bounds."""
    if not 1 <= limit <= LIMIT_MAX:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"limit must be between 1 and {LIMIT_MAX}",
            hint="ask for fewer, and follow next for the rest",
        )


def _not_ours() -> ClewError:
    return ClewError(
        ErrorCode.INVALID_ARGUMENT,
        "next is not a cursor of this list",
        hint="give next as the answer before gave it, with the same question",
    )
