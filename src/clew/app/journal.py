"""The tree's journal as telemetry: its records as OTLP, through the pipeline like anybody's."""

from __future__ import annotations

import asyncio
import time
from functools import lru_cache
from typing import TYPE_CHECKING, Final, TypeVar

from clew.app.protobuf import (
    bytes_field,
    fixed64_field,
    number_field,
    text_field,
    write_number,
)
from clew.base.version import own_version
from clew.telemetry.otlp.signal import Signal
from clew.tree.journal.turns import in_turns

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from clew.app.store import Store
    from clew.tree.journal.records import Attribute, JournalLog, JournalSpan, Subject

SERVICE: Final = "trails"
"""The service that the journal's records are of: what clew says of an app is never counted as the
app's own telemetry, and the app is named by `trails.app.id`."""

SCOPE: Final = "clew.tree"

_SEVERITIES: Final = {"INFO": 9, "WARN": 13, "ERROR": 17}
"""Severity numbers of OpenTelemetry."""

_SPAN_KIND_INTERNAL: Final = 1
_STATUS_CODE_ERROR: Final = 2

_RESOURCES_CACHED: Final = 1024
"""Apps whose resource is kept as bytes, some 300 each: those that speak at a time."""

_ATTRIBUTES_CACHED: Final = 4096
"""Attributes that are the same on many records: what kind of message, of which epoch."""

_KEYS_CACHED: Final = 1024
"""Keys of attributes: every one that there is, for numbers by how many bytes these take."""

_SHARED_CACHED: Final = 256
"""Attributes that messages have alike: a few kinds from a few epochs."""

_CACHED_MAX: Final = 48
"""A number up to this, or a text of as many characters, comes again; sentences do not."""

Record = TypeVar("Record", "JournalLog", "JournalSpan")


class TelemetryJournal:
    """Implements `clew.tree.journal.journal.JournalSink`."""

    def __init__(self, store: Store) -> None:
        self._pipeline = store.pipeline
        self._kinds = store.kinds

    async def write(self, logs: Sequence[JournalLog], spans: Sequence[JournalSpan]) -> None:
        """Take records; they are durable when this returns."""
        # Thousands of records take some milliseconds, in which the loop has sockets to serve.
        if logs:
            octets = await asyncio.to_thread(encode_logs, logs)
            await self._pipeline.accept(self._kinds[Signal.LOGS], octets)
        if spans:
            octets = await asyncio.to_thread(encode_spans, spans)
            await self._pipeline.accept(self._kinds[Signal.TRACES], octets)


def encode_logs(logs: Sequence[JournalLog]) -> bytes:
    """Return an OTLP request of log records."""
    observed = fixed64_field(11, time.time_ns())
    return _request(
        logs,
        lambda record: (
            fixed64_field(1, record.at)
            + _severity(record.severity)
            + bytes_field(5, text_field(1, record.body))
            + (_shared_attributes(6, record.shared) if record.shared else b"")
            + _attributes(6, record.attributes)
            + (bytes_field(9, record.trace_id) if record.trace_id else b"")
            + (bytes_field(10, record.span_id) if record.span_id else b"")
            + observed
            + _event_name(record.event_name)
        ),
    )


def encode_spans(spans: Sequence[JournalSpan]) -> bytes:
    """Return an OTLP request of spans."""
    return _request(
        spans,
        lambda record: (
            bytes_field(1, record.trace_id)
            + bytes_field(2, record.span_id)
            + (bytes_field(4, record.parent_span_id) if record.parent_span_id else b"")
            + text_field(5, record.name)
            + number_field(6, _SPAN_KIND_INTERNAL)
            + fixed64_field(7, record.start)
            + fixed64_field(8, record.end)
            + _attributes(9, record.attributes)
            + (b"" if record.error is None else bytes_field(15, _failure(record.error)))
        ),
    )


def _request(records: Sequence[Record], encode: Callable[[Record], bytes]) -> bytes:
    """Return records by their apps, all of one scope: both requests are alike in that."""
    grouped: dict[Subject, list[bytes]] = {}
    for record in in_turns(records):
        grouped.setdefault(record.subject, []).append(bytes_field(2, encode(record)))
    scope = bytes_field(1, text_field(1, SCOPE) + text_field(2, own_version()))
    parts: list[bytes] = []
    for subject, encoded in grouped.items():
        inner = bytes_field(2, scope + b"".join(encoded))
        parts.append(bytes_field(1, _resource(subject) + inner))
    return b"".join(parts)


@lru_cache(_RESOURCES_CACHED)
def _resource(subject: Subject) -> bytes:
    app = {
        "trails.app.id": subject.app_id,
        "trails.app.path": subject.path,
        "trails.app.name": subject.name,
    }
    # What the journal says of itself is of no app.
    said = {name: value for name, value in app.items() if subject.app_id}
    return bytes_field(1, _attributes(1, {"service.name": SERVICE, **said}))


@lru_cache(len(_SEVERITIES))
def _severity(severity: str) -> bytes:
    return number_field(2, _SEVERITIES[severity]) + text_field(3, severity)


@lru_cache(_KEYS_CACHED)
def _event_name(name: str) -> bytes:
    return text_field(12, name)


def _failure(error: str) -> bytes:
    return (text_field(2, error) if error else b"") + number_field(3, _STATUS_CODE_ERROR)


def _attributes(field: int, given: Mapping[str, Attribute]) -> bytes:
    return b"".join(
        [
            _known_attribute(field, key, value)
            if (len(value) if isinstance(value, str) else value) <= _CACHED_MAX
            else _encode_attribute(field, key, value)
            for key, value in given.items()
        ]
    )


@lru_cache(_SHARED_CACHED)
def _shared_attributes(field: int, given: tuple[tuple[str, str | int], ...]) -> bytes:
    return _attributes(field, dict(given))


# By type as well: a flag equals a number, and must not be taken for it.
@lru_cache(_ATTRIBUTES_CACHED, typed=True)
def _known_attribute(field: int, key: str, value: Attribute) -> bytes:
    return _encode_attribute(field, key, value)


def _encode_attribute(field: int, key: str, value: Attribute) -> bytes:
    # A flag is an integer to Python, so it is asked for first.
    if isinstance(value, bool):
        kept = number_field(2, value)
    elif isinstance(value, int):
        number = write_number(value)
        return _number_head(field, key, len(number)) + number
    else:
        kept = text_field(1, value)
    return bytes_field(field, _key(key) + bytes_field(2, kept))


@lru_cache(_KEYS_CACHED)
def _number_head(field: int, key: str, size: int) -> bytes:
    """Return what stands before the bytes of a number that is the value of an attribute."""
    whole = bytes_field(field, _key(key) + bytes_field(2, number_field(3, 0) + bytes(size - 1)))
    return whole[:-size]


@lru_cache(_KEYS_CACHED)
def _key(key: str) -> bytes:
    return text_field(1, key)
