"""What the events of a process say of its course: phases, how it ended, and whether it may be so.

Theory of operation. The changes of a process are walked through in the order that decides, by the
fold that defines state, so that what is passed over there is passed over here. A phase lasts until
another one begins or the process ends. Whether one may follow another is said by the registry that
its event carries, else by the one that describes the type now. What a process says of itself is
looked at together with the clock: one that has not ended and that nothing comes of any more, for
as long as its type allows it to take, is stuck.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from clew.base.errors import shorten
from clew.base.times import NS_PER_S, TIME_NS_MAX, format_time
from clew.twin.documents import Remark
from clew.twin.events import EventType
from clew.twin.fold import Folded
from clew.twin.schema.transitions import may_follow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from clew.twin.events import Event
    from clew.twin.schema.values import ProcessSchema

STARTED: Final = "started"
COMPLETED: Final = "completed"
FAILED: Final = "failed"
STUCK: Final = "stuck"
TIMED_OUT: Final = "timed_out"
DELETED: Final = "deleted"

ENDS: Final = (COMPLETED, FAILED)
"""What a process says of itself when it is over. Any other word means that it goes on."""

UNKNOWN_PHASE: Final = "unknown_phase"
PHASE_NOT_ALLOWED: Final = "phase_not_allowed"
PHASE_AFTER_END: Final = "phase_after_end"
UNKNOWN_STATUS: Final = "unknown_status"

_NAME_CHARS_SHOWN: Final = 100


@dataclass(slots=True)
class Stay:
    """A time in a phase, and the event that began it. Unix nanoseconds; `end` is None while in it.

    `is_allowed`: its type has the phase, and lets it follow the one before.
    """

    name: str
    event: Event
    is_allowed: bool
    end: int | None = None


@dataclass(slots=True)
class Course:
    """How a process went: its phases in order, what is odd about them, and when it said its end."""

    stays: list[Stay] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)
    ended_at: int | None = None

    def begin(self) -> None:
        """Forget what was: another life begins."""
        self.stays.clear()
        self.remarks.clear()
        self.ended_at = None

    def leave(self, at: int) -> None:
        """End the phase that it is in, if it is in one."""
        if self.stays and self.stays[-1].end is None:
            self.stays[-1].end = at

    def enter(self, name: str, event: Event, remark: Remark | None) -> None:
        """Begin a phase, which ends the one before."""
        self.leave(event.at)
        self.stays.append(Stay(name, event, remark is None))
        if remark is not None:
            self.remarks.append(remark)


def walk(events: Iterable[Event], find_kind: Callable[[str], ProcessSchema | None]) -> Course:
    """Return the course of the present life of a process, or of its last one.

    `events` are its changes, each once and in order; those that say no phase and no status, and
    neither begin nor delete it, may be left out. `find_kind` gives what describes its type, by the
    checksum of an event.
    """
    folded = Folded()
    course = Course()
    for event in events:
        existed, phase, status = folded.exists, folded.phase, folded.status
        if not folded.apply(event):
            continue
        if event.type is EventType.DELETED:
            course.leave(event.at)
            course.ended_at = event.at
            continue
        if not existed:
            course.begin()
            phase = status = ""
        _take(course, event, find_kind(event.checksum), phase, status)
    return course


def tell_status(said: str, *, started: int, last: int, now: int, timeout: int | None) -> str:
    """Return how a process stands that says something of itself, or nothing.

    `last` is when something of it came last. `timeout` is how long it may take, None where nobody
    knows. Nanoseconds.
    """
    if said in ENDS:
        return said
    if timeout is None:
        return STARTED
    if now - last >= timeout:
        return STUCK
    return TIMED_OUT if now - started > timeout else STARTED


def timeout_of(kind: ProcessSchema | None) -> int | None:
    """Return how long a process of a type may take, in nanoseconds."""
    if kind is None:
        return None
    # A bound that no clock reaches is as good as a longer one.
    return int(min(kind.timeout_seconds * NS_PER_S, TIME_NS_MAX))


def next_phases(kind: ProcessSchema | None, phase: str) -> list[str]:
    """Return the phases that a process may go to from the one that it is in."""
    if kind is None:
        return []
    return [each for each in kind.phases if each != phase and may_follow(kind, phase, each)]


def _take(
    course: Course, event: Event, kind: ProcessSchema | None, phase: str, status: str
) -> None:
    """Take a change: `phase` and `status` are what was said before it."""
    had_ended = status in ENDS
    has_ended = (event.status or status) in ENDS
    name = event.phase
    if name and (name != phase or had_ended):
        course.enter(name, event, _find_fault(event, kind, phase, status))
    elif had_ended and not has_ended and phase:
        course.enter(phase, event, _after_end(event, phase, status))
    if event.status:
        course.ended_at = event.at if has_ended else None
        if not has_ended and event.status != STARTED:
            course.remarks.append(_unknown_status(event))
    if has_ended:
        course.leave(event.at)


def _find_fault(event: Event, kind: ProcessSchema | None, phase: str, status: str) -> Remark | None:
    """Return why a phase may not begin, None where it may."""
    name = event.phase
    if kind is not None and kind.phases and name not in kind.phases:
        return _remark(UNKNOWN_PHASE, f"{kind.name} has no phase {_show(name)}", event)
    if status in ENDS:
        return _after_end(event, name, status)
    if kind is None or may_follow(kind, phase, name):
        return None
    allowed = ", ".join(kind.transitions.get(phase, [])) or "nothing"
    message = f"{_show(name)} may not follow {_show(phase)}: {allowed} may"
    return _remark(PHASE_NOT_ALLOWED, message, event)


def _after_end(event: Event, name: str, status: str) -> Remark:
    return _remark(PHASE_AFTER_END, f"{_show(name)} began when it had {status}", event)


def _unknown_status(event: Event) -> Remark:
    said = f"it says that it is {_show(event.status)}, which is taken for {STARTED}"
    return _remark(UNKNOWN_STATUS, said, event)


def _remark(code: str, message: str, event: Event) -> Remark:
    return Remark(code=code, message=message, event_id=event.event_id, at=format_time(event.at))


def _show(name: str) -> str:
    return repr(shorten(name, _NAME_CHARS_SHOWN))
