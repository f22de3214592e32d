"""Role refs: named sets of grants that apps list, and what a path of apps gives by them.

Resolving is a pure function. A ref that does not exist, is damaged or belongs to another namespace
gives nothing and stops nothing: an app starts, and its ancestors keep their authority, whatever is
wrong with what it lists.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from clew.access.audit import entry_of, write_entries
from clew.access.authority import Grant
from clew.access.caller import ROLE_NAMES, Verb
from clew.access.cursor import Source, read_page
from clew.access.documents import (
    RoleGrant,
    RoleRef,
    RoleRefChange,
    RoleRefHistory,
    RoleRefList,
)
from clew.access.parameters import RoleRefQuery
from clew.access.writing import when_kept
from clew.base.errors import ClewError, ErrorCode
from clew.base.ids import new_uuid
from clew.base.times import format_time
from clew.store.database.where import Where

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from concurrent.futures import Future

    from clew.access.caller import Caller
    from clew.access.parameters import NewRoleRef, RoleRefEdit
    from clew.store.database.contract import Database, Transaction

REFS_MAX: Final = 10_000
"""Role refs of a registry: all in memory; a team or a service has one."""

GRANTS_MAX: Final = 1000
"""Grants of one ref: a group stands for people, so a list of a thousand is a mistake."""

DESCRIPTION_CHARS_MAX: Final = 1000
SUBJECT_CHARS_MAX: Final = 256
"""The longest that OpenID lets a subject be."""

HISTORY_MAX: Final = 500
"""Changes that are kept of one ref, the newest: each holds up to two lists of grants, 160 KB. That
there were more is in the audit log."""

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@+-]{0,127}")
_SUBJECT: Final = re.compile(r"[^\x00-\x20\x7f-\x9f\ud800-\udfff]+")

_REFS: Final = Source("role refs", "(SELECT *, name AS id FROM role_refs) AS refs", "created_at")


@dataclass(frozen=True, slots=True)
class Listing:
    """What one app of a path lists."""

    app_id: str
    role_refs: tuple[str, ...] = ()
    namespace: str | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """A role ref as it counts: verbs by subject, and where."""

    name: str
    verbs: Mapping[str, frozenset[Verb]]
    namespace_scope: str | None = None
    is_assignable: bool = False


def resolve(listings: Iterable[Listing], refs: Mapping[str, Held]) -> tuple[Grant, ...]:
    """Return the grants of a path: the union of what its apps list, for them and those below."""
    return tuple(
        Grant(subject, listing.app_id, verbs)
        for listing in listings
        for name in dict.fromkeys(listing.role_refs)
        if (ref := refs.get(name)) is not None and ref.namespace_scope in {None, listing.namespace}
        for subject, verbs in ref.verbs.items()
    )


def accept(
    declared: Iterable[str], announced: Iterable[str], refs: Mapping[str, Held]
) -> tuple[str, ...]:
    """Return which refs that an app declares by itself count: it may not raise who reaches it.

    Those that were announced for it or that its parent lists do, and those that are assignable.
    """
    known = set(announced)
    return tuple(
        name
        for name in dict.fromkeys(declared)
        if name in known or ((ref := refs.get(name)) is not None and ref.is_assignable)
    )


class RoleRefs:
    """All role refs of a registry. Reading is from any thread; what is read counts at once."""

    def __init__(self, database: Database, now: Callable[[], int]) -> None:
        """Read the role refs of a registry; `now` gives Unix nanoseconds. Blocks."""
        self._database = database
        self._now = now
        self._guard = threading.Lock()
        self._listeners: list[Callable[[], None]] = []
        self._held = self._read_all()
        database.watch(["role_refs"], self._read_anew)

    @property
    def held(self) -> Mapping[str, Held]:
        """Every ref by name, as it counts now; a value that never changes."""
        return self._held

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener`, from any thread and at once, whenever a ref has changed."""
        self._listeners.append(listener)

    def _read_all(self) -> dict[str, Held]:
        rows = self._database.read(lambda reading: reading.rows("SELECT * FROM role_refs"))
        return {row["name"]: _hold(row) for row in rows}

    def _read_anew(self) -> None:
        """Hold what another server has written."""
        held = self._read_all()
        with self._guard:
            self._held = held
        for listener in self._listeners:
            listener()

    def get(self, name: str) -> RoleRef:
        """Return one role ref. Blocks.

        Raises:
            ClewError: NOT_FOUND.
        """
        rows = self._database.read(
            lambda reading: reading.rows("SELECT * FROM role_refs WHERE name = :n", {"n": name})
        )
        return _document(_the_one(rows, name))

    def find(self, query: RoleRefQuery) -> RoleRefList:
        """Return one page of role refs, the newest first. Blocks."""
        page = read_page(self._database, query, _REFS, Where())
        return RoleRefList(
            role_refs=[_document(row) for row in page.rows],
            count=len(page.rows),
            total=page.total,
            truncated=page.next is not None,
            next=page.next,
        )

    def history(self, name: str, query: RoleRefQuery) -> RoleRefHistory:
        """Return one page of what became of a role ref, the newest first. Blocks.

        Raises:
            ClewError: NOT_FOUND when there never was such a ref.
        """
        source = Source(f"changes of {name}", "role_refs_history", "changed_at")
        where = Where()
        where.equal("role_ref_name", name)
        page = read_page(self._database, query, source, where)
        if not page.total:
            raise _missing(name)
        return RoleRefHistory(
            changes=[_change(row) for row in page.rows],
            count=len(page.rows),
            total=page.total,
            truncated=page.next is not None,
            next=page.next,
        )

    def create(self, wanted: NewRoleRef, by: Caller) -> Future[RoleRef]:
        """Make a role ref; the very same one once more is no error.

        Raises:
            ClewError: INVALID_ARGUMENT at once; with the future ALREADY_EXISTS for another one of
                that name, CONFLICT when there are too many.
        """
        now = self._now()
        row = _row(wanted.name, wanted, by, now)
        return self._write(lambda writing: _insert(writing, row, by, now))

    def replace(self, name: str, edit: RoleRefEdit, by: Caller) -> Future[RoleRef]:
        """Say anew what a role ref is.

        Raises:
            ClewError: INVALID_ARGUMENT at once; NOT_FOUND with the future.
        """
        now = self._now()
        row = _row(name, edit, by, now)
        return self._write(lambda writing: _update(writing, row, by, now))

    def remove(self, name: str, by: Caller) -> Future[RoleRef]:
        """Remove a role ref and return what it was; those that list it get nothing by it any more.

        Raises:
            ClewError: NOT_FOUND with the future.
        """
        now = self._now()
        return self._write(lambda writing: _delete(writing, name, by, now), is_gone=True)

    def _write(
        self, work: Callable[[Transaction], dict[str, Any]], *, is_gone: bool = False
    ) -> Future[RoleRef]:
        def settle(row: dict[str, Any]) -> RoleRef:
            with self._guard:
                rest = {name: held for name, held in self._held.items() if name != row["name"]}
                self._held = rest if is_gone else {**rest, row["name"]: _hold(row)}
            for listener in self._listeners:
                listener()
            return _document(row)

        return when_kept(self._database.submit(work), settle)


