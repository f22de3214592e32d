"""Grants for one app each, beside those of role refs."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any, Final

import msgspec

from clew.access.audit import entry_of, write_entries
from clew.access.authority import Grant
from clew.access.caller import ROLE_NAMES, Verb
from clew.access.cursor import Source, read_page
from clew.access.documents import AppGrant, AppGrantList
from clew.access.role_refs import check_subject, verbs_of
from clew.access.writing import when_kept
from clew.base.errors import ClewError, ErrorCode
from clew.base.ids import new_uuid
from clew.base.times import format_time
from clew.store.database.where import Where

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from concurrent.futures import Future

    from clew.access.caller import Caller
    from clew.access.parameters import GrantQuery
    from clew.store.database.contract import Database, Transaction

logger = logging.getLogger(__name__)

GRANTS_MAX: Final = 100_000
"""Grants of a registry: all in memory, 300 bytes each."""

_GRANTS: Final = Source("grants", "grants", "created_at")

_NO_VERBS: Final[frozenset[Verb]] = frozenset()


class GrantBook:
    """All inline grants of a registry. From any thread."""

    def __init__(self, database: Database, now: Callable[[], int]) -> None:
        """Read those of a registry; `now` gives Unix nanoseconds. Blocks."""
        self._database = database
        self._now = now
        self._guard = threading.Lock()
        self._listeners: list[Callable[[], None]] = []
        self._by_app = self._read_all()
        database.watch(["grants"], self._read_anew)

    def of(self, app_ids: Iterable[str]) -> tuple[Grant, ...]:
        """Return the grants of these apps, expired ones among them."""
        return tuple(grant for app_id in app_ids for grant in self._by_app.get(app_id, {}).values())

    def all(self) -> tuple[Grant, ...]:
        """Return every grant, expired ones among them."""
        with self._guard:
            return self.of(list(self._by_app))

    def forget(self, app_ids: Iterable[str]) -> None:
        """Take it that these apps and what was granted for them are removed from the registry.

        Nobody need hear of it: nothing is left that they would count for.
        """
        with self._guard:
            for app_id in app_ids:
                self._by_app.pop(app_id, None)

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener`, from any thread and at once, whenever a grant has come or gone."""
        self._listeners.append(listener)

    def find(self, query: GrantQuery) -> AppGrantList:
        """Return one page of the grants that count, the newest first. Blocks."""
        where = Where()
        where.add("(expires_at IS NULL OR expires_at > :now)", now=self._now())
        where.equal("app_id", query.app_id)
        where.equal("subject", query.sub)
        page = read_page(self._database, query, _GRANTS, where)
        return AppGrantList(
            grants=[_document(row) for row in page.rows],
            count=len(page.rows),
            total=page.total,
            truncated=page.next is not None,
            next=page.next,
        )

    def add(
        self,
        app_id: str,
        subject: str,
        roles: Sequence[str],
        by: Caller,
        *,
        cascade: bool = True,
        expires_at: int | None = None,
    ) -> Future[AppGrant]:
        """Grant roles for an app; the very same grant once more is the one that there is.

        Raises:
            ClewError: INVALID_ARGUMENT at once; CONFLICT with the future when there are too many.
        """
        now = self._now()
        check_subject(subject)
        verbs_of(roles)
        row: dict[str, Any] = {
            "id": new_uuid(now),
            "app_id": app_id,
            "subject": subject,
            "roles_json": msgspec.json.encode(list(dict.fromkeys(roles))).decode(),
            "is_cascade": int(cascade),
            "granted_by": by.subject,
            "expires_at": expires_at,
            "created_at": now,
        }

        def change(kept: dict[str, Any]) -> None:
            grants = self._by_app.get(app_id, {})
            self._by_app[app_id] = {**grants, str(kept["id"]): _grant_of(kept)}

        return self._write(lambda writing: _insert(writing, row, by, now), change)

    def remove(self, grant_id: str, by: Caller) -> Future[AppGrant]:
        """Take a grant back; the future holds what it was.

        Raises:
            ClewError: NOT_FOUND with the future.
        """
        now = self._now()

        def change(gone: dict[str, Any]) -> None:
            grants = self._by_app.get(gone["app_id"], {})
            rest = {each: grant for each, grant in grants.items() if each != grant_id}
            if rest:
                self._by_app[gone["app_id"]] = rest
            else:
                self._by_app.pop(gone["app_id"], None)

        return self._write(lambda writing: _delete(writing, grant_id, by, now), change)

    def _read_all(self) -> dict[str, dict[str, Grant]]:
        moment = self._now()
        rows = self._database.read(
            lambda reading: reading.rows(
                "SELECT * FROM grants WHERE expires_at IS NULL OR expires_at > :now",
                {"now": moment},
            )
        )
        by_app: dict[str, dict[str, Grant]] = {}
        for row in rows:
            by_app.setdefault(row["app_id"], {})[row["id"]] = _grant_of(row)
        return by_app

    def _read_anew(self) -> None:
        """Hold what another server has written."""
        by_app = self._read_all()
        with self._guard:
            self._by_app = by_app
        for listener in self._listeners:
            listener()

    def _write(
        self,
        work: Callable[[Transaction], dict[str, Any]],
        change: Callable[[dict[str, Any]], None],
    ) -> Future[AppGrant]:
        def settle(row: dict[str, Any]) -> AppGrant:
            with self._guard:
                change(row)
            for listener in self._listeners:
                listener()
            return _document(row)

        return when_kept(self._database.submit(work), settle)


