"""The way in: what changed since the last time, team by team and type by type.

A page and its cursor are one transaction, so a pull that is cut off goes on where it ended, and one
that comes twice changes nothing the second time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

from clew.team.entities.member import Member
from clew.team.entities.team import Team
from clew.team.errors import NotFoundError
from clew.team.ledger.arrivals import Arrival
from clew.team.syncing.course import durable, reading

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clew.team.ledger.rows import Applied
    from clew.team.syncing.course import Course
    from clew.team.trailbase.contract import Page, Remote

TEAMS: Final = Team.entity_type()

MEMBERS: Final = Member.entity_type()


@dataclass(slots=True)
class Pulled:
    """What a pull came to: `changed` are the entities that are other than before, by type."""

    pulled: int = 0
    conflicts: int = 0
    changed: dict[str, list[str]] = field(default_factory=dict)


async def pull(course: Course, only: Sequence[str] | None = None) -> Pulled:
    """Bring here what changed; `only` names types, all where it is None.

    Raises:
        TeamError: the server could not say; what came before that is kept.
        ClewError: the ledger could not be written.
    """
    pulled = Pulled()
    # Teams are few, and one that we joined has an older number than what was pulled before: all of
    # them, every time.
    await _pull_type(course, Arrival(course.account_id, "", TEAMS), pulled, is_whole=True)
    for team_id in await reading(lambda: _find_teams(course)):
        types = course.types if only is None else [each for each in course.types if each in only]
        for entity_type in types:
            # Who left a team hears of nothing there but of coming back.
            if entity_type == MEMBERS or await reading(partial(is_member, course, team_id)):
                strategy = course.strategy_of(entity_type)
                arrival = Arrival(course.account_id, team_id, entity_type, strategy)
                await _pull_type(course, arrival, pulled)
    return pulled


def is_member(course: Course, team_id: str) -> bool:
    """Whether we belong to a team, as far as is known: until its members were pulled, we do."""
    ledger, account_id = course.ledger, course.account_id
    account = ledger.find_account(account_id)
    if account is None or not ledger.get_cursor(account_id, team_id, MEMBERS):
        return True
    members = ledger.find_entities(account_id, MEMBERS, team_id)
    return any(row.document.get("user_id") == account.user_id for row in members)


def _find_teams(course: Course) -> list[str]:
    teams = course.ledger.find_entities(course.account_id, TEAMS)
    return sorted(row.remote_id for row in teams if row.version > 0)


async def _pull_type(
    course: Course, arrival: Arrival, pulled: Pulled, *, is_whole: bool = False
) -> None:
    ledger, entity_type, team_id = course.ledger, arrival.entity_type, arrival.team_id
    since = 0
    if not is_whole:
        since = await reading(lambda: ledger.get_cursor(course.account_id, team_id, entity_type))
    present: set[str] | None = None
    has_more = True
    while has_more:
        page = await course.server.changes(entity_type, team_id, since)
        if present is None and 0 < since < page.purged_seq:
            # Tombstones that we have not seen may be gone for ever: begin anew, and take for
            # deleted what does not come.
            since, present = 0, set()
            continue
        if present is not None:
            present.update(record.remote_id for record in page.records)
        since = _cursor_after(course, page, since)
        cursor = None if is_whole else since
        applied = await durable(ledger.apply_page(arrival, page.records, cursor))
        _count(pulled, entity_type, applied)
        has_more = page.has_more
    if present is not None and await _may_see(course, team_id):
        _count(pulled, entity_type, await durable(ledger.drop_absent(arrival, present)))


def _cursor_after(course: Course, page: Page, since: int) -> int:
    if not page.records:
        return since
    if course.server.capabilities.sequence:
        return max(since, *(record.seq for record in page.records))
    return max(since, *(record.updated_at for record in page.records))


async def _may_see(course: Course, team_id: str) -> bool:
    """Whether what did not come is not there, as against not shown to us."""
    try:
        found: Remote = await course.server.get(TEAMS, team_id)
    except NotFoundError:
        return False
    return not found.deleted


def _count(pulled: Pulled, entity_type: str, applied: Applied) -> None:
    pulled.pulled += len(applied.changed)
    pulled.conflicts += len(applied.conflicts)
    if applied.changed:
        pulled.changed.setdefault(entity_type, []).extend(applied.changed)
