"""The documents of the twin. Times are RFC 3339 UTC with nanoseconds, ids as their writers gave.

Values of state are JSON. Integers that may pass 2^53 stay numbers: they are the user's own.
"""

from __future__ import annotations

from typing import Any

import msgspec


class EventPlace(msgspec.Struct, frozen=True, kw_only=True):
    """Which event, when, and in which span."""

    event_id: str
    at: str
    trace_id: str | None
    span_id: str | None


class Remark(msgspec.Struct, frozen=True, kw_only=True):
    """Something that the reader of a state should know.

    `code`: ``before_first_event``, ``before_first_arrival`` (nothing of it had come by the recorded
    time that was asked for), ``change_after_delete``, ``created_again``, ``bad_value``,
    ``unknown_registry``, ``invariant``, ``clock_skew``, ``events_expired``, ``events_apart`` (over
    a query tier: events that are gone lay on several shards), ``left_out``. Of a process besides:
    ``unknown_phase``, ``phase_not_allowed``, ``phase_after_end``, ``timed_out`` (it ended later
    than its type allows), ``unknown_status``, ``rejected``.
    """

    code: str
    message: str
    event_id: str | None = None
    at: str | None = None
    field: str | None = None


class TwinState(msgspec.Struct, frozen=True, kw_only=True):
    """What an object was at a moment.

    `exists` is false before the first event and after a deletion; then `state` is empty, or the
    last one. `version` counts its changes. `state_hash` is equal for equal states. `phase` and
    `status` are those of a process. `recorded_at` is there where it was asked for: what counts had
    come by then.
    """

    type: str
    id: str
    at: str
    exists: bool
    state: dict[str, Any]
    version: int
    state_hash: str
    created_at: str | None
    updated_at: str | None
    last_event: EventPlace | None
    registry_checksum: str | None
    warnings: list[Remark]
    phase: str | msgspec.UnsetType = msgspec.UNSET
    status: str | msgspec.UnsetType = msgspec.UNSET
    recorded_at: str | msgspec.UnsetType = msgspec.UNSET


class TwinStates(msgspec.Struct, frozen=True, kw_only=True):
    """Several states, in the order asked for."""

    states: list[TwinState]
    count: int
    truncated: bool = False


class ObjectSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One object of a list, as it is now."""

    type: str
    id: str
    exists: bool
    version: int
    events: int
    first_at: str
    last_at: str
    service: str
    state: dict[str, Any]


class ObjectList(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Objects, those that changed last first."""

    objects: list[ObjectSummary]
    count: int
    truncated: bool
    total: int | None = None
    at_least: int | None = None
    next: str | None = None


class TimelineEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event. `changes` are the fields that it sets, `data` what it says besides.

    `verdict` is accepted, warned or rejected; `issues` say why. `received_at` is its recorded time:
    when the server took it in, for the first time where it was sent again.
    """

    event_id: str
    at: str
    seq: int
    type: str
    obj_type: str
    obj_id: str
    name: str | None
    changes: dict[str, Any]
    data: dict[str, Any]
    body: str
    phase: str | None
    status: str | None
    trace_id: str | None
    span_id: str | None
    service: str
    writer: str | None
    registry_checksum: str | None
    verdict: str
    issues: list[dict[str, Any]]
    received_at: str


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of a timeline: how many events, how many of them changes."""

    start: str
    end: str
    events: int
    changes: int


