"""The course of an object's events: its state after each, what changed, and how often."""

from __future__ import annotations

import importlib
import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import msgspec

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import NS_PER_S, NS_PER_US, TIME_NS_MAX, format_time, parse_duration_ns
from clew.twin.fold import Folded, put_in_order
from clew.twin.reconstructor.moments import read_time, to_datetime
from clew.twin.reconstructor.transitions import (
    FieldChange,
    StateTransition,
    compute_diff,
    name_transition,
)

if TYPE_CHECKING:
    from pathlib import Path

    from clew.twin.events import Event
    from clew.twin.reconstructor.moments import When
    from clew.twin.reconstructor.source import Subject

SEGMENTS_MAX: Final = 10_000
"""Stretches of one answer, as a server gives them."""


@dataclass(frozen=True, slots=True)
class TimelineSegment:
    """A stretch of a timeline, from `start` up to, not including, `end`."""

    start: datetime
    end: datetime
    events: list[Event]

    @property
    def count(self) -> int:
        """How many events there were."""
        return len(self.events)

    @property
    def rate(self) -> float:
        """Events for each second."""
        return self.count / (self.end - self.start).total_seconds()


@dataclass(frozen=True, slots=True)
class TimelineSummary:
    """A timeline in numbers. `fields` counts how often each field was set to something else."""

    events: int
    changes: int
    first: datetime | None
    last: datetime | None
    duration_s: float
    by_type: dict[str, int]
    fields: dict[str, int]
    most_changed_field: str | None


@dataclass(frozen=True, slots=True)
class _Beginning:
    """What an object was before the events of a timeline; deleted if it was there and is not."""

    state: Mapping[str, Any] = field(default_factory=dict)
    exists: bool = False
    was_there: bool = False


