"""The documents of analytics: one shape for REST, CLI and every other surface.

Field names are the JSON names; times, ids, durations and completeness are as
`clew.telemetry.documents` has them. Every answer states the window it is exact over.
"""

from __future__ import annotations

import msgspec


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """From `start_time` up to, not including, `end_time`."""

    start_time: str
    end_time: str
    seconds: float
