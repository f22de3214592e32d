"""What may be taken out of the twin whole: objects as they were, and events, as rows of a table.

Parameters of REST and flags of the CLI have these names, as those of `clew.twin.parameters`.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from clew.twin.parameters import EventKind

ExportFormat = Literal["ndjson", "parquet"]


class ObjectExport(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which objects, and at which moment: now when `at` is left out.

    The time range is that of an object's events. `deleted` includes those that were gone by then;
    those that were not there yet are left out. In Parquet each field of the `type` is a column.
    """

    type: str | None = None
    id: str | None = None
    text: str | None = None
    service: str | None = None
    last: str | None = None
    start: str | None = None
    end: str | None = None
    deleted: bool = False
    at: str | None = None
    format: ExportFormat = "ndjson"


class EventExport(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which events that count, of one object or of many.

    `changes` keeps those that changed an object. In Parquet each field of the `type` is a column.
    """

    type: str | None = None
    id: str | None = None
    text: str | None = None
    service: str | None = None
    trace_id: str | None = None
    event_type: list[EventKind] = []
    changes: bool = False
    last: str | None = None
    start: str | None = None
    end: str | None = None
    format: ExportFormat = "ndjson"
