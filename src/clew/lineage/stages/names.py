"""The names by which ids and items are known outside TraceLink: attributes, metadata, headers."""

from __future__ import annotations

from typing import Final

PREFIX: Final = "tracelink."
"""Of all of them."""

TRACE_ID: Final = "tracelink.trace_id"
STREAM_ID: Final = "tracelink.stream_id"
EPOCH: Final = "tracelink.epoch"
SEQ: Final = "tracelink.seq"

PARENTS: Final = "tracelink.parents"
"""Trace ids of the inputs, in the order observed."""

STAGE: Final = "tracelink.stage"
"""The name of the stage that made an item."""
