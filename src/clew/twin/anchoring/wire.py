"""Anchors from one service to another: `inject` goes out, `anchor_from_headers` comes in.

`anchor_from_baggage` is for programs that have OpenTelemetry's own propagators read the headers.

OpenTelemetry is imported when something goes out or comes in.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from clew.twin.anchoring.context import get_current_anchor
from clew.twin.logger.complaints import COMPLAINTS

if TYPE_CHECKING:
    from collections.abc import Iterator, MutableMapping

    from opentelemetry.context import Context

    from clew.twin.anchoring.baggage import Headers
    from clew.twin.anchoring.context import AnchorContext


def inject(headers: MutableMapping[str, str]) -> None:
    """Write which object the code is about, and in which trace, into the headers of a request.

    They are `baggage` and `traceparent` of W3C, percent-encoded and less than 8 KiB. Other baggage
    goes along where there is room. Never raises: a request does not fail for it.
    """
    from clew.twin.anchoring.baggage import write_headers

    try:
        write_headers(headers)
    except Exception as error:  # noqa: BLE001 - telemetry must never break a request
        COMPLAINTS.tell(("inject",), f"a request goes without its anchor: {error!r}")


def withdraw(headers: MutableMapping[str, str]) -> None:
    """Take out of headers what `inject` writes, and every word of an object."""
    from clew.twin.anchoring.baggage import withdraw_headers

    withdraw_headers(headers)


@contextmanager
def anchor_from_headers(headers: Headers) -> Iterator[AnchorContext | None]:
    """Go on, inside, with the object and the trace that headers name.

    Headers that name no object leave the anchor that is open. Calling it is taking the sender's
    word: on a door to strangers use the middleware, which asks whom to trust.
    """
    from clew.twin.anchoring.baggage import read_headers
    from clew.twin.anchoring.carrying import enter, leave

    found, context = read_headers(headers)
    entry = enter(found or get_current_anchor(), context)
    try:
        yield found
    finally:
        leave(entry)


@contextmanager
def anchor_from_baggage(context: Context | None = None) -> Iterator[AnchorContext | None]:
    """Go on, inside, with the object that baggage names: of a context, else of the present one.

    ``with anchor_from_baggage(propagate.extract(headers)):``. Nobody but you calls it: baggage that
    an instrumentation has read is a stranger's word until you say that it is not.
    """
    from opentelemetry.context import get_current

    from clew.twin.anchoring.baggage import read_baggage
    from clew.twin.anchoring.carrying import enter, leave

    given = get_current() if context is None else context
    found = read_baggage(given)
    entry = enter(found or get_current_anchor(), given)
    try:
        yield found
    finally:
        leave(entry)


@contextmanager
def door(headers: Headers, *, is_trusted: bool) -> Iterator[AnchorContext | None]:
    """Begin a request that came in: about the object that a trusted peer names, else about none.

    A stranger's baggage goes out of the context too where another instrumentation has put it there.
    """
    from clew.twin.anchoring.baggage import read_headers
    from clew.twin.anchoring.carrying import enter, leave

    found: AnchorContext | None = None
    context: Any = None
    if is_trusted:
        try:
            found, context = read_headers(headers)
        except Exception as error:  # noqa: BLE001 - telemetry must never break a request
            COMPLAINTS.tell(("door",), f"the headers of a request are not read: {error!r}")
    entry = enter(found, context)
    try:
        yield found
    finally:
        leave(entry)
