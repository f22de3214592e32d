"""The machine as the registry left it, and what it asks to be shown later."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from clew.store.database.contract import among
from clew.tree.machine.app import LIVE, Status
from clew.tree.machine.machine import TreeMachine
from clew.tree.machine.options import MS
from clew.tree.machine.record import CommandRecord
from clew.tree.registry.rows import COLUMNS, clean, decode_app

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from clew.store.database.contract import Reading
    from clew.tree.machine.options import TreeOptions

_COLUMNS: Final = ", ".join(COLUMNS)

# The index of open commands names the same statuses.
_OPEN: Final = "status IN ('accepted', 'sent')"


def load(reading: Reading, options: TreeOptions, now: int) -> TreeMachine:
    """Return a machine that holds what is kept: live apps, late crashes and open commands.

    `now` is in Unix nanoseconds: what crashed longer ago than the recovery window stays in the
    registry until somebody asks for it, unless it has still to provide for its children.
    """
    apps = reading.rows(
        f"SELECT {_COLUMNS} FROM apps WHERE status {among('live', reading.dialect)}"  # noqa: S608 - names of columns
        " OR (status = :crashed AND (ended_at >= :since OR deadline IS NOT NULL))",
        {
            "live": json.dumps(sorted(status.value for status in LIVE)),
            "crashed": Status.CRASHED.value,
            "since": now - options.recovery_window_ms * MS,
        },
    )
    commands = reading.rows(
        "SELECT * FROM control_queue WHERE correlation_id IN"  # noqa: S608 - words of ours
        f" (SELECT correlation_id FROM control_queue WHERE {_OPEN}) ORDER BY id"
    )
    return TreeMachine(options, map(decode_app, apps), map(_record, commands))


def load_commands(
    reading: Reading, correlation_ids: Collection[str]
) -> dict[str, list[CommandRecord]]:
    """Return every target of each of these commands, in the order of their issue.

    An id that is not kept has an empty list.
    """
    found: dict[str, list[CommandRecord]] = {each: [] for each in correlation_ids}
    # As they are kept: somebody else chose them.
    kept = {clean(each): each for each in correlation_ids}
    condition = among("ids", reading.dialect)
    rows = reading.rows(
        f"SELECT * FROM control_queue WHERE correlation_id {condition} ORDER BY id",  # noqa: S608 - words of ours
        {"ids": json.dumps(sorted(kept))},
    )
    for row in rows:
        found[kept[row["correlation_id"]]].append(_record(row))
    return found


def _record(row: Mapping[str, Any]) -> CommandRecord:
    result = row["ack_result_json"]
    return CommandRecord(
        correlation_id=row["correlation_id"],
        app_id=row["app_id"],
        root_id=row["root_id"],
        kind=row["kind"],
        action=row["action"],
        payload=row["payload_json"].encode(),
        requested_by=row["requested_by"],
        auth_domain=row["auth_domain"],
        at=row["created_at"],
        expires_at=row["expires_at"],
        status=row["status"],
        changed_at=row["updated_at"],
        grace_ms=row["grace_ms"],
        phase=row["phase"],
        confirmed=bool(row["confirmed"]),
        cascade=bool(row["is_cascade"]),
        result=result.encode() if result is not None else None,
        error=row["ack_error"],
    )
