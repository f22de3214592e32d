"""How an account and its teams stand, read from the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clew.base.times import format_time
from clew.team.entities.member import Member
from clew.team.entities.team import Team
from clew.team.teams import documents as doc
from clew.team.teams.parameters import TYPES_OF
from clew.team.teams.telling import tell_queue, tell_round

if TYPE_CHECKING:
    from clew.team.ledger.ledger import Ledger
    from clew.team.ledger.rows import Account
    from clew.team.syncing.line import Link

KIND_OF: Final = {entity_type: kind for kind, entity_type in TYPES_OF.items()}
"""What is shared, as a person calls it, by what it is in the queue."""

NOT_CONNECTED: Final = doc.TeamStatus(
    connected=False,
    server=None,
    user=None,
    team_id=None,
    team=None,
    link="unknown",
    live=False,
    tokens="none",
    pause=None,
    queue=doc.QueueCounts(pending=0, in_flight=0, failed=0, synced=0, oldest_pending_at=None),
    conflicts=0,
    last_round=None,
    accounts=[],
)


def read_teams(ledger: Ledger, account: Account) -> list[doc.TeamHead]:
    """Return the teams of an account, by name. Blocks."""
    heads = []
    for row in ledger.find_entities(account.account_id, Team.entity_type()):
        members = ledger.find_entities(account.account_id, Member.entity_type(), row.local_id)
        mine = [each for each in members if each.document.get("user_id") == account.user_id]
        consents = ledger.find_consents(account.account_id, row.local_id)
        heads.append(
            doc.TeamHead(
                id=row.local_id,
                name=str(row.document.get("name", "")),
                role=str(mine[0].document.get("role")) if mine else None,
                members=len(members),
                chosen=row.local_id == account.team_id,
                consents=sorted(KIND_OF.get(each, each) for each in consents),
                sync_status=row.status.value,
            )
        )
    return sorted(heads, key=lambda each: (each.name, each.id))


def read_status(ledger: Ledger, account: Account, link: Link, tokens: str) -> doc.TeamStatus:
    """Return how the current account stands. Blocks."""
    team = None
    if account.team_id is not None:
        row = ledger.find_entity(account.account_id, Team.entity_type(), account.team_id)
        team = None if row is None else str(row.document.get("name", ""))
    rounds = ledger.find_rounds(account.account_id)
    pause = account.pause_reason
    if pause is not None and account.paused_until is not None:
        pause = f"{pause}, until {format_time(account.paused_until)}"
    return doc.TeamStatus(
        connected=True,
        server=account.server_url,
        user=account.email,
        team_id=account.team_id,
        team=team,
        link=link.state.value,
        live=link.is_live,
        tokens=tokens,
        pause=pause,
        queue=tell_queue(ledger.stats(account.account_id), sum(each.sent for each in rounds)),
        conflicts=ledger.count_conflicts(account.account_id),
        last_round=tell_round(rounds[0]) if rounds else None,
        accounts=[
            doc.AccountHead(
                id=each.account_id,
                server=each.server_url,
                user_id=each.user_id,
                email=each.email,
                current=each.account_id == account.account_id,
            )
            for each in ledger.find_accounts()
        ],
        conflicts_dropped=ledger.count_dropped_conflicts(account.account_id),
    )
