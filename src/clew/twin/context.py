"""The names that a program is instrumented with: ``from clew.twin.context import anchor``."""

from __future__ import annotations

from clew.twin.anchoring.clients import (
    anchor_handler,
    anchor_hook,
    anchor_session,
    async_anchor_hook,
)
from clew.twin.anchoring.context import (
    AnchorContext,
    AnchorStack,
    get_current_anchor,
    get_current_obj_id,
    get_current_obj_type,
)
from clew.twin.anchoring.middleware import AnchorMiddleware, AnchorWSGIMiddleware
from clew.twin.anchoring.scope import anchor, anchored
from clew.twin.anchoring.threads import AnchoredExecutor, propagate
from clew.twin.anchoring.wire import anchor_from_baggage, anchor_from_headers, inject
from clew.twin.logger.bridge import AnchorFilter
from clew.twin.logger.checks import EventError
from clew.twin.logger.logger import TriLogLogger, UnanchoredError
from clew.twin.logger.tracking import Tracked, tracked

__all__ = [
    "AnchorContext",
    "AnchorFilter",
    "AnchorMiddleware",
    "AnchorStack",
    "AnchorWSGIMiddleware",
    "AnchoredExecutor",
    "EventError",
    "Tracked",
    "TriLogLogger",
    "UnanchoredError",
    "anchor",
    "anchor_from_baggage",
    "anchor_from_headers",
    "anchor_handler",
    "anchor_hook",
    "anchor_session",
    "anchored",
    "async_anchor_hook",
    "get_current_anchor",
    "get_current_obj_id",
    "get_current_obj_type",
    "inject",
    "propagate",
    "tracked",
]
