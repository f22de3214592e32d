"""One live feed out of those of several servers, each of which goes on where it was.

Every shard's feed is read by a thread of its own, which comes back after a loss with the last id
that it heard; what it reads goes into one queue. The queue is short: where it is full the threads
wait, and a shard's server does with a slow reader what it does with any, which is to count what it
leaves out.
"""

from __future__ import annotations

import contextvars
import functools
import queue
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlencode

from clew.base.errors import ClewError, ErrorCode
from clew.remote.events import SILENCE_S_MAX, Event, EventParser, is_passing, pause_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from clew.base.gathering import Shard
    from clew.remote.http import Pairs, Server
    from clew.remote.shards import Shards

HEARD_MAX: Final = 16
"""Batches that wait for their reader; each is a megabyte at the most."""

PUT_S: Final = 0.5
"""How often a thread that waits for room looks whether anybody is there still."""

ID_CHARS_MAX: Final = 8192
"""Of an event id: what a header may hold; two hundred shards."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of one shard: events, and the id after which its feed goes on.

    `lost` is why it cannot be heard for now, `failure` why it never will be.
    """

    shard: str
    last_id: str
    events: tuple[Event, ...] = ()
    lost: ClewError | None = None
    failure: ClewError | None = None


class ShardFeeds:
    """The feeds of all shards of one address. `close` it; from any thread."""

    def __init__(
        self,
        shards: Shards,
        path: str,
        pairs: Pairs,
        *,
        after: str | None,
        wake: Callable[[], object],
    ) -> None:
        """Begin to read `path`; `wake` is called, from other threads, when something was heard.

        Raises:
            ClewError: INVALID_ARGUMENT for an event id that is none of these shards.
        """
        self.places = read_event_id(after, {shard.name for shard in shards.shards})
        """After what each shard's feed began, by name; those that are left out began with now."""
        self._shards = shards
        self._asked = (path, pairs)
        self._wake = wake
        self._heard: queue.Queue[Heard] = queue.Queue(HEARD_MAX)
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._servers: dict[str, Server] = {}
        for shard in shards.shards:
            name = f"clew-feed-{shard.name}"
            # Whose key a shard is shown is in the request's context, which threads do not inherit.
            follow = functools.partial(contextvars.copy_context().run, self._follow, shard)
            threading.Thread(target=follow, name=name, daemon=True).start()

    def take(self) -> Heard | None:
        """Return what was heard next, None when there is nothing. Never waits."""
        try:
            return self._heard.get_nowait()
        except queue.Empty:
            return None

    def close(self) -> None:
        """End every thread; idempotent."""
        self._closing.set()
        with self._lock:
            servers = list(self._servers.values())
        for server in servers:
            # A shard may say nothing yet, or nothing any more.
            server.abort()

    def _follow(self, shard: Shard) -> None:
        last_id = self.places.get(shard.name, "")
        failures = 0
        while not self._closing.is_set():
            parser = EventParser(last_id)
            before = last_id
            try:
                if self._read(shard, parser):
                    last_id = parser.last_id
                    continue
                lost = ClewError(ErrorCode.UNAVAILABLE, f"{shard.url} ended the feed")
            except ClewError as error:
                if not is_passing(error):
                    self._put(Heard(shard.name, "", failure=error))
                    return
                lost = error
            last_id = parser.last_id
            failures = 0 if last_id != before else failures + 1
            self._shards.hear_loss(shard)
            self._put(Heard(shard.name, "", lost=lost))
            self._closing.wait(pause_seconds(failures, parser.retry_ms))

    def _read(self, shard: Shard, parser: EventParser) -> bool:
        """Read until it ends; return whether that is because another server leads the shard."""
        path, pairs = self._asked
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        if parser.last_id:
            headers["Last-Event-ID"] = parser.last_id
        with self._shards.connect(shard, read_timeout_s=SILENCE_S_MAX) as server:
            with self._lock:
                self._servers[shard.name] = server
            if self._closing.is_set():
                # Whoever closes may have looked before.
                return False
            with server.stream(path, pairs, headers) as stream:
                for chunk in stream.chunks():
                    if self._closing.is_set():
                        return False
                    events = tuple(parser.feed(chunk))
                    if parser.last_id:
                        self._put(Heard(shard.name, parser.last_id, events))
                    if self._shards.is_outdone(shard, server):
                        return True
        return False

    def _put(self, heard: Heard) -> None:
        while not self._closing.is_set():
            try:
                self._heard.put(heard, timeout=PUT_S)
            except queue.Full:
                continue
            self._wake()
            return


def write_event_id(ids: Mapping[str, str]) -> str:
    """Return one id for the places in all feeds, by the names of the shards."""
    return urlencode(sorted(ids.items()))


def read_event_id(text: str | None, names: set[str]) -> dict[str, str]:
    """Return the places that `write_event_id` wrote; none for no text.

    Raises:
        ClewError: INVALID_ARGUMENT for what is no such id, or names other shards.
    """
    if text is None:
        return {}
    try:
        ids = dict(parse_qsl(text, strict_parsing=True)) if len(text) <= ID_CHARS_MAX else {}
    except ValueError:
        ids = {}
    if not ids or not names.issuperset(ids):
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"not an event id of these shards: {text[:40]!r}",
            hint="give the id of the last event as the feed gave it, or none to begin now",
        )
    return ids
