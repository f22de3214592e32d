"""The processes of a trace: how each went, phase by phase, and who took part."""

# ruff: noqa: S608 - values are bound; the rest is our own text

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from clew.base.errors import ClewError, ErrorCode
from clew.base.ids import parse_trace_id
from clew.base.times import NS_PER_MS, NS_PER_S, TIME_NS_MAX, format_time
from clew.store.page import check_limit
from clew.twin import documents as doc
from clew.twin.fold import Folded, put_in_order
from clew.twin.parameters import PROCESSES_MAX
from clew.twin.query.moments import Moment, find_moment
from clew.twin.query.participants import end_at, find_participants, select_traces
from clew.twin.query.phases import (
    DELETED,
    ENDS,
    TIMED_OUT,
    next_phases,
    tell_status,
    timeout_of,
    walk,
)
from clew.twin.query.processes import IS_MARKED, TRACES_MAX, find_timeouts
from clew.twin.query.states import REMARKS_MAX, write_state
from clew.twin.schema.values import ProcessSchema
from clew.twin.state.folding import EVENTS_EXPIRED, Known, fold_objects
from clew.twin.state.kinds import former_names
from clew.twin.state.rows import AT, CHANGE_COLUMNS, read_changes
from clew.twin.state.selection import CHANGING, COUNTED, LIMITS, Selection, Subject, select_objects

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from clew.store.engine.contract import Snapshot
    from clew.twin import parameters as ask
    from clew.twin.events import Event
    from clew.twin.query.phases import Course
    from clew.twin.registries.shelf import Shelf
    from clew.twin.state.store import Store

PHASES_MAX: Final = 1_000
"""Events of one process that say a phase or a status: the newest of them are looked at, and what is
left out is told. One that goes through more is a loop."""

PARTICIPANTS_MAX: Final = 1_000
"""Objects named of one process; how many were left out is told."""

TRACE_OBJECTS_MAX: Final = 10_000
"""Objects of a trace among which its processes are looked for, those touched first."""

LEFT_OUT: Final = "left_out"
REJECTED: Final = "rejected"

_ID_CHARS_MAX: Final = 512

_ORDER: Final = "(at, Seq, EventId)"
_IS_COUNTED: Final = "verdict != 'rejected'"

# What a course is read from: a phase, a status, a beginning, an end.
_TELLING: Final = "Phase != '' OR Status != '' OR EventType IN ('created', 'snapshot', 'deleted')"

# The fields that an event sets are no matter of its phase.
_COURSE_COLUMNS: Final = tuple(
    "'{}' AS patch" if column.endswith(" AS patch") else column for column in CHANGE_COLUMNS
)


@dataclass(frozen=True, slots=True)
class _Counted:
    """What is known of the events of one process, whatever they say. Times in Unix nanoseconds."""

    events: int
    rejected: int
    first_at: int
    last_at: int
    trace_id: str
    traces: list[str]
    services: list[str]


def get_processes(
    store: Store, shelf: Shelf, trace_id: str, query: ask.TraceProcessQuery, now: int
) -> doc.TraceProcesses:
    """Return the processes that ran under a trace, those that it touched first standing first.

    `trace_id` may as well be the id of a process. A process is an object that a registry knows as
    one, or of which an event says a phase or a status.
    Bounds: `PROCESSES_MAX` processes.
    Raises: ClewError NOT_FOUND where no event of a process carries the trace.
    """
    check_limit(query.limit, PROCESSES_MAX)
    snapshot = store.snapshot()
    moment = find_moment(store, snapshot, query.at, now)
    names = _read_names(trace_id)
    found = _find_subjects(store, snapshot, shelf, names, moment)
    if not found:
        is_early = bool(_find_subjects(store, snapshot, shelf, names, Moment(TIME_NS_MAX)))
        raise _refuse_unknown(moment if is_early else None)
    subjects = found[: query.limit]
    reading = _Reading(store, snapshot, shelf, moment, subjects)
    processes = [reading.write(each) for each in subjects]
    return doc.TraceProcesses(
        trace_id=trace_id,
        at=format_time(moment.at),
        processes=processes,
        count=len(processes),
        truncated=len(found) > len(subjects),
    )


