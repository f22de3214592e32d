"""What can be asked of the tree that is kept: pure reading, one function for each question.

Pages are cut by keys that never change (when an app was announced, the number of a message), so a
page is stable however much comes in behind it. Whoever asks bounds `limit`, and says with `seen`
which parts of the tree the caller may see. Paths are as `rows.join_path` writes them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from clew.store.database.contract import among
from clew.store.database.where import Where, count_rows
from clew.tree.machine.app import LIVE, Status
from clew.tree.registry.rows import COLUMNS, PATH_SEPARATOR, decode_app

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from clew.store.database.contract import Reading, Value
    from clew.tree.machine.app import App

_COLUMNS: Final = ", ".join(COLUMNS)

_AFTER_SEPARATOR: Final = chr(ord(PATH_SEPARATOR) + 1)
"""The character after the separator: what begins with a path is below the path that ends in it."""

ROOT_CHARS: Final = 36
"""A root's id in each path below it, after the separator: ids are UUIDs."""

_LIKE_ESCAPE: Final = "!"

_CRASHES: Final = "crashes JOIN apps ON apps.app_id = crashes.app_id"

_IS_SNAPSHOT: Final = "msg_type = 'Status' AND is_late = 0"


@dataclass(frozen=True, slots=True)
class Seen:
    """The parts of the tree that a caller may see: subtrees by their paths, and single apps."""

    paths: tuple[str, ...] = ()
    app_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AppFilter:
    """Which apps: all conditions hold. `within` is a path, `below` one that is itself left out.

    `text` is a part of the name, in any case, or how the id begins or ends. `active_since` (Unix
    nanoseconds) leaves trees out in which nothing lives and nothing has ended since.
    """

    seen: Seen | None = None
    within: str | None = None
    below: str | None = None
    parent_id: str | None = None
    statuses: tuple[Status, ...] = ()
    namespace: str | None = None
    app_name: str | None = None
    role_ref: str | None = None
    text: str | None = None
    active_since: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CrashFilter:
    """Which crashes: all conditions hold. `since` is in Unix nanoseconds, `within` a path."""

    seen: Seen | None = None
    since: int | None = None
    app_id: str | None = None
    namespace: str | None = None
    within: str | None = None


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


class OutboxEntry(msgspec.Struct, frozen=True, kw_only=True, gc=False):
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


def get_app_names(reading: Reading, app_ids: Collection[str]) -> dict[str, str]:
    """Return the names of those of these apps that are kept, by id."""
    condition = among("ids", reading.dialect)
    sql = f"SELECT app_id, app_name FROM apps WHERE app_id {condition}"  # noqa: S608 - names of ours
    rows = reading.rows(sql, {"ids": json.dumps(sorted(app_ids))})
    return {row["app_id"]: row["app_name"] for row in rows}


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
    where = _of_apps(reading, condition)
    if after is not None:
        where.add(
            "(created_at, app_id) < (:after_at, :after_id)", after_at=after[0], after_id=after[1]
        )
    rows = reading.rows(
        f"SELECT {_COLUMNS} FROM apps{where.sql}"  # noqa: S608 - names of columns
        " ORDER BY created_at DESC, app_id DESC LIMIT :limit",
        where.bound(limit=limit),
    )
    return [decode_app(row) for row in rows]


def find_subtree(
    reading: Reading, condition: AppFilter, *, limit: int, after: str | None = None
) -> list[App]:
    """Return a page of apps in the order of their paths: each before what is below it.

    `after` is the path of the last app of the page before, as in the column.
    """
    where = _of_apps(reading, condition)
    if after is not None:
        where.add("path > :after_path", after_path=after)
    rows = reading.rows(
        f"SELECT {_COLUMNS} FROM apps{where.sql} ORDER BY path LIMIT :limit",  # noqa: S608 - names of columns
        where.bound(limit=limit),
    )
    return [decode_app(row) for row in rows]


def count_apps(reading: Reading, condition: AppFilter, *, most: int | None = None) -> int:
    """Return how many apps there are; counting ends at `most`."""
    return count_rows(reading, "apps", _of_apps(reading, condition), most=most)


def find_listing(reading: Reading, role_refs: Collection[str], *, limit: int) -> list[App]:
    """Return apps that list one of these role refs by themselves, the newest first."""
    if not role_refs:
        return []
    parameters: dict[str, Value] = {"limit": limit}
    parameters |= {f"ref_{place}": _listed(each) for place, each in enumerate(role_refs)}
    lists = " OR ".join(
        f"role_refs_json LIKE :ref_{place} ESCAPE '{_LIKE_ESCAPE}'"
        for place in range(len(role_refs))
    )
    rows = reading.rows(
        f"SELECT {_COLUMNS} FROM apps WHERE {lists} ORDER BY created_at DESC LIMIT :limit",  # noqa: S608 - names of columns
        parameters,
    )
    return [decode_app(row) for row in rows]


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
    where = _of_messages(app_id, msg_type)
    return [_message(row) for row in _newest(reading, "messages", where, limit, before)]


