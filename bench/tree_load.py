"""Apps of a tree, from a process of their own: they join, speak, wait, and hear that they are over.

``python -m bench.tree_load KIND …`` prints one JSON object as its last line. It looks at the
server's memory and CPU itself, since only it knows when all of its apps are there.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import httpx
import msgspec
import uvloop
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from bench.figures import percentile
from bench.processes import cpu_s, memory_mib, run_child
from bench.tree_peer import Peer, TurnedAwayError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

KEY: Final = "ed25519:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

OPEN_AT_ONCE: Final = 50
OPEN_S_MAX: Final = 120.0

RETRY_S: Final = 0.1
"""Between two tries to connect."""

SETTLE_S: Final = 3.0
"""What joining left behind is gone after this: buffers, a round of the collector."""

BACK_OFF_S: Final = 0.3
"""Clients of clew wait up to 0.2 s first, and twice as long each time."""

PAYLOAD: Final = {"phase": "working", "progress": 0.5, "rows": 123456, "note": "x" * 80}
"""About two hundred bytes with its frame, as statuses are."""


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """What happens. `apps` speak over `sockets`; `rate` is messages a second, of all of them."""

    kind: str
    trails: str
    http: str
    server_pid: int
    apps: int
    sockets: int
    rate: float = 0.0
    seconds: float = 0.0


def play(scene: Scene) -> dict[str, float]:
    """Run a scene in a child process and return what came of it."""
    arguments = [f"--{name}={value}" for name, value in msgspec.structs.asdict(scene).items()]
    timeout_s = scene.seconds + 2 * OPEN_S_MAX
    return msgspec.convert(run_child("bench.tree_load", arguments, timeout_s=timeout_s), dict)


@dataclass(eq=False)
class _Member:
    """One app on a socket."""

    app_id: str
    socket: Peer
    seq: int = 0
    sent_at: dict[int, float] = field(default_factory=dict)


class _Troupe:
    """All apps of a scene, a root above them."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.root_id = str(uuid.uuid4())
        self.members: dict[str, _Member] = {}
        self.sockets: list[Peer] = []
        self.latencies_ms: list[float] = []
        self.notified: list[float] = []
        self.failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._joined: dict[str, asyncio.Future[None]] = {}

    async def gather(self, count: int, sockets: int) -> None:
        """Have the root join, and so many apps below it, evenly on so many sockets."""
        async with asyncio.timeout(OPEN_S_MAX):
            await self._join(await self._open(), self.root_id, None)
        gate = asyncio.Semaphore(OPEN_AT_ONCE)

        async def arrive(number: int) -> None:
            async with gate:
                socket = await self._open()
                for _ in range(number, count, sockets):
                    await self._join(socket, str(uuid.uuid4()), self.root_id)

        async with asyncio.timeout(OPEN_S_MAX), asyncio.TaskGroup() as arrivals:
            for number in range(sockets):
                arrivals.create_task(arrive(number))

    async def disperse(self) -> None:
        """Close every socket."""
        await asyncio.gather(*(socket.close() for socket in self.sockets))

    def say(self, member: _Member) -> None:
        """Send a status."""
        member.seq += 1
        member.sent_at[member.seq] = time.perf_counter()
        member.socket.send(_encode(status(member.app_id, member.seq)))

    @property
    def unanswered(self) -> int:
        """How many messages wait for their acknowledgement."""
        return sum(len(member.sent_at) for member in self.members.values())

    async def _open(self) -> Peer:
        while True:
            try:
                socket = await Peer.connect(self.scene.trails)
                break
            except TurnedAwayError:
                # Too many come at a time: a client asks again later.
                await asyncio.sleep(RETRY_S)
        self.sockets.append(socket)
        socket.listen(lambda text: self._hear(socket, text))
        return socket

    async def _join(self, socket: Peer, app_id: str, parent_id: str | None) -> None:
        self.members[app_id] = _Member(app_id, socket)
        self._joined[app_id] = asyncio.get_running_loop().create_future()
        socket.send(_encode(registration(app_id, parent_id)))
        await self._joined[app_id]

    def _hear(self, socket: Peer, text: bytes) -> None:
        heard = _decode(text)
        match heard["type"]:
            case "registered":
                self._joined[heard["app_id"]].set_result(None)
            case "ack":
                self._take_ack(self.members[heard["app_id"]], heard["seq"])
            case "control":
                self._obey(socket, heard)
            case "error":
                self._fail(RuntimeError(f"the server refuses: {heard}"))

    def _fail(self, error: Exception) -> None:
        """End the scene, whatever it waits for."""
        if not self.failure.done():
            self.failure.set_exception(error)

    def _take_ack(self, member: _Member, seq: int) -> None:
        now = time.perf_counter()
        # An acknowledgement covers everything up to its number.
        for number in [each for each in member.sent_at if each <= seq]:
            self.latencies_ms.append((now - member.sent_at.pop(number)) * 1000)

    def _obey(self, socket: Peer, heard: dict[str, Any]) -> None:
        self.notified.append(time.perf_counter())
        answer = {name: heard[name] for name in ("app_id", "correlation_id", "action")}
        socket.send(_encode({"type": "control_ack", "ack": True, **answer}))


