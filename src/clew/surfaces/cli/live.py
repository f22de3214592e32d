"""Live feeds on a terminal or down a pipe: records as they come, and what was left out.

Each feed is read by a thread of its own into one bounded queue. A reader that is slow fills the
queue, then the socket, and then the server leaves records out and counts them; the count is shown
where the records would have been. Nothing grows.
"""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from clew.base.errors import ClewError, ErrorCode
from clew.remote.events import Interruption, follow
from clew.surfaces.cli import output
from clew.surfaces.cli.budget import check_budget
from clew.surfaces.cli.errors import ExitCode, print_note
from clew.surfaces.cli.flags import AnswerFlags
from clew.surfaces.cli.grid import Style, pad_line, plain, render, styled
from clew.surfaces.cli.hearing import MISSING, STANDBYS, Hearing
from clew.surfaces.cli.text import escape, plural, read_time, show_duration, show_time, zone_name
from clew.surfaces.cli.views.logs import body_text, severity_mark
from clew.surfaces.cli.views.spans import status_mark
from clew.telemetry.documents import LogRecord, Span
from clew.telemetry.remote import BASE, decode, to_pairs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from clew.remote.events import Event
    from clew.surfaces.cli.grid import Line
    from clew.surfaces.cli.output import Screen

# Batches held between the socket and the screen: a few seconds of a busy feed, then it waits.
QUEUE_BATCHES_MAX: Final = 64

# How often the printing thread looks up, so that Ctrl-C is felt at once on every platform.
LOOK_UP_S: Final = 0.5

SERVICE_WIDTH: Final = 14
DURATION_WIDTH: Final = 8

Signal = Literal["traces", "logs"]


@dataclass(frozen=True, slots=True)
class Feed:
    """One live route and what to ask of it."""

    signal: Signal
    query: msgspec.Struct


@dataclass(frozen=True, slots=True)
class Heard:
    """Something a feed said: an event, a lost connection, or the error that ended it."""

    feed: Feed
    said: Event | Interruption | ClewError


def watch(
    feeds: Sequence[Feed], answer: AnswerFlags | None, *, tagged: bool, limit: int | None = None
) -> ExitCode:
    """Show what feeds say until Ctrl-C, `limit` records, or the end of the budget.

    `tagged` wraps each record of a pipe as ``{"span": …}`` or ``{"log": …}``.

    Raises:
        ClewError: when a feed cannot be opened, or the server refuses it later.
    """
    if limit is not None and limit < 1:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT, "--limit is below 1", hint="ask for one record or more"
        )
    flags = answer or AnswerFlags()
    heard: queue.Queue[Heard] = queue.Queue(QUEUE_BATCHES_MAX)
    try:
        # From the moment that a server may feed it.
        for feed in feeds:
            reader = threading.Thread(
                target=_read, args=(flags, feed, heard), name=f"feed {feed.signal}", daemon=True
            )
            reader.start()
        writer = _Writer(flags, tagged=tagged, limit=limit)
        while not writer.is_full:
            try:
                each = heard.get(timeout=LOOK_UP_S)
            except queue.Empty:
                continue
            writer.take(each)
    except KeyboardInterrupt:
        # Ending a feed that has no end is how it is meant to be used.
        return ExitCode.OK
    return ExitCode.OK


def _read(flags: AnswerFlags, feed: Feed, heard: queue.Queue[Heard]) -> None:
    pause = threading.Event().wait
    path = f"{BASE}/{feed.signal}/live"
    try:
        pairs = to_pairs(feed.query)
        for said in follow(flags.server, path, pairs, wait=pause, api_key=flags.api_key):
            heard.put(Heard(feed, said))
    except ClewError as error:
        heard.put(Heard(feed, error))


