"""The task that keeps one app connected: connects, speaks, comes back, and knows when to stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import threading
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NoReturn, Protocol, assert_never

from websockets.exceptions import ConnectionClosed, WebSocketException

from clew.base.errors import ClewError, ErrorCode
from clew.tree.client.connection import (
    ANSWER_S_MAX,
    backoff_s,
    converse,
    forget_closed,
    open_socket,
    receive,
)
from clew.tree.frames import outbound
from clew.tree.frames.codes import CloseCode, FrameError, is_resumable, is_retryable
from clew.tree.frames.fields import MessageKind, Source

if TYPE_CHECKING:
    from collections.abc import Mapping

    from websockets.asyncio.client import ClientConnection

    from clew.tree.client.conversation import Conversation
    from clew.tree.client.engine import Engine
    from clew.tree.client.exchange import Request
    from clew.tree.client.handlers import Handlers
    from clew.tree.client.outbox import Entry
    from clew.tree.frames.inbound import ControlAck

# Messages that the thread has not looked at yet; beyond it the thread is not keeping up.
INBOX_MAX: Final = 2048

# A server that is restarted is back before it; that is nothing to tell a program's user about.
TOLD_ATTEMPT: Final = 3

# After a refusal that passes, where the server says no time itself.
RETRY_AFTER_MS: Final = 1000

logger = logging.getLogger("clew.tree")


class Listener(Protocol):
    """What a link tells its client, in the link's thread."""

    def connected(self) -> None:
        """The app is in the tree."""
        ...

    def disconnected(self) -> None:
        """The connection is lost, or closed."""
        ...

    def noticed(self, frame: outbound.Notice) -> None:
        """Something became of a child."""
        ...

    def stopped(self, code: str, message: str) -> None:
        """The server wants no more of this app; nothing is sent any more."""
        ...


@dataclass(slots=True)
class _End:
    """How a connection ended."""

    is_final: bool
    code: str = ""
    message: str = ""
    retry_after_ms: int | None = None


class _StopError(Exception):
    """The connection is to end, as `end` says."""

    def __init__(self, end: _End) -> None:
        super().__init__(end.message)
        self.end = end


