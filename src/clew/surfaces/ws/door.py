"""The door of the agent plane: who is let in, and what all sockets share.

Everything is looked at before the upgrade, where a refusal costs least: the page that a browser
asks from, whether there is room, and how many have come lately.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from clew.base.errors import ClewError
from clew.surfaces.callers import is_host_admitted, is_origin_admitted
from clew.surfaces.connection import BACKLOG, SERVER
from clew.surfaces.ws.limits import LinkLimits
from clew.surfaces.ws.rate import Pace
from clew.tree.machine.app import Tier

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable, Collection

    from websockets.http11 import Request

    from clew.surfaces.ws.connection import Connection
    from clew.tree.frames.keys import Signer
    from clew.tree.keeper.keeper import TreeKeeper

logger = logging.getLogger(__name__)

PATH: Final = "/ws"
HEALTH_PATH: Final = "/healthz"

CHALLENGE_QUERY: Final = "challenge"
"""In the query of the address: a client of the tier `open` that wants to prove itself asks so."""

RETRY_AFTER_SECONDS: Final = 1
"""Told to whoever finds no room: sockets that say nothing are closed within seconds."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer in HTTP to whoever is not let in."""

    status: int
    text: str
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class DoorCounters:
    """What has happened at the door since the start."""

    opened: int = 0
    frames_in: int = 0
    frames_out: int = 0
    refused: Counter[int] = field(default_factory=Counter)
    """By HTTP status; 0 for connections that were cut before they said anything."""
    closes: Counter[int] = field(default_factory=Counter)
    """By the code with which we closed a socket."""


