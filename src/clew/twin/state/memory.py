"""What was written down of objects, so that a later reading need not begin at the beginning.

Theory of operation. A reading that folded many events leaves word here and goes its way; one thread
folds the object again, up to the last event that is older than a lateness watermark, over flushed
rows alone, and writes a snapshot. Events that come later for an earlier time make a snapshot wrong,
and its reader finds that out (`clew.twin.state.start`); the watermark only keeps that rare. Rows
that are not flushed are left out because a crash may judge them anew.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from clew.base.errors import ClewError
from clew.store.engine.contract import Snapshot
from clew.twin.state.courses import Courses
from clew.twin.state.folding import refold
from clew.twin.state.rows import RECEIVED
from clew.twin.state.selection import CHANGING, LIMITS, select_events
from clew.twin.state.snapshots import Written, write_snapshots
from clew.twin.state.start import find_baseline
from clew.twin.state.store import RememberingStore
from clew.twin.tables import SNAPSHOTS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from clew.twin.events import Order
    from clew.twin.state.selection import Subject
    from clew.twin.state.start import Known
    from clew.twin.state.store import WholeStore

logger = logging.getLogger(__name__)

LATENESS_NS: Final = 300 * 1_000_000_000
"""Five minutes: what an exporter holds back while its server is restarted, and more."""

EVENTS_MIN: Final = 1_000
"""So many events folded are worth a snapshot: fewer are folded in the time that it takes to read
one and what came after it."""

WAITING_MAX: Final = 1_000
"""Objects that wait for a snapshot. What does not fit is noted by its next reading."""

STATE_BYTES_MAX: Final = 1 << 20
"""A larger state is not written down: it would take more room than the events that it saves."""


@dataclass(frozen=True, slots=True)
class _Noted:
    until: int
    aliases: Mapping[str, str]


class Memory:
    """Snapshots of one store. Safe to use from any thread; `close` it before the engine."""

    def __init__(
        self,
        store: WholeStore,
        now: Callable[[], int],
        *,
        lateness_ns: int = LATENESS_NS,
        events_min: int = EVENTS_MIN,
    ) -> None:
        """Write nothing of the last `lateness_ns` before `now`, Unix nanoseconds."""
        self.store = RememberingStore(store, self)
        """The same store, whose readings begin at snapshots and leave word of what they read."""
        self.courses = Courses()
        self._now = now
        self._lateness_ns = lateness_ns
        self._events_min = events_min
        self._any: bool | None = None
        # Guards what follows, and is notified when any of it changes.
        self._changed = threading.Condition()
        self._waiting: OrderedDict[Subject, _Noted] = OrderedDict()
        self._is_busy = False
        self._is_closed = False
        self._thread: threading.Thread | None = None

    def has_any(self) -> bool:
        """Whether there may be a snapshot of any object: a store without pays nothing for it."""
        if self._any is None:
            self._any = self.store.engine.newest_frame([SNAPSHOTS]) > 0
        return self._any

    def hear_of_written(self) -> None:
        """Take note that snapshots were written."""
        self._any = True

    def hear_of_taking(self) -> None:
        """Take note that events go: what is in memory of them is let go of as well."""
        self.courses.forget()

    def note(
        self, subject: Subject, known: Known, snapshot: Snapshot, aliases: Mapping[str, str]
    ) -> None:
        """Have a snapshot made of an object that took many events to fold. Never waits."""
        last = known.folded.last
        if last is None or known.replayed < self._events_min or not snapshot.flushed:
            return
        with self._changed:
            if self._is_closed or len(self._waiting) >= WAITING_MAX:
                return
            self._waiting[subject] = _Noted(last.at, aliases)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="twin-memory", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def settle(self, timeout_s: float = 30.0) -> bool:
        """Wait until what was noted is written; return whether it is."""
        with self._changed:
            return self._changed.wait_for(
                lambda: not self._waiting and not self._is_busy, timeout_s
            )

    def close(self) -> None:
        """Write nothing more; what is being written is waited for. Idempotent."""
        with self._changed:
            self._is_closed = True
            self._waiting.clear()
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while (taken := self._take()) is not None:
            try:
                self._write(*taken)
            except ClewError as error:
                # Only time is lost: the next reading takes as long as this one, and notes it again.
                logger.warning("no snapshot of an object was written: %s", error.message)
            except Exception:
                # The boundary of the thread: a fault of ours must not end the snapshots of others.
                logger.exception("no snapshot of an object was written")
            finally:
                with self._changed:
                    self._is_busy = False
                    self._changed.notify_all()

    def _take(self) -> tuple[Subject, _Noted] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_closed)
            if self._is_closed:
                return None
            self._is_busy = True
            return self._waiting.popitem(last=False)

    def _write(self, subject: Subject, noted: _Noted) -> None:
        flushed = self.store.snapshot().flushed
        known = refold(
            self.store,
            subject,
            min(noted.until, self._now() - self._lateness_ns),
            at=Snapshot(flushed=flushed, acked=flushed),
            aliases=noted.aliases,
            few=0,
        )
        if known.replayed >= self._events_min and is_whole(known):
            received = self._find_last_arrival(subject, known.folded.last, flushed)
            written = Written(subject, known, flushed, noted.aliases, received)
            write_snapshots(self.store.engine, [written], now=self._now())
            self.hear_of_written()

    def _find_last_arrival(self, subject: Subject, until: Order | None, flushed: int) -> int:
        """Return when the last row of the changes up to a place had come, those gone among them."""
        at = Snapshot(flushed=flushed, acked=flushed)
        baseline = find_baseline(self.store, at, subject)
        changes = select_events(subject, until).narrow(CHANGING)
        (row,) = self.store.engine.query(
            "SELECT max(received) AS last FROM @changes",
            snapshot=at,
            scans={"changes": changes.scan(RECEIVED)},
            parameters=changes.parameters,
            limits=LIMITS,
        ).to_pylist()
        last: int = row["last"]
        return last if baseline is None else max(last, baseline.received)


def is_whole(known: Known) -> bool:
    """Whether a state may stand for its events: no event after the last change is told of."""
    folded = known.folded
    last = folded.last
    if last is None or any(remark.at >= last.at for remark in folded.remarks):
        return False
    return len(msgspec.json.encode(folded.state)) <= STATE_BYTES_MAX
