"""A proxy on the loopback that delays, holds up, narrows, cuts, damages and goes silent, on order.

It knows nothing of what passes through: it counts bytes. A `Strike` happens once, at a byte of one
direction; `Weather` holds for as long as it is set. A storm draws strikes from a seed, so that a
run that failed can be had again.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
import threading
from collections import Counter, deque
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from types import TracebackType

CHUNK_BYTES: Final = 16 * 1024
"""Read at once. Smaller than most answers, so that a cut in the middle of one is one."""

WAITING_CHUNKS_MAX: Final = 64
"""Of one direction of one connection, on their way; a sender waits behind them."""

CALL_SECONDS_MAX: Final = 60.0

STORM_BYTES_MAX: Final = 4096
"""Where the strikes of a storm fall: in the head of most answers, or where the body begins."""

_LINGER_NOT: Final = struct.pack("ii", 1, 0)
"""With this a socket that is closed answers with a reset instead of an end."""

Result = TypeVar("Result")


class Way(StrEnum):
    """A direction through the proxy."""

    TO_SERVER = "to_server"
    TO_CLIENT = "to_client"


class Harm(StrEnum):
    """What a strike does to a connection.

    ``reset``: both sides are told that it broke. ``truncate``: both sides see an orderly end.
    ``silence``: it stays open, and nothing passes any more. ``flip``: one bit of the byte is
    another, and everything goes on.
    """

    RESET = "reset"
    TRUNCATE = "truncate"
    SILENCE = "silence"
    FLIP = "flip"


STORM: Final = (Harm.RESET, Harm.TRUNCATE, Harm.SILENCE)
"""What a storm draws from unless it is told: what any network does, damage apart."""


@dataclass(frozen=True, slots=True)
class Strike:
    """Harm that is done when `at_byte` bytes have passed one way, counted from when it was taken.

    0 is before the first byte: to the client, that is after the server has answered.
    """

    harm: Harm
    way: Way = Way.TO_CLIENT
    at_byte: int = 0


@dataclass(frozen=True, slots=True)
class Weather:
    """What holds for every byte. `bytes_per_s` of 0 is as much as there is.

    `piece_bytes` is the most that arrives at once, 0 for no such bound. `refuses` sends whoever
    comes away at once. What goes a way that is among `lost` is taken, and never arrives.
    """

    latency_s: float = 0.0
    jitter_s: float = 0.0
    bytes_per_s: int = 0
    piece_bytes: int = 0
    refuses: bool = False
    lost: frozenset[Way] = frozenset()


CALM: Final = Weather()


class ChaosProxy:
    """Passes connections on to a port of this machine, or to a Unix socket by its path.

    It listens at the address that the port is at. From any thread but its own.
    """

    def __init__(self, target: int | Path, *, host: str = "127.0.0.1", seed: int = 0) -> None:
        self._target = target
        self._host = host
        # Two of them: how many pieces there are depends on the machine, and must not move a storm.
        self._random = random.Random(seed)  # noqa: S311 - to be had again, not to be secret
        self._jitter = random.Random(seed)  # noqa: S311
        self._strikes: deque[Strike] = deque()
        self._storm: tuple[float, tuple[Harm, ...]] = (0.0, ())
        self._connections: set[_Connection] = set()
        self.weather = CALM
        """What the weather is; may be set at any time, and holds from the next byte on."""
        self.struck: Counter[Harm] = Counter()
        """How often each harm was done."""
        self.passed: Counter[Way] = Counter()
        """How many bytes went through each way."""
        self.accepted = 0
        """How many connections were taken."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="chaos", daemon=True)
        self._thread.start()
        self._server = self._call(asyncio.start_server(self._take, host, 0))
        self.port: int = self._server.sockets[0].getsockname()[1]

    @property
    def url(self) -> str:
        """``http://host:port``."""
        return f"http://{self._host}:{self.port}"

    def strike(
        self, harm: Harm, way: Way = Way.TO_CLIENT, *, at_byte: int = 0, times: int = 1
    ) -> None:
        """Order harm: it is taken by whichever connection next passes bytes that way."""
        self._do(lambda: self._strikes.extend([Strike(harm, way, at_byte)] * times))

    def storm(self, rate: float, *harms: Harm) -> None:
        """Have each connection struck with a chance of `rate`, by any of `harms` or of `STORM`.

        Where and which way is drawn too. A rate of 0 ends the storm.
        """
        self._do(lambda: setattr(self, "_storm", (rate, harms or STORM)))

    def change_weather(self, **changes: Any) -> None:
        """Change some of the weather."""
        self.weather = replace(self.weather, **changes)

    def cut(self) -> None:
        """Reset every connection, now."""
        self._do(lambda: self._harm_all(Harm.RESET))

    def silence(self) -> None:
        """Let nothing pass any more over the connections that there are; new ones are well."""
        self._do(lambda: self._harm_all(Harm.SILENCE))

    def hold(self) -> None:
        """Keep what comes for the server over the connections that there are; new ones are well.

        A client that gives up, or is cut off, does not take back what is kept.
        """

        def hold() -> None:
            for one in self._connections:
                one.hold()

        self._do(hold)

    def held_bytes(self) -> int:
        """Return how much is kept for the server."""
        return sum(one.held_bytes for one in list(self._connections))

    def release(self) -> None:
        """Let the server have what was kept, late, however its sender fared meanwhile."""

        def release() -> None:
            for one in self._connections:
                one.release()

        self._do(release)

    def calm(self) -> None:
        """End everything that was ordered; silent connections are reset."""

        def end() -> None:
            self._strikes.clear()
            self._storm = (0.0, ())
            for one in list(self._connections):
                one.release()
                if one.is_silent:
                    one.harm(Harm.RESET)

        self.weather = CALM
        self._do(end)

    def close(self) -> None:
        """Stop; idempotent."""
        if self._loop.is_closed():
            return
        self._call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CALL_SECONDS_MAX)
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def next_strike(self, way: Way) -> Strike | None:
        """Return the strike for a connection that passes bytes one way and has none yet."""
        for strike in self._strikes:
            if strike.way is way:
                self._strikes.remove(strike)
                return strike
        return None

    def first_strike(self) -> Strike | None:
        """Return what a storm has for a new connection."""
        rate, harms = self._storm
        if not rate or self._random.random() >= rate:
            return None
        way = self._random.choice(list(Way))
        return Strike(self._random.choice(harms), way, self._random.randrange(STORM_BYTES_MAX))

    def delay(self) -> float:
        """Return how late the next piece is, in seconds."""
        return self.weather.latency_s + self._jitter.random() * self.weather.jitter_s

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        if self.weather.refuses:
            _reset(writer)
            return
        try:
            far_reader, far_writer = await self._reach()
        except (OSError, asyncio.CancelledError):
            # Nobody is there, or the proxy is closed while it looks for somebody.
            _reset(writer)
            return
        connection = _Connection(self, writer, far_writer)
        self._connections.add(connection)
        try:
            await connection.pass_on(reader, far_reader)
        except asyncio.CancelledError:
            # The proxy is closed: there is nobody left to tell.
            connection.harm(Harm.RESET)
        finally:
            self._connections.discard(connection)

    async def _reach(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self._target, int):
            return await asyncio.open_connection(self._host, self._target)
        return await asyncio.open_unix_connection(self._target)

    def _harm_all(self, harm: Harm) -> None:
        for connection in list(self._connections):
            connection.harm(harm)

    async def _end(self) -> None:
        self._server.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # What was aborted lets go of its socket in the loop's next turn.
        await asyncio.sleep(0)

    def _do(self, work: Callable[[], object]) -> None:
        async def run() -> None:
            work()

        self._call(run())

    def _call(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(CALL_SECONDS_MAX)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()


class _Connection:
    """Both directions of one connection."""

    def __init__(
        self, proxy: ChaosProxy, near: asyncio.StreamWriter, far: asyncio.StreamWriter
    ) -> None:
        self._proxy = proxy
        self._writers = {Way.TO_CLIENT: near, Way.TO_SERVER: far}
        self._strike = proxy.first_strike()
        self._passed = 0
        self._is_over = asyncio.Event()
        self._is_free = asyncio.Event()
        self._is_free.set()
        self.is_silent = False
        self._is_orphan = False
        self._waiting_bytes = 0

    async def pass_on(self, near: asyncio.StreamReader, far: asyncio.StreamReader) -> None:
        """Pass bytes on both ways until both sides have ended, or harm is done."""
        work: asyncio.Task[Any] = asyncio.create_task(self._both_ways(near, far))
        over: asyncio.Task[Any] = asyncio.create_task(self._is_over.wait())
        try:
            await asyncio.wait([work, over], return_when=asyncio.FIRST_COMPLETED)
        finally:
            work.cancel()
            over.cancel()
            await asyncio.gather(work, over, return_exceptions=True)
            for writer in self._writers.values():
                writer.close()

    def hold(self) -> None:
        """Keep what comes for the server."""
        self._is_free.clear()

    def release(self) -> None:
        """Let it go on."""
        self._is_free.set()

    @property
    def held_bytes(self) -> int:
        """How much is kept for the server."""
        return 0 if self._is_free.is_set() else self._waiting_bytes

    def harm(self, harm: Harm) -> None:
        """Do harm to it, now."""
        self._proxy.struck[harm] += 1
        match harm:
            case Harm.RESET | Harm.TRUNCATE if not self._is_free.is_set():
                # What is kept for the server is on its way all the same; no end comes after it.
                self._is_orphan = True
                _reset(self._writers[Way.TO_CLIENT])
            case Harm.SILENCE:
                self.is_silent = True
            case Harm.RESET:
                for writer in self._writers.values():
                    _reset(writer)
                self._is_over.set()
            case Harm.TRUNCATE:
                self._is_over.set()

    async def _both_ways(self, near: asyncio.StreamReader, far: asyncio.StreamReader) -> None:
        async with asyncio.TaskGroup() as ways:
            ways.create_task(self._pump(near, Way.TO_SERVER))
            ways.create_task(self._pump(far, Way.TO_CLIENT))

    async def _pump(self, reader: asyncio.StreamReader, way: Way) -> None:
        # What is on its way is kept apart from what is read, so that being late costs no width.
        coming: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(WAITING_CHUNKS_MAX)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._deliver(coming, way))
            with contextlib.suppress(ConnectionError):
                while chunk := await reader.read(self._proxy.weather.piece_bytes or CHUNK_BYTES):
                    if way is Way.TO_SERVER:
                        self._waiting_bytes += len(chunk)
                    due = asyncio.get_running_loop().time() + self._proxy.delay()
                    await coming.put((due, chunk))
            await coming.put((0.0, b""))

    async def _deliver(self, coming: asyncio.Queue[tuple[float, bytes]], way: Way) -> None:
        loop = asyncio.get_running_loop()
        writer = self._writers[way]
        while True:
            due, chunk = await coming.get()
            await asyncio.sleep(max(0.0, due - loop.time()))
            if way is Way.TO_SERVER:
                await self._is_free.wait()
                self._waiting_bytes -= len(chunk)
            if not chunk:
                if way is Way.TO_CLIENT or not self._is_orphan:
                    with contextlib.suppress(OSError):
                        writer.write_eof()
                return
            width = self._proxy.weather.bytes_per_s
            if width:
                await asyncio.sleep(len(chunk) / width)
            if self.is_silent or way in self._proxy.weather.lost:
                continue
            with contextlib.suppress(ConnectionError):
                writer.write(self._spared(chunk, way))
                await writer.drain()
            if self._strike is not None and self._strike.way is way and self._is_due():
                strike, self._strike = self._strike, None
                self.harm(strike.harm)

    def _spared(self, chunk: bytes, way: Way) -> bytes:
        """Return what of a piece passes before the strike, if there is one."""
        if self._strike is None:
            self._strike, self._passed = self._proxy.next_strike(way), 0
        spared = chunk
        if self._strike is not None and self._strike.way is way:
            at = self._strike.at_byte - self._passed
            if self._strike.harm is not Harm.FLIP:
                spared = chunk[:at]
            elif at < len(chunk):
                spared = chunk[:at] + bytes([chunk[at] ^ 1]) + chunk[at + 1 :]
            self._passed += len(chunk)
        self._proxy.passed[way] += len(spared)
        return spared

    def _is_due(self) -> bool:
        return self._strike is not None and self._passed > self._strike.at_byte


def _reset(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    if sock is not None:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
    writer.transport.abort()
