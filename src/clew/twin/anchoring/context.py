"""What an anchor is, and which one is open here.

Theory of operation. The anchor that is open is kept twice: in a context variable of ours, which
follows asyncio tasks, and in the context of OpenTelemetry, which follows wherever instrumentation
carries that one: threads of a pool, callbacks of a framework. Ours counts where both are there. A
token that belongs to another context is left alone, so that closing an anchor never raises.
"""

from __future__ import annotations

import sys
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from clew.twin.anchoring.kinds import NO_PREFIX, UNKNOWN, Kind, find_kind

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from clew.twin.blueprint.entity import Entity

CHAIN_MAX: Final = 100
"""Parents that an anchor leads to. A task that starts the next one inside its anchor, and that
another, would otherwise keep all of them for ever."""

OTEL_KEY: Final = "clew-twin-anchor"
"""The name of the anchor in the context of OpenTelemetry."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class AnchorContext:
    """An open anchor. `created_at` is UTC; `depth` is 0 for the outermost.

    `obj_type` is what was given: a class, or the name of one. `entity` is the object itself where
    the anchor was given one. `is_remote` tells that another process opened it.
    """

    obj_id: str
    obj_type: type[Any] | str | None
    created_at: datetime
    parent: AnchorContext | None = None
    depth: int = 0
    metadata: Mapping[str, Any] = field(default_factory=dict)
    entity: Entity | None = None
    is_remote: bool = False

    @property
    def kind(self) -> Kind:
        """What this process knows of its type."""
        return find_kind(self.obj_type)

    @property
    def type_name(self) -> str:
        """The name of its type, ``unknown`` where none was given."""
        return self.kind.name or UNKNOWN

    @property
    def otel_prefix(self) -> str:
        """What the names of its fields begin with, without the dot; ``trilog`` without a type."""
        return self.kind.prefix or NO_PREFIX


CURRENT: Final[ContextVar[AnchorContext | None]] = ContextVar("clew_twin_anchor", default=None)


def get_current_anchor() -> AnchorContext | None:
    """Return the innermost anchor that is open here, or None."""
    found = CURRENT.get()
    if found is not None or "opentelemetry.context" not in sys.modules:
        return found
    from opentelemetry.context import get_value

    carried = get_value(OTEL_KEY)
    return carried if isinstance(carried, AnchorContext) else None


def get_current_obj_id() -> str | None:
    """Return the id of the object that the code is about, or None."""
    found = get_current_anchor()
    return None if found is None else found.obj_id


def get_current_obj_type() -> str | None:
    """Return the name of the type of the object that the code is about, or None."""
    found = get_current_anchor()
    return None if found is None else found.kind.name or None


class AnchorStack:
    """The anchors that are open here."""

    @staticmethod
    def get_stack() -> list[AnchorContext]:
        """Return them, outermost first; at most `CHAIN_MAX`."""
        found = []
        each = get_current_anchor()
        while each is not None:
            found.append(each)
            each = each.parent
        return found[::-1]

    @staticmethod
    def get_depth() -> int:
        """Return how many there are."""
        found = get_current_anchor()
        return 0 if found is None else found.depth + 1

    @staticmethod
    def get_root() -> AnchorContext | None:
        """Return the outermost, or None."""
        return next(iter(AnchorStack.get_stack()), None)
