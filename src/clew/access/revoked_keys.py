"""Public keys of apps that count no more: nobody joins the tree with one, or signs a request."""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING, Any, Final

from clew.access.audit import entry_of, write_entries
from clew.access.cursor import Source, read_page
from clew.access.documents import RevokedKey, RevokedKeyList
from clew.access.writing import when_kept
from clew.base.errors import ClewError, ErrorCode
from clew.base.times import format_time
from clew.store.database.where import Where

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Future

    from clew.access.caller import Caller
    from clew.access.parameters import RevokedKeyQuery
    from clew.store.database.contract import Database, Transaction

KEYS_MAX: Final = 100_000
"""Revoked keys of a registry: all in memory, 200 bytes each."""

REASON_CHARS_MAX: Final = 300
"""As much as the audit log keeps of it."""

_REVOKED: Final = Source(
    "revoked keys", "(SELECT *, pub_key AS id FROM revoked_keys) AS revoked", "revoked_at"
)

# The one text of 32 bytes in standard Base64: the last two bits stand for nothing, so are zero.
_PUB_KEY: Final = re.compile(r"ed25519:[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=")


class RevokedKeys:
    """All revoked public keys of a registry. From any thread."""

    def __init__(self, database: Database, now: Callable[[], int]) -> None:
        """Read those of a registry; `now` gives Unix nanoseconds. Blocks."""
        self._database = database
        self._now = now
        self._guard = threading.Lock()
        self._listeners: list[Callable[[], None]] = []
        self._held = self._read_all()
        database.watch(["revoked_keys"], self._read_anew)

    def __contains__(self, pub_key: str) -> bool:
        """Tell whether a public key counts no more."""
        return pub_key in self._held

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener`, from any thread and at once, whenever a key has come or gone."""
        self._listeners.append(listener)

    def _read_all(self) -> set[str]:
        rows = self._database.read(lambda reading: reading.rows("SELECT pub_key FROM revoked_keys"))
        return {str(row["pub_key"]) for row in rows}

    def _read_anew(self) -> None:
        """Hold what another server has written."""
        held = self._read_all()
        with self._guard:
            self._held = held
        for listener in self._listeners:
            listener()

    def find(self, query: RevokedKeyQuery) -> RevokedKeyList:
        """Return one page of revoked keys, the newest first. Blocks."""
        page = read_page(self._database, query, _REVOKED, Where())
        return RevokedKeyList(
            revoked_keys=[_document(row) for row in page.rows],
            count=len(page.rows),
            total=page.total,
            truncated=page.next is not None,
            next=page.next,
        )

    def revoke(self, pub_key: str, reason: str, by: Caller) -> Future[RevokedKey]:
        """Let a public key count no more, until it is lifted; repeatable, the first time is told.

        Raises:
            ClewError: INVALID_ARGUMENT at once; CONFLICT with the future when there are too many.
        """
        now = self._now()
        _check(pub_key)
        if len(reason) > REASON_CHARS_MAX or not reason.isprintable():
            raise ClewError(
                ErrorCode.INVALID_ARGUMENT,
                "reason is no line of text",
                hint=f"give up to {REASON_CHARS_MAX} characters, or none",
            )
        return self._write(lambda writing: _insert(writing, pub_key, reason, by, now))

    def lift(self, pub_key: str, by: Caller) -> Future[RevokedKey]:
        """Let a public key count again; the future holds how it was revoked.

        Raises:
            ClewError: INVALID_ARGUMENT at once; NOT_FOUND with the future.
        """
        now = self._now()
        _check(pub_key)
        return self._write(lambda writing: _delete(writing, pub_key, by, now), is_gone=True)

    def _write(
        self, work: Callable[[Transaction], dict[str, Any]], *, is_gone: bool = False
    ) -> Future[RevokedKey]:
        def settle(row: dict[str, Any]) -> RevokedKey:
            with self._guard:
                keys = {row["pub_key"]}
                self._held = self._held - keys if is_gone else self._held | keys
            for listener in self._listeners:
                listener()
            return _document(row)

        return when_kept(self._database.submit(work), settle)


def _check(pub_key: str) -> None:
    if not _PUB_KEY.fullmatch(pub_key):
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            "pub_key is no public key of an app",
            hint="a key is ed25519: and 32 bytes in standard Base64",
        )


def _insert(
    writing: Transaction, pub_key: str, reason: str, by: Caller, now: int
) -> dict[str, Any]:
    kept = _rows(writing, pub_key)
    if kept:
        return kept[0]
    if writing.rows("SELECT count(*) AS n FROM revoked_keys")[0]["n"] >= KEYS_MAX:
        raise ClewError(
            ErrorCode.CONFLICT,
            f"there are {KEYS_MAX} revoked keys already",
            hint="lift those whose apps are long over",
        )
    row: dict[str, Any] = {
        "pub_key": pub_key,
        "reason": reason,
        "revoked_by": by.subject,
        "revoked_at": now,
    }
    writing.run(
        "INSERT INTO revoked_keys (pub_key, reason, revoked_by, revoked_at)"
        " VALUES (:pub_key, :reason, :revoked_by, :revoked_at)",
        row,
    )
    write_entries(writing, [entry_of(by, now, "pub_keys.revoke", target=pub_key, detail=reason)])
    return row


def _delete(writing: Transaction, pub_key: str, by: Caller, now: int) -> dict[str, Any]:
    kept = _rows(writing, pub_key)
    if not kept:
        raise ClewError(
            ErrorCode.NOT_FOUND,
            "this public key is not revoked",
            hint="list those that are: clew app-keys list",
        )
    writing.run("DELETE FROM revoked_keys WHERE pub_key = :pub_key", {"pub_key": pub_key})
    write_entries(writing, [entry_of(by, now, "pub_keys.lift", target=pub_key)])
    return kept[0]


def _rows(writing: Transaction, pub_key: str) -> list[dict[str, Any]]:
    return writing.rows("SELECT * FROM revoked_keys WHERE pub_key = :pub_key", {"pub_key": pub_key})


def _document(row: Mapping[str, Any]) -> RevokedKey:
    return RevokedKey(
        pub_key=row["pub_key"],
        reason=row["reason"],
        revoked_by=row["revoked_by"],
        revoked_at=format_time(row["revoked_at"]),
    )
