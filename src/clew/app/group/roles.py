"""A server of a group through its roles: opened as leader or standby, closed, opened again.

Theory of operation. A role is composition: nothing in a store or in a door changes its mind while
it is open. What ends a role (a lease that is lost or won, a larger epoch that is heard of, a
promotion, a need of a snapshot) closes the doors and the store, on the path that the end of the
process takes, and the same process opens again over the same folder. The addresses stay taken
meanwhile, and whoever connects is told so at once (`clew.app.group.porch`). The engine alone stays
open: what it holds does not depend on the role, and opening it is most of a start.

Whoever is to lead claims it first (`clew.app.group.claims`).
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from clew.app.configuration.exposure import check_exposure
from clew.app.configuration.group import find_url
from clew.app.configuration.values import Address, Role
from clew.app.group.candidacy import Candidacy
from clew.app.group.claims import Claims
from clew.app.group.peers import (
    CANDIDATE,
    CONNECT_SECONDS_MAX,
    LEADER,
    SAID_BYTES_MAX,
    STANDBY,
    Peers,
    Told,
    check_distinct,
    check_nobody_leads,
    extent_of,
)
from clew.app.group.place import Place, describe_standing
from clew.app.group.porch import Porch, is_registry_guarded, refuse_while_shut
from clew.app.group.promises import Promises
from clew.app.group.resuming import Resuming, describe_error
from clew.app.group.snapshots import Snapshots
from clew.app.group.turn import Change, Stopwatch, Turn
from clew.app.server_key import KeyAdoption
from clew.app.store import Membership, open_service, open_store
from clew.base.errors import ClewError, ErrorCode
from clew.lineage.transport.receiver import DatagramReceiver
from clew.remote.http import Server
from clew.store.folder import FolderLock
from clew.store.replication.follower import Follower, FollowerOptions
from clew.store.replication.leader import Leader, LeaderOptions
from clew.store.replication.position import Position
from clew.store.replication.said import Need
from clew.store.replication.snapshot import Keep, begin_anew
from clew.store.replication.standing import Standing
from clew.telemetry.group import GroupStatus, Promotion

if TYPE_CHECKING:
    from collections.abc import Callable

    from clew.app.configuration.settings import Configuration
    from clew.app.doors import Doors
    from clew.app.sockets import Addresses, Sockets
    from clew.app.store import Store, StoredEngine
    from clew.store.replication.part import Part
    from clew.store.replication.said import Extent

logger = logging.getLogger(__name__)

NOTHING: Final = (0, 0)
"""How much of the log a server has that has none."""

KEPT: Final = {Need.BEHIND: Keep.NOTHING, Need.DIVERGED: Keep.LATEST}
"""What becomes of the data of a server that begins anew, where it is not kept for ever."""


@dataclass(frozen=True, slots=True)
class Opening:
    """A store and its doors, in one role."""

    store: Store
    doors: Doors
    place: Place


class Course:
    """A server of a group, from its start to its end. Belongs to one event loop."""

    def __init__(
        self,
        configuration: Configuration,
        sockets: Sockets,
        stop: asyncio.Event,
        announce: Callable[[Store, Addresses, list[ClewError]], None],
    ) -> None:
        """`announce` is told of the first opening; a `stop` that is set ends the server."""
        self._configuration = configuration
        self._sockets = sockets
        self._links = tuple(receiver.address for receiver in sockets.links)
        for receiver in sockets.links:
            receiver.close()
        self._stop = stop
        self._announce = announce
        self.url = find_url(configuration)
        self.servers = len(configuration.standby) + 1
        acks = configuration.required_acks
        self.required = self.servers - 1 if acks is None else acks
        self.peers = Peers(
            configuration.standby,
            own_url=self.url,
            key=configuration.peer_key,
            required=self.required,
        )
        self._promises = Promises(self.required)
        self._changes: asyncio.Queue[Change] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        self._detail: str | None = None
        self._snapshots = Snapshots(configuration)
        self._lock: FolderLock | None = None
        self._standing: Standing | None = None
        self._claims: Claims | None = None
        self._candidacy: Candidacy | None = None
        self._part: Part | None = None
        self._resuming = Resuming(self)
        self._follower: Follower | None = None
        self._need: Need | None = None
        # Nothing is here but what came after a snapshot that was not had whole.
        self._is_blank = False
        self._watch = Stopwatch()
        self._adoption = KeyAdoption(
            configuration.data_dir, configuration.peer_key, self._find_leader
        )
        self._engine: StoredEngine | None = None
        self._doors: asyncio.Task[type[Doors]] | None = None
        # What other servers are told between two roles: how much of the log is here, and as what.
        self._extent: Extent | None = None
        self._posture = STANDBY
        self._porch = Porch(
            tell_position=self._tell_position,
            tell_group=lambda: self.describe(None, leads=False),
            refuse=self._refuse,
            hosts=(*configuration.hosts, configuration.http.host),
            key=configuration.peer_key,
        )

    @property
    def standing(self) -> Standing:
        """What is known of leadership, on disk."""
        assert self._standing is not None, "the folder is open"
        return self._standing

    @property
    def claims(self) -> Claims:
        """What it takes to lead."""
        assert self._claims is not None, "the folder is open"
        return self._claims

    async def run(self) -> None:
        """Serve until the end.

        Raises:
            ClewError: the folder is not to be had, or the store does not open.
        """
        folder = self._configuration.data_dir
        self._lock = await asyncio.to_thread(FolderLock.acquire, folder)
        try:
            self._standing = await asyncio.to_thread(Standing.open, folder)
            self._claims = Claims(self._standing, self.peers, required=self.required, url=self.url)
            self._porch.is_guarded = await asyncio.to_thread(is_registry_guarded, folder)
            await self._open_porch()
            # Beside what the engine does in its own code, and what other servers are asked.
            self._doors = asyncio.create_task(
                asyncio.to_thread(_import_doors, self._configuration), name="import"
            )
            self._extent = await asyncio.to_thread(self._read_extent)
            await self._serve()
        finally:
            await self._porch.end()
            if self._engine is not None:
                self._engine.close()
            self._lock.release()

    async def _serve(self) -> None:
        ending = asyncio.create_task(self._hear_end())
        if self._configuration.lease is not None:
            self._candidacy = Candidacy(
                self, self._configuration.lease, self._configuration.lease_seconds
            )
        try:
            is_first = True
            turn = await self._first_turn()
            while turn is not Turn.END:
                opening, addresses, troubles = await self._open(leads=turn is Turn.LEAD)
                change = None
                try:
                    if is_first:
                        self._announce(opening.store, addresses, troubles)
                        is_first = False
                        self._keep_port(addresses)
                    else:
                        logger.info("this server changed its role in %s", self._watch)
                    self._tell(opening.place)
                    if self._candidacy is not None:
                        self._candidacy.begin(leads=opening.place.leads)
                    if not opening.place.leads:
                        self._adoption.begin()
                    if self._candidacy is None:
                        self._resuming.begin(leads=opening.place.leads)
                    change = await self._next_change(leads=opening.place.leads)
                    self._resuming.end()
                    logger.info("%s", change.why)
                    self._watch = Stopwatch()
                finally:
                    await self._close(opening, change)
                turn = await self._prepare(change)
                self._watch.note("others asked")
        finally:
            ending.cancel()
            self._resuming.end()
            if self._candidacy is not None:
                await self._candidacy.close()

    def _tell(self, place: Place) -> None:
        if place.leads:
            # Whoever looks through logs finds who led when.
            logger.info("this server leads epoch %d", self.standing.epoch)
        elif self.standing.is_leading:
            goes_on = "that is safe" if self._candidacy is None else "it has the lease"
            logger.info("this server led last: it goes on once %s, and answers reads", goes_on)
        else:
            whom = self.standing.leader_url or "nobody yet"
            logger.info("this server is a standby and follows %s", whom)

    def lead(self, epoch: int) -> None:
        """Begin to lead under an epoch that was won with the lease; from any thread."""
        self.change(Change(Turn.LEAD, "the lease is held", epoch=epoch))

    def follow(self, why: str) -> None:
        """Begin to follow; from any thread."""
        self.change(Change(Turn.FOLLOW, why))

    def change(self, change: Change) -> None:
        """End the role; from any thread."""
        self._loop.call_soon_threadsafe(self._changes.put_nowait, change)

    async def _hear_end(self) -> None:
        await self._stop.wait()
        self._changes.put_nowait(Change(Turn.END, "closing: waiting for running requests"))

    async def _next_change(self, *, leads: bool) -> Change:
        """Wait for the end of a role; what would change nothing is passed over.

        What a standby needed before it led is so as well: a leader takes no snapshot.
        """
        idle = (Turn.LEAD, Turn.SNAPSHOT) if leads else (Turn.FOLLOW,)
        while True:
            change = await self._changes.get()
            if change.turn not in idle:
                return change

    # The first role, and what lies between two.

    async def _first_turn(self) -> Turn:
        """Find out who leads; whoever led before goes on unless another does.

        Raises:
            ClewError: two of the addresses are of one server.
        """
        assert self._extent is not None, "the folder was read"
        heard = await self.peers.ask()
        check_distinct(self.standing.node_id, heard)
        await self.claims.learn(self._extent, heard)
        standing, role = self.standing, self._configuration.role
        if self._stop.is_set():
            return Turn.END
        if role is Role.AUTO:
            assert self._candidacy is not None, "the settings were checked"
            epoch = await self._candidacy.try_for_it()
            if epoch is None:
                return Turn.FOLLOW
            return await self._prepare(Change(Turn.LEAD, "the lease is free", epoch=epoch))
        if standing.leader is None:
            begins = role is Role.LEADER
        else:
            begins = standing.is_leading
            if role is Role.LEADER and not begins:
                # Whoever starts a server as it was started before has done nothing wrong.
                logger.info(
                    "%s leads under epoch %d, which counts more than --role: this server follows "
                    "it; to have this one lead: clew promote --server %s",
                    standing.leader_url or standing.leader,
                    standing.epoch,
                    self.url,
                )
        if not begins:
            return Turn.FOLLOW
        if standing.leader is None:
            await asyncio.to_thread(standing.lead, standing.epoch + 1, self.url, self.required)
            return Turn.LEAD
        change = Change(Turn.LEAD, "going on as the leader", resumes=True)
        if not await self._resuming.look():
            # Nobody would acknowledge anything, or somebody may have been promoted meanwhile who is
            # not heard: reads are answered until that is known.
            return Turn.FOLLOW
        return await self._prepare(change)

    async def _prepare(self, change: Change) -> Turn:
        """Do what lies between two roles, with nothing open; return the next one."""
        match change.turn:
            case Turn.LEAD:
                self._posture = CANDIDATE
                try:
                    assert self._extent is not None, "nothing is open"
                    await self.claims.claim(self._extent, change)
                except ClewError as error:
                    self._posture = STANDBY
                    why = describe_error(error)
                    logger.warning("this server does not lead: %s", why)
                    if change.resumes:
                        # Nobody asked for it, and it looks on by itself.
                        self._resuming.hear_failure(error)
                    else:
                        self._detail = why
                    if self._candidacy is not None:
                        await self._candidacy.give_back()
                    return Turn.FOLLOW
                self._posture = LEADER
                self._detail = None
                self._resuming.forget_obstacle()
            case Turn.FOLLOW:
                if self._candidacy is not None:
                    await self._candidacy.give_back()
                await self.claims.learn(self._own_extent(), await self.peers.ask())
            case Turn.SNAPSHOT:
                keep = KEPT.get(self._need or Need.FOREIGN, Keep.ALWAYS)
                if self._is_blank and self._own_extent() == NOTHING:
                    keep = Keep.NOTHING
                # It takes minutes, where there is much: whoever asks hears what it waits for.
                self._extent, self._detail = None, change.why
                await self._begin_anew(keep)
                self._detail = None
                self._extent = await asyncio.to_thread(self._read_extent)
                return Turn.FOLLOW
            case Turn.END:
                return Turn.END
        return change.turn

    async def _begin_anew(self, keep: Keep) -> None:
        """Fill the folder from the leader's, unless nobody else leads or it cannot be had."""
        url = self.standing.leader_url
        if url is None or self.standing.is_leading:
            return
        is_whole = await self._snapshots.try_for_one(url, self.standing, keep, self._stop.is_set)
        self._is_blank &= not is_whole

    def _read_extent(self) -> Extent:
        """Return how much of the log is here, by what the folder says. Blocks."""
        from clew.store.log.history import History

        # What an interrupted snapshot left is no data, and nobody is to be told of it.
        self._is_blank |= begin_anew(self._configuration.data_dir)
        last = History.read(self._configuration.data_dir / "log").last
        return (Position(self.standing.starts, last).epoch_at(last) or 0, last)

    # Opening and closing.

    async def _open(self, *, leads: bool) -> tuple[Opening, Addresses, list[ClewError]]:
        assert self._lock is not None, "the folder is ours"
        place = Place(self, leads=leads)
        member = Membership(
            self._lock, self._open_leader if leads else self._open_follower, self._engine
        )
        self._engine = None
        store = await asyncio.to_thread(open_store, self._configuration, member)
        self._watch.note("store opened")
        try:
            check_exposure(self._configuration, is_guarded=store.access.keys.is_guarding)
            place.part = self._part = store.part
            assert self._doors is not None, "the server has begun"
            doors = (await self._doors)(
                self._configuration, store, open_service(store), self._lend(leads=leads), place
            )
            try:
                addresses, troubles = await doors.open()
                self._porch.close()
                self._watch.note("doors opened")
                if member.engine is None:
                    await asyncio.to_thread(store.retain)
            except BaseException:
                await doors.close()
                raise
        except BaseException:
            await store.close()
            raise
        return Opening(store, doors, place), addresses, troubles

    def _open_leader(self, origin: Callable[[], str]) -> Leader:
        configuration = self._configuration
        candidacy = self._candidacy
        return Leader(
            self.standing,
            LeaderOptions(
                standbys=configuration.standby,
                connect=self._connect,
                url=self.url,
                required=configuration.required_acks,
                ack_timeout_s=configuration.ack_timeout,
                may_acknowledge=(lambda: True) if candidacy is None else candidacy.is_held,
                on_fenced=self._hear_fence,
                origin=origin,
                on_required=self._promises.hear,
            ),
        )

    def _connect(self, url: str, timeout_s: float) -> Server:
        key = self._configuration.peer_key or None
        return Server(
            url,
            api_key=key,
            read_timeout_s=timeout_s,
            connect_timeout_s=CONNECT_SECONDS_MAX,
            answer_bytes_max=SAID_BYTES_MAX,
        )

    def _open_follower(self, origin: Callable[[], str]) -> Follower:
        self._need = None
        follower = Follower(
            self.standing,
            FollowerOptions(
                on_snapshot_needed=self._hear_need,
                origin=origin,
                required=self.required,
                on_required=self._promises.hear,
            ),
        )
        self._follower = follower
        return follower

    def _hear_fence(self, epoch: int, leader: str | None, url: str | None) -> None:
        """Take note that another server leads. From any thread."""
        whom = url or leader or "another server"
        self.change(Change(Turn.FOLLOW, f"{whom} leads under epoch {epoch}: following it"))

    def _hear_need(self, url: str | None) -> None:
        """Take note that this standby has to begin anew. From any thread."""
        self._need = None if self._follower is None else self._follower.need
        self.change(Change(Turn.SNAPSHOT, f"beginning anew from a snapshot of {url}"))

    async def _close(self, opening: Opening, change: Change | None) -> None:
        part, self._part, self._extent = self._part, None, None
        self._posture = STANDBY
        self._porch.is_guarded = opening.store.access.keys.is_guarding
        # What a snapshot puts in its place is another engine's.
        keeps_engine = change is not None and change.turn in (Turn.LEAD, Turn.FOLLOW)
        try:
            await self._adoption.end()
            if change is not None and change.turn is not Turn.END:
                await self._open_porch()
            await opening.doors.close()
            self._watch.note("doors closed")
        finally:
            await opening.store.close(keeps_engine=keeps_engine)
            self._watch.note("store closed")
        if keeps_engine:
            self._engine = opening.store.engine
        if part is not None:
            # Nothing is written any more.
            self._extent = extent_of(part)

    async def _open_porch(self) -> None:
        mine = self._sockets
        await self._porch.open([each.dup() for each in (mine.http, mine.otlp_http) if each])

    def _tell_position(self) -> Told | None:
        """Return what other servers ask for, while nothing is open."""
        if self._extent is None:
            return None
        epoch, last = self._extent
        standing = self.standing
        return Told(
            epoch=standing.epoch,
            node_id=standing.node_id,
            leader=standing.leader,
            leader_url=standing.leader_url,
            led_epoch=standing.led[0],
            led_by=standing.led[1],
            role=self._posture,
            group=standing.group,
            last=last,
            last_epoch=epoch,
        )

    def _find_leader(self) -> str | None:
        return None if self.standing.is_leading else self.standing.leader_url

    def _refuse(self) -> ClewError:
        return refuse_while_shut(self._find_leader())

    def _lend(self, *, leads: bool) -> Sockets:
        """Return sockets for one opening: copies, so that the addresses stay taken after it."""
        mine = self._sockets
        # A datagram that waits for a standby would be lost without a word; to a socket that is not
        # there its sender is told.
        links = tuple(map(DatagramReceiver, self._links)) if leads else ()
        return replace(
            mine,
            http=mine.http.dup(),
            otlp_http=mine.otlp_http.dup() if mine.otlp_http is not None else None,
            trails=mine.trails.dup() if mine.trails is not None else None,
            links=links,
        )

    def _keep_port(self, addresses: Addresses) -> None:
        """Open gRPC at the port that it had the first time, if the system chose one."""
        asked = self._configuration.otlp_grpc
        if asked is None or addresses.otlp_grpc is None:
            return
        port = int(addresses.otlp_grpc.rpartition(":")[2])
        self._configuration = replace(self._configuration, otlp_grpc=Address(asked.host, port))

    # What is asked from outside.

    async def promote(self, *, leads: bool, force: bool) -> Promotion:
        """Begin to lead by hand; see `Group.promote`."""
        if leads:
            raise ClewError(ErrorCode.CONFLICT, "this server leads already", hint="nothing to do")
        if self._candidacy is not None:
            raise ClewError(
                ErrorCode.CONFLICT,
                "a lease decides who leads this group",
                hint="end the leader: a standby takes over within "
                f"{self._configuration.lease_seconds:g} s",
            )
        heard = await self.peers.ask()
        epoch = max([self.standing.epoch, *(e.told.epoch for e in heard if e.told is not None)])
        if not force:
            check_nobody_leads(heard)
            self.claims.check(self._own_extent(), heard)
        # What an earlier try came to is not what this one is asked about.
        self._resuming.end()
        self._detail = None
        self._resuming.forget_obstacle()
        self.change(Change(Turn.LEAD, "promoted by hand", force=force))
        return Promotion(
            epoch=epoch + 1,
            heard=1 + sum(each.told is not None for each in heard),
            needed=self.claims.count_needed(),
            forced=force,
        )

    async def find_obstacle(self) -> ClewError | None:
        """Return why this server does not lead without being told to; None where it may.

        Raises:
            ClewError: what others know could not be made durable here.
        """
        return await self.claims.find_obstacle(self._own_extent())

    def heard_s(self) -> float | None:
        """Return how many seconds ago this standby heard a leader, None if it did not yet."""
        return None if self._part is None else self._part.status().heard_s

    async def check_able(self) -> int:
        """Return the newest epoch that is known, if this server has all that it takes to lead.

        Raises:
            ClewError: something acknowledged may be missing here.
        """
        return await self.claims.check_able(self._own_extent())

    def describe(self, part: Part | None, *, leads: bool) -> GroupStatus:
        """Return where this server stands."""
        return describe_standing(
            self.standing,
            part,
            leads=leads,
            url=self.url,
            required=self.required,
            others=self.peers.urls,
            lease=None if self._candidacy is None else self._candidacy.seen(),
            detail=self._detail or (self._resuming.obstacle if self.standing.is_leading else None),
        )

    def _own_extent(self) -> Extent:
        """Return how much of the log is here; ClewError while the store is closed or filled."""
        if self._part is not None:
            return extent_of(self._part)
        if self._extent is None:
            raise self._refuse()
        return self._extent


def _import_doors(configuration: Configuration) -> type[Doors]:
    from clew.app.doors import Doors, import_doors

    import_doors(configuration)
    return Doors
