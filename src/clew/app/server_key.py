"""The server's own key: made when it is first needed, and one for all servers of a group.

Apps pin it, so whoever takes over has to have it. A standby asks its leader for it, over the door
that servers of a group have for one another, and only where that door asks for a key: the file may
be read by the server alone, and what anybody on the machine could ask for would be no secret. It
goes over the wire as API keys do.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import threading
from typing import TYPE_CHECKING, Final

import msgspec

from clew.base.errors import ClewError, ErrorCode
from clew.remote.http import Server
from clew.store.replication.wire import KEY_PATH
from clew.tree.frames.keys import Signer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

logger = logging.getLogger(__name__)

KEY_FILE: Final = "server.key"
"""The server's own key, in the data folder: what clients pin must outlive a restart."""

FORMER_FILE: Final = "server.key.former"
"""Where the key of a server goes that takes its leader's."""

KEY_MODE: Final = 0o600

AGAIN_SECONDS: Final = 2.0
"""How soon a leader that did not give its key is asked again: nobody waits for it."""

ANSWER_SECONDS_MAX: Final = 5.0

# Whoever asks first makes the key, on any thread: two of them must not make two.
_key_lock: Final = threading.Lock()


class _Key(msgspec.Struct, frozen=True):
    seed: str
    pub_key: str


def open_signer(folder: Path) -> Signer:
    """Return the key of a data folder, made when there is none. Blocks.

    Raises:
        ClewError: UNAVAILABLE when the file cannot be read or written, or is none of ours.
    """
    path = folder / KEY_FILE
    try:
        with _key_lock:
            if path.exists():
                return Signer(bytes.fromhex(json.loads(path.read_text())["seed"]))
            signer = Signer()
            _write_key(path, json.dumps({"seed": signer.seed.hex(), "pub_key": signer.pub_key}))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _unreadable(path, error) from error
    return signer


def read_pub_key(folder: Path) -> str:
    """Return the public half of the key of a data folder, which is made when there is none. Blocks.

    Raises:
        ClewError: as `open_signer`.
    """
    path = folder / KEY_FILE
    try:
        if path.exists():
            return str(json.loads(path.read_text())["pub_key"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _unreadable(path, error) from error
    return open_signer(folder).pub_key


def _write_key(path: Path, text: str) -> None:
    """Write the key in one go: half a key would keep the server from starting."""
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, KEY_MODE)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    draft.rename(path)


def _unreadable(path: Path, error: Exception) -> ClewError:
    return ClewError(
        ErrorCode.UNAVAILABLE,
        f"the server's key {path} cannot be read or written: {error}",
        hint="put a copy of it back; without one, remove it, and tell clients that pin it of the"
        " new one",
    )


def tell_key(folder: Path) -> dict[str, str]:
    """Return the key of a data folder as another server takes it. Blocks.

    Raises:
        ClewError: as `open_signer`.
    """
    signer = open_signer(folder)
    return {"seed": signer.seed.hex(), "pub_key": signer.pub_key}


def take_key(folder: Path, document: bytes) -> bool:
    """Have the key that another server told; return whether it is another than before. Blocks.

    Raises:
        ClewError: UNSUPPORTED for what is no key, else as `open_signer`.
    """
    try:
        told = msgspec.json.decode(document, type=_Key)
        signer = Signer(bytes.fromhex(told.seed))
    except (msgspec.DecodeError, ValueError) as error:
        raise ClewError(ErrorCode.UNSUPPORTED, f"that is no key of a server: {error}") from error
    path = folder / KEY_FILE
    try:
        with _key_lock:
            if path.exists():
                if json.loads(path.read_text()).get("seed") == signer.seed.hex():
                    return False
                # A name more for the same file: there is a key at every moment.
                former = folder / FORMER_FILE
                former.unlink(missing_ok=True)
                os.link(path, former)
            _write_key(path, json.dumps({"seed": signer.seed.hex(), "pub_key": signer.pub_key}))
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    return True


class KeyAdoption:
    """Asks whoever leads for its key while this server follows. Belongs to one event loop."""

    def __init__(self, folder: Path, peer_key: str, find_leader: Callable[[], str | None]) -> None:
        """`find_leader` gives the URL of another server that leads; without a key none is asked."""
        self._folder = folder
        self._peer_key = peer_key
        self._find_leader = find_leader
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Ask until it is had, or refused."""
        if self._peer_key:
            self._task = asyncio.create_task(self._run(), name="server-key")

    async def end(self) -> None:
        """Ask no more; idempotent."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _run(self) -> None:
        while True:
            url = self._find_leader()
            if url is not None:
                try:
                    if await asyncio.to_thread(self._ask, url):
                        logger.info("this server has the key of %s now, which apps may pin", url)
                except ClewError as error:
                    if error.code not in PASSING:
                        logger.warning("%s does not give its server's key: %s", url, error.message)
                        return
                else:
                    return
            await asyncio.sleep(AGAIN_SECONDS)

    def _ask(self, url: str) -> bool:
        with Server(url, api_key=self._peer_key, read_timeout_s=ANSWER_SECONDS_MAX) as server:
            return take_key(self._folder, server.get(KEY_PATH).body)


PASSING: Final = frozenset({ErrorCode.UNAVAILABLE, ErrorCode.TIMEOUT, ErrorCode.OVERLOADED})
"""What a leader answers that has not opened its doors yet, or has just gone."""