def _refuse_unknown(moment: Moment | None) -> ClewError:
    """Return the error for a trace without processes, or with none that had begun at a moment."""
    if moment is not None:
        return ClewError(
            ErrorCode.NOT_FOUND,
            f"no process of the trace had begun by {format_time(moment.at)}",
            hint="leave at out to see when it began",
        )
    return ClewError(
        ErrorCode.NOT_FOUND,
        "no process is known of the trace",
        hint="`clew processes` lists those that are, `clew touched` the objects of a trace",
    )


def _read_names(text: str) -> list[str]:
    """Return what a text may mean: the id of a process as it is, and a trace id as it is stored."""
    if not 0 < len(text) <= _ID_CHARS_MAX or "\0" in text:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            "neither a trace id nor the id of a process",
            hint="`clew processes` shows the ids of both",
        )
    try:
        return [text, parse_trace_id(text)]
    except ClewError:
        # Whoever names a process after its order has no trace id to give.
        return [text]


def _find_subjects(
    store: Store, snapshot: Snapshot, shelf: Shelf, names: Sequence[str], moment: Moment
) -> list[Subject]:
    """Return the processes that have a name or are touched by a trace, in the order of events."""
    selection = end_at(
        Selection(f"ObjId != '' AND {COUNTED}", {"names": list(names)}), moment.bound
    )
    columns = ("toString(ObjType) AS type", "ObjId", AT, "Seq", "EventId")
    rows = store.engine.query(
        # Apart, since each of the two columns has an index and both together have none.
        "SELECT type, ObjId AS id FROM (SELECT * FROM @traced UNION ALL SELECT * FROM @named)"
        f" GROUP BY type, id ORDER BY min({_ORDER}), type, id LIMIT {TRACE_OBJECTS_MAX}",
        snapshot=snapshot,
        scans={
            "traced": selection.narrow("TraceId IN {names:Array(String)}").scan(*columns),
            "named": selection.narrow("ObjId IN {names:Array(String)}").scan(*columns),
        },
        parameters=selection.parameters,
        limits=LIMITS,
    ).to_pylist()
    touched = [Subject(row["type"], row["id"]) for row in rows]
    if not touched:
        return []
    marked = select_objects(touched).narrow(IS_MARKED, process_types=list(find_timeouts(shelf)))
    marks = store.engine.query(
        "SELECT DISTINCT type, ObjId AS id FROM @events",
        snapshot=snapshot,
        scans={"events": marked.scan("toString(ObjType) AS type", "ObjId")},
        parameters=marked.parameters,
        limits=LIMITS,
    ).to_pylist()
    processes = {Subject(row["type"], row["id"]) for row in marks}
    return [each for each in touched if each in processes]


