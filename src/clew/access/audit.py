"""The audit log: who asked for what, and whether it was allowed.

What was allowed is written in the transaction that does it, so that neither is there without the
other. Denials are written by themselves, every one, but only so many in a second: whoever is denied
chooses how often to ask, and must not choose how full the disk is. The rest are counted, and the
count is written. Those whom nobody knows have a bound of their own, and so have apps, whose name
anybody may claim: neither can hide what the holder of a key tries.
"""

from __future__ import annotations

import logging
import re
import time
from concurrent.futures import wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from clew.access.caller import SERVER, CallerKind
from clew.base.errors import ClewError
from clew.base.ids import new_uuid
from clew.base.times import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    from clew.access.caller import Caller
    from clew.store.database.contract import Database, Transaction, Value

logger = logging.getLogger(__name__)

DENIALS_BURST: Final = 100
"""Denials written at once: a person who tries things, or a fleet that starts with an old key."""

DENIALS_PER_SECOND: Final = 1.0
"""How fast there is room for more. At 300 bytes each, an attack fills 26 MB in a day,
one in the name of apps as much again, and one from within as well."""

DENIALS_KEPT_S: Final = 30 * 86_400
"""How long a denial is kept: a month, 2.4 GB of attack at the very worst."""

ALLOWED_KEPT_S: Final = 400 * 86_400
"""How long anything else is kept: a year, and the time it takes to look at it."""

PRUNE_EVERY: Final = 10_000
"""Rows written by this process between two looks for old ones."""

TEXT_CHARS_MAX: Final = 300
"""Of any text of a row: paths and names are of somebody else's choosing."""

WAIT_SECONDS_MAX: Final = 10.0
"""How long a question waits for denials: a registry that takes longer answers nothing either."""

UNWRITTEN: Final = "denials_not_written"
"""The action of the row that says how many rows there are not."""

_DOMAINS: Final = {
    CallerKind.LOCAL: "local",
    CallerKind.KEY: "external",
    CallerKind.APP: "tree",
    CallerKind.UNKNOWN: "none",
    CallerKind.SERVER: "server",
}

_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")

_INSERT: Final = """
INSERT INTO audit_log (id, at, action, target, target_app_id, auth_domain, caller_kind, caller,
    is_allowed, is_cascade, correlation_id, detail, source_ip, user_agent)
VALUES (:id, :at, :action, :target, :target_app_id, :auth_domain, :caller_kind, :caller,
    :is_allowed, :is_cascade, :correlation_id, :detail, :source_ip, :user_agent)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row: `at` in Unix nanoseconds; `target` is what was asked for where it is no app."""

    at: int
    action: str
    caller_kind: CallerKind
    caller: str
    is_allowed: bool
    detail: str = ""
    target: str | None = None
    app_id: str | None = None
    is_cascade: bool = False
    correlation_id: str | None = None
    source_ip: str | None = None
    user_agent: str | None = None


def entry_of(
    caller: Caller,
    at: int,
    action: str,
    *,
    target: str | None = None,
    app_id: str | None = None,
    detail: str = "",
) -> Entry:
    """Return the entry of something that a caller was allowed to do."""
    return Entry(
        at=at,
        action=action,
        caller_kind=caller.kind,
        caller=caller.name,
        is_allowed=True,
        target=target,
        app_id=app_id,
        detail=detail,
    )


def write_entries(writing: Transaction, entries: Sequence[Entry]) -> None:
    """Write rows in a transaction of somebody's: they are there if what they tell of is."""
    writing.run_many(_INSERT, [_row(entry) for entry in entries])


TELL_EVERY_S: Final = 60.0
"""How often it is said that the registry takes none: one caller may try every second."""


class _Room:
    """For how many denials there is room now."""

    def __init__(self, at: float) -> None:
        self._left = float(DENIALS_BURST)
        self._filled_at = at

    def take(self, at: float) -> bool:
        """Take the room of one denial, if there is any."""
        grown = self._left + (at - self._filled_at) * DENIALS_PER_SECOND
        self._left = min(float(DENIALS_BURST), grown)
        self._filled_at = at
        if self._left < 1:
            return False
        self._left -= 1
        return True


