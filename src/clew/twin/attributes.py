"""The names that a fingerprint carries on its OpenTelemetry log record.

A fingerprint is a log record that says which object it is about (`OBJ_ID`, `OBJ_TYPE`) and what
kind of event it is (`EVENT_TYPE`). Fields of the object stand under the prefix of its type
(``shopping_cart.item_count``), what a program says besides under `EVENT_DATA`. Every name that
begins with `RESERVED` is ours: nothing in a program's data can overwrite who an object is.
"""

from __future__ import annotations

from typing import Final

RESERVED: Final = "trilog."

OBJ_ID: Final = "trilog.obj.id"
OBJ_TYPE: Final = "trilog.obj.type"
OBJ_VERSION: Final = "trilog.obj.version"
"""The version that the writer believes it makes; taken from older writers, and never obeyed."""

OBJ_NULLS: Final = "trilog.obj.nulls"
"""Names of the fields that the event sets to null, as an array: attributes have no null."""

ANCHOR_CREATED_AT: Final = "trilog.anchor.created_at"
ANCHOR_DEPTH: Final = "trilog.anchor.depth"
"""How deep the anchor lies among those open, the outermost being 0."""

META: Final = "trilog.meta."
"""What an anchor was given besides its object: ``trilog.meta.<name>``."""

EVENT_TYPE: Final = "trilog.event.type"
EVENT_NAME: Final = "trilog.event.name"
EVENT_ID: Final = "trilog.event.id"
"""UUIDv7 in its canonical text. Records with the same id are one event."""

EVENT_SEQ: Final = "trilog.event.seq"
"""The writer's own count of its events, from 1: what orders those of one nanosecond."""

EVENT_WRITER: Final = "trilog.event.writer"
"""Which writer counts, where the resource does not tell: a forked child has its parent's."""

EVENT_DATA: Final = "event."
"""What an event or action says besides: ``event.<name>``. It never changes state."""

ACTION_NAME: Final = "trilog.action.name"
REGISTRY_CHECKSUM: Final = "trilog.registry.checksum"

LOG_CATEGORY: Final = "trilog.log.category"
LOG_TIMESTAMP: Final = "trilog.log.timestamp"
ERROR_TYPE: Final = "error.type"
ERROR_MESSAGE: Final = "error.message"

PROCESS_TYPE: Final = "trilog.process.type"
PROCESS_STATUS: Final = "trilog.process.status"
PROCESS_STARTED_AT: Final = "trilog.process.started_at"
PROCESS_TRACE_ID: Final = "trilog.process.trace_id"
PROCESS_PHASE: Final = "trilog.process.current_phase"

OLD_EVENT_NAME: Final = "event_name"
OLD_ACTION_NAME: Final = "action_name"
"""How older writers name an event and an action; read, never written."""

EXPECTED: Final = frozenset(
    {
        OBJ_ID,
        OBJ_TYPE,
        OBJ_VERSION,
        OBJ_NULLS,
        ANCHOR_CREATED_AT,
        ANCHOR_DEPTH,
        EVENT_TYPE,
        EVENT_NAME,
        EVENT_ID,
        EVENT_SEQ,
        EVENT_WRITER,
        ACTION_NAME,
        REGISTRY_CHECKSUM,
        LOG_CATEGORY,
        LOG_TIMESTAMP,
        PROCESS_TYPE,
        PROCESS_STATUS,
        PROCESS_STARTED_AT,
        PROCESS_TRACE_ID,
        PROCESS_PHASE,
    }
)
"""Every reserved name that we write or read; `META` begins any number of others."""