class _Reading:
    """One question about several processes at one moment."""

    def __init__(
        self,
        store: Store,
        snapshot: Snapshot,
        shelf: Shelf,
        moment: Moment,
        subjects: Sequence[Subject],
    ) -> None:
        self._store = store
        self._snapshot = snapshot
        self._shelf = shelf
        self._moment = moment
        self._known = fold_objects(
            store,
            subjects,
            moment.bound,
            at=snapshot,
            aliases=lambda name: former_names(shelf.find_type(name)),
        )
        self._counted = self._count(subjects)
        self._changes = self._read_changes(subjects)
        self._participants: dict[tuple[str, ...], tuple[list[doc.Participant], int]] = {}

    def write(self, subject: Subject) -> doc.ProcessTwin:
        """Return one of the processes as a document."""
        known = self._known.get(subject, Known(Folded(), None))
        counted = self._counted[subject]
        found = self._shelf.find_type(subject.type)
        kind = found if isinstance(found, ProcessSchema) else None
        events = self._changes.get(subject, [])
        course = walk(put_in_order(events), lambda checksum: self._find_kind(subject, checksum))
        participants, total = self._find_participants(subject, counted)
        folded = known.folded
        started = counted.first_at if folded.created_at is None else folded.created_at
        last = max([counted.last_at, *self._last_of(counted)])
        timeout = timeout_of(kind)
        status = tell_status(
            folded.status, started=started, last=last, now=self._moment.at, timeout=timeout
        )
        if status not in ENDS and folded.version and not folded.exists:
            status = DELETED
        is_over = status in ENDS or status == DELETED
        ended = course.ended_at if is_over else None
        until = self._moment.at if ended is None else ended
        duration = max(0, until - started)
        warnings = [*course.remarks]
        if started < counted.first_at:
            kept_from = format_time(counted.first_at)
            message = f"its phases of before {kept_from} are gone with their events"
            warnings.insert(0, doc.Remark(code=EVENTS_EXPIRED, message=message, at=kept_from))
        if is_over and timeout is not None and duration > timeout:
            message = f"it took longer than the {timeout / NS_PER_S:g} s that its type allows"
            warnings.append(doc.Remark(code=TIMED_OUT, message=message))
        warnings.extend(self._tell_rest(counted, len(events), total - len(participants)))
        if len(warnings) > REMARKS_MAX:
            left = len(warnings) - REMARKS_MAX
            warnings[REMARKS_MAX:] = [doc.Remark(code=LEFT_OUT, message=f"{left} more warnings")]
        return doc.ProcessTwin(
            type=subject.type,
            id=subject.id,
            trace_id=counted.trace_id or None,
            trace_ids=counted.traces,
            status=status,
            phase=folded.phase or None,
            next_phases=[] if is_over else next_phases(kind, folded.phase),
            started_at=format_time(started),
            ended_at=None if ended is None else format_time(ended),
            last_at=format_time(last),
            duration_ms=duration / NS_PER_MS,
            timeout_seconds=None if timeout is None else timeout / NS_PER_S,
            phases=_write_phases(course, self._moment.at),
            participants=participants,
            services=sorted({*counted.services, *_services_of(participants)}),
            events=counted.events,
            twin=write_state(subject, self._moment, known, found),
            warnings=warnings,
        )

    def _find_kind(self, subject: Subject, checksum: str) -> ProcessSchema | None:
        kind = self._shelf.find_type(subject.type, checksum)
        return kind if isinstance(kind, ProcessSchema) else None

    def _count(self, subjects: Sequence[Subject]) -> dict[Subject, _Counted]:
        # Events that do not count are told of, so the selection is not that of a fold.
        selection = end_at(
            Selection(
                "(ObjType, ObjId) IN (SELECT arrayJoin(arrayZip({obj_types:Array(String)},"
                " {obj_ids:Array(String)})))",
                {
                    "obj_types": [each.type for each in subjects],
                    "obj_ids": [each.id for each in subjects],
                },
            ),
            self._moment.bound,
        )
        rows = self._store.engine.query(
            f"SELECT type, ObjId AS id, uniqExactIf(EventId, {_IS_COUNTED}) AS events,"
            f" uniqExactIf(EventId, NOT ({_IS_COUNTED})) AS rejected,"
            f" minIf(at, {_IS_COUNTED}) AS first_at, maxIf(at, {_IS_COUNTED}) AS last_at,"
            f" argMinIf(TraceId, {_ORDER}, TraceId != '' AND {_IS_COUNTED}) AS trace_id,"
            f" groupUniqArrayIf({TRACES_MAX + 1})(TraceId, TraceId != '' AND {_IS_COUNTED})"
            " AS traces,"
            f" arraySort(groupUniqArrayIf(service, {_IS_COUNTED})) AS services"
            " FROM @events GROUP BY type, id",
            snapshot=self._snapshot,
            scans={
                "events": selection.scan(
                    "toString(ObjType) AS type",
                    "ObjId",
                    AT,
                    "Seq",
                    "EventId",
                    "TraceId",
                    "toString(ServiceName) AS service",
                    "toString(Verdict) AS verdict",
                )
            },
            parameters=selection.parameters,
            limits=LIMITS,
        ).to_pylist()
        return {Subject(row["type"], row["id"]): _read_counted(row) for row in rows}

    def _read_changes(self, subjects: Sequence[Subject]) -> dict[Subject, list[Event]]:
        """Return the newest changes of each process that say where it stands, and not what it is.

        One more of each than `PHASES_MAX`, where there are more.
        """
        changes = select_objects(subjects, self._moment.bound).narrow(CHANGING).narrow(_TELLING)
        rows = self._store.engine.query(
            "SELECT * FROM @changes ORDER BY obj_type, ObjId, at DESC, Seq DESC, EventId DESC"
            f" LIMIT {PHASES_MAX + 1} BY obj_type, ObjId",
            snapshot=self._snapshot,
            scans={
                "changes": changes.scan("toString(ObjType) AS obj_type", "ObjId", *_COURSE_COLUMNS)
            },
            parameters=changes.parameters,
            limits=LIMITS,
        )
        names = zip(rows["obj_type"].to_pylist(), rows["ObjId"].to_pylist(), strict=True)
        found: dict[Subject, list[Event]] = {}
        start = 0
        for name, group in itertools.groupby(names):
            length = sum(1 for _ in group)
            part = rows.slice(start, length).drop_columns(["obj_type", "ObjId"])
            found[Subject(*name)] = list(read_changes(part, *name, {}))
            start += length
        return found

    def _find_participants(
        self, subject: Subject, counted: _Counted
    ) -> tuple[list[doc.Participant], int]:
        """Return the other objects that the traces of a process touched, and how many there are."""
        key = tuple(counted.traces)
        if key not in self._participants:
            selection = select_traces(key, self._moment.bound)
            # One more than is shown, which is the process itself.
            self._participants[key] = (
                find_participants(self._store, self._snapshot, selection, PARTICIPANTS_MAX + 1)
                if key
                else ([], 0)
            )
        everyone, total = self._participants[key]
        others = [each for each in everyone if (each.type, each.id) != (subject.type, subject.id)]
        return others[:PARTICIPANTS_MAX], total - (len(everyone) - len(others))

    def _last_of(self, counted: _Counted) -> list[int]:
        """Return when something came last under the traces of a process; nothing without any."""
        if not counted.traces:
            return []
        selection = select_traces(counted.traces, self._moment.bound)
        (row,) = self._store.engine.query(
            "SELECT max(at) AS last_at FROM @events",
            snapshot=self._snapshot,
            scans={"events": selection.scan(AT)},
            parameters=selection.parameters,
            limits=LIMITS,
        ).to_pylist()
        return [row["last_at"]]

    def _tell_rest(self, counted: _Counted, events: int, participants: int) -> list[doc.Remark]:
        """Return what of a process is not shown."""
        said: list[tuple[str, str]] = []
        if events > PHASES_MAX:
            said.append((LEFT_OUT, f"its phases are those of its newest {PHASES_MAX} steps"))
        if participants > 0:
            said.append((LEFT_OUT, f"{participants} more objects took part"))
        if len(counted.traces) >= TRACES_MAX:
            said.append((LEFT_OUT, f"it ran under {TRACES_MAX} traces or more"))
        if counted.rejected:
            what = "event of it does" if counted.rejected == 1 else "events of it do"
            said.append((REJECTED, f"{counted.rejected} {what} not count: see `clew rejected`"))
        return [doc.Remark(code=code, message=message) for code, message in said]


