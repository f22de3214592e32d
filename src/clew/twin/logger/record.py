"""One event as a log record: its text and its attributes, before anything is handed over."""

from __future__ import annotations

import time
import weakref
from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from clew.base.errors import ClewError
from clew.base.surroundings import describe_surroundings
from clew.base.times import format_time
from clew.twin import attributes as names
from clew.twin.blueprint.processes import Process
from clew.twin.blueprint.registry import default_registry, registry_of
from clew.twin.events import CHANGES, EventType
from clew.twin.logger.complaints import COMPLAINTS
from clew.twin.logger.encoding import to_plain, to_text
from clew.twin.logger.writer import WRITER

if TYPE_CHECKING:
    from clew.twin.anchoring.context import AnchorContext
    from clew.twin.anchoring.kinds import Kind
    from clew.twin.blueprint.registry import Registry
    from clew.twin.logger.encoding import Encoded
    from clew.twin.logger.writer import Stamp


class SeverityPair(NamedTuple):
    """A severity as OpenTelemetry has it."""

    number: int
    text: str


class Severity(SeverityPair, Enum):
    """How bad what was said is."""

    DEBUG = (5, "DEBUG")
    INFO = (9, "INFO")
    WARN = (13, "WARN")
    ERROR = (17, "ERROR")


RECHECK_S: Final = 1.0
"""Between two looks at a registry that contradicts itself: one takes milliseconds, and what is
missing in it may be registered yet."""

_UNSOUND: Final[weakref.WeakKeyDictionary[Registry, float]] = weakref.WeakKeyDictionary()

FIELDS_MAX: Final = 100
"""Of one record: an SDK keeps 128 attributes by default, and about a dozen are ours."""

NOTHING: Final[Mapping[str, Any]] = {}


