"""A queue of a program's own, brought to a team's server: one round, when the program wants it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from clew.team.entities.kinds import KINDS
from clew.team.errors import AuthError, ValidationError
from clew.team.ledger.flight import LOGIN_REASON
from clew.team.ledger.rows import Account, account_id_of
from clew.team.ledger.syncqueue import LOCAL_ACCOUNT
from clew.team.merging.strategy import ConflictStrategy
from clew.team.syncing.course import TEAM_TYPES, Course, durable, reading
from clew.team.syncing.round import run_round

if TYPE_CHECKING:
    from clew.team.ledger.rows import Round
    from clew.team.ledger.syncqueue import SyncQueue
    from clew.team.trailbase.client import AsyncTrailBaseClient


async def sync_queue(
    client: AsyncTrailBaseClient,
    queue: SyncQueue,
    strategy: ConflictStrategy = ConflictStrategy.LAST_WRITE_WINS,
) -> Round:
    """Send what waits in a queue in the name of who is logged in, and pull what changed.

    What was queued before anybody had connected is theirs from now on, and so is the queue. One
    call at a time for a queue.

    Raises:
        AuthError: nobody is logged in.
        ValidationError: the queue is another account's.
        TeamError: the server is not known yet, and does not answer.
    """
    user_id = client.session.user_id
    if user_id is None:
        raise AuthError("nobody is logged in", hint="authenticate first")
    server, api = await client.server(), await client.api()
    url = client.transport.url
    account_id = account_id_of(url, user_id)
    ledger = queue.ledger
    if queue.account_id not in (LOCAL_ACCOUNT, account_id):
        raise ValidationError(
            "this queue is another account's: nothing of it is sent in this one's name",
            hint="log in as who filled it, or open the file with account_id='local'",
        )
    known = await reading(lambda: ledger.find_account(account_id))
    if known is None or known.pause_reason == LOGIN_REASON:
        # Not always: a pause that the server asked for holds on.
        account = Account(account_id, url, user_id, time.time_ns(), api=api.value)
        await durable(ledger.connect(account))
    # A process before this one, or a call that was cut off, may have left something on its way.
    await durable(ledger.take_back(account_id))
    if queue.account_id == LOCAL_ACCOUNT:
        await durable(ledger.adopt(LOCAL_ACCOUNT, account_id))
        queue.account_id = account_id
    own = tuple(sorted(ledger.kinds.keys() - KINDS.keys()))
    course = Course(ledger, server, account_id, (*TEAM_TYPES, *own), strategy)
    done, _ = await run_round(course, time.time_ns)
    return done
