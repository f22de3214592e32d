"""A fleet of apps that never gives up: what each was told is kept, and what it heard back."""

from __future__ import annotations

import asyncio
import json
import random
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from tests.integration.tree_house import KEY, message, registration

OPEN_SECONDS = 10.0
BACK_OFF_SECONDS = 0.3


@dataclass
class StormApp:
    """One app: says a Status again and again, and sends again whatever was not acknowledged."""

    app_id: str
    parent_id: str | None
    said: int = 0
    acked: int = 0
    """The highest number that was acknowledged: acknowledgements are cumulative."""
    is_registered: bool = False
    returns: int = 0
    refusals: list[dict[str, Any]] = field(default_factory=list)


class Fleet:
    """Apps that speak to whichever server `url` names at the time."""

    def __init__(self, url: str, apps: list[StormApp], *, pause: float) -> None:
        self.url = url
        self.apps = apps
        self.pause = pause
        self._is_over = asyncio.Event()
        self._random = random.Random(4711)
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def acked(self) -> int:
        """How many messages were acknowledged."""
        return sum(app.acked for app in self.apps)

    def start(self) -> None:
        self._tasks = [asyncio.create_task(self._live(app)) for app in self.apps]

    async def end(self) -> None:
        """Let every app come to a point where all it said is acknowledged."""
        self._is_over.set()
        await asyncio.gather(*self._tasks)

    async def _live(self, app: StormApp) -> None:
        while not (self._is_over.is_set() and app.said == app.acked):
            try:
                async with connect(
                    self.url, compression=None, ping_interval=None, open_timeout=OPEN_SECONDS
                ) as socket:
                    await self._join(app, socket)
                    await self._speak(app, socket)
            except (OSError, WebSocketException, TimeoutError):
                app.returns += 1
                await asyncio.sleep(BACK_OFF_SECONDS * self._random.random())

    async def _join(self, app: StormApp, socket: ClientConnection) -> None:
        if app.is_registered:
            frame = {"type": "re_register", "app_id": app.app_id, "last_seq": app.acked}
            await socket.send(json.dumps(frame | {"pub_key": KEY}))
        else:
            await socket.send(json.dumps(registration(app.app_id, app.parent_id)))
        heard = json.loads(await socket.recv())
        if heard["type"] != "registered":
            app.refusals.append(heard)
            raise OSError(heard["message"])
        app.is_registered = True
        assert heard.get("durable_seq", 0) >= app.acked, "an acknowledged message is gone"
        app.acked = max(app.acked, heard.get("durable_seq", 0))
        for seq in range(app.acked + 1, app.said + 1):
            await socket.send(json.dumps(message(app.app_id, seq)))

    async def _speak(self, app: StormApp, socket: ClientConnection) -> None:
        """Say something, hear that it is kept, and so on; or hear out what is on its way."""
        while True:
            if app.said == app.acked:
                if self._is_over.is_set():
                    return
                await asyncio.sleep(self.pause * self._random.random())
                app.said += 1
                await socket.send(json.dumps(message(app.app_id, app.said)))
            heard = json.loads(await socket.recv())
            if heard["type"] == "ack":
                app.acked = max(app.acked, heard["seq"])
            elif heard["type"] == "error":
                app.refusals.append(heard)
