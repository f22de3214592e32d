"""Peers that mean no good, or cannot help it: each is bounded, and nobody else notices."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosedError, InvalidStatus

from clew.base.errors import ClewError, ErrorCode
from clew.surfaces.ws.limits import FRAGMENTS_MAX, LinkLimits
from clew.tree.frames.codes import CloseCode
from clew.tree.frames.fields import NUMBER_MAX
from clew.tree.machine.app import Status
from tests.integration.tree_house import (
    KEY,
    PATIENT,
    Client,
    House,
    message,
    new_id,
    open_house,
    registration,
    run,
    until,
)
from tests.sockets import connect_async

TEXT, BINARY, CONTINUATION, PING, PONG = 0x1, 0x2, 0x0, 0x9, 0xA
FIN = 0x80
MASK = b"\0\0\0\0"

UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)

QUICK = replace(PATIENT, frames_per_second=1e6, frames_burst=10**6)

SLEEPER = """
import json, signal, sys
from websockets.sync.client import connect
with connect(sys.argv[1], open_timeout=150, compression=None, max_size=None) as socket:
    socket.send(sys.argv[2])
    print(json.loads(socket.recv())["type"], flush=True)
    signal.pause()
"""


def frame_of(
    opcode: int, data: bytes = b"", *, fin: bool = True, length: int | None = None
) -> bytes:
    """Return a client's frame, masked by zeros; `length` is what its head claims."""
    size = len(data) if length is None else length
    head = bytes([opcode | (FIN if fin else 0)])
    if size < 126:
        head += bytes([0x80 | size])
    elif size < 1 << 16:
        head += b"\xfe" + struct.pack("!H", size)
    else:
        head += b"\xff" + struct.pack("!Q", size)
    return head + MASK + data


