"""The socket at which a command, and whatever it starts, speaks to its agent."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from clew.base.errors import ClewError, ErrorCode
from clew.tree.agent.claims import Claim, make_claimed, sweep
from clew.tree.agent.speaking import LINE_BYTES_MAX, Answer, Refusal, Saying
from clew.tree.frames.codec import parse

if TYPE_CHECKING:
    from collections.abc import Callable

# A Unix socket's path has 108 bytes at most on Linux, 104 elsewhere, one of them a zero.
PATH_BYTES_MAX: Final = 103

# Who connects and says nothing must not hold a descriptor of the agent for ever.
LINE_S_MAX: Final = 10.0

# One speaks for milliseconds; more at a time than this is a mistake, and waits for its turn.
CONNECTIONS_MAX: Final = 64

PREFIX: Final = "clew-exec-"
"""How the name of an agent's folder begins."""

_SOCKET: Final = "agent"

# The separators, the prefix, the eight characters that make it unique, and the socket.
NAME_BYTES_MAX: Final = len(PREFIX) + 8 + len(_SOCKET) + 2

_FALLBACK: Final = "/tmp"  # noqa: S108 - a folder of our own is made in it

_decoder: Final[msgspec.json.Decoder[Saying]] = msgspec.json.Decoder(Saying)


class Mailbox:
    """Listens while it is open; `take` takes what is said, or raises a ClewError."""

    def __init__(self, take: Callable[[Saying], None]) -> None:
        self._take = take
        self._claim = _make_folder()
        self._server: asyncio.Server | None = None
        self._turn = asyncio.Semaphore(CONNECTIONS_MAX)

    @property
    def path(self) -> str:
        """Where the socket is."""
        return str(self._claim.folder / _SOCKET)

    async def open(self) -> None:
        """Begin to listen."""
        self._server = await asyncio.start_unix_server(self._serve, self.path, limit=LINE_BYTES_MAX)
        os.chmod(self.path, 0o600)  # noqa: PTH101 - it is no wait

    async def close(self) -> None:
        """Listen no more, and leave nothing behind; idempotent."""
        if self._server is not None:
            self._server.close()
            self._server = None
        with contextlib.suppress(OSError):
            _remove(self._claim.folder)
        self._claim.release()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with self._turn, asyncio.timeout(LINE_S_MAX):
                line = await reader.readuntil(b"\n")
                writer.write(msgspec.json.encode(self._answer(line)) + b"\n")
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            # It hears nothing, and says so itself.
            writer.transport.abort()
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def _answer(self, line: bytes) -> Answer:
        try:
            parse(line)
            self._take(_decoder.decode(line))
        except msgspec.MsgspecError as error:
            refusal = Refusal(code=ErrorCode.INVALID_ARGUMENT, message=str(error))
        except ClewError as error:
            refusal = Refusal(code=error.code, message=error.message, hint=error.hint)
        else:
            return Answer()
        return Answer(error=refusal)


def _make_folder() -> Claim:
    """Return a new folder that only this user may enter, with room for a socket's name."""
    parent = tempfile.gettempdir()
    if len(os.fsencode(parent)) > PATH_BYTES_MAX - NAME_BYTES_MAX:
        parent = _FALLBACK
    sweep(Path(parent), PREFIX, _remove)
    return make_claimed(lambda: Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent)))


def _remove(folder: Path) -> None:
    """Remove what an agent made, and nothing else that happens to be called the same.

    Raises:
        OSError: something else is in it.
    """
    (folder / _SOCKET).unlink(missing_ok=True)
    folder.rmdir()
