"""Courses of the objects that are asked about again and again, as under a slider.

Theory of operation. Whoever asks a second time about an object soon after the first has its course
read; later questions are answered from it, as long as nothing came meanwhile that makes it wrong.
That is known without a question to the engine: what came after the course's last frame is among the
hot rows, unless a flush has begun to take it. So an answer sees every acknowledged event, as any.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from clew.store.table import FRAME
from clew.twin.state.course import PLACE, Course
from clew.twin.state.rows import CHANGE_COLUMNS
from clew.twin.state.selection import CHANGING, LIMITS, select_events
from clew.twin.state.start import find_baseline, name_aliases
from clew.twin.tables import EVENTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from clew.store.engine.contract import Snapshot
    from clew.twin.events import Order
    from clew.twin.state.selection import Selection, Subject
    from clew.twin.state.start import Known
    from clew.twin.state.store import Store

COURSE_EVENTS_MAX: Final = 100_000
"""Changes of one course: 50 MB. Moments of an object with more begin at snapshots."""

EVENTS_MAX: Final = 200_000
"""Changes of all courses: 100 MB."""

ASKED_MAX: Final = 1_000
"""Objects of which it is known that they were asked about."""


@dataclass(slots=True)
class _Asked:
    """What is known of one object; `lock` is held by who reads or alters its course."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    course: Course | None = None
    is_too_large: bool = False


class Courses:
    """Courses of one store. Safe to use from any thread."""

    def __init__(self) -> None:
        # Guards what follows; never held while the engine is asked.
        self._lock = threading.Lock()
        self._asked: OrderedDict[tuple[Subject, str], _Asked] = OrderedDict()
        self._sizes: OrderedDict[tuple[Subject, str], int] = OrderedDict()

    def forget(self) -> None:
        """Forget all, because events are about to be taken away."""
        with self._lock:
            self._asked.clear()
            self._sizes.clear()

    def fold(
        self,
        store: Store,
        snapshot: Snapshot,
        subject: Subject,
        until: Order | int | None,
        aliases: Mapping[str, str],
        *,
        at_once: bool = False,
    ) -> Known | None:
        """Return what changes came to, None where no course tells, as at the first question.

        `at_once` reads the course at the first question too, for one that asks for many moments.
        """
        if snapshot.frames is not None:
            # What came since cannot be told from shards' frames.
            return None
        key = (subject, name_aliases(aliases))
        with self._lock:
            asked = self._asked.get(key)
            is_first = asked is None
            if asked is None:
                asked = self._asked[key] = _Asked()
                if len(self._asked) > ASKED_MAX:
                    self._sizes.pop(self._asked.popitem(last=False)[0], None)
            self._asked.move_to_end(key)
        if asked.is_too_large or (is_first and not at_once):
            return None
        with asked.lock:
            if asked.course is not None and not _bring_up(asked.course, store, snapshot, subject):
                # Something came late. Whoever asks next has it read anew.
                asked.course = None
                return None
            if asked.course is None:
                asked.course = _read_course(store, snapshot, subject, aliases)
                asked.is_too_large = asked.course is None
            if asked.course is None or asked.course.top > snapshot.acked:
                return None
            known = asked.course.fold(until)
            self._make_room(key, len(asked.course))
        return known

    def _make_room(self, key: tuple[Subject, str], size: int) -> None:
        """Let go of the courses that were asked for longest ago, until the others fit."""
        with self._lock:
            self._sizes.pop(key, None)
            if key not in self._asked:
                return
            self._sizes[key] = size
            while sum(self._sizes.values()) > EVENTS_MAX:
                oldest, _ = self._sizes.popitem(last=False)
                del self._asked[oldest]


def _bring_up(course: Course, store: Store, snapshot: Snapshot, subject: Subject) -> bool:
    """Let a course go on to what a snapshot sees; return whether it could."""
    if snapshot.acked <= course.top:
        return True
    if snapshot.flushed <= course.top and not _is_hot(snapshot, subject, course.top):
        course.top = snapshot.acked
        return True
    news = select_events(subject).narrow(f"{CHANGING} AND Frame > {{top:UInt64}}", top=course.top)
    rows = _read(store, snapshot, news)
    return rows is not None and course.extend(rows, snapshot.acked)


def _is_hot(snapshot: Snapshot, subject: Subject, top: int) -> bool:
    """Whether any hot row of later frames than `top` is of an object."""
    rows = snapshot.hot.get(EVENTS.name)
    if rows is None:
        return False
    import pyarrow.compute as pc  # a start need not wait for it

    is_later = pc.greater(rows[FRAME], top)
    return bool(pc.any(pc.and_(is_later, pc.equal(rows["ObjId"], subject.id))).as_py())


def _read_course(
    store: Store, snapshot: Snapshot, subject: Subject, aliases: Mapping[str, str]
) -> Course | None:
    """Return the course of an object, None where it is too large or contradicts itself."""
    baseline = find_baseline(store, snapshot, subject)
    changes = select_events(subject).narrow(CHANGING)
    if baseline is not None:
        changes = changes.outside(baseline.parts)
    rows = _read(store, snapshot, changes)
    course = Course(subject, aliases, baseline)
    return course if rows is not None and course.extend(rows, snapshot.acked) else None


def _read(store: Store, snapshot: Snapshot, changes: Selection) -> pa.Table | None:
    """Return changes in their order, None where they are too many."""
    rows = store.engine.query(
        f"SELECT * FROM @changes LIMIT {COURSE_EVENTS_MAX + 1}",  # noqa: S608 - a number of ours
        snapshot=snapshot,
        scans={"changes": changes.scan(*CHANGE_COLUMNS)},
        parameters=changes.parameters,
        limits=LIMITS,
    )
    if rows.num_rows > COURSE_EVENTS_MAX:
        return None
    return rows.sort_by([(name, "ascending") for name in PLACE])
