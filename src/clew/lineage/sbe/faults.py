"""Why a message is refused, by its writer or by its reader."""

from __future__ import annotations

from enum import StrEnum


class Fault(StrEnum):
    """What is wrong with a message. Closed: statistics have a count for each."""

    TRUNCATED = "truncated"
    """The bytes end before the message does."""

    SHORT_BLOCK = "short_block"
    """A block is shorter than the fields that the schema's first version has."""

    NO_TRACE_ID = "no_trace_id"
    """The output has no id."""

    NO_PARENTS = "no_parents"
    """There is nothing to tell."""

    TOO_MANY_PARENTS = "too_many_parents"
    """A set is never cut into several, nor shortened."""

    ZERO_PARENT = "zero_parent"
    DUPLICATE_PARENT = "duplicate_parent"

    SELF_PARENT = "self_parent"
    """The output is named among its own parents."""

    OUT_OF_RANGE = "out_of_range"
    """A value is no number that its field can hold."""
