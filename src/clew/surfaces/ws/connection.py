"""One socket: the handshake, messages in, frames out, and the walls around both.

Theory of operation. The protocol of WebSockets itself is that of the `websockets` package without
its I/O: bytes in, events and bytes out. Around it, nothing is queued without a bound. What arrives
is parsed in slices, and only while the session takes messages; when it does not, because the app is
too fast or the tree too slow, the socket is not read, and TCP holds the peer up. What is sent is
never waited for: bytes that the peer does not take are counted, and a peer that lets too many of
them pile up is cut off, resumes later, and finds everything that it must have in the registry.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from typing import TYPE_CHECKING, Final, cast

from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol

from clew.access.audit import TEXT_CHARS_MAX
from clew.access.caller import Origin
from clew.surfaces.ws.framing import find_end, take_texts, text_frame
from clew.surfaces.ws.limits import (
    BYTES_PER_IDENTITY,
    FRAGMENTS_MAX,
    SLICE_BYTES,
)
from clew.surfaces.ws.session import Session
from clew.tree.frames.codec import FRAME_BYTES_MAX, encode
from clew.tree.frames.codes import CloseCode

if TYPE_CHECKING:
    from clew.surfaces.ws.door import TrailsDoor
    from clew.tree.frames.outbound import Outbound

REASON_BYTES_MAX: Final = 123
"""What a close frame has room for."""

UNSUPPORTED_DATA: Final = 1003
"""The close code of RFC 6455 for more than a peer takes apart."""

LAST_LOOK_SECONDS: Final = 0.05
"""What a late pong, request or first frame gets for being read: the loop takes in all that has
come, however briefly it waits."""

_REQUEST_END: Final = b"\r\n\r\n"
_EVERYTHING: Final = 1 << 62
"""More bytes than a connection ever carries."""

DROP: Final = "connection_drop"
HEARTBEAT_TIMEOUT: Final = "heartbeat_timeout"
SLOW_CONSUMER: Final = "slow_consumer"


class Connection(asyncio.Protocol):
    """Implements `LinkDoor` of the keeper over one TCP connection. Belongs to the event loop."""

    __slots__ = (
        "_beat_timer",
        "_door",
        "_flush_is_due",
        "_fragments",
        "_held_since",
        "_is_amid",
        "_is_deaf",
        "_is_lost",
        "_is_missed",
        "_is_paused",
        "_is_pumping",
        "_is_silent",
        "_link",
        "_loop",
        "_messages",
        "_next_ping",
        "_owed",
        "_pinged_at",
        "_protocol",
        "_session",
        "_stuck_frames",
        "_timer",
        "_transport",
        "_unflushed",
        "_unread",
        "_waits_for",
        "address",
    )

    def __init__(self, door: TrailsDoor, loop: asyncio.AbstractEventLoop) -> None:
        self._door = door
        self._loop = loop
        self._protocol = ServerProtocol(max_size=FRAME_BYTES_MAX)
        self._transport: asyncio.Transport
        self._session: Session | None = None
        self._link = 0
        self.address = ""
        self._timer: asyncio.TimerHandle | None = None
        self._beat_timer: asyncio.TimerHandle | None = None
        self._next_ping = 0.0
        self._pinged_at: float | None = None
        # Set when a pong is late, until whatever has come by then was read.
        self._is_missed = False
        self._unread = b""
        # Bytes of a frame that has begun, which the protocol is still to be given; and whether a
        # message has begun whose other frames are still to come.
        self._owed = 0
        self._is_amid = False
        self._messages: deque[bytes] | None = None
        self._fragments: list[bytes] | None = None
        self._waits_for: asyncio.TimerHandle | None = None
        self._held_since: float | None = None
        self._is_paused = False
        self._is_pumping = False
        self._is_silent = True
        # Set once we have closed: nothing that still comes is heard. What came before a close of
        # the peer's own is.
        self._is_deaf = False
        self._is_lost = False
        self._unflushed = 0
        self._stuck_frames = 0
        self._flush_is_due = False

    # What asyncio tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the clock, or turn the peer away when there is no room for it."""
        # uvloop's is one in all but name.
        self._transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        self.address = peer[0] if peer else ""
        if not self._door.enter(self):
            self._is_lost = True
            self._transport.abort()
            return
        seconds = self._door.limits.handshake_seconds
        self._set_timer(seconds, self._look_again)

    def data_received(self, data: bytes) -> None:
        """Take bytes; while messages are held up there are at most as many as one read gives."""
        self._unread = self._unread + data if self._unread else bytes(data)
        self._pump()

    def eof_received(self) -> bool | None:
        """Say goodbye to a peer that does."""
        self._drain()
        self._lose(DROP)
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        """Let everything go; what had come before still counts."""
        del exc
        if self._is_lost:
            return
        self._drain()
        self._lose(DROP)
        self._is_lost = True
        self._stop_timers()
        self._door.leave(self, is_silent=self._is_silent)

    # What the keeper asks for.

    def send(self, frame: Outbound) -> None:
        """Send a frame, or cut the peer off when too much of what was sent is not taken."""
        if self._session is None or self._protocol.state is not State.OPEN:
            return
        seen_off = self._session.see_off(frame)
        if seen_off is None:
            return
        octets = encode(seen_off)
        stuck = self._transport.get_write_buffer_size()
        self._stuck_frames = self._stuck_frames + 1 if stuck else 0
        limits = self._door.limits
        room = limits.outbound_bytes_max + BYTES_PER_IDENTITY * self._session.identities
        is_full = stuck + self._unflushed + len(octets) > room
        if is_full or self._stuck_frames > limits.outbound_frames_max:
            self.cut(CloseCode.SLOW_CONSUMER, "frames are not read", SLOW_CONSUMER)
            return
        self._door.counters.frames_out += 1
        self._protocol.writes.append(text_frame(octets))
        self._unflushed += len(octets)
        if not self._flush_is_due:
            # Frames of one batch go out together.
            self._flush_is_due = True
            self._loop.call_soon(self._flush)

    def close(self, code: int, reason: str) -> None:
        """Close after what was sent; the connection is cut when the peer does not answer."""
        self._is_deaf = True
        if self._protocol.state is not State.OPEN:
            return
        octets = reason.encode()[:REASON_BYTES_MAX]
        self._protocol.send_close(code, octets.decode(errors="ignore"))
        self._door.counters.closes[int(code)] += 1
        self._flush()
        self._cut_later()

    def resume(self) -> None:
        """Read on."""
        self._pump()

    # What the session asks for.

    def cut(self, code: int, reason: str, cause: str) -> None:
        """Close for a reason of the door's own: the apps are out of reach from this moment on."""
        self.close(code, reason)
        self._lose(cause)

    def settle(self) -> None:
        """Take it that somebody speaks on this socket: it is silent no more."""
        if self._is_silent:
            self._is_silent = False
            self._door.settle(self)
        if self._protocol.state is State.OPEN:
            self._stop_timer()

    @property
    def link(self) -> int:
        """The number of the socket."""
        return self._link

    # Bytes in.

    def _pump(self) -> None:
        """Parse and take as much as may be taken now; read on, or stop reading."""
        if self._is_pumping:
            return
        self._is_pumping = True
        try:
            while self._take_messages() and self._unread and self._parse():
                continue
        finally:
            self._is_pumping = False
        # The beginning of a frame's head is no reason to stop: the rest of it must come.
        is_held = bool(self._messages or (self._unread and self._find_piece()))
        self._hold(is_held=is_held)

    def _parse(self) -> bool:
        """Parse some of what was not read yet; whether anything could be."""
        protocol = self._protocol
        is_between = not self._owed and protocol.state is State.OPEN
        if is_between and not self._is_amid:
            messages: deque[bytes] = deque()
            end = take_texts(self._unread, messages, SLICE_BYTES)
            if end:
                self._unread = self._unread[end:]
                # Whoever parses has seen to it that all messages before are taken.
                self._messages = messages
                return True
        size = self._find_piece()
        if not size:
            return False
        piece, self._unread = self._unread[:size], self._unread[size:]
        is_request = protocol.state is State.CONNECTING
        if is_between:
            self._owed = find_end(piece) or 0
        self._owed = max(0, self._owed - len(piece))
        protocol.receive_data(piece)
        for event in protocol.events_received():
            self._hear(event)
        self._flush()
        is_upgraded = is_request and protocol.state is State.OPEN
        if is_upgraded and piece.partition(_REQUEST_END)[1:] != (_REQUEST_END, b""):
            # Its client did not wait for the answer, or its pieces are tiny: where frames begin is
            # the protocol's to know.
            self._owed = _EVERYTHING
        return True

    def _find_piece(self) -> int:
        """Return how many bytes the protocol may be given now: up to the end of a frame.

        None are given of a frame whose end is not known yet. Before the upgrade there are none, and
        after a close their ends do not matter.
        """
        if self._protocol.state is not State.OPEN:
            return SLICE_BYTES
        if self._owed:
            return min(self._owed, SLICE_BYTES)
        return min(find_end(self._unread) or 0, SLICE_BYTES)

    def _hold(self, *, is_held: bool) -> None:
        if is_held == self._is_paused or self._transport.is_closing():
            return
        self._is_paused = is_held
        if is_held:
            self._transport.pause_reading()
        else:
            # A pong may be among what was not read.
            if self._pinged_at is not None:
                self._pinged_at, self._is_missed = self._loop.time(), False
            self._transport.resume_reading()

    def _hear(self, event: Request | Frame | object) -> None:
        if isinstance(event, Request):
            self._shake_hands(event)
        elif isinstance(event, Frame):
            match event.opcode:
                case Opcode.TEXT | Opcode.BINARY | Opcode.CONT:
                    self._is_amid = not event.fin
                    self._assemble(event)
                case Opcode.PONG:
                    self._pinged_at = None
                case Opcode.PING:
                    self._put_stray()
                case Opcode.CLOSE:
                    self._cut_later()

    def _assemble(self, frame: Frame) -> None:
        """Put a message together; one of binary frames is nobody's and left out."""
        if frame.opcode is Opcode.BINARY:
            self._put_stray()
            self._fragments = None
            return
        if frame.opcode is Opcode.TEXT:
            if frame.fin:
                self._put_message(bytes(frame.data))
                return
            self._fragments = []
        if self._fragments is None:
            self._put_stray()
            return
        self._fragments.append(bytes(frame.data))
        if frame.fin:
            self._put_message(b"".join(self._fragments))
            self._fragments = None
        elif len(self._fragments) > FRAGMENTS_MAX:
            self.cut(UNSUPPORTED_DATA, "a message in too many pieces", DROP)

    def _put_message(self, octets: bytes) -> None:
        if self._messages is None:
            self._messages = deque()
        self._messages.append(octets)

    def _put_stray(self) -> None:
        """Count what no app sends, so that it has a rate as well."""
        self._put_message(b"")

    def _take_messages(self) -> bool:
        """Hand messages to the session; whether all were taken."""
        if self._waits_for is not None:
            return False
        messages = self._messages
        if not messages:
            return True
        session = self._session
        while messages and session is not None and not self._is_deaf:
            if self._door.keeper.is_busy:
                self._door.keeper.pause_link(self._link)
                return False
            wait = session.take(messages[0])
            if wait > 0:
                self._wait(wait)
                return False
            messages.popleft()
        # An idle socket keeps no empty queue.
        self._messages = None
        return True

    def _wait(self, seconds: float) -> None:
        """Hold the peer up; turn it away when that has been so for a long time."""
        now = self._loop.time()
        if self._held_since is None:
            self._held_since = now
        if now - self._held_since > self._door.limits.held_seconds_max:
            self._messages = None
            self._unread = b""
            self.cut(CloseCode.OVERLOADED, "frames come too fast; retry_after_ms=1000", DROP)
            return
        self._waits_for = self._loop.call_later(seconds, self._go_on)

    def _go_on(self) -> None:
        self._waits_for = None
        self._pump()

    def calm(self) -> None:
        """Take it that the peer keeps to its rate."""
        self._held_since = None

    def _drain(self) -> None:
        """Take what has arrived, whatever its rate: the peer is gone, and there is no more."""
        if self._waits_for is not None:
            self._waits_for.cancel()
            self._waits_for = None
        session = self._session
        while session is not None and not self._is_deaf:
            for octets in self._messages or ():
                session.take(octets, is_last=True)
            self._messages = None
            if not self._unread:
                return
            if not self._parse():
                return

    # The handshake.

    def _shake_hands(self, request: Request) -> None:
        protocol = self._protocol
        refusal = self._door.refuse(request)
        if refusal is not None:
            response = protocol.reject(refusal.status, refusal.text)
            for name, value in refusal.headers:
                response.headers[name] = value
        else:
            response = protocol.accept(request)
        response.headers["Server"] = self._door.server_header
        protocol.send_response(response)
        if protocol.state is not State.OPEN:
            self._cut_later()
            return
        limits = self._door.limits
        self._set_timer(limits.first_frame_seconds, self._look_again)
        self._link = self._door.keeper.add_link(self)
        asks = self._door.asks_for_challenge(request)
        self._session = Session(self, self._door, self._find_origin(request), asks=asks)
        # The protocol holds on to the request for as long as it lives: two KiB of an idle socket.
        request.headers.clear()
        self._session.open()
        self._next_ping = self._loop.time() + limits.ping_seconds
        self._beat_timer = self._loop.call_at(self._next_ping, self._beat)

    def _find_origin(self, request: Request) -> Origin:
        agents = request.headers.get_all("User-Agent")
        # Thousands of sockets are of a few programs.
        agent = sys.intern(agents[0][:TEXT_CHARS_MAX]) if agents else None
        return Origin(self.address, agent)

    def expect_answer(self) -> None:
        """Take it that the first frame has come; the answer may take as long as a commit."""
        self._set_timer(self._door.limits.registration_seconds, self._give_up)

    def _look_again(self) -> None:
        """Give up unless something has come: who was held up himself is here before he reads it."""
        self._set_timer(LAST_LOOK_SECONDS, self._give_up)

    def _give_up(self) -> None:
        """End a connection on which nobody has registered in time."""
        if self._protocol.state is State.OPEN:
            self.cut(CloseCode.NORMAL, "nobody has registered here", DROP)
        else:
            self._transport.abort()

    # Pings.

    def _beat(self) -> None:
        """Send a ping when it is time, whatever else is sent; miss a pong that did not come."""
        limits = self._door.limits
        now = self._loop.time()
        if self._pinged_at is not None and self._is_paused:
            # The pong may be among what we do not read.
            self._pinged_at, self._is_missed = now, False
        elif self._pinged_at is not None and now - self._pinged_at >= limits.pong_seconds:
            if self._is_missed:
                self.cut(CloseCode.HEARTBEAT, "no pong came in time", HEARTBEAT_TIMEOUT)
                return
            # A process that was held up itself comes here before it reads what came meanwhile.
            self._is_missed = True
            self._beat_timer = self._loop.call_later(LAST_LOOK_SECONDS, self._beat)
            return
        if now >= self._next_ping:
            self._next_ping += limits.ping_seconds
            # While we do not read, a ping still finds out that the peer has gone.
            is_due = self._pinged_at is None or self._is_paused
            if is_due and self._protocol.state is State.OPEN:
                self._protocol.send_ping(b"")
                self._pinged_at = now
                self._is_missed = False
                self._flush()
        wake = self._next_ping
        if self._pinged_at is not None:
            wake = min(wake, self._pinged_at + limits.pong_seconds)
        self._beat_timer = self._loop.call_at(wake, self._beat)

    # Bytes out, and the end.

    def _flush(self) -> None:
        self._flush_is_due = False
        self._unflushed = 0
        writes = self._protocol.data_to_send()
        if not writes or self._transport.is_closing():
            return
        ends = not writes[-1]
        octets = b"".join(writes)
        if octets:
            self._transport.write(octets)
        if ends and self._transport.can_write_eof():
            self._transport.write_eof()
        elif ends:
            # TLS has no half that could be closed.
            self._transport.close()

    def _lose(self, cause: str) -> None:
        """Tell the keeper that the socket is gone, once."""
        if self._session is not None:
            self._session.close()
        if self._link:
            self._door.keeper.drop_link(self._link, cause)
        if self._beat_timer is not None:
            self._beat_timer.cancel()

    def _cut_later(self) -> None:
        """Cut the connection when the peer does not answer a close."""
        self._set_timer(self._door.limits.close_seconds, self._transport.abort)

    def _set_timer(self, seconds: float, call: object) -> None:
        self._stop_timer()
        assert callable(call)
        self._timer = self._loop.call_later(seconds, call)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _stop_timers(self) -> None:
        self._stop_timer()
        for timer in (self._beat_timer, self._waits_for):
            if timer is not None:
                timer.cancel()

    def hang_up_revoked(self) -> None:
        """Close if an app speaks here whose key has been revoked."""
        if self._session is not None:
            self._session.hang_up_revoked()

    def abort(self) -> None:
        """Cut the connection."""
        self._transport.abort()
