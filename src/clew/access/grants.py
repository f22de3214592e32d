"""Grants for one app each, beside those of role refs; and public keys that count no more."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any, Final

import msgspec

from clew.access.audit import entry_of, write_entries
from clew.access.authority import Grant
from clew.access.caller import ROLE_NAMES, Verb
from clew.access.role_refs import check_subject, verbs_of
from clew.access.writing import when_kept
from clew.base.errors import ClewError, ErrorCode
from clew.base.ids import new_uuid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from concurrent.futures import Future

    from clew.access.caller import Caller
    from clew.store.database.contract import Database, Transaction

logger = logging.getLogger(__name__)

GRANTS_MAX: Final = 100_000
"""Grants of a registry: all in memory, 300 bytes each."""

_NO_VERBS: Final[frozenset[Verb]] = frozenset()


class GrantBook:
    """All inline grants of a registry, and all revoked public keys. From any thread."""

    def __init__(self, database: Database, now: Callable[[], int]) -> None:
        """Read those of a registry; `now` gives Unix nanoseconds. Blocks."""
        self._database = database
        self._now = now
        self._guard = threading.Lock()
        self._listeners: list[Callable[[], None]] = []
        moment = now()
        rows = database.read(
            lambda reading: reading.rows(
                "SELECT * FROM grants WHERE expires_at IS NULL OR expires_at > :now",
                {"now": moment},
            )
        )
        self._by_app: dict[str, dict[str, Grant]] = {}
        for row in rows:
            self._by_app.setdefault(row["app_id"], {})[row["id"]] = _grant_of(row)
        revoked = database.read(lambda reading: reading.rows("SELECT pub_key FROM revoked_keys"))
        self._revoked = {row["pub_key"] for row in revoked}

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

    def add(
        self,
        app_id: str,
        subject: str,
        roles: Sequence[str],
        by: Caller,
        *,
        cascade: bool = True,
        expires_at: int | None = None,
    ) -> Future[str]:
        """Grant roles for an app; the future holds the id of the grant.

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
            "roles_json": msgspec.json.encode(list(roles)).decode(),
            "is_cascade": int(cascade),
            "granted_by": by.subject,
            "expires_at": expires_at,
            "created_at": now,
        }

        def change() -> None:
            grants = self._by_app.get(app_id, {})
            self._by_app[app_id] = {**grants, str(row["id"]): _grant_of(row)}

        return self._write(lambda writing: _insert(writing, row, by, now), change)

    def remove(self, grant_id: str, by: Caller) -> Future[str]:
        """Take a grant back.

        Raises:
            ClewError: NOT_FOUND with the future.
        """
        now = self._now()

        def change() -> None:
            for app_id, grants in self._by_app.items():
                if grant_id in grants:
                    rest = {each: grant for each, grant in grants.items() if each != grant_id}
                    self._by_app[app_id] = rest
                    return

        return self._write(lambda writing: _delete(writing, grant_id, by, now), change)

    def is_revoked(self, pub_key: str) -> bool:
        """Tell whether a public key counts no more."""
        return pub_key in self._revoked

    def revoke_key(self, pub_key: str, reason: str, by: Caller) -> Future[str]:
        """Let a public key count no more, for good. Repeatable."""
        now = self._now()
        return self._write(
            lambda writing: _revoke(writing, pub_key, reason, by, now),
            lambda: self._revoked.add(pub_key),
        )

    def _write(self, work: Callable[[Transaction], str], change: Callable[[], None]) -> Future[str]:
        def settle(told: str) -> str:
            with self._guard:
                change()
            for listener in self._listeners:
                listener()
            return told

        return when_kept(self._database.submit(work), settle)


def _insert(writing: Transaction, row: dict[str, Any], by: Caller, now: int) -> str:
    # What has expired is of no use to anybody, and is told by the audit log.
    writing.run("DELETE FROM grants WHERE expires_at <= :now", {"now": now})
    if writing.rows("SELECT count(*) AS n FROM grants")[0]["n"] >= GRANTS_MAX:
        raise ClewError(
            ErrorCode.CONFLICT,
            f"there are {GRANTS_MAX} grants already",
            hint="use role refs, which many apps share",
        )
    columns = ", ".join(row)
    values = ", ".join(f":{name}" for name in row)
    writing.run(f"INSERT INTO grants ({columns}) VALUES ({values})", row)  # noqa: S608 - ours
    detail = f"{row['subject']} {row['roles_json']}"
    write_entries(
        writing, [entry_of(by, now, "grants.add", target=str(row["app_id"]), detail=detail)]
    )
    return str(row["id"])


def _delete(writing: Transaction, grant_id: str, by: Caller, now: int) -> str:
    rows = writing.rows("SELECT app_id, subject FROM grants WHERE id = :id", {"id": grant_id})
    if not rows:
        raise ClewError(ErrorCode.NOT_FOUND, "there is no such grant")
    writing.run("DELETE FROM grants WHERE id = :id", {"id": grant_id})
    entry = entry_of(by, now, "grants.remove", target=rows[0]["app_id"], detail=rows[0]["subject"])
    write_entries(writing, [entry])
    return grant_id


def _revoke(writing: Transaction, pub_key: str, reason: str, by: Caller, now: int) -> str:
    kept = writing.rows(
        "SELECT pub_key FROM revoked_keys WHERE pub_key = :pub_key", {"pub_key": pub_key}
    )
    if not kept:
        writing.run(
            "INSERT INTO revoked_keys (pub_key, reason, revoked_by, revoked_at)"
            " VALUES (:pub_key, :reason, :by, :now)",
            {"pub_key": pub_key, "reason": reason, "by": by.subject, "now": now},
        )
        entry = entry_of(by, now, "pub_keys.revoke", target=pub_key, detail=reason)
        write_entries(writing, [entry])
    return pub_key


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
