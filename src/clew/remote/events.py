"""Server-sent events: a parser of the wire, and a reader that survives the server's absence.

The parser follows the WHATWG event-stream grammar: lines end in LF, CR or CRLF; a blank line ends
an event; the last id stays in force until another is sent. The reader comes back after a lost
connection with `Last-Event-ID`, so that nothing between is missed as long as the server still has
it; what it no longer has it counts and says itself.
"""

from __future__ import annotations

import codecs
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from clew.base.errors import ClewError, ErrorCode
from clew.remote.http import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from clew.remote.pairs import Pairs

# The server sends a keep-alive every 15 s or sooner; after three of them nobody is there.
SILENCE_S_MAX: Final = 45.0

# First wait before coming back; doubled each time. A server restarts in about a second and a half.
BACKOFF_S_MIN: Final = 0.25
BACKOFF_S_MAX: Final = 5.0

# One batch of a feed is far smaller; more than this is not a feed of ours.
EVENT_CHARS_MAX: Final = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Event:
    """One event. `id` is the id in force when it ended, which may be an earlier event's."""

    name: str
    data: str
    id: str


@dataclass(frozen=True, slots=True)
class Interruption:
    """The connection was lost and will be tried again after `wait_s`."""

    error: ClewError
    wait_s: float


class EventParser:
    """Turns bytes, cut anywhere, into events."""

    def __init__(self, last_id: str = "") -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._is_first = True
        self._rest = ""
        self._name = ""
        self._data: list[str] = []
        self._size = 0
        self._id = last_id
        self.last_id = last_id
        self.retry_ms: int | None = None

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """Yield the events that `chunk` completes.

        Raises:
            ClewError: TOO_LARGE when one event is over the limit.
        """
        text = self._rest + self._decoder.decode(chunk)
        if self._is_first and text:
            text = text.removeprefix("\ufeff")
            self._is_first = False
        # A CR at the very end may be half of a CRLF; it waits for what follows.
        held = "\r" if text.endswith("\r") else ""
        lines = text.removesuffix(held).replace("\r\n", "\n").replace("\r", "\n").split("\n")
        self._rest = lines.pop() + held
        if self._size + len(self._rest) > EVENT_CHARS_MAX:
            raise ClewError(ErrorCode.TOO_LARGE, "an event of the feed is over the limit")
        for line in lines:
            event = self._take(line)
            if event is not None:
                yield event

    def _take(self, line: str) -> Event | None:
        if not line:
            return self._finish()
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match field:
            case "data":
                self._data.append(value)
                # What holds a line counts as well, or lines of nothing would be without end.
                self._size += len(value) + 1
            case "event":
                self._name = value
            case "id" if "\0" not in value:
                self._id = value
            case "retry" if value.isascii() and value.isdigit():
                self.retry_ms = int(value)
            case _:
                return None  # A comment, or a field of a later version of the grammar.
        return None

    def _finish(self) -> Event | None:
        # An id counts once its event is whole: half an event must be sent again.
        self.last_id = self._id
        name, data = self._name or "message", self._data
        self._name, self._data, self._size = "", [], 0
        return Event(name, "\n".join(data), self.last_id) if data else None


def follow(
    url: str,
    path: str,
    pairs: Pairs,
    *,
    wait: Callable[[float], object],
    api_key: str | None = None,
) -> Generator[Event | Interruption, None, None]:
    """Yield events for ever, coming back after every loss of the connection.

    `wait` is called with the seconds to pause between two tries. The first connection must succeed.

    Raises:
        ClewError: when the first connection fails, or the server refuses the question at any time.
    """
    last_id = ""
    failures = 0
    is_first = True
    while True:
        parser = EventParser(last_id)
        try:
            with Server(url, api_key=api_key, read_timeout_s=SILENCE_S_MAX) as server:
                headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
                if last_id:
                    headers["Last-Event-ID"] = last_id
                with server.stream(path, pairs, headers) as stream:
                    is_first = False
                    for chunk in stream.chunks():
                        failures = 0
                        for event in parser.feed(chunk):
                            last_id = event.id
                            yield event
            lost = ClewError(ErrorCode.UNAVAILABLE, f"{url} ended the feed")
        except ClewError as error:
            if is_first or not is_passing(error):
                raise
            lost = error
        last_id = parser.last_id
        pause_s = pause_seconds(failures, parser.retry_ms)
        failures += 1
        yield Interruption(lost, pause_s)
        wait(pause_s)


def is_passing(error: ClewError) -> bool:
    """Whether a failure may go away by itself."""
    return error.code in {ErrorCode.UNAVAILABLE, ErrorCode.TIMEOUT, ErrorCode.OVERLOADED}


def pause_seconds(failures: int, retry_ms: int | None) -> float:
    """Return how long to wait after so many failures in a row; `retry_ms` is the server's wish."""
    start_s = retry_ms / 1000 if retry_ms is not None else BACKOFF_S_MIN
    pause_s = min(BACKOFF_S_MAX, start_s * float(2 ** min(failures, 10)))
    # Spread, so that many watchers of one server do not come back in the same instant.
    return pause_s * (0.5 + random.random() / 2)  # noqa: S311 - nothing secret
