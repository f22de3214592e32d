"""Trace and span ids as people write them; their home is the floor that every strand stands on."""

from __future__ import annotations

from clew.base.ids import SPAN_ID_CHARS, TRACE_ID_CHARS, parse_span_id, parse_trace_id

__all__ = ["SPAN_ID_CHARS", "TRACE_ID_CHARS", "parse_span_id", "parse_trace_id"]
