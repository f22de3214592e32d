"""Which events a question means: of which object, up to which moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from clew.store.engine.contract import FRAME_BITS, QueryLimits, Scan
from clew.twin.events import CHANGES, Order
from clew.twin.tables import EVENTS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

LIMITS: Final = QueryLimits(time_ms_max=30_000, memory_bytes_max=2 << 30)
"""A question about an object of ten million events takes a few seconds; more is a mistake."""

COUNTED: Final = "Verdict != 'rejected'"
"""Events that validation let count."""

CHANGING: Final = f"EventType IN ({', '.join(sorted(repr(str(each)) for each in CHANGES))})"

_SINCE: Final = "Timestamp >= fromUnixTimestamp64Nano({since_at:Int64})"

_AT: Final = "fromUnixTimestamp64Nano({until_at:Int64})"


_AFTER_AT: Final = "fromUnixTimestamp64Nano({after_at:Int64})"

_AFTER: Final = (
    f"Timestamp >= {_AFTER_AT} AND (Timestamp > {_AFTER_AT}"
    " OR (Seq, EventId) > ({after_seq:UInt64}, {after_id:String}))"
)


def _bind_after(order: Order) -> dict[str, object]:
    return {"after_at": order.at, "after_seq": order.seq, "after_id": order.event_id}


@dataclass(frozen=True, slots=True)
class Subject:
    """One object."""

    type: str
    id: str


@dataclass(frozen=True, slots=True)
class Part:
    """What one baseline stands for: events of before a time that came with frames up to one.

    Over the shards of a query tier they are those of one shard alone, whose frames begin at `base`.
    """

    kept_from: int
    frame: int

    @property
    def base(self) -> int:
        """The frame before the first of its shard, 0 on a server that is no tier."""
        return self.frame >> FRAME_BITS << FRAME_BITS

    def holds(self, frame: int, order: Order) -> bool:
        """Whether an event is in it, by the number of its frame and its place."""
        return order.at < self.kept_from and self.base <= frame <= self.frame


@dataclass(frozen=True, slots=True)
class Selection:
    """A condition over the table of events, and what is bound in it."""

    where: str
    parameters: Mapping[str, object]

    def scan(self, *columns: str) -> Scan:
        """Return the reading of these events."""
        return Scan(EVENTS, columns, self.where)

    def after(self, order: Order) -> Selection:
        """Return those of them that stand after a place."""
        return self.narrow(_AFTER, **_bind_after(order))

    def either_after(self, order: Order, frame: int) -> Selection:
        """Return those of them that stand after a place, or came with a later frame."""
        condition = f"({_AFTER}) OR Frame > {{frame:UInt64}}"
        return self.narrow(condition, **_bind_after(order), frame=frame)

    def outside(self, parts: Sequence[Part]) -> Selection:
        """Return those of them that are in none of some baselines."""
        conditions: list[str] = []
        bound: dict[str, object] = {}
        for number, part in enumerate(parts):
            conditions.append(
                f"(Timestamp >= fromUnixTimestamp64Nano({{part_at_{number}:Int64}})"
                f" OR Frame > {{part_frame_{number}:UInt64}}"
                f" OR Frame < {{part_base_{number}:UInt64}})"
            )
            bound |= {
                f"part_at_{number}": part.kept_from,
                f"part_frame_{number}": part.frame,
                f"part_base_{number}": part.base,
            }
        return self.narrow(" AND ".join(conditions), **bound)

    def since(self, at: int) -> Selection:
        """Return those of them that are of a time or later."""
        return self.narrow(_SINCE, since_at=at)

    def until(self, at: int) -> Selection:
        """Return those of them that are of before a time."""
        condition = "Timestamp < fromUnixTimestamp64Nano({before_at:Int64})"
        return self.narrow(condition, before_at=at)

    def before(self, at: int) -> Selection:
        """Return those of them that are of before a time."""
        return self.narrow(f"NOT ({_SINCE})", since_at=at)

    def narrow(self, condition: str, **parameters: object) -> Selection:
        """Return those of them for which a condition holds."""
        return Selection(f"{self.where} AND ({condition})", {**self.parameters, **parameters})


def select_events(subject: Subject, until: Order | int | None = None) -> Selection:
    """Return the events of an object that count, up to a moment or the place of an event."""
    selection = Selection(
        f"ObjType = {{obj_type:String}} AND ObjId = {{obj_id:String}} AND {COUNTED}",
        {"obj_type": subject.type, "obj_id": subject.id},
    )
    return _until(selection, until)


def select_objects(subjects: Collection[Subject], until: Order | int | None = None) -> Selection:
    """Return the events of several objects that count, up to a moment or the place of an event."""
    condition, bound = are_among(subjects)
    selection = Selection(f"{condition} AND {COUNTED}", bound)
    return _until(selection, until)


def are_among(subjects: Collection[Subject]) -> tuple[str, dict[str, object]]:
    """Return the condition that a row is of one of some objects, and what is bound in it.

    They are bound as one text: ten thousand of them, one by one, take a tenth of a second.
    """
    objects = "JSONExtract({objects:String}, 'Array(Tuple(String, String))')"
    names = [[subject.type, subject.id] for subject in subjects]
    return (
        f"(ObjType, ObjId) IN (SELECT arrayJoin({objects}))",
        {"objects": msgspec.json.encode(names).decode()},
    )


def _until(selection: Selection, until: Order | int | None) -> Selection:
    if until is None:
        return selection
    if isinstance(until, int):
        return selection.narrow(f"Timestamp <= {_AT}", until_at=until)
    return selection.narrow(
        f"Timestamp <= {_AT} AND (Timestamp < {_AT}"
        " OR (Seq, EventId) <= ({until_seq:UInt64}, {until_id:String}))",
        until_at=until.at,
        until_seq=until.seq,
        until_id=until.event_id,
    )
