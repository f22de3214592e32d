"""`clew lineage bridge`: link sets from one address to another, under other streams."""

from __future__ import annotations

import signal
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

from cyclopts import Group, Parameter

from clew.base.errors import ClewError, ErrorCode, shorten
from clew.base.times import NS_PER_S, parse_duration_ns
from clew.lineage.bridge import BridgeSettings, LinkBridge, StreamMapping
from clew.lineage.publisher import STREAM_ID_MAX
from clew.lineage.sbe.linkset import PARENTS_MAX_DEFAULT
from clew.lineage.transport.receiver import DatagramReceiver
from clew.surfaces.cli import output
from clew.surfaces.cli.errors import ARGUMENT_CHARS_MAX, ExitCode, print_note
from clew.surfaces.cli.flags import ANSWER, Format, read_whole_number
from clew.surfaces.cli.views.lineage_bridge import bridge_header, bridge_line, describe_bridge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

BRIDGED: Final = Group("Bridge", sort_key=1)

LOOK_UP_S: Final = 0.2
"""How long one wait lasts: the end is felt so soon, and an idle bridge costs nothing."""

DRAIN_S: Final = 1.0
"""For what the kernel holds when the end comes: it is read, and more may come meanwhile."""

INTERVAL_NS_MIN: Final = NS_PER_S // 10
"""Lines that come faster nobody reads."""


@Parameter(name="*", group=BRIDGED)
@dataclass(frozen=True, kw_only=True)
class BridgeFlags:
    """Where sets come from, where they go, and which."""

    from_: Annotated[str, Parameter(name="--from")]
    """Where sets are sent to: HOST:PORT (UDP, port 0: any free), unix:///PATH."""

    to: str
    """Where they go on to, such as a server's --links."""

    stream: Annotated[list[str], Parameter(negative=())]
    """Repeatable: SOURCE=TARGET forwards sets of the first as sets of the second."""

    max_parents: Annotated[int, Parameter(converter=read_whole_number)] = PARENTS_MAX_DEFAULT
    """Sets that name more inputs are left out, and counted."""


@Parameter(name="*", group=ANSWER)
@dataclass(frozen=True, kw_only=True)
class BridgeAnswerFlags:
    """When and how it is told what was forwarded."""

    interval: str | None = None
    """Tell it so often as well, such as 10s. [default: at the end alone]"""

    format: Format | None = None
    """How it is told. [default: a table's line on a terminal, a line of JSON when piped]"""


def bridge(*, flags: BridgeFlags, answer: BridgeAnswerFlags | None = None) -> ExitCode:
    """Forward link sets to another address, until Ctrl-C or SIGTERM."""
    answer = answer or BridgeAnswerFlags()
    settings = BridgeSettings(
        mappings=tuple(_read_mapping(text) for text in flags.stream),
        metadata_channel=flags.to,
        forward_tracelink=True,
        max_parents=flags.max_parents,
    )
    interval_ns = None if answer.interval is None else _read_interval(answer.interval)
    teller = _Teller(answer.format)
    receiver = DatagramReceiver(flags.from_)
    with _until_told_to_end() as ending, receiver, LinkBridge(receiver, settings) as made:
        print_note(f"listening at {receiver.address}", address=str(receiver.address))
        teller.begin()
        _forward(made, ending, interval_ns, lambda: teller.tell(made))
    # Only now: what waited has been sent, or is counted as lost.
    teller.tell(made)
    return ExitCode.OK


def _forward(
    made: LinkBridge,
    ending: threading.Event,
    interval_ns: int | None,
    tell: Callable[[], None],
) -> None:
    """Forward until the end is wished, and then what is there already."""
    next_at = time.monotonic_ns() + (interval_ns or 0)
    while not ending.is_set():
        made.poll(timeout_s=LOOK_UP_S)
        if interval_ns is not None and time.monotonic_ns() >= next_at:
            tell()
            next_at = time.monotonic_ns() + interval_ns
    deadline = time.monotonic() + DRAIN_S
    while made.poll() and time.monotonic() < deadline:
        continue


@contextmanager
def _until_told_to_end() -> Iterator[threading.Event]:
    """Give what is set by Ctrl-C and by SIGTERM, which end no message half-way."""
    ending = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        ending.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield ending
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Teller:
    """Writes what was forwarded, to stdout."""

    def __init__(self, wished: Format | None) -> None:
        self._screen = output.find_screen()
        self._is_table = output.choose_format(wished, self._screen) == "table"

    def begin(self) -> None:
        """Write what stands above the lines."""
        if self._is_table:
            self._screen.write_lines([bridge_header()])

    def tell(self, made: LinkBridge) -> None:
        """Write what was counted so far."""
        told = describe_bridge(made.statistics(), time.time_ns())
        if self._is_table:
            self._screen.write_lines([bridge_line(told, self._screen.width)])
        else:
            output.write(output.json_line(told, self._screen))


def _read_mapping(text: str) -> StreamMapping:
    source, is_given, target = text.partition("=")
    if not is_given:
        raise _wrong_stream(text)
    return StreamMapping(_read_stream(source, text), _read_stream(target, text))


def _read_stream(number: str, text: str) -> int:
    if not (number.isascii() and number.isdigit() and len(number) <= len(str(STREAM_ID_MAX))):
        raise _wrong_stream(text)
    return int(number)


def _wrong_stream(text: str) -> ClewError:
    return ClewError(
        ErrorCode.INVALID_ARGUMENT,
        f"--stream {shorten(text, ARGUMENT_CHARS_MAX)!r} is not SOURCE=TARGET",
        hint="give two numbers, such as --stream 7=107",
    )


def _read_interval(text: str) -> int:
    interval = parse_duration_ns(text, bare=NS_PER_S)
    if interval < INTERVAL_NS_MIN:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"--interval {shorten(text, ARGUMENT_CHARS_MAX)} is too short",
            hint="leave 100ms or more from one line to the next",
        )
    return interval
