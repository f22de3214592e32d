"""`Reconstructor`: objects as they were, from a server, a database, or events at hand.

Theory of operation. A server folds by itself, quickest and with all registries; that is what is
asked where its answer is the program's too. Where the program knows more than the server (its
upcasters, fields that it renamed), where the events are wanted as well, or where the source has
nothing but events, they are read and folded here. Both are the same by the definition of
`clew.twin.fold`.

What this process itself has said of objects is sent before it asks: its own writes are seen.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self, TypedDict

from clew.base.errors import ClewError, ErrorCode
from clew.twin.blueprint.entity import Entity
from clew.twin.blueprint.registry import Registry
from clew.twin.reconstructor.blueprints import Blueprint, Blueprints
from clew.twin.reconstructor.graph import bound_of, choose_step, read_graph, read_touched
from clew.twin.reconstructor.moments import read_moment, read_time
from clew.twin.reconstructor.naming import (
    check_count,
    check_depth,
    check_name,
    check_trace,
    read_kind,
    read_registry,
    read_strategy,
    read_subject,
)
from clew.twin.reconstructor.replay import fold_state, modernise, read_patches
from clew.twin.reconstructor.result import (
    ReconstructionResult,
    ReconstructionStrategy,
    make_metadata,
)
from clew.twin.reconstructor.server import open_source
from clew.twin.reconstructor.source import find_type
from clew.twin.reconstructor.timeline import Timeline
from clew.twin.reconstructor.transitions import Change, compute_diff

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from types import TracebackType

    from clew.twin import documents as doc
    from clew.twin.events import Event, Order
    from clew.twin.reconstructor.graph import Known
    from clew.twin.reconstructor.moments import Moment, When
    from clew.twin.reconstructor.source import Source, Subject
    from clew.twin.reconstructor.transitions import FieldChange

CACHED_MAX: Final = 256
"""Results that a reconstructor keeps for `ReconstructionStrategy.CACHED`: a slider's stops."""

FLUSH_MS_MAX: Final = 2_000
"""How long a question waits for this process's own events to leave: as long as its end would."""

GRAPH_DEPTH: Final = 8
"""References that a graph follows in a row, unless more are asked for."""

Named = str | Entity
"""An object by its id, or any instance of it."""

Kind = str | type[Entity] | None
"""A type by its name or class; None where the id tells."""


class StateComparison(TypedDict):
    """What differs between two moments; see `compute_diff`."""

    time_a: str
    time_b: str
    added: dict[str, Any]
    removed: dict[str, Any]
    changed: dict[str, Change]
    unchanged_count: int


