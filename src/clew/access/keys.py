"""API keys: made, shown once, found again by what their holder sends, revoked.

A key is ``clew_<id>_<secret>``: sixteen hex digits that name it, and 256 random bits of which the
registry keeps the hash. There is nothing to guess in a secret of that size, so a fast hash is
enough. All live keys are in memory, by id; looking one up and hashing what was sent takes about two
microseconds, so that no plain secret is remembered between requests. A write changes the memory
once it is durable, and before anybody hears that it is.
"""

# ruff: noqa: S608 - values are bound; the rest is our own text

from __future__ import annotations

import hashlib
import hmac
import logging
import re
import secrets
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from clew.access.audit import entry_of, write_entries
from clew.access.caller import ROLE_VERBS, Caller, CallerKind, Role
from clew.access.cursor import Source, read_page
from clew.access.documents import Key, KeyCreated, KeyList, KeyState
from clew.access.expiry import read_expiry
from clew.access.writing import when_kept
from clew.base.errors import ClewError, ErrorCode
from clew.base.times import NS_PER_S, format_time
from clew.store.database.where import Where

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from clew.access.parameters import KeyQuery, NewKey
    from clew.store.database.contract import Database, Reading, Transaction, Value

logger = logging.getLogger(__name__)

PREFIX: Final = "clew_"
"""Tells a key of ours from others' to whoever finds it where it should not be."""

ID_BYTES: Final = 8
SECRET_BYTES: Final = 32

KEYS_MAX: Final = 10_000
"""Live keys. They are all in memory, half a kilobyte each; more than this are users, not keys."""

NAME_CHARS_MAX: Final = 64
USE_STEP_NS: Final = 60 * NS_PER_S
"""How far behind `last_used_at` may be: a write for each request would be a sync for each."""

HINT_TO_SEND: Final = "send an API key: --api-key, CLEW_API_KEY, or the header authorization"
HINT_TO_MAKE: Final = "ask an admin for a new one: clew keys create"

_FORM: Final = re.compile(r"clew_([0-9a-f]{16})_([0-9a-f]{64})")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]*")
_APP_ID: Final = re.compile(r"[0-9A-Za-z._:-]{1,128}")

_KEYS: Final = Source("keys", "api_keys", "created_at")
_IS_LIVE: Final = "revoked_at IS NULL AND (expires_at IS NULL OR expires_at > :now)"


@dataclass(slots=True)
class _Held:
    """A live key in memory. `used_at` is what the registry was last told."""

    secret_hash: str
    caller: Caller
    expires_at: int | None
    used_at: int


