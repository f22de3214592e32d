"""What is written of visits and of sessions that end, inside a transaction of the registry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from clew.base.times import NS_PER_S
from clew.team.sessions.parameters import LINKS_MAX
from clew.team.sessions.targets import HOW_CHARS_MAX

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from clew.store.database.contract import Transaction, Value
    from clew.team.sessions.targets import Visit

FORGOTTEN_NS: Final = 24 * 3600 * NS_PER_S
"""After a day without a look and without a word nobody is at work any more: nights are shorter."""

SAME_LOOK_NS: Final = 300 * NS_PER_S
"""What is seen again within five minutes is still looked at: pages ask every few seconds, and one
command asks several routes about the same thing."""

TITLE_CHARS: Final = 200
"""Of a link's title: a line."""

_INSERT: Final = """
INSERT INTO session_links (session_id, kind, id, title, how, path, first_at, last_at, looks)
VALUES (:session_id, :kind, :id, :title, :how, :path, :first_at, :last_at, :looks)"""

_UPDATE: Final = """
UPDATE session_links SET title = :title, how = :how, path = :path, looks = looks + :looks,
    first_at = CASE WHEN first_at < :first_at THEN first_at ELSE :first_at END,
    last_at = CASE WHEN last_at > :last_at THEN last_at ELSE :last_at END
WHERE session_id = :session_id AND kind = :kind AND id = :id"""


@dataclass(slots=True)
class Seen:
    """What was seen of one thing and is not written yet: `looks` of them are looks of their own.

    `is_new` says that what was at `first_at` is one of them.
    """

    visit: Visit
    first_at: int
    last_at: int
    looks: int
    looked_at: int = 0
    """When the last of the looks was; 0 where there is none."""
    is_new: bool = True


def write_seen(writing: Transaction, session_id: str, seen: Sequence[Seen]) -> None:
    """Make links of what was seen in a session, if there is such a session.

    What finds no room is counted.
    """
    if not writing.rows("SELECT 1 AS one FROM sessions WHERE id = :id", {"id": session_id}):
        return
    known = {
        (row["kind"], row["id"]): row["last_at"]
        for row in writing.rows(
            "SELECT kind, id, last_at FROM session_links WHERE session_id = :id",
            {"id": session_id},
        )
    }
    room = LINKS_MAX - len(known)
    left_out = 0
    added: list[Mapping[str, Value]] = []
    changed: list[Mapping[str, Value]] = []
    for each in seen:
        last_at = known.get((each.visit.kind, each.visit.id))
        if last_at is not None:
            # The look may be one that began before this program did.
            is_same = each.is_new and each.first_at - last_at <= SAME_LOOK_NS
            changed.append(_row(session_id, each, each.looks - is_same))
        elif room > 0:
            room -= 1
            added.append(_row(session_id, each, max(1, each.looks)))
        else:
            left_out += each.looks
    writing.run_many(_INSERT, added)
    writing.run_many(_UPDATE, changed)
    touch(writing, session_id, max((each.looked_at for each in seen), default=0), left_out)


def touch(writing: Transaction, session_id: str, at: int, left_out: int = 0) -> None:
    """Keep that something was done in a session, where it is open."""
    writing.run(
        "UPDATE sessions SET visits_left_out = visits_left_out + :left_out, active_at ="
        " CASE WHEN ended_at IS NULL AND active_at < :at THEN :at ELSE active_at END"
        " WHERE id = :id",
        {"id": session_id, "at": at, "left_out": left_out},
    )


def end(writing: Transaction, session_id: str, at: int, reason: str) -> None:
    """End a session that is open; not before it began, however clocks jump."""
    writing.run(
        "UPDATE sessions SET end_reason = :reason, ended_at ="
        " CASE WHEN started_at > :at THEN started_at ELSE :at END"
        " WHERE id = :id AND ended_at IS NULL",
        {"id": session_id, "at": at, "reason": reason},
    )


def end_forgotten(writing: Transaction, now: int) -> Iterable[str]:
    """End sessions in which nothing was done for a day, when something last was; return them."""
    forgotten = writing.rows(
        "SELECT id, active_at FROM sessions WHERE ended_at IS NULL AND active_at <= :before",
        {"before": now - FORGOTTEN_NS},
    )
    for row in forgotten:
        end(writing, row["id"], row["active_at"], "forgotten")
    return [row["id"] for row in forgotten]


def _row(session_id: str, seen: Seen, looks: int) -> dict[str, Value]:
    visit = seen.visit
    return {
        "session_id": session_id,
        "kind": visit.kind,
        "id": visit.id,
        "title": None if visit.title is None else visit.title[:TITLE_CHARS],
        "how": _bounded(visit.how),
        "path": _bounded(visit.path),
        "first_at": seen.first_at,
        "last_at": seen.last_at,
        "looks": looks,
    }


def _bounded(text: str | None) -> str | None:
    """Return a way to get there, None where it is too long: half of one leads nowhere."""
    return None if text is None or len(text) > HOW_CHARS_MAX else text
