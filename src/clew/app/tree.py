"""The tree as one thing to open and close: its keeper, its door, and the server's own key."""

from __future__ import annotations

import asyncio
import functools
import logging
import math
import ssl
from typing import TYPE_CHECKING, Final

from clew.app.server_key import open_signer, read_pub_key
from clew.app.sockets import port_of
from clew.base.errors import ClewError, ErrorCode
from clew.surfaces.ws.door import PATH, TrailsDoor
from clew.surfaces.ws.limits import RESERVED_DESCRIPTORS, LinkLimits
from clew.tree.contract import Endpoint
from clew.tree.journal.journal import Journal
from clew.tree.journal.schema import read_position
from clew.tree.keeper.clock import SteadyClock
from clew.tree.keeper.keeper import TreeKeeper
from clew.tree.keeper.upkeep import Retention, Upkeep
from clew.tree.machine.app import Tier
from clew.tree.machine.options import TreeOptions

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Collection

    from clew.access.audit import Entry
    from clew.app.configuration.settings import Configuration
    from clew.store.database.contract import Database
    from clew.tree.journal.journal import JournalSink

logger = logging.getLogger(__name__)

_ANYWHERE: Final = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - told apart, not bound


class TreeHouse:
    """What keeps the tree, and the door of its apps. Belongs to one event loop.

    `deny` hears of what was refused; `is_revoked` tells whether a public key counts no more; `sink`
    takes what the tree did, as telemetry; `forget` hears of apps that were removed. Where another
    server keeps the tree, `elsewhere` says which, and nothing is decided here. `count_copies` is as
    for `TrailsDoor`.
    """

    def __init__(
        self,
        configuration: Configuration,
        database: Database,
        *,
        deny: Callable[[Entry], None],
        is_revoked: Callable[[str], bool],
        sink: JournalSink,
        forget: Callable[[Collection[str]], None],
        elsewhere: Callable[[], str] | None = None,
        count_copies: Callable[[], int] | None = None,
    ) -> None:
        self._configuration = configuration
        clock = SteadyClock(asyncio.get_running_loop())
        options = TreeOptions(
            tier=configuration.trails_tier,
            resume_window_ms=round(configuration.trails_resume_window * 1000),
            recovery_window_ms=round(configuration.trails_recovery_window * 1000),
            restart_window_ms=round(configuration.trails_restart_window * 1000),
            # TRAILS counts it in whole seconds; it is never shorter than was asked for.
            start_deadline_s=math.ceil(configuration.trails_start_deadline),
        )
        self.signer = functools.cache(functools.partial(open_signer, configuration.data_dir))
        """Gives the server's own key; the first call reads it, or makes one."""
        self.pub_key = functools.cache(functools.partial(read_pub_key, configuration.data_dir))
        """Gives the public half alone, which needs no cryptography once there is a key."""
        self.keeper = TreeKeeper(database, options, clock, deny=deny)
        self.upkeep = Upkeep(
            database,
            self.keeper,
            clock.now,
            Retention(
                statuses=configuration.retention_messages,
                apps=configuration.retention_apps,
                answered=configuration.retention_answers,
            ),
            told=read_position,
            forget=forget,
        )
        self.journal = Journal(database, self.keeper.hub, sink)
        self.door: TrailsDoor | None = None
        self._is_revoked = is_revoked
        self._elsewhere = elsewhere
        self._count_copies = count_copies
        self._port: int | None = None

    async def open(self, taken: socket.socket | None) -> None:
        """Load what is kept, and let apps in at a socket that is bound, if there is one.

        Raises:
            ClewError: the registry cannot be read, or there is no certificate where one is named.
        """
        configuration = self._configuration
        if self._elsewhere is None:
            await self.keeper.open()
            self.upkeep.open()
            self.journal.open()
        if taken is None:
            return
        self._port = port_of(taken)
        self.door = TrailsDoor(
            self.keeper,
            tier=configuration.trails_tier,
            limits=LinkLimits(
                ping_seconds=configuration.trails_ping,
                pong_seconds=configuration.trails_ping,
                sockets_max=_count_sockets(),
            ),
            pub_key=self.pub_key,
            signer=self.signer,
            is_revoked=self._is_revoked,
            hosts=(*configuration.hosts, *_names(configuration)),
            origins=configuration.cors_origins,
            elsewhere=self._elsewhere,
            count_copies=self._count_copies,
        )
        await self.door.open(taken, _open_tls(configuration))

    def find_endpoint(self, host: str) -> Endpoint | None:
        """Return where apps find the server, for whoever reached it at `host`; None for nowhere.

        Blocks: the first call may read the server's key, or make it.
        """
        configuration = self._configuration
        if self.door is None or configuration.trails is None or self._port is None:
            return None
        own = configuration.trails.host
        # A wildcard is no address that anybody can call.
        shown = host if own in _ANYWHERE else own
        shown = f"[{shown}]" if ":" in shown else shown
        scheme = "ws" if configuration.trails_certificate is None else "wss"
        return Endpoint(f"{scheme}://{shown}:{self._port}{PATH}", self.pub_key())

    async def close(self) -> None:
        """Let nobody in, answer what has come, tell everybody to come back, and wait for them."""
        if self.door is not None:
            self.door.shut()
        await self.upkeep.close()
        await self.keeper.close()
        await self.journal.close()
        if self.door is not None:
            await self.door.close(self._configuration.drain_seconds_max)


def _names(configuration: Configuration) -> tuple[str, ...]:
    return (configuration.trails.host,) if configuration.trails is not None else ()


def _count_sockets() -> int:
    """Return how many sockets of apps the process has descriptors for."""
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = LinkLimits().sockets_max
    if limit == resource.RLIM_INFINITY:
        return most
    return max(RESERVED_DESCRIPTORS // 8, min(most, limit - RESERVED_DESCRIPTORS))


def _open_tls(configuration: Configuration) -> ssl.SSLContext | None:
    if configuration.trails_certificate is None:
        if configuration.trails_tier is Tier.FULL:
            raise ClewError(
                ErrorCode.INVALID_ARGUMENT,
                "the tier full is over TLS, and there is no certificate",
                hint="name one with --trails-certificate; where something in front of clew speaks"
                " TLS, take --trails-tier signed",
            )
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(configuration.trails_certificate, configuration.trails_private_key)
    except (OSError, ssl.SSLError) as error:
        raise ClewError(
            ErrorCode.UNAVAILABLE,
            f"the certificate of the agent plane cannot be used: {error}",
            hint="look at --trails-certificate and --trails-private-key",
        ) from error
    return context