def verbs_of(roles: Iterable[str]) -> frozenset[Verb]:
    """Return what roles give together.

    Raises:
        ClewError: INVALID_ARGUMENT for a name that is no role, and for none at all.
    """
    verbs: frozenset[Verb] = frozenset()
    for role in roles:
        if role not in ROLE_NAMES:
            raise ClewError(
                ErrorCode.INVALID_ARGUMENT,
                f"there is no role {role[:64]!r}",
                hint=f"roles: {', '.join(ROLE_NAMES)}",
            )
        verbs |= ROLE_NAMES[role]
    if not verbs:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT, "a grant without a role", hint="give one role or more"
        )
    return verbs


def check_subject(subject: str) -> str:
    """Return a subject's name.

    Raises:
        ClewError: INVALID_ARGUMENT when it is none.
    """
    if len(subject) <= SUBJECT_CHARS_MAX and _SUBJECT.fullmatch(subject):
        return subject
    raise ClewError(
        ErrorCode.INVALID_ARGUMENT,
        "sub is no subject",
        hint=f"give up to {SUBJECT_CHARS_MAX} characters without blanks: key:ci, group:ops",
    )


def _row(name: str, wanted: NewRoleRef | RoleRefEdit, by: Caller, now: int) -> dict[str, Any]:
    if not _NAME.fullmatch(name):
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            "name is no name of a role ref",
            hint="give 1 to 128 letters, digits and . _ : @ + -",
        )
    if len(wanted.grants) > GRANTS_MAX or len(wanted.description) > DESCRIPTION_CHARS_MAX:
        raise ClewError(
            ErrorCode.TOO_LARGE,
            "the role ref is too large",
            hint=f"at most {GRANTS_MAX} grants and {DESCRIPTION_CHARS_MAX} characters about them",
        )
    for grant in wanted.grants:
        check_subject(grant.sub)
        verbs_of(grant.roles)
    for text in (wanted.description, wanted.namespace_scope or ""):
        if "\0" in text or not text.isprintable():
            raise ClewError(
                ErrorCode.INVALID_ARGUMENT,
                "description and namespace_scope are one line of text each",
            )
    return {
        "name": name,
        "description": wanted.description,
        "grants_json": msgspec.json.encode(wanted.grants).decode(),
        "namespace_scope": wanted.namespace_scope,
        "is_assignable": int(wanted.assignable),
        "created_by": by.subject,
        "created_at": now,
        "updated_at": now,
    }


