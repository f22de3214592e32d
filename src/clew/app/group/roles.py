"""A server of a group through its roles: opened as leader or standby, closed, opened again.

Theory of operation. A role is composition: nothing in a store or in a door changes its mind while
it is open. What ends a role (a lease that is lost or won, a larger epoch that is heard of, a
promotion, a need of a snapshot) is a `Change`: it closes the doors and the store, on the path that
the end of the process takes, and the same process opens again over the same folder
(`clew.app.group.premises`). Here is which role comes first, and what lies between two.

Whoever is to lead claims it first (`clew.app.group.claims`).
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from clew.app.configuration.group import find_url
from clew.app.configuration.values import Role
from clew.app.group.candidacy import Candidacy
from clew.app.group.claims import Claims
from clew.app.group.folder import Folder
from clew.app.group.parts import Parts
from clew.app.group.peers import CANDIDATE, LEADER, STANDBY, Peers, check_distinct
from clew.app.group.place import Place, describe_standing
from clew.app.group.premises import Premises
from clew.app.group.promotion import Promotions
from clew.app.group.resuming import Resuming, describe_error
from clew.app.group.turn import Change, Changes, Stopwatch, Turn
from clew.app.group.whereabouts import Whereabouts
from clew.base.errors import ClewError
from clew.store.folder import FolderLock
from clew.store.replication.standing import Standing

if TYPE_CHECKING:
    from collections.abc import Callable

    from clew.app.configuration.settings import Configuration
    from clew.app.sockets import Addresses, Sockets
    from clew.app.store import Store
    from clew.store.replication.part import Part
    from clew.telemetry.group import GroupStatus

    Announce = Callable[[Store, Addresses, list[ClewError]], None]

logger = logging.getLogger(__name__)


async def serve_in_group(
    configuration: Configuration, sockets: Sockets, stop: asyncio.Event, announce: Announce
) -> None:
    """Serve as one server of several, in one role after another, until `stop` is set.

    `announce` is told of the first opening.

    Raises:
        ClewError: the folder is not to be had, or the store does not open.
    """
    data_dir = configuration.data_dir
    lock = await asyncio.to_thread(FolderLock.acquire, data_dir)
    try:
        standing = await asyncio.to_thread(Standing.open, data_dir)
        where = Whereabouts(standing, find_url(configuration))
        folder = Folder(configuration, standing, stop.is_set)
        peers = Peers(
            configuration.standby,
            own_url=where.url,
            key=configuration.peer_key,
            required=count_required(configuration),
        )
        course = Course(configuration, where, folder, peers, stop)
        premises = Premises(configuration, sockets, lock, where, course.describe_shut)
        try:
            await premises.begin()
            where.settle(await asyncio.to_thread(folder.read_extent))
            await course.run(premises, announce)
        finally:
            await premises.end()
    finally:
        lock.release()


def count_required(configuration: Configuration) -> int:
    """Return how many standbys have each record before it is acknowledged, where this one leads."""
    acks = configuration.required_acks
    return len(configuration.standby) if acks is None else acks


class Course:
    """A server of a group, from its first role to its last. Belongs to one event loop."""

    def __init__(
        self,
        configuration: Configuration,
        where: Whereabouts,
        folder: Folder,
        peers: Peers,
        stop: asyncio.Event,
    ) -> None:
        """A `stop` that is set ends the server."""
        self._configuration = configuration
        self._where = where
        self._folder = folder
        self._peers = peers
        self._stop = stop
        self._required = count_required(configuration)
        self._changes = Changes()
        self._claims = Claims(where.standing, peers, required=self._required, url=where.url)
        self._resuming = Resuming(where, self._claims, self._changes)
        self._candidacy: Candidacy | None = None
        lease, seconds = configuration.lease, configuration.lease_seconds
        if lease is not None:
            self._candidacy = Candidacy(where, self._claims, self._changes, lease, seconds)
        self._promotions = Promotions(
            where,
            peers,
            self._claims,
            self._resuming,
            self._changes,
            lease_seconds=None if lease is None else seconds,
        )
        self._parts = Parts(
            configuration,
            where,
            peers,
            self._changes,
            required=self._required,
            may_acknowledge=_always if self._candidacy is None else self._candidacy.is_held,
        )
        # What a standby with nothing open waits for.
        self._wait: str | None = None

    async def run(self, premises: Premises, announce: Announce) -> None:
        """Serve until the end; how much of the log is here is known by now.

        Raises:
            ClewError: two of the addresses are of one server, or the store does not open.
        """
        ending = asyncio.create_task(self._hear_end())
        try:
            is_first = True
            watch = Stopwatch()
            turn = await self._first_turn()
            while turn is not Turn.END:
                place = self._make_place(leads=turn is Turn.LEAD)
                opening = await premises.open(place, self._parts, watch)
                change = None
                try:
                    if is_first:
                        announce(opening.store, opening.addresses, opening.troubles)
                        is_first = False
                    else:
                        logger.info("this server changed its role in %s", watch)
                    self._tell(place)
                    self._promotions.begin()
                    if self._candidacy is not None:
                        self._candidacy.begin(leads=place.leads)
                    else:
                        self._resuming.begin(leads=place.leads)
                    change = await self._changes.wait(leads=place.leads)
                    self._promotions.end()
                    self._resuming.end()
                    logger.info("%s", change.why)
                    watch = Stopwatch()
                finally:
                    await premises.close(opening, change, watch)
                turn = await self._prepare(change)
                watch.note("others asked")
        finally:
            ending.cancel()
            self._resuming.end()
            if self._candidacy is not None:
                await self._candidacy.close()

    def describe_shut(self) -> GroupStatus:
        """Return where this server stands while nothing is open."""
        return self._describe(None, leads=False)

    def _describe(self, part: Part | None, *, leads: bool) -> GroupStatus:
        standing = self._where.standing
        obstacle = self._resuming.obstacle if standing.is_leading else None
        return describe_standing(
            standing,
            part,
            leads=leads,
            url=self._where.url,
            required=self._required,
            others=self._peers.urls,
            lease=None if self._candidacy is None else self._candidacy.seen(),
            detail=self._wait or self._promotions.failure or obstacle,
        )

    def _make_place(self, *, leads: bool) -> Place:
        def describe(part: Part | None) -> GroupStatus:
            return self._describe(part, leads=leads)

        return Place(describe, self._promotions, leads=leads)

    def _tell(self, place: Place) -> None:
        if place.leads:
            # Whoever looks through logs finds who led when.
            logger.info("this server leads epoch %d", self._where.standing.epoch)
        elif self._where.standing.is_leading:
            goes_on = "that is safe" if self._candidacy is None else "it has the lease"
            logger.info("this server led last: it goes on once %s, and answers reads", goes_on)
        else:
            whom = self._where.standing.leader_url or "nobody yet"
            logger.info("this server is a standby and follows %s", whom)

    async def _hear_end(self) -> None:
        await self._stop.wait()
        self._changes.add(Change(Turn.END, "closing: waiting for running requests"))

    async def _first_turn(self) -> Turn:
        """Find out who leads; whoever led before goes on unless another does.

        Raises:
            ClewError: two of the addresses are of one server.
        """
        heard = await self._peers.ask()
        check_distinct(self._where.standing.node_id, heard)
        await self._claims.learn(self._where.own_extent(), heard)
        standing, role = self._where.standing, self._configuration.role
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
                    self._where.url,
                )
        if not begins:
            return Turn.FOLLOW
        if standing.leader is None:
            await asyncio.to_thread(
                standing.lead, standing.epoch + 1, self._where.url, self._required
            )
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
                return await self._prepare_to_lead(change)
            case Turn.FOLLOW:
                if self._candidacy is not None:
                    await self._candidacy.give_back()
                await self._claims.learn(self._where.own_extent(), await self._peers.ask())
            case Turn.SNAPSHOT:
                own = self._where.own_extent()
                self._where.shut()
                self._promotions.forget_failure()
                # Whoever asks hears what it waits for.
                self._wait = change.why
                await self._folder.begin_anew(self._parts.need, own)
                self._wait = None
                self._where.settle(await asyncio.to_thread(self._folder.read_extent))
                return Turn.FOLLOW
        return change.turn

    async def _prepare_to_lead(self, change: Change) -> Turn:
        """Claim to lead; return the role that comes of it."""
        self._where.posture = CANDIDATE
        try:
            await self._claims.claim(self._where.own_extent(), change)
        except ClewError as error:
            self._where.posture = STANDBY
            logger.warning("this server does not lead: %s", describe_error(error))
            if change.resumes:
                # Nobody asked for it, and it looks on by itself.
                self._resuming.hear_failure(error)
            else:
                self._promotions.hear_failure(change, error)
            if self._candidacy is not None:
                await self._candidacy.give_back()
            return Turn.FOLLOW
        self._where.posture = LEADER
        self._promotions.forget_failure()
        self._resuming.forget_obstacle()
        return Turn.LEAD


def _always() -> bool:
    return True