class Timeline(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Events of one object. Those of before `kept_from` are gone, where there is such a moment.

    With `recorded_at` those that had come by then.
    """

    events: list[TimelineEvent]
    count: int
    truncated: bool
    total: int | None = None
    at_least: int | None = None
    next: str | None = None
    kept_from: str | None = None
    recorded_at: str | None = None
    segments: list[Segment] | None = None


class FieldValue(msgspec.Struct, frozen=True, kw_only=True):
    """A value that a field had from an event on, and who set it."""

    value: Any
    previous: Any
    at: str
    version: int
    event_id: str
    type: str
    trace_id: str | None
    span_id: str | None
    service: str


class FieldHistory(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The values of one field, in their order.

    Events of before `kept_from` are gone, and with them the values that they set, but the last.
    With `recorded_at` it is what was known then; where that cannot be told because of events that
    are gone, there are no values and a warning.
    """

    type: str
    id: str
    field: str
    values: list[FieldValue]
    count: int
    truncated: bool
    total: int | None = None
    at_least: int | None = None
    next: str | None = None
    kept_from: str | None = None
    recorded_at: str | None = None
    warnings: list[Remark] = []


class FieldChange(msgspec.Struct, frozen=True, kw_only=True, rename={"from_": "from"}):
    """A field that differs, and the event that set it last."""

    from_: Any
    to: Any
    event: EventPlace | None


class Difference(msgspec.Struct, frozen=True, kw_only=True, rename={"from_": "from"}):
    """What differs between two moments of one object.

    `added_by` is the event that set a field of `added` last, as far as it is kept. Where what was
    known is asked for, `from_recorded_at` and `to_recorded_at` say by when what counts had come.
    """

    type: str
    id: str
    from_: str
    to: str
    added: dict[str, Any]
    removed: dict[str, Any]
    changed: dict[str, FieldChange]
    unchanged: int
    existed: bool
    exists: bool
    versions: int
    warnings: list[Remark]
    added_by: dict[str, EventPlace] = {}
    from_recorded_at: str | msgspec.UnsetType = msgspec.UNSET
    to_recorded_at: str | msgspec.UnsetType = msgspec.UNSET


class Reference(msgspec.Struct, frozen=True, kw_only=True, rename={"from_": "from"}):
    """A field of one object that names another. `is_dangling`: it was not there at that moment."""

    from_: tuple[str, str]
    field: str
    to: tuple[str, str]
    is_dangling: bool


class ObjectGraph(msgspec.Struct, frozen=True, kw_only=True):
    """All objects that references reach from the first one, at one instant: a consistent cut."""

    root: tuple[str, str]
    at: str
    objects: list[TwinState]
    references: list[Reference]
    truncated: bool
    warnings: list[Remark]
    recorded_at: str | msgspec.UnsetType = msgspec.UNSET


class Touched(msgspec.Struct, frozen=True, kw_only=True):
    """An object that a trace touched: its state at the step, and the number of its events."""

    twin: TwinState
    events: int
    changes: int


class TouchedObjects(msgspec.Struct, frozen=True, kw_only=True):
    """The objects that a trace touched, at one of its steps."""

    trace_id: str
    step: int
    steps: int
    at: str | None
    event: TimelineEvent | None
    objects: list[Touched]
    count: int
    truncated: bool


class Participant(msgspec.Struct, frozen=True, kw_only=True):
    """An object that traces touched: how many events are about it, and how many changed it."""

    type: str
    id: str
    events: int
    changes: int
    first_at: str
    last_at: str
    services: list[str]


class ProcessPhase(msgspec.Struct, frozen=True, kw_only=True):
    """A phase that a process was in; `end` is none while it still is.

    `is_allowed` is false where its type has no such phase, or where it may not follow the one
    before it; the process's warnings say which. The event is the one that began it.
    """

    name: str
    start: str
    end: str | None
    duration_ms: float
    event_id: str
    trace_id: str | None
    span_id: str | None
    service: str
    is_allowed: bool


class ProcessTwin(msgspec.Struct, frozen=True, kw_only=True):
    """One process: what it says of itself, its phases, and who took part.

    `status` is started, completed or failed, or what its times say: ``stuck`` where nothing of it
    or of its traces has come for as long as its type allows, ``timed_out`` where more does come and
    it takes longer than that. `trace_id` is that of its first event, or the id that it has as a
    trace; `last_at` is when something of it or of its traces came last. `next_phases` are those
    that may follow. `participants` are the other objects that its traces touched.
    """

    type: str
    id: str
    trace_id: str | None
    trace_ids: list[str]
    status: str
    phase: str | None
    next_phases: list[str]
    started_at: str
    ended_at: str | None
    last_at: str
    duration_ms: float
    timeout_seconds: float | None
    phases: list[ProcessPhase]
    participants: list[Participant]
    services: list[str]
    events: int
    twin: TwinState
    warnings: list[Remark]


class TraceProcesses(msgspec.Struct, frozen=True, kw_only=True):
    """The processes that ran under a trace, those that it touched first standing first."""

    trace_id: str
    at: str
    processes: list[ProcessTwin]
    count: int
    truncated: bool


class ProcessSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One process of a list, as it is now. Its fields mean what those of `ProcessTwin` do."""

    type: str
    id: str
    trace_id: str | None
    status: str
    phase: str | None
    started_at: str
    ended_at: str | None
    last_at: str
    duration_ms: float
    timeout_seconds: float | None
    services: list[str]
    events: int


class ProcessList(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Processes, those that started last first."""

    processes: list[ProcessSummary]
    count: int
    truncated: bool
    total: int | None = None
    at_least: int | None = None
    next: str | None = None


class RejectedList(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Events that do not count, the newest first, and how many there are by code."""

    events: list[TimelineEvent]
    by_code: dict[str, int]
    count: int
    truncated: bool
    total: int | None = None
    at_least: int | None = None
    next: str | None = None


class RegistryVersion(msgspec.Struct, frozen=True, kw_only=True):
    """A registry that the server was given. `is_current`: the newest of its name."""

    name: str
    version: str
    checksum: str
    stored_at: str
    stored_by: str
    objects: int
    processes: int
    is_current: bool


class RegistryList(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Registries, the newest first.

    `conflicts` tells, of a query tier, where its shards hold events to different versions.
    """

    registries: list[RegistryVersion]
    count: int
    truncated: bool
    total: int | None = None
    next: str | None = None
    conflicts: list[str] = []


class RegistryStored(msgspec.Struct, frozen=True, kw_only=True):
    """What a registry that was given changes; `created` is false where it was there already.

    `breaking` also tells what a current registry of another name says otherwise of one type.
    """

    name: str
    version: str
    checksum: str
    created: bool
    breaking: list[str]
    compatible: list[str]
