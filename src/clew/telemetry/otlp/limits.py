"""What a record may hold, and the reasons for which one is refused."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

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


class Reason(StrEnum):
    """Why one record was refused, in the order in which the reasons are tried."""

    ATTRIBUTE_COUNT = "attribute_count"
    ATTRIBUTE_DEPTH = "attribute_depth"
    TRACE_ID = "trace_id"
    SPAN_ID = "span_id"
    PARENT_SPAN_ID = "parent_span_id"
    TIME = "time"
