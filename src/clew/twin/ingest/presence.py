"""Which objects there are, as far as ingest has to know: what references are held to.

Theory of operation. What events say of an object's being there is a *standing*: that it was told
of, and the place and kind of the event that last began or ended a life of it. Standings of the same
object are joined by taking the later place, in any order and as often as one likes. So what was
told since the start is noted here as it comes; what the store knows is joined to it the first time
that a reference names the object (`ask`, never on the event loop); and what is told later joins
that. No lock is held while the engine is asked, and no event is missed in between.

An object nobody asked the store about, or that was forgotten since, is *unknown*: nothing is held
against a reference to it. `ask` is called before the events are judged, so that is rare.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from clew.base.errors import ClewError
from clew.store.engine.contract import QueryLimits, Scan
from clew.twin.events import EventType, Order
from clew.twin.state.selection import Subject, are_among, select_objects
from clew.twin.tables import SNAPSHOTS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from clew.store.engine.contract import Engine, Snapshot

logger = logging.getLogger(__name__)

REMEMBERED_MAX: Final = 100_000
"""Objects whose standing is remembered: some 60 MB. Those that were named least recently go."""

ASKED_AT_ONCE_MAX: Final = 10_000
"""Objects in one question to the engine: they are bound as one text of about a megabyte."""

PAUSE_S: Final = 5.0
"""After a question that failed none is asked for so long: intake must not wait for an engine that
is ill, one time after the other."""

LIMITS: Final = QueryLimits(time_ms_max=5_000, memory_bytes_max=1 << 30)
"""A question about ten thousand objects takes a tenth of a second; whoever sends waits for it."""

_TURNS: Final = (EventType.CREATED, EventType.SNAPSHOT, EventType.DELETED)
"""What begins or ends a life, whatever came before; see `clew.twin.fold`."""

_IS_TURN: Final = f"kind IN ({', '.join(repr(str(each)) for each in _TURNS)})"


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of an object's being there.

    `turn` is the place of the last event that began or ended a life, None where none did.
    `is_whole`: it holds what the store knows, too.
    """

    is_told: bool = False
    turn: Order | None = None
    is_deleted: bool = False
    is_whole: bool = False

    def join(self, other: Standing) -> Standing:
        """Return what both say together."""
        later = self
        if other.turn is not None and (self.turn is None or other.turn > self.turn):
            later = other
        return Standing(
            self.is_told or other.is_told,
            later.turn,
            later.is_deleted,
            self.is_whole or other.is_whole,
        )

    @property
    def exists(self) -> bool:
        """Whether the object is there: somebody told of it, and its last life did not end."""
        return self.is_told and not self.is_deleted


_NOTHING: Final = Standing()
_TOLD: Final = Standing(is_told=True)


