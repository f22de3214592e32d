"""What the routes work with, and what they count: handed in once by `app`."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from clew.base.errors import ClewError, ErrorCode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from clew.answers.contract import Answers
    from clew.lineage.contract import Lineages
    from clew.lineage.ingest.intake import LinkIntake
    from clew.lineage.leases.book import LeaseBook
    from clew.remote.shards import Shards
    from clew.store.database.contract import DatabaseStatus
    from clew.store.engine.exchange import ScanAnswer, ScanQuestion
    from clew.store.intake import RecordIntake
    from clew.surfaces.group import Group
    from clew.surfaces.health.vitals import Vitals
    from clew.surfaces.identity import Identity
    from clew.surfaces.otlp.intake import Intake
    from clew.surfaces.rest.threads import QueryThreads
    from clew.surfaces.ws.door import TrailsDoor
    from clew.team.comments.contract import Comments
    from clew.team.sessions.contract import Sessions
    from clew.team.teams.contract import Teams
    from clew.telemetry.analytics.contract import Analytics
    from clew.telemetry.genai.contract import GenAi
    from clew.telemetry.query.contract import QueryService
    from clew.tree.contract import Endpoint, Tree
    from clew.tree.journal.journal import Journal
    from clew.tree.keeper.keeper import TreeKeeper
    from clew.tree.keeper.upkeep import Upkeep
    from clew.tree.machine.app import Status
    from clew.twin.contract import Registries, Twins

LIVE_RETRY_AFTER_MS: Final = 5000
"""When to ask for a live feed again: they are held for minutes, so at once is no use."""


class LiveClients:
    """Live feeds that are open, and the wall around them."""

    def __init__(self, clients_max: int) -> None:
        self.clients_max = clients_max
        self.clients = 0
        self.dropped = 0

    @contextmanager
    def enter(self) -> Iterator[None]:
        """Count a client in and out.

        Raises:
            ClewError: OVERLOADED when the house is full.
        """
        if self.clients >= self.clients_max:
            raise ClewError(
                ErrorCode.OVERLOADED,
                f"{self.clients_max} live feeds are open already",
                hint="close one, or raise --live-clients-max",
                retry_after_ms=LIVE_RETRY_AFTER_MS,
            )
        self.clients += 1
        try:
            yield
        finally:
            self.clients -= 1


@dataclass(slots=True)
class RouteCounters:
    """How one route was used: answers by status, and the seconds they took in all."""

    answers: Counter[int] = field(default_factory=Counter)
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Desk:
    """Everything a route may use. Belongs to one event loop.

    `check_engine` and `check_registry` block and raise ClewError unless the engine answers and the
    registry takes writes; `closing` is set when the server is about to end, so that feeds end by
    themselves; `door_answers` gives, by door, how many requests were answered with which status;
    `trails` gives the door of the tree's apps, None while it is shut; `find_endpoint` blocks and
    gives the address of that door for whoever reached this one at the host given.
    """

    identity: Identity
    service: QueryService
    analytics: Analytics
    genai: GenAi
    comments: Comments
    sessions: Sessions
    teams: Teams
    twins: Twins
    registries: Registries
    links: LinkIntake
    lineages: Lineages
    nodes: LeaseBook
    answers: Answers
    pipeline: RecordIntake
    intake: Intake
    threads: QueryThreads
    live_threads: QueryThreads
    live: LiveClients
    check_engine: Callable[[], None]
    check_registry: Callable[[], None]
    registry_status: Callable[[], DatabaseStatus]
    decoder: str
    door_answers: Callable[[], dict[str, Counter[int]]]
    closing: asyncio.Event
    keeper: TreeKeeper
    upkeep: Upkeep
    journal: Journal
    count_apps: Callable[[], dict[Status, int]]
    """Blocks: how many apps of the tree have each status."""
    trails: Callable[[], TrailsDoor | None]
    tree: Tree
    tree_threads: QueryThreads
    find_endpoint: Callable[[str], Endpoint | None]
    vitals: Vitals
    group: Group | None = None
    """The servers that this one is one of; None for a server alone."""
    foreign: Callable[[ScanQuestion], ScanAnswer] | None = None
    """Blocks: answers what a query tier asks; None on a tier."""
    shards: Shards | None = None
    """The shards of a query tier; None on a server that holds data."""
    routes: dict[str, RouteCounters] = field(default_factory=dict)

    def check_leads(self) -> None:
        """Raise ClewError, naming who leads, where this server is a standby and takes no writes."""
        if self.group is not None and not self.group.leads:
            raise self.group.refusal()
