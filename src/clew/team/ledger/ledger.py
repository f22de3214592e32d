"""`Ledger`: what a sync keeps here, in the registry's database or in a file of somebody's program.

Theory of operation. Everything belongs to an account (a server and a user of it) and no method
touches what is another's. A local write and its operation are one transaction (`write`). A round
of the sync claims operations, tells the server, and hands in what came of them (`finish`); between
the two, a process may die at any point: its claims run out and return, marked as attempted, and
what became of them is asked before they are sent again (`reconcile`). A pull hands in pages, each
with its cursor, as one transaction (`apply_page`). Where both sides changed the same thing, it is
settled then and there, and what is lost by that is kept as a conflict.

What writes returns a future that is done when the write is durable; what reads blocks. Both may be
called from any thread, but readings not on an event loop. The functions behind the methods take a
transaction, for those who have one: `clew.team.ledger.{accounts,entities,queue,flight,arrivals,
conflicts,rounds}`.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

from clew.base.times import NS_PER_S
from clew.team.entities.kinds import KINDS
from clew.team.ledger import (
    accounts,
    adoption,
    arrivals,
    conflicts,
    entities,
    flight,
    queue,
    rounds,
)
from clew.team.ledger.queue import LocalWrite
from clew.team.ledger.rows import RoundOutcome
from clew.team.merging.operation import SyncOperationType
from clew.team.merging.strategy import ConflictStrategy
from clew.team.merging.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from concurrent.futures import Future

    from clew.store.database.contract import Database, Transaction
    from clew.team.entities.codec import Document
    from clew.team.entities.entity import SyncableEntity
    from clew.team.ledger.arrivals import Arrival
    from clew.team.ledger.rows import (
        Account,
        Applied,
        Claim,
        Conflict,
        EntityRow,
        QueuePart,
        QueueStats,
        Reconciled,
        Round,
        Take,
    )
    from clew.team.merging.operation import Operation
    from clew.team.trailbase.contract import Remote

NS_PER_DAY: Final = 24 * 60 * 60 * NS_PER_S

TOMBSTONES_NS: Final = 360 * NS_PER_DAY
"""Twice as long as a server keeps them: what came before a deletion and is late comes sooner."""

FORGET_EVERY_NS: Final = NS_PER_DAY
"""It reads all that an account has."""


class Ledger:
    """The ledger over a database that was opened with `clew.team.ledger.schema.SCHEMA`."""

    def __init__(
        self,
        database: Database,
        now: Callable[[], int],
        *,
        kinds: Mapping[str, type[SyncableEntity]] = KINDS,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Keep things in a database.

        Args:
            database: with the tables of sessions and of the team.
            now: gives Unix nanoseconds.
            kinds: the classes of entities that are merged as entities; others as documents.
            chance: gives 0 up to 1; what waits between tries are drawn by.
        """
        self._database = database
        self._now = now
        self.kinds: Final = kinds
        self._chance = chance
        self._forgot_at: dict[str, int] = {}

    # Accounts.

    def connect(self, account: Account) -> Future[None]:
        """Keep an account and make it the current one; a pause of it ends.

        The id is `account_id_of(server_url, user_id)`, so whoever connects again finds what waits.
        """
        return self._database.submit(lambda writing: accounts.keep_account(writing, account))

    def find_account(self, account_id: str) -> Account | None:
        """Return an account, None where there is none."""
        return self._database.read(lambda reading: accounts.find_account(reading, account_id))

    def find_accounts(self) -> list[Account]:
        """Return all accounts, the current one first."""
        return self._database.read(accounts.find_accounts)

    def adopt(self, before: str, account_id: str) -> Future[int]:
        """Let what waits under `before`, which belongs to no server, wait under an account.

        Returns how many operations that were.
        """
        return self._database.submit(lambda writing: adoption.adopt(writing, before, account_id))

    def choose_account(self, account_id: str) -> Future[bool]:
        """Make an account the current one; whether there is such an account."""
        return self._database.submit(lambda writing: accounts.choose_account(writing, account_id))

    def choose_team(self, account_id: str, team_id: str | None) -> Future[None]:
        """Set the team that is meant where none is named."""
        return self._database.submit(
            lambda writing: accounts.choose_team(writing, account_id, team_id)
        )

    def keep_clock(self, account_id: str, clock_offset_ns: int) -> Future[None]:
        """Keep how far the server's clock is ahead of ours."""
        return self._database.submit(
            lambda writing: accounts.keep_clock(writing, account_id, clock_offset_ns)
        )

    def pause(self, account_id: str, reason: str, until: int | None) -> Future[None]:
        """Let nothing of an account be sent before `until`, or before a login where it is None."""
        return self._database.submit(
            lambda writing: accounts.pause_account(writing, account_id, reason, until)
        )

    def resume(self, account_id: str) -> Future[None]:
        """End a pause."""
        return self._database.submit(lambda writing: accounts.resume_account(writing, account_id))

    def forget_account(self, account_id: str) -> Future[None]:
        """Remove an account and all that is its. Look at `stats` first: what waits is lost."""
        return self._database.submit(lambda writing: accounts.forget_account(writing, account_id))

    def give_consent(self, account_id: str, team_id: str, entity_type: str) -> Future[None]:
        """Agree that things of a type are shared with a team."""
        return self._database.submit(
            lambda writing: accounts.give_consent(
                writing, account_id, team_id, entity_type, self._now()
            )
        )

    def withdraw_consent(self, account_id: str, team_id: str, entity_type: str) -> Future[int]:
        """Agree no more; what waits and was never sent is given up. Returns how much that is.

        What is shared already stays so until it is deleted.
        """

        def work(writing: Transaction) -> int:
            accounts.withdraw_consent(writing, account_id, team_id, entity_type)
            return queue.drop_unsent(writing, account_id, team_id, entity_type)

        return self._database.submit(work)

    def find_consents(self, account_id: str, team_id: str) -> frozenset[str]:
        """Return the types of which things may be shared with a team."""
        return self._database.read(
            lambda reading: accounts.find_consents(reading, account_id, team_id)
        )

    # Entities and the queue.

    def write(self, write: LocalWrite, *, is_agreed: bool = False) -> Future[Operation | None]:
        """Keep an entity and queue its operation, in one transaction; what waits for it then.

        None where there is nothing to send: what was never sent is deleted. `is_agreed` passes
        over the consent that a team needs, for who asked already.

        Raises:
            ValidationError: the entity is not valid.

        Raises, in the future:
            ClewError: FORBIDDEN where nobody agreed to share such things with the team.
        """
        if write.operation is not SyncOperationType.DELETE:
            write.entity.validate()

        def work(writing: Transaction) -> Operation | None:
            if not is_agreed and write.operation is not SyncOperationType.DELETE:
                team_id = queue.team_id_of(write.entity, write.entity.local_id)
                accounts.check_consent(
                    writing, write.account_id, team_id, write.entity.entity_type()
                )
            return queue.write_entity(writing, write, self._now())

        return self._database.submit(work)

    def find_entity(self, account_id: str, entity_type: str, local_id: str) -> EntityRow | None:
        """Return an entity by what names it here, None where there is none; tombstones too."""
        return self._database.read(
            lambda reading: entities.find_entity(reading, account_id, entity_type, local_id)
        )

    def find_entities(
        self,
        account_id: str,
        entity_type: str,
        team_id: str | None = None,
        *,
        with_deleted: bool = False,
    ) -> list[EntityRow]:
        """Return the entities of a type, of one team or of all, tombstones if they are wanted."""
        return self._database.read(
            lambda reading: entities.find_entities(
                reading, account_id, entity_type, team_id=team_id, with_deleted=with_deleted
            )
        )

    def find_pending(self, account_id: str, limit: int = queue.LIST_MAX) -> list[Operation]:
        """Return what waits and was not set aside, in the order in which it would be sent."""
        return self._database.read(lambda reading: queue.find_pending(reading, account_id, limit))

    def find_failed(self, account_id: str, limit: int = queue.LIST_MAX) -> list[Operation]:
        """Return what was set aside, the last first."""
        return self._database.read(lambda reading: queue.find_failed(reading, account_id, limit))

    def read_queue(self, account_id: str, *, failed: bool, limit: int) -> QueuePart:
        """Return what is not sent yet, what is on its way first; or what was set aside."""
        return self._database.read(
            lambda reading: queue.read_queue(reading, account_id, failed=failed, limit=limit)
        )

    def stats(self, account_id: str) -> QueueStats:
        """Return how much waits, is on its way and was set aside."""
        return self._database.read(lambda reading: queue.count_queue(reading, account_id))

    def retry_failed(self, account_id: str, op_id: str | None = None) -> Future[int]:
        """Let what was set aside begin anew, one operation or all; how many."""
        return self._database.submit(lambda writing: queue.retry_failed(writing, account_id, op_id))

    def clear_failed(self, account_id: str, op_id: str | None = None) -> Future[int]:
        """Give up what was set aside, one operation or all; how many.

        An entity becomes again what the server confirmed last, or is forgotten if it never did.
        """
        return self._database.submit(lambda writing: queue.clear_failed(writing, account_id, op_id))

    # Rounds of the sync.

    def claim(
        self,
        account_id: str,
        limit: int = flight.CLAIM_MAX,
        lease_ns: int = flight.LEASE_NS,
    ) -> Future[list[Claim]]:
        """Take operations that are due, at most one for an entity, in the order to send them.

        Nothing for a paused account. Where `operation.is_doubtful`, ask for the record first and
        hand it to `reconcile`. Every claim is handed in again: to `finish` or to `reconcile`, or it
        returns by itself after `lease_ns`.
        """
        return self._database.submit(
            lambda writing: flight.claim(
                writing, account_id, self._now(), limit=limit, lease_ns=lease_ns
            )
        )

    def extend(self, claim_id: str, lease_ns: int = flight.LEASE_NS) -> Future[int]:
        """Let a claim last longer, from now; how many operations of it are still on their way."""
        return self._database.submit(
            lambda writing: flight.extend_lease(writing, claim_id, self._now() + lease_ns)
        )

    def take_back(self, account_id: str) -> Future[int]:
        """Let everything that is on its way wait again, as attempted; how many.

        For a process that has just started, and is the only one: its predecessor is dead.
        """
        return self._database.submit(
            lambda writing: flight.take_back(writing, account_id, flight.NEVER)
        )

    def finish(self, outcomes: Sequence[tuple[Claim, Remote | Verdict]]) -> Future[None]:
        """Hand in what came of claims, as one transaction: the record, or why there is none.

        It may come late and twice. A verdict of the kind CONFLICT lets the operation wait again as
        it was; hand the record to `reconcile` instead.
        """

        def work(writing: Transaction) -> None:
            for claimed, outcome in outcomes:
                if isinstance(outcome, Verdict):
                    flight.give_back(writing, claimed, outcome, self._now(), self._chance)
                else:
                    flight.confirm(writing, claimed, outcome)

        return self._database.submit(work)

    def reconcile(
        self,
        claimed: Claim,
        record: Remote | None,
        strategy: ConflictStrategy = ConflictStrategy.LAST_WRITE_WINS,
    ) -> Future[Reconciled]:
        """Bring an operation of unknown outcome, or that met a conflict, to what the server has.

        `record` is None where the server has none. What was not done is in `to_send`, and is sent
        now: its claim goes on. Else the claim is over: the operation is done, or waits again for
        the record as it is now.
        """
        arrival = self._arrival(claimed, strategy)
        return self._database.submit(
            lambda writing: arrivals.reconcile(writing, arrival, claimed, record, self._now())
        )

    def apply_page(
        self, arrival: Arrival, records: Sequence[Remote], cursor: int | None
    ) -> Future[Applied]:
        """Bring entities to what a page of changes says, and remember how far it went, at once."""
        return self._database.submit(
            lambda writing: arrivals.apply_page(writing, arrival, records, cursor, self._now())
        )

    def drop_absent(self, arrival: Arrival, present: Collection[str]) -> Future[Applied]:
        """Take what the server has no more for erased, after a pull from 0 that was whole."""
        return self._database.submit(
            lambda writing: arrivals.drop_absent(writing, arrival, present, self._now())
        )

    def get_cursor(self, account_id: str, team_id: str, entity_type: str) -> int:
        """Return the number of the last change that was pulled, 0 before the first."""
        return self._database.read(
            lambda reading: rounds.get_cursor(reading, account_id, team_id, entity_type)
        )

    def keep_round(self, account_id: str, done: Round) -> Future[None]:
        """Write down what a round did; once a day, forget tombstones that are old enough."""

        def work(writing: Transaction) -> None:
            rounds.keep_round(writing, account_id, done)
            now = self._now()
            is_due = now - self._forgot_at.get(account_id, 0) >= FORGET_EVERY_NS
            if done.outcome is RoundOutcome.DONE and is_due:
                entities.forget_tombstones(writing, account_id, now - TOMBSTONES_NS)
                self._forgot_at[account_id] = now

        return self._database.submit(work)

    def find_rounds(self, account_id: str, limit: int = 100) -> list[Round]:
        """Return what rounds did, the last first."""
        return self._database.read(lambda reading: rounds.find_rounds(reading, account_id, limit))

    # Conflicts.

    def find_conflicts(
        self,
        account_id: str,
        *,
        with_resolved: bool = False,
        before: str | None = None,
        limit: int = 100,
    ) -> list[Conflict]:
        """Return conflicts, the last first; `before` is the id of the last one of another page."""
        return self._database.read(
            lambda reading: conflicts.find_conflicts(
                reading, account_id, with_resolved=with_resolved, before=before, limit=limit
            )
        )

    def count_conflicts(self, account_id: str) -> int:
        """Return how many conflicts nobody looked at yet."""
        return self._database.read(lambda reading: conflicts.count_conflicts(reading, account_id))

    def count_dropped_conflicts(self, account_id: str) -> int:
        """Return how many conflicts nobody looked at were forgotten, for they were too many."""
        return self._database.read(lambda reading: conflicts.count_dropped(reading, account_id))

    def get_conflict(self, account_id: str, conflict_id: str) -> Conflict:
        """Return one conflict.

        Raises:
            ClewError: NOT_FOUND.
        """
        return self._database.read(
            lambda reading: conflicts.get_conflict(reading, account_id, conflict_id)
        )

    def resolve(
        self, account_id: str, conflict_id: str, take: Take, document: Document | None = None
    ) -> Future[Conflict]:
        """Decide a conflict, and queue what that changes. It may be decided again.

        Raises, in the future:
            ClewError: NOT_FOUND; INVALID_ARGUMENT when a document is missing or too many.
        """
        return self._database.submit(
            lambda writing: conflicts.resolve(
                writing, account_id, conflict_id, take, self._now(), document
            )
        )

    def _arrival(self, claimed: Claim, strategy: ConflictStrategy) -> Arrival:
        return arrivals.Arrival(
            account_id=claimed.operation.account_id,
            team_id=claimed.entity.team_id,
            entity_type=claimed.operation.entity_type,
            strategy=strategy,
            kinds=self.kinds,
        )