def count_messages(reading: Reading, app_id: str, *, most: int, msg_type: str | None = None) -> int:
    """Return how many messages of an app there are; counting ends at `most`."""
    return count_rows(reading, "messages", _of_messages(app_id, msg_type), most=most)


def find_snapshots(
    reading: Reading, app_id: str, *, limit: int, before: int | None = None
) -> list[KeptMessage]:
    """Return a page of what an app said of its state, the newest first."""
    where = _of_messages(app_id).narrowed(_IS_SNAPSHOT)
    return [_message(row) for row in _newest(reading, "messages", where, limit, before)]


def count_snapshots(reading: Reading, app_id: str, *, most: int) -> int:
    """Return how many snapshots of an app there are; counting ends at `most`."""
    where = _of_messages(app_id).narrowed(_IS_SNAPSHOT)
    return count_rows(reading, "messages", where, most=most)


def get_last_snapshots(reading: Reading, app_ids: Collection[str]) -> dict[str, KeptMessage]:
    """Return the newest snapshot of each of these apps, by app id."""
    return _get_last(reading, app_ids, _IS_SNAPSHOT)


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
    reading: Reading, condition: CrashFilter, *, limit: int, before: int | None = None
) -> list[KeptCrash]:
    """Return a page of crashes, the newest first; `before` is the id of the last one."""
    where = _of_crashes(reading, condition)
    found = _newest(reading, _CRASHES, where, limit, before, table="crashes")
    return [_crash(row) for row in found]


def count_crashes(reading: Reading, condition: CrashFilter, *, most: int) -> int:
    """Return how many crashes there are; counting ends at `most`."""
    return count_rows(reading, _CRASHES, _of_crashes(reading, condition), most=most)


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


def find_commands(
    reading: Reading, correlation_id: str, app_ids: Collection[str] | None = None
) -> list[KeptCommand]:
    """Return every target of a command, the app that was named first; none when it is unknown.

    With `app_ids` only those of them that are targets.
    """
    where = Where()
    where.equal("correlation_id", correlation_id)
    if app_ids is not None:
        where.add(f"app_id {among('ids', reading.dialect)}", ids=json.dumps(sorted(app_ids)))
    rows = reading.rows(
        f"SELECT * FROM control_queue{where.sql} ORDER BY id",  # noqa: S608 - conditions of ours
        where.parameters,
    )
    return [_command(row) for row in rows]


def find_ended_before(
    reading: Reading, correlation_id: str, path: str, at: int, *, limit: int
) -> list[App]:
    """Return apps below a path that had ended when a cancel was issued, the last first.

    `at` is when that was, in Unix nanoseconds. Its own targets are left out: what it ended at once
    ended in the same moment.
    """
    where = _ended_before(correlation_id, path, at)
    rows = reading.rows(
        f"SELECT {_COLUMNS} FROM apps{where.sql} ORDER BY ended_at DESC, app_id LIMIT :limit",  # noqa: S608 - names of columns
        where.bound(limit=limit),
    )
    return [decode_app(row) for row in rows]


def count_ended_before(
    reading: Reading, correlation_id: str, path: str, at: int, *, most: int
) -> int:
    """Return how many `find_ended_before` would find; counting ends at `most`."""
    return count_rows(reading, "apps", _ended_before(correlation_id, path, at), most=most)


def read_outbox(
    reading: Reading, after: int, *, limit: int, within: str | None = None
) -> list[OutboxEntry]:
    """Return entries with higher ids than `after`, the oldest first."""
    where = Where()
    where.add("id > :after", after=after)
    if within is not None:
        _add_range(where, "path", "within", within)
    rows = reading.rows(
        f"SELECT * FROM outbox{where.sql} ORDER BY id LIMIT :limit",  # noqa: S608 - conditions of ours
        where.bound(limit=limit),
    )
    return [OutboxEntry(**row) for row in rows]


def get_outbox_bounds(reading: Reading) -> tuple[int, int]:
    """Return the ids of the oldest and the newest entry, (0, 0) for none.

    The newest is always kept, so its id tells how far the tree has come.
    """
    rows = reading.rows("SELECT min(id) AS oldest, max(id) AS newest FROM outbox")
    return int(rows[0]["oldest"] or 0), int(rows[0]["newest"] or 0)


