"""What a server of a group opens for a role and shuts after it: the store, and the doors over it.

Some of it outlasts the roles. The addresses stay taken, and while nothing is open somebody stands
at them who says so (`clew.app.group.porch`). The engine stays open as well: what it holds does not
depend on the role, and opening it is most of a start.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from clew.app.configuration.exposure import check_exposure, is_registry_guarded
from clew.app.configuration.values import Address
from clew.app.group.peers import extent_of
from clew.app.group.porch import Porch
from clew.app.group.turn import Turn
from clew.app.server_key import KeyAdoption
from clew.app.store import Membership, open_service, open_store
from clew.lineage.transport.receiver import DatagramReceiver

if TYPE_CHECKING:
    from collections.abc import Callable

    from clew.app.configuration.settings import Configuration
    from clew.app.doors import Doors
    from clew.app.group.parts import Parts
    from clew.app.group.place import Place
    from clew.app.group.turn import Change, Stopwatch
    from clew.app.group.whereabouts import Whereabouts
    from clew.app.sockets import Addresses, Sockets
    from clew.app.store import Store, StoredEngine
    from clew.base.errors import ClewError
    from clew.store.folder import FolderLock


@dataclass(frozen=True, slots=True)
class Opening:
    """A store and its doors, in one role; `troubles` are of doors that did not open."""

    store: Store
    doors: Doors
    place: Place
    addresses: Addresses
    troubles: list[ClewError] = field(default_factory=list)


class Premises:
    """One server's store and doors, open in one role at a time. Belongs to one event loop."""

    def __init__(
        self,
        configuration: Configuration,
        sockets: Sockets,
        lock: FolderLock,
        where: Whereabouts,
        tell_group: Callable[[], object],
    ) -> None:
        """`sockets` are ours from now on; `tell_group` says where we stand while all is shut."""
        self._configuration = configuration
        self._sockets = sockets
        self._links = tuple(receiver.address for receiver in sockets.links)
        for receiver in sockets.links:
            receiver.close()
        self._lock = lock
        self._where = where
        self._adoption = KeyAdoption(
            configuration.data_dir, configuration.peer_key, where.find_leader
        )
        self._engine: StoredEngine | None = None
        self._doors: asyncio.Task[type[Doors]] | None = None
        self._porch = Porch(
            tell_position=where.tell_position,
            tell_group=tell_group,
            refuse=where.refuse,
            hosts=(*configuration.hosts, configuration.http.host),
            key=configuration.peer_key,
        )

    async def begin(self) -> None:
        """Have somebody stand at the addresses, before anything is open."""
        self._porch.is_guarded = await asyncio.to_thread(is_registry_guarded, self._configuration)
        await self._open_porch()
        # Beside what the engine does in its own code, and what other servers are asked.
        self._doors = asyncio.create_task(
            asyncio.to_thread(_import_doors, self._configuration), name="import"
        )

    async def open(self, place: Place, parts: Parts, watch: Stopwatch) -> Opening:
        """Open the store and its doors in the role of a place.

        Raises:
            ClewError: the store does not open, or is not to be seen from where its doors are.
        """
        leads = place.leads
        member = Membership(self._lock, partial(parts.make, leads=leads), self._engine)
        self._engine = None
        store = await asyncio.to_thread(open_store, self._configuration, member)
        watch.note("store opened")
        try:
            check_exposure(self._configuration, is_guarded=store.access.keys.is_guarding)
            place.part = store.part
            self._where.open(store.part)
            assert self._doors is not None, "the server has begun"
            doors = (await self._doors)(
                self._configuration, store, open_service(store), self._lend(leads=leads), place
            )
            try:
                addresses, troubles = await doors.open()
                self._porch.close()
                watch.note("doors opened")
                if member.engine is None:
                    await asyncio.to_thread(store.retain)
            except BaseException:
                await doors.close()
                raise
        except BaseException:
            await store.close()
            raise
        self._keep_port(addresses)
        if not leads:
            self._adoption.begin()
        return Opening(store, doors, place, addresses, troubles)

    async def close(self, opening: Opening, change: Change | None, watch: Stopwatch) -> None:
        """Shut the doors, then the store; `change` is why, None where the server ends by a fault.

        Whoever was answered by then is durable, and whoever was not is let go.
        """
        self._where.shut()
        self._porch.is_guarded = opening.store.access.keys.is_guarding
        # What a snapshot puts in its place is another engine's.
        keeps_engine = change is not None and change.turn in (Turn.LEAD, Turn.FOLLOW)
        try:
            await self._adoption.end()
            if change is not None and change.turn is not Turn.END:
                await self._open_porch()
            await opening.doors.close()
            watch.note("doors closed")
        finally:
            await opening.store.close(keeps_engine=keeps_engine)
            watch.note("store closed")
        if keeps_engine:
            self._engine = opening.store.engine
        if opening.store.part is not None:
            # Nothing is written any more.
            self._where.settle(extent_of(opening.store.part))

    async def end(self) -> None:
        """Let go of what outlasts the roles; nothing is open."""
        await self._porch.end()
        if self._engine is not None:
            self._engine.close()

    async def _open_porch(self) -> None:
        mine = self._sockets
        await self._porch.open([each.dup() for each in (mine.http, mine.otlp_http) if each])

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


def _import_doors(configuration: Configuration) -> type[Doors]:
    from clew.app.doors import Doors, import_doors

    import_doors(configuration)
    return Doors
