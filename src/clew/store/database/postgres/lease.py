"""Whose registry it is: one server at a time, and what it has committed.

A lock of the session (an advisory one) keeps a second server out for as long as the first one's
session lives. A session may end without its server: then the lock is free, and another may have
come. So each server that takes the registry gets a number, the epoch, and one that comes back finds
another's number and knows that it must not go on.

The count of commits stands in the same row and is raised by every commit. A server whose connection
was lost in the middle of one reads it over the next connection: behind the lock, the old session is
known to have ended, and the count says whether its last commit is in the database.
"""

# ruff: noqa: S608 - what is put into statements is our own

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from clew.base.errors import ErrorCode
from clew.store.database.migration import APPLICATION_ID
from clew.store.database.postgres.failure import Meaning, RefusedError

if TYPE_CHECKING:
    from clew.store.database.postgres.link import Link

_ASK_EVERY_S: Final = 0.05
"""Between two tries for the lock; a session that ended gives it back within milliseconds."""

# One lock for each schema of a database: two registries may live beside each other.
_KEYS: Final = f"{APPLICATION_ID}, hashtext(current_schema())"

_HOLDER: Final = (
    "SELECT activity.pid AS pid, coalesce(host(activity.client_addr), 'this host') AS host,"
    " activity.application_name AS name"
    " FROM pg_locks AS locks JOIN pg_stat_activity AS activity ON activity.pid = locks.pid"
    " WHERE locks.locktype = 'advisory' AND locks.granted AND locks.database ="
    " (SELECT oid FROM pg_database WHERE datname = current_database())"
    f" AND locks.classid = {APPLICATION_ID}::oid"
    " AND locks.objid = (hashtext(current_schema())::bigint & 4294967295)::oid"
)


@dataclass(frozen=True, slots=True)
class Mark:
    """What stands in the registry's own row."""

    epoch: int
    commits: int


def take_lock(link: Link, shown: str, patience_s: float, old_pid: int = 0) -> None:
    """Take the registry's lock for this session.

    `old_pid` is the session that this process had before, which may not know yet that it is over.

    Raises:
        RefusedError: CONFLICT when another server has it, UNSUPPORTED on a standby, NOT_FOUND when
            there is no schema for tables.
    """
    (where,) = link.rows(
        "SELECT pg_is_in_recovery() AS is_standby, current_schema() AS schema", None
    )
    if where["is_standby"]:
        raise RefusedError(
            Meaning(
                ErrorCode.UNAVAILABLE,
                f"the server of {shown} is a standby and takes no writes",
                "name the primary, or add target_session_attrs=primary to the address",
                retry=True,
            )
        )
    if where["schema"] is None:
        raise RefusedError(
            Meaning(
                ErrorCode.NOT_FOUND,
                f"the registry at {shown} has no schema to put tables in",
                "make the schema that search_path names, or leave search_path out",
            )
        )
    deadline = time.monotonic() + patience_s
    while True:
        (answer,) = link.rows(f"SELECT pg_try_advisory_lock({_KEYS}) AS is_ours", None)
        if answer["is_ours"]:
            return
        if old_pid:
            link.rows(
                f"SELECT pg_terminate_backend(pid) AS ended FROM ({_HOLDER}) AS holder"
                " WHERE pid = :pid",
                {"pid": old_pid},
            )
        if time.monotonic() > deadline:
            raise RefusedError(_taken(link, shown))
        threading.Event().wait(_ASK_EVERY_S)


def begin_epoch(link: Link) -> Mark:
    """Give this server a number of its own."""
    (row,) = link.rows("UPDATE registry_state SET epoch = epoch + 1 RETURNING epoch, commits", None)
    return Mark(row["epoch"], row["commits"])


def read_mark(link: Link) -> Mark:
    """Return what stands in the registry's own row."""
    (row,) = link.rows("SELECT epoch, commits FROM registry_state", None)
    return Mark(row["epoch"], row["commits"])


def note_commit(commits: int) -> str:
    """Return the statement that goes with the commit of that number."""
    return f"UPDATE registry_state SET commits = {commits:d}"


def superseded(shown: str) -> RefusedError:
    """Return the refusal of a server whose registry another one has taken, or that was set back."""
    return RefusedError(
        Meaning(
            ErrorCode.CONFLICT,
            f"the registry at {shown} was taken by another server, or put back to an earlier"
            " state, while the connection was lost",
            "end the other server, or start this one again",
        )
    )


def _taken(link: Link, shown: str) -> Meaning:
    holders = link.rows(_HOLDER, None)
    who = f" ({holders[0]['name']}, {holders[0]['host']})" if holders else ""
    return Meaning(
        ErrorCode.CONFLICT,
        f"the registry at {shown} belongs to another server{who}",
        "end that server, or give this one a database or a schema (search_path) of its own",
    )
