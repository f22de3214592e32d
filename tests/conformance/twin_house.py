"""A store of events that are all in the engine, and events to put there."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import msgspec
import pyarrow as pa
from hypothesis import strategies as st

from clew.store.engine.contract import Snapshot
from clew.twin.events import Event, EventType
from clew.twin.ingest.judge import NoRegistries
from clew.twin.ingest.record import LogRecord
from clew.twin.ingest.rows import EventRows
from clew.twin.state.selection import Subject
from clew.twin.tables import EVENTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clew.store.engine.chdb import ChdbEngine

MORNING = 1_700_000_000_000_000_000
"""In November of 2023."""

MOSTLY_CHANGES = (*[EventType.STATE_CHANGE] * 4, *EventType)

_values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    st.lists(st.integers(0, 9), max_size=2),
)
_patches = st.dictionaries(st.sampled_from("abc"), _values, max_size=3)


@st.composite
def histories(
    draw: st.DrawFn,
    *,
    types: Sequence[EventType] = tuple(EventType),
    start: int = MORNING,
    name: str = "e",
) -> list[Event]:
    """Events of one object that share times and counts, some of them doubled, in any order."""
    events = [
        Event(
            at=start + draw(st.integers(0, 4)),
            seq=draw(st.integers(0, 2)),
            event_id=f"{name}{n}",
            type=draw(st.sampled_from(list(types))),
            obj_type="Cart",
            obj_id="",
            patch=draw(_patches),
            phase=draw(st.sampled_from(["", "pay", "pack"])),
        )
        for n in range(draw(st.integers(0, 8)))
    ]
    doubled = events + [each for each in events if draw(st.booleans())]
    return draw(st.permutations(doubled))


class House:
    """A store of events that are all in the engine, but for those that were taken in last."""

    def __init__(self, engine: ChdbEngine) -> None:
        self.engine = engine
        self.frame = 0
        self._names = (f"o{n}" for n in itertools.count())
        self._hot: list[pa.RecordBatch] = []
        self._flushed = 0

    def snapshot(self) -> Snapshot:
        if not self._hot:
            return Snapshot(flushed=self.frame, acked=self.frame)
        hot = {EVENTS.name: pa.Table.from_batches(self._hot)}
        return Snapshot(flushed=self._flushed, acked=self.frame, hot=hot)

    def store(
        self, events: Sequence[Event], subject: Subject | None = None, *, received: int = 0
    ) -> Subject:
        """Store events in a frame of their own, of a new object unless one is named.

        Each came when it happened, unless `received` says when all of them did.
        """
        subject = self.take_in(events, subject, received=received)
        self.flush()
        return subject

    def take_in(
        self, events: Sequence[Event], subject: Subject | None = None, *, received: int = 0
    ) -> Subject:
        """Do the same, and leave the rows hot."""
        if subject is None:
            subject = Subject("Cart", next(self._names))
        if not self._hot:
            self._flushed = self.frame
        self.frame += 1
        rows = EventRows(NoRegistries())
        for event in events:
            rows.append(_record(event, subject, received or event.at), self.frame)
        batch = rows.finish()
        if batch is not None:
            self._hot.append(batch)
        return subject

    def flush(self) -> None:
        """Bring what is hot to the engine."""
        if self._hot:
            token = f"frame-{self.frame}"
            self.engine.insert(EVENTS, pa.Table.from_batches(self._hot), token=token)
            self._hot.clear()


def _record(event: Event, subject: Subject, received: int) -> LogRecord:
    texts: dict[str, str] = {
        "trilog.obj.id": subject.id,
        "trilog.obj.type": subject.type,
        "trilog.event.id": event.event_id,
        "trilog.event.seq": str(event.seq),
        "trilog.event.type": event.type,
        "trilog.process.current_phase": event.phase,
    }
    literals: dict[str, str] = {}
    nulls = [name for name, value in event.patch.items() if value is None]
    if nulls:
        texts["trilog.obj.nulls"] = msgspec.json.encode(nulls).decode()
    for name, value in event.patch.items():
        if value is not None:
            key = f"cart.{name}"
            texts[key] = value if isinstance(value, str) else ""
            if not isinstance(value, str):
                literals[key] = msgspec.json.encode(value).decode()
    return LogRecord(
        at=event.at,
        observed=0,
        received=received,
        severity=9,
        body="",
        trace_id="",
        span_id="",
        service="shop",
        texts=texts,
        literals=literals,
    )
