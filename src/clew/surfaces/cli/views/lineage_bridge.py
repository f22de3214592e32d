"""What a bridge of link sets has forwarded: as a document, and as a line on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from clew.base.times import format_time
from clew.surfaces.cli.grid import GAP, Style, cut_line
from clew.surfaces.cli.text import pad, show_count, show_time

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clew.lineage.bridge import BridgeStatistics
    from clew.surfaces.cli.grid import Line

_TIME: Final = 12

_COUNTS: Final = ("received", "forwarded", "sent", "unmapped", "conflicting")

_COUNT: Final = 11
"""Cells of a count: it may grow as long as the bridge lives."""


def describe_bridge(told: BridgeStatistics, at: int) -> dict[str, Any]:
    """Return what was counted as a document; reasons that never were are left out."""
    received = told.received
    return {
        "at": format_time(at),
        "received": received.received,
        "forwarded": told.forwarded,
        "sent": told.sent,
        "unmapped": told.unmapped,
        "conflicting": told.conflicting,
        "ignored": received.ignored,
        "refused": _given(received.refused),
        "dropped": _given(told.dropped),
        "unread": told.unread,
    }


def bridge_header() -> Line:
    """Return the titles."""
    titles = ["time".ljust(_TIME), *(pad(name, _COUNT, right=True) for name in _COUNTS)]
    return [(GAP.join([*titles, "not forwarded"]), Style.DIM)]


def bridge_line(told: Mapping[str, Any], width: int) -> Line:
    """Return the counts so far as a line, and why the others did not go on."""
    reasons = {**told["refused"], **told["dropped"]}
    reasons |= {name: told[name] for name in ("ignored", "unread") if told[name]}
    line: Line = [(show_time(told["at"])[11:23], Style.DIM)]
    for name in _COUNTS:
        line.append((GAP + pad(show_count(told[name]), _COUNT, right=True), Style.PLAIN))
    said = ", ".join(f"{reason} {show_count(count)}" for reason, count in reasons.items())
    return cut_line([*line, (GAP + said, Style.YELLOW)], width)


def _given(counts: Mapping[Any, int]) -> dict[str, int]:
    return {str(reason): count for reason, count in counts.items() if count}
