"""An anchor in the context of OpenTelemetry: for others to carry along, and as baggage.

Imported by the first anchor that is opened, since it brings OpenTelemetry with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.baggage import remove_baggage, set_baggage
from opentelemetry.context import attach, detach, set_value

from clew.base.times import format_time
from clew.twin import attributes
from clew.twin.anchor.context import OTEL_KEY
from clew.twin.schema.moments import moment_ns

if TYPE_CHECKING:
    from contextvars import Token

    from clew.twin.anchor.context import AnchorContext

__all__ = ["carry", "detach"]


def carry(anchor: AnchorContext) -> Token[Any]:
    """Attach a context of OpenTelemetry that carries an anchor; the token is for `detach`."""
    context = set_value(OTEL_KEY, anchor)
    said = {
        attributes.OBJ_ID: anchor.obj_id,
        attributes.OBJ_TYPE: anchor.kind.name,
        attributes.ANCHOR_CREATED_AT: format_time(moment_ns(anchor.created_at) or 0),
    }
    for name, value in said.items():
        # What the outer anchor said must not be taken for what this one does not say.
        context = set_baggage(name, value, context) if value else remove_baggage(name, context)
    return attach(context)