class Reconstructor:
    """Objects as they were at any moment. Safe to use from any thread.

    `client` is the address of a clew server, or nothing for the one of CLEW_SERVER (this machine's
    by default); or a client of ours, or one of ClickHouse (clickhouse-connect), whose table of
    events is read directly; or a `Source`. `registry` is a `Registry` or the file of one. Without
    it the classes that this process defined are used, else the server's registries; what nobody
    describes is shown as it was sent.

    Raises ClewError from every method: UNAVAILABLE when nothing answers, INVALID_ARGUMENT for what
    cannot be asked, NOT_FOUND for an object that nothing is known of. OSError, as it is made, when
    the file cannot be read.
    """

    def __init__(
        self,
        client: Any = None,
        registry: Registry | str | Path | None = None,
        *,
        api_key: str | None = None,
    ) -> None:
        self._source: Source = open_source(client, api_key)
        self._blueprints = Blueprints(self._source, read_registry(registry))
        self._cached: OrderedDict[object, ReconstructionResult] = OrderedDict()
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of connections; repeatable, and not needed at the end of a process."""
        self._source.close()

    def reconstruct(
        self,
        obj_id: Named,
        target_time: When = None,
        obj_type: Kind = None,
        strategy: ReconstructionStrategy | str = ReconstructionStrategy.SNAPSHOT_DELTA,
        include_events: bool = False,
        *,
        recorded_at: When = None,
    ) -> ReconstructionResult:
        """Return an object as it was at a moment, that moment included; None is now.

        Before its first event it does not exist: `exists` is false, a warning says when the first
        event is, and every field reads None. After its deletion it is the last one there was.
        `obj_type` may be left out where objects of one type alone have the id. `include_events`
        brings the events along. `recorded_at` asks for what was known then: only what the server
        had taken in by that time counts; ``"then"`` is the moment's own time, None is now.

        Raises:
            ClewError: NOT_FOUND when no event of the object is known, at any time; CONFLICT when
                objects of several types have the id; UNSUPPORTED for a recorded time where the
                source cannot tell when events came.
        """
        started = time.perf_counter_ns()
        chosen = read_strategy(strategy)
        moment = read_moment(target_time, recorded_at)
        flush_own_events()
        subject, own = self._find_subject(obj_id, obj_type)
        key = (subject, moment, include_events)
        if chosen is ReconstructionStrategy.CACHED and target_time is not None:
            with self._lock:
                if key in self._cached:
                    self._cached.move_to_end(key)
                    return self._cached[key]
        is_full = chosen is ReconstructionStrategy.FULL_REPLAY
        document = None
        if not (is_full or include_events or own.needs_events):
            document = self._source.find_state(subject, moment.text, moment.recorded_at)
        if document is None:
            result = self._replay(subject, moment, own, chosen, started, with_events=include_events)
        else:
            result = self._finish(document, own, chosen, started)
        if chosen is ReconstructionStrategy.CACHED and target_time is not None:
            self._keep(key, result)
        return result

    def _keep(self, key: object, result: ReconstructionResult) -> None:
        with self._lock:
            self._cached[key] = result
            while len(self._cached) > CACHED_MAX:
                self._cached.popitem(last=False)

    def _finish(
        self,
        document: doc.TwinState,
        own: Blueprint,
        strategy: ReconstructionStrategy,
        started: int,
    ) -> ReconstructionResult:
        """Return what the source folded."""
        blueprint = self._blueprints.find(own, document.type, document.registry_checksum)
        elapsed = time.perf_counter_ns() - started
        return ReconstructionResult(
            document,
            blueprint,
            [],
            lambda state: make_metadata(
                document, state, strategy, replayed=None, elapsed_ns=elapsed
            ),
            has_events=False,
        )

    def _replay(
        self,
        subject: Subject,
        moment: Moment,
        own: Blueprint,
        strategy: ReconstructionStrategy,
        started: int,
        *,
        with_events: bool,
    ) -> ReconstructionResult:
        """Return what events come to that are read and folded here."""
        until = self._place(subject, moment)
        recorded = moment.find_recorded(until)
        folded = self._fold(subject, until, own, changes=not with_events, recorded=recorded)
        elapsed = time.perf_counter_ns() - started
        document, events = folded.document, folded.events
        return ReconstructionResult(
            document,
            folded.blueprint,
            events if with_events else [],
            lambda state: make_metadata(
                document, state, strategy, replayed=events, elapsed_ns=elapsed
            ),
            has_events=with_events,
        )

    def _fold(
        self,
        subject: Subject,
        until: Order | int,
        own: Blueprint,
        *,
        changes: bool = True,
        recorded: int | None = None,
    ) -> _Folded:
        """Read the events of an object up to a time, or a place in the order, and fold them."""
        at = until if isinstance(until, int) else until.at
        read = self._read(subject, until=at, changes=changes, recorded=recorded)
        checksum = max(read, key=lambda each: each.order).checksum if read else ""
        blueprint = self._blueprints.find(own, subject[0], checksum)
        modern = modernise(
            (each for each in read if _is_within(each, until)),
            blueprint.schema,
            blueprint.upcasters,
        )
        first = self._find_first(subject, recorded) if not modern.events else None
        document = fold_state(
            subject, modern, blueprint.schema, at=at, first=first, recorded=recorded
        )
        return _Folded(document, blueprint, modern.events)

    def _read(
        self, subject: Subject, *, until: int | None, changes: bool, recorded: int | None
    ) -> list[Event]:
        """Return the events of an object up to a time, those that had come by another."""
        if recorded is None:
            return self._source.read_events(subject, start=None, until=until, changes=changes)
        return self._source.read_recorded(
            subject, until=until, changes=changes, recorded_at=recorded
        )

    def _find_first(self, subject: Subject, recorded: int | None) -> int | None:
        """Return when an object's first event was, of any type."""
        events = self._read(subject, until=None, changes=False, recorded=recorded)
        return min((each.at for each in events), default=None)

    def reconstruct_batch(
        self,
        objects: Iterable[Named | Subject],
        target_time: When = None,
        obj_type: Kind = None,
        *,
        recorded_at: When = None,
    ) -> dict[Any, ReconstructionResult | None]:
        """Return several objects as they were at one moment, each under what it was asked by.

        Objects are ids, instances, or pairs of type and id. One that no event is known of is None.
        `recorded_at` is as for `reconstruct`.
        """
        moment = read_moment(target_time, recorded_at)
        flush_own_events()
        found: dict[Any, ReconstructionResult | None] = {}
        together: dict[Any, tuple[Subject, Blueprint]] = {}
        for each in objects:
            kind, obj = read_subject(each)
            found[each] = None
            try:
                subject, own = self._find_subject(obj, kind or obj_type)
            except ClewError as error:
                if error.code is not ErrorCode.NOT_FOUND:
                    raise
                continue
            if self._source.folds and not own.needs_events:
                together[each] = (subject, own)
            else:
                found[each] = self._find_or_none(subject, moment, own)
        started = time.perf_counter_ns()
        subjects = [subject for subject, _ in together.values()]
        states: list[doc.TwinState] = []
        if subjects:
            states = self._source.find_states(subjects, moment.text, moment.recorded_at)
        for (name, (subject, own)), state in zip(together.items(), states, strict=True):
            if state.version:
                found[name] = self._finish(
                    state, own, ReconstructionStrategy.SNAPSHOT_DELTA, started
                )
            else:
                # It may be there later; only its own answer tells that from never.
                found[name] = self._find_or_none(subject, moment, own)
        return found

    def _find_or_none(
        self, subject: Subject, moment: Moment, own: Blueprint
    ) -> ReconstructionResult | None:
        started = time.perf_counter_ns()
        strategy = ReconstructionStrategy.SNAPSHOT_DELTA
        try:
            state = None
            if not own.needs_events:
                state = self._source.find_state(subject, moment.text, moment.recorded_at)
            if state is not None:
                return self._finish(state, own, strategy, started)
            return self._replay(subject, moment, own, strategy, started, with_events=False)
        except ClewError as error:
            if error.code is ErrorCode.NOT_FOUND:
                return None
            raise

    def get_state_at(
        self,
        obj_id: Named,
        when: When = None,
        field: str | None = None,
        obj_type: Kind = None,
        *,
        recorded_at: When = None,
    ) -> Any:
        """Return what was set of an object at a moment, or one field, its default if not set.

        Of an object that nobody described, a field that was not set is None. `recorded_at` is as
        for `reconstruct`.
        """
        result = self.reconstruct(obj_id, when, obj_type, recorded_at=recorded_at)
        return result.state if field is None else result.get(field)

    def compare_states(
        self,
        obj_id: Named,
        time_a: When,
        time_b: When = None,
        obj_type: Kind = None,
        *,
        recorded_at: When = None,
    ) -> StateComparison:
        """Return what differs between two moments of an object.

        `recorded_at` is as for `reconstruct`: a time for both, or ``"then"`` for each its own.
        """
        before = self.reconstruct(obj_id, time_a, obj_type, recorded_at=recorded_at)
        after = self.reconstruct(obj_id, time_b, obj_type, recorded_at=recorded_at)
        states = [each.state if each.exists else {} for each in (before, after)]
        diff = compute_diff(*states)
        return StateComparison(
            time_a=before.to_dict()["at"],
            time_b=after.to_dict()["at"],
            added=diff.added,
            removed=diff.removed,
            changed=diff.changed,
            unchanged_count=diff.unchanged_count,
        )

    def timeline(
        self,
        obj_id: Named,
        obj_type: Kind = None,
        *,
        start: When = None,
        end: When = None,
        recorded_at: When = None,
    ) -> Timeline:
        """Return the events of an object, `start` and `end` inclusive, and what they made of it.

        With `recorded_at`, a time, those that the server had taken in by then.
        """
        first, last, recorded = read_time(start), read_time(end), read_time(recorded_at)
        flush_own_events()
        subject, own = self._find_subject(obj_id, obj_type)
        read = self._read(subject, until=last, changes=False, recorded=recorded)
        checksum = max(read, key=lambda each: each.order).checksum if read else ""
        blueprint = self._blueprints.find(own, subject[0], checksum)
        modern = modernise(read, blueprint.schema, blueprint.upcasters)
        whole = Timeline(read_patches(modern.events, blueprint.schema))
        return whole if first is None else whole.filter(start=start)

    def find_field_changes(
        self,
        obj_id: Named,
        field: str,
        obj_type: Kind = None,
        *,
        start: When = None,
        end: When = None,
        recorded_at: When = None,
    ) -> list[FieldChange]:
        """Return each change of a field's value, and the event that made it: its span, its trace.

        Events that set the value that was there already are left out. `recorded_at` is as for
        `timeline`.
        """
        timeline = self.timeline(obj_id, obj_type, start=start, end=end, recorded_at=recorded_at)
        return timeline.find_field_changes(field)

    def get_graph(
        self,
        obj_id: Named,
        when: When = None,
        obj_type: Kind = None,
        *,
        depth: int = GRAPH_DEPTH,
        recorded_at: When = None,
    ) -> doc.ObjectGraph:
        """Return all objects that references reach from one, at one instant.

        A server knows references by its own registries, other sources by the program's.
        `recorded_at` is as for `reconstruct`.
        """
        moment = read_moment(when, recorded_at)
        check_depth(depth)
        flush_own_events()
        subject, _ = self._find_subject(obj_id, obj_type)
        if self._source.folds:
            return self._source.get_graph(subject, moment.text, depth, moment.recorded_at)
        until = self._place(subject, moment)
        recorded = moment.find_recorded(until)
        # What nobody knows is an error, as of every question about one object.
        own = self._blueprints.find_own(subject[0])
        root = self._fold(subject, until, own, recorded=recorded).document
        return read_graph(
            subject, lambda each: self._know(each, until, recorded), at=root.at, depth=depth
        )

    def objects_in_trace(self, trace_id: str, step: int | None = None) -> doc.TouchedObjects:
        """Return the objects that a trace touched, as they were just after one of its steps.

        `step` counts the trace's events from 1, and 0 is before them; the last when left out.
        """
        trace_id = check_trace(trace_id)
        if step is not None:
            check_count("a step", step)
        flush_own_events()
        if self._source.folds:
            return self._source.find_touched(trace_id, step)
        steps, chosen = choose_step(trace_id, self._source.read_trace(trace_id), step)
        bound = bound_of(steps, chosen)
        return read_touched(trace_id, steps, chosen, lambda each: self._know(each, bound))

    def processes_in_trace(self, trace_id: str, when: When = None) -> doc.TraceProcesses:
        """Return the processes that ran under a trace: phases, durations, participants, status.

        In place of a trace the id of a process may stand. Needs a server.
        """
        moment = read_moment(when)
        flush_own_events()
        return self._source.find_processes(check_name("a trace id", trace_id), moment.text)

    def _place(self, subject: Subject, moment: Moment) -> Order | int:
        """Return up to where events count: a time, or the place of one of them."""
        if not moment.place:
            return time.time_ns() if moment.at is None else moment.at
        found = self._source.find_place(moment.place)
        if found is not None:
            return found
        # The place may be that of an event that changes nothing.
        read = self._source.read_events(subject, start=None, until=None, changes=False)
        return moment.find_place(read)

    def _know(
        self, subject: Subject, until: Order | int, recorded: int | None = None
    ) -> Known | None:
        """Return the state of an object and what describes it; None where nothing is known."""
        try:
            own = self._blueprints.find_own(subject[0])
            folded = self._fold(subject, until, own, recorded=recorded)
        except ClewError as error:
            if error.code is ErrorCode.NOT_FOUND:
                return None
            raise
        return folded.document, folded.blueprint.schema

    def clear_cache(self) -> None:
        """Forget what `ReconstructionStrategy.CACHED` kept."""
        with self._lock:
            self._cached.clear()

    def _find_subject(self, obj: Named, kind: Kind) -> tuple[Subject, Blueprint]:
        """Return which object is meant, and the program's own blueprint of its type."""
        if isinstance(obj, Entity):
            kind = type(obj) if kind is None else kind
            obj = obj.id
        obj_id = check_name("an id", obj)
        if kind is None:
            name, given = find_type(self._source, obj_id), None
        else:
            name, given = read_kind(kind)
        return (name, obj_id), self._blueprints.find_own(name, given)


def flush_own_events() -> None:
    """Send what this process has said of objects, where it said anything, within a bound."""
    logs = sys.modules.get("opentelemetry._logs")
    if logs is None:
        return
    flush = getattr(logs.get_logger_provider(), "force_flush", None)
    if flush is not None:
        flush(FLUSH_MS_MAX)


@dataclass(frozen=True, slots=True)
class _Folded:
    """What events came to, and which they were, as today's blueprint has them."""

    document: doc.TwinState
    blueprint: Blueprint
    events: list[Event]


def _is_within(event: Event, bound: Order | int) -> bool:
    return event.at <= bound if isinstance(bound, int) else event.order <= bound
