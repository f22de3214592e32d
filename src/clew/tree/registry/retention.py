"""What need not be kept for ever, found and removed in small batches.

Of each app its newest Status stays, and every Result and Error; older statuses go by age or by
number. Crashes, and commands that are over, go by age, and so do apps that ended, unless something
is kept below them or they said a Result or an Error: what was said means nothing without who said
it. The outbox is kept for those who listen, the newest entry always. Rows are found by reading,
which holds nobody up, and removed by their ids, a few at a time between the tree's own commits.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from clew.store.database.contract import among
from clew.tree.machine.app import TERMINAL

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from clew.store.database.contract import Reading, Transaction, Value

BATCH_ROWS: Final = 500
"""Rows removed in one transaction: a few milliseconds in which the tree cannot commit."""

BATCH_APPS: Final = 50
"""Apps removed in one transaction, each with the few rows that are left of it by then, out of
fourteen indexes: as long as a batch of rows takes."""

STATUSES_PER_APP_MAX: Final = 1_000
"""Statuses of one app that are kept, however young: an app that says one each second has reached
it in a quarter of an hour."""

OUTBOX_DAYS: Final = 7
"""How long entries of the outbox can be replayed: a watcher that was away for longer reads the
apps anew."""

OUTBOX_ENTRIES_MAX: Final = 1_000_000
"""Entries of the outbox, whoever has not read them: half a gigabyte as they mostly are, and half of
what a registry may have were each the largest. A full registry would stop the tree."""

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
# Times of entries follow their ids, so those that are due are the first.
_OLDEST_ENTRIES: Final = "SELECT id, at FROM outbox ORDER BY id LIMIT :limit"
_OLDEST_CRASHES: Final = "SELECT id, detected_at AS at FROM crashes ORDER BY id LIMIT :limit"

# A command is over when it is for all of its targets. An app that was cancelled out of reach may
# still return, and confirm it.
_OLD_COMMANDS: Final = (
    "SELECT id, created_at, CASE WHEN status NOT IN ('accepted', 'sent') AND updated_at < :before"
    " AND NOT EXISTS (SELECT 1 FROM apps a WHERE a.app_id = c.app_id"
    " AND a.cancel_id = c.correlation_id AND a.confirmed = 0)"
    " AND correlation_id NOT IN (SELECT correlation_id FROM control_queue"
    " WHERE status IN ('accepted', 'sent')) THEN 1 ELSE 0 END AS is_due"
    " FROM (SELECT * FROM control_queue WHERE id > :after ORDER BY id LIMIT :limit) AS c"
    " ORDER BY id"
)
# The newest first: an app is announced after whoever stands above it.
_OLD_APPS: Final = (
    "SELECT app_id, version, created_at, CASE WHEN status {ended} AND ended_at < :before"
    " AND deadline IS NULL"
    " AND NOT EXISTS (SELECT 1 FROM apps c WHERE c.parent_id = a.app_id)"
    " AND (ended_at < :answers_before OR NOT EXISTS (SELECT 1 FROM messages m"
    " WHERE m.app_id = a.app_id AND m.msg_type IN ('Result', 'Error'))) THEN 1 ELSE 0 END AS is_due"
    " FROM (SELECT * FROM apps WHERE (created_at, app_id) < (:at, :id)"
    " ORDER BY created_at DESC, app_id DESC LIMIT :limit) AS a"
    " ORDER BY created_at DESC, app_id DESC"
)
_MESSAGES_BUT_LAST: Final = (
    "SELECT id FROM messages m WHERE app_id {these}"
    " AND id < (SELECT max(id) FROM messages n WHERE n.app_id = m.app_id) ORDER BY id LIMIT :limit"
)


class Place(NamedTuple):
    """Where a search among all apps stands: at those that were announced before this."""

    at: int
    app_id: str = ""


@dataclass(frozen=True, slots=True)
class OldApps:
    """A stretch of all apps: those that are due, with their versions, and where to go on.

    `following` is None at the end.
    """

    due: tuple[tuple[str, int], ...]
    following: Place | None


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


def find_old_entries(reading: Reading, before: int, *, until: int | None = None) -> list[int]:
    """Return ids of outbox entries from before that time, a batch at the most, never the newest.

    `until` is the last that may go, whatever its age.
    """
    newest = reading.rows("SELECT max(id) AS id FROM outbox")[0]["id"]
    ids = _find_first(reading, _OLDEST_ENTRIES, before)
    return [each for each in ids if each != newest and (until is None or each <= until)]


def find_old_crashes(reading: Reading, before: int) -> list[int]:
    """Return ids of crashes from before that time, a batch at the most."""
    return _find_first(reading, _OLDEST_CRASHES, before)


def find_old_commands(
    reading: Reading, before: int, *, after: int = 0
) -> tuple[list[int], int | None]:
    """Return which of the next commands are over since before that time, and where to go on.

    `after` is where the search before ended; None for where to go on says that this is the end.
    """
    parameters: dict[str, Value] = {"before": before, "after": after, "limit": BATCH_ROWS}
    rows = reading.rows(_OLD_COMMANDS, parameters)
    due = [row["id"] for row in rows if row["is_due"]]
    # None is over before it was issued, and they are numbered as they were issued.
    is_end = len(rows) < BATCH_ROWS or rows[-1]["created_at"] >= before
    return due, None if is_end else rows[-1]["id"]


def find_old_apps(
    reading: Reading, place: Place, before: int, answers_before: int | None
) -> OldApps:
    """Return which of the next apps ended before that time and may go, the newest first.

    One that something is kept below may not, nor one that said a Result or an Error, unless it
    ended before `answers_before` (None for never). Open windows are left alone.
    """
    sql = _OLD_APPS.replace("{ended}", among("ended", reading.dialect))
    parameters: dict[str, Value] = {
        "ended": json.dumps(sorted(status.value for status in TERMINAL)),
        "before": before,
        "answers_before": -1 if answers_before is None else min(before, answers_before),
        "at": place.at,
        "id": place.app_id,
        "limit": BATCH_APPS,
    }
    rows = reading.rows(sql, parameters)
    due = tuple((row["app_id"], row["version"]) for row in rows if row["is_due"])
    following = None
    if len(rows) == BATCH_APPS:
        following = Place(rows[-1]["created_at"], rows[-1]["app_id"])
    return OldApps(due, following)


def find_messages_but_last(reading: Reading, app_ids: Collection[str]) -> list[int]:
    """Return ids of messages of these apps that are not the newest of theirs, a batch at most."""
    sql = _MESSAGES_BUT_LAST.replace("{these}", among("ids", reading.dialect))
    parameters: dict[str, Value] = {"ids": json.dumps(sorted(app_ids)), "limit": BATCH_ROWS}
    return [row["id"] for row in reading.rows(sql, parameters)]


def remove_messages(transaction: Transaction, ids: Sequence[int]) -> int:
    """Remove messages by id; return how many there were."""
    return _remove(transaction, "messages", ids)


def remove_entries(transaction: Transaction, ids: Sequence[int]) -> int:
    """Remove outbox entries by id; return how many there were."""
    return _remove(transaction, "outbox", ids)


def remove_entries_until(transaction: Transaction, last: int) -> int:
    """Remove outbox entries up to the last, but never the newest; return how many there were."""
    return transaction.run(
        "DELETE FROM outbox WHERE id <= :last AND id < (SELECT max(id) FROM outbox)",
        {"last": last},
    )


def remove_crashes(transaction: Transaction, ids: Sequence[int]) -> int:
    """Remove crashes by id; return how many there were."""
    return _remove(transaction, "crashes", ids)


def remove_commands(transaction: Transaction, ids: Sequence[int]) -> int:
    """Remove targets of commands by id; return how many there were."""
    return _remove(transaction, "control_queue", ids)


def remove_apps(transaction: Transaction, apps: Sequence[tuple[str, int]]) -> int:
    """Remove apps of these versions with everything that is kept of them and granted for them.

    Return how many apps there were; for others than the keeper's round, which knows what holds on
    to an app, this is not.
    """
    named: list[dict[str, Value]] = [{"app_id": app_id, "over": over} for app_id, over in apps]
    removed = transaction.run_many(
        "DELETE FROM apps WHERE app_id = :app_id AND version = :over", named
    )
    ids = json.dumps([app_id for app_id, _ in apps])
    condition = among("ids", transaction.dialect)
    for table in ("messages", "crashes", "control_queue", "grants"):
        transaction.run(f"DELETE FROM {table} WHERE app_id {condition}", {"ids": ids})  # noqa: S608 - names of ours
    return removed


def _find_first(reading: Reading, sql: str, before: int) -> list[int]:
    """Return the oldest rows as far as they are from before that time."""
    found = []
    for row in reading.rows(sql, {"limit": BATCH_ROWS}):
        if row["at"] >= before:
            break
        found.append(row["id"])
    return found


def _remove(transaction: Transaction, table: str, ids: Sequence[int]) -> int:
    if not ids:
        return 0
    sql = f"DELETE FROM {table} WHERE id = :id"  # noqa: S608 - a name of ours
    return transaction.run_many(sql, [{"id": each} for each in ids])
