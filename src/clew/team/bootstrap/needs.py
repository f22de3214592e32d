"""What a server must have: record APIs with their columns. Light install."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SCHEMA_VERSION: Final = 1
"""Of `deploy/trailbase`; the server says its own in `clew_info`."""


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_STAMPED: Final = _names("id version op_id deleted erase updated_at server_seq deleted_at")
_SHARED: Final = _STAMPED | _names("team_id owner more last_modified")


@dataclass(frozen=True, slots=True)
class Need:
    """One record API: the columns that can be read, and whether it tells of changes."""

    api: str
    columns: frozenset[str]
    is_live: bool = False
    is_written: bool = True


NEEDS: Final = (
    Need("teams", _STAMPED | _names("owner more last_modified name created_at"), is_live=True),
    Need(
        "team_members",
        _STAMPED | _names("team_id more last_modified user_id email display_name role joined_at"),
        is_live=True,
    ),
    Need("team_invites", _SHARED | _names("code role expires_at uses_max uses")),
    Need("team_joins", _names("id owner display_name team_id member_id joined_at")),
    Need(
        "shared_sessions",
        _SHARED
        | _names(
            "session_id title start_time end_time planned_duration_minutes"
            " actual_duration_seconds completed shared_at notes links"
        ),
        is_live=True,
    ),
    Need(
        "team_comments",
        _SHARED | _names("trace_id span_id author body created_at"),
        is_live=True,
    ),
    Need(
        "saved_queries",
        _SHARED | _names("name description language query created_at"),
        is_live=True,
    ),
    Need(
        "synced_entities",
        (_SHARED - {"more"}) | _names("entity_type document"),
        is_live=True,
    ),
    Need(
        "team_activity",
        _names(
            "id team_id owner email display_name title start_time planned_duration_minutes"
            " actual_duration_seconds completed shared_at server_seq"
        ),
        is_written=False,
    ),
    Need(
        "clew_info",
        _names("id schema_version tombstone_days purged_seq"),
        is_written=False,
    ),
)