class KeyRing:
    """All keys of a registry. Reading is from any thread; `authenticate` from one event loop."""

    def __init__(self, database: Database, now: Callable[[], int]) -> None:
        """Read the keys of a registry; `now` gives Unix nanoseconds. Blocks."""
        self._database = database
        self._now = now
        self._guard = threading.Lock()
        self._listeners: list[Callable[[], None]] = []
        self._held, self._is_guarding = database.read(_read_all)
        database.watch(["api_keys"], self._read_anew)

    @property
    def is_guarding(self) -> bool:
        """Whether doors ask for a key: from the first one on, whatever becomes of it.

        A server whose keys have all expired stays shut rather than open to everybody.
        """
        return self._is_guarding

    def authenticate(self, sent: str) -> Caller:
        """Return who holds the key that was sent.

        Raises:
            ClewError: UNAUTHENTICATED when it is none, or not valid any more.
        """
        found = _FORM.fullmatch(sent)
        held = self._held.get(found[1]) if found else None
        if (
            found is None
            or held is None
            or not hmac.compare_digest(held.secret_hash, _hash(found[2]))
        ):
            raise ClewError(
                ErrorCode.UNAUTHENTICATED, "the API key is not valid", hint=HINT_TO_MAKE
            )
        now = self._now()
        if held.expires_at is not None and now >= held.expires_at:
            raise ClewError(ErrorCode.UNAUTHENTICATED, "the API key has expired", hint=HINT_TO_MAKE)
        if now - held.used_at >= USE_STEP_NS:
            held.used_at = now
            self._note_use(found[1], now)
        return held.caller

    def is_valid(self, caller: Caller) -> bool:
        """Tell whether whoever was let in would be let in again."""
        if caller.key_id is None:
            is_proved = caller.kind is CallerKind.APP and caller.at_most is None
            return is_proved or not self._is_guarding
        held = self._held.get(caller.key_id)
        return held is not None and (held.expires_at is None or self._now() < held.expires_at)

    def seconds_left(self, caller: Caller) -> float | None:
        """Return for how long a key is valid, None for ever; less than that when it is revoked."""
        held = None if caller.key_id is None else self._held.get(caller.key_id)
        if held is None or held.expires_at is None:
            return None
        return max(0.0, (held.expires_at - self._now()) / NS_PER_S)

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener`, from any thread and at once, whenever a key came or went."""
        self._listeners.append(listener)

    def create(self, wanted: NewKey, by: Caller) -> Future[KeyCreated]:
        """Make a key; the future holds it, with what its holder is to send, once it is durable.

        Raises:
            ClewError: INVALID_ARGUMENT at once; with the future CONFLICT for a name that a live key
                has, for a first key that is not an admin's, and when there are too many.
        """
        now = self._now()
        key_id, secret = secrets.token_hex(ID_BYTES), secrets.token_hex(SECRET_BYTES)
        row: dict[str, Any] = {
            "id": key_id,
            "name": _checked_name(wanted.name),
            "secret_hash": _hash(secret),
            "role": Role(wanted.role).value,
            "scope_app_id": _checked_app_id(wanted.app_id),
            "created_at": now,
            "created_by": by.subject,
            "last_used_at": None,
            "expires_at": read_expiry(wanted.expires_in, wanted.expires_at, now),
            "revoked_at": None,
            "revoked_by": None,
        }

        def settle(_: None) -> KeyCreated:
            with self._guard:
                self._held = {**self._held, key_id: _hold(row)}
                self._is_guarding = True
            self._tell()
            return KeyCreated(key=_key_of(row, now), api_key=f"{PREFIX}{key_id}_{secret}")

        return when_kept(
            self._database.submit(lambda writing: _insert(writing, row, by, now)), settle
        )

    def revoke(self, key_id: str, by: Caller) -> Future[Key]:
        """Take a key out of use for good; the future holds it. Repeatable.

        Raises:
            ClewError: NOT_FOUND with the future.
        """
        now = self._now()

        def settle(row: dict[str, Any]) -> Key:
            with self._guard:
                self._held = {each: held for each, held in self._held.items() if each != key_id}
            self._tell()
            return _key_of(row, now)

        return when_kept(
            self._database.submit(lambda writing: _revoke(writing, key_id, by, now)), settle
        )

    def forget(self, by: Caller) -> Future[int]:
        """Remove every key, so that no door asks for one any more; the future holds how many.

        For a registry that no server has open: those that were let in without a key are let in.
        """
        now = self._now()

        def work(writing: Transaction) -> int:
            count = writing.run("DELETE FROM api_keys")
            write_entries(writing, [entry_of(by, now, "keys.forget", detail=f"{count} keys")])
            return count

        return self._database.submit(work)

    def find(self, query: KeyQuery) -> KeyList:
        """Return one page of keys, the newest first. Blocks."""
        now = self._now()
        where = Where()
        if query.state == "live":
            where.add(_IS_LIVE, now=now)
        page = read_page(self._database, query, _KEYS, where)
        return KeyList(
            keys=[_key_of(row, now) for row in page.rows],
            count=len(page.rows),
            total=page.total,
            truncated=page.next is not None,
            next=page.next,
        )

    def _read_anew(self) -> None:
        """Hold what another server has written."""
        held, is_guarding = self._database.read(_read_all)
        with self._guard:
            for key_id, before in self._held.items():
                if key_id in held:
                    held[key_id].used_at = max(before.used_at, held[key_id].used_at)
            self._held, self._is_guarding = held, is_guarding
        self._tell()

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()

    def _note_use(self, key_id: str, now: int) -> None:
        bound: dict[str, Value] = {"now": now, "id": key_id}
        try:
            self._database.submit(
                lambda writing: writing.run(
                    "UPDATE api_keys SET last_used_at = :now WHERE id = :id", bound
                )
            )
        except ClewError as error:
            # Whoever holds the key is let in whether or not the registry takes writes.
            logger.debug("the last use of a key was not written: %s", error.message)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _read_all(reading: Reading) -> tuple[dict[str, _Held], bool]:
    """Return the live keys by id, and whether there ever was one."""
    live = reading.rows("SELECT * FROM api_keys WHERE revoked_at IS NULL")
    (kept,) = reading.rows("SELECT count(*) AS n FROM api_keys")
    return {row["id"]: _hold(row) for row in live}, bool(kept["n"])


def _hold(row: dict[str, Any]) -> _Held:
    role = Role(row["role"])
    caller = Caller(
        CallerKind.KEY,
        row["name"],
        ROLE_VERBS[role],
        row["scope_app_id"],
        frozenset({f"key:{row['name']}"}),
        key_id=row["id"],
    )
    return _Held(row["secret_hash"], caller, row["expires_at"], row["last_used_at"] or 0)


def _insert(writing: Transaction, row: dict[str, Any], by: Caller, now: int) -> None:
    live = writing.rows(
        f"SELECT name, role, scope_app_id FROM api_keys WHERE {_IS_LIVE}",
        {"now": now},
    )
    if len(live) >= KEYS_MAX:
        raise ClewError(
            ErrorCode.CONFLICT,
            f"there are {KEYS_MAX} keys already",
            hint="revoke those that nobody uses: clew keys list shows when each was used last",
        )
    if any(each["name"] == row["name"] for each in live):
        raise ClewError(
            ErrorCode.CONFLICT,
            f"a live key is called {row['name']} already",
            hint="choose another name, or revoke that key first",
        )
    admins = [each for each in live if each["role"] == Role.ADMIN and each["scope_app_id"] is None]
    if not admins and (row["role"] != Role.ADMIN or row["scope_app_id"] is not None):
        raise ClewError(
            ErrorCode.CONFLICT,
            "the first key must be an admin's: from then on every door asks for one",
            hint="make one with: clew keys create NAME --role admin",
        )
    columns = ", ".join(row)
    values = ", ".join(f":{name}" for name in row)
    writing.run(f"INSERT INTO api_keys ({columns}) VALUES ({values})", row)
    target, detail = str(row["id"]), f"{row['name']}, {row['role']}"
    write_entries(writing, [entry_of(by, now, "keys.create", target=target, detail=detail)])


def _revoke(writing: Transaction, key_id: str, by: Caller, now: int) -> dict[str, Any]:
    changed = writing.run(
        "UPDATE api_keys SET revoked_at = :now, revoked_by = :by"
        " WHERE id = :id AND revoked_at IS NULL",
        {"now": now, "by": by.subject, "id": key_id},
    )
    rows = writing.rows("SELECT * FROM api_keys WHERE id = :id", {"id": key_id})
    if not rows:
        raise ClewError(
            ErrorCode.NOT_FOUND, "there is no such key", hint="list keys with: clew keys list"
        )
    if changed:
        detail = str(rows[0]["name"])
        write_entries(writing, [entry_of(by, now, "keys.revoke", target=key_id, detail=detail)])
    return rows[0]


def _key_of(row: dict[str, Any], now: int) -> Key:
    state: KeyState = "live"
    if row["revoked_at"] is not None:
        state = "revoked"
    elif row["expires_at"] is not None and row["expires_at"] <= now:
        state = "expired"
    return Key(
        id=row["id"],
        name=row["name"],
        role=row["role"],
        app_id=row["scope_app_id"],
        state=state,
        created_at=format_time(row["created_at"]),
        created_by=row["created_by"],
        last_used_at=_time(row["last_used_at"]),
        expires_at=_time(row["expires_at"]),
        revoked_at=_time(row["revoked_at"]),
        revoked_by=row["revoked_by"],
    )


def _time(at: int | None) -> str | None:
    return None if at is None else format_time(at)


def _checked_name(name: str) -> str:
    if len(name) <= NAME_CHARS_MAX and _NAME.fullmatch(name):
        return name
    raise ClewError(
        ErrorCode.INVALID_ARGUMENT,
        "name is no name of a key",
        hint=f"give 1 to {NAME_CHARS_MAX} letters, digits and . _ @ + -",
    )


def _checked_app_id(app_id: str | None) -> str | None:
    if app_id is None or _APP_ID.fullmatch(app_id):
        return app_id
    raise ClewError(
        ErrorCode.INVALID_ARGUMENT,
        "app_id is no id of an app",
        hint="list apps with: clew apps",
    )
