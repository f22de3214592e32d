"""How a trace id is made up: milliseconds, node, sequence; from the top, below a sign bit of 0.

The layout is that of Agrona's `SnowflakeIdGenerator`. An id tells neither its epoch nor its split,
so both are settings of a whole deployment.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from clew.base.errors import ClewError, ErrorCode, shorten

NULL_TRACE_ID: Final = 0
"""No id: an item that was not traced."""

TRACE_ID_MAX: Final = 2**64 - 1
"""Of the wire. Generators stay below 2^63; ids that others make need not."""

NODE_BITS_DEFAULT: Final = 10
SEQUENCE_BITS_DEFAULT: Final = 12

SPLIT_BITS_MAX: Final = 22
"""Of node and sequence together: the 41 bits left for milliseconds last for 69 years."""

_ID_BITS: Final = 63
_TEXT_CHARS_MAX: Final = 64
_DECIMAL = re.compile(r"[0-9]+")
_HEX = re.compile(r"0[xX][0-9a-fA-F]+")


@dataclass(frozen=True, slots=True)
class TraceIdParts:
    """What a generated id tells: Unix milliseconds, the node, and its place in them."""

    timestamp_ms: int
    node_id: int
    sequence: int


@dataclass(frozen=True, slots=True)
class IdLayout:
    """How many bits node and sequence have, and the moment that milliseconds count from.

    With fewer bits than 22 the milliseconds move down and have the rest.

    Raises:
        ClewError: INVALID_ARGUMENT for negative bits, more than 22 of them, a negative epoch.
    """

    node_bits: int = NODE_BITS_DEFAULT
    sequence_bits: int = SEQUENCE_BITS_DEFAULT
    epoch_offset_ms: int = 0
    """Unix milliseconds of the layout's zero."""

    def __post_init__(self) -> None:
        for name, bits in (("node", self.node_bits), ("sequence", self.sequence_bits)):
            if bits < 0:
                raise _wrong(f"{name} bits must not be negative: {bits}")
        if self.node_bits + self.sequence_bits > SPLIT_BITS_MAX:
            raise _wrong(
                f"node and sequence have {self.node_bits} + {self.sequence_bits} bits",
                f"they have at most {SPLIT_BITS_MAX} together",
            )
        if self.epoch_offset_ms < 0:
            raise _wrong(f"the epoch offset must not be negative: {self.epoch_offset_ms}")

    @property
    def shift(self) -> int:
        """How far up the milliseconds stand."""
        return self.node_bits + self.sequence_bits

    @property
    def node_id_max(self) -> int:
        """The highest node id."""
        return (1 << self.node_bits) - 1

    @property
    def sequence_max(self) -> int:
        """The last place in a millisecond."""
        return (1 << self.sequence_bits) - 1

    @property
    def timestamp_ms_max(self) -> int:
        """The last Unix millisecond that has ids: with the defaults in September 2039."""
        return self.epoch_offset_ms + (1 << (_ID_BITS - self.shift)) - 1

    def compose(self, timestamp_ms: int, node_id: int, sequence: int) -> int:
        """Return the id of a place in a Unix millisecond.

        Raises:
            ClewError: INVALID_ARGUMENT where a part is out of its range, or the id would be 0.
        """
        self.check_node_id(node_id)
        if not self.epoch_offset_ms <= timestamp_ms <= self.timestamp_ms_max:
            raise _wrong(f"no id has the millisecond {timestamp_ms}")
        if not 0 <= sequence <= self.sequence_max:
            raise _wrong(f"sequence {sequence} is not in 0 to {self.sequence_max}")
        composed = self.first_of(timestamp_ms, node_id) | sequence
        if composed == NULL_TRACE_ID:
            raise _wrong("0 is no trace id")
        return composed

    def first_of(self, timestamp_ms: int, node_id: int) -> int:
        """Return where a millisecond's ids of a node begin. The parts are not checked."""
        return (timestamp_ms - self.epoch_offset_ms) << self.shift | node_id << self.sequence_bits

    def decode(self, trace_id: int) -> TraceIdParts:
        """Return the parts of an id.

        Raises:
            ClewError: INVALID_ARGUMENT for 0, and for 2^63 and above, which no generator makes.
        """
        if trace_id == NULL_TRACE_ID:
            raise _wrong("0 is no trace id", "0 stands for an item that was not traced")
        if not 0 < trace_id < 1 << _ID_BITS:
            raise _wrong(
                f"{trace_id} was made by no generator",
                "ids of 2^63 and above are legal, and tell no time and no node",
            )
        return TraceIdParts(
            timestamp_ms=(trace_id >> self.shift) + self.epoch_offset_ms,
            node_id=trace_id >> self.sequence_bits & self.node_id_max,
            sequence=trace_id & self.sequence_max,
        )

    def check_node_id(self, node_id: int) -> None:
        """Raise unless ids can carry a node id.

        Raises:
            ClewError: INVALID_ARGUMENT when it is none of 0 to `node_id_max`.
        """
        if not 0 <= node_id <= self.node_id_max:
            raise _wrong(
                f"node id {node_id} is not in 0 to {self.node_id_max}",
                "give each producer of the deployment a node id of its own",
            )


DEFAULT_LAYOUT: Final = IdLayout()


def parse_trace_id(text: str) -> int:
    """Return the trace id that a text is: decimal, or hexadecimal behind ``0x``.

    Raises:
        ClewError: INVALID_ARGUMENT when it is none of 1 to 2^64 - 1.
    """
    given = text.strip()
    number = NULL_TRACE_ID
    if len(given) <= _TEXT_CHARS_MAX:
        if _DECIMAL.fullmatch(given):
            number = int(given)
        elif _HEX.fullmatch(given):
            number = int(given, 16)
    if NULL_TRACE_ID < number <= TRACE_ID_MAX:
        return number
    raise _wrong(
        f"not a trace id: {shorten(text, _TEXT_CHARS_MAX)!r}",
        "a trace id is a number from 1 to 18446744073709551615",
    )


def _wrong(message: str, hint: str | None = None) -> ClewError:
    return ClewError(ErrorCode.INVALID_ARGUMENT, message, hint=hint)
