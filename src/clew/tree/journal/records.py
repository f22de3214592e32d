"""Entries of the outbox as log records, and ended commands as spans: pure functions over values.

Each record is of the resource of its app: `trails.app.id`, `trails.app.path` (ids from the root
down, each between slashes) and `trails.app.name`, the first two as the SDK gives them to the app's
own telemetry. A log record carries the id of its entry as `trails.event.id`. All targets of a
command share a trace, whose id follows from the command's correlation id, so that a command that
was told twice is still one.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

import msgspec

from clew.tree.machine.happenings import MessageDocument

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from clew.tree.registry.questions import KeptCommand, OutboxEntry

Attribute = str | int | bool

SEVERITY_OF_STATUS: Final = {
    "crashed": "ERROR",
    "error": "ERROR",
    "start_failed": "ERROR",
    "lost_contact": "WARN",
    "reconnecting": "WARN",
    "cancelled": "WARN",
}
"""How much it matters that an app came to a status; every other one is INFO."""

ENDED: Final = frozenset({"done", "failed", "expired", "cancelled"})
"""Statuses of a command that is over for its target."""

MESSAGE: Final = "message"
"""The kind of nearly all entries of a busy tree."""

_SHARED_CACHED: Final = 256
"""What messages have alike: a few kinds from a few epochs."""

_SPACES: Final = (b" ", b"\n", b"\t", b"\r")

_decode_message: Final = msgspec.json.Decoder(MessageDocument).decode

_Document = dict[str, Any]


class Subject(msgspec.Struct, frozen=True, gc=False):
    """The app that a record is about."""

    app_id: str
    path: str
    name: str


class JournalLog(msgspec.Struct, frozen=True, gc=False):
    """A log record. `at` is in Unix nanoseconds; ids are bytes, empty for none.

    `shared` are attributes that very many records have alike: one value, of which whoever encodes
    them may remember how it is encoded. No flags are among them.
    """

    subject: Subject
    at: int
    severity: str
    event_name: str
    body: str
    attributes: Mapping[str, Attribute]
    trace_id: bytes = b""
    span_id: bytes = b""
    shared: tuple[tuple[str, str | int], ...] = ()


class JournalSpan(msgspec.Struct, frozen=True, gc=False):
    """What became of a command for one of its targets. Times are in Unix nanoseconds."""

    subject: Subject
    trace_id: bytes
    span_id: bytes
    parent_span_id: bytes
    name: str
    start: int
    end: int
    error: str | None
    attributes: Mapping[str, Attribute]


def trace_id_of(correlation_id: str) -> bytes:
    """Return the trace of a command."""
    return blake2b(correlation_id.encode(), digest_size=16, person=b"clew trace").digest()


def span_id_of(correlation_id: str, app_id: str) -> bytes:
    """Return the span of a command's target."""
    text = f"{correlation_id} {app_id}"
    return blake2b(text.encode(), digest_size=8, person=b"clew span").digest()


def tell_entry(entry: OutboxEntry, subject: Subject) -> JournalLog:
    """Return the log record of an outbox entry."""
    if entry.kind == MESSAGE:
        return _tell_message(entry, subject)
    told: _Document = msgspec.json.decode(entry.document)
    severity, body = _BODIES[entry.kind](told)
    correlation_id = told.get("correlation_id")
    return JournalLog(
        subject=subject,
        at=entry.at,
        severity=severity,
        event_name=f"trails.{entry.kind}",
        body=body,
        attributes={"trails.event.id": entry.id, **_attributes(told)},
        trace_id=b"" if correlation_id is None else trace_id_of(correlation_id),
        span_id=b"" if correlation_id is None else span_id_of(correlation_id, entry.app_id),
    )


def tell_lost(count: int, following: OutboxEntry) -> JournalLog:
    """Return the log record that stands for entries that were gone before they could be told.

    They are the server's own, of no app: whose they were is not known any more.
    """
    return JournalLog(
        subject=Subject("", "", ""),
        at=following.at,
        severity="ERROR",
        event_name="trails.lost",
        body=f"{count} entries were removed before they could be told",
        attributes={
            "trails.lost.count": count,
            "trails.lost.from": following.id - count,
            "trails.lost.to": following.id - 1,
        },
    )


