"""One round: what waits goes out, what changed comes in, what met goes out once more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clew.base.errors import shorten
from clew.team.errors import AuthError, NetworkError, RateLimitError, TeamError
from clew.team.ledger.flight import LOGIN_REASON
from clew.team.ledger.rows import Round, RoundOutcome
from clew.team.merging.verdict import REASON_CHARS_MAX, VerdictKind, judge
from clew.team.syncing.course import durable
from clew.team.syncing.pull import Pulled, pull
from clew.team.syncing.push import Pushed, push

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from clew.team.syncing.course import Course

_STOPPED = {
    VerdictKind.OFFLINE: RoundOutcome.OFFLINE,
    VerdictKind.DELAY: RoundOutcome.PAUSED,
    VerdictKind.PAUSE: RoundOutcome.PAUSED,
}


async def run_round(
    course: Course, now: Callable[[], int], only: Sequence[str] | None = None
) -> tuple[Round, Pulled]:
    """Send and pull once, keep what that came to, and return it. Raises nothing of the server's.

    `only` names the types that are pulled, all where it is None.

    Raises:
        ClewError: the ledger could not be written.
    """
    began_at = now()
    pushed, pulled = Pushed(), Pulled()
    outcome, error = RoundOutcome.DONE, None
    try:
        pushed = await push(course)
        if pushed.stopped is None:
            pulled = await pull(course, only)
            if pulled.conflicts:
                # What was settled in our favour, or merged, is due at once.
                again = await push(course)
                pushed.sent += again.sent
                pushed.failed += again.failed
                pushed.conflicts += again.conflicts
                pushed.stopped = again.stopped
        if pushed.stopped is not None:
            outcome, error = _STOPPED[pushed.stopped.kind], pushed.stopped.reason
    except TeamError as met:
        outcome = await _stopped_by(course, met, now)
        error = shorten(met.message, REASON_CHARS_MAX)
    await durable(course.ledger.keep_clock(course.account_id, course.server.clock_offset_ns))
    done = Round(
        began_at=began_at,
        ended_at=now(),
        outcome=outcome,
        sent=pushed.sent,
        failed=pushed.failed,
        pulled=pulled.pulled,
        conflicts=pushed.conflicts + pulled.conflicts,
        error=error,
    )
    await durable(course.ledger.keep_round(course.account_id, done))
    return done, pulled


async def _stopped_by(course: Course, met: TeamError, now: Callable[[], int]) -> RoundOutcome:
    """Keep what a pull ran into, where it is true of everything, and return how the round ended."""
    if isinstance(met, NetworkError):
        return RoundOutcome.OFFLINE
    if isinstance(met, AuthError):
        await durable(course.ledger.pause(course.account_id, LOGIN_REASON, None))
        return RoundOutcome.PAUSED
    verdict = judge(met)
    if isinstance(met, RateLimitError) or verdict.retry_after_ns is not None:
        until = now() + (verdict.retry_after_ns or 0)
        await durable(course.ledger.pause(course.account_id, verdict.reason, until))
        return RoundOutcome.PAUSED
    return RoundOutcome.FAILED
