"""The way in: what changed since the last time, team by team and type by type.

A page and its cursor are one transaction, so a pull that is cut off goes on where it ended, and one
that comes twice changes nothing the second time. What is pulled anew, from 0, keeps no cursor
before its end: only then is it known what is not there any more.

Teams are few, and one that we joined has an older number than what was pulled before: all of them
come every time. That tells which of them show us something. A team that we left does not, and is
not asked; its members are pulled once, to learn that we are none of them, and anew when it shows
itself again, since what happened there meanwhile was not told to us.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from clew.team.entities.member import Member
from clew.team.entities.team import Team
from clew.team.errors import (
    DeniedError,
    NotFoundError,
    ServerError,
    SyncError,
    TeamError,
    ValidationError,
)
from clew.team.ledger.arrivals import Arrival
from clew.team.syncing.course import durable, reading

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clew.team.ledger.rows import Applied
    from clew.team.syncing.course import Course
    from clew.team.trailbase.contract import Page, Remote

TEAMS: Final = Team.entity_type()

MEMBERS: Final = Member.entity_type()

PAGES_MAX: Final = 4000
"""Of one kind in one round: two million changes, or a server that never comes to an end. What is
pulled by a cursor goes on in the next round; what is pulled whole does not count as such."""


@dataclass(slots=True)
class Pulled:
    """What a pull came to: `changed` are the entities that are other than before, by type.

    `problem` is the first that was true of one team or type alone.
    """

    pulled: int = 0
    conflicts: int = 0
    changed: dict[str, list[str]] = field(default_factory=dict)
    problem: TeamError | None = None


async def pull(course: Course, pulled: Pulled, only: Sequence[str] | None = None) -> None:
    """Bring here what changed; `only` names types, all where it is None. `pulled` is counted up.

    Raises:
        TeamError: the server could not say, of anything; what came before that is kept.
        ClewError: the ledger could not be written.
    """
    shown: set[str] | None = None
    # Who joined hears of it as a member: the team itself did not change.
    if only is None or TEAMS in only or MEMBERS in only:
        shown = await _pull_teams(course, pulled)
    for team_id in await reading(lambda: _find_teams(course)):
        await _pull_team(course, team_id, pulled, only, shown)


def is_member(course: Course, team_id: str) -> bool:
    """Whether we belong to a team, as far as is known: until its members were pulled, we do."""
    ledger, account_id = course.ledger, course.account_id
    account = ledger.find_account(account_id)
    if account is None or not ledger.get_cursor(account_id, team_id, MEMBERS):
        return True
    members = ledger.find_entities(account_id, MEMBERS, team_id)
    return any(row.document.get("user_id") == account.user_id for row in members)


def _find_teams(course: Course) -> list[str]:
    # Also those that were deleted: what was shared with them can still be taken back.
    teams = course.ledger.find_entities(course.account_id, TEAMS, with_deleted=True)
    return sorted(row.remote_id for row in teams if row.version > 0)


async def _pull_teams(course: Course, pulled: Pulled) -> set[str]:
    """Return the teams that the server shows us."""
    arrival = Arrival(course.account_id, "", TEAMS, course.strategy_of(TEAMS), course.ledger.kinds)
    shown: set[str] = set()
    since, has_more, pages = 0, True, 0
    while has_more:
        pages = _next_page(pages, TEAMS)
        page = await course.server.changes(TEAMS, "", since)
        since, has_more = _cursor_after(course, page, since), page.has_more
        shown.update(record.remote_id for record in page.records)
        if page.records:
            applied = await durable(course.ledger.apply_page(arrival, page.records, None))
            _count(pulled, TEAMS, applied)
    return shown


async def _pull_team(
    course: Course,
    team_id: str,
    pulled: Pulled,
    only: Sequence[str] | None,
    shown: set[str] | None,
) -> None:
    def belongs() -> bool:
        return is_member(course, team_id)

    was_member = await reading(belongs)
    is_shown = shown is None or team_id in shown
    if not was_member and (shown is None or not is_shown):
        return
    wanted = only if was_member else None
    types = await reading(lambda: _types_of(course, team_id, wanted))
    if not is_shown:
        types = [MEMBERS]
    for entity_type in types:
        if entity_type != MEMBERS and not await reading(belongs):
            continue
        arrival = Arrival(
            course.account_id,
            team_id,
            entity_type,
            course.strategy_of(entity_type),
            course.ledger.kinds,
        )
        has_returned = entity_type == MEMBERS and not was_member
        try:
            await _pull_type(course, arrival, pulled, is_whole=has_returned)
        except TeamError as error:
            if not _is_of_one(error):
                raise
            pulled.problem = pulled.problem or error


def _types_of(course: Course, team_id: str, only: Sequence[str] | None) -> list[str]:
    is_new = not course.ledger.get_cursor(course.account_id, team_id, MEMBERS)
    if only is None or is_new:
        return list(course.types)
    return [each for each in course.types if each in only]


def _is_of_one(error: TeamError) -> bool:
    """Whether an error says nothing of other teams and types."""
    if isinstance(error, ServerError):
        return error.status == 500 and error.retry_after_ms is None
    return isinstance(error, DeniedError | NotFoundError | SyncError | ValidationError)


async def _pull_type(
    course: Course, arrival: Arrival, pulled: Pulled, *, is_whole: bool = False
) -> None:
    ledger, entity_type, team_id = course.ledger, arrival.entity_type, arrival.team_id
    since = await reading(lambda: ledger.get_cursor(course.account_id, team_id, entity_type))
    if is_whole:
        since = 0
    present: set[str] = set()
    has_more, purged, pages = True, 0, 0
    while has_more:
        pages = _next_page(pages, entity_type)
        page = await course.server.changes(entity_type, team_id, since)
        if not is_whole and 0 < since < page.purged_seq:
            # Tombstones that we have not seen may be gone for ever: begin anew, and take for
            # deleted what does not come.
            is_whole, since = True, 0
            continue
        before, since = since, _cursor_after(course, page, since)
        has_more, purged = page.has_more, max(purged, page.purged_seq)
        if is_whole:
            present.update(record.remote_id for record in page.records)
        if page.records or (since != before and not is_whole):
            cursor = None if is_whole else since
            applied = await durable(ledger.apply_page(arrival, page.records, cursor))
            _count(pulled, entity_type, applied)
    if is_whole and await _may_see(course, team_id):
        _count(pulled, entity_type, await durable(ledger.drop_absent(arrival, present)))
        # Past what was purged, or it would be begun anew every time.
        await durable(ledger.apply_page(arrival, (), max(since, purged)))


def _next_page(pages: int, entity_type: str) -> int:
    if pages == PAGES_MAX:
        raise SyncError(
            f"there are more than {PAGES_MAX} pages of {entity_type}", hint="the rest comes later"
        )
    return pages + 1


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
    return found.remote_id == team_id


def _count(pulled: Pulled, entity_type: str, applied: Applied) -> None:
    pulled.pulled += len(applied.changed)
    pulled.conflicts += len(applied.conflicts)
    if applied.changed:
        pulled.changed.setdefault(entity_type, []).extend(applied.changed)