@dataclass(slots=True, eq=False)
class Link:
    """Keeps one app connected until it has ended, is closed, or is told to stop.

    `put`, `ask`, `close` and `abandon` are for any thread, and none of them waits.
    """

    conversation: Conversation
    handlers: Handlers
    engine: Engine
    listener: Listener
    chance: random.Random = field(default_factory=random.Random)
    done: threading.Event = field(default_factory=threading.Event)
    unseen_coalesced: int = 0
    _inbox: deque[Entry] = field(default_factory=deque)
    _is_woken: bool = False
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _urgent: deque[bytes] = field(default_factory=deque)
    _requests: dict[str, Request] = field(default_factory=dict)
    _closing: str | None = None
    _held_until: float = 0.0
    _has_told: bool = False
    _last_error: outbound.Error | None = None
    _task: asyncio.Task[None] | None = None

    @property
    def unseen(self) -> int:
        """How many messages the thread has not looked at."""
        return len(self._inbox)

    def start(self) -> None:
        """Begin to connect."""
        self.engine.start(self._run)

    def put(self, entry: Entry) -> None:
        """Take a message. When the thread does not keep up, it replaces the status before it."""
        if entry.kind is MessageKind.STATUS and len(self._inbox) >= INBOX_MAX:
            # The thread may have emptied it in between.
            with contextlib.suppress(IndexError):
                self._inbox.pop()
                self.unseen_coalesced += 1
        self._inbox.append(entry)
        if not self._is_woken:
            self._is_woken = True
            self.engine.call(self._look)

    def ask(self, request: Request) -> None:
        """Ask the server, now or when it is reached; the same question is repeated after a loss."""
        self.engine.call(lambda: self._ask(request))

    def forget(self, key: str) -> None:
        """Wait no longer for the answer to a question."""
        self.engine.call(lambda: self._requests.pop(key, None))

    def close(self, reason: str | None) -> None:
        """End when everything is said; `reason` says goodbye for the app, None leaves without."""
        self.engine.call(lambda: self._close(reason))

    def abandon(self) -> None:
        """End now, whatever is not said."""
        self.engine.call(lambda: self._task and self._task.cancel())

    def answer(self, ack: ControlAck) -> None:
        """Answer a command."""
        self.engine.call(lambda: self._answer(ack))

    def _look(self) -> None:
        self._is_woken = False
        while self._inbox:
            self.conversation.outbox.put(self._inbox.popleft())
        self._wake.set()

    def _ask(self, request: Request) -> None:
        if self.done.is_set():
            request.answer(_stopped("the app has left the tree"))
            return
        self._requests[request.key] = request
        self._wake.set()

    def _close(self, reason: str | None) -> None:
        self._look()
        self._closing = reason or ""
        self._wake.set()

    def _answer(self, ack: ControlAck) -> None:
        self.handlers.answered(ack)
        self._urgent.append(self.conversation.control_ack(ack))
        self._wake.set()

    async def _run(self) -> None:
        self._task = asyncio.current_task()
        end = _End(is_final=True)
        attempt = 0
        try:
            while not self._is_finished():
                has_joined = False
                try:
                    has_joined, end = await self._talk(await self._open())
                except (OSError, WebSocketException, TimeoutError) as error:
                    end = _End(is_final=False, message=str(error) or type(error).__name__)
                if end.is_final or self._gives_up():
                    break
                attempt = 0 if has_joined else attempt + 1
                if attempt == TOLD_ATTEMPT and not self._has_told:
                    self._has_told = True
                    self._tell_of_outage(end.message)
                await self._pause(attempt, end.retry_after_ms)
        finally:
            self._finish(end)

    def _tell_of_outage(self, why: str) -> None:
        url = self.conversation.config.socket_url()
        logger.warning("no connection to the tree at %s (%s); the program goes on", url, why)

    def _is_finished(self) -> bool:
        """Whether there is nothing to come back for."""
        return self.conversation.is_over and not (self._urgent or self.handlers.pending)

    def _gives_up(self) -> bool:
        """Whether there is nobody to say goodbye to: the server has never known this process."""
        conversation = self.conversation
        is_worth_it = conversation.has_joined or conversation.outbox.has_terminal
        return self._closing is not None and not is_worth_it

    async def _open(self) -> ClientConnection:
        return await open_socket(self.conversation.url, self.engine.sockets)

    async def _pause(self, attempt: int, retry_after_ms: int | None) -> None:
        delay = backoff_s(attempt, self.chance)
        if retry_after_ms is not None:
            # The server spreads its clients; a little chance keeps two of them apart.
            delay = retry_after_ms / 1000 + backoff_s(0, self.chance)
        # A close may leave nothing to come back for; a message is no reason to come sooner.
        loop = asyncio.get_running_loop()
        deadline = loop.time() + delay
        while not (self._gives_up() or self._is_finished()) and loop.time() < deadline:
            self._wake.clear()
            try:
                async with asyncio.timeout_at(deadline):
                    await self._wake.wait()
            except TimeoutError:
                break
        self._wake.set()

    async def _talk(self, connection: ClientConnection) -> tuple[bool, _End]:
        """Speak over one connection; return whether the app joined, and how it ended."""
        has_joined = False
        self._last_error = None
        try:
            async with asyncio.timeout(ANSWER_S_MAX):
                await self._join(connection)
            has_joined = True
            self.listener.connected()
            await converse(self._read(connection), self._write(connection))
            return has_joined, _End(is_final=True)
        except _StopError as stop:
            return has_joined, stop.end
        except ConnectionClosed as closed:
            return has_joined, self._read_close(closed)
        except TimeoutError:
            return has_joined, _End(is_final=False, message="the server does not answer")
        finally:
            if has_joined:
                self.listener.disconnected()
            await connection.close()
            forget_closed(self.engine.sockets)

    async def _join(self, connection: ClientConnection) -> None:
        nonce = None
        while self.conversation.waits_for_challenge and nonce is None:
            frame, _ = await receive(connection)
            if isinstance(frame, outbound.Challenge):
                nonce = frame.nonce
            elif isinstance(frame, outbound.Error):
                self._refused_joining(frame)
        self.conversation.challenge(nonce)
        await connection.send(self.conversation.opening(), text=True)
        is_asked = False
        while not isinstance(frame := (await receive(connection))[0], outbound.Registered):
            if isinstance(frame, outbound.Challenge) and nonce is None:
                is_asked = True
            elif isinstance(frame, outbound.Error):
                if is_asked and frame.code == FrameError.UNAUTHORISED:
                    # The parent did not know that this server wants a proof.
                    self.conversation.demanded()
                    raise _StopError(_End(False, frame.code, frame.message))
                self._refused_joining(frame)
        if not self.conversation.is_server(frame):
            raise _StopError(_End(True, FrameError.UNAUTHORISED, "the server has another key"))
        self.conversation.registered(frame)
        # What was written for an earlier connection has its nonce; the server asks again.
        self._urgent.clear()
        for request in self._requests.values():
            request.is_sent = False
        self._wake.set()

    async def _write(self, connection: ClientConnection) -> None:
        """Send what there is, as it comes, until everything is said."""
        conversation = self.conversation
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._urgent:
                await connection.send(self._urgent[0], text=True)
                self._urgent.popleft()
            for request in [each for each in self._requests.values() if not each.is_sent]:
                frame = self._written(request)
                if frame is not None:
                    await connection.send(frame, text=True)
            while (message := self._next_message()) is not None:
                await connection.send(message, text=True)
            if self._is_finished():
                return
            if self._closing is not None and self._is_all_said():
                if self._closing:
                    await connection.send(conversation.goodbye(self._closing), text=True)
                return

    def _written(self, request: Request) -> bytes | None:
        """Return a question as it is sent; None when it cannot be, and whoever asked knows."""
        request.is_sent = True
        try:
            return self.conversation.request(request.frame)
        except ClewError as error:
            self._take_answer(request.key, error)
            return None

    def _next_message(self) -> bytes | None:
        if asyncio.get_running_loop().time() < self._held_until:
            return None
        return self.conversation.next_message()

    def _is_all_said(self) -> bool:
        waiting = self.conversation.outbox or self._requests or self._urgent
        return not (waiting or self.handlers.pending)

    async def _read(self, connection: ClientConnection) -> None:
        while True:
            frame, octets = await receive(connection)
            self._take(frame, octets)

    def _take(self, frame: outbound.AnyOutbound, octets: bytes) -> None:
        match frame:
            case outbound.Ack():
                if frame.source is Source.APP:
                    self.conversation.acked(frame.seq, frame.copies)
                self._wake.set()
            case outbound.Control():
                self._take_control(frame, octets)
            case outbound.Error():
                self._take_error(frame)
            case outbound.Issued():
                self._take_answer(frame.correlation_id, frame)
            case outbound.Spawned():
                self._take_answer(frame.child_id, frame)
            case outbound.Notice():
                self.listener.noticed(frame)
            case outbound.Challenge():
                self.conversation.challenge(frame.nonce)
            case outbound.Registered() | outbound.Attached() | outbound.Signal():
                logger.debug("a %s frame is not for a client", type(frame).__name__)
            case _:
                assert_never(frame)

    def _take_control(self, frame: outbound.Control, octets: bytes) -> None:
        own = self.conversation.config.app_id
        if frame.app_id is not None and frame.app_id.lower() != own:
            return
        if not self.conversation.is_genuine(frame, octets):
            logger.warning("the command %r is not signed by the server", frame.action)
            return
        self.handlers.take(frame, self.answer)

    def _take_answer(
        self, key: str, answer: outbound.Issued | outbound.Spawned | ClewError
    ) -> None:
        request = self._requests.get(key)
        if request is not None and request.answer(answer):
            self._requests.pop(key, None)
            self._wake.set()

    def _take_error(self, frame: outbound.Error) -> None:
        """Take a refusal: of a question, of a message, or of the app itself."""
        self._last_error = frame
        if frame.correlation_id is not None:
            self._take_answer(frame.correlation_id, _refusal(frame))
            return
        if frame.seq is not None:
            entry = self.conversation.refused(frame)
            if entry is None:
                self._hold((frame.retry_after_ms or RETRY_AFTER_MS) / 1000)
                return
            logger.warning("a %s was refused: %s", entry.kind, frame.message)
            if entry.kind is not MessageKind.STATUS:
                self.conversation.is_over = True
            self._wake.set()
            return
        level = logging.INFO if is_retryable(frame.code) else logging.WARNING
        logger.log(level, "the server says %s: %s", frame.code, frame.message)

    def _hold(self, delay: float) -> None:
        """Send no message for a while: the server asks for time."""
        loop = asyncio.get_running_loop()
        self._held_until = loop.time() + delay
        loop.call_at(self._held_until, self._wake.set)

    def _refused_joining(self, frame: outbound.Error) -> NoReturn:
        self._last_error = frame
        if self.conversation.tries_otherwise(frame) or is_retryable(frame.code):
            raise _StopError(_End(False, frame.code, frame.message, frame.retry_after_ms))
        raise _StopError(_End(True, frame.code, frame.message))

    def _read_close(self, closed: ConnectionClosed) -> _End:
        code = closed.rcvd.code if closed.rcvd is not None else None
        reason = closed.rcvd.reason if closed.rcvd is not None else "the connection was lost"
        error = self._last_error
        if is_resumable(code):
            retry_after_ms = error.retry_after_ms if error is not None else None
            return _End(False, "", reason, retry_after_ms)
        name = error.code if error is not None else CloseCode(code or 0).name.lower()
        return _End(True, name, error.message if error is not None else reason)

    def _finish(self, end: _End) -> None:
        self.done.set()
        for request in list(self._requests.values()):
            request.answer(_stopped(end.message or "the app has left the tree"))
        self._requests.clear()
        if end.is_final and end.code:
            self.listener.stopped(end.code, end.message)


