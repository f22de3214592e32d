"""The kinds of entity that clew brings along, by the names of their types."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from clew.team.entities.comment import SharedComment
from clew.team.entities.member import Member
from clew.team.entities.query import SavedQuery
from clew.team.entities.session import SharedSession
from clew.team.entities.team import Team

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clew.team.entities.entity import SyncableEntity

KINDS: Final[Mapping[str, type[SyncableEntity]]] = MappingProxyType(
    {kind.entity_type(): kind for kind in (Team, Member, SharedSession, SharedComment, SavedQuery)}
)
