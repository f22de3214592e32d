"""What lineage answers, as documents; ids are decimal texts: numbers in JSON lose their ends."""

from __future__ import annotations

import msgspec

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import NS_PER_MS, TIME_NS_MAX, format_time
from clew.lineage.layout import IdLayout


class TraceId(msgspec.Struct, kw_only=True, frozen=True):
    """A trace id and what it tells of itself."""

    id: str
    timestamp: str
    """When it was made, to the millisecond."""

    node_id: int
    sequence: int
    """Its place among those that the node made in the millisecond."""


class TraceIdList(msgspec.Struct, kw_only=True, frozen=True):
    """Trace ids in the order in which they were made."""

    trace_ids: tuple[TraceId, ...]
    count: int
    total: int
    truncated: bool = False
    next: str | None = None


class LinksTaken(msgspec.Struct, kw_only=True, frozen=True):
    """What became of messages: how many are kept, how many were refused, and why."""

    accepted: int
    rejected: int
    reasons: dict[str, int]


def describe_trace_id(trace_id: int, layout: IdLayout) -> TraceId:
    """Return what an id tells of itself.

    Raises:
        ClewError: INVALID_ARGUMENT for an id that no generator made, or not with this layout.
    """
    parts = layout.decode(trace_id)
    at = parts.timestamp_ms * NS_PER_MS
    if at > TIME_NS_MAX:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"{trace_id} was made later than 2262 if its bits are split like this",
            hint="give the split of the deployment: --node-bits, --sequence-bits",
        )
    return TraceId(
        id=str(trace_id),
        timestamp=format_time(at),
        node_id=parts.node_id,
        sequence=parts.sequence,
    )
