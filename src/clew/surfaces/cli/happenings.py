"""What happens in the tree, as a command hears it: the feed, read by a thread into a queue."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, Final

from clew.base.errors import ClewError, ErrorCode
from clew.remote.events import Event, Interruption, follow
from clew.remote.pairs import to_pairs
from clew.remote.reply import decode
from clew.tree import documents as doc
from clew.tree.remote import WATCH_PATH

if TYPE_CHECKING:
    from clew.surfaces.cli.flags import ServerFlags
    from clew.tree.parameters import WatchParameters

# Batches held between the socket and the command; then the feed waits, and the server for it.
QUEUE_BATCHES_MAX: Final = 64

# How long the server may take to open the feed: it answers within milliseconds, or is overloaded.
READY_S_MAX: Final = 30.0

Said = list[doc.WatchEvent] | doc.WatchLagged | Interruption
"""Events, a gap in them, or a connection that is being opened again: the feed goes on after it."""


class Happenings:
    """A feed that is open: everything that happens after it was opened is heard.

    Raises:
        ClewError: the feed cannot be opened.
    """

    def __init__(self, flags: ServerFlags, asked: WatchParameters) -> None:
        self._heard: queue.Queue[Event | Interruption | ClewError] = queue.Queue(QUEUE_BATCHES_MAX)
        self._pause = threading.Event()
        reader = threading.Thread(
            target=self._read, args=(flags, asked), name="happenings", daemon=True
        )
        reader.start()
        try:
            first = self._heard.get(timeout=READY_S_MAX)
        except queue.Empty:
            raise ClewError(
                ErrorCode.TIMEOUT, f"{flags.server} did not open the feed", hint="try: clew doctor"
            ) from None
        if isinstance(first, ClewError):
            raise first

    def hear(self, seconds: float | None) -> Said | None:
        """Return what comes next, None when nothing comes in time; None waits for ever.

        Raises:
            ClewError: the server refused to go on.
        """
        try:
            heard = self._heard.get(timeout=seconds)
        except queue.Empty:
            return None
        if isinstance(heard, ClewError):
            raise heard
        if isinstance(heard, Interruption):
            return heard
        match heard.name:
            case "message":
                return decode(heard.data.encode(), list[doc.WatchEvent])
            case "lagged":
                return decode(heard.data.encode(), doc.WatchLagged)
            case _:
                # Ready once more, after the connection was lost: nothing was missed.
                return []

    def _read(self, flags: ServerFlags, asked: WatchParameters) -> None:
        try:
            for said in follow(
                flags.server,
                WATCH_PATH,
                to_pairs(asked),
                wait=self._pause.wait,
                api_key=flags.api_key,
            ):
                self._heard.put(said)
        except ClewError as error:
            self._heard.put(error)
