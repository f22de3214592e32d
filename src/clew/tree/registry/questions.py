"""What can be asked of the tree that is kept: pure reading, one function for each question.

Pages are cut by keys that never change (when an app was announced, the number of a message), so a
page is stable however much comes in behind it. Whoever asks bounds `limit`, and says with `within`
which subtree the caller may see: the path of its root as `rows.join_path` writes it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from clew.store.database.contract import among
from clew.tree.machine.app import Status
from clew.tree.registry.rows import COLUMNS, PATH_SEPARATOR, decode_app

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from clew.store.database.contract import Reading, Value
    from clew.tree.machine.app import App

_COLUMNS: Final = ", ".join(COLUMNS)

_AFTER_SEPARATOR: Final = chr(ord(PATH_SEPARATOR) + 1)
"""The character after the separator: what begins with a path is below the path that ends in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AppFilter:
    """Which apps: all conditions hold. `within` is a path, `below` one that is itself left out."""

    within: str | None = None
    below: str | None = None
    parent_id: str | None = None
    statuses: tuple[Status, ...] = ()
    namespace: str | None = None
    app_name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptMessage:
    """A message as it is kept; `payload` is JSON text."""

    id: int
    app_id: str
    epoch: int
    source: str
    seq: int
    msg_type: str
    correlation_id: str | None
    payload: str
    is_late: bool
    sent_at: int | None
    created_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptCrash:
    """A crash as it is kept; `recovered_at` is None until the app returned."""

    id: int
    app_id: str
    epoch: int
    detected_at: int
    crash_type: str
    gap_ms: int
    details: str
    recovered_at: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptCommand:
    """One target of a command as it is kept; `payload` and `result` are JSON text."""

    id: int
    correlation_id: str
    app_id: str
    root_id: str
    kind: str
    action: str
    payload: str
    requested_by: str
    auth_domain: str
    status: str
    phase: str | None
    confirmed: bool
    cascade: bool
    is_late: bool
    grace_ms: int | None
    created_at: int
    expires_at: int
    sent_at: int | None
    acked_at: int | None
    updated_at: int
    result: str | None
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxEntry:
    """An entry of the outbox; `document` is JSON text, `path` as in the column."""

    id: int
    at: int
    app_id: str
    path: str
    kind: str
    document: str


def get_app(reading: Reading, app_id: str) -> App | None:
    """Return one app, whatever became of it, or None."""
    rows = reading.rows(f"SELECT {_COLUMNS} FROM apps WHERE app_id = :app_id", {"app_id": app_id})  # noqa: S608 - names of columns
    return decode_app(rows[0]) if rows else None


def get_apps(reading: Reading, app_ids: Collection[str]) -> dict[str, App]:
    """Return those of these apps that are kept, by id."""
    if not app_ids:
        return {}
    condition = among("ids", reading.dialect)
    sql = f"SELECT {_COLUMNS} FROM apps WHERE app_id {condition}"  # noqa: S608 - names of columns
    rows = reading.rows(sql, {"ids": json.dumps(sorted(app_ids))})
    return {row["app_id"]: decode_app(row) for row in rows}


def find_apps(
    reading: Reading,
    condition: AppFilter,
    *,
    limit: int,
    after: tuple[int, str] | None = None,
) -> list[App]:
    """Return a page of apps, the newest first.

    `after` is (`scheduled_at`, `app_id`) of the last app of the page before.
    """
    where, parameters = _where(reading, condition)
    if after is not None:
        where.append("(created_at, app_id) < (:after_at, :after_id)")
        parameters |= {"after_at": after[0], "after_id": after[1]}
    rows = reading.rows(
        f"SELECT {_COLUMNS} FROM apps{_said(where)}"  # noqa: S608 - names of columns
        " ORDER BY created_at DESC, app_id DESC LIMIT :limit",
        {**parameters, "limit": limit},
    )
    return [decode_app(row) for row in rows]


def find_subtree(
    reading: Reading, condition: AppFilter, *, limit: int, after: str | None = None
) -> list[App]:
    """Return a page of apps in the order of their paths: each before what is below it.

    `after` is the path of the last app of the page before, as in the column.
    """
    where, parameters = _where(reading, condition)
    if after is not None:
        where.append("path > :after_path")
        parameters["after_path"] = after
    rows = reading.rows(
        f"SELECT {_COLUMNS} FROM apps{_said(where)} ORDER BY path LIMIT :limit",  # noqa: S608 - names of columns
        {**parameters, "limit": limit},
    )
    return [decode_app(row) for row in rows]


def count_apps(reading: Reading, condition: AppFilter) -> int:
    """Return how many apps there are."""
    where, parameters = _where(reading, condition)
    rows = reading.rows(f"SELECT count(*) AS n FROM apps{_said(where)}", parameters)  # noqa: S608 - names of columns
    return int(rows[0]["n"])


