"""Three servers whose log is one, a network between them that does its worst, and what they said.

Logs lie on disk, the engine is in memory. A crash leaves what was in the folder at that moment.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa

from clew.base.errors import ClewError, ErrorCode
from clew.store.flusher import FlushOptions
from clew.store.log.options import LogOptions
from clew.store.options import PipelineOptions
from clew.store.pipeline import Pipeline
from clew.store.replication.follower import Follower
from clew.store.replication.leader import Leader, LeaderOptions
from clew.store.replication.said import Said, Shipment
from clew.store.replication.standing import Standing
from tests.integration.made_up import NUMBERS, MemoryEngine, record, seen

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

DEADLINE_S = 60.0

OPTIONS = PipelineOptions(
    flush=FlushOptions(batch_rows=3, interval_s=0.02),
    log=LogOptions(segment_bytes=400, kept_bytes_max=10_000_000, probe_s=0.02),
    close_timeout_s=0.05,
)

# The first conversion of Arrow imports pandas, which takes seconds on a busy machine.
pa.array([0]).to_pandas()


def wait_for(condition: Any, what: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen"
        pause.wait(0.005)


@dataclass
class Answer:
    body: bytes


@dataclass
class Link:
    """A connection from one life of a server to another server."""

    town: Town
    source: str
    life: int
    target: str

    def get(self, path: str) -> Answer:
        assert path.endswith("position")
        standing = self._reach().standing
        known = {
            "epoch": standing.epoch,
            "leader": standing.leader,
            "leader_url": standing.leader_url,
        }
        return Answer(msgspec.json.encode(known))

    def post(
        self, path: str, body: bytes, content_type: str, *, headers: Mapping[str, str]
    ) -> Answer:
        assert path
        assert content_type
        chance = self.town.chance.random()
        sent = (self.target, dict(headers), body)
        if chance < 0.05:
            raise ClewError(ErrorCode.UNAVAILABLE, "the request was lost")
        if chance < 0.10 and self.town.sent:
            # Something that was held up somewhere arrives now.
            late, late_headers, late_body = self.town.chance.choice(self.town.sent)
            self._deliver(late, late_headers, late_body, may_fail=True)
        if chance > 0.95 and body:
            body = body[:-1] + bytes([body[-1] ^ 1])
        self.town.sent = [*self.town.sent[-20:], sent]
        said = self._deliver(self.target, headers, body)
        if 0.10 < chance < 0.15:
            said = self._deliver(self.target, headers, body)
        if 0.15 < chance < 0.20:
            raise ClewError(ErrorCode.TIMEOUT, "the answer was lost")
        assert said is not None
        return Answer(msgspec.json.encode(said))

    def close(self) -> None:
        """Nothing is open."""

    def abort(self) -> None:
        """What is asked is answered at once."""

    def _deliver(
        self, target: str, headers: Mapping[str, str], body: bytes, *, may_fail: bool = False
    ) -> Said | None:
        try:
            server = self._reach(target)
            assert server.part is not None
            return server.part.take(Shipment.parse(headers), body)
        except ClewError:
            if may_fail:
                return None
            raise

    def _reach(self, name: str | None = None) -> Server:
        name = name or self.target
        source, target = self.town.servers[self.source], self.town.servers[name]
        is_cut = frozenset({self.source, name}) in self.town.cuts
        if is_cut or source.life != self.life or target.part is None:
            raise ClewError(ErrorCode.UNAVAILABLE, "nobody answers")
        return target


@dataclass
class Server:
    """One server: a folder, an engine, and what it is at present."""

    town: Town
    name: str
    folder: Path
    engine: MemoryEngine = field(default_factory=MemoryEngine)
    part: Leader | Follower | None = None
    life: int = 0
    is_fenced: bool = False
    known: Standing | None = None

    @property
    def is_leader(self) -> bool:
        return isinstance(self.part, Leader) and not self.is_fenced

    def follow(self) -> None:
        self._open(Follower(self.standing))

    def lead(self) -> None:
        life = self.life

        def connect(url: str, _timeout_s: float) -> Link:
            return Link(self.town, self.name, life, url)

        def hear(_epoch: int, _leader: str | None, _url: str | None) -> None:
            self.is_fenced = True

        others = [name for name in self.town.servers if name != self.name]
        options = LeaderOptions(
            others, connect, url=self.name, required=1, ack_timeout_s=0.15, on_fenced=hear
        )
        self._open(Leader(self.standing, options))

    def _open(self, part: Leader | Follower) -> None:
        self.is_fenced = False
        self.pipeline = Pipeline.open(self.folder, self.engine, (NUMBERS,), OPTIONS, part=part)
        self.part = part

    @property
    def standing(self) -> Standing:
        """What a process has one of, whatever role it is in."""
        if self.known is None:
            self.known = Standing.open(self.folder)
        return self.known

    def close(self) -> None:
        part, self.part = self.part, None
        self.life += 1
        if part is not None:
            self.town.run(self.pipeline.close())

    def crash(self) -> None:
        """Go on from what the folder holds now, as if the process had been killed."""
        image = self.folder.with_name(f"{self.name}-{self.life + 1}")
        # Nothing gets into the engine meanwhile: a log that knows of rows is older than they are.
        with self.engine.held():
            engine = self.engine.copy()
            _copy(self.folder, image)
        self.close()
        self.folder, self.engine, self.known = image, engine, None

    def seen(self) -> Counter[int]:
        return seen(self.pipeline.snapshot(), self.engine)


def _copy(source: Path, target: Path) -> None:
    """Copy a folder that is being written; what goes meanwhile was not needed any more."""
    while True:
        shutil.rmtree(target, ignore_errors=True)
        try:
            shutil.copytree(source, target)
        except (shutil.Error, FileNotFoundError):
            continue
        return


class Town:
    """Three servers, and the oracle: what was sent, and of what it was said that it is kept."""

    def __init__(self, folder: Path, seed: int) -> None:
        # What the network does is asked for by threads; the script has a chance of its own.
        self.chance = random.Random(seed)
        self.script = random.Random(seed)
        self.log: list[str] = []
        self.cuts: set[frozenset[str]] = set()
        self.sent: list[tuple[str, dict[str, str], bytes]] = []
        self.tried: set[int] = set()
        self.kept: set[int] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.servers = {name: Server(self, name, folder / name) for name in "abc"}
        for server in self.servers.values():
            server.folder.mkdir()
            server.follow()

    def run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(DEADLINE_S)

    def leaders(self) -> list[Server]:
        return [server for server in self.servers.values() if server.is_leader]

    def send(self, number: int) -> bool:
        """Send a number to every server that says it leads, until one keeps it."""
        for server in self.leaders():
            self.tried.add(number)
            try:
                self.run(server.pipeline.accept(NUMBERS, record(number)))
            except ClewError:
                continue
            self.kept.add(number)
            return True
        return False

    def tend(self) -> None:
        """What the composition of a server does: who is fenced opens as a standby."""
        for server in self.servers.values():
            if server.is_fenced:
                server.close()
                server.follow()

    def promote(self, name: str) -> bool:
        """Have a server lead, if another that it reaches lets it and has not more."""
        server = self.servers[name]
        others = [each for each in self.servers.values() if each is not server and each.part]
        near = [o for o in others if frozenset({name, o.name}) not in self.cuts]
        own = None if server.part is None else _rank(server.part.tell())
        server.close()
        standing = server.standing
        epoch = 1 + max(each.standing.epoch for each in (server, *near))
        standing.lead(epoch, name)
        heard: list[Said] = []
        for other in near:
            assert other.part is not None
            try:
                heard.append(
                    other.part.take(Shipment(epoch, standing.node_id, name, extent=own), b"")
                )
            except ClewError:
                continue
        server.follow()
        assert server.part is not None
        mine = server.part.tell()
        has_most = all(_rank(said) <= _rank(mine) for said in heard)
        if heard and has_most:
            server.close()
            server.lead()
        return server.is_leader

    def check(self) -> None:
        """Nothing is ever seen that was not sent, or twice."""
        for server in self.servers.values():
            if server.part is None:
                continue
            found = server.seen()
            assert set(found) <= self.tried
            assert not [number for number, times in found.items() if times > 1]

    def settle(self) -> None:
        """Let everything be well again, and compare what is there with what was said."""
        self.cuts.clear()
        for server in self.servers.values():
            if server.part is None:
                server.follow()
        try:
            wait_for(self._is_level, "catching up")
        except AssertionError:
            for server in self.servers.values():
                status = server.pipeline.status()
                sys.stdout.write(f"{server.name} {server.standing.starts} {status}\n")
            raise
        found = {name: server.seen() for name, server in self.servers.items()}
        for counts in found.values():
            assert counts == found["a"], found
        assert all(times == 1 for times in found["a"].values())
        assert self.kept <= set(found["a"]) <= self.tried

    def _is_level(self) -> bool:
        self.tend()
        # Two may have taken the same epoch without hearing of one another; both have to step back.
        if not self.leaders():
            any(self.promote(name) for name in "abc")
        if len(self.leaders()) != 1:
            return False
        (leader,) = self.leaders()
        positions = {server.part.tell().last for server in self.servers.values() if server.part}
        acked = {server.pipeline.acked for server in self.servers.values()}
        status = leader.pipeline.status().group
        assert status is not None
        is_whole = status.acked == status.last
        return is_whole and len(positions) == 1 and acked == {status.acked}

    def close(self) -> None:
        for server in self.servers.values():
            server.close()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(DEADLINE_S)
        self._loop.close()


def _rank(said: Said) -> tuple[int, int]:
    return (said.last_epoch or 0, said.last)
