"""What an app says of its progress: the fields that people and programs commonly use for it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from clew.tree.documents import Said

BAR_CELLS: Final = 10

SHORT_BAR_CELLS: Final = 4
"""Where there is little room: a bar at a glance, and its figure says the rest."""

SHORT_BELOW_WIDTH: Final = 100
"""How wide a screen must be for long bars: most are 80, or far more."""

_EIGHTHS: Final = " ▏▎▍▌▋▊▉█"

_WORDS: Final = ("phase", "stage", "step", "state", "status", "message")
_COUNTED: Final = (("done", "total"), ("completed", "total"), ("current", "total"))


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an app is, from 0 to 1, and what it is at; either may be unknown."""

    share: float | None
    words: str


def read_progress(said: Said | None) -> Progress:
    """Return what a Status says: ``progress`` or ``percent``, ``done`` of ``total``; ``phase``."""
    if said is None or said.payload is msgspec.UNSET:
        return Progress(None, "")
    try:
        payload: Any = msgspec.json.decode(said.payload)
    except msgspec.MsgspecError:
        return Progress(None, "")
    if isinstance(payload, str):
        return Progress(None, payload)
    if not isinstance(payload, dict):
        return Progress(None, "")
    words = next((payload[name] for name in _WORDS if isinstance(payload.get(name), str)), "")
    return Progress(_read_share(payload), words)


def bar(share: float, cells: int = BAR_CELLS) -> str:
    """Return a bar of so many cells."""
    eighths = round(min(1.0, max(0.0, share)) * cells * 8)
    whole, rest = divmod(eighths, 8)
    filled = "█" * whole + (_EIGHTHS[rest] if rest else "")
    return filled.ljust(cells, "░")


def _read_share(payload: dict[str, Any]) -> float | None:
    share = _number(payload.get("progress"))
    if share is not None:
        # Some count to one, some to a hundred; nobody is at one percent and says 1.
        return share if share <= 1 else share / 100
    percent = _number(payload.get("percent"))
    if percent is not None:
        return percent / 100
    for part, whole in _COUNTED:
        done, total = _number(payload.get(part)), _number(payload.get(whole))
        if done is not None and total:
            return done / total
    return None


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) and value >= 0 else None
