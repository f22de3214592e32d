"""A tree with a real registry, real sockets and a clock that the test moves, in this process."""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvloop
from websockets.asyncio.client import ClientConnection

from clew.access.audit import Entry
from clew.access.caller import LOCAL
from clew.access.schema import SCHEMA as ACCESS
from clew.base.ids import new_uuid
from clew.store.database.contract import Database
from clew.store.database.sqlite import SqliteDatabase
from clew.surfaces.ws.door import TrailsDoor
from clew.surfaces.ws.limits import LinkLimits
from clew.testing.clock import FakeClock
from clew.tree.frames.canonical import signing_bytes
from clew.tree.frames.keys import Signer
from clew.tree.keeper.keeper import TreeKeeper
from clew.tree.machine.app import App, Tier
from clew.tree.machine.events import Schedule
from clew.tree.machine.options import TreeOptions
from clew.tree.machine.outcomes import Scheduled
from clew.tree.registry.questions import get_app
from clew.tree.registry.schema import SCHEMA as TREE
from tests.sockets import connect_async

DEADLINE_SECONDS = 60.0
KEY = "ed25519:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

PATIENT = LinkLimits(
    handshake_seconds=DEADLINE_SECONDS,
    first_frame_seconds=DEADLINE_SECONDS,
    registration_seconds=DEADLINE_SECONDS,
    pong_seconds=DEADLINE_SECONDS,
)
"""Unless a test is about them: a socket may say its first word after commits of others."""

Frame = dict[str, Any]


def run(scenario: Coroutine[Any, Any, None], seconds: float = 240) -> None:
    """Run a scenario on the loop that the server has."""

    async def bounded() -> None:
        async with asyncio.timeout(seconds):
            await scenario

    uvloop.run(bounded())


async def until(condition: Callable[[], object], seconds: float = DEADLINE_SECONDS) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - of any kind, such as a row of the registry
            await asyncio.sleep(0.002)


@dataclass
class House:
    """An open tree. `denials` are what the audit log was told of."""

    database: Database
    keeper: TreeKeeper
    door: TrailsDoor
    clock: FakeClock
    address: tuple[str, int]
    denials: list[Entry] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"ws://{self.address[0]}:{self.address[1]}/ws"

    @asynccontextmanager
    async def client(self, path: str = "") -> AsyncIterator[Client]:
        async with connect_async(self.url + path, compression=None, ping_interval=None) as socket_:
            yield Client(socket_)

    async def schedule(self, app_id: str, parent_id: str | None = None, **more: Any) -> str:
        """Announce an app; return its join token."""
        event = Schedule(
            ticket=0,
            caller=LOCAL,
            app_id=app_id,
            parent_id=parent_id,
            app_name="announced",
            tier=self.door.tier,
            token=secrets.token_urlsafe(),
            **more,
        )
        outcome = await self.keeper.ask(event)
        assert isinstance(outcome, Scheduled)
        assert outcome.token is not None
        return outcome.token

    async def stay(self) -> Client:
        """Return a client that is left open."""
        return Client(await connect_async(self.url, compression=None, ping_interval=None))

    def app(self, app_id: str) -> App:
        """Return an app as it is kept."""
        app = self.database.read(lambda reading: get_app(reading, app_id))
        assert app is not None
        return app

    def rows(self, sql: str, **parameters: Any) -> list[dict[str, Any]]:
        return self.database.read(lambda reading: reading.rows(sql, parameters))

    async def until_status(self, app_id: str, status: str) -> App:
        await until(lambda: self.app(app_id).status.value == status)
        return self.app(app_id)


@dataclass
class Client:
    """Speaks raw frames, as a client of TRAILS' open tier does."""

    socket: ClientConnection

    async def send(self, **frame: Any) -> None:
        await self.socket.send(json.dumps(frame))

    async def hear(self) -> Frame:
        async with asyncio.timeout(DEADLINE_SECONDS):
            frame: Frame = json.loads(await self.socket.recv())
        return frame

    async def ask(self, **frame: Any) -> Frame:
        await self.send(**frame)
        return await self.hear()

    async def register(self, app_id: str, parent_id: str | None = None, **more: Any) -> Frame:
        return await self.ask(**registration(app_id, parent_id, **more))

    async def say(self, app_id: str, seq: int, kind: str = "Status", payload: Any = None) -> Frame:
        return await self.ask(**message(app_id, seq, kind, payload))

    async def closed(self) -> tuple[int | None, str | None]:
        """Return how the server closed, whatever it said before."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            await self.socket.wait_closed()
        return self.socket.close_code, self.socket.close_reason


def new_id() -> str:
    return new_uuid(FakeClock().now())


def registration(app_id: str, parent_id: str | None = None, **more: Any) -> Frame:
    process = {"pid": 4711, "ppid": 1, "uid": 0, "gid": 0, "hostname": "a-host", "node_name": None}
    frame: Frame = {
        "type": "register",
        "app_id": app_id,
        "parent_id": parent_id,
        "app_name": "an-app",
        "child_pub_key": KEY,
        "process_info": process,
        "role_refs": [],
        "sig": None,
    }
    return frame | more


def message(app_id: str, seq: int, kind: str = "Status", payload: Any = None) -> Frame:
    header = {"msg_type": kind, "timestamp": 1_800_000_000_000, "seq": seq, "correlation_id": None}
    said = {"at": seq} if payload is None else payload
    return {"type": "message", "app_id": app_id, "header": header, "payload": said, "sig": None}


def sign(frame: Frame, key: Signer) -> Frame:
    """Return a frame with a signature over it."""
    bare = {name: value for name, value in frame.items() if name != "sig"}
    return bare | {"sig": key.sign(signing_bytes(json.dumps(bare).encode()))}


@asynccontextmanager
async def open_house(
    place: Path | Database,
    *,
    clock: FakeClock | None = None,
    limits: LinkLimits | None = None,
    tier: Tier = Tier.OPEN,
    **options: Any,
) -> AsyncIterator[House]:
    """Open a tree over a folder, or over a database that stays open."""
    database = SqliteDatabase.open(place, [ACCESS, TREE]) if isinstance(place, Path) else place
    clock = clock or FakeClock()
    denials: list[Entry] = []
    keeper = TreeKeeper(database, TreeOptions(tier=tier, **options), clock, deny=denials.append)
    signer = Signer()
    try:
        await keeper.open()
        door = TrailsDoor(
            keeper,
            tier=tier,
            limits=limits or PATIENT,
            pub_key=lambda: signer.pub_key,
            signer=lambda: signer,
            is_revoked=lambda key: False,
        )
        taken = socket.create_server(("127.0.0.1", 0))
        taken.setblocking(False)
        await door.open(taken)
        try:
            yield House(database, keeper, door, clock, taken.getsockname(), denials)
        finally:
            door.shut()
            await keeper.close()
            await door.close(5.0)
    finally:
        if isinstance(place, Path):
            database.close()
