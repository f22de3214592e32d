"""What a record and a request may hold, and the reasons for which one is refused."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from clew.base.errors import ClewError, ErrorCode

ATTRIBUTES_MAX: Final = 1024
"""Entries of one attribute list or nested list: eight times the limit that SDKs have by default."""

VALUE_DEPTH_MAX: Final = 24
"""Levels of one value: real bodies have a few, and protobuf itself admits twice as many."""

MESSAGE_DEPTH_MAX: Final = 100
"""Messages below the request: where protobuf's parsers stop, so JSON stops there too."""

FUTURE_NS_MAX: Final = 24 * 3600 * 1_000_000_000
"""How far ahead of us a sender's clock may be: a day covers every wrongly set time zone."""

TIME_NS_MAX: Final = 2**63 - 1
"""The last nanosecond that the engine's and Arrow's timestamps can hold (the year 2262)."""

INTEGER_EXACT_MAX: Final = 2**53
"""Up to this magnitude every integer is a double."""

ROW_WEIGHT: Final = 200
"""What a row takes whatever it says: its offsets, numbers and dictionary keys, roughly."""

ITEM_WEIGHT: Final = 100
"""What an event, a link or an exemplar takes whatever it says, its part of the residue included."""

ENTRY_WEIGHT: Final = 8
"""What an entry of a resource's or scope's attributes takes in every row beside its text."""

WEIGHT_MAX: Final = 256 * 1024 * 1024
"""What one request may weigh, in bytes: its rows, and what each of them repeats of its resource.

A hundred thousand points of one scrape under a resource of 2 KB weigh 220 MB, and a collector's
batch of 8192 records may have a resource of 32 KB. What weighs this much takes 0.15 s to decode. It
may be raised, but never lowered: what was taken is decoded again when the log is read back.
"""

HELD_BYTES_MAX: Final = 1 << 30
"""What a decoder holds before its rows are taken: requests and their weight. It keeps every column
within 32-bit offsets."""


class Reason(StrEnum):
    """Why one record was refused, in the order in which the reasons are tried."""

    ATTRIBUTE_COUNT = "attribute_count"
    ATTRIBUTE_DEPTH = "attribute_depth"
    TRACE_ID = "trace_id"
    SPAN_ID = "span_id"
    PARENT_SPAN_ID = "parent_span_id"
    TIME = "time"


def too_heavy_error(weight_max: int) -> ClewError:
    """Say that a request weighs too much; sending it again as it is, is useless."""
    return ClewError(
        ErrorCode.TOO_LARGE,
        f"the rows of the request would take more than {weight_max} bytes",
        hint="send fewer records at a time, or smaller resources: each row repeats them",
    )