def _insert(writing: Transaction, row: dict[str, Any], by: Caller, now: int) -> dict[str, Any]:
    # What has expired is of no use to anybody, and is told by the audit log.
    writing.run("DELETE FROM grants WHERE expires_at <= :now", {"now": now})
    told = ("subject", "roles_json", "is_cascade", "expires_at")
    for kept in writing.rows(
        "SELECT * FROM grants WHERE app_id = :app_id", {"app_id": row["app_id"]}
    ):
        if all(kept[each] == row[each] for each in told):
            return kept
    if writing.rows("SELECT count(*) AS n FROM grants")[0]["n"] >= GRANTS_MAX:
        raise ClewError(
            ErrorCode.CONFLICT,
            f"there are {GRANTS_MAX} grants already",
            hint="use role refs, which many apps share",
        )
    columns = ", ".join(row)
    values = ", ".join(f":{name}" for name in row)
    writing.run(f"INSERT INTO grants ({columns}) VALUES ({values})", row)  # noqa: S608 - ours
    _tell(writing, "grants.add", row, by, now)
    return row


def _delete(writing: Transaction, grant_id: str, by: Caller, now: int) -> dict[str, Any]:
    rows = writing.rows("SELECT * FROM grants WHERE id = :id", {"id": grant_id})
    if not rows:
        raise ClewError(
            ErrorCode.NOT_FOUND,
            "there is no such grant",
            hint="list those that count: clew grants list",
        )
    writing.run("DELETE FROM grants WHERE id = :id", {"id": grant_id})
    _tell(writing, "grants.remove", rows[0], by, now)
    return rows[0]


def _tell(writing: Transaction, action: str, row: Mapping[str, Any], by: Caller, now: int) -> None:
    roles = " ".join(_roles(row["roles_json"]))
    until = "" if row["expires_at"] is None else f" until {format_time(row['expires_at'])}"
    alone = "" if row["is_cascade"] else ", itself alone"
    entry = entry_of(
        by,
        now,
        action,
        target=str(row["id"]),
        app_id=str(row["app_id"]),
        detail=f"{roles} for {row['subject']}{until}{alone}",
    )
    write_entries(writing, [entry])


def _grant_of(row: Mapping[str, Any]) -> Grant:
    return Grant(
        row["subject"],
        row["app_id"],
        _NO_VERBS.union(*(ROLE_NAMES.get(role, _NO_VERBS) for role in _roles(row["roles_json"]))),
        cascade=bool(row["is_cascade"]),
        expires_at=row["expires_at"],
    )


def _roles(text: str) -> list[str]:
    try:
        return msgspec.json.decode(text, type=list[str])
    except msgspec.MsgspecError:
        logger.warning("a grant names no roles that can be read; it gives nothing")
        return []


def _document(row: Mapping[str, Any]) -> AppGrant:
    expires_at = row["expires_at"]
    return AppGrant(
        id=row["id"],
        app_id=row["app_id"],
        sub=row["subject"],
        roles=_roles(row["roles_json"]),
        cascade=bool(row["is_cascade"]),
        granted_by=row["granted_by"],
        created_at=format_time(row["created_at"]),
        expires_at=None if expires_at is None else format_time(expires_at),
    )