def tell_command(command: KeptCommand, at: int, subject: Subject) -> JournalSpan:
    """Return the span of a target for which a command is over since `at`."""
    is_root = command.app_id == command.root_id
    attributes: dict[str, Attribute] = {
        "trails.command.action": command.action,
        "trails.command.kind": command.kind,
        "trails.command.status": command.status,
        "trails.command.requested_by": command.requested_by,
        "trails.correlation_id": command.correlation_id,
    }
    if command.phase is not None:
        attributes["trails.cancel.phase"] = command.phase
        attributes["trails.cancel.confirmed"] = command.confirmed
    failed = command.status in {"failed", "expired"}
    return JournalSpan(
        subject=subject,
        trace_id=trace_id_of(command.correlation_id),
        span_id=span_id_of(command.correlation_id, command.app_id),
        parent_span_id=b"" if is_root else span_id_of(command.correlation_id, command.root_id),
        name=f"{command.kind} {command.action}" if command.kind != command.action else command.kind,
        start=command.created_at,
        end=max(at, command.created_at),
        error=(command.error or command.status) if failed else None,
        attributes=attributes,
    )


def ended_commands(entries: Sequence[OutboxEntry]) -> dict[tuple[str, str], OutboxEntry]:
    """Return the entries that end a command for a target, by correlation id and app."""
    ended: dict[tuple[str, str], OutboxEntry] = {}
    for entry in entries:
        if entry.kind != "command":
            continue
        told: _Document = msgspec.json.decode(entry.document)
        if told["status"] in ENDED:
            ended[told["correlation_id"], entry.app_id] = entry
    return ended


def _tell_message(entry: OutboxEntry, subject: Subject) -> JournalLog:
    """Return the log record of a message; its payload stays the text that it is."""
    told = _decode_message(entry.document)
    if told.payload is msgspec.UNSET:
        said = f"{told.payload_bytes} bytes"
    else:
        text = bytes(told.payload)
        # Nearly every client writes no space that could be left out.
        has_space = any(each in text for each in _SPACES)
        said = (msgspec.json.format(text, indent=-1) if has_space else text).decode()
    attributes: dict[str, Attribute] = {
        "trails.event.id": entry.id,
        "trails.seq": told.seq,
        "trails.payload_bytes": told.payload_bytes,
    }
    correlation_id = told.correlation_id
    if correlation_id is not None:
        attributes["trails.correlation_id"] = correlation_id
    if told.is_late:
        attributes["trails.is_late"] = True
    return JournalLog(
        subject=subject,
        at=entry.at,
        severity="ERROR" if told.msg_type == "Error" else "INFO",
        event_name="trails.message",
        body=f"{told.msg_type} {said}",
        attributes=attributes,
        trace_id=b"" if correlation_id is None else trace_id_of(correlation_id),
        span_id=b"" if correlation_id is None else span_id_of(correlation_id, entry.app_id),
        shared=_shared_of(told.msg_type, told.epoch, told.source),
    )


@lru_cache(_SHARED_CACHED)
def _shared_of(msg_type: str, epoch: int, source: str) -> tuple[tuple[str, str | int], ...]:
    return (
        ("trails.msg_type", msg_type),
        ("trails.epoch", epoch),
        ("trails.source", source),
    )


def _attributes(told: _Document) -> dict[str, Attribute]:
    """Return the fields of a document that say something, but for payloads."""
    return {
        f"trails.{name}": value
        for name, value in told.items()
        if isinstance(value, str | int | bool) and name not in {"app_name", "payload"}
    }


def _tell_transition(told: _Document) -> tuple[str, str]:
    before, reason = told.get("from"), told["reason"]
    way = told["to"] if before is None else f"{before} → {told['to']}"
    return SEVERITY_OF_STATUS.get(told["to"], "INFO"), f"{way} ({reason})" if reason else way


def _tell_command(told: _Document) -> tuple[str, str]:
    error = told.get("error")
    body = f"{told['action']} {told['status']}" + ("" if error is None else f": {error}")
    return "WARN" if told["status"] in {"failed", "expired"} else "INFO", body


def _tell_crash(told: _Document) -> tuple[str, str]:
    if told.get("is_recovered"):
        return "INFO", f"{told['crash_type']} was none: the app returned"
    return "ERROR", f"crash: {told['crash_type']}"


def _tell_denied(told: _Document) -> tuple[str, str]:
    count = told.get("count", 1)
    times = f" {count} more times" if count > 1 else ""
    return "WARN", f"{told['action']} denied{times}: {told['detail']}"


_BODIES: Final = {
    "transition": _tell_transition,
    "command": _tell_command,
    "crash": _tell_crash,
    "denied": _tell_denied,
}
