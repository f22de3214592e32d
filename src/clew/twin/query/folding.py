"""State at a moment: folded by the engine where that is the same, by the definition where not.

Theory of operation. A first look at the events counts them and finds what makes a fold difficult: a
deletion, a second creation, or two events that claim one id and differ. Few events, and difficult
ones, are read and folded by `clew.twin.fold`, the definition. Of many simple ones the engine finds
the last value of each field by itself: the newest snapshot among them is where it begins, and a row
that came twice changes nothing, because the last value is the last however often it is there.
"""

# ruff: noqa: S608 - values are bound; the rest is our own text

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from clew.base.errors import ClewError, ErrorCode
from clew.twin.events import EventType, Order
from clew.twin.fold import Folded, fold
from clew.twin.query.rows import AT, CHANGE_COLUMNS, read_changes, read_subjects
from clew.twin.query.selection import (
    CHANGING,
    LIMITS,
    Subject,
    is_after,
    select_events,
    select_objects,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from clew.store.engine.contract import Snapshot
    from clew.twin.events import Event
    from clew.twin.query.selection import Selection
    from clew.twin.query.store import Store

READ_EVENTS_MAX: Final = 1_000
"""So many events are read and folded here: 4 ms, less than the engine's second question."""

READ_TOGETHER_MAX: Final = 50_000
"""Events of several objects that are read at once: 50 MB."""

DIFFICULT_EVENTS_MAX: Final = 500_000
"""So many difficult events of one object are read: half a gigabyte, and two seconds."""

_ORDER: Final = "(at, Seq, EventId)"


@dataclass(frozen=True, slots=True)
class Source:
    """The last event that changed an object: where it comes from."""

    event_id: str
    at: int
    trace_id: str
    span_id: str
    checksum: str


@dataclass(frozen=True, slots=True)
class Known:
    """What the events of an object came to, and the last of them."""

    folded: Folded
    source: Source | None


def fold_events(
    store: Store,
    subject: Subject,
    until: Order | int | None = None,
    *,
    at: Snapshot | None = None,
    aliases: Mapping[str, str] | None = None,
    few: int = READ_EVENTS_MAX,
) -> Known:
    """Return what the events of an object came to, up to a moment (inclusive) or an event.

    `aliases` are names that fields had before, each with its present one. More than `few` events
    are left to the engine where they are simple.

    Sees:   every event acknowledged before the call, or those of `at`.
    Raises: ClewError TIMEOUT or TOO_LARGE at a limit.
    """
    snapshot = at or store.snapshot()
    changes = select_events(subject, until).narrow(CHANGING)
    look = _look(store, snapshot, changes)
    if look["rows"] > few and _is_simple(look):
        return _fold_in_engine(store, snapshot, changes, look, aliases or {})
    if look["rows"] > DIFFICULT_EVENTS_MAX:
        raise ClewError(
            ErrorCode.TOO_LARGE,
            f"{look['rows']} events of one object, deletions or contradictions among them",
            hint="have its writers send snapshots, or ask for an earlier moment",
        )
    return _fold_here(store, snapshot, changes, subject, aliases or {})


def fold_objects(
    store: Store,
    subjects: Collection[Subject],
    until: Order | int | None = None,
    *,
    at: Snapshot,
    aliases: Callable[[str], Mapping[str, str]],
) -> dict[Subject, Known]:
    """Return what the events of several objects came to; those without any are left out.

    `aliases` gives the former names of the fields of a type. Objects of few events are read
    together, so many as `READ_TOGETHER_MAX` events at a time.
    """
    counts = _count_changes(store, at, subjects, until)
    found: dict[Subject, Known] = {}
    together: list[Subject] = []
    size = 0
    for subject, count in counts.items():
        if count > READ_EVENTS_MAX:
            former = aliases(subject.type)
            found[subject] = fold_events(store, subject, until, at=at, aliases=former)
            continue
        if size + count > READ_TOGETHER_MAX:
            found |= _fold_together(store, at, together, until, aliases)
            together, size = [], 0
        together.append(subject)
        size += count
    if together:
        found |= _fold_together(store, at, together, until, aliases)
    return found


def _count_changes(
    store: Store, snapshot: Snapshot, subjects: Collection[Subject], until: Order | int | None
) -> dict[Subject, int]:
    if not subjects:
        return {}
    changes = select_objects(subjects, until).narrow(CHANGING)
    rows = store.engine.query(
        "SELECT obj_type, ObjId, count() AS events FROM @changes GROUP BY obj_type, ObjId",
        snapshot=snapshot,
        scans={"changes": changes.scan("toString(ObjType) AS obj_type", "ObjId")},
        parameters=changes.parameters,
        limits=LIMITS,
    ).to_pylist()
    return {Subject(row["obj_type"], row["ObjId"]): row["events"] for row in rows}


def _fold_together(
    store: Store,
    snapshot: Snapshot,
    subjects: Collection[Subject],
    until: Order | int | None,
    aliases: Callable[[str], Mapping[str, str]],
) -> dict[Subject, Known]:
    changes = select_objects(subjects, until).narrow(CHANGING)
    rows = store.engine.query(
        "SELECT * FROM @changes ORDER BY obj_type, ObjId",
        snapshot=snapshot,
        scans={"changes": changes.scan("toString(ObjType) AS obj_type", "ObjId", *CHANGE_COLUMNS)},
        parameters=changes.parameters,
        limits=LIMITS,
    )
    found: dict[Subject, Known] = {}
    start = 0
    for (obj_type, obj_id), group in itertools.groupby(read_subjects(rows)):
        length = sum(1 for _ in group)
        part = rows.slice(start, length).drop_columns(["obj_type", "ObjId"])
        events = list(read_changes(part, obj_type, obj_id, aliases(obj_type)))
        found[Subject(obj_type, obj_id)] = _fold_read(events)
        start += length
    return found


def _look(store: Store, snapshot: Snapshot, changes: Selection) -> dict[str, Any]:
    """Return what is to be known of the events before they are folded."""
    (look,) = store.engine.query(
        "SELECT count() AS rows, uniqExact(EventId) AS ids,"
        " uniqExact(EventId, content) AS contents,"
        " countIf(type = 'deleted') AS deletions,"
        " uniqExactIf(EventId, type = 'created') AS creations,"
        f" argMin(type, {_ORDER}) AS first_type, min(at) AS first_at,"
        " countIf(type = 'snapshot') AS snapshots,"
        f" maxIf({_ORDER}, type = 'snapshot') AS snapshot,"
        f" argMaxIf(phase, {_ORDER}, phase != '') AS phase,"
        f" argMaxIf(status, {_ORDER}, status != '') AS status,"
        f" argMax((at, Seq, EventId, TraceId, SpanId, checksum), {_ORDER}) AS last"
        " FROM @changes",
        snapshot=snapshot,
        scans={
            "changes": changes.scan(
                AT,
                "Seq",
                "EventId",
                "toString(EventType) AS type",
                "toString(Phase) AS phase",
                "toString(Status) AS status",
                "TraceId",
                "SpanId",
                "toString(RegistryChecksum) AS checksum",
                "cityHash64(Timestamp, Seq, EventType, mapKeys(Patch), mapValues(Patch),"
                " Phase, Status) AS content",
            )
        },
        parameters=changes.parameters,
        limits=LIMITS,
    ).to_pylist()
    return dict(look)


def _is_simple(look: dict[str, Any]) -> bool:
    """Whether the last value of each field is the state."""
    began_once = look["creations"] == (look["first_type"] == EventType.CREATED)
    return not look["deletions"] and look["ids"] == look["contents"] and began_once


def _fold_here(
    store: Store,
    snapshot: Snapshot,
    changes: Selection,
    subject: Subject,
    aliases: Mapping[str, str],
) -> Known:
    rows = store.engine.query(
        "@changes",
        snapshot=snapshot,
        scans={"changes": changes.scan(*CHANGE_COLUMNS)},
        parameters=changes.parameters,
        limits=LIMITS,
    )
    return _fold_read(list(read_changes(rows, subject.type, subject.id, aliases)))


def _fold_read(events: list[Event]) -> Known:
    folded = fold(events)
    if folded.last is None:
        return Known(folded, None)
    last = next(event for event in events if event.order == folded.last)
    source = Source(last.event_id, last.at, last.trace_id, last.span_id, last.checksum)
    return Known(folded, source)


def _fold_in_engine(
    store: Store,
    snapshot: Snapshot,
    changes: Selection,
    look: dict[str, Any],
    aliases: Mapping[str, str],
) -> Known:
    """Return the same as the fold by definition, of events that are simple."""
    condition, bound = "1", dict[str, object]()
    if look["snapshots"]:
        condition, bound = is_after(_ORDER, Order(*look["snapshot"].values()))
    name = "toString(key)"
    if aliases:
        # Where an event sets a field by both names, the present one counts.
        name = f"transform({name}, {{former:Array(String)}}, {{present:Array(String)}}, {name})"
    rows = store.engine.query(
        f"SELECT {name} AS field, argMax(value, (at, Seq, EventId, key = field)) AS value"
        " FROM @changes"
        " ARRAY JOIN mapKeys(Patch) AS key, mapValues(Patch) AS value"
        f" WHERE {condition} GROUP BY field",
        snapshot=snapshot,
        scans={"changes": changes.scan(AT, "Seq", "EventId", "Patch")},
        parameters={
            **changes.parameters,
            **bound,
            "former": list(aliases),
            "present": list(aliases.values()),
        },
        limits=LIMITS,
    ).to_pylist()
    at, seq, event_id, trace_id, span_id, checksum = look["last"].values()
    folded = Folded(
        exists=True,
        state={row["field"]: msgspec.json.decode(row["value"]) for row in rows},
        version=look["ids"],
        created_at=look["first_at"],
        updated_at=at,
        last=Order(at, seq, event_id),
        phase=look["phase"],
        status=look["status"],
    )
    return Known(folded, Source(event_id, at, trace_id, span_id, checksum))
