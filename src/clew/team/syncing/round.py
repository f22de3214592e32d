"""One round: what waits goes out, what changed comes in, what met goes out once more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clew.base.errors import shorten
from clew.base.times import NS_PER_MS, NS_PER_S
from clew.team.errors import AuthError, NetworkError, RateLimitError, TeamError
from clew.team.ledger.flight import LOGIN_REASON
from clew.team.ledger.rows import Round, RoundOutcome
from clew.team.merging.verdict import REASON_CHARS_MAX, VerdictKind, judge
from clew.team.syncing.course import durable, reading
from clew.team.syncing.pull import Pulled, pull
from clew.team.syncing.push import push

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from clew.team.syncing.course import Course

RETRY_AFTER_NS: Final = 10 * NS_PER_S
"""Where a server asks for fewer requests and does not say when."""

CLOCK_NS_MIN: Final = NS_PER_MS
"""A difference that is written down: what is known of the server's clock is no better."""

_STOPPED: Final = {
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
    account = await reading(lambda: course.ledger.find_account(course.account_id))
    if account is not None and account.is_paused_at(began_at):
        # Nothing is asked: the server said until when, or that it does not know us.
        paused = Round(began_at, began_at, RoundOutcome.PAUSED, error=account.pause_reason)
        return paused, Pulled()
    pulled = Pulled()
    outcome, error = RoundOutcome.DONE, None
    pushed = await push(course)
    try:
        if pushed.stopped is None:
            await pull(course, pulled, only)
            # What was settled in our favour, or merged, is due at once.
            await push(course, pushed)
        if pushed.stopped is not None:
            outcome, error = _STOPPED[pushed.stopped.kind], pushed.stopped.reason
        elif pulled.problem is not None:
            outcome, error = RoundOutcome.FAILED, _reason_of(pulled.problem)
    except TeamError as met:
        outcome, error = await _stopped_by(course, met, now), _reason_of(met)
    offset_ns = course.server.clock_offset_ns
    if account is None or abs(account.clock_offset_ns - offset_ns) > CLOCK_NS_MIN:
        await durable(course.ledger.keep_clock(course.account_id, offset_ns))
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


def _reason_of(met: TeamError) -> str:
    return shorten(met.message, REASON_CHARS_MAX)


async def _stopped_by(course: Course, met: TeamError, now: Callable[[], int]) -> RoundOutcome:
    """Keep what a pull ran into, where it is true of everything, and return how the round ended."""
    if isinstance(met, NetworkError):
        return RoundOutcome.OFFLINE
    if isinstance(met, AuthError):
        await durable(course.ledger.pause(course.account_id, LOGIN_REASON, None))
        return RoundOutcome.PAUSED
    verdict = judge(met)
    if isinstance(met, RateLimitError) or verdict.retry_after_ns is not None:
        wait_ns = RETRY_AFTER_NS if verdict.retry_after_ns is None else verdict.retry_after_ns
        until = now() + wait_ns
        await durable(course.ledger.pause(course.account_id, verdict.reason, until))
        return RoundOutcome.PAUSED
    return RoundOutcome.FAILED