class Saying(msgspec.Struct, frozen=True, kw_only=True):
    """What a program says, before it is known of which object.

    `fields` are the object's and may change it; `data` never does. `category` is the word of a log.
    """

    type: EventType
    body: str
    category: str = ""
    severity: Severity = Severity.INFO
    name: str = ""
    fields: Mapping[str, Any] = {}
    data: Mapping[str, Any] = {}
    phase: str = ""
    status: str = ""
    error: BaseException | None = None

    def with_body(self, body: str) -> Saying:
        """Return it with another text."""
        return msgspec.structs.replace(self, body=body)

    def with_fields(self, fields: Mapping[str, Any], category: str) -> Saying:
        """Return it with fields, and the word for its kind of record."""
        return msgspec.structs.replace(self, fields=fields, category=category)

    @property
    def is_change(self) -> bool:
        """Whether it alters the state of an object."""
        return self.type in CHANGES


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A log record, all but the span that it happened in. `at` is Unix nanoseconds."""

    at: int
    severity: Severity
    body: str
    attributes: dict[str, Any]
    error: BaseException | None = None


def make_records(saying: Saying, encoded: Encoded, anchor: AnchorContext | None) -> list[Told]:
    """Return the record of an event; several, of the same moment, where it has very many fields.

    SDKs keep so many attributes of a record and drop the others. What the first record has no room
    for is told as further changes.
    """
    stamp = WRITER.stamp()
    if len(encoded.attributes) <= FIELDS_MAX:
        return [make_record(saying, encoded.attributes, encoded.nulls, anchor, stamp)]
    fields = list(encoded.attributes.items())
    records = [make_record(saying, dict(fields[:FIELDS_MAX]), encoded.nulls, anchor, stamp)]
    for start in range(FIELDS_MAX, len(fields), FIELDS_MAX):
        more = Saying(type=EventType.STATE_CHANGE, body=saying.body, category=saying.category)
        part = dict(fields[start : start + FIELDS_MAX])
        records.append(make_record(more, part, [], anchor, WRITER.stamp(stamp.at)))
    return records


def make_record(
    saying: Saying,
    fields: dict[str, Any],
    nulls: list[str],
    anchor: AnchorContext | None,
    stamp: Stamp,
) -> Told:
    """Return one record; `fields` are attributes already, and become part of it.

    Who the object is comes last: an SDK that has room for so many attributes drops the first ones,
    and nothing that a program says may stand in the place of these.
    """
    attributes = fields
    if saying.data or saying.error is not None:
        attributes.update(describe_words(saying))
    if nulls:
        attributes[names.OBJ_NULLS] = nulls
    if here := describe_surroundings():
        add_surroundings(here, anchor, attributes)
    describe_event(saying, stamp, attributes)
    if anchor is not None:
        kind = anchor.kind
        describe_anchor(anchor, kind, attributes)
        describe_process(anchor, kind, saying, attributes)
    return Told(
        at=stamp.at,
        severity=saying.severity,
        body=saying.body,
        attributes=attributes,
        error=saying.error,
    )


def describe_words(saying: Saying) -> dict[str, Any]:
    """Return what a program says besides, under names that no field can have."""
    said = {
        f"{names.EVENT_DATA}{to_text(key)}": to_plain(value) for key, value in saying.data.items()
    }
    if saying.error is not None:
        kind = type(saying.error)
        said[names.ERROR_TYPE] = f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")
        said[names.ERROR_MESSAGE] = to_text(saying.error)
    return said


def add_surroundings(
    here: Mapping[str, str], anchor: AnchorContext | None, attributes: dict[str, Any]
) -> None:
    """Add what is true of all that is said here, but for names that a field of the object has."""
    prefix = "" if anchor is None else anchor.kind.prefix
    for name, value in here.items():
        if not (prefix and name.startswith(f"{prefix}.")):
            attributes.setdefault(name, value)


def describe_event(saying: Saying, stamp: Stamp, attributes: dict[str, Any]) -> None:
    """Add what kind of event it is, and which."""
    # `str` of a member is its value; the attribute is slower.
    type_ = str(saying.type)
    attributes[names.LOG_CATEGORY] = saying.category or type_
    attributes[names.LOG_TIMESTAMP] = format_time(stamp.at)
    attributes[names.EVENT_TYPE] = type_
    attributes[names.EVENT_ID] = stamp.event_id
    attributes[names.EVENT_SEQ] = stamp.seq
    if stamp.writer:
        attributes[names.EVENT_WRITER] = stamp.writer
    if saying.name:
        is_action = saying.type is EventType.ACTION
        attributes[names.ACTION_NAME if is_action else names.EVENT_NAME] = saying.name


def describe_anchor(anchor: AnchorContext, kind: Kind, attributes: dict[str, Any]) -> None:
    """Add whom an event is about."""
    for key, value in anchor.metadata.items():
        attributes[f"{names.META}{to_text(key)}"] = to_plain(value)
    attributes[names.ANCHOR_DEPTH] = anchor.depth
    checksum = find_checksum(kind)
    if checksum:
        attributes[names.REGISTRY_CHECKSUM] = checksum
    if kind.name:
        attributes[names.OBJ_TYPE] = to_text(kind.name)
    if anchor.obj_id:
        attributes[names.OBJ_ID] = to_text(anchor.obj_id)


def describe_process(
    anchor: AnchorContext, kind: Kind, saying: Saying, attributes: dict[str, Any]
) -> None:
    """Add where a process stands, of an event that says so or of one that is about a process."""
    if saying.phase:
        attributes[names.PROCESS_PHASE] = saying.phase
    if saying.status:
        attributes[names.PROCESS_STATUS] = saying.status
    if kind.is_process:
        attributes[names.PROCESS_TYPE] = kind.name
        attributes[names.PROCESS_TRACE_ID] = to_text(anchor.obj_id)
        if isinstance(anchor.entity, Process):
            started = anchor.entity.started_at
            attributes[names.PROCESS_STARTED_AT] = to_plain(started)


def find_checksum(kind: Kind) -> str:
    """Return the checksum of the registry where a class was registered; empty without one."""
    if kind.entity is None:
        return ""
    registry = registry_of(kind.entity)
    if registry is default_registry():
        # Nobody put these classes together: no server has that registry.
        return ""
    checked_at = _UNSOUND.get(registry)
    if checked_at is not None and time.monotonic() - checked_at < RECHECK_S:
        return ""
    try:
        return registry.compute_checksum()
    except ClewError as error:
        _UNSOUND[registry] = time.monotonic()
        COMPLAINTS.tell(("registry", kind.name), f"events of {kind.name} name no registry: {error}")
        return ""