class AuditLog:
    """Writes denials, and forgets what is old. Belongs to one event loop."""

    def __init__(
        self,
        database: Database,
        now: Callable[[], int],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`now` gives Unix nanoseconds, `clock` seconds that only run forward."""
        self._database = database
        self._now = now
        self._clock = clock
        self._of_known = _Room(clock())
        self._of_strangers = _Room(clock())
        self._of_apps = _Room(clock())
        self._unwritten = 0
        self._written = 0
        self._last: Future[None] | None = None
        self._tell_again_at = float("-inf")
        self.denials = 0
        self.unwritten = 0

    def deny(self, entry: Entry) -> None:
        """Write a denial, or count it when there were too many. Never blocks, never raises."""
        self.denials += 1
        match entry.caller_kind:
            case CallerKind.UNKNOWN:
                room = self._of_strangers
            case CallerKind.APP:
                room = self._of_apps
            case _:
                room = self._of_known
        if not room.take(self._clock()):
            self._unwritten += 1
            self.unwritten += 1
            return
        self._submit([*self._told_unwritten(), entry])

    def wait(self) -> None:
        """Return once what was denied so far is written, or lost. Blocks; from any thread."""
        last = self._last
        if last is not None:
            # The registry takes them in their order. Whatever became of it, it was looked at.
            wait([last], WAIT_SECONDS_MAX)

    def close(self) -> None:
        """Write how many denials were not, if any."""
        entries = self._told_unwritten()
        if entries:
            self._submit(entries)

    def prune(self) -> Future[int]:
        """Remove what is older than it is kept for; the future holds how many rows that were."""
        now = self._now()
        return self._database.submit(lambda writing: _prune(writing, now))

    def _told_unwritten(self) -> list[Entry]:
        count, self._unwritten = self._unwritten, 0
        if not count:
            return []
        told = Entry(
            at=self._now(),
            action=UNWRITTEN,
            caller_kind=SERVER.kind,
            caller=SERVER.name,
            is_allowed=False,
            detail=f"{count} more were denied; {DENIALS_PER_SECOND:g} in a second are written",
        )
        return [told]

    def _submit(self, entries: list[Entry]) -> None:
        now = self._now()
        is_time = self._written // PRUNE_EVERY != (self._written + len(entries)) // PRUNE_EVERY
        self._written += len(entries)

        def write(writing: Transaction) -> None:
            write_entries(writing, entries)
            if is_time:
                _prune(writing, now)

        try:
            future = self._database.submit(write)
        except ClewError as error:
            self._lose(len(entries), error)
            return
        self._last = future
        future.add_done_callback(lambda done: self._look(done, len(entries)))

    def _look(self, done: Future[None], count: int) -> None:
        error = done.exception()
        if error is not None:
            self._lose(count, error)

    def _lose(self, count: int, error: BaseException) -> None:
        """Count what the registry did not take; the caller was denied all the same."""
        self.unwritten += count
        now = self._clock()
        if now >= self._tell_again_at:
            self._tell_again_at = now + TELL_EVERY_S
            logger.warning(
                "denials are not written to the audit log, %d since the start: %s",
                self.unwritten,
                error,
            )


def _prune(writing: Transaction, now: int) -> int:
    return writing.run(
        "DELETE FROM audit_log WHERE at < :denied AND (is_allowed = 0 OR at < :allowed)",
        {"denied": now - DENIALS_KEPT_S * NS_PER_S, "allowed": now - ALLOWED_KEPT_S * NS_PER_S},
    )


def _row(entry: Entry) -> dict[str, Value]:
    return {
        "id": new_uuid(entry.at),
        "at": entry.at,
        "action": _clean(entry.action),
        "target": _cleaned(entry.target),
        "target_app_id": _cleaned(entry.app_id),
        "auth_domain": _DOMAINS[entry.caller_kind],
        "caller_kind": entry.caller_kind.value,
        "caller": _clean(entry.caller),
        "is_allowed": int(entry.is_allowed),
        "is_cascade": int(entry.is_cascade),
        "correlation_id": _cleaned(entry.correlation_id),
        "detail": _clean(entry.detail),
        "source_ip": _cleaned(entry.source_ip),
        "user_agent": _cleaned(entry.user_agent),
    }


def _cleaned(text: str | None) -> str | None:
    return None if text is None else _clean(text)


def _clean(text: str) -> str:
    """Return a text that a terminal, a page and both databases take, and no longer than told."""
    return _CONTROLS.sub("\ufffd", text[:TEXT_CHARS_MAX])
