"""Where a fold begins: at nothing, or at what was written down of earlier events.

Theory of operation. A snapshot says what the events of an object came to, as of one of them, and
carries the number of a frame: every event of frames up to it that stands at its place or before is
in it. So it is right for as long as no event of a later frame stands there, and whoever uses it
looks for one. A *baseline* is a snapshot that stands for events which retention took away; it is
the only one that says what they were, and an event that comes for a time before it cannot be
honoured any more. Snapshots of other former names of fields than those in force are passed over.

Where a question is about what was known by a recorded time, only what was written down of events
that had all come by then says it. Without such a baseline nothing can be told of an object whose
events are gone; without such a snapshot its events are folded.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import msgspec

from clew.store.engine.contract import FRAME_BITS, Scan
from clew.twin.events import Order
from clew.twin.fold import Folded, Remark
from clew.twin.state.rows import as_object, rename
from clew.twin.state.selection import LIMITS, Part, Subject, are_among
from clew.twin.state.store import has_any, recorded_time
from clew.twin.tables import SNAPSHOTS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from clew.store.engine.contract import Snapshot
    from clew.twin.state.store import Store

STARTS_MAX: Final = 8
"""Snapshots of one object that a reading looks at, and baselines of which it takes the newest: of
eight one is right as a rule, and to look at more costs what the fold does."""

NAMES_NONE: Final = ""


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
    """What the events of an object came to, and the last of them.

    `expired`: events before that moment are gone, and the question was about an earlier one, of
    which nothing can be said. `replayed` counts the changes that were folded for the answer.
    """

    folded: Folded
    source: Source | None
    expired: int | None = None
    replayed: int = 0


@dataclass(frozen=True, slots=True)
class Start:
    """What was written down of an object.

    It holds the events up to `order`; a baseline, all of before `kept_from`, the first of which was
    at `first_at`. `frame`: those of later frames are not in it. `received`: all of its events had
    come by then. `joined`: the baselines of several shards that it was put together from.
    """

    folded: Folded
    source: Source
    order: Order
    frame: int
    is_baseline: bool
    kept_from: int
    first_at: int
    names: str
    received: int = 0
    joined: tuple[Part, ...] = ()

    @property
    def parts(self) -> tuple[Part, ...]:
        """What a baseline stands for, on each shard that has one."""
        return self.joined or (Part(self.kept_from, self.frame),)

    def holds(self, frame: int, order: Order) -> bool:
        """Whether an event is in a baseline, by the number of its frame and its place."""
        return any(part.holds(frame, order) for part in self.parts)

    def covers(self, order: Order) -> bool:
        """Whether an event at a place is in it, unless it came later."""
        return order.at < self.kept_from if self.is_baseline else order <= self.order

    def had_come_by(self, recorded_at: int | None) -> bool:
        """Whether all of its events had come by a recorded time; None is now."""
        return recorded_at is None or self.received <= recorded_at

    def begin(self, aliases: Mapping[str, str]) -> Folded:
        """Return a state to go on from, by present names; it is the caller's own."""
        state = dict(self.folded.state)
        if aliases and self.names != name_aliases(aliases):
            state = rename(state, aliases)
        return replace(self.folded, state=state, remarks=list(self.folded.remarks))


@dataclass(frozen=True, slots=True)
class Starts:
    """What a fold may begin at: snapshots, newest first, or what stands for events that are gone.

    `expired`: it may begin nowhere; events before that moment are gone, and it is about an earlier
    one, or about what was known when not all of them had come.
    """

    snapshots: tuple[Start, ...] = ()
    baseline: Start | None = None
    expired: int | None = None


NOTHING: Final = Starts()

EVENTS_APART: Final = "events_apart"
"""Events that are gone lay on several shards, each of which says what its own came to."""

_SHARD: Final = f"bitShiftRight(Frame, {FRAME_BITS})"
"""Which shard of a query tier a row is of; 0 on a server that is none."""

