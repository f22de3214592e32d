"""The flags of the twin's commands, by the names of its parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from clew.surfaces.cli.completion import complete_types
from clew.surfaces.cli.flags import (
    FILTERS,
    PAGE,
    PageNumber,
    PageText,
    Service,
    Switch,
    TimeFlags,
    read_whole_number,
)
from clew.twin.parameters import EventKind, ProcessStatus


@Parameter(name="*", group=PAGE)
@dataclass(frozen=True, kw_only=True)
class PartFlags(TimeFlags):
    """`PageParameters`, and the time range that every paged question of the twin takes."""

    limit: PageNumber = None
    """Items of one page, at most 10000. [default: 100]"""

    next: PageText = None
    """The cursor of the answer before."""


@Parameter(name="*", group=FILTERS)
@dataclass(frozen=True, kw_only=True)
class ObjectFlags(PartFlags):
    """`ObjectQuery`, but for the type, which is the argument."""

    id: str | None = None
    """The whole id of an object whose type you do not know."""

    text: str | None = None
    """A part of the id."""

    service: Service = None
    """Exact name of the service that changed it."""

    deleted: Switch = False
    """Those that are gone as well."""


@Parameter(name="*", group=FILTERS)
@dataclass(frozen=True, kw_only=True)
class StateFlags:
    """`StateQuery`."""

    at: str | None = None
    """A time, 15m (ago), or the place of an event or a span: event:ID, span:ID. [default: now]"""

    recorded_at: str | None = None
    """By what was known then: a time, 15m (ago), or then for the moment's own. [default: now]"""

    raw: Switch = False
    """Values as they were sent, not as the registry's fields say."""


@Parameter(name="*", group=FILTERS)
@dataclass(frozen=True, kw_only=True)
class GraphFlags:
    """`GraphQuery`."""

    at: str | None = None
    """A time, 15m (ago), or the place of an event or a span: event:ID, span:ID. [default: now]"""

    recorded_at: str | None = None
    """By what was known then: a time, 15m (ago), or then for the moment's own. [default: now]"""

    depth: Annotated[int | None, Parameter(converter=read_whole_number)] = None
    """References followed in a row, at most 32. [default: 8]"""

    limit: PageNumber = None
    """Objects at most. [default: 1000]"""


@Parameter(name="*", group=FILTERS)
@dataclass(frozen=True, kw_only=True)
class TouchedFlags:
    """`TouchedQuery`."""

    step: Annotated[int | None, Parameter(converter=read_whole_number)] = None
    """After so many events of the trace; 0 is before the first. [default: after the last]"""

    limit: PageNumber = None
    """Objects at most. [default: 100]"""


@Parameter(name="*", group=FILTERS)
@dataclass(frozen=True, kw_only=True)
class TimelineFlags(PartFlags):
    """`TimelineQuery`."""

    event_type: Annotated[
        list[EventKind] | None, Parameter(negative=(), consume_multiple=False)
    ] = None
    """Repeatable: one of these kinds."""

    field: Annotated[list[str] | None, Parameter(negative=(), consume_multiple=False)] = None
    """Repeatable: only events that set one of these fields."""

    changes: Switch = False
    """Only events that changed the object."""

    recorded_at: str | None = None
    """By what was known then: a time, or 15m (ago). [default: now]"""

    newest_first: Switch = False
    """The newest first. [default: the oldest first]"""

    segment: str | None = None
    """Count the events of each stretch of this length as well: 1m, 1h."""


@Parameter(name="*", group=FILTERS)
@dataclass(frozen=True, kw_only=True)
class HistoryFlags(PartFlags):
    """`HistoryQuery`."""

    distinct: Annotated[bool, Parameter(show_default=False)] = True
    """Leave out events that set the value that was there. [default: true]"""

    recorded_at: str | None = None
    """By what was known then: a time, or 15m (ago). [default: now]"""

    newest_first: Switch = False
    """The newest first. [default: the oldest first]"""


@Parameter(name="*", group=FILTERS)
@dataclass(frozen=True, kw_only=True)
class DifferenceFlags:
    """`DifferenceQuery`."""

    from_: Annotated[str, Parameter(name="--from")]
    """A time, 15m (ago), event:ID or span:ID."""

    to: str | None = None
    """The other moment, likewise. [default: now]"""

    recorded_at: str | None = None
    """By what was known then: a time, 15m (ago), or then for each moment's own. [default: now]"""


@Parameter(name="*", group=FILTERS)
@dataclass(frozen=True, kw_only=True)
class RejectedFlags(PartFlags):
    """`RejectedQuery`."""

    type: Annotated[str | None, Parameter(completer=complete_types)] = None
    """Only of objects of this type."""

    id: str | None = None
    """Only of this object."""

    code: str | None = None
    """Only for this reason, such as INVALID_VALUE."""

    service: Service = None
    """Exact name of the service that sent it."""

    warned: Switch = False
    """Those that count, and that validation wonders at, instead."""


@Parameter(name="*", group=FILTERS)
@dataclass(frozen=True, kw_only=True)
class ProcessFlags(PartFlags):
    """`ProcessQuery`, but for the type, which is the argument."""

    status: Annotated[
        list[ProcessStatus] | None, Parameter(negative=(), consume_multiple=False)
    ] = None
    """Repeatable: what a process says, or what its times say: stuck, timed_out."""

    phase: str | None = None
    """Only those that are in this phase, or ended in it."""

    service: Service = None
    """Exact name of a service that sent some of its events."""


@Parameter(name="*", group=FILTERS)
@dataclass(frozen=True, kw_only=True)
class TraceProcessFlags:
    """`TraceProcessQuery`."""

    at: str | None = None
    """A time, 15m (ago), or the place of an event or a span: event:ID, span:ID. [default: now]"""

    limit: PageNumber = None
    """Processes at most. [default: 20]"""