class _Writer:
    """Writes records one a line and keeps the count."""

    def __init__(self, flags: AnswerFlags, *, tagged: bool, limit: int | None) -> None:
        self._screen = output.find_screen()
        self._is_table = output.choose_format(flags.format, self._screen) == "table"
        self._room = check_budget(flags.max_tokens)
        self._tagged = tagged
        self._left = limit
        self._day = ""
        self._hearing = Hearing()

    @property
    def is_full(self) -> bool:
        """Whether the limit or the budget is used up."""
        return self._left == 0 or self._room == 0

    def take(self, heard: Heard) -> None:
        """Write what a feed said.

        Raises:
            ClewError: the error that ended the feed.
        """
        said = heard.said
        if isinstance(said, ClewError):
            raise said
        if isinstance(said, Interruption):
            self._hearing.forget(heard.feed.signal)
            print_note(f"{said.error.message}; trying again in {said.wait_s:.1f} s")
            return
        if said.name == "dropped":
            dropped = decode(said.data.encode(), dict[str, int]).get("dropped", 0)
            noun = "span" if heard.feed.signal == "traces" else "log record"
            print_note(f"{plural(dropped, noun)} left out: this reader lagged", dropped=dropped)
            return
        if said.name == "shards":
            hearing, whose = self._hearing, decode(said.data.encode(), dict[str, Any])
            for note in hearing.take(heard.feed.signal, whose):
                both = {MISSING: sorted(hearing.missing), STANDBYS: sorted(hearing.standbys)}
                print_note(note, **both)
            return
        if heard.feed.signal == "traces":
            for span in decode(said.data.encode(), list[Span]):
                self._write("span", span, span.start_time, _span_line)
        else:
            for record in decode(said.data.encode(), list[LogRecord]):
                self._write("log", record, record.timestamp, _log_line)

    def _write(
        self, tag: str, record: Any, time: str, line_of: Callable[[Any, Screen], Line]
    ) -> None:
        if self.is_full:
            return
        if self._is_table:
            text = self._day_line(time) + self._rendered(line_of(record, self._screen))
        else:
            document = {tag: record} if self._tagged else record
            text = output.item_lines([document], self._screen)[0] + "\n"
        if self._room is not None and len(text.encode()) > self._room:
            print_note("--max-tokens is used up; more is coming in", truncated=True)
            self._room = 0
            return
        if self._room is not None:
            self._room -= len(text.encode())
        if self._left is not None:
            self._left -= 1
        output.write(text)

    def _day_line(self, time: str) -> str:
        """Return a line that says the day and the zone, whenever the day changes."""
        moment = read_time(time)[0].astimezone()
        day = f"{moment:%Y-%m-%d}, {zone_name(moment)}"
        if day == self._day:
            return ""
        self._day = day
        return self._rendered(styled(f"── {day} ──", Style.DIM))

    def _rendered(self, line: Line) -> str:
        return render(line, colour=self._screen.colour) + "\n"


def _span_line(span: Span, screen: Screen) -> Line:
    duration = show_duration(span.duration_ms)
    fixed: Line = [
        (show_time(span.start_time)[11:23], Style.DIM),
        *plain(" "),
        *status_mark(span.status),
        *plain(f" {duration.rjust(DURATION_WIDTH)}  "),
        *pad_line(styled(escape(span.service), Style.CYAN), SERVICE_WIDTH),
        *plain(" "),
    ]
    return _with_id(fixed, plain(escape(span.operation)), span.trace_id, screen)


def _log_line(record: LogRecord, screen: Screen) -> Line:
    fixed: Line = [
        (show_time(record.timestamp)[11:23], Style.DIM),
        *plain("   "),
        *pad_line(severity_mark(record.severity), DURATION_WIDTH, right=True),
        *plain("  "),
        *pad_line(styled(escape(record.service), Style.CYAN), SERVICE_WIDTH),
        *plain(" "),
    ]
    return _with_id(fixed, plain(body_text(record)), record.trace_id or "", screen)


def _with_id(fixed: Line, rest: Line, trace_id: str, screen: Screen) -> Line:
    """Return a line that ends with the trace's id, where the screen has room for both."""
    used = sum(len(text) for text, _ in fixed)
    room = screen.width - used
    if room < len(trace_id) + SERVICE_WIDTH * 2:
        return [*fixed, *pad_line(rest, max(1, min(room, 4 * SERVICE_WIDTH)))]
    if screen.is_terminal:
        rest = pad_line(rest, room - len(trace_id) - 1)
    return [*fixed, *rest, (f" {escape(trace_id)}", Style.DIM)]
