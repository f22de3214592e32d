"""What a round of a sync works with: whose it is, over what, and by which rules."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar

from clew.team.merging.strategy import ConflictStrategy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Future

    from clew.team.ledger.ledger import Ledger
    from clew.team.trailbase.contract import TeamServer

Result = TypeVar("Result")

TEAM_TYPES: Final = ("members", "shared_sessions", "comments", "saved_queries")
"""What every team has; what it is itself comes before that."""


@dataclass(frozen=True, slots=True)
class Course:
    """One account's ledger and its server.

    `types` are what is pulled of each team, in that order; `strategies` say how conflicts of a type
    are settled, all others by `strategy`.
    """

    ledger: Ledger
    server: TeamServer
    account_id: str
    types: tuple[str, ...] = TEAM_TYPES
    strategy: ConflictStrategy = ConflictStrategy.LAST_WRITE_WINS
    strategies: Mapping[str, ConflictStrategy] = field(default_factory=dict)

    def strategy_of(self, entity_type: str) -> ConflictStrategy:
        """Return how conflicts of a type are settled."""
        return self.strategies.get(entity_type, self.strategy)


async def durable(writing: Future[Result]) -> Result:
    """Wait, on the event loop, until a write is durable."""
    return await asyncio.wrap_future(writing)


async def reading(read: Callable[[], Result]) -> Result:
    """Read beside the event loop."""
    return await asyncio.to_thread(read)