def _newest(
    reading: Reading,
    source: str,
    where: Where,
    limit: int,
    before: int | None,
    *,
    table: str = "",
) -> list[dict[str, Any]]:
    """Return a page of rows, the newest first; `table` is whose they are where `source` is more."""
    own = f"{table}." if table else ""
    if before is not None:
        where = where.narrowed(f"{own}id < :before", before=before)
    return reading.rows(
        f"SELECT {own}* FROM {source}{where.sql} ORDER BY {own}id DESC LIMIT :limit",  # noqa: S608 - names of ours
        where.bound(limit=limit),
    )


def _of_apps(reading: Reading, condition: AppFilter) -> Where:
    where = Where()
    if condition.seen is not None:
        _add_seen(where, reading, condition.seen)
    if condition.role_ref is not None:
        where.add(
            f"role_refs_json LIKE :role_ref ESCAPE '{_LIKE_ESCAPE}'",
            role_ref=_listed(condition.role_ref),
        )
    if condition.text is not None:
        text = _as_it_is(condition.text.lower())
        where.add(
            f"(lower(app_name) LIKE :part ESCAPE '{_LIKE_ESCAPE}'"
            f" OR app_id LIKE :start ESCAPE '{_LIKE_ESCAPE}'"
            f" OR app_id LIKE :end ESCAPE '{_LIKE_ESCAPE}')",
            part=f"%{text}%",
            start=f"{text}%",
            end=f"%{text}",
        )
    if condition.active_since is not None:
        root = f"substr(path, {1 + len(PATH_SEPARATOR)}, {ROOT_CHARS})"
        where.add(
            f"{root} IN (SELECT {root} FROM apps"  # noqa: S608 - words of ours
            f" WHERE status {among('live', reading.dialect)} OR ended_at >= :active_since)",
            live=json.dumps(sorted(status.value for status in LIVE)),
            active_since=condition.active_since,
        )
    if condition.within is not None:
        _add_range(where, "path", "within", condition.within)
    if condition.below is not None:
        _add_range(where, "path", "below", condition.below, lowest=">")
    if condition.statuses:
        where.add(
            f"status {among('statuses', reading.dialect)}",
            statuses=json.dumps([status.value for status in condition.statuses]),
        )
    where.equal("parent_id", condition.parent_id)
    where.equal("namespace", condition.namespace)
    where.equal("app_name", condition.app_name)
    return where


def _ended_before(correlation_id: str, path: str, at: int) -> Where:
    where = Where()
    _add_range(where, "path", "below", path, lowest=">")
    where.add(
        "ended_at <= :at AND NOT EXISTS (SELECT 1 FROM control_queue c"
        " WHERE c.correlation_id = :correlation_id AND c.app_id = apps.app_id)",
        at=at,
        correlation_id=correlation_id,
    )
    return where


def _of_messages(app_id: str, msg_type: str | None = None) -> Where:
    where = Where()
    where.equal("app_id", app_id)
    where.equal("msg_type", msg_type)
    return where


def _of_crashes(reading: Reading, condition: CrashFilter) -> Where:
    where = Where()
    if condition.seen is not None:
        _add_seen(where, reading, condition.seen)
    if condition.since is not None:
        where.add("crashes.detected_at >= :since", since=condition.since)
    where.equal("crashes.app_id", condition.app_id, "app_id")
    where.equal("apps.namespace", condition.namespace, "namespace")
    if condition.within is not None:
        _add_range(where, "apps.path", "within", condition.within)
    return where


def _add_range(where: Where, column: str, name: str, path: str, *, lowest: str = ">=") -> None:
    """Narrow to what begins with a path: all below, and the app that it ends in for >=."""
    part, bounds = _range(column, name, path, lowest)
    where.add(part, **bounds)


def _range(column: str, name: str, path: str, lowest: str = ">=") -> tuple[str, dict[str, str]]:
    end = path[: -len(PATH_SEPARATOR)] + _AFTER_SEPARATOR
    part = f"{column} {lowest} :{name} AND {column} < :{name}_end"
    return part, {name: path, f"{name}_end": end}


def _add_seen(where: Where, reading: Reading, seen: Seen) -> None:
    """Narrow to what a caller may see."""
    ranges = [_range("apps.path", f"seen_{place}", path) for place, path in enumerate(seen.paths)]
    parts = [part for part, _ in ranges]
    parts.append(f"apps.app_id {among('seen_ids', reading.dialect)}")
    bounds = {name: text for _, each in ranges for name, text in each.items()}
    where.add(f"({' OR '.join(parts)})", seen_ids=json.dumps(seen.app_ids), **bounds)


def _listed(role_ref: str) -> str:
    """Return the pattern of a JSON list that holds a role ref."""
    return f"%{_as_it_is(json.dumps(role_ref, ensure_ascii=False))}%"


def _as_it_is(text: str) -> str:
    """Return a text as a part of a pattern that stands for itself."""
    for each in (_LIKE_ESCAPE, "%", "_"):
        text = text.replace(each, _LIKE_ESCAPE + each)
    return text


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
