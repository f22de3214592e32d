"""What the others look into: how a team's sync stands, and who investigated what lately."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

from msgspec import Meta

from clew.surfaces.mcp.answers import Answer, Draft, Table, table
from clew.surfaces.mcp.tool import Asked, Tool

if TYPE_CHECKING:
    from clew.surfaces.mcp.questions import Questions

SESSIONS: Final = ("title", "by", "started", "planned_minutes", "completed", "findings")
MEMBERS: Final = ("name", "sessions", "hours", "findings")


class TeamAsked(Asked, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which team."""

    team: Annotated[str | None, Meta(description="Name or id, where there are several")] = None


class TeamAnswer(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """How things stand, and what was shared."""

    connected: bool
    user: str | None = None
    link: str | None = None
    pause: str | None = None
    pending: int = 0
    failed: int = 0
    conflicts: int = 0
    error: str | None = None
    sessions: int = 0
    hours: float = 0.0
    recent: Table | None = None
    members: Table | None = None


def _team(questions: Questions, asked: TeamAsked) -> Draft:
    status, activity = questions.read_team(asked.team)
    recent = [] if activity is None else activity.recent_sessions
    members = [] if activity is None else activity.members

    def write(items: int) -> TeamAnswer:
        last = status.last_round
        shown = recent[:items]
        others = members[: max(0, items - len(recent))]
        return TeamAnswer(
            connected=status.connected,
            user=status.user,
            link=status.link if status.connected else None,
            pause=status.pause,
            pending=status.queue.pending,
            failed=status.queue.failed,
            conflicts=status.conflicts,
            error=None if last is None else last.error,
            sessions=0 if activity is None else activity.total_sessions,
            hours=0.0 if activity is None else round(activity.total_focus_hours, 2),
            recent=table(
                SESSIONS,
                (
                    [
                        *(each.title, each.display_name, each.start_time),
                        *(each.duration_minutes, each.completed, each.findings),
                    ]
                    for each in shown
                ),
            )
            if shown
            else None,
            members=table(
                MEMBERS,
                ([each.display_name, each.sessions, each.hours, each.findings] for each in others),
            )
            if others
            else None,
        )

    return Draft(most=len(recent) + len(members), write=write, least=0)


TEAM: Final = Tool(
    name="team",
    title="The team",
    description="What the team investigated lately, and whether what is shared arrives.",
    parameters=TeamAsked,
    answer=TeamAnswer,
    run=_team,
)