class Presence:
    """Standings of objects. Safe from any thread; only `ask` blocks.

    It forgets nothing until `begin_forgetting`: while a log is read back, what it tells is not all
    in the store.
    """

    def __init__(
        self, remembered_max: int = REMEMBERED_MAX, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._engine: Engine | None = None
        self._remembered_max = remembered_max
        self._clock = clock
        self._forgets = False
        self._asks_again_at = 0.0
        self._lock = threading.Lock()
        self._standings: OrderedDict[Subject, Standing] = OrderedDict()

    def connect(self, engine: Engine) -> None:
        """Say which engine holds the store; before that, nothing can be asked."""
        self._engine = engine

    def begin_forgetting(self) -> None:
        """Keep to the bound from now on: what was told before is in the store."""
        with self._lock:
            self._forgets = True
            self._trim()

    def tell(self, subject: Subject, type_: EventType, place: Order) -> None:
        """Take note of an event that counts."""
        told = _TOLD
        if type_ in _TURNS:
            told = Standing(
                is_told=True, turn=place, is_deleted=type_ is EventType.DELETED, is_whole=False
            )
        with self._lock:
            self._join(subject, told)
            self._trim()

    def exists(self, subject: Subject) -> bool | None:
        """Return whether an object is there; None where that is unknown. Never blocks."""
        with self._lock:
            standing = self._standings.get(subject)
        return None if standing is None or not standing.is_whole else standing.exists

    def ask(self, subjects: Collection[Subject], snapshot: Callable[[], Snapshot]) -> None:
        """Learn of objects what the store knows, where that is unknown. Blocks, never raises.

        What cannot be learned stays unknown, and the log says why.
        """
        with self._lock:
            unknown = [each for each in dict.fromkeys(subjects) if not self._is_whole(each)]
        if not unknown or self._engine is None or self._clock() < self._asks_again_at:
            return
        try:
            at = snapshot()
            for first in range(0, len(unknown), ASKED_AT_ONCE_MAX):
                some = unknown[first : first + ASKED_AT_ONCE_MAX]
                found = read_standings(self._engine, at, some)
                with self._lock:
                    for subject in some:
                        self._join(subject, replace(found.get(subject, _NOTHING), is_whole=True))
                    self._trim()
        except ClewError as error:
            self._asks_again_at = self._clock() + PAUSE_S
            logger.warning("references of events are not looked at: %s", error.message)

    def _is_whole(self, subject: Subject) -> bool:
        standing = self._standings.get(subject)
        if standing is None:
            return False
        self._standings.move_to_end(subject)
        return standing.is_whole

    def _join(self, subject: Subject, standing: Standing) -> None:
        known = self._standings.get(subject)
        self._standings[subject] = standing if known is None else known.join(standing)
        self._standings.move_to_end(subject)

    def _trim(self) -> None:
        while self._forgets and len(self._standings) > self._remembered_max:
            self._standings.popitem(last=False)


def read_standings(
    engine: Engine, snapshot: Snapshot, subjects: Sequence[Subject]
) -> dict[Subject, Standing]:
    """Return what the store knows of some objects; those it knows nothing of are absent."""
    found: dict[Subject, Standing] = {}
    for subject, standing in (
        *_read_baselines(engine, snapshot, subjects),
        *_read_events(engine, snapshot, subjects),
    ):
        found[subject] = found.get(subject, _NOTHING).join(standing)
    return found


def _read_events(
    engine: Engine, snapshot: Snapshot, subjects: Sequence[Subject]
) -> Iterator[tuple[Subject, Standing]]:
    selection = select_objects(subjects)
    rows = engine.query(
        "SELECT obj_type, ObjId, tupleElement(turn, 1) AS turn_at, tupleElement(turn, 2) AS seq,"  # noqa: S608 - our own text
        " tupleElement(turn, 3) AS event_id, tupleElement(turn, 4) AS turn_kind FROM"
        " (SELECT obj_type, ObjId, argMaxIf((at, Seq, EventId, kind), (at, Seq, EventId),"
        f" {_IS_TURN}) AS turn FROM @events GROUP BY obj_type, ObjId)",
        snapshot=snapshot,
        scans={
            "events": selection.scan(
                "toString(ObjType) AS obj_type",
                "ObjId",
                "toUnixTimestamp64Nano(Timestamp) AS at",
                "Seq",
                "EventId",
                "toString(EventType) AS kind",
            )
        },
        parameters=selection.parameters,
        limits=LIMITS,
    ).to_pylist()
    for row in rows:
        yield Subject(row["obj_type"], row["ObjId"]), _read_turn(row)


def _read_turn(row: Mapping[str, object]) -> Standing:
    kind = row["turn_kind"]
    if not kind:
        return _TOLD
    at, seq, event_id = row["turn_at"], row["seq"], row["event_id"]
    assert isinstance(at, int)
    assert isinstance(seq, int)
    return Standing(
        is_told=True,
        turn=Order(at, seq, str(event_id)),
        is_deleted=kind == EventType.DELETED,
    )


def _read_baselines(
    engine: Engine, snapshot: Snapshot, subjects: Sequence[Subject]
) -> Iterator[tuple[Subject, Standing]]:
    """Yield what stands for events that are gone; what comes late for them does not count."""
    condition, bound = are_among(subjects)
    rows = engine.query(
        "SELECT obj_type, ObjId, max(kept_from) AS kept, argMax(Exists, (kept_from, Frame)) AS"
        " is_there FROM @snapshots GROUP BY obj_type, ObjId",
        snapshot=snapshot,
        scans={
            "snapshots": Scan(
                SNAPSHOTS,
                (
                    "toString(ObjType) AS obj_type",
                    "ObjId",
                    "toUnixTimestamp64Nano(KeptFrom) AS kept_from",
                    "Exists",
                    "Frame",
                ),
                f"IsBaseline AND {condition}",
            )
        },
        parameters=bound,
        limits=LIMITS,
    ).to_pylist()
    for row in rows:
        turn = Order(row["kept"], 0, "")
        yield (
            Subject(row["obj_type"], row["ObjId"]),
            Standing(is_told=True, turn=turn, is_deleted=not row["is_there"]),
        )