def _read_counted(row: Mapping[str, Any]) -> _Counted:
    own = _as_trace(row["id"])
    traces = sorted({*row["traces"], *own})[:TRACES_MAX]
    return _Counted(
        events=row["events"],
        rejected=row["rejected"],
        first_at=row["first_at"],
        last_at=row["last_at"],
        trace_id=row["trace_id"] or "".join(own),
        traces=traces,
        services=row["services"],
    )


def _as_trace(obj_id: str) -> list[str]:
    """Return the id of a process as a trace id, where it is one."""
    try:
        return [obj_id] if parse_trace_id(obj_id) == obj_id else []
    except ClewError:
        return []


def _write_phases(course: Course, now: int) -> list[doc.ProcessPhase]:
    return [
        doc.ProcessPhase(
            name=each.name,
            start=format_time(each.event.at),
            end=None if each.end is None else format_time(each.end),
            duration_ms=max(0, (now if each.end is None else each.end) - each.event.at) / NS_PER_MS,
            event_id=each.event.event_id,
            trace_id=each.event.trace_id or None,
            span_id=each.event.span_id or None,
            service=each.event.service,
            is_allowed=each.is_allowed,
        )
        for each in course.stays
    ]


def _services_of(participants: Sequence[doc.Participant]) -> set[str]:
    return {service for each in participants for service in each.services}
