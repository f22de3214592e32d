"""The file of a recorded run: JSON that a person can read and a diff shows line by line.

``{"clew_run": 1, "recorded_at": …, "registry": …, "events": […]}``, each event on a line of its
own. Values of `changes` are those of the events as they came; the registry says what they are.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import msgspec

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import format_time, parse_time
from clew.twin.events import Event, EventType
from clew.twin.schema.codec import encode_registry, parse_registry

if TYPE_CHECKING:
    from collections.abc import Iterable

    from clew.twin.schema.values import RegistrySchema

VERSION: Final = 1

_HINT: Final = "a recording is what the method save of a run writes"


class EventLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One event. What is absent is empty."""

    at: str
    id: str
    type: EventType
    object: tuple[str, str]
    seq: int = 0
    changes: dict[str, Any] = {}
    name: str = ""
    data: dict[str, Any] = {}
    body: str = ""
    trace_id: str = ""
    span_id: str = ""
    service: str = ""
    phase: str = ""
    status: str = ""
    checksum: str = ""


class RunFile(msgspec.Struct, frozen=True, kw_only=True):
    """The whole file."""

    clew_run: int
    recorded_at: str
    registry: msgspec.Raw = msgspec.Raw(b"null")
    events: list[EventLine]


def encode_run(events: Iterable[Event], registry: RegistrySchema | None) -> bytes:
    """Return the file of a run.

    Raises:
        ClewError: INVALID_ARGUMENT when the registry contradicts itself.
    """
    described = b"null"
    if registry is not None:
        described = encode_registry(registry).rstrip()
        # What cannot be read back is told now, while who recorded it looks at it.
        parse_registry(described)
    lines = ",\n".join(msgspec.json.encode(_line_of(each)).decode() for each in events)
    recorded_at = format_time(time.time_ns())
    return (
        f'{{\n"clew_run": {VERSION},\n"recorded_at": "{recorded_at}",\n'
        f'"registry": {described.decode()},\n"events": [\n{lines}\n]\n}}\n'
    ).encode()


def parse_run(content: bytes) -> tuple[list[Event], RegistrySchema | None]:
    """Return the events of a file and the types that they are of, where they are known.

    Raises:
        ClewError: INVALID_ARGUMENT for what is no recording.
    """
    try:
        file = msgspec.json.decode(content, type=RunFile)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT, f"not a recorded run: {error}", hint=_HINT
        ) from error
    if file.clew_run != VERSION:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"a recorded run of version {file.clew_run}; this clew reads version {VERSION}",
            hint="record it anew, or upgrade clew",
        )
    registry = None if bytes(file.registry) == b"null" else parse_registry(bytes(file.registry))
    return [_event_of(each) for each in file.events], registry


def _line_of(event: Event) -> EventLine:
    return EventLine(
        at=format_time(event.at),
        id=event.event_id,
        type=event.type,
        object=(event.obj_type, event.obj_id),
        seq=event.seq,
        changes=dict(event.patch),
        name=event.name,
        data=dict(event.data),
        body=event.body,
        trace_id=event.trace_id,
        span_id=event.span_id,
        service=event.service,
        phase=event.phase,
        status=event.status,
        checksum=event.checksum,
    )


def _event_of(line: EventLine) -> Event:
    return Event(
        at=parse_time(line.at, now=0),
        seq=line.seq,
        event_id=line.id,
        type=line.type,
        obj_type=line.object[0],
        obj_id=line.object[1],
        patch=line.changes,
        name=line.name,
        data=line.data,
        body=line.body,
        trace_id=line.trace_id,
        span_id=line.span_id,
        service=line.service,
        phase=line.phase,
        status=line.status,
        checksum=line.checksum,
    )
