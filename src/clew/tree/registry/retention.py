"""What need not be kept for ever, found and removed in small batches.

Of each app its newest Status stays, and every Result and Error; older statuses go by age or by
number. The outbox is kept for those who listen, the newest entry always. Rows are found by reading,
which holds nobody up, and removed by their ids, a few at a time between the tree's own commits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clew.store.database.contract import Reading, Transaction, Value

BATCH_ROWS: Final = 500
"""Rows removed in one transaction: a few milliseconds in which the tree cannot commit."""

STATUSES_PER_APP_MAX: Final = 1_000
"""Statuses of one app that are kept, however young: an app that says one each second has reached
it in a quarter of an hour."""

OUTBOX_DAYS: Final = 7
"""How long entries of the outbox can be replayed: a watcher that was away for longer reads the
apps anew."""

_OLD_STATUSES: Final = (
    "SELECT id FROM messages m WHERE id > :after AND msg_type = 'Status' AND created_at < :before"
    " AND EXISTS (SELECT 1 FROM messages n WHERE n.app_id = m.app_id AND n.id > m.id"
    " AND n.msg_type = 'Status' AND n.is_late = 0) ORDER BY id LIMIT :limit"
)
_TALKATIVE_APPS: Final = (
    "SELECT app_id FROM messages WHERE msg_type = 'Status' GROUP BY app_id"
    " HAVING count(*) > :most ORDER BY app_id LIMIT :limit"
)
_MANY_STATUSES: Final = (
    "SELECT id FROM messages WHERE app_id = :app_id AND msg_type = 'Status' AND id <"
    " (SELECT id FROM messages WHERE app_id = :app_id AND msg_type = 'Status'"
    " ORDER BY id DESC LIMIT 1 OFFSET :kept) ORDER BY id LIMIT :limit"
)
_OLD_ENTRIES: Final = (
    "SELECT id FROM outbox WHERE at < :before AND id < (SELECT max(id) FROM outbox)"
    " ORDER BY id LIMIT :limit"
)


def find_old_statuses(reading: Reading, before: int, *, after: int = 0) -> list[int]:
    """Return ids of statuses from before that time that are no app's newest, a batch at the most.

    `after` is the last id that was found before.
    """
    parameters: dict[str, Value] = {"before": before, "after": after, "limit": BATCH_ROWS}
    return [row["id"] for row in reading.rows(_OLD_STATUSES, parameters)]


def find_talkative_apps(reading: Reading) -> list[str]:
    """Return apps with more statuses than are kept, a batch at the most."""
    parameters: dict[str, Value] = {"most": STATUSES_PER_APP_MAX, "limit": BATCH_ROWS}
    return [row["app_id"] for row in reading.rows(_TALKATIVE_APPS, parameters)]


def find_many_statuses(reading: Reading, app_id: str) -> list[int]:
    """Return ids of an app's oldest statuses, those beyond the number kept, a batch at the most."""
    parameters: dict[str, Value] = {
        "app_id": app_id,
        "kept": STATUSES_PER_APP_MAX - 1,
        "limit": BATCH_ROWS,
    }
    return [row["id"] for row in reading.rows(_MANY_STATUSES, parameters)]


def find_old_entries(reading: Reading, before: int) -> list[int]:
    """Return ids of outbox entries from before that time, a batch at the most, never the newest."""
    return [
        row["id"] for row in reading.rows(_OLD_ENTRIES, {"before": before, "limit": BATCH_ROWS})
    ]


def remove_messages(transaction: Transaction, ids: Sequence[int]) -> int:
    """Remove messages by id; return how many there were."""
    return _remove(transaction, "messages", ids)


def remove_entries(transaction: Transaction, ids: Sequence[int]) -> int:
    """Remove outbox entries by id; return how many there were."""
    return _remove(transaction, "outbox", ids)


def _remove(transaction: Transaction, table: str, ids: Sequence[int]) -> int:
    sql = f"DELETE FROM {table} WHERE id = :id"  # noqa: S608 - a name of ours
    return transaction.run_many(sql, [{"id": each} for each in ids])
