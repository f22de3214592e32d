"""The records of `logging`, told which object they are about.

A program that logs inside an anchor says something of an object, whoever's logger it uses. `clew`
adds that to what it exports by itself; `AnchorFilter` does it for any other handler.

``logger.info("sold", extra={"trilog_attrs": {"shopping_cart.status": "sold",
"trilog.event.type": "state_change"}})`` is an event like those of `TriLogLogger`. Without a type
it is words: they never change state.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping
from typing import Any, Final

from clew.twin import attributes as names
from clew.twin.anchoring.context import AnchorContext, get_current_anchor
from clew.twin.anchoring.kinds import find_kind
from clew.twin.events import EventType
from clew.twin.logger.encoding import encode_fields, to_plain, to_text
from clew.twin.logger.record import Saying, describe_anchor, describe_event, describe_process
from clew.twin.logger.writer import WRITER

EXTRA: Final = "trilog_attrs"
"""The name under `extra` that holds attributes of an event."""

_OURS: Final = (names.EVENT_ID, names.EVENT_SEQ, names.OBJ_ID, names.OBJ_TYPE)
"""What a record says of itself only through its anchor."""


class AnchorFilter(logging.Filter):
    """Adds to every record that passes which object it is about. It keeps none back.

    For the handlers of others, such as OpenTelemetry's own: ``handler.addFilter(AnchorFilter())``.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Add to a record what its anchor says."""
        vars(record).update(describe_record(record))
        vars(record).pop(EXTRA, None)
        return True


def with_anchor(record: logging.LogRecord) -> logging.LogRecord:
    """Return a record that says which object it is about; the one that was given stays as it is."""
    said = describe_record(record)
    if not said and EXTRA not in vars(record):
        return record
    made = copy.copy(record)
    vars(made).update(said)
    vars(made).pop(EXTRA, None)
    return made


def describe_record(record: logging.LogRecord) -> dict[str, Any]:
    """Return what is to be added to a record; nothing where no object is meant."""
    given = vars(record).get(EXTRA)
    anchor = get_current_anchor()
    if names.EVENT_ID in vars(record) or (anchor is None and not isinstance(given, Mapping)):
        return {}
    return _describe(given if isinstance(given, Mapping) else {}, anchor, record)


def _describe(
    given: Mapping[str, Any], anchor: AnchorContext | None, record: logging.LogRecord
) -> dict[str, Any]:
    # A record outside of any anchor may say itself which object it is about; its type is known then
    # as well, and what of it is sensitive.
    kind = find_kind(to_text(given.get(names.OBJ_TYPE) or "")) if anchor is None else anchor.kind
    begin = f"{kind.prefix}." if kind.prefix else None
    fields = {k: v for k, v in given.items() if begin and to_text(k).startswith(begin)}
    encoded = encode_fields(kind, fields)
    others = {to_text(k): v for k, v in given.items() if k not in fields and k not in _OURS}
    said = encoded.attributes | {k: to_plain(v) for k, v in others.items() if v is not None}
    if encoded.nulls:
        said[names.OBJ_NULLS] = encoded.nulls
    saying = Saying(type=_type_of(given), body="", category=_category_of(given, record))
    describe_event(saying, WRITER.stamp(), said)
    if anchor is None:
        return said | {k: to_text(given[k]) for k in (names.OBJ_ID, names.OBJ_TYPE) if k in given}
    describe_anchor(anchor, kind, said)
    describe_process(anchor, kind, saying, said)
    return said


def _type_of(given: Mapping[str, Any]) -> EventType:
    said = given.get(names.EVENT_TYPE) or given.get(names.LOG_CATEGORY)
    try:
        return EventType(str(said))
    except ValueError:
        return EventType.LOG


def _category_of(given: Mapping[str, Any], record: logging.LogRecord) -> str:
    return to_text(given.get(names.LOG_CATEGORY) or record.levelname.lower())