class Timeline(Sequence["Event"]):
    """Events in the order that decides, each once, and the states that they make.

    `initial_state` is what the object was before the first of them. Moments are whatever
    `Reconstructor.reconstruct` takes for a time. Memory: the events; states are made as they are
    asked for.
    """

    def __init__(
        self, events: Iterable[Event], initial_state: Mapping[str, Any] | None = None
    ) -> None:
        self._events = _order(events)
        is_given = initial_state is not None
        self._beginning = _Beginning(initial_state or {}, exists=is_given, was_there=is_given)

    def __len__(self) -> int:
        return len(self._events)

    def __iter__(self) -> Iterator[Event]:
        return iter(self._events)

    def __getitem__(self, place: Any) -> Any:
        """Return an event, or a list of some."""
        return self._events[place]

    def __repr__(self) -> str:
        names = ", ".join(f"{obj_type} {obj_id}" for obj_type, obj_id in self.objects[:3])
        return f"<timeline of {names or 'nothing'}: {len(self)} events>"

    @property
    def events(self) -> list[Event]:
        """The events in order."""
        return list(self._events)

    @property
    def objects(self) -> list[Subject]:
        """The objects that the events are of, by type and id."""
        return sorted({(each.obj_type, each.obj_id) for each in self._events})

    def state_at(self, when: When) -> dict[str, Any]:
        """Return the state at a moment, that moment included; None is after the last event.

        Raises:
            ClewError: INVALID_ARGUMENT when the events are of several objects.
        """
        until = None if when is None else read_time(when)
        return self._fold(each for each in self._events if until is None or each.at <= until).state

    def states_at(self, when: When) -> dict[Subject, dict[str, Any]]:
        """Return the state of each object at a moment; those that are not there are left out."""
        until = None if when is None else read_time(when)
        found: dict[Subject, Folded] = {}
        for event in self._events:
            if until is None or event.at <= until:
                found.setdefault((event.obj_type, event.obj_id), Folded()).apply(event)
        return {subject: folded.state for subject, folded in found.items() if folded.exists}

    def state_after_event(self, index: int) -> dict[str, Any]:
        """Return the state just after an event, counted from 0; negative from the end.

        Raises:
            ClewError: as `state_at`.
            IndexError: there are not so many.
        """
        place = range(len(self._events))[index]
        return self._fold(self._events[: place + 1]).state

    @property
    def transitions(self) -> list[StateTransition]:
        """Each event that changed the object, with the states around it. Holds every state."""
        return list(self.walk())

    def walk(self) -> Iterator[StateTransition]:
        """Yield each event that changed the object, with the states around it."""
        folded = self._begin()
        before = dict(folded.state)
        for event in self._events:
            was_there = folded.exists
            if not folded.apply(event):
                continue
            after = dict(folded.state) if folded.exists else {}
            yield StateTransition(
                name_transition(event, was_there=was_there),
                before,
                after,
                compute_diff(before, after),
                event,
            )
            before = after

    def filter(
        self,
        event_type: str | Collection[str] | None = None,
        fields: Collection[str] | None = None,
        start: When = None,
        end: When = None,
    ) -> Timeline:
        """Return the events that all of this holds for, `start` and `end` inclusive.

        Those before `start` are the new timeline's initial state. With `event_type` or `fields` its
        states are those that the events that are left make.
        """
        first, last = read_time(start), read_time(end)
        types = {event_type} if isinstance(event_type, str) else set(event_type or ())
        wanted = set(fields or ())
        kept = [
            each
            for each in self._events
            if (first is None or first <= each.at)
            and (last is None or each.at <= last)
            and (not types or each.type in types)
            and (not wanted or not wanted.isdisjoint(each.patch))
        ]
        made = Timeline(kept)
        made._beginning = self._beginning
        if first is not None and len(self.objects) <= 1:
            before = self._fold(each for each in self._events if each.at < first)
            made._beginning = _Beginning(before.state, before.exists, before.version > 0)
        return made

    def segment_by(
        self, interval: str | float | timedelta, *, include_empty: bool = True
    ) -> list[TimelineSegment]:
        """Return the events by stretches of a length: ``"1m"``, seconds, or a timedelta.

        Stretches begin at whole multiples of their length since 1970.
        Raises: ClewError INVALID_ARGUMENT for no length, or more than `SEGMENTS_MAX` stretches.
        """
        length = _read_length(interval)
        buckets: dict[int, list[Event]] = {}
        for event in self._events:
            buckets.setdefault(event.at // length, []).append(event)
        if not buckets:
            return []
        places: Collection[int] = buckets
        if include_empty:
            places = range(min(buckets), max(buckets) + 1)
        if len(places) > SEGMENTS_MAX:
            raise ClewError(
                ErrorCode.INVALID_ARGUMENT,
                f"more than {SEGMENTS_MAX} segments",
                hint="choose longer ones, or include_empty=False",
            )
        return [
            TimelineSegment(
                to_datetime(place * length),
                to_datetime((place + 1) * length),
                buckets.get(place, []),
            )
            for place in sorted(places)
        ]

    def find_field_changes(self, name: str) -> list[FieldChange]:
        """Return each change of a field's value; a value that is gone reads None."""
        return [
            FieldChange(name, each.from_state.get(name), each.to_state.get(name), event)
            for each in self.walk()
            if name in each.changed_fields
            for event in (each.triggering_event,)
        ]

    def field_history(self, name: str) -> list[tuple[datetime, Any]]:
        """Return the values that a field got, and when."""
        return [(to_datetime(each.event.at), each.new) for each in self.find_field_changes(name)]

    def summary(self) -> TimelineSummary:
        """Return the timeline in numbers."""
        fields: Counter[str] = Counter()
        changes = 0
        for subject in self.objects:
            for each in self._of(subject).walk():
                changes += 1
                fields.update(each.changed_fields)
        first = self._events[0].at if self._events else None
        last = self._events[-1].at if self._events else None
        return TimelineSummary(
            events=len(self._events),
            changes=changes,
            first=None if first is None else to_datetime(first),
            last=None if last is None else to_datetime(last),
            duration_s=((last or 0) - (first or 0)) / NS_PER_S,
            by_type=dict(Counter(each.type.value for each in self._events).most_common()),
            fields=dict(fields.most_common()),
            most_changed_field=fields.most_common(1)[0][0] if fields else None,
        )

    def to_dicts(self) -> list[dict[str, Any]]:
        """Return the events as rows, the fields that each sets beside what it is.

        A field whose name is one of the event's own columns stands under ``field.<name>``.
        """
        rows = []
        for each in self._events:
            row = {
                "timestamp": to_datetime(each.at),
                "at": format_time(each.at),
                "event_id": each.event_id,
                "event_type": each.type.value,
                "obj_type": each.obj_type,
                "obj_id": each.obj_id,
                "name": each.name,
                "service": each.service,
                "trace_id": each.trace_id,
                "span_id": each.span_id,
            }
            fields = {f"field.{n}" if n in row else n: value for n, value in each.patch.items()}
            rows.append(row | fields)
        return rows

    def to_dataframe(self) -> Any:
        """Return the events as a pandas DataFrame.

        Raises:
            ClewError: UNSUPPORTED when pandas is not installed.
        """
        return _import("pandas").DataFrame(self.to_dicts())

    def to_parquet(self, path: str | Path) -> None:
        """Write the events as a Parquet file; lists and dictionaries keep their shapes.

        A field whose values are of several kinds is a column of JSON texts.

        Raises:
            ClewError: UNSUPPORTED when pyarrow is not installed.
        """
        arrow, parquet = _import("pyarrow"), _import("pyarrow.parquet")
        rows = self.to_dicts()
        names = dict.fromkeys(name for row in rows for name in row)
        columns = {name: _column(arrow, [row.get(name) for row in rows]) for name in names}
        parquet.write_table(arrow.table(columns), path)

    def _of(self, subject: Subject) -> Timeline:
        if len(self.objects) <= 1:
            return self
        return Timeline(each for each in self._events if (each.obj_type, each.obj_id) == subject)

    def _begin(self) -> Folded:
        if len(self.objects) > 1:
            raise ClewError(
                ErrorCode.INVALID_ARGUMENT,
                "the timeline is of several objects, whose states are not to be mixed",
                hint="states_at(…) gives each of them",
            )
        beginning = self._beginning
        return Folded(
            exists=beginning.exists,
            state=dict(beginning.state),
            # Whatever it is: nothing ends what never began.
            version=int(beginning.was_there),
        )

    def _fold(self, events: Iterable[Event]) -> Folded:
        folded = self._begin()
        for event in events:
            folded.apply(event)
        return folded


def merge_timelines(*timelines: Iterable[Event]) -> Timeline:
    """Return the events of several timelines as one, in order.

    Where they are of several objects, each keeps a state of its own: see `Timeline.states_at`.
    """
    return Timeline(event for timeline in timelines for event in timeline)


def _order(events: Iterable[Event]) -> list[Event]:
    """Return events in order, each once; those of two objects are two, whatever their ids."""
    groups: dict[Subject, list[Event]] = {}
    for event in events:
        groups.setdefault((event.obj_type, event.obj_id), []).append(event)
    if len(groups) == 1:
        return put_in_order(*groups.values())
    ordered = (event for group in groups.values() for event in put_in_order(group))
    return sorted(ordered, key=lambda each: each.order)


def _read_length(interval: str | float | timedelta) -> int:
    match interval:
        case timedelta():
            length = interval // timedelta(microseconds=1) * NS_PER_US
        case str():
            length = parse_duration_ns(interval, bare=NS_PER_S)
        case _:
            ns = interval * NS_PER_S
            length = int(ns) if math.isfinite(ns) else 0
    if not NS_PER_US <= length <= TIME_NS_MAX:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            "a segment is a microsecond long at least, and no longer than times reach",
            hint="write 1m, 30s, or a timedelta",
        )
    return length


def _column(arrow: Any, values: list[Any]) -> Any:
    """Return values as an array of Arrow: of their one kind, else of JSON texts; absent is null."""
    try:
        return arrow.array(values)
    except (arrow.ArrowException, OverflowError, TypeError, ValueError):
        texts = [None if each is None else msgspec.json.encode(each).decode() for each in values]
        return arrow.array(texts)


def _import(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise ClewError(
            ErrorCode.UNSUPPORTED,
            f"{package} is not installed",
            hint=f"pip install {package}",
        ) from error