async def _idle(scene: Scene, troupe: _Troupe) -> dict[str, float]:
    """Let apps join and do nothing; tell what each costs the server."""
    pid = scene.server_pid
    memory, cpu = memory_mib(pid)[0], cpu_s(pid)
    begin = time.perf_counter()
    await troupe.gather(scene.apps, scene.sockets)
    seconds, joined_cpu = time.perf_counter() - begin, cpu_s(pid) - cpu
    await asyncio.sleep(SETTLE_S)
    idle_from, idle_cpu = time.perf_counter(), cpu_s(pid)
    await asyncio.sleep(scene.seconds)
    result = {
        "kib_per_app": (memory_mib(pid)[0] - memory) * 1024 / scene.apps,
        "join_cpu_ms": joined_cpu * 1000 / scene.apps,
        "joined_per_s": scene.apps / seconds,
        "idle_cores": (cpu_s(pid) - idle_cpu) / (time.perf_counter() - idle_from),
    }
    await troupe.disperse()
    return result


async def _messages(scene: Scene, troupe: _Troupe) -> dict[str, float]:
    """Say statuses at a rate, evenly over all apps, and time their acknowledgements."""
    pid = scene.server_pid
    await troupe.gather(scene.apps, scene.sockets)
    members = list(troupe.members.values())
    await asyncio.sleep(SETTLE_S)
    cpu, begin, said, own_cpu = cpu_s(pid), time.perf_counter(), 0, time.process_time()
    while (now := time.perf_counter()) < begin + scene.seconds:
        due = int((now - begin) * scene.rate)
        for number in range(said, due):
            troupe.say(members[number % len(members)])
        said = due
        await asyncio.sleep(0.002)
    async with asyncio.timeout(60):
        while troupe.unanswered:  # noqa: ASYNC110 - a look now and then costs less than an event
            await asyncio.sleep(0.002)
    seconds = time.perf_counter() - begin
    result = {
        "said": float(said),
        "acked": float(len(troupe.latencies_ms)),
        "per_s": len(troupe.latencies_ms) / seconds,
        "ack_p50_ms": percentile(troupe.latencies_ms, 0.5),
        "ack_p99_ms": percentile(troupe.latencies_ms, 0.99),
        "cpu_us": (cpu_s(pid) - cpu) * 1e6 / said,
        "load_cpu_us": (time.process_time() - own_cpu) * 1e6 / said,
    }
    await troupe.disperse()
    return result


async def _cancel(scene: Scene, troupe: _Troupe) -> dict[str, float]:
    """Cancel everything below the root; every app obeys at once."""
    pid = scene.server_pid
    await troupe.gather(scene.apps, scene.sockets)
    await asyncio.sleep(SETTLE_S)
    cpu, begin = cpu_s(pid), time.perf_counter()
    async with httpx.AsyncClient(timeout=60) as client:
        answer = await client.post(
            f"{scene.http}/api/v1/apps/{troupe.root_id}/cancel",
            params={"cascade": "true", "wait": "true", "grace_ms": "30000"},
        )
    answer.raise_for_status()
    outcomes = answer.json()["outcomes"]
    result = {
        "notified": float(len(troupe.notified)),
        "last_notified_s": max(troupe.notified) - begin,
        "answered_s": time.perf_counter() - begin,
        "confirmed": float(sum(outcome["confirmed"] for outcome in outcomes)),
        "cpu_us": (cpu_s(pid) - cpu) * 1e6 / scene.apps,
    }
    await troupe.disperse()
    return result


async def _play(scene: Scene) -> dict[str, float]:
    """Play a scene to its end, or until the server refuses something."""
    troupe = _Troupe(scene)
    playing = asyncio.ensure_future(_SCENES[scene.kind](scene, troupe))
    await asyncio.wait((playing, troupe.failure), return_when=asyncio.FIRST_COMPLETED)
    if not playing.done():
        playing.cancel()
        troupe.failure.result()
    return playing.result()