def count_by_status(reading: Reading) -> dict[Status, int]:
    """Return how many apps have each status; those that no app has are left out."""
    rows = reading.rows("SELECT status, count(*) AS n FROM apps GROUP BY status ORDER BY status")
    return {Status(row["status"]): int(row["n"]) for row in rows}


def find_messages(
    reading: Reading,
    app_id: str,
    *,
    limit: int,
    before: int | None = None,
    msg_type: str | None = None,
) -> list[KeptMessage]:
    """Return a page of an app's messages, the newest first; `before` is the id of the last one."""
    where = ["app_id = :app_id"]
    parameters: dict[str, Value] = {"app_id": app_id, "limit": limit}
    if msg_type is not None:
        where.append("msg_type = :msg_type")
        parameters["msg_type"] = msg_type
    if before is not None:
        where.append("id < :before")
        parameters["before"] = before
    rows = reading.rows(
        f"SELECT * FROM messages{_said(where)} ORDER BY id DESC LIMIT :limit",  # noqa: S608 - conditions of ours
        parameters,
    )
    return [_message(row) for row in rows]


def find_snapshots(
    reading: Reading, app_id: str, *, limit: int, before: int | None = None
) -> list[KeptMessage]:
    """Return a page of what an app said of its state, the newest first."""
    where = ["app_id = :app_id", "msg_type = 'Status'", "is_late = 0"]
    parameters: dict[str, Value] = {"app_id": app_id, "limit": limit}
    if before is not None:
        where.append("id < :before")
        parameters["before"] = before
    rows = reading.rows(
        f"SELECT * FROM messages{_said(where)} ORDER BY id DESC LIMIT :limit",  # noqa: S608 - conditions of ours
        parameters,
    )
    return [_message(row) for row in rows]


def get_last_snapshots(reading: Reading, app_ids: Collection[str]) -> dict[str, KeptMessage]:
    """Return the newest snapshot of each of these apps, by app id."""
    return _get_last(reading, app_ids, "msg_type = 'Status' AND is_late = 0")


def get_last_answers(reading: Reading, app_ids: Collection[str]) -> dict[str, KeptMessage]:
    """Return the newest Result or Error of each of these apps, by app id."""
    return _get_last(reading, app_ids, "msg_type IN ('Result', 'Error')")


def _get_last(reading: Reading, app_ids: Collection[str], condition: str) -> dict[str, KeptMessage]:
    if not app_ids:
        return {}
    rows = reading.rows(
        "SELECT m.* FROM apps JOIN messages m ON m.id = (SELECT id FROM messages n"  # noqa: S608 - conditions of ours
        f" WHERE n.app_id = apps.app_id AND {condition} ORDER BY id DESC LIMIT 1)"
        f" WHERE apps.app_id {among('ids', reading.dialect)}",
        {"ids": json.dumps(sorted(app_ids))},
    )
    return {row["app_id"]: _message(row) for row in rows}


def find_crashes(
    reading: Reading,
    *,
    limit: int,
    before: int | None = None,
    since: int | None = None,
    app_id: str | None = None,
    namespace: str | None = None,
    within: str | None = None,
) -> list[KeptCrash]:
    """Return a page of crashes, the newest first; `before` is the id of the last one."""
    where: list[str] = []
    parameters: dict[str, Value] = {"limit": limit}
    if before is not None:
        where.append("crashes.id < :before")
        parameters["before"] = before
    if since is not None:
        where.append("crashes.detected_at >= :since")
        parameters["since"] = since
    if app_id is not None:
        where.append("crashes.app_id = :app_id")
        parameters["app_id"] = app_id
    if namespace is not None:
        where.append("apps.namespace = :namespace")
        parameters["namespace"] = namespace
    if within is not None:
        where.append("apps.path >= :within AND apps.path < :within_end")
        parameters |= _range("within", within)
    rows = reading.rows(
        "SELECT crashes.* FROM crashes JOIN apps ON apps.app_id = crashes.app_id"  # noqa: S608 - conditions of ours
        f"{_said(where)} ORDER BY crashes.id DESC LIMIT :limit",
        parameters,
    )
    return [_crash(row) for row in rows]


def get_last_crashes(reading: Reading, app_ids: Collection[str]) -> dict[str, KeptCrash]:
    """Return the newest crash of each of these apps, by app id."""
    if not app_ids:
        return {}
    rows = reading.rows(
        "SELECT * FROM crashes WHERE id IN (SELECT max(id) FROM crashes"  # noqa: S608 - conditions of ours
        f" WHERE app_id {among('ids', reading.dialect)} GROUP BY app_id)",
        {"ids": json.dumps(sorted(app_ids))},
    )
    return {row["app_id"]: _crash(row) for row in rows}


