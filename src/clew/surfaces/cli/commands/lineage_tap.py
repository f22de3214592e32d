"""`clew lineage tap`: link sets as they come to an address of its own, without a server."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Annotated, Final

from cyclopts import Group, Parameter

from clew.base.errors import ClewError, ErrorCode
from clew.lineage.tap import Foreign, TappedSet, Unknown, Unreadable, read_tapped
from clew.lineage.transport.address import LINKS_DEFAULT
from clew.lineage.transport.receiver import DatagramReceiver
from clew.surfaces.cli import output
from clew.surfaces.cli.errors import ExitCode, print_note
from clew.surfaces.cli.flags import ANSWER, Format, read_whole_number
from clew.surfaces.cli.text import plural
from clew.surfaces.cli.views.lineage_tap import tap_header, tap_line

TAPPED: Final = Group("Tap", sort_key=1)

LOOK_UP_S: Final = 0.5
"""How long one wait lasts, so that Ctrl-C is felt at once on every platform."""


@Parameter(name="*", group=TAPPED)
@dataclass(frozen=True, kw_only=True)
class TapFlags:
    """When to end."""

    limit: Annotated[int | None, Parameter(converter=read_whole_number)] = None
    """End after so many link sets. [default: never]"""


@Parameter(name="*", group=ANSWER)
@dataclass(frozen=True, kw_only=True)
class TapAnswerFlags:
    """How sets are written."""

    format: Format | None = None
    """How a set is written. [default: a table's line on a terminal, a line of JSON when piped]"""


def tap(
    address: Annotated[
        str, Parameter(name="ADDRESS", help="HOST:PORT (UDP, port 0: any free), unix:///PATH.")
    ] = LINKS_DEFAULT,
    /,
    *,
    flags: TapFlags | None = None,
    answer: TapAnswerFlags | None = None,
) -> ExitCode:
    """Show link sets as they come, until Ctrl-C."""
    limit = (flags or TapFlags()).limit
    if limit is not None and limit < 1:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT, "--limit is below 1", hint="ask for one set or more"
        )
    writer = _Writer((answer or TapAnswerFlags()).format, limit)
    try:
        with _listen(address) as receiver:
            print_note(f"listening at {receiver.address}", address=str(receiver.address))
            writer.begin()
            while not writer.is_full:
                message = receiver.receive()
                if message is None:
                    receiver.wait(LOOK_UP_S)
                else:
                    writer.take(message, time.time_ns())
    except KeyboardInterrupt:
        # Ending what has no end is how it is meant to be used.
        return writer.end()
    return writer.end()


def _listen(address: str) -> DatagramReceiver:
    try:
        return DatagramReceiver(address)
    except ClewError as error:
        if error.code is not ErrorCode.UNAVAILABLE:
            raise
        raise ClewError(
            error.code,
            error.message,
            hint=(
                "a server listens at its --links; give the tap an address of its own, such as "
                "127.0.0.1:0, and have link sets sent there"
            ),
        ) from error


class _Writer:
    """Writes sets to stdout, and what is wrong with other messages to stderr."""

    def __init__(self, wished: Format | None, limit: int | None) -> None:
        self._screen = output.find_screen()
        self._is_table = output.choose_format(wished, self._screen) == "table"
        self._left = limit
        self._foreign = 0

    @property
    def is_full(self) -> bool:
        """Whether so many sets were written as were wished."""
        return self._left == 0

    def begin(self) -> None:
        """Write what stands above the sets."""
        if self._is_table:
            self._screen.write_lines([tap_header()])

    def take(self, message: memoryview, at: int) -> None:
        """Write what a message is that came at a Unix nanosecond."""
        tapped = read_tapped(message, at)
        match tapped:
            case TappedSet():
                self._write(tapped)
            case Unknown():
                print_note(
                    f"unknown: template {tapped.template_id}, version {tapped.version} of schema "
                    f"{tapped.schema_id}, {plural(tapped.length, 'byte')}",
                    template_id=tapped.template_id,
                    schema_id=tapped.schema_id,
                    block_length=tapped.block_length,
                    version=tapped.version,
                    length=tapped.length,
                )
            case Unreadable():
                print_note(
                    f"not a link set: {tapped.fault}, {plural(tapped.length, 'byte')}",
                    fault=tapped.fault,
                    length=tapped.length,
                )
            case Foreign():
                self._foreign += 1

    def end(self) -> ExitCode:
        """Tell of what was passed over, if anything was; return how the tap ends."""
        if self._foreign:
            print_note(
                f"{plural(self._foreign, 'message')} of other schemas passed over",
                foreign=self._foreign,
            )
        return ExitCode.OK

    def _write(self, tapped: TappedSet) -> None:
        if self._is_table:
            self._screen.write_lines([tap_line(tapped, self._screen.width)])
        else:
            output.write(output.json_line(tapped, self._screen))
        if self._left is not None:
            self._left -= 1
