"""The doors: made from a store, opened once, closed with patience."""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from typing import TYPE_CHECKING, Any, Final

from clew.app.callers import TreeCallers, keep_out_revoked, keep_permitted
from clew.app.group.beginning import Beginning
from clew.app.group.internal import open_internal
from clew.app.journal import TelemetryJournal
from clew.app.listener import Listener
from clew.app.own import OwnTelemetry
from clew.app.sockets import Addresses, port_of, take
from clew.app.store import (
    open_analytics,
    open_answers,
    open_comments,
    open_genai,
    open_lineages,
    open_sessions,
    put_registries,
)
from clew.app.team import TeamHouse
from clew.app.tree import TreeHouse
from clew.app.twins import TwinHouse
from clew.app.vitals import open_vitals
from clew.base.errors import ClewError
from clew.lineage.ingest.intake import LinkIntake
from clew.lineage.ingest.told import OTLP
from clew.lineage.leases.book import LeaseBook
from clew.store.refusal import refused_write
from clew.surfaces.health.vitals import NamedRate
from clew.surfaces.identity import Identity
from clew.surfaces.links.door import LinkDoor
from clew.surfaces.otlp.http import BodyLimits, OtlpHttpDoor
from clew.surfaces.otlp.intake import Intake
from clew.surfaces.otlp.walls import BodyBudget, Rate
from clew.surfaces.rest.application import HttpDoor
from clew.surfaces.rest.desk import Desk, LiveClients
from clew.surfaces.rest.threads import QueryThreads
from clew.telemetry.otlp.decode import decoder_name
from clew.tree.registry.questions import count_by_status
from clew.tree.service import TreeService
from clew.tree.sharded import ShardedTree
from clew.tree.watch.following import OutboxFollower

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Awaitable, Callable

    import grpc.aio

    from clew.app.configuration.settings import Configuration
    from clew.app.sockets import Sockets
    from clew.app.store import Store
    from clew.store.decoder import Decoded
    from clew.store.engine.exchange import ScanAnswer, ScanQuestion
    from clew.surfaces.group import Group
    from clew.surfaces.grpc.export import ExportServices
    from clew.telemetry.query.contract import QueryService

logger = logging.getLogger(__name__)

LIVE_THREADS: Final = 2
"""Threads for live feeds alone, so that watching never keeps a question from being asked."""

TREE_THREADS: Final = 2
"""Threads for questions about the tree alone: a slow query of telemetry holds up no cancel."""

GRPC_ADDRESS_FLAG: Final = "--otlp-grpc"


SHARD_SECONDS: Final = 10.0
"""What the time of a question has room for on a query tier: the default of ``--shard-timeout``."""


def import_doors(configuration: Configuration) -> None:
    """Import what `Doors.open` will need, beyond what this module has already."""
    if configuration.otlp_grpc is not None:
        import clew.surfaces.grpc.export
        import clew.surfaces.grpc.identity
        import clew.surfaces.grpc.jaeger
        import clew.surfaces.grpc.server  # noqa: F401 - to have been imported


def _question_seconds(configuration: Configuration) -> float:
    """Return how long a question may take: where shards have longer than usual, so has it."""
    beyond = configuration.shard_timeout - SHARD_SECONDS if configuration.shards else 0.0
    return configuration.question_timeout + max(0.0, beyond)


def _answer_foreign(store: Store) -> Callable[[ScanQuestion], ScanAnswer] | None:
    """Return what answers query tiers at the moment they ask; None on a tier."""
    foreign = store.foreign
    if foreign is None:
        return None
    return lambda question: foreign.answer(question, store.snapshot())