def find_commands(reading: Reading, correlation_id: str) -> list[KeptCommand]:
    """Return every target of a command, the app that was named first; none when it is unknown."""
    rows = reading.rows(
        "SELECT * FROM control_queue WHERE correlation_id = :correlation_id ORDER BY id",
        {"correlation_id": correlation_id},
    )
    return [_command(row) for row in rows]


def find_commands_of(
    reading: Reading, app_id: str, *, limit: int, before: int | None = None
) -> list[KeptCommand]:
    """Return a page of the commands that an app was to get, the newest first."""
    where = ["app_id = :app_id"]
    parameters: dict[str, Value] = {"app_id": app_id, "limit": limit}
    if before is not None:
        where.append("id < :before")
        parameters["before"] = before
    rows = reading.rows(
        f"SELECT * FROM control_queue{_said(where)} ORDER BY id DESC LIMIT :limit",  # noqa: S608 - conditions of ours
        parameters,
    )
    return [_command(row) for row in rows]


def read_outbox(
    reading: Reading, after: int, *, limit: int, within: str | None = None
) -> list[OutboxEntry]:
    """Return entries with higher ids than `after`, the oldest first."""
    where = ["id > :after"]
    parameters: dict[str, Value] = {"after": after, "limit": limit}
    if within is not None:
        where.append("path >= :within AND path < :within_end")
        parameters |= _range("within", within)
    rows = reading.rows(
        f"SELECT * FROM outbox{_said(where)} ORDER BY id LIMIT :limit",  # noqa: S608 - conditions of ours
        parameters,
    )
    return [OutboxEntry(**row) for row in rows]


def get_outbox_bounds(reading: Reading) -> tuple[int, int]:
    """Return the ids of the oldest and the newest entry, (0, 0) for none.

    The newest is always kept, so its id tells how far the tree has come.
    """
    rows = reading.rows("SELECT min(id) AS oldest, max(id) AS newest FROM outbox")
    return int(rows[0]["oldest"] or 0), int(rows[0]["newest"] or 0)


def _where(reading: Reading, condition: AppFilter) -> tuple[list[str], dict[str, Value]]:
    where: list[str] = []
    parameters: dict[str, Value] = {}
    if condition.within is not None:
        where.append("path >= :within AND path < :within_end")
        parameters |= _range("within", condition.within)
    if condition.below is not None:
        where.append("path > :below AND path < :below_end")
        parameters |= _range("below", condition.below)
    if condition.statuses:
        where.append(f"status {among('statuses', reading.dialect)}")
        parameters["statuses"] = json.dumps([status.value for status in condition.statuses])
    for name in ("parent_id", "namespace", "app_name"):
        value = getattr(condition, name)
        if value is not None:
            where.append(f"{name} = :{name}")
            parameters[name] = value
    return where, parameters


def _range(name: str, path: str) -> Mapping[str, Value]:
    """Return the bounds of what begins with a path: the path is the first, the end is beyond."""
    return {name: path, f"{name}_end": path[: -len(PATH_SEPARATOR)] + _AFTER_SEPARATOR}


def _said(where: list[str]) -> str:
    return f" WHERE {' AND '.join(where)}" if where else ""


def _message(row: Mapping[str, Any]) -> KeptMessage:
    return KeptMessage(
        id=row["id"],
        app_id=row["app_id"],
        epoch=row["epoch"],
        source=row["source"],
        seq=row["seq"],
        msg_type=row["msg_type"],
        correlation_id=row["correlation_id"],
        payload=row["payload_json"],
        is_late=bool(row["is_late"]),
        sent_at=row["sent_at"],
        created_at=row["created_at"],
    )


def _crash(row: Mapping[str, Any]) -> KeptCrash:
    return KeptCrash(
        id=row["id"],
        app_id=row["app_id"],
        epoch=row["epoch"],
        detected_at=row["detected_at"],
        crash_type=row["crash_type"],
        gap_ms=row["gap_ms"],
        details=row["metadata_json"],
        recovered_at=row["recovered_at"],
    )


def _command(row: Mapping[str, Any]) -> KeptCommand:
    return KeptCommand(
        id=row["id"],
        correlation_id=row["correlation_id"],
        app_id=row["app_id"],
        root_id=row["root_id"],
        kind=row["kind"],
        action=row["action"],
        payload=row["payload_json"],
        requested_by=row["requested_by"],
        auth_domain=row["auth_domain"],
        status=row["status"],
        phase=row["phase"],
        confirmed=bool(row["confirmed"]),
        cascade=bool(row["is_cascade"]),
        is_late=bool(row["is_late"]),
        grace_ms=row["grace_ms"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        sent_at=row["sent_at"],
        acked_at=row["acked_at"],
        updated_at=row["updated_at"],
        result=row["ack_result_json"],
        error=row["ack_error"],
    )
