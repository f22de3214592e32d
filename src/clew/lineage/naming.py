"""How nodes of the graph are named: by their trace id, or by a span that stands there."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from clew.lineage.layout import parse_trace_id

# As text, and as part of a path, where a slash would part it.
_SPAN: Final = re.compile(r"([0-9a-fA-F]{32})[/:]([0-9a-fA-F]{16})")


class SpanName(NamedTuple):
    """The ids of a span, OpenTelemetry's: lower-case hex, 32 digits and 16."""

    trace_id: str
    span_id: str


def parse_name(text: str) -> int | SpanName:
    """Return what a text names: a trace id as `parse_trace_id` has it, or ``TRACEID:SPANID``.

    Raises:
        ClewError: INVALID_ARGUMENT when it is neither.
    """
    found = _SPAN.fullmatch(text.strip())
    if found is None:
        return parse_trace_id(text)
    trace_id, span_id = found.groups()
    return SpanName(trace_id.lower(), span_id.lower())