class Doors:
    """All doors of one server. Belongs to one event loop."""

    def __init__(
        self,
        configuration: Configuration,
        store: Store,
        service: QueryService,
        sockets: Sockets,
        group: Group | None = None,
    ) -> None:
        """Make doors that are shut yet; `group` are the servers that this one is one of, if any."""
        self._configuration = configuration
        self._service = service
        self._sockets = sockets
        self._access = store.access
        self._group = group
        self._store = store
        self._beginning: Beginning | None = None
        self._following: OutboxFollower | None = None
        # Where another server leads, nothing is written here, by nobody.
        self._leads = group is None or group.leads
        self._closing = asyncio.Event()
        self._intake = Intake(
            {
                signal: self._taking(functools.partial(store.pipeline.accept, kind))
                for signal, kind in store.kinds.items()
            },
            BodyBudget(configuration.otlp_inflight_bytes_max),
            self._check_taking,
        )
        seconds = _question_seconds(configuration)
        self._threads = QueryThreads(configuration.query_threads, name="query", seconds_max=seconds)
        self._live_threads = QueryThreads(
            LIVE_THREADS,
            name="live",
            waiting_max=2 * configuration.live_clients_max,
            seconds_max=seconds,
        )
        self.tree = TreeHouse(
            configuration,
            store.database,
            deny=store.access.audit.deny,
            is_revoked=store.access.revoked_keys.__contains__,
            sink=TelemetryJournal(store),
            forget=store.access.grants.forget,
            elsewhere=None if self._leads else self._say_elsewhere,
            count_copies=None if group is None else group.count_copies,
        )
        self.twin = TwinHouse(configuration, store)
        self._identity = Identity(store.access, TreeCallers(self.tree.keeper, store.database))
        self.vitals = open_vitals(configuration, store, leads=self._leads)
        self._otlp = self._open_otlp("otlp-http")
        # A second instance for the HTTP door: each door has a rate and counters of its own.
        self._otlp_inside = self._open_otlp("http")
        self._export: ExportServices | None = None
        self._tree_service = TreeService(store.database, self.tree.keeper, store.access)
        self._tree_threads = QueryThreads(TREE_THREADS, name="tree", seconds_max=seconds)
        self._links = LinkIntake(
            self._taking(functools.partial(store.pipeline.accept, store.links)), time.time_ns
        )
        self._links.watch_door(OTLP, store.told.read)
        self._link_doors = [
            LinkDoor(receiver, self._links, per_second=configuration.links_per_second)
            for receiver in sockets.links
        ]
        self.vitals.rates.extend(
            NamedRate(str(receiver.address), "--links-per-second", door.rate)
            for receiver, door in zip(sockets.links, self._link_doors, strict=True)
        )
        genai = open_genai(store, configuration)
        self._analytics = open_analytics(store, genai)
        self.team = TeamHouse(configuration, store.database)
        self._sessions = open_sessions(store, self.team.sessions)
        comments = open_comments(store, self._sessions, self.team.comments)
        desk = Desk(
            identity=self._identity,
            service=service,
            analytics=self._analytics,
            genai=genai,
            comments=comments,
            sessions=self._sessions,
            teams=self.team.serve(self._sessions, comments),
            twins=self.twin.twins,
            registries=self.twin.registries,
            links=self._links,
            lineages=open_lineages(store, self._links.count_drops),
            nodes=LeaseBook(store.database, time.time_ns),
            answers=open_answers(store, service, comments),
            pipeline=store.pipeline,
            intake=self._intake,
            threads=self._threads,
            live_threads=self._live_threads,
            live=LiveClients(configuration.live_clients_max),
            check_engine=store.engine.check,
            check_registry=store.database.check,
            registry_status=store.database.status,
            decoder=decoder_name().value,
            door_answers=self._count_answers,
            closing=self._closing,
            keeper=self.tree.keeper,
            upkeep=self.tree.upkeep,
            journal=self.tree.journal,
            count_apps=functools.partial(store.database.read, count_by_status),
            trails=lambda: self.tree.door,
            tree=self._tree_service
            if store.shards is None
            else ShardedTree(store.shards, time.time_ns),
            tree_threads=self._tree_threads,
            find_endpoint=self.tree.find_endpoint,
            vitals=self.vitals,
            group=group,
            foreign=_answer_foreign(store),
            shards=store.shards,
        )
        self._own = OwnTelemetry(desk, store)
        http = HttpDoor(
            desk,
            self._otlp_inside,
            hosts=(*configuration.hosts, configuration.http.host),
            internal=None
            if store.part is None
            else open_internal(store, self._identity, configuration.data_dir),
        )
        drain = configuration.drain_seconds_max
        self._listeners = [Listener(http, sockets.http, drain, has_sockets=True)]
        if sockets.otlp_http is not None:
            self._listeners.append(Listener(self._otlp, sockets.otlp_http, drain))
        self._grpc: grpc.aio.Server | None = None

    async def open(self) -> tuple[Addresses, list[ClewError]]:
        """Let callers in; return where, and what could not be opened and need not be."""
        troubles: list[ClewError] = []
        grpc_port = None
        if self._configuration.otlp_grpc is not None:
            try:
                grpc_port = await self._open_grpc()
            except ClewError as error:
                troubles.append(error)
        if self._group is None:
            # Before any door: whoever asks finds the tree loaded, and apps find it ready for them.
            await self._begin()
        elif not self._leads:
            # What another server decides is read, and told to whoever watches here.
            await self.tree.open(self._sockets.trails)
            await asyncio.to_thread(self._sessions.load)
            self._following = OutboxFollower(self._store.database, self.tree.keeper.hub)
            await self._following.open()
        for listener in self._listeners:
            await listener.open()
        for door in self._link_doors:
            door.open()
        self._own.open()
        if self._group is not None and self._leads:
            self._beginning = self._begin_patiently()
        return self._describe(grpc_port), troubles

    def _begin_patiently(self) -> Beginning:
        """Begin as soon as the group lets anything be written."""
        store = self._store
        assert store.part is not None, "a server of a group has a part in it"
        self._listen_to_access()

        async def finish() -> None:
            self.twin.open()
            store.access.audit.prune()

        return Beginning(
            store.part.check,
            [
                lambda: asyncio.to_thread(put_registries, store.registries, self._configuration),
                lambda: self.tree.open(self._sockets.trails),
                lambda: asyncio.to_thread(self._sessions.load),
                self.team.open,
                finish,
            ],
        )

    def _listen_to_access(self) -> None:
        keep_permitted(self.tree.keeper, self._access)
        keep_out_revoked(lambda: self.tree.door, self._access)

    async def _begin(self) -> None:
        """Begin with everything that writes by itself, before any door is open."""
        self._listen_to_access()
        await self.tree.open(self._sockets.trails)
        await asyncio.to_thread(self._sessions.load)
        await self.team.open()

    async def close(self) -> None:
        """Let nobody in any more, and wait for those inside, within the time given."""
        self._closing.set()
        await self._own.close()
        if self._beginning is not None:
            await self._beginning.close()
        if self._following is not None:
            await self._following.close()
        closings: list[Awaitable[Any]] = [listener.close() for listener in self._listeners]
        closings.append(self.tree.close())
        closings.append(self.team.close())
        closings.extend(door.close() for door in self._link_doors)
        if self._grpc is not None:
            closings.append(self._grpc.stop(self._configuration.drain_seconds_max))
        await asyncio.gather(*closings)
        await self._threads.close()
        await self._live_threads.close()
        await self._tree_threads.close()
        self._tree_service.close()
        await asyncio.to_thread(self._sessions.close)
        await self.twin.close()

    def _taking(
        self, accept: Callable[[bytes], Awaitable[Decoded]]
    ) -> Callable[[bytes], Awaitable[Decoded]]:
        """Return what takes records in: what the store does, or what a standby says."""
        group = self._group
        if group is None or group.leads:
            return accept

        async def refuse(_body: bytes) -> Decoded:
            raise group.refusal()

        return refuse

    def _check_taking(self) -> None:
        """Raise what whoever sends records is told where none are taken.

        Raises:
            ClewError: this server is a standby, or a query tier.
        """
        if self._group is not None and not self._group.leads:
            raise self._group.refusal()
        if self._store.shards is not None:
            raise refused_write(self._store.shards.shards)

    def _say_elsewhere(self) -> str:
        assert self._group is not None, "a server alone keeps its tree itself"
        return self._group.refusal().message

    def _open_otlp(self, place: str) -> OtlpHttpDoor:
        configuration = self._configuration
        return OtlpHttpDoor(
            self._intake,
            BodyLimits(configuration.otlp_body_bytes_max, configuration.otlp_unpacked_bytes_max),
            identity=self._identity,
            request_rate=self._request_rate(place),
            byte_rate=self._byte_rate(place),
            origins=configuration.cors_origins,
        )

    def _request_rate(self, place: str) -> Rate:
        rate = Rate(self._configuration.otlp_requests_per_second, "requests")
        self.vitals.rates.append(NamedRate(place, "--otlp-requests-per-second", rate))
        return rate

    def _byte_rate(self, place: str) -> Rate:
        rate = Rate(self._configuration.otlp_bytes_per_second, "bytes")
        self.vitals.rates.append(NamedRate(place, "--otlp-bytes-per-second", rate))
        return rate

    async def _open_grpc(self) -> int:
        from clew.surfaces.grpc.export import ExportServices
        from clew.surfaces.grpc.identity import GuardedHandlers
        from clew.surfaces.grpc.jaeger import JaegerQuery
        from clew.surfaces.grpc.server import (
            LEADER_CONNECTION_SECONDS_MAX,
            STANDBY_CONNECTION_SECONDS_MAX,
            bind,
            open_server,
        )

        address = self._configuration.otlp_grpc
        assert address is not None
        export = ExportServices(
            self._intake,
            request_rate=self._request_rate("otlp-grpc"),
            byte_rate=self._byte_rate("otlp-grpc"),
        )
        jaeger = JaegerQuery(self._service, self._analytics, self._threads)
        seconds_max = None
        if self._group is not None:
            leads = self._leads
            seconds_max = LEADER_CONNECTION_SECONDS_MAX if leads else STANDBY_CONNECTION_SECONDS_MAX
        server = open_server(
            [GuardedHandlers(self._identity, [*export.handlers(), *jaeger.handlers()])],
            message_bytes_max=self._configuration.otlp_unpacked_bytes_max,
            connection_seconds_max=seconds_max,
        )
        if address.port:
            # The library does not say why it could not listen; a socket of our own does.
            take(address, GRPC_ADDRESS_FLAG).close()
        port = bind(server, str(address))
        await server.start()
        self._grpc, self._export = server, export
        return port

    def _describe(self, grpc_port: int | None) -> Addresses:
        def at(host: str, port: int) -> str:
            return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

        configuration = self._configuration
        otlp_http = None
        if configuration.otlp_http is not None and self._sockets.otlp_http is not None:
            otlp_http = at(configuration.otlp_http.host, port_of(self._sockets.otlp_http))
        otlp_grpc = None
        if configuration.otlp_grpc is not None and grpc_port is not None:
            otlp_grpc = at(configuration.otlp_grpc.host, grpc_port)
        trails = None
        if configuration.trails is not None and self._sockets.trails is not None:
            trails = at(configuration.trails.host, port_of(self._sockets.trails))
        http = at(configuration.http.host, port_of(self._sockets.http))
        links = ",".join(str(each.address) for each in self._sockets.links) or None
        return Addresses(http, otlp_http, otlp_grpc, trails, links)

    def _count_answers(self) -> dict[str, Counter[int]]:
        counted = {"otlp-http": self._otlp.answers, "http": self._otlp_inside.answers}
        if self._export is not None:
            counted["otlp-grpc"] = self._export.answers
        return counted
