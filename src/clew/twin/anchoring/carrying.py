"""Opening and closing an anchor in both contexts: ours, and that of OpenTelemetry with its baggage.

Imported by the first anchor that is opened, since it brings OpenTelemetry with it.

Anchors mostly close in the reverse order of their opening, and closing one is going back to what
was before it. Two generators that hold an anchor each and take turns do it in any order: one that
closes while a later one is open is only noted, and passed over when the later one closes.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from opentelemetry.baggage import remove_baggage, set_baggage
from opentelemetry.context import attach, detach, get_current, set_value

from clew.base.times import format_time
from clew.twin import attributes
from clew.twin.anchoring.context import CURRENT, OTEL_KEY
from clew.twin.logger.encoding import to_text
from clew.twin.schema.moments import moment_ns

if TYPE_CHECKING:
    from contextvars import Token

    from opentelemetry.context import Context

    from clew.twin.anchoring.context import AnchorContext

KEYS: Final = (attributes.OBJ_ID, attributes.OBJ_TYPE, attributes.ANCHOR_CREATED_AT)
"""The names under which an anchor is in baggage."""


_ENDED: Final[ContextVar[frozenset[AnchorContext]]] = ContextVar(
    "clew_twin_ended", default=frozenset()
)
"""Anchors that were closed here while a later one was open."""


class Entry(NamedTuple):
    """What closes what was opened."""

    opened: AnchorContext | None
    ours: Token[AnchorContext | None]
    carried: Token[Any]


def enter(anchor: AnchorContext | None, context: Context | None = None) -> Entry:
    """Be inside an anchor, or inside none, in a context of OpenTelemetry that carries it."""
    base = get_current() if context is None else context
    return Entry(anchor, CURRENT.set(anchor), attach(_carry(anchor, base)))


def _carry(anchor: AnchorContext | None, base: Context) -> Context:
    """Return a context of OpenTelemetry that carries an anchor, or none."""
    base = set_value(OTEL_KEY, anchor, base)
    said = {} if anchor is None else read_entries(anchor)
    for key in KEYS:
        # What the outer anchor said must not be taken for what this one does not say.
        value = said.get(key)
        base = set_baggage(key, value, base) if value else remove_baggage(key, base)
    return base


def leave(entry: Entry) -> bool:
    """Be where one was before; return False, and do nothing, where another context was entered."""
    here = CURRENT.get()
    try:
        CURRENT.reset(entry.ours)
    except ValueError:
        return False
    if here is not entry.opened and here is not None and entry.opened is not None:
        # A later one is open still, and stays.
        CURRENT.set(here)
        _ENDED.set(_ENDED.get() | {entry.opened})
        return True
    detach(entry.carried)
    if _ENDED.get():
        _pass_over_ended()
    return True


def _pass_over_ended() -> None:
    """Go on to the anchor that is really open, where the one before was closed already."""
    ended, here = _ENDED.get(), CURRENT.get()
    if here not in ended:
        return
    while here is not None and here in ended:
        ended -= {here}
        here = here.parent
    _ENDED.set(ended)
    CURRENT.set(here)
    attach(_carry(here, get_current()))


def read_entries(anchor: AnchorContext) -> dict[str, str]:
    """Return an anchor as entries of baggage."""
    # Whoever writes them into a header expects that UTF-8 can write them.
    said = {
        attributes.OBJ_ID: to_text(anchor.obj_id),
        attributes.OBJ_TYPE: to_text(anchor.kind.name),
        attributes.ANCHOR_CREATED_AT: format_time(moment_ns(anchor.created_at) or 0),
    }
    return {key: value for key, value in said.items() if value}
