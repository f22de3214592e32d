"""Accounts (a server and a user of it), what each agreed to share, and whether it is paused."""

# ruff: noqa: S608 - values are bound; the rest is our own text

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from clew.base.errors import ClewError, ErrorCode
from clew.team.ledger.rows import Account

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clew.store.database.contract import Reading, Transaction

CONSENT_TYPES: Final = frozenset({"shared_sessions", "comments", "saved_queries"})
"""What is shared with a team only where its member agreed to share such things at all."""

_COLUMNS: Final = (
    "id, server_url, team_id, user_id, connected_at, email, display_name, api, is_current,"
    " clock_offset_ns, pause_reason, paused_until"
)

_TABLES: Final = (
    "sync_consent",
    "synced_entities",
    "sync_queue",
    "sync_inflight",
    "sync_conflicts",
    "sync_cursors",
    "sync_log",
    "shared_sessions",
)
"""All that belongs to an account."""


def keep_account(writing: Transaction, account: Account) -> None:
    """Write an account, over what was there; it is not paused any more. It becomes the current."""
    writing.run("UPDATE team_connection SET is_current = 0 WHERE is_current = 1")
    writing.run(
        "INSERT INTO team_connection (id, server_url, team_id, user_id, connected_at, email,"
        " display_name, api, is_current, clock_offset_ns) VALUES (:id, :server_url, :team_id,"
        " :user_id, :connected_at, :email, :display_name, :api, 1, :clock_offset_ns)"
        " ON CONFLICT (id) DO UPDATE SET team_id = coalesce(excluded.team_id,"
        " team_connection.team_id), connected_at = excluded.connected_at, email = excluded.email,"
        " display_name = excluded.display_name, api = excluded.api, is_current = 1,"
        " clock_offset_ns = excluded.clock_offset_ns, pause_reason = NULL, paused_until = NULL",
        {
            "id": account.account_id,
            "server_url": account.server_url,
            "team_id": account.team_id,
            "user_id": account.user_id,
            "connected_at": account.connected_at,
            "email": account.email,
            "display_name": account.display_name,
            "api": account.api,
            "clock_offset_ns": account.clock_offset_ns,
        },
    )


def find_account(reading: Reading, account_id: str) -> Account | None:
    """Return an account, None where there is none."""
    rows = reading.rows(
        f"SELECT {_COLUMNS} FROM team_connection WHERE id = :id", {"id": account_id}
    )
    return _account_of(rows[0]) if rows else None


def find_accounts(reading: Reading) -> list[Account]:
    """Return all accounts, the current one first, then the last connected."""
    rows = reading.rows(
        f"SELECT {_COLUMNS} FROM team_connection ORDER BY is_current DESC, connected_at DESC, id"
    )
    return [_account_of(row) for row in rows]


def choose_account(writing: Transaction, account_id: str) -> bool:
    """Make an account the current one; return whether there is such an account."""
    writing.run("UPDATE team_connection SET is_current = 0 WHERE is_current = 1")
    changed = writing.run(
        "UPDATE team_connection SET is_current = 1 WHERE id = :id", {"id": account_id}
    )
    return changed > 0


def choose_team(writing: Transaction, account_id: str, team_id: str | None) -> None:
    """Set the team that is meant where none is named."""
    writing.run(
        "UPDATE team_connection SET team_id = :team_id WHERE id = :id",
        {"id": account_id, "team_id": team_id},
    )


def keep_clock(writing: Transaction, account_id: str, clock_offset_ns: int) -> None:
    """Keep how far the server's clock is ahead of ours."""
    writing.run(
        "UPDATE team_connection SET clock_offset_ns = :offset WHERE id = :id",
        {"id": account_id, "offset": clock_offset_ns},
    )


def pause_account(writing: Transaction, account_id: str, reason: str, until: int | None) -> None:
    """Let nothing of an account be sent before `until`; until somebody logs in where that is None.

    A pause until a login is not shortened by one that ends by itself, nor a long one by a shorter.
    """
    writing.run(
        "UPDATE team_connection SET pause_reason = :reason, paused_until = :until WHERE id = :id"
        " AND (pause_reason IS NULL OR CAST(:until AS BIGINT) IS NULL"
        " OR paused_until < CAST(:until AS BIGINT))",
        {"id": account_id, "reason": reason, "until": until},
    )


def resume_account(writing: Transaction, account_id: str) -> None:
    """End a pause."""
    writing.run(
        "UPDATE team_connection SET pause_reason = NULL, paused_until = NULL WHERE id = :id",
        {"id": account_id},
    )


def forget_account(writing: Transaction, account_id: str) -> None:
    """Remove an account with all that belongs to it. What was not sent yet never will be."""
    for table in _TABLES:
        writing.run(f"DELETE FROM {table} WHERE account_id = :id", {"id": account_id})
    writing.run("DELETE FROM team_connection WHERE id = :id", {"id": account_id})


def give_consent(
    writing: Transaction, account_id: str, team_id: str, entity_type: str, now: int
) -> None:
    """Keep that things of a type may be shared with a team."""
    writing.run(
        "INSERT INTO sync_consent (account_id, team_id, entity_type, given_at)"
        " VALUES (:account_id, :team_id, :entity_type, :now) ON CONFLICT DO NOTHING",
        {
            "account_id": account_id,
            "team_id": team_id,
            "entity_type": entity_type,
            "now": now,
        },
    )


def withdraw_consent(writing: Transaction, account_id: str, team_id: str, entity_type: str) -> None:
    """Keep that things of a type may not be shared any more. See `Ledger.withdraw_consent`."""
    writing.run(
        "DELETE FROM sync_consent WHERE account_id = :account_id AND team_id = :team_id"
        " AND entity_type = :entity_type",
        {"account_id": account_id, "team_id": team_id, "entity_type": entity_type},
    )


def find_consents(reading: Reading, account_id: str, team_id: str) -> frozenset[str]:
    """Return the types of which things may be shared with a team."""
    rows = reading.rows(
        "SELECT entity_type FROM sync_consent WHERE account_id = :account_id"
        " AND team_id = :team_id",
        {"account_id": account_id, "team_id": team_id},
    )
    return frozenset(row["entity_type"] for row in rows)


def check_consent(reading: Reading, account_id: str, team_id: str, entity_type: str) -> None:
    """Return if things of a type may be shared with a team.

    Raises:
        ClewError: FORBIDDEN.
    """
    if entity_type not in CONSENT_TYPES:
        return
    if entity_type not in find_consents(reading, account_id, team_id):
        # As a person calls them: shared_sessions are sessions, saved_queries queries.
        kind = entity_type.removeprefix("shared_").removeprefix("saved_")
        raise ClewError(
            ErrorCode.FORBIDDEN,
            f"nobody agreed to share {kind} with this team",
            hint=f"agree to it for the team first: clew team consent --give {kind}",
        )


def _account_of(row: Mapping[str, Any]) -> Account:
    return Account(
        account_id=row["id"],
        server_url=row["server_url"],
        user_id=row["user_id"] or "",
        connected_at=row["connected_at"],
        email=row["email"],
        display_name=row["display_name"],
        team_id=row["team_id"],
        api=row["api"],
        is_current=bool(row["is_current"]),
        clock_offset_ns=row["clock_offset_ns"],
        pause_reason=row["pause_reason"],
        paused_until=row["paused_until"],
    )
