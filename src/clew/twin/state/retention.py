"""Events go after a time, and what they came to stays.

Theory of operation. Of every object that has events of before the month in which the retention
ends, a *baseline* is written: what they came to (`clew.twin.state.start`). A round that finds none
missing drops the months before, whole. Between the two a while passes, so that no question that
began before there were baselines looks for events after they are gone. A kill at any point leaves
baselines whose events are still there, which nobody reads any more, and is mended by the next
round. A baseline is never made anew for the same moment: some of its events may be gone by then.
"""

# ruff: noqa: S608 - values are bound; the rest is our own text

from __future__ import annotations

import itertools
import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from clew.base.errors import ClewError
from clew.base.times import NS_PER_S, format_time
from clew.store.engine.contract import Snapshot
from clew.twin.state.folding import fold_after
from clew.twin.state.rows import AT, RECEIVED
from clew.twin.state.selection import CHANGING, COUNTED, LIMITS, Selection, Subject
from clew.twin.state.snapshots import Written, write_snapshots
from clew.twin.state.start import begin_at, find_baselines
from clew.twin.tables import EVENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from clew.twin.state.memory import Memory
    from clew.twin.state.start import Start

logger = logging.getLogger(__name__)

EVERY_SECONDS: Final = 3600.0
"""Between two rounds. Months go, so an hour more or less is nothing; a round that finds nothing to
do is one question that reads nothing."""

DROP_AFTER_SECONDS: Final = 600.0
"""From the last baseline to the drop: longer than a question takes, whatever it is about."""

OBJECTS_AT_ONCE: Final = 10_000
"""Objects whose old events are looked for at once: each look reads those of all that follow."""

WRITTEN_AT_ONCE: Final = 1_000
"""Baselines of one insert: some megabytes."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What a round did. `kept_from` is the moment before which events are gone."""

    kept_from: int
    baselines: int
    partitions: int


class Retention:
    """Takes the events of one store that are older than they are to be kept.

    Safe to use from any thread; `close` it before the memory and the engine.
    """

    def __init__(
        self,
        memory: Memory,
        *,
        seconds: int,
        flush: Callable[[], None],
        aliases: Callable[[str], Mapping[str, str]],
        now: Callable[[], int],
    ) -> None:
        """Keep events for some seconds at least.

        `flush` brings every acknowledged event to the engine, `aliases` gives the former names of
        the fields of a type, `now` Unix nanoseconds.
        """
        self._memory = memory
        self._seconds = seconds
        self._flush = flush
        self._aliases = aliases
        self._now = now
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def open(self) -> None:
        """Begin a thread that takes what is due, now and every hour."""
        self._thread = threading.Thread(target=self._run, name="twin-retention", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End with the objects that are under way; idempotent."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join()

    def apply(self) -> Taken:
        """Write the baselines that are missing; where none are, drop the months that are due.

        Raises:
            ClewError: the engine failed, or an object is TOO_LARGE to be folded; nothing is dropped
                then, and the baselines that were written are right.
        """
        kept_from = EVENTS.start_partition(self._now() - self._seconds * NS_PER_S)
        if not self._has_before(kept_from):
            return Taken(kept_from, 0, 0)
        self._flush()
        flushed = self._memory.store.snapshot().flushed
        baselines = 0
        for page in self._find_objects(kept_from, Snapshot(flushed=flushed, acked=flushed)):
            if self._closing.is_set():
                return Taken(kept_from, baselines, 0)
            baselines += self._write(page, kept_from, flushed)
        if baselines:
            return Taken(kept_from, baselines, 0)
        self._memory.hear_of_taking()
        partitions = self._memory.store.engine.drop_before(EVENTS, kept_from)
        return Taken(kept_from, 0, partitions)

    def _run(self) -> None:
        while not self._closing.is_set():
            pause = EVERY_SECONDS
            try:
                taken = self.apply()
                if taken.baselines:
                    pause = DROP_AFTER_SECONDS
                if taken.partitions:
                    logger.info("events of before %s are gone", format_time(taken.kept_from))
            except ClewError as error:
                logger.warning("no events of objects were taken away: %s", error.message)
            except Exception:
                # The boundary of the thread: a fault of ours must not end the server.
                logger.exception("no events of objects were taken away")
            self._closing.wait(pause)

    def _has_before(self, kept_from: int) -> bool:
        store = self._memory.store
        old = Selection(_BEFORE, {"kept_from": kept_from})
        rows = store.engine.query(
            "SELECT count() AS events FROM @events",
            snapshot=store.snapshot(),
            scans={"events": old.scan("Timestamp")},
            parameters=old.parameters,
            limits=LIMITS,
        )
        return bool(rows["events"][0].as_py())

    def _find_objects(self, kept_from: int, at: Snapshot) -> Iterator[list[dict[str, Any]]]:
        """Yield the objects that have changes before a moment, some at a time."""
        after = ("", "")
        while True:
            old = Selection(
                f"{_BEFORE} AND {COUNTED} AND ObjId != ''"
                " AND (ObjType, ObjId) > ({after_type:String}, {after_id:String})",
                {"kept_from": kept_from, "after_type": after[0], "after_id": after[1]},
            )
            page = self._memory.store.engine.query(
                "SELECT type, ObjId AS id, min(at) AS first_at,"
                f" argMaxIf(service, (at, Seq, EventId), {CHANGING}) AS service,"
                f" maxIf(received, {CHANGING}) AS received"
                f" FROM @events GROUP BY type, id HAVING countIf({CHANGING}) > 0"
                f" ORDER BY type, id LIMIT {OBJECTS_AT_ONCE}",
                snapshot=at,
                scans={
                    "events": old.scan(
                        "toString(ObjType) AS type",
                        "ObjId",
                        AT,
                        "Seq",
                        "EventId",
                        "EventType",
                        "toString(ServiceName) AS service",
                        RECEIVED,
                    )
                },
                parameters=old.parameters,
                limits=LIMITS,
            ).to_pylist()
            if page:
                yield page
            if len(page) < OBJECTS_AT_ONCE:
                return
            after = (page[-1]["type"], page[-1]["id"])

    def _write(self, page: list[dict[str, Any]], kept_from: int, flushed: int) -> int:
        """Write the baselines of objects that have none of this moment; return how many."""
        store = self._memory.store
        at = Snapshot(flushed=flushed, acked=flushed)
        rows = {Subject(row["type"], row["id"]): row for row in page}
        before = find_baselines(store, store.snapshot(), rows)
        wanted = [each for each in rows if each not in before or before[each].kept_from < kept_from]
        known = fold_after(
            store,
            wanted,
            kept_from - 1,
            at=at,
            aliases=self._aliases,
            starts={each: begin_at(before[each], None) for each in wanted if each in before},
        )
        baselines = (
            Written(
                subject,
                each,
                flushed,
                self._aliases(subject.type),
                _last_arrival_of(rows[subject], before.get(subject)),
                kept_from,
                _first_of(rows[subject], before.get(subject)),
                rows[subject]["service"],
            )
            for subject, each in known.items()
        )
        while batch := list(itertools.islice(baselines, WRITTEN_AT_ONCE)):
            write_snapshots(store.engine, batch, now=self._now())
            self._memory.hear_of_written()
        return len(known)


_BEFORE: Final = "Timestamp < fromUnixTimestamp64Nano({kept_from:Int64})"


def _last_arrival_of(row: dict[str, Any], before: Start | None) -> int:
    last: int = row["received"]
    return last if before is None else max(last, before.received)


def _first_of(row: dict[str, Any], before: Start | None) -> int:
    first: int = row["first_at"]
    return first if before is None else min(first, before.first_at)
