"""The sync as whoever works here tends it: run now, what waits and why, what met."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clew.base.errors import ClewError, ErrorCode
from clew.base.ids import parse_uuid
from clew.team.ledger.rows import Take
from clew.team.syncing.course import durable, reading
from clew.team.teams import documents as doc
from clew.team.teams.parameters import LIMIT_MAX
from clew.team.teams.telling import tell_conflict, tell_operation, tell_round

if TYPE_CHECKING:
    from clew.team.teams import parameters as ask
    from clew.team.teams.accounts import Accounts


class SyncTending:
    """That part of `clew.team.teams.contract.Teams`. Of the current account."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._ledger = accounts.ledger

    async def sync(self) -> doc.SyncReport:
        """Send and pull now."""
        account = await self._accounts.current()
        done = await self._accounts.engine.sync(account.account_id)
        stats = await reading(lambda: self._ledger.stats(account.account_id))
        return doc.SyncReport(
            synced=done.sent,
            failed=stats.failed,
            pending=stats.pending,
            pulled=done.pulled,
            conflicts=done.conflicts,
            outcome=done.outcome.value,
            error=done.error,
        )

    async def queue(self, query: ask.QueueQuery) -> doc.OperationList:
        """Return what waits, or what was set aside."""
        limit = checked_limit(query.limit)
        account = await self._accounts.current()
        failed = query.state == "failed"
        part = await reading(
            lambda: self._ledger.read_queue(account.account_id, failed=failed, limit=limit)
        )
        operations = [tell_operation(each, in_flight=True) for each in part.in_flight]
        operations += [tell_operation(each) for each in part.waiting]
        total = part.stats.failed if failed else part.stats.pending
        return doc.OperationList(
            operations=operations,
            count=len(operations),
            total=total,
            truncated=len(operations) < total,
        )

    async def retry(self, choice: ask.OperationChoice) -> doc.Changed:
        """Let what was set aside begin anew."""
        account = await self._accounts.current()
        count = await durable(self._ledger.retry_failed(account.account_id, choice.op_id))
        self._accounts.wake(account.account_id)
        return doc.Changed(count=count)

    async def clear(self, choice: ask.OperationChoice) -> doc.Changed:
        """Give up what was set aside."""
        account = await self._accounts.current()
        count = await durable(self._ledger.clear_failed(account.account_id, choice.op_id))
        return doc.Changed(count=count)

    async def rounds(self, query: ask.RoundQuery) -> doc.RoundList:
        """Return what rounds did."""
        limit = checked_limit(query.limit)
        account = await self._accounts.current()
        found = await reading(lambda: self._ledger.find_rounds(account.account_id, limit))
        return doc.RoundList(rounds=[tell_round(each) for each in found], count=len(found))

    async def conflicts(self, query: ask.ConflictQuery) -> doc.ConflictList:
        """Return versions that met."""
        limit = checked_limit(query.limit)
        before = None if query.next is None else parse_uuid(query.next)
        account = await self._accounts.current()
        found = await reading(
            lambda: self._ledger.find_conflicts(
                account.account_id,
                with_resolved=query.resolved,
                before=before,
                limit=limit + 1,
            )
        )
        total = await reading(lambda: self._ledger.count_conflicts(account.account_id))
        shown, has_more = found[:limit], len(found) > limit
        return doc.ConflictList(
            conflicts=[tell_conflict(each) for each in shown],
            count=len(shown),
            total=total,
            truncated=has_more,
            next=shown[-1].conflict_id if has_more else None,
        )

    async def get_conflict(self, conflict_id: str) -> doc.ConflictHead:
        """Return one conflict."""
        account = await self._accounts.current()
        found = await reading(lambda: self._ledger.get_conflict(account.account_id, conflict_id))
        return tell_conflict(found)

    async def resolve(self, conflict_id: str, asked: ask.ConflictResolution) -> doc.ConflictHead:
        """Decide a conflict."""
        account = await self._accounts.current()
        resolved = await durable(
            self._ledger.resolve(account.account_id, conflict_id, Take(asked.take), asked.document)
        )
        self._accounts.wake(account.account_id)
        return tell_conflict(resolved)


def checked_limit(limit: int) -> int:
    """Return how many, if it may be so many.

    Raises:
        ClewError: INVALID_ARGUMENT.
    """
    if not 1 <= limit <= LIMIT_MAX:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"limit must be between 1 and {LIMIT_MAX}",
            hint="ask for less at once",
        )
    return limit