@asynccontextmanager
async def raw_socket(
    house: House, *, upgraded: bool = True
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Connect by TCP alone, and upgrade by hand."""
    reader, writer = await asyncio.open_connection(*house.address)
    try:
        if upgraded:
            writer.write(UPGRADE)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 101")
        yield reader, writer
    finally:
        writer.close()


async def read_rest(reader: asyncio.StreamReader) -> bytes:
    """Return everything until the server hangs up, whichever way it does."""
    said = b""
    async with asyncio.timeout(120):
        try:
            while piece := await reader.read(1 << 16):
                said += piece
        except ConnectionError:
            pass
    return said


def close_code_of(said: bytes) -> int:
    """Return the code of the close frame at the end of what a server said."""
    at = said.rindex(b"\x88")
    return int(struct.unpack("!H", said[at + 2 : at + 4])[0])


def test_a_frame_that_claims_a_gibibyte_ends_its_socket(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with open_house(tmp_path) as house, raw_socket(house) as (reader, writer):
            writer.write(frame_of(TEXT, b"{", length=1 << 30))
            assert close_code_of(await read_rest(reader)) == CloseCode.TOO_LARGE

    run(scenario())


def test_a_message_in_very_many_pieces_ends_its_socket(tmp_path: Path) -> None:
    async def scenario() -> None:
        limits = LinkLimits(close_seconds=0.1)
        async with (
            open_house(tmp_path, limits=limits) as house,
            raw_socket(house) as (reader, writer),
        ):
            writer.write(frame_of(TEXT, b"{", fin=False))
            writer.write(frame_of(CONTINUATION, fin=False) * (FRAGMENTS_MAX + 1))
            assert close_code_of(await read_rest(reader)) == 1003

    run(scenario())


def test_json_of_a_thousand_levels_ends_its_socket_and_no_other(tmp_path: Path) -> None:
    async def scenario() -> None:
        app_id, other = new_id(), new_id()
        async with open_house(tmp_path) as house, house.client() as bystander:
            await bystander.register(other)
            async with house.client() as client:
                await client.register(app_id)
                deep = "[" * 1000 + "]" * 1000
                said = json.dumps(message(app_id, 1, payload="DEEP")).replace('"DEEP"', deep)
                await client.socket.send(said)
                assert (await client.hear())["code"] == "too_large"
                assert (await client.closed())[0] == CloseCode.TOO_LARGE
            await house.until_status(app_id, "reconnecting")
            assert (await bystander.say(other, 1))["type"] == "ack"

    run(scenario())


def test_binary_frames_are_ignored(tmp_path: Path) -> None:
    async def scenario() -> None:
        app_id = new_id()
        async with open_house(tmp_path) as house, house.client() as client:
            await client.socket.send(b"\0\1\2")
            await client.register(app_id)
            await client.socket.send(b"\0\1\2")
            await client.socket.send([b"in ", b"pieces"])
            assert (await client.say(app_id, 1))["type"] == "ack"

    run(scenario())


@pytest.mark.parametrize(
    "text",
    [
        b'{"type": "message"',
        b'\xff\xfe{"type": "message"}',
        b'{"type": "message", "type": "message"}',
        b'{"type": "message", "app_id": "x"}',
        b'{"type": "unheard_of"}',
        b"NaN",
        b"1",
        b"",
    ],
)
def test_what_is_no_frame_is_refused_and_the_socket_goes_on(tmp_path: Path, text: bytes) -> None:
    async def scenario() -> None:
        app_id = new_id()
        async with open_house(tmp_path) as house, house.client() as client:
            await client.register(app_id)
            await client.socket.send(text, text=True)
            if text:
                assert (await client.hear())["code"] == "invalid_frame"
            assert (await client.say(app_id, 1))["type"] == "ack"

    run(scenario())


def test_numbers_and_names_at_the_edge_of_every_type_stop_nobody(tmp_path: Path) -> None:
    """The clock of a client may say anything, and every text may hold any character."""

    async def scenario() -> None:
        app_id, child, nul = new_id(), new_id(), "a\0b"
        strange: list[dict[str, Any]] = [
            message(app_id, 1) | {"payload": {nul: [nul, 1e308, -0.0, 2**53]}},
            message(app_id, NUMBER_MAX, "Status"),
            {"type": "spawn", "child_id": child, "app_name": nul},
            {"type": "spawn", "child_id": child, "app_name": "x", "start_deadline_s": NUMBER_MAX},
            {"type": "spawn", "child_id": child, "app_name": "x", "resume_window_ms": NUMBER_MAX},
            {"type": "spawn", "child_id": child, "app_name": "x", "tags": ["x" * 100_000]},
            {"type": "spawn", "child_id": child, "app_name": "x", "tags": {nul: nul}},
            order(app_id, child, correlation_id=nul),
            order(app_id, child, ttl_ms=NUMBER_MAX),
            order(app_id, child, action=nul),
            order(app_id, child, payload={nul: nul}),
            order(app_id, child, correlation_id="c-2", action="cancel", grace_ms=NUMBER_MAX),
            order(app_id, child, correlation_id="c-2", action="cancel", reason=nul),
            {"type": "exited", "exit_code": -(2**63), "signal": NUMBER_MAX},
            {
                "type": "control_ack",
                "correlation_id": "c",
                "action": "x",
                "ack": False,
                "error": nul,
            },
            {"type": "re_register", "last_seq": NUMBER_MAX, "pub_key": nul, "epoch": NUMBER_MAX},
        ]
        header = {"msg_type": "Status", "timestamp": NUMBER_MAX, "seq": 2, "correlation_id": nul}
        strange.append(message(app_id, 2) | {"header": header})
        async with open_house(tmp_path, limits=QUICK) as house, house.client() as client:
            process = {"pid": NUMBER_MAX, "hostname": nul, "executable": nul, "start_time": 0}
            await client.register(app_id, process_info=process)
            for frame in strange:
                await client.send(**{"app_id": app_id} | frame)
            await client.send(**message(app_id, 3))
            while (heard := await client.hear()).get("seq") != 3:
                assert heard["type"] in {"error", "ack", "spawned", "issued"}
            assert house.keeper.counters.failures == 0
            # And whatever was kept can be read again, from the first to the last.
        async with open_house(tmp_path) as house:
            assert house.app(app_id).process["hostname"] == nul

    run(scenario())


def order(app_id: str, target_id: str, **more: Any) -> dict[str, Any]:
    frame = {
        "type": "issue",
        "app_id": app_id,
        "target_id": target_id,
        "correlation_id": "c-1",
        "action": "pause",
    }
    return frame | more


def test_an_app_cannot_speak_for_one_on_another_socket(tmp_path: Path) -> None:
    async def scenario() -> None:
        mine, theirs = new_id(), new_id()
        async with (
            open_house(tmp_path) as house,
            house.client() as me,
            house.client() as they,
        ):
            await me.register(mine)
            await they.register(theirs)
            assert (await me.say(theirs, 1, "Result"))["code"] == "not_registered"
            await me.send(type="disconnect", app_id=theirs, reason="done")
            await me.send(type="spawn", app_id=theirs, child_id=new_id(), app_name="x")
            heard = {(await me.hear())["code"] for _ in range(2)}
            assert heard == {"not_registered"}
            assert house.app(theirs).status is Status.CONNECTED

    run(scenario())


def test_an_agent_asks_for_nothing_in_the_name_of_its_app(tmp_path: Path) -> None:
    async def scenario() -> None:
        app_id, child = new_id(), new_id()
        async with (
            open_house(tmp_path) as house,
            house.client() as agent,
            house.client() as app,
        ):
            token = await house.schedule(app_id)
            said = await agent.ask(type="attach", app_id=app_id, join_token=token)
            assert said["type"] == "attached"
            spawn = {"type": "spawn", "app_id": app_id, "child_id": child, "app_name": "x"}
            assert (await agent.ask(**spawn))["code"] == "not_registered"
            # The app itself may.
            await app.register(app_id)
            assert (await app.ask(**spawn))["type"] == "spawned"

    run(scenario())


def test_sockets_that_say_nothing_have_a_number(tmp_path: Path) -> None:
    async def scenario() -> None:
        limits = LinkLimits(silent_local_max=3, handshake_seconds=60, first_frame_seconds=60)
        async with open_house(tmp_path, limits=limits) as house:
            speaking = await house.stay()
            await speaking.register(new_id())
            silent = [await asyncio.open_connection(*house.address) for _ in range(3)]
            await until(lambda: house.door.sockets == 4)
            reader, writer = await asyncio.open_connection(*house.address)
            assert await read_rest(reader) == b""
            assert house.door.counters.refused[0] == 1
            for _, quiet_writer in silent:
                quiet_writer.close()
            writer.close()
            # There is room again, and who speaks was never counted.
            await until(lambda: house.door.sockets == 1)
            async with house.client() as client:
                await client.register(new_id())

    run(scenario())


def test_sockets_that_say_nothing_have_an_end(tmp_path: Path) -> None:
    async def scenario() -> None:
        limits = LinkLimits(handshake_seconds=0.2)
        async with open_house(tmp_path, limits=limits) as house:
            for said in (b"", b"GET /ws HTTP/1.1\r\nHost: localhost\r\nX-Slow: "):
                async with raw_socket(house, upgraded=False) as (reader, writer):
                    writer.write(said)
                    assert await read_rest(reader) == b""

    run(scenario())


def test_a_request_that_is_none_is_cut_off(tmp_path: Path) -> None:
    async def scenario() -> None:
        limits = LinkLimits(handshake_seconds=60)
        async with open_house(tmp_path, limits=limits) as house:
            async with raw_socket(house, upgraded=False) as (reader, writer):
                writer.write(b"GET /ws HTTP/1.1\r\n" + b"X: y\r\n" * 100_000)
                assert (await read_rest(reader)).startswith(b"HTTP/1.1 431")
            async with raw_socket(house, upgraded=False) as (reader, writer):
                writer.write(b"\x16\x03\x01\x02\x00\x01\x00" * 2000)
                assert b"101" not in await read_rest(reader)

    run(scenario())


def test_registrations_have_a_rate(tmp_path: Path) -> None:
    async def scenario() -> None:
        limits = LinkLimits(registrations_per_second=0.001, registrations_burst=2)
        async with open_house(tmp_path, limits=limits) as house:
            async with house.client(), house.client():
                with pytest.raises(InvalidStatus) as caught:
                    await house.stay()
            assert caught.value.response.status_code == 503
            assert int(caught.value.response.headers["Retry-After"]) > 0

    run(scenario())


def test_an_app_that_is_too_fast_is_held_up_and_no_other(tmp_path: Path) -> None:
    async def scenario() -> None:
        fast, slow = new_id(), new_id()
        limits = replace(PATIENT, frames_per_second=0.01, frames_burst=5, ping_seconds=0.1)
        async with (
            open_house(tmp_path, limits=limits) as house,
            house.client() as client,
            house.client() as other,
        ):
            await client.register(fast)
            for seq in range(1, 100):
                await client.send(**message(fast, seq))
            acked = [(await client.hear())["seq"] for _ in range(5)]
            assert acked == [1, 2, 3, 4, 5]
            await other.register(slow)
            assert (await other.say(slow, 1))["type"] == "ack"
            assert len(house.rows("SELECT id FROM messages WHERE app_id = :a", a=fast)) == 5
            # What has arrived counts even when its sender goes away, which a ping finds out while
            # nothing is read.
            client.socket.transport.abort()
            await house.until_status(fast, "reconnecting")
            assert len(house.rows("SELECT id FROM messages WHERE app_id = :a", a=fast)) > 5

    run(scenario())


def test_an_app_that_stays_too_fast_is_turned_away(tmp_path: Path) -> None:
    async def scenario() -> None:
        app_id = new_id()
        limits = LinkLimits(frames_per_second=20, frames_burst=20, held_seconds_max=0.3)
        async with open_house(tmp_path, limits=limits) as house, house.client() as client:
            await client.register(app_id)

            async def flood() -> None:
                for seq in range(1, 10_000):
                    await client.send(**message(app_id, seq))

            flooding = asyncio.create_task(flood())
            # A client that does not read would not hear either why it is turned away.
            with suppress(ConnectionClosedError):
                while True:
                    await client.hear()
            code, reason = await client.closed()
            assert code == CloseCode.OVERLOADED
            assert "retry_after_ms=" in (reason or "")
            await asyncio.gather(flooding, return_exceptions=True)

    run(scenario())


def test_pings_by_the_thousand_are_held_up_as_well(tmp_path: Path) -> None:
    async def scenario() -> None:
        limits = LinkLimits(
            frames_per_second=0.01, frames_burst=5, first_frame_seconds=60, close_seconds=0.1
        )
        async with open_house(tmp_path, limits=limits) as house:
            async with raw_socket(house) as (reader, writer):
                writer.write(frame_of(PING) * 100_000)
                # One slice is parsed, and the rest waits in the kernel or with the sender.
                await until(lambda: writer.transport.get_write_buffer_size() == 0)
                pongs = await reader.readexactly(2)
                assert pongs == b"\x8a\0"
            async with house.client() as client:
                await client.register(new_id())

    run(scenario())


async def start_sleeper(house: House, *frames: dict[str, Any]) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        SLEEPER,
        house.url,
        *map(json.dumps, frames),
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"registered\n"
    return process


def test_a_peer_that_does_not_read_is_cut_off_and_holds_up_nobody(tmp_path: Path) -> None:
    async def scenario() -> None:
        parent, child = new_id(), new_id()
        limits = LinkLimits(
            frames_per_second=1e6, frames_burst=10**6, ping_seconds=60, pong_seconds=60
        )
        async with open_house(tmp_path, limits=limits) as house, house.client() as client:
            await client.register(parent)
            process = await start_sleeper(house, registration(child, parent))
            os.kill(process.pid, signal.SIGSTOP)
            try:
                for number in range(1000):
                    said = await client.ask(
                        **order(parent, child, correlation_id=f"c-{number}", payload="x" * 200_000)
                    )
                    assert said["type"] == "issued"
                    if house.app(child).status is not Status.CONNECTED:
                        break
                assert house.door.counters.closes[CloseCode.SLOW_CONSUMER] == 1
                assert house.app(child).status is Status.RECONNECTING
                await until(lambda: house.keeper.links == 1)
            finally:
                process.kill()
                await process.wait()

    run(scenario())


class BlackHole:
    """A proxy that can stop to pass anything on, without a word to either side."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._is_open = asyncio.Event()
        self._is_open.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.address: tuple[str, int]

    @asynccontextmanager
    async def run(self) -> AsyncIterator[BlackHole]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.address = server.sockets[0].getsockname()
        try:
            yield self
        finally:
            server.close()
            self._is_open.set()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def swallow(self) -> None:
        self._is_open.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection(*self._target)
        for source, sink in ((reader, there_writer), (there_reader, writer)):
            self._tasks.add(asyncio.create_task(self._pass(source, sink)))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while piece := await reader.read(1 << 16):
                await self._is_open.wait()
                writer.write(piece)
                await writer.drain()
        finally:
            writer.close()


def test_a_connection_that_is_dead_without_a_word_is_missed(tmp_path: Path) -> None:
    async def scenario() -> None:
        app_id, other = new_id(), new_id()
        limits = LinkLimits(ping_seconds=0.1, pong_seconds=1.0)
        async with (
            open_house(tmp_path, limits=limits) as house,
            house.client() as near,
            BlackHole(house.address).run() as hole,
        ):
            await near.register(other)
            far = Client((await connect_to(hole.address)).socket)
            await far.register(app_id)
            hole.swallow()
            await house.until_status(app_id, "reconnecting")
            assert house.door.counters.closes[CloseCode.HEARTBEAT] == 1
            house.clock.advance(3)
            await house.until_status(app_id, "crashed")
            crash = house.rows("SELECT crash_type FROM crashes")
            assert crash == [{"crash_type": "heartbeat_timeout"}]
            # Whoever answers pings is not missed, however little it says.
            assert (await near.say(other, 1))["type"] == "ack"
            far.socket.transport.abort()

    run(scenario())


def test_a_pong_that_came_while_the_server_was_held_up_counts(tmp_path: Path) -> None:
    async def scenario() -> None:
        app_id = new_id()
        async with open_house(tmp_path) as house, raw_socket(house) as (reader, writer):
            frame = json.dumps(registration(app_id)).encode()
            writer.write(frame_of(TEXT, frame))
            await reader.readuntil(b'"registered"')
            (link,) = house.door._connections
            link._next_ping = asyncio.get_running_loop().time()
            link._beat()
            # It is in the server's socket, and nobody has read it when the time is up.
            raw = writer.get_extra_info("socket")
            os.write(raw.fileno(), frame_of(PONG))
            link._pinged_at = float("-inf")
            link._beat()
            assert link._pinged_at is not None, "nothing was read yet"
            await until(lambda: link._pinged_at is None)
            writer.write(frame_of(TEXT, json.dumps(message(app_id, 1)).encode()))
            await reader.readuntil(b'"ack"')
            assert not house.door.counters.closes

    run(scenario())


def test_what_came_while_the_server_was_held_up_is_read_before_a_socket_is_given_up(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        limits = LinkLimits(handshake_seconds=600, first_frame_seconds=600)
        async with (
            open_house(tmp_path, limits=limits) as house,
            raw_socket(house, upgraded=False) as (reader, writer),
        ):
            await until(lambda: house.door._connections)
            (link,) = house.door._connections
            raw = writer.get_extra_info("socket")
            # Each is in the server's socket, and nobody has read it when the time is up.
            os.write(raw.fileno(), UPGRADE)
            link._look_again()
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
            frame = json.dumps(registration(new_id())).encode()
            os.write(raw.fileno(), frame_of(TEXT, frame))
            link._look_again()
            await reader.readuntil(b'"registered"')
            assert not house.door.counters.closes

    run(scenario())


async def connect_to(address: tuple[str, int]) -> Client:
    url = f"ws://{address[0]}:{address[1]}/ws"
    return Client(await connect_async(url, compression=None, ping_interval=None))


# Only Linux lets a socket say how long it waits for its peer's kernel; elsewhere the door sets
# nothing (`door._time_out_data`), so there is nothing to look at.
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="an option of Linux")
def test_data_that_nobody_acknowledges_has_the_time_of_a_pong(tmp_path: Path) -> None:
    """A cable that is cut is the kernel's to notice, and it waits for minutes unless told."""

    async def scenario() -> None:
        limits = LinkLimits(ping_seconds=3, pong_seconds=4)
        async with open_house(tmp_path, limits=limits) as house:
            listening = house.door.listening
            assert listening is not None
            assert listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 7000

    run(scenario())


def test_a_key_that_cannot_be_read_is_answered_before_anybody_is_let_in(tmp_path: Path) -> None:
    def fail() -> str:
        raise ClewError(ErrorCode.UNAVAILABLE, "the key is gone")

    async def scenario() -> None:
        async with open_house(tmp_path) as house:
            house.door.pub_key = fail
            with pytest.raises(InvalidStatus) as caught:
                await house.stay()
            assert caught.value.response.status_code == 503
            assert house.keeper.counters.failures == 0

    run(scenario())


def test_a_stolen_return_is_refused(tmp_path: Path) -> None:
    async def scenario() -> None:
        app_id = new_id()
        async with open_house(tmp_path) as house, house.client() as client:
            await client.register(app_id)
            async with house.client() as thief:
                other = "ed25519:" + "B" * 43 + "="
                refused = await thief.ask(
                    type="re_register", app_id=app_id, last_seq=0, pub_key=other
                )
                assert refused["type"] == "error"
            assert (await client.say(app_id, 1))["type"] == "ack"
            # The newest connection with the key wins, and the one before it is told.
            async with house.client() as again:
                back = await again.ask(type="re_register", app_id=app_id, last_seq=1, pub_key=KEY)
                assert back["type"] == "registered"
                assert (await client.closed())[0] == CloseCode.SUPERSEDED
                assert (await again.say(app_id, 2))["type"] == "ack"

    run(scenario())


def test_an_app_without_a_name_is_refused_at_every_door(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with open_house(tmp_path) as house:
            async with house.client() as client:
                said = await client.ask(**registration(new_id(), app_name=""))
                assert (said["type"], said["code"]) == ("error", "invalid_frame")
                assert "app_name" in said["message"]
            async with house.client() as client:
                parent = new_id()
                await client.register(parent)
                said = await client.ask(type="spawn", app_id=parent, child_id=new_id(), app_name="")
                assert said["code"] == "invalid_frame"

    run(scenario())
