"""Access as the registry keeps it, opened as one: keys, role refs, grants and the audit log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from clew.access.audit import AuditLog
from clew.access.cursor import Source, read_cursor, read_page
from clew.access.documents import AuditEntry, AuditList
from clew.access.grants import GrantBook
from clew.access.keys import KeyRing
from clew.access.revoked_keys import RevokedKeys
from clew.access.role_refs import Listing, RoleRefs, resolve
from clew.base.times import TimeRange, format_time, parse_range
from clew.store.database.where import Where

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from clew.access.authority import Grant
    from clew.access.parameters import AuditQuery
    from clew.store.database.contract import Database

ENTRIES_COUNTED_MAX: Final = 10_000
"""How far matching entries are counted; beyond, an answer says `at_least`."""

_ENTRIES: Final = Source("audit", "audit_log", "at")


@dataclass(frozen=True, slots=True)
class AccessRegistry:
    """What a server knows of its callers. Belongs to one event loop, but for what says else."""

    keys: KeyRing
    role_refs: RoleRefs
    grants: GrantBook
    revoked_keys: RevokedKeys
    audit: AuditLog
    database: Database
    now: Callable[[], int]

    @classmethod
    def open(cls, database: Database, now: Callable[[], int]) -> Self:
        """Read what a registry keeps; `now` gives Unix nanoseconds. Blocks."""
        return cls(
            KeyRing(database, now),
            RoleRefs(database, now),
            GrantBook(database, now),
            RevokedKeys(database, now),
            AuditLog(database, now),
            database,
            now,
        )

    def grants_on(self, listings: Sequence[Listing]) -> tuple[Grant, ...]:
        """Return every grant that may count for the app at the end of a path. From any thread."""
        listed = resolve(listings, self.role_refs.held)
        return listed + self.grants.of(listing.app_id for listing in listings)

    def in_force(self) -> tuple[tuple[Grant, ...], dict[str, tuple[Grant, ...]]]:
        """Return all inline grants, and those of each role ref by its name. From any thread.

        For whoever decides over apps by itself. Which namespace an app is of is not known there, so
        a ref that is bound to one gives nothing.
        """
        refs = {
            name: resolve([Listing("", (name,))], {name: held})
            for name, held in self.role_refs.held.items()
        }
        return self.grants.all(), refs

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener`, from any thread and at once, whenever `in_force` has changed."""
        self.role_refs.listen(listener)
        self.grants.listen(listener)

    def find_entries(self, query: AuditQuery) -> AuditList:
        """Return one page of the audit log, the newest first. Blocks; from any thread.

        Every denial that was answered before is in it: they are written behind their answers.

        Raises:
            ClewError: INVALID_ARGUMENT.
        """
        cursor = read_cursor(query, _ENTRIES)
        if cursor is None:
            window = parse_range(last=query.last, start=query.start, end=query.end, now=self.now())
        else:
            window = TimeRange(cursor.start, cursor.end)
        self.audit.wait()
        where = Where()
        where.equal("caller", query.caller)
        where.equal("action", query.action)
        where.equal("target_app_id", query.app_id)
        where.equal("is_allowed", None if query.allowed is None else int(query.allowed))
        where.within("at", window)
        page = read_page(
            self.database, query, _ENTRIES, where, window=window, most=ENTRIES_COUNTED_MAX + 1
        )
        is_counted = page.total <= ENTRIES_COUNTED_MAX
        return AuditList(
            entries=[_entry(row) for row in page.rows],
            count=len(page.rows),
            total=page.total if is_counted else None,
            at_least=None if is_counted else ENTRIES_COUNTED_MAX,
            truncated=page.next is not None,
            next=page.next,
            denials=self.audit.denials,
            unwritten=self.audit.unwritten,
        )


def _entry(row: dict[str, Any]) -> AuditEntry:
    return AuditEntry(
        id=row["id"],
        at=format_time(row["at"]),
        action=row["action"],
        target=row["target"],
        app_id=row["target_app_id"],
        auth_domain=row["auth_domain"],
        caller_kind=row["caller_kind"],
        caller=row["caller"],
        allowed=bool(row["is_allowed"]),
        cascade=bool(row["is_cascade"]),
        correlation_id=row["correlation_id"],
        detail=row["detail"],
        source_ip=row["source_ip"],
        user_agent=row["user_agent"],
    )