class TrailsDoor:
    """All sockets of the agent plane. Belongs to one event loop.

    `hosts` and `origins` are admitted besides those of this machine. `pub_key` and `signer` give
    the server's own key when they are first needed; `is_revoked` tells of a public key whether it
    counts no more. Where the tree is kept by another server, `elsewhere` says by which, and nobody
    is let in. Where several servers keep it, `count_copies` says how many have all that is
    acknowledged.
    """

    server_header = SERVER

    def __init__(
        self,
        keeper: TreeKeeper,
        *,
        tier: Tier = Tier.OPEN,
        limits: LinkLimits | None = None,
        pub_key: Callable[[], str],
        signer: Callable[[], Signer],
        is_revoked: Callable[[str], bool],
        hosts: Collection[str] = (),
        origins: Collection[str] = (),
        elsewhere: Callable[[], str] | None = None,
        count_copies: Callable[[], int] | None = None,
    ) -> None:
        self.keeper = keeper
        self.tier = tier
        self.limits = limits or LinkLimits()
        self.pub_key = pub_key
        self.signer = signer
        self.is_revoked = is_revoked
        self.count_copies = count_copies
        self.counters = DoorCounters()
        self.pace = Pace(self.limits.frames_per_second, self.limits.frames_burst)
        self._registrations = Pace(
            self.limits.registrations_per_second, self.limits.registrations_burst
        )
        self._registrations_paid_at = 0.0
        self._hosts = hosts
        self._origins = origins
        self._elsewhere = elsewhere
        self._loop = asyncio.get_running_loop()
        self._connections: set[Connection] = set()
        self._silent: Counter[str] = Counter()
        self.listening: socket.socket | None = None
        """Where connections are accepted."""
        self._server: asyncio.Server | None = None
        self._is_empty = asyncio.Event()
        self._is_empty.set()

    @property
    def sockets(self) -> int:
        """How many connections there are, those without a session included."""
        return len(self._connections)

    async def open(self, taken: socket.socket, tls: ssl.SSLContext | None = None) -> None:
        """Let apps in at a socket that is bound."""
        self.listening = taken
        self._time_out_data(taken)
        self._server = await self._loop.create_server(
            self._meet, sock=taken, backlog=BACKLOG, ssl=tls
        )

    def shut(self) -> None:
        """Let nobody in any more; who is inside stays. Idempotent."""
        if self._server is not None:
            self._server.close()

    async def close(self, seconds: float) -> None:
        """Wait until everybody has gone, and cut off who has not in time.

        The keeper has closed their sockets before.
        """
        self.shut()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._is_empty.wait()
        for connection in tuple(self._connections):
            connection.abort()
        await self._is_empty.wait()

    def now(self) -> float:
        """Return the loop's time in seconds."""
        return self._loop.time()

    # Connections.

    def enter(self, connection: Connection) -> bool:
        """Count a connection in, if there is room for one from its address."""
        limits = self.limits
        is_local = _is_loopback(connection.address)
        silent_max = limits.silent_local_max if is_local else limits.silent_per_address_max
        if (
            len(self._connections) >= limits.sockets_max
            or self._silent[connection.address] >= silent_max
        ):
            self.counters.refused[0] += 1
            return False
        self._connections.add(connection)
        self._silent[connection.address] += 1
        self._is_empty.clear()
        self.counters.opened += 1
        return True

    def settle(self, connection: Connection) -> None:
        """Take it that somebody has registered on a connection."""
        self._silent[connection.address] -= 1
        if self._silent[connection.address] <= 0:
            del self._silent[connection.address]

    def leave(self, connection: Connection, *, is_silent: bool) -> None:
        """Count a connection out."""
        self._connections.discard(connection)
        if is_silent:
            self.settle(connection)
        if not self._connections:
            self._is_empty.set()

    def hang_up_revoked(self) -> None:
        """Close every socket on which an app speaks whose key has been revoked.

        Some 10 ms for 10 000 apps, while an admin waits for it.
        """
        for connection in tuple(self._connections):
            connection.hang_up_revoked()

    # Handshakes.

    def refuse(self, request: Request) -> Refusal | None:
        """Return why a request is not let in as a socket, None when it is."""
        refusal = self._look_at(request)
        if refusal is not None:
            self.counters.refused[refusal.status] += 1
        return refusal

    def asks_for_challenge(self, request: Request) -> bool:
        """Whether a client asks to be let prove itself."""
        query = request.path.partition("?")[2]
        return CHALLENGE_QUERY in (part.partition("=")[0] for part in query.split("&"))

    def pay_registration(self, now: float) -> float:
        """Count a registration; return how many seconds it must wait, 0 when it is counted."""
        wait = self._registrations.wait(self._registrations_paid_at, now)
        if not wait:
            self._registrations_paid_at = self._registrations.take(self._registrations_paid_at, now)
        return wait

    def _look_at(self, request: Request) -> Refusal | None:
        path = request.path.partition("?")[0]
        if path == HEALTH_PATH:
            return Refusal(200, "ok\n")
        if path != PATH:
            return Refusal(404, f"apps connect to {PATH}\n")
        hosts = request.headers.get_all("Host")
        if len(hosts) != 1 or not is_host_admitted(hosts[0], self._hosts):
            return Refusal(403, "this server is not called by that name; see --hosts\n")
        origins = request.headers.get_all("Origin")
        if not all(is_origin_admitted(origin, self._origins) for origin in origins):
            return Refusal(403, "pages of this origin may not connect; see --cors-origins\n")
        if self._elsewhere is not None:
            return _later(RETRY_AFTER_SECONDS, self._elsewhere())
        if not self.keeper.is_well:
            return _later(RETRY_AFTER_SECONDS, "the tree cannot be kept at present")
        wait = self.pay_registration(self.now())
        if wait:
            return _later(math.ceil(wait), "too many apps connect at a time")
        try:
            # What is read only once is read where its failure can be answered.
            self.pub_key()
            if self.tier is not Tier.OPEN or self.asks_for_challenge(request):
                self.signer()
        except ClewError as error:
            logger.warning("no app can connect: %s", error.message)
            return _later(RETRY_AFTER_SECONDS, "the server's key cannot be read")
        return None

    def _meet(self) -> Connection:
        # The protocol of WebSockets is 3 MiB that a server without apps does not need.
        from clew.surfaces.ws.connection import Connection

        return Connection(self, self._loop)

    def _time_out_data(self, taken: socket.socket) -> None:
        """Have data that nobody acknowledges end a connection, as a missing pong does.

        Connections have it from the socket that they were accepted on.
        """
        import socket as sockets

        option = getattr(sockets, "TCP_USER_TIMEOUT", None)
        if option is not None:
            seconds = self.limits.ping_seconds + self.limits.pong_seconds
            taken.setsockopt(sockets.IPPROTO_TCP, option, round(seconds * 1000))


def _later(seconds: int, why: str) -> Refusal:
    return Refusal(503, f"{why}\n", (("Retry-After", str(seconds)),))


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
