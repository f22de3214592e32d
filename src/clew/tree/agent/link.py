"""The task that keeps an agent attached to its app: connects, speaks, and comes back for ever.

Theory of operation. An agent proves itself by the join token of the app, on each connection anew.
Its messages have numbers of their own and are sent again until they are acknowledged. The exit is
said last, and twice: the first time ends the app, the second is refused as soon as the first is
durable, because the socket does not speak for the app any more. That refusal is the receipt.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec
from websockets.exceptions import ConnectionClosed, WebSocketException

from clew.base.errors import ClewError, ErrorCode
from clew.tree.agent.announcing import PASSING
from clew.tree.client.connection import (
    ANSWER_S_MAX,
    BACKOFF_S_MAX,
    backoff_s,
    converse,
    forget_closed,
    open_socket,
    receive,
)
from clew.tree.client.outbox import Outbox
from clew.tree.frames import outbound
from clew.tree.frames.codec import encode
from clew.tree.frames.codes import FrameError, is_resumable, is_retryable
from clew.tree.frames.fields import Source
from clew.tree.frames.inbound import Attach, Exited, Header, Message
from clew.tree.machine.app import LIVE, Status

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from websockets.asyncio.client import ClientConnection

    from clew.tree.agent.announcing import Announcement
    from clew.tree.agent.process import Exit
    from clew.tree.client.outbox import Entry
    from clew.tree.frames.inbound import ProcessInfo
    from clew.tree.frames.outbound import ProcessSignal

# After a refusal that passes, where the server says no time itself.
RETRY_AFTER_S: Final = 1.0

# A server on this machine was mostly started by the same person, who looks for what runs; that some
# hundred agents look for it so often costs nothing there.
LOCAL_BACKOFF_S_MAX: Final = 5.0

_LIVE: Final = frozenset(status.value for status in LIVE)

Result = TypeVar("Result")


class _StopError(Exception):
    """The server wants no more of this agent."""


@dataclass(slots=True)
class AgentLink:
    """Keeps an agent attached; all of it belongs to one event loop.

    `signalled` is called with each signal that the server orders, and with None when the app must
    not run because something above it was cancelled. `warn` says something to the person.
    """

    announcement: Announcement
    process: ProcessInfo
    signalled: Callable[[ProcessSignal | None], None]
    warn: Callable[[str], None]
    chance: random.Random = field(default_factory=random.Random)
    is_attached: bool = False
    was_attached: bool = False
    is_apart: asyncio.Event = field(default_factory=asyncio.Event)
    """Set between two attempts, while nobody is spoken to."""
    over: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when there is nothing left to say, or nobody to say it to."""
    _outbox: Outbox = field(default_factory=Outbox)
    _exit: Exit | None = None
    _exit_is_said: bool = False
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _sockets: set[socket.socket] = field(default_factory=set)

    def say(self, entry: Entry) -> None:
        """Send a message, as soon as there is a connection."""
        self._outbox.put(entry)
        self._wake.set()

    def report(self, how: Exit) -> None:
        """Say how the process ended, after all that was said; `over` tells when it is known."""
        self._exit = how
        self._wake.set()

    async def run(self) -> None:
        """Keep the agent attached until `over`."""
        attempt = 0
        most_s = LOCAL_BACKOFF_S_MAX if self.announcement.is_local else BACKOFF_S_MAX
        try:
            while not self.over.is_set():
                self.is_attached = False
                self.is_apart.clear()
                # Whoever is away comes back; the person was told once, at the start.
                with contextlib.suppress(OSError, WebSocketException, TimeoutError):
                    await self._announce()
                    url = self.announcement.config.socket_url()
                    await self._talk(await open_socket(url, self._sockets))
                self.is_apart.set()
                attempt = 0 if self.is_attached else attempt + 1
                if not self.over.is_set():
                    await asyncio.sleep(backoff_s(attempt, self.chance, most_s))
        except _StopError:
            # There is nobody to say anything to.
            self.is_attached = False
        finally:
            self.over.set()

    async def _announce(self) -> None:
        """Bring the app into the tree, if that has not succeeded yet."""
        if self.announcement.is_announced:
            return
        try:
            await in_thread(self.announcement.announce)
        except ClewError as error:
            if error.code in PASSING:
                raise TimeoutError(error.message) from error
            if error.code is ErrorCode.CONFLICT:
                await self._look_above()
            self.warn(f"the tree does not take this command: {error.message}")
            raise _StopError from error

    async def _look_above(self) -> None:
        """Find out why nothing may start here any more: a cancel above is one of the command too.

        Raises:
            TimeoutError: the cancel is not over yet, or nobody says how it stands.
            _StopError: the surrounding app was cancelled, and the command is being ended.
        """
        try:
            status = await in_thread(self.announcement.read_parent_status)
        except ClewError as error:
            if error.code in PASSING:
                raise TimeoutError(error.message) from error
            return
        if status in _LIVE:
            raise TimeoutError("the surrounding app is being cancelled")
        if status == Status.CANCELLED:
            self.signalled(None)
            raise _StopError

    async def _talk(self, connection: ClientConnection) -> None:
        try:
            async with asyncio.timeout(ANSWER_S_MAX):
                await self._attach(connection)
            self.is_attached = self.was_attached = True
            self._outbox.retry()
            self._exit_is_said = False
            self._wake.set()
            await converse(self._read(connection), self._write(connection))
        except ConnectionClosed as closed:
            code = closed.rcvd.code if closed.rcvd is not None else None
            if not is_resumable(code):
                raise _StopError from closed
        finally:
            await connection.close()
            forget_closed(self._sockets)

    async def _attach(self, connection: ClientConnection) -> None:
        config = self.announcement.config
        frame = Attach(
            app_id=config.app_id, join_token=config.join_token, process_info=self.process
        )
        await connection.send(encode(frame), text=True)
        while not isinstance(answer := (await receive(connection))[0], outbound.Attached):
            if isinstance(answer, outbound.Error):
                self._refused(answer)

    def _refused(self, error: outbound.Error) -> None:
        """Take it that the server does not let the agent speak for the app."""
        if error.code == FrameError.NOT_FOUND and not self.announcement.is_joined:
            # It was announced to a server that has lost it, or to another one.
            self.announcement.is_announced = False
            raise TimeoutError(error.message)
        if is_retryable(error.code):
            raise TimeoutError(error.message)
        if error.code == FrameError.ANCESTOR_CANCELLED:
            self.signalled(None)
        elif error.code != FrameError.TERMINAL or not (self.was_attached or error.seq):
            # Who never came, and has said nothing that could have ended it, comes too late.
            self.warn(f"the tree does not take this command: {error.message}")
        raise _StopError

    async def _write(self, connection: ClientConnection) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while (entry := self._outbox.take()) is not None:
                await connection.send(encode(self._message(entry)), text=True)
            if self._exit is not None and not self._outbox and not self._exit_is_said:
                self._exit_is_said = True
                said = Exited(
                    app_id=self.announcement.config.app_id,
                    exit_code=self._exit.code,
                    signal=self._exit.signal,
                )
                for _ in range(2):
                    await connection.send(encode(said), text=True)

    async def _read(self, connection: ClientConnection) -> None:
        """Take what the server says, until it knows how the process ended."""
        while not self.over.is_set():
            frame, _ = await receive(connection)
            match frame:
                case outbound.Ack() as ack if ack.source is Source.AGENT:
                    self._outbox.ack(ack.seq)
                    self._wake.set()
                case outbound.Signal() as order:
                    self.signalled(order.signal)
                case outbound.Error() as error:
                    await self._take_error(error)

    async def _take_error(self, error: outbound.Error) -> None:
        if error.seq is not None:
            if not is_retryable(error.code):
                self._outbox.refuse(error.seq)
                return
            await asyncio.sleep((error.retry_after_ms or RETRY_AFTER_S * 1000) / 1000)
            self._outbox.retry()
        elif error.code == FrameError.ANCESTOR_CANCELLED:
            # The cancel was over before this connection; the exit may still confirm it.
            self.signalled(None)
        elif error.code == FrameError.NOT_REGISTERED and self._exit_is_said:
            self.over.set()
        self._wake.set()

    def _message(self, entry: Entry) -> Message:
        return Message(
            app_id=self.announcement.config.app_id,
            header=Header(msg_type=entry.kind, timestamp=entry.at_ms, seq=entry.seq),
            payload=msgspec.Raw(entry.payload),
            source=Source.AGENT,
        )


async def in_thread(work: Callable[[], Result]) -> Result:
    """Return what a function returns that blocks.

    Its thread is not waited for at the end: a server that hangs must not keep a command's end.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Any] = loop.create_future()

    def give(value: object, error: BaseException | None) -> None:
        if answer.done():
            return
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(value)

    def do() -> None:
        value: object = None
        trouble: BaseException | None = None
        try:
            value = work()
        except (ClewError, OSError) as error:
            trouble = error
        if not loop.is_closed():
            loop.call_soon_threadsafe(give, value, trouble)

    threading.Thread(target=do, name="clew announce", daemon=True).start()
    result: Result = await answer
    return result