# What earlier versions wrote does not tell; its events had come when it was made.
_RECEIVED: Final = "if(toUnixTimestamp64Nano(Received) = 0, Written, Received)"

_COLUMNS: Final = (
    "toString(ObjType) AS obj_type",
    "ObjId",
    "toUnixTimestamp64Nano(Timestamp) AS at",
    "Seq",
    "EventId",
    "Version",
    "Exists",
    "toUnixTimestamp64Nano(CreatedAt) AS created_at",
    as_object("State", "state"),
    "toString(Phase) AS phase",
    "toString(Status) AS status",
    "toString(RegistryChecksum) AS checksum",
    "TraceId",
    "SpanId",
    "Remarks",
    "Names",
    "IsBaseline",
    "toUnixTimestamp64Nano(KeptFrom) AS kept_from",
    "toUnixTimestamp64Nano(FirstAt) AS first_at",
    f"toUnixTimestamp64Nano({_RECEIVED}) AS received",
    "Frame",
)


def find_starts(
    store: Store,
    snapshot: Snapshot,
    subject: Subject,
    until: Order | int | None,
    aliases: Mapping[str, str],
) -> Starts:
    """Return what a fold of one object up to a moment may begin at."""
    if not has_any(store):
        return NOTHING
    # A shard's snapshots are of its own events; only for those that are gone can they stand.
    kind = "IsBaseline" if snapshot.frames is not None else "1"
    recorded = recorded_time(store)
    if recorded is not None:
        kind += (
            f" AND (IsBaseline OR {_RECEIVED} <= fromUnixTimestamp64Nano({{recorded_at:Int64}}))"
        )
    rows = store.engine.query(
        # The baseline is wanted whether it stands before the moment or after it.
        "SELECT * FROM @snapshots ORDER BY IsBaseline, kept_from DESC, at DESC, Seq DESC,"  # noqa: S608 - a number of ours
        f" EventId DESC, Frame DESC LIMIT {STARTS_MAX} BY IsBaseline, {_SHARD}",
        snapshot=snapshot,
        scans={
            "snapshots": Scan(
                SNAPSHOTS,
                _COLUMNS,
                f"{kind} AND ObjType = {{obj_type:String}} AND ObjId = {{obj_id:String}}"
                " AND (IsBaseline OR Timestamp <= fromUnixTimestamp64Nano({until_at:Int64}))",
            )
        },
        parameters={
            "obj_type": subject.type,
            "obj_id": subject.id,
            "until_at": _bound_of(until).at,
        },
        limits=LIMITS,
    ).to_pylist()
    return _choose([_read(row) for row in rows], until, name_aliases(aliases), recorded)


def find_baselines(
    store: Store, snapshot: Snapshot, subjects: Collection[Subject]
) -> dict[Subject, Start]:
    """Return what stands for events that are gone, of those objects that lost any."""
    if not has_any(store):
        return {}
    condition, bound = are_among(subjects)
    rows = store.engine.query(
        "SELECT * FROM @snapshots ORDER BY kept_from DESC, Frame DESC"  # noqa: S608 - our own text
        f" LIMIT 1 BY obj_type, ObjId, {_SHARD}",
        snapshot=snapshot,
        scans={"snapshots": Scan(SNAPSHOTS, _COLUMNS, f"IsBaseline AND {condition}")},
        parameters=bound,
        limits=LIMITS,
    ).to_pylist()
    found: dict[Subject, list[Start]] = {}
    for row in rows:
        found.setdefault(Subject(row["obj_type"], row["ObjId"]), []).append(_read(row))
    return {subject: join_baselines(each) for subject, each in found.items()}


def find_baseline(store: Store, snapshot: Snapshot, subject: Subject) -> Start | None:
    """Return what stands for the events of an object that are gone, None where none are."""
    return find_baselines(store, snapshot, [subject]).get(subject)


