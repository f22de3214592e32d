"""What a command writes, carried on unchanged and read on the way.

Theory of operation. The command writes into a pipe; a thread carries on what comes, byte for byte,
and only then keeps a copy of the newest of it. It waits where it is carried to, so the command is
slowed down as it would be without us, and the loop of the agent never is. Where stdout and stderr
are the same file they share one pipe: their order is the command's own.

The loop looks at the copy a few times a second, whatever is written. What the copy does not hold is
not read for progress, but never lost on its way.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import select
import signal
import struct
import termios
import threading
from typing import TYPE_CHECKING, Final

from clew.tree.agent.progress import TooSlowError

if TYPE_CHECKING:
    from collections.abc import Callable

    from clew.tree.agent.progress import ProgressReader

# What a pipe holds on Linux: no read gives more.
PIECE_BYTES_MAX: Final = 64 * 1024

# Some thousand lines: at two looks a second even a busy build writes less between them, and to
# match all of it takes some milliseconds.
TAIL_BYTES_MAX: Final = 256 * 1024

# Each status is kept durably, and a person sees no more in a second.
LOOK_S: Final = 0.5

# How long the report of the end waits for the last of the output to be carried on.
LAST_S_MAX: Final = 1.0

_INT: Final = struct.Struct("i")


class Output:
    """The pipes of one command. `say` takes each status, `warn` writes a line for the person."""

    def __init__(
        self, reader: ProgressReader, say: Callable[[bytes], None], warn: Callable[[str], None]
    ) -> None:
        self._reader: ProgressReader | None = reader
        self._say = say
        self._warn = warn
        self._tail = bytearray()
        self._is_cut = False
        self._source = 1
        self._lock = threading.Lock()
        self._has_more = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._pipes = [_Pipe(1, self._keep)]
        if not _are_same(1, 2):
            self._pipes.append(_Pipe(2, self._keep))

    @property
    def streams(self) -> tuple[int, int]:
        """The stdout and the stderr of the command."""
        return self._pipes[0].entrance, self._pipes[-1].entrance

    def start(self) -> None:
        """Begin to carry on, once the command has its ends of the pipes."""
        for pipe in self._pipes:
            pipe.start(self._loop)

    def close(self) -> None:
        """Let go of all, where no command was started."""
        for pipe in self._pipes:
            pipe.close()

    async def follow(self) -> None:
        """Say each status as it comes, for ever."""
        while self._reader is not None:
            await self._has_more.wait()
            is_new = self._look()
            while is_new:
                await asyncio.sleep(LOOK_S)
                # When there is nothing new, a line that has no end is taken to be all of it.
                is_new = self._look()

    async def finish(self) -> None:
        """Carry on what the command has written, once it has ended, and say the last status.

        What others hold open is not waited for; nor, for longer than `LAST_S_MAX`, a slow reader.
        """
        for pipe in self._pipes:
            pipe.finish()
        ends = [pipe.finished for pipe in self._pipes]
        await asyncio.wait(ends, timeout=LAST_S_MAX)
        self._look()
        self._look()

    async def wait(self) -> None:
        """Wait until all is carried on."""
        await asyncio.wait([pipe.finished for pipe in self._pipes])

    def _keep(self, piece: bytes, source: int) -> None:
        """Keep the newest of what was carried on; called by threads."""
        with self._lock:
            is_first = not self._tail
            if source != self._source:
                # What one stream has not ended is no beginning of what the other says.
                self._tail += b"\n"
                self._source = source
            self._tail += piece
            if len(self._tail) > TAIL_BYTES_MAX:
                del self._tail[:-TAIL_BYTES_MAX]
                self._is_cut = True
        if is_first:
            with contextlib.suppress(RuntimeError):
                # The loop is closed when nobody wants to know any more.
                self._loop.call_soon_threadsafe(self._has_more.set)

    def _look(self) -> bool:
        """Say what has become of it; return whether there was anything new."""
        with self._lock:
            piece, is_cut = bytes(self._tail), self._is_cut
            self._tail.clear()
            self._is_cut = False
            self._has_more.clear()
        if self._reader is not None:
            try:
                status = self._reader.read(piece, is_cut=is_cut)
            except TooSlowError:
                self._warn("the progress pattern takes too long here and is not used any more")
                self._reader = None
            else:
                if status is not None:
                    self._say(status)
        return bool(piece)


class _Pipe:
    """A pipe, and the thread that carries on what comes out of it to a descriptor of ours."""

    def __init__(self, target: int, keep: Callable[[bytes, int], None]) -> None:
        self._target = target
        self._keep = keep
        self._exit, self.entrance = os.pipe()
        self._stop_exit, self._stop = os.pipe()
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Close the command's end, and begin."""
        os.close(self.entrance)
        threading.Thread(target=self._run, args=(loop,), name="clew output", daemon=True).start()

    def finish(self) -> None:
        """Carry on what is there now, and end."""
        os.write(self._stop, b"0")

    def close(self) -> None:
        """Close all ends of a pipe that was not started."""
        for descriptor in (self._exit, self.entrance, self._stop_exit, self._stop):
            os.close(descriptor)

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        # In the background of a terminal that asks for it, a write would stop this process.
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTTOU])
        # Whoever reads it has gone: then the command hears so as well, when the pipe is closed.
        with contextlib.suppress(OSError):
            self._carry()
        os.close(self._exit)
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(self._note_end)

    def _note_end(self) -> None:
        if not self.finished.done():
            self.finished.set_result(None)

    def _carry(self) -> None:
        left: int | None = None
        poll = select.poll()
        poll.register(self._exit, select.POLLIN)
        poll.register(self._stop_exit, select.POLLIN)
        while left is None or left > 0:
            if left is None and any(each == self._stop_exit for each, _ in poll.poll()):
                # The command has ended: all that it wrote is in the pipe.
                left = _count_bytes(self._exit)
                continue
            most = PIECE_BYTES_MAX if left is None else min(left, PIECE_BYTES_MAX)
            piece = os.read(self._exit, most)
            if not piece:
                return
            _write_all(self._target, piece)
            self._keep(piece, self._target)
            if left is not None:
                left -= len(piece)


def _are_same(one: int, other: int) -> bool:
    """Whether two descriptors are of one file; one that is closed is of none."""
    try:
        return os.path.sameopenfile(one, other)
    except OSError:
        return False


def _count_bytes(descriptor: int) -> int:
    """Return how many bytes are in a pipe."""
    answer = fcntl.ioctl(descriptor, termios.FIONREAD, _INT.pack(0))
    count: int = _INT.unpack(answer)[0]
    return count


def _write_all(descriptor: int, piece: bytes) -> None:
    """Write, and wait where others have told a shared file not to."""
    rest = memoryview(piece)
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:
            poll = select.poll()
            poll.register(descriptor, select.POLLOUT)
            poll.poll()
