"""Where a fold begins: at nothing, or at what was written down of earlier events.

Theory of operation. A snapshot says what the events of an object came to, as of one of them, and
carries the number of a frame: every event of frames up to it that stands at its place or before is
in it. So it is right for as long as no event of a later frame stands there, and whoever uses it
looks for one. A *baseline* is a snapshot that stands for events which retention took away; it is
the only one that says what they were, and an event that comes for a time before it cannot be
honoured any more. Snapshots of other former names of fields than those in force are passed over.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from clew.store.engine.contract import Scan
from clew.twin.events import Order
from clew.twin.fold import Folded, Remark
from clew.twin.query.rows import as_object
from clew.twin.query.selection import LIMITS, Subject
from clew.twin.tables import SNAPSHOTS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from clew.store.engine.contract import Snapshot
    from clew.twin.query.store import Store

STARTS_MAX: Final = 8
"""Snapshots of one object that a reading looks at: of the newest eight one is right as a rule, and
to look at more costs what the fold does."""

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

    `expired` is the moment before which its events are gone, where the question was about an
    earlier one. `replayed` counts the changes that were folded for the answer.
    """

    folded: Folded
    source: Source | None
    expired: int | None = None
    replayed: int = 0


@dataclass(frozen=True, slots=True)
class Start:
    """What was written down of an object.

    It holds the events up to `order`; a baseline, all of before `kept_from`. `frame`: those of
    later frames are not in it.
    """

    folded: Folded
    source: Source
    order: Order
    frame: int
    is_baseline: bool
    kept_from: int
    names: str

    def covers(self, order: Order) -> bool:
        """Whether an event at a place is in it, unless it came later."""
        return order.at < self.kept_from if self.is_baseline else order <= self.order

    def begin(self) -> Folded:
        """Return a state to go on from, which is the caller's own."""
        known = self.folded
        return Folded(
            exists=known.exists,
            state=dict(known.state),
            version=known.version,
            created_at=known.created_at,
            updated_at=known.updated_at,
            last=known.last,
            phase=known.phase,
            status=known.status,
            remarks=list(known.remarks),
        )


@dataclass(frozen=True, slots=True)
class Starts:
    """What may be begun at, newest first; a baseline, if there is one, last.

    `expired` is the moment before which events are gone, where the question is about an earlier
    one.
    """

    found: tuple[Start, ...] = ()
    expired: int | None = None

    @property
    def baseline(self) -> Start | None:
        """What stands for the events that are gone."""
        return self.found[-1] if self.found and self.found[-1].is_baseline else None


NOTHING: Final = Starts()

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
    bound = _bound_of(until)
    rows = store.engine.query(
        # The baseline is wanted whether it stands before the moment or after it.
        "SELECT * FROM @snapshots ORDER BY IsBaseline DESC, at DESC, Seq DESC, EventId DESC,"  # noqa: S608 - a number of ours
        f" Frame DESC LIMIT {STARTS_MAX}",
        snapshot=snapshot,
        scans={
            "snapshots": Scan(
                SNAPSHOTS,
                _COLUMNS,
                "ObjType = {obj_type:String} AND ObjId = {obj_id:String}"
                " AND (IsBaseline OR Timestamp <= fromUnixTimestamp64Nano({until_at:Int64}))",
            )
        },
        parameters={"obj_type": subject.type, "obj_id": subject.id, "until_at": bound.at},
        limits=LIMITS,
    ).to_pylist()
    return _choose([_read(row) for row in rows], bound, name_aliases(aliases))


def find_baselines(
    store: Store, snapshot: Snapshot, subjects: Collection[Subject], until: Order | int | None
) -> dict[Subject, Starts]:
    """Return what stands for events that are gone, of those objects that lost any."""
    rows = store.engine.query(
        "SELECT * FROM @snapshots ORDER BY at DESC, Seq DESC, EventId DESC, Frame DESC"
        " LIMIT 1 BY obj_type, ObjId",
        snapshot=snapshot,
        scans={
            "snapshots": Scan(
                SNAPSHOTS,
                _COLUMNS,
                "IsBaseline AND (ObjType, ObjId) IN (SELECT arrayJoin(arrayZip("
                "{obj_types:Array(String)}, {obj_ids:Array(String)})))",
            )
        },
        parameters={
            "obj_types": [subject.type for subject in subjects],
            "obj_ids": [subject.id for subject in subjects],
        },
        limits=LIMITS,
    ).to_pylist()
    bound = _bound_of(until)
    return {
        Subject(row["obj_type"], row["ObjId"]): _choose([_read(row)], bound, NAMES_NONE)
        for row in rows
    }


def name_aliases(aliases: Mapping[str, str]) -> str:
    """Return what tells one set of former names from another, empty for none."""
    if not aliases:
        return NAMES_NONE
    return msgspec.json.encode(dict(aliases), order="deterministic").decode()


def _choose(starts: list[Start], bound: Order, names: str) -> Starts:
    """Return those that a fold up to a place may begin at; baselines stand first in `starts`."""
    if not starts or not starts[0].is_baseline:
        return Starts(tuple(each for each in starts if each.order <= bound and each.names == names))
    baseline = starts[0]
    expired = baseline.kept_from if bound.at < baseline.kept_from else None
    if bound < baseline.order:
        return Starts((), expired)
    # What was written down before is of events that are gone, as far as nobody knows.
    later = [
        each
        for each in starts
        if not each.is_baseline and baseline.order < each.order <= bound and each.names == names
    ]
    return Starts((*later, baseline), expired)


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
        names=row["Names"],
    )
