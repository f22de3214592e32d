"""The names that a program is instrumented with: ``from clew.twin.context import anchor``."""

from __future__ import annotations

from clew.twin.anchor.context import (
    AnchorContext,
    AnchorStack,
    get_current_anchor,
    get_current_obj_id,
    get_current_obj_type,
)
from clew.twin.anchor.scope import anchor, anchored
from clew.twin.logger.logger import TriLogLogger

__all__ = [
    "AnchorContext",
    "AnchorStack",
    "TriLogLogger",
    "anchor",
    "anchored",
    "get_current_anchor",
    "get_current_obj_id",
    "get_current_obj_type",
]
