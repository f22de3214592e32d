"""What may be asked of the twin: parameters of REST and flags of the CLI have these names.

Times follow the one grammar of `clew.base.times`. Where a moment is asked for, `at` also takes a
place in the course of events: ``event:ID`` (just after that event) or ``span:ID`` (just after the
last event of that span). Moments are inclusive.

`recorded_at` asks for what was known by a time: only events count that the server had taken in by
then, that time included. An event that was sent again counts from its first arrival on. ``then`` is
the moment's own time, so that each moment is as it would have been seen then. Left out, all counts
that is known now. Places of events and spans are found whenever they came.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

LIMIT_DEFAULT: Final = 100
LIMIT_MAX: Final = 10_000
"""As for every list of the REST door."""

INSTANTS_MAX: Final = 1000
"""Moments that one question asks for: a slider has fewer pixels."""

STATES_MAX: Final = 1000
"""Objects that one question asks for."""

DEPTH_MAX: Final = 32
"""References that a graph follows in a row."""

OBJECTS_MAX: Final = 1000
"""Objects of one graph: what does not fit is said to be left out."""

PROCESSES_DEFAULT: Final = 20
PROCESSES_MAX: Final = 100
"""Processes of one trace: each is answered with its phases and all that took part."""

ProcessStatus = Literal["started", "completed", "failed", "stuck", "timed_out"]

EventKind = Literal[
    "created",
    "state_change",
    "phase_change",
    "snapshot",
    "deleted",
    "event",
    "action",
    "log",
]


class PageParameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of a list."""

    limit: int = LIMIT_DEFAULT
    next: str | None = None


class ObjectQuery(PageParameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which objects, those that changed last first: all that is given holds.

    `id` is the whole id of an object whose type is not known, `text` a part of it. The time range
    is that of an object's events. `deleted` includes those that are gone.
    """

    type: str | None = None
    id: str | None = None
    text: str | None = None
    service: str | None = None
    last: str | None = None
    start: str | None = None
    end: str | None = None
    deleted: bool = False


class StateQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The state at a moment; when `at` is left out, by all that is known.

    `raw` leaves the values as they were sent; else each is what its field says.
    """

    at: str | None = None
    recorded_at: str | None = None
    raw: bool = False


class InstantsQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The states of one object at several moments: `at` repeated, or `steps` over a range."""

    at: list[str] = []
    start: str | None = None
    end: str | None = None
    recorded_at: str | None = None
    steps: Annotated[int, msgspec.Meta(ge=1, le=INSTANTS_MAX)] | None = None


class StatesQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The states of several objects at one moment. Each is ``[type, id]``."""

    objects: list[tuple[str, str]]
    at: str | None = None
    recorded_at: str | None = None


class TimelineQuery(PageParameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which events of an object, the oldest first unless `newest_first`.

    `event_type` may be repeated; `field` keeps those that set one of the fields, `changes` those
    that changed the object. `segment` (a duration) counts the events of each stretch as well.
    """

    event_type: list[EventKind] = []
    field: list[str] = []
    changes: bool = False
    last: str | None = None
    start: str | None = None
    end: str | None = None
    recorded_at: str | None = None
    newest_first: bool = False
    segment: str | None = None


class HistoryQuery(PageParameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The values of a field in their order, each with the event and the span that set it.

    `distinct` leaves out events that set the value that was there.
    """

    last: str | None = None
    start: str | None = None
    end: str | None = None
    recorded_at: str | None = None
    distinct: bool = True
    newest_first: bool = False


class DifferenceQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What differs between two moments; `to` is now when it is left out.

    With a time for `recorded_at` both are by what was known then, with ``then`` each is by what was
    known at its own moment.
    """

    from_: str = msgspec.field(name="from")
    to: str | None = None
    recorded_at: str | None = None


class GraphQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All objects that references reach from one, as they were at one moment."""

    at: str | None = None
    recorded_at: str | None = None
    depth: Annotated[int, msgspec.Meta(ge=0, le=DEPTH_MAX)] = 8
    limit: Annotated[int, msgspec.Meta(ge=1, le=OBJECTS_MAX)] = OBJECTS_MAX


class TouchedQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The objects that a trace touched, with their states at one of its steps.

    `step` counts the trace's events from 1; 0 is before the first, and the last one when left out.
    """

    step: Annotated[int, msgspec.Meta(ge=0)] | None = None
    limit: int = LIMIT_DEFAULT


class ProcessQuery(PageParameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which processes, those that started last first: all that is given holds.

    `status` is what a process says, or what its times say (``stuck``, ``timed_out``); repeated,
    any of them. `phase` is the one that it is in, or was in last. The time range is that of its
    events; `service` sent some of them.
    """

    type: str | None = None
    phase: str | None = None
    status: list[ProcessStatus] = []
    service: str | None = None
    last: str | None = None
    start: str | None = None
    end: str | None = None


class TraceProcessQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The processes of a trace as they were at a moment, now when `at` is left out."""

    at: str | None = None
    limit: int = PROCESSES_DEFAULT


class RejectedQuery(PageParameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which events do not count, the newest first; `warned`: those that validation wonders at."""

    type: str | None = None
    id: str | None = None
    code: str | None = None
    service: str | None = None
    last: str | None = None
    start: str | None = None
    end: str | None = None
    warned: bool = False
