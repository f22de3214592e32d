"""The open anchor in the headers of a request, and back out of them: W3C `baggage` and trace.

What leaves is who the object is: id, type, and since when; never a field of it. Values are percent-
encoded, a space as ``%20``: others write a plus for it, which only some read as a space.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote, unquote_plus

from opentelemetry import trace
from opentelemetry.baggage import get_all, get_baggage
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import get_current
from opentelemetry.propagators.textmap import DefaultGetter
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from clew.twin import attributes
from clew.twin.anchoring.carrying import KEYS, read_entries
from clew.twin.anchoring.context import get_current_anchor
from clew.twin.anchoring.scope import make_context
from clew.twin.logger.complaints import COMPLAINTS
from clew.twin.schema.moments import read_moment, to_datetime

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from opentelemetry.context import Context

    from clew.twin.anchoring.context import AnchorContext

Headers = Mapping[str, Any] | Iterable[tuple[str | bytes, str | bytes]]
"""Headers as a mapping, or as pairs; names in any case, values as text or bytes."""

HEADER: Final = "baggage"

HEADER_BYTES_MAX: Final = 8192
"""What W3C lets a receiver throw away: a longer header may arrive as nothing at all."""

ENTRIES_MAX: Final = 180
"""What W3C lets a receiver stop at."""

ENTRY_BYTES_MAX: Final = 4096
"""Of one entry: OpenTelemetry leaves out a longer one when it reads the header."""

ID_CHARS_MAX: Final = 1024
"""Of an id or a type from outside: longer ones name nothing, they fill a store."""

_TRACE: Final = TraceContextTextMapPropagator()
_BAGGAGE: Final = W3CBaggagePropagator()


def write_headers(headers: MutableMapping[str, str]) -> None:
    """Write the open anchor, other baggage and the span into headers; what is there is replaced.

    Ours comes first, since readers take so many entries. Other entries follow while there is room;
    an object whose id is too long by itself goes unnamed: a request must not fail for it.
    """
    _TRACE.inject(headers)
    anchor = get_current_anchor()
    ours = [] if anchor is None else _encode(read_entries(anchor))
    if any(len(entry) > ENTRY_BYTES_MAX for entry in ours):
        COMPLAINTS.tell(
            ("baggage",),
            f"the id of an object does not fit into {ENTRY_BYTES_MAX} bytes of baggage; the "
            "request goes without it",
        )
        ours = []
    others = {key: str(value) for key, value in get_all().items() if key not in KEYS}
    text = ""
    for entry in (*ours, *_encode(others)):
        longer = f"{text},{entry}" if text else entry
        if len(longer) <= HEADER_BYTES_MAX:
            text = longer
    if text:
        headers[HEADER] = text


def withdraw_headers(headers: MutableMapping[str, str]) -> None:
    """Take out of headers what `write_headers` would write, and every word of an object.

    A redirect to another host copies the headers of the request before it.
    """
    written: dict[str, str] = {}
    write_headers(written)
    for name, value in written.items():
        if headers.get(name) == value:
            del headers[name]
    kept = [
        entry
        for entry in (headers.get(HEADER) or "").split(",")
        if not unquote(entry).strip().startswith(attributes.RESERVED)
    ]
    if HEADER in headers and len(kept) < headers[HEADER].count(",") + 1:
        if kept:
            headers[HEADER] = ",".join(kept)
        else:
            del headers[HEADER]


def _encode(entries: Mapping[str, str]) -> list[str]:
    return [
        f"{quote(key, safe='')}={quote(value, safe='', errors='backslashreplace')}"
        for key, value in entries.items()
    ]


def read_headers(headers: Headers) -> tuple[AnchorContext | None, Context]:
    """Return the anchor that headers name, and the context that they make of the present one.

    A span that is open here stays: whoever opened it has read the headers already.
    """
    read = _lower(headers)
    context = get_current()
    if not trace.get_current_span(context).get_span_context().is_valid:
        context = _TRACE.extract(read, context, DefaultGetter())
    header = read.get(HEADER, "")
    if not 0 < len(header) <= HEADER_BYTES_MAX:
        return None, context
    return _make(_decode(header)), _BAGGAGE.extract(read, context, DefaultGetter())


def _decode(header: str) -> dict[str, str]:
    """Return what a header says of an object, to the letter.

    OpenTelemetry's reader takes blanks off the ends of values, and properties for a part of them.
    """
    said: dict[str, str] = {}
    for entry in header.split(",")[:ENTRIES_MAX]:
        name, _, rest = entry.partition("=")
        key = unquote_plus(name.strip(" \t"))
        if key in KEYS:
            said[key] = unquote_plus(rest.partition(";")[0].strip(" \t"))
    return said


def read_baggage(context: Context) -> AnchorContext | None:
    """Return the anchor that the baggage of a context of OpenTelemetry names, or None."""
    return _make({key: str(get_baggage(key, context) or "") for key in KEYS})


def _make(said: Mapping[str, str]) -> AnchorContext | None:
    obj_id, obj_type = said.get(attributes.OBJ_ID, ""), said.get(attributes.OBJ_TYPE, "")
    if not 0 < len(obj_id) <= ID_CHARS_MAX or len(obj_type) > ID_CHARS_MAX:
        return None
    opened = read_moment(said.get(attributes.ANCHOR_CREATED_AT, ""))
    return make_context(
        obj_id,
        obj_type or None,
        parent=get_current_anchor(),
        created_at=None if opened is None else to_datetime(opened),
        is_remote=True,
    )


def _lower(headers: Headers) -> dict[str, str]:
    """Return headers by their names in lower case; those that stand several times are one list."""
    read: dict[str, str] = {}
    for name, value in headers.items() if isinstance(headers, Mapping) else headers:
        key, text = _to_text(name).lower(), _to_text(value)
        read[key] = f"{read[key]},{text}" if key in read else text
    return read


def _to_text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
