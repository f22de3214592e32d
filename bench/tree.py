"""The tree: idle apps, durable messages, a cancel of ten thousand; on both registries."""

from __future__ import annotations

import contextlib
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.clew_server import ClewServer
from bench.figures import median_of, single
from bench.processes import wait_until_idle
from bench.tree_load import Scene, play
from clew.testing.network import HeldPorts
from clew.testing.postgres import PostgresProcess

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.machine import Session

REGISTRIES: Final = ("sqlite", "postgres")

# One app speaks 50 times a second at the most, so a rate tells how many there must be.
_RATES: Final = ((500.0, 200), (4_000.0, 200), (8_000.0, 200), (12_000.0, 300))


KILLS: Final = 3
"""How often the server is killed in the storm."""

RESTART_S: Final = 3.0
"""Left for each start, so that the storm does not end before the last kill."""


@dataclass(frozen=True, slots=True)
class _Sizes:
    idle: int
    seconds: float
    cancelled: int
    rounds: int
    stormed: int
    between_kills_s: float


FULL: Final = _Sizes(
    idle=9_000, seconds=10.0, cancelled=9_900, rounds=1, stormed=2_000, between_kills_s=8.0
)
"""A process may open 20 000 files here, and a node has 10 000 children at the most."""

QUICK: Final = _Sizes(
    idle=200, seconds=2.0, cancelled=200, rounds=1, stormed=100, between_kills_s=4.0
)


def run(session: Session) -> None:
    """Play every scene on every registry, each round over a server and a folder of its own."""
    sizes = QUICK if session.quick else FULL
    for registry in REGISTRIES:
        session_of = _Plays(session, registry, sizes)
        session_of.play("idle", "idle", apps=sizes.idle, sockets=sizes.idle)
        for rate, apps in _RATES:
            session_of.play(f"messages.{rate:.0f}", "messages", apps=apps, sockets=apps, rate=rate)
        session_of.play("cancel", "cancel", apps=sizes.cancelled, sockets=100)
        _storm(session, registry, sizes)


def _storm(session: Session, registry: str, sizes: _Sizes) -> None:
    """Kill the server again and again while apps speak; nothing acknowledged may be missing.

    Raises:
        RuntimeError: a message was lost, or kept twice.
    """
    held = HeldPorts(2)
    trails_port, http_port = held.numbers
    with tempfile.TemporaryDirectory() as scratch, _registry(registry) as flags:
        folder = Path(scratch) / "data"

        def start() -> ClewServer:
            return ClewServer(folder, *flags, trails_port=trails_port, http_port=http_port)

        server = start()
        scene = Scene(
            kind="storm",
            trails=f"ws://127.0.0.1:{trails_port}/ws",
            http=f"http://127.0.0.1:{http_port}",
            server_pid=server.pid,
            apps=sizes.stormed,
            sockets=sizes.stormed,
            rate=sizes.stormed,
            seconds=(KILLS + 1) * (sizes.between_kills_s + RESTART_S),
        )
        try:
            with ThreadPoolExecutor(1) as pool:
                playing = pool.submit(play, scene)
                for _ in range(KILLS):
                    # The time is what is asked for: the load goes on for so long between kills.
                    time.sleep(sizes.between_kills_s)
                    server.kill()
                    server = start()
                found = playing.result()
        finally:
            server.kill()
    if not found["said"] == found["acked"] == found["kept"]:
        raise RuntimeError(f"the storm lost or doubled something: {found}")
    name = f"tree.{registry}.storm"
    session.add(f"{name}.messages", single(found["kept"], "", note="all kept once"))
    session.add(f"{name}.returns", single(found["returns"], "", note=f"{KILLS} times kill -9"))
    session.add(f"{name}.last_back_s", single(found["last_back_s"], "s", note="start included"))


_UNITS: Final = {
    "kib_per_app": "KiB",
    "join_cpu_ms": "ms",
    "joined_per_s": "1/s",
    "idle_cores": "cores",
    "per_s": "1/s",
    "ack_p50_ms": "ms",
    "ack_p99_ms": "ms",
    "cpu_us": "µs",
    "load_cpu_us": "µs",
    "last_notified_s": "s",
    "answered_s": "s",
}
_COUNTED: Final = (("said", "acked"),)


@dataclass(frozen=True, slots=True)
class _Plays:
    session: Session
    registry: str
    sizes: _Sizes

    def play(self, name: str, kind: str, *, apps: int, sockets: int, rate: float = 0.0) -> None:
        """Play a scene some times and keep its figures.

        Raises:
            RuntimeError: not everything that was said was acknowledged, or not everybody notified.
        """
        found: dict[str, list[float]] = {}
        for _ in range(self.sizes.rounds):
            for key, value in self._play_once(kind, apps, sockets, rate).items():
                found.setdefault(key, []).append(value)
        for one, other in _COUNTED:
            if found.get(one) != found.get(other):
                raise RuntimeError(f"{name}: {one} {found[one]}, {other} {found[other]}")
        if kind == "cancel" and min(found["notified"] + found["confirmed"]) <= apps:
            raise RuntimeError(f"cancel: {found['notified']} notified of {apps + 1}")
        for key, unit in _UNITS.items():
            if key in found:
                self.session.add(f"tree.{self.registry}.{name}.{key}", median_of(found[key], unit))

    def _play_once(self, kind: str, apps: int, sockets: int, rate: float) -> dict[str, float]:
        with (
            tempfile.TemporaryDirectory() as scratch,
            _registry(self.registry) as flags,
            ClewServer(Path(scratch) / "data", *flags) as server,
        ):
            wait_until_idle(server.pid, timeout_s=30)
            scene = Scene(
                kind=kind,
                trails=f"ws://{server.doors['trails']}/ws",
                http=f"http://{server.doors['http']}",
                server_pid=server.pid,
                apps=apps,
                sockets=sockets,
                rate=rate,
                seconds=self.sizes.seconds,
            )
            return play(scene)


@contextlib.contextmanager
def _registry(name: str) -> Iterator[tuple[str, ...]]:
    """Return the flags of a server that keeps its registry there."""
    if name == "sqlite":
        yield ()
        return
    with PostgresProcess() as server:
        yield ("--registry", server.new_url())