def _refusal(frame: outbound.Error) -> ClewError:
    """Return a refusal as an error of ours."""
    code = _CODES.get(frame.code, ErrorCode.INVALID_ARGUMENT)
    return ClewError(code, frame.message, hint=frame.hint, retry_after_ms=frame.retry_after_ms)


def _stopped(why: str) -> ClewError:
    return ClewError(
        ErrorCode.UNAVAILABLE,
        f"no connection to the tree: {why}",
        hint="is_active tells whether the app is still part of the tree",
    )


_CODES: Final[Mapping[str, ErrorCode]] = {
    FrameError.NOT_FOUND: ErrorCode.NOT_FOUND,
    FrameError.FORBIDDEN: ErrorCode.FORBIDDEN,
    FrameError.UNAUTHORISED: ErrorCode.UNAUTHENTICATED,
    FrameError.ALREADY_EXISTS: ErrorCode.ALREADY_EXISTS,
    FrameError.CONFLICT: ErrorCode.CONFLICT,
    FrameError.TERMINAL: ErrorCode.CONFLICT,
    FrameError.ANCESTOR_CANCELLED: ErrorCode.CONFLICT,
    FrameError.QUOTA_EXCEEDED: ErrorCode.OVERLOADED,
    FrameError.OVERLOADED: ErrorCode.OVERLOADED,
    FrameError.UNAVAILABLE: ErrorCode.UNAVAILABLE,
    FrameError.TIMEOUT: ErrorCode.TIMEOUT,
    FrameError.TOO_LARGE: ErrorCode.TOO_LARGE,
    FrameError.UNSUPPORTED: ErrorCode.UNSUPPORTED,
    FrameError.INTERNAL: ErrorCode.INTERNAL,
}
