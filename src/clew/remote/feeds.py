"""One live feed out of those of several servers, each of which goes on where it was.

Every shard's feed is read by a thread of its own, which comes back after a loss with the last id
that it heard; what it reads goes into one queue. The queue is short: where it is full the threads
wait, and a shard's server does with a slow reader what it does with any, which is to count what it
leaves out.

A shard that is a group is heard where its questions go, and from another server as soon as they go
there. Ids of feeds are numbers that grow, of frames or of events, and the same on all servers of a
group; so one that does not show yet what was heard before cannot be heard.
"""

from __future__ import annotations

import contextvars
import functools
import queue
import re
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlencode

from clew.base.errors import ClewError, ErrorCode
from clew.base.gathering import UNSURE
from clew.remote.events import SILENCE_S_MAX, Event, EventParser, is_passing, pause_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from clew.base.gathering import Shard
    from clew.remote.http import Server
    from clew.remote.pairs import Pairs
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

    `is_of_standby`: a server of an unsure role said it. `lost` is why the shard cannot
    be heard for now, `failure` why it never will be.
    """

    shard: str
    last_id: str
    events: tuple[Event, ...] = ()
    is_of_standby: bool = False
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
        silence_s: float = SILENCE_S_MAX,
    ) -> None:
        """Begin to read `path`; `wake` is called, from other threads, when something was heard.

        A shard that says nothing for `silence_s` seconds, not even that it is there, is lost.

        Raises:
            ClewError: INVALID_ARGUMENT for an event id that is none of these shards.
        """
        self.places = read_event_id(after, {shard.name for shard in shards.shards})
        """After what each shard's feed began, by name; those that are left out began with now."""
        self._shards = shards
        self._asked = (path, pairs)
        self._wake = wake
        self._silence_s = silence_s
        self._heard: queue.Queue[Heard] = queue.Queue(HEARD_MAX)
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._servers: dict[str, Server] = {}
        self._left: set[str] = set()
        shards.hear_moves(self._leave)
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
        self._shards.unhear_moves(self._leave)
        with self._lock:
            servers = list(self._servers.values())
        for server in servers:
            # A shard may say nothing yet, or nothing any more.
            server.abort()

    def _leave(self, name: str, url: str) -> None:
        """Leave a server that may say nothing for long, as questions go to another one."""
        with self._lock:
            server = self._servers.get(name)
            if server is None or server.url == url:
                return
            self._left.add(name)
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
            with self._lock:
                server = self._servers.pop(shard.name, None)
                is_left = server is not None and shard.name in self._left
                self._left.discard(shard.name)
            if is_left:
                # Nothing was lost as long as the other one can be heard.
                continue
            failures = 0 if last_id != before else failures + 1
            self._shards.hear_loss(shard)
            self._put(Heard(shard.name, "", lost=lost))
            self._closing.wait(pause_seconds(failures, parser.retry_ms))

    def _read(self, shard: Shard, parser: EventParser) -> bool:
        """Read until it ends; return whether that is since the shard is better heard anew."""
        path, pairs = self._asked
        given = parser.last_id
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        if parser.last_id:
            headers["Last-Event-ID"] = parser.last_id
        with self._shards.connect(shard, read_timeout_s=self._silence_s) as server:
            with self._lock:
                self._servers[shard.name] = server
            if self._closing.is_set():
                # Whoever closes may have looked before.
                return False
            try:
                with server.stream(path, pairs, headers) as stream:
                    since = time.monotonic()
                    for chunk in stream.chunks():
                        if self._closing.is_set():
                            return False
                        events = tuple(parser.feed(chunk))
                        is_of_standby = self._shards.is_unsure(shard, server)
                        if is_of_standby and _is_before(parser.last_id, given):
                            parser.last_id = given
                            raise _not_so_far(server.url)
                        if parser.last_id:
                            self._put(Heard(shard.name, parser.last_id, events, is_of_standby))
                        if self._shards.is_outdone(shard, server, since):
                            return True
            except ClewError as error:
                if server.role in UNSURE and given and error.code is ErrorCode.INVALID_ARGUMENT:
                    # It says that what was heard has not happened.
                    raise _not_so_far(server.url) from error
                raise
        return False

    def _put(self, heard: Heard) -> None:
        while not self._closing.is_set():
            try:
                self._heard.put(heard, timeout=PUT_S)
            except queue.Full:
                continue
            self._wake()
            return


def _is_before(place: str, other: str) -> bool:
    """Return whether an id of a feed is of something earlier than another one."""

    def numbers(text: str) -> list[int]:
        return [int(each) for each in re.findall(r"\d{1,19}", text)]

    return numbers(place) < numbers(other)


def _not_so_far(url: str) -> ClewError:
    return ClewError(
        ErrorCode.UNAVAILABLE,
        f"{url} does not show yet what was heard before",
        retry_after_ms=1000,
    )


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
