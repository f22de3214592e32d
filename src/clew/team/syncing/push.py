"""The way out: what waits is claimed, sent, and what came of it is handed in.

Theory of operation. Claims come fifty at a time until nothing is due. One whose outcome nobody
heard is asked about before it is sent; one that met another version is settled with it, which puts
what is left of it back into the queue, for the record as it is now, so that the next claim brings
it again. The network's going away, or the server's sending us away, ends the push: what is on its
way returns, and the rest was not touched.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from clew.team.errors import ConflictError, NotFoundError, TeamError
from clew.team.merging.recall import Recalled
from clew.team.merging.verdict import Verdict, VerdictKind, judge
from clew.team.syncing.course import durable
from clew.team.trailbase.contract import BATCH_MAX, Remote

if TYPE_CHECKING:
    from clew.team.ledger.rows import Claim, Reconciled
    from clew.team.syncing.course import Course

MEETINGS_MAX: Final = 5
"""How often one thing may meet another version in one push: whoever changes it faster than that
is to be waited for."""

STOPS: Final = frozenset({VerdictKind.OFFLINE, VerdictKind.DELAY, VerdictKind.PAUSE})
"""What is true of everything else that waits as well."""


@dataclass(slots=True)
class Pushed:
    """What a push came to. `stopped` is why it did not go to the end, if it did not."""

    sent: int = 0
    failed: int = 0
    conflicts: int = 0
    stopped: Verdict | None = None
    meetings: Counter[tuple[str, str]] = field(default_factory=Counter)


async def push(course: Course, pushed: Pushed | None = None) -> Pushed:
    """Send what waits and is due, all of it; count on from `pushed`.

    Raises:
        ClewError: the ledger could not be written; what is on its way returns by itself.
    """
    pushed = pushed or Pushed()
    while pushed.stopped is None:
        claims = await durable(course.ledger.claim(course.account_id, BATCH_MAX))
        if not claims:
            break
        await _carry_out(course, claims, pushed)
    return pushed


async def _carry_out(course: Course, claims: list[Claim], pushed: Pushed) -> None:
    outcomes: list[tuple[Claim, Remote | Verdict]] = []
    ready: list[Claim] = []
    for claimed in claims:
        if not claimed.operation.is_doubtful:
            ready.append(claimed)
        elif pushed.stopped is None:
            await _recall(course, claimed, pushed, outcomes, ready)
        else:
            outcomes.append((claimed, pushed.stopped))
    if ready and pushed.stopped is None:
        answers = await course.server.send_all([each.as_sending() for each in ready])
        for claimed, answer in zip(ready, answers, strict=True):
            if isinstance(answer, ConflictError):
                await _meet(course, claimed, pushed, outcomes)
            else:
                _note(claimed, answer, pushed, outcomes)
    elif pushed.stopped is not None:
        # Nothing of these went out: that the others may have been done says nothing of them.
        untouched = Verdict(pushed.stopped.kind, pushed.stopped.reason)
        outcomes.extend((each, untouched) for each in ready)
    if outcomes:
        await durable(course.ledger.finish(outcomes))


def _note(
    claimed: Claim,
    answer: Remote | Exception,
    pushed: Pushed,
    outcomes: list[tuple[Claim, Remote | Verdict]],
) -> None:
    if isinstance(answer, Remote):
        pushed.sent += 1
        outcomes.append((claimed, answer))
        return
    verdict = judge(answer)
    outcomes.append((claimed, verdict))
    if verdict.kind in STOPS:
        pushed.stopped = pushed.stopped or verdict
    else:
        pushed.failed += 1


async def _recall(
    course: Course,
    claimed: Claim,
    pushed: Pushed,
    outcomes: list[tuple[Claim, Remote | Verdict]],
    ready: list[Claim],
) -> None:
    """Ask what became of an operation that was sent before."""
    try:
        told = await _ask(course, claimed)
    except TeamError as error:
        # The question changes nothing, but what it is about may have been done.
        _note(claimed, error, pushed, outcomes)
        return
    if told.conflict is not None:
        pushed.conflicts += 1
    if told.what is Recalled.DONE:
        pushed.sent += 1
    if told.to_send is not None:
        ready.append(told.to_send)


async def _meet(
    course: Course,
    claimed: Claim,
    pushed: Pushed,
    outcomes: list[tuple[Claim, Remote | Verdict]],
) -> None:
    """Settle an operation with the version that it met."""
    key = (claimed.operation.entity_type, claimed.operation.entity_id)
    pushed.meetings[key] += 1
    if pushed.meetings[key] > MEETINGS_MAX:
        outcomes.append((claimed, Verdict(VerdictKind.RETRY, "the record changes all the time")))
        pushed.failed += 1
        return
    try:
        told = await _ask(course, claimed)
    except TeamError as error:
        _note(claimed, error, pushed, outcomes)
        return
    if told.conflict is not None:
        pushed.conflicts += 1
    if told.what is Recalled.DONE:
        pushed.sent += 1
    if told.to_send is not None:
        # What it met is gone again: tried anew by a later claim, as one of its tries.
        outcomes.append((told.to_send, Verdict(VerdictKind.RETRY, "the record changed twice")))


async def _ask(course: Course, claimed: Claim) -> Reconciled:
    record: Remote | None
    entity_type = claimed.operation.entity_type
    try:
        record = await course.server.get(entity_type, claimed.entity.remote_id)
    except NotFoundError:
        record = None
    strategy = course.strategy_of(entity_type)
    return await durable(course.ledger.reconcile(claimed, record, strategy))
