"""Opening and closing an anchor in both contexts: ours, and that of OpenTelemetry with its baggage.

Imported by the first anchor that is opened, since it brings OpenTelemetry with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from opentelemetry.baggage import remove_baggage, set_baggage
from opentelemetry.context import attach, detach, get_current, set_value

from clew.base.times import format_time
from clew.twin import attributes
from clew.twin.anchoring.context import CURRENT, OTEL_KEY
from clew.twin.schema.moments import moment_ns

if TYPE_CHECKING:
    from contextvars import Token

    from opentelemetry.context import Context

    from clew.twin.anchoring.context import AnchorContext

KEYS: Final = (attributes.OBJ_ID, attributes.OBJ_TYPE, attributes.ANCHOR_CREATED_AT)
"""The names under which an anchor is in baggage."""


class Entry(NamedTuple):
    """What closes what was opened."""

    ours: Token[AnchorContext | None]
    carried: Token[Any]


def enter(anchor: AnchorContext | None, context: Context | None = None) -> Entry:
    """Be inside an anchor, or inside none, in a context of OpenTelemetry that carries it."""
    base = get_current() if context is None else context
    base = set_value(OTEL_KEY, anchor, base)
    said = {} if anchor is None else read_entries(anchor)
    for key in KEYS:
        # What the outer anchor said must not be taken for what this one does not say.
        value = said.get(key)
        base = set_baggage(key, value, base) if value else remove_baggage(key, base)
    return Entry(CURRENT.set(anchor), attach(base))


def leave(entry: Entry) -> bool:
    """Be where one was before; return False, and do nothing, where another context was entered."""
    try:
        CURRENT.reset(entry.ours)
    except ValueError:
        return False
    detach(entry.carried)
    return True


def read_entries(anchor: AnchorContext) -> dict[str, str]:
    """Return an anchor as entries of baggage."""
    said = {
        attributes.OBJ_ID: anchor.obj_id,
        attributes.OBJ_TYPE: anchor.kind.name,
        attributes.ANCHOR_CREATED_AT: format_time(moment_ns(anchor.created_at) or 0),
    }
    return {key: value for key, value in said.items() if value}