def _insert(writing: Transaction, row: dict[str, Any], by: Caller, now: int) -> dict[str, Any]:
    kept = writing.rows("SELECT * FROM role_refs WHERE name = :name", {"name": row["name"]})
    if kept:
        told = ("description", "grants_json", "namespace_scope", "is_assignable")
        if all(kept[0][each] == row[each] for each in told):
            return kept[0]
        raise ClewError(
            ErrorCode.ALREADY_EXISTS,
            f"there is another role ref {row['name']}",
            hint="change it with PUT /api/v1/admin/role-refs/NAME",
        )
    if writing.rows("SELECT count(*) AS n FROM role_refs")[0]["n"] >= REFS_MAX:
        raise ClewError(
            ErrorCode.CONFLICT,
            f"there are {REFS_MAX} role refs already",
            hint="remove those that no app lists",
        )
    columns = ", ".join(row)
    values = ", ".join(f":{name}" for name in row)
    writing.run(f"INSERT INTO role_refs ({columns}) VALUES ({values})", row)  # noqa: S608 - ours
    _tell(writing, "created", None, row, by, now)
    return dict(row)


def _update(writing: Transaction, row: dict[str, Any], by: Caller, now: int) -> dict[str, Any]:
    name = str(row["name"])
    kept = _the_one(
        writing.rows("SELECT * FROM role_refs WHERE name = :name", {"name": name}), name
    )
    changed = {**row, "created_by": kept["created_by"], "created_at": kept["created_at"]}
    writing.run(
        "UPDATE role_refs SET description = :description, grants_json = :grants_json,"
        " namespace_scope = :namespace_scope, is_assignable = :is_assignable,"
        " updated_at = :updated_at WHERE name = :name",
        {each: row[each] for each in row if each not in {"created_by", "created_at"}},
    )
    _tell(writing, "updated", kept, changed, by, now)
    return changed


def _delete(writing: Transaction, name: str, by: Caller, now: int) -> dict[str, Any]:
    kept = _the_one(
        writing.rows("SELECT * FROM role_refs WHERE name = :name", {"name": name}), name
    )
    writing.run("DELETE FROM role_refs WHERE name = :name", {"name": name})
    _tell(writing, "deleted", kept, None, by, now)
    return kept


def _tell(
    writing: Transaction,
    action: str,
    old: Mapping[str, Any] | None,
    new: Mapping[str, Any] | None,
    by: Caller,
    now: int,
) -> None:
    """Write a change into the history and into the audit log."""
    name = (new or old or {})["name"]
    writing.run(
        "INSERT INTO role_refs_history"
        " (id, role_ref_name, action, old_grants, new_grants, changed_by, changed_at)"
        " VALUES (:id, :name, :action, :old_grants, :new_grants, :changed_by, :changed_at)",
        {
            "id": new_uuid(now),
            "name": name,
            "action": action,
            "old_grants": old["grants_json"] if old else None,
            "new_grants": new["grants_json"] if new else None,
            "changed_by": by.subject,
            "changed_at": now,
        },
    )
    writing.run(
        "DELETE FROM role_refs_history WHERE role_ref_name = :name AND id NOT IN"
        " (SELECT id FROM role_refs_history WHERE role_ref_name = :name"
        " ORDER BY changed_at DESC, id DESC LIMIT :kept)",
        {"name": name, "kept": HISTORY_MAX},
    )
    write_entries(writing, [entry_of(by, now, f"role_refs.{action}", target=name)])


def _the_one(rows: list[dict[str, Any]], name: str) -> dict[str, Any]:
    if not rows:
        raise _missing(name)
    return rows[0]


def _missing(name: str) -> ClewError:
    return ClewError(
        ErrorCode.NOT_FOUND,
        f"there is no role ref {name[:128]!r}",
        hint="GET /api/v1/admin/role-refs lists them",
    )


def _hold(row: Mapping[str, Any]) -> Held:
    verbs: dict[str, frozenset[Verb]] = {}
    for grant in _grants(row["grants_json"]) or ():
        of_roles = (ROLE_NAMES.get(role, frozenset[Verb]()) for role in grant.roles)
        verbs[grant.sub] = verbs.get(grant.sub, frozenset()).union(*of_roles)
    return Held(row["name"], verbs, row["namespace_scope"], bool(row["is_assignable"]))


def _grants(text: str | None) -> list[RoleGrant] | None:
    """Return grants as they were written; none when the text is damaged, which blocks nothing."""
    if text is None:
        return None
    try:
        return msgspec.json.decode(text, type=list[RoleGrant])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return []


def _document(row: Mapping[str, Any]) -> RoleRef:
    return RoleRef(
        name=row["name"],
        description=row["description"],
        grants=_grants(row["grants_json"]) or [],
        namespace_scope=row["namespace_scope"],
        assignable=bool(row["is_assignable"]),
        created_by=row["created_by"],
        created_at=format_time(row["created_at"]),
        updated_at=format_time(row["updated_at"]),
    )


def _change(row: Mapping[str, Any]) -> RoleRefChange:
    return RoleRefChange(
        name=row["role_ref_name"],
        action=row["action"],
        old_grants=_grants(row["old_grants"]),
        new_grants=_grants(row["new_grants"]),
        changed_by=row["changed_by"],
        changed_at=format_time(row["changed_at"]),
    )
