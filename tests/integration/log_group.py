"""Servers of a group as far as the log goes: a pipeline and its door each, on real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import uvicorn

from clew.access.caller import LOCAL
from clew.access.registry import AccessRegistry
from clew.access.schema import SCHEMA as ACCESS
from clew.remote.http import Server
from clew.store.database.sqlite import SqliteDatabase
from clew.store.flusher import FlushOptions
from clew.store.log.options import LogOptions
from clew.store.pipeline import Pipeline, PipelineOptions, RecordKind
from clew.store.replication.follower import Follower, FollowerOptions
from clew.store.replication.leader import Leader, LeaderOptions
from clew.store.replication.reader import LogReader
from clew.store.replication.standing import Standing
from clew.surfaces.connection import configure
from clew.surfaces.identity import SCOPE_KEY, Identity
from clew.surfaces.internal.wal import InternalDoor
from clew.testing.network import HeldPorts
from tests.integration.made_up import NUMBERS, WORDS, MemoryEngine, seen

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Coroutine, Generator, Sequence
    from pathlib import Path

    from clew.store.decoder import Decoded

DEADLINE_S = 60.0

# The first conversion of Arrow imports pandas, which takes seconds on a busy machine; whoever waits
# for an answer of a server would take it for one that is gone.
pa.array([0]).to_pandas()
KINDS = (NUMBERS, WORDS)

OPTIONS = PipelineOptions(
    flush=FlushOptions(batch_rows=50, interval_s=0.05),
    log=LogOptions(segment_bytes=2_000, kept_bytes_max=20_000_000, probe_s=0.05),
    # How far an engine may be behind is not what these tests ask.
    batches_waiting_max=1000,
    close_timeout_s=2.0,
)


def wait_for(condition: Callable[[], bool], what: str = "it") -> None:
    """Wait for something that another thread makes true."""
    deadline = time.monotonic() + DEADLINE_S
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen"
        pause.wait(0.005)


class Book:
    """A registry that is a list."""

    def __init__(self) -> None:
        self.entries: list[tuple[int, bytes]] = []

    def apply(self, number: int, payload: bytes) -> None:
        if number > self.applied():
            self.entries.append((number, payload))

    def applied(self) -> int:
        return self.entries[-1][0] if self.entries else 0


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


class Node:
    """One server. Its address stays when it is closed and opened again, and so does its engine."""

    def __init__(self, folder: Path, engine: MemoryEngine | None = None) -> None:
        self.folder = folder
        self.engine = engine or MemoryEngine()
        self.book = Book()
        self._held = HeldPorts(1)
        (self.port,) = self._held.numbers
        self.url = f"http://127.0.0.1:{self.port}"
        self.fenced: list[tuple[int, str | None, str | None]] = []
        self.needs: list[str | None] = []
        self.open_snapshot: Callable[[], Generator[bytes]] | None = None
        self.part: Leader | Follower | None = None
        self._thread: threading.Thread | None = None

    def lead(
        self,
        standbys: Sequence[str],
        *,
        epoch: int | None = None,
        required: int | None = None,
        ack_timeout_s: float = DEADLINE_S,
        options: PipelineOptions = OPTIONS,
    ) -> Node:
        standing = Standing.open(self.folder)
        standing.lead(epoch or standing.epoch + 1, self.url)
        leader = Leader(
            standing,
            LeaderOptions(
                standbys,
                lambda url, timeout_s: Server(url, read_timeout_s=timeout_s),
                url=self.url,
                required=required,
                ack_timeout_s=ack_timeout_s,
                on_fenced=lambda *who: self.fenced.append(who),
            ),
        )
        return self._open(leader, options)

    def follow(self, options: PipelineOptions = OPTIONS) -> Node:
        standing = Standing.open(self.folder)
        chosen = FollowerOptions(on_snapshot_needed=self.needs.append)
        return self._open(Follower(standing, chosen), options)

    def alone(self, options: PipelineOptions = OPTIONS) -> Node:
        return self._open(None, options)

    def close(self) -> None:
        if self._thread is not None:
            self.loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(DEADLINE_S)
            assert not self._thread.is_alive()
            self._thread = None

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(DEADLINE_S)

    def accept(self, body: bytes, kind: RecordKind = NUMBERS) -> Decoded:
        decoded: Decoded = self.run(self.pipeline.accept(kind, body))
        return decoded

    def seen(self) -> Counter[int]:
        return seen(self.pipeline.snapshot(), self.engine)

    def _open(self, part: Leader | Follower | None, options: PipelineOptions) -> Node:
        assert self._thread is None
        self.part = part
        ready: list[BaseException | None] = []
        is_ready = threading.Event()

        def live() -> None:
            try:
                asyncio.run(self._live(part, options, is_ready))
            except BaseException as error:  # noqa: BLE001 - told to the test
                ready.append(error)
                is_ready.set()

        self._thread = threading.Thread(target=live, daemon=True)
        self._thread.start()
        assert is_ready.wait(DEADLINE_S)
        if ready and ready[0] is not None:
            self._thread.join()
            self._thread = None
            raise ready[0]
        return self

    async def _live(
        self, part: Leader | Follower | None, options: PipelineOptions, ready: threading.Event
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self.pipeline = Pipeline.open(
            self.folder, self.engine, KINDS, options, changes=self.book, part=part
        )
        database = SqliteDatabase.open(self.folder / "registry", (ACCESS,))
        identity = Identity(AccessRegistry.open(database, time.time_ns))
        door = InternalDoor(
            part,
            identity,
            tell_more=lambda: {"flushed": self.pipeline.status().flushed},
            read_log=self._read_log,
            open_snapshot=self.open_snapshot,
        )

        async def answer(scope: Any, receive: Any, send: Any) -> None:
            scope[SCOPE_KEY] = LOCAL
            await door(scope, receive, send)

        server = _Server(configure(answer))
        server.config.load()
        server.lifespan = server.config.lifespan_class(server.config)
        taken = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", self.port))
        await server.startup(sockets=[taken])
        loop = asyncio.create_task(server.main_loop())
        ready.set()
        await self._stop.wait()
        server.should_exit = True
        server.config.timeout_graceful_shutdown = 1
        await loop
        await server.shutdown(sockets=[taken])
        await self.pipeline.close()
        database.close()

    def _read_log(self, after: int, bytes_max: int) -> Any:
        log = self.folder / "log"
        name = next(iter(sorted(log.glob("*.log")))).name
        reader = LogReader(log, bytes.fromhex(name[-36:-4]))
        try:
            return reader.read(after, bytes_max=bytes_max)
        finally:
            reader.close()


def log_of(folder: Path) -> list[tuple[int, int, bytes]]:
    """Return number, epoch and payload of every frame in a log that nobody writes."""
    log = folder / "log"
    names = sorted(log.glob("*.log"))
    if not names:
        return []
    reader = LogReader(log, bytes.fromhex(names[0].name[-36:-4]))
    try:
        records = reader.read(int(names[0].name[:20]) - 1, bytes_max=1 << 30) or []
    finally:
        reader.close()
    return [(record.number, record.epoch, record.payload) for record in records]
