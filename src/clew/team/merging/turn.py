"""What is sent first: what others refer to before what refers to it."""

from __future__ import annotations

from typing import Final

from clew.team.merging.operation import SyncOperationType

TEAMS: Final = "teams"

_TURNS: Final = {TEAMS: 0, "members": 1, "invites": 2, "shared_sessions": 3}

_REST: Final = 4

_AFTER_ALL: Final = 9
"""The turn of the deletion of a team: whoever is no member any more can change nothing in it."""


def turn_of(entity_type: str, operation: SyncOperationType) -> int:
    """Return the number of an operation's turn; what has the lowest is sent first.

    Teams, members, invites, sessions, the rest; deletions the other way round and after all.
    """
    turn = _TURNS.get(entity_type, _REST)
    return _AFTER_ALL - turn if operation is SyncOperationType.DELETE else turn