def join_baselines(baselines: Sequence[Start]) -> Start:
    """Return what stands for events that are gone on several shards: one baseline of each.

    Each says what the events of its shard came to by themselves. A value that several of them have
    is that of the one whose last event is the latest, and may not be the last that was set: of
    that, and of deletions among the others' events, nothing is known any more, and it is told.
    """
    *earlier, last = sorted(baselines, key=lambda each: each.order)
    if not earlier:
        return last
    every = [*earlier, last]
    state = {}
    for each in every if last.folded.exists else [last]:
        state.update(each.folded.state)
    kept_from = max(each.kept_from for each in every)
    created = [each.folded.created_at for each in every if each.folded.created_at is not None]
    remarks = [Remark(EVENTS_APART, "", kept_from)]
    folded = replace(
        last.folded,
        state=state,
        version=sum(each.folded.version for each in every),
        created_at=min(created, default=None),
        phase=next((each.folded.phase for each in reversed(every) if each.folded.phase), ""),
        status=next((each.folded.status for each in reversed(every) if each.folded.status), ""),
        remarks=remarks + [remark for each in every for remark in each.folded.remarks],
    )
    names = {each.names for each in every}
    return replace(
        last,
        folded=folded,
        kept_from=kept_from,
        joined=tuple(Part(each.kept_from, each.frame) for each in every),
        first_at=min(each.first_at for each in every),
        names=names.pop() if len(names) == 1 else NAMES_NONE,
        received=max(each.received for each in every),
    )


def name_aliases(aliases: Mapping[str, str]) -> str:
    """Return what tells one set of former names from another, empty for none."""
    if not aliases:
        return NAMES_NONE
    return msgspec.json.encode(dict(aliases), order="deterministic").decode()


def begin_at(baseline: Start, until: Order | int | None, recorded_at: int | None = None) -> Starts:
    """Return where a fold up to a moment begins of an object that lost events.

    `recorded_at` is by when what counts had come, None where all does.
    """
    if _bound_of(until) < baseline.order or not baseline.had_come_by(recorded_at):
        return Starts(expired=baseline.kept_from)
    return Starts(baseline=baseline)


def _choose(
    starts: Sequence[Start], until: Order | int | None, names: str, recorded_at: int | None
) -> Starts:
    """Return those that a fold up to a moment may begin at, of all, the newest of a kind first."""
    bound = _bound_of(until)
    snapshots = [each for each in starts if not each.is_baseline and each.names == names]
    newest: dict[int, Start] = {}
    for each in starts:
        if each.is_baseline:
            newest.setdefault(each.frame >> FRAME_BITS, each)
    if not newest:
        return Starts(tuple(each for each in snapshots if each.order <= bound))
    baseline = join_baselines(list(newest.values()))
    found = begin_at(baseline, until, recorded_at)
    if found.baseline is None:
        return found
    # What was written down before is of events that are gone, as far as nobody knows.
    later = tuple(each for each in snapshots if baseline.order < each.order <= bound)
    return replace(found, snapshots=later)


def _bound_of(until: Order | int | None) -> Order:
    """Return the place up to which events count; a time stands after all events of it."""
    if isinstance(until, Order):
        return until
    at = _AT_MAX if until is None else min(until, _AT_MAX)
    return Order(at, 2**64, "")


_AT_MAX: Final = 2**63 - 1


def _read(row: Mapping[str, Any]) -> Start:
    order = Order(row["at"], row["Seq"], row["EventId"])
    remarks = msgspec.json.decode(row["Remarks"]) if row["Remarks"] else []
    return Start(
        folded=Folded(
            exists=row["Exists"],
            state=msgspec.json.decode(row["state"]),
            version=row["Version"],
            created_at=row["created_at"] or None,
            updated_at=order.at,
            last=order,
            phase=row["phase"],
            status=row["status"],
            remarks=[Remark(*each) for each in remarks],
        ),
        source=Source(order.event_id, order.at, row["TraceId"], row["SpanId"], row["checksum"]),
        order=order,
        frame=row["Frame"],
        is_baseline=row["IsBaseline"],
        kept_from=row["kept_from"],
        first_at=row["first_at"],
        names=row["Names"],
        received=row["received"],
    )