async def _storm(scene: Scene, troupe: _Troupe) -> dict[str, float]:
    """Speak through restarts of the server: come back, and say again what was not acknowledged."""
    storm = _Storm(scene)
    storm.begin()
    await asyncio.sleep(scene.seconds)
    await storm.end()
    return {
        "said": float(sum(app.seq for app in storm.apps)),
        "acked": float(sum(app.acked for app in storm.apps)),
        "kept": float(await storm.count_kept()),
        "returns": float(storm.returns),
        "last_back_s": max(storm.away_s, default=0.0),
    }


@dataclass(eq=False)
class _Sailor:
    """An app that comes back; everything up to `acked` was acknowledged."""

    app_id: str
    seq: int = 0
    acked: int = 0
    has_joined: bool = False


class _Storm:
    """Apps with a socket each, none of which gives up."""

    def __init__(self, scene: Scene) -> None:
        self.apps = [_Sailor(str(uuid.uuid4())) for _ in range(scene.apps)]
        self.returns = 0
        self.away_s: list[float] = []
        self._scene = scene
        self._pause = scene.apps / scene.rate
        self._is_over = asyncio.Event()
        self._chance = random.Random(4711)
        self._tasks: list[asyncio.Task[None]] = []

    def begin(self) -> None:
        """Let every app live."""
        self._tasks = [asyncio.create_task(self._live(app)) for app in self.apps]

    async def end(self) -> None:
        """Let every app come to the point where all that it said is acknowledged."""
        self._is_over.set()
        async with asyncio.timeout(OPEN_S_MAX):
            await asyncio.gather(*self._tasks)

    async def count_kept(self) -> int:
        """Return how many messages the server has kept."""
        kept = 0
        async with httpx.AsyncClient(timeout=30) as client:
            for app in self.apps:
                url = f"{self._scene.http}/api/v1/apps/{app.app_id}/messages"
                answer = await client.get(url, params={"limit": "1"})
                answer.raise_for_status()
                kept += answer.json()["total"]
        return kept

    async def _live(self, app: _Sailor) -> None:
        lost_at = None
        while not (self._is_over.is_set() and app.seq == app.acked):
            try:
                async with connect(
                    self._scene.trails, compression=None, ping_interval=None, open_timeout=10
                ) as socket:
                    await self._join(app, socket)
                    if lost_at is not None:
                        self.away_s.append(time.perf_counter() - lost_at)
                        self.returns += 1
                        lost_at = None
                    await self._speak(app, socket)
            except (OSError, WebSocketException, TimeoutError):
                lost_at = lost_at or time.perf_counter()
                await asyncio.sleep(BACK_OFF_S * self._chance.random())

    async def _join(self, app: _Sailor, socket: ClientConnection) -> None:
        if app.has_joined:
            frame = {"type": "re_register", "app_id": app.app_id, "last_seq": app.acked}
            await socket.send(json.dumps(frame | {"pub_key": KEY}))
        else:
            await socket.send(json.dumps(registration(app.app_id, None)))
        heard = json.loads(await socket.recv())
        if heard["type"] != "registered":
            raise OSError(heard["message"])
        app.has_joined = True

    async def _speak(self, app: _Sailor, socket: ClientConnection) -> None:
        while not (self._is_over.is_set() and app.seq == app.acked):
            if app.seq == app.acked:
                app.seq += 1
            await socket.send(json.dumps(status(app.app_id, app.seq)))
            while app.acked < app.seq:
                heard = json.loads(await socket.recv())
                if heard["type"] == "error":
                    raise OSError(heard["message"])
                app.acked = heard["seq"]
            await asyncio.sleep(self._pause * 2 * self._chance.random())


def registration(app_id: str, parent_id: str | None) -> dict[str, Any]:
    """Return the frame with which an app joins."""
    return {
        "type": "register",
        "app_id": app_id,
        "parent_id": parent_id,
        "app_name": "member",
        "child_pub_key": KEY,
        "process_info": {"pid": 1, "hostname": "bench"},
    }


def status(app_id: str, seq: int) -> dict[str, Any]:
    """Return the frame of a status."""
    header = {"msg_type": "Status", "timestamp": time.time_ns() // 10**6, "seq": seq}
    return {"type": "message", "app_id": app_id, "header": header, "payload": PAYLOAD}


_SCENES: Final[dict[str, Callable[[Scene, _Troupe], Awaitable[dict[str, float]]]]] = {
    "idle": _idle,
    "messages": _messages,
    "cancel": _cancel,
    "storm": _storm,
}


def main() -> None:
    """Play the scene that the arguments tell and print what came of it."""
    parser = argparse.ArgumentParser()
    for each in msgspec.structs.fields(Scene):
        parser.add_argument(f"--{each.name}", required=True)
    scene = msgspec.convert(vars(parser.parse_args()), Scene, strict=False)
    print(json.dumps(uvloop.run(_play(scene))))


if __name__ == "__main__":
    main()
