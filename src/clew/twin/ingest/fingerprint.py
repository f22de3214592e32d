"""Reading a fingerprint: which object a log record is about, and what it says of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

import msgspec

from clew.twin import attributes as names
from clew.twin.events import EventType
from clew.twin.schema.names import otel_prefix
from clew.twin.validation.validator import read_nulls

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clew.twin.ingest.record import LogRecord

TYPE_UNKNOWN: Final = "unknown"
"""The type of an object whose writer names none."""

# What instrumentations of every kind put on log records, and lineage on those of a stage: never a
# field of an object.
_FOREIGN: Final = ("code.", "exception.", "thread.", "log.", "process.", "error.", "tracelink.")

_SEQ_MAX: Final = 2**64 - 1
_DIGEST_BYTES: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """What a log record says of an object. Values of `patch` and `data` are JSON texts."""

    type: EventType
    obj_type: str
    obj_id: str
    event_id: str
    seq: int
    name: str = ""
    patch: Mapping[str, str] = field(default_factory=dict)
    data: Mapping[str, str] = field(default_factory=dict)
    phase: str = ""
    status: str = ""
    checksum: str = ""
    writer: str = ""


def is_fingerprint(texts: Mapping[str, str]) -> bool:
    """Return whether a record is about an object, a process, or says that it is an event of one."""
    return names.OBJ_ID in texts or names.OBJ_TYPE in texts or names.PROCESS_TYPE in texts


def read_fingerprint(record: LogRecord, prefix: str | None = None) -> Fingerprint:
    """Return what a record says, whoever wrote it and in whichever of the accepted spellings.

    `prefix` is that of the type in a registry; without it the type's name gives it, and a record
    that names no field under it has its other attributes for fields. A process without an object
    id is named by its trace.
    """
    texts = record.texts
    obj_type = texts.get(names.OBJ_TYPE) or texts.get(names.PROCESS_TYPE) or TYPE_UNKNOWN
    obj_id = texts.get(names.OBJ_ID) or ""
    if not obj_id and names.PROCESS_TYPE in texts:
        obj_id = texts.get(names.PROCESS_TRACE_ID) or record.trace_id
    type_, name = _read_kind(texts)
    patch, data = _read_values(record, prefix or otel_prefix(obj_type), is_known=prefix is not None)
    seq = read_seq(texts)
    writer = texts.get(names.EVENT_WRITER) or read_writer(record.resource)
    return Fingerprint(
        type=type_,
        obj_type=obj_type,
        obj_id=obj_id,
        event_id=texts.get(names.EVENT_ID) or _name_event(record, writer),
        seq=seq,
        name=name,
        patch=patch,
        data=data,
        phase=texts.get(names.PROCESS_PHASE, ""),
        status=texts.get(names.PROCESS_STATUS, ""),
        checksum=texts.get(names.REGISTRY_CHECKSUM, ""),
        writer=writer,
    )


def read_writer(resource: Mapping[str, str]) -> str:
    """Return which process of a service wrote a record, empty when it does not say so."""
    instance = resource.get("service.instance.id")
    if instance:
        return instance
    host, pid = resource.get("host.name", ""), resource.get("process.pid", "")
    return f"{host}:{pid}" if pid else host


def _read_kind(texts: Mapping[str, str]) -> tuple[EventType, str]:
    said = texts.get(names.EVENT_TYPE) or texts.get(names.LOG_CATEGORY) or ""
    name = texts.get(names.EVENT_NAME) or texts.get(names.OLD_EVENT_NAME) or ""
    action = texts.get(names.ACTION_NAME) or texts.get(names.OLD_ACTION_NAME) or ""
    try:
        type_ = EventType(said)
    except ValueError:
        # Categories such as `error` and `debug` are words of a log, and so is what we do not know.
        type_ = EventType.LOG
    return type_, action if type_ is EventType.ACTION else name


def _read_values(
    record: LogRecord, prefix: str, *, is_known: bool
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the fields that a record sets, and what it says besides."""
    literals = record.literals
    start = f"{prefix}."
    patch: dict[str, str] = {}
    data: dict[str, str] = {}
    for key, text in record.texts.items():
        if key.startswith(names.RESERVED):
            if key.startswith(names.META):
                data[key] = literals.get(key) or quote(text)
        elif key.startswith(start):
            patch[key[len(start) :]] = literals.get(key) or quote(text)
        else:
            data[key] = literals.get(key) or quote(text)
    if not patch and not is_known:
        patch, data = _take_bare_fields(data)
    # As text also, since pipelines that know no arrays write them as JSON.
    nulls = literals.get(names.OBJ_NULLS) or record.texts.get(names.OBJ_NULLS)
    for name in read_nulls(nulls) if nulls else ():
        patch[name.removeprefix(start)] = "null"
    return patch, data


def _take_bare_fields(data: dict[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Of a type that nobody described: what stands under no prefix of ours is a field."""
    besides = (names.META, names.EVENT_DATA, *_FOREIGN)
    olds = (names.OLD_EVENT_NAME, names.OLD_ACTION_NAME)
    patch = {
        key: value for key, value in data.items() if not key.startswith(besides) and key not in olds
    }
    return patch, {key: value for key, value in data.items() if key not in patch}


def read_seq(texts: Mapping[str, str]) -> int:
    """Return the count that its writer gave an event, 0 where it gave none."""
    text = texts.get(names.EVENT_SEQ, "")
    return min(int(text), _SEQ_MAX) if text.isascii() and text.isdigit() else 0


def _name_event(record: LogRecord, writer: str) -> str:
    """Return the id of an event whose writer gave none: what is equal in every word is one."""
    place = (record.at, record.service, writer, record.trace_id, record.span_id, record.body)
    content = msgspec.json.encode([place, sorted(record.texts.items())])
    return f"content-{blake2b(content, digest_size=_DIGEST_BYTES).hexdigest()}"


def quote(text: str) -> str:
    """Return a text as a JSON string."""
    return msgspec.json.encode(text).decode()
