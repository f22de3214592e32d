"""How far pulls went, and what rounds of the sync did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clew.base.ids import new_uuid
from clew.team.ledger.rows import Round, RoundOutcome

if TYPE_CHECKING:
    from clew.store.database.contract import Reading, Transaction

ROUNDS_KEPT: Final = 1000
"""Rounds of an account: three days of one every five minutes."""


def get_cursor(reading: Reading, account_id: str, team_id: str, entity_type: str) -> int:
    """Return the number of the last change that was pulled, 0 before the first."""
    rows = reading.rows(
        "SELECT seq FROM sync_cursors WHERE account_id = :account_id AND team_id = :team_id"
        " AND entity_type = :entity_type",
        {"account_id": account_id, "team_id": team_id, "entity_type": entity_type},
    )
    return int(rows[0]["seq"]) if rows else 0


def keep_cursor(
    writing: Transaction, account_id: str, team_id: str, entity_type: str, seq: int, now: int
) -> None:
    """Remember how far a pull went. A number that is lower than before is taken as it is."""
    writing.run(
        "INSERT INTO sync_cursors (account_id, team_id, entity_type, seq, pulled_at)"
        " VALUES (:account_id, :team_id, :entity_type, :seq, :now)"
        " ON CONFLICT (account_id, team_id, entity_type)"
        " DO UPDATE SET seq = excluded.seq, pulled_at = excluded.pulled_at",
        {
            "account_id": account_id,
            "team_id": team_id,
            "entity_type": entity_type,
            "seq": seq,
            "now": now,
        },
    )


def keep_round(writing: Transaction, account_id: str, done: Round) -> None:
    """Write down what a round did, and forget the oldest."""
    writing.run(
        "INSERT INTO sync_log (id, account_id, began_at, ended_at, outcome, sent, failed, pulled,"
        " conflicts, error) VALUES (:id, :account_id, :began_at, :ended_at, :outcome, :sent,"
        " :failed, :pulled, :conflicts, :error)",
        {
            "id": new_uuid(done.ended_at),
            "account_id": account_id,
            "began_at": done.began_at,
            "ended_at": done.ended_at,
            "outcome": done.outcome.value,
            "sent": done.sent,
            "failed": done.failed,
            "pulled": done.pulled,
            "conflicts": done.conflicts,
            "error": done.error,
        },
    )
    writing.run(
        "DELETE FROM sync_log WHERE account_id = :account_id AND id <= (SELECT id FROM sync_log"
        " WHERE account_id = :account_id ORDER BY id DESC LIMIT 1 OFFSET :kept)",
        {"account_id": account_id, "kept": ROUNDS_KEPT},
    )


def find_rounds(reading: Reading, account_id: str, limit: int = 100) -> list[Round]:
    """Return what rounds did, the last first."""
    rows = reading.rows(
        "SELECT began_at, ended_at, outcome, sent, failed, pulled, conflicts, error FROM sync_log"
        " WHERE account_id = :account_id ORDER BY id DESC LIMIT :limit",
        {"account_id": account_id, "limit": limit},
    )
    return [Round(**{**row, "outcome": RoundOutcome(row["outcome"])}) for row in rows]
