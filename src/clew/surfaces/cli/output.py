"""Where an answer goes: JSON as the server wrote it, one item a line, or a table that fits."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from clew.surfaces.cli.grid import UNBOUNDED, Style, render
from clew.surfaces.cli.text import escape_json, width_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clew.surfaces.cli.flags import Format
    from clew.surfaces.cli.grid import Line

# Narrower than this nothing can be laid out; a terminal that says so has no size yet.
WIDTH_MIN: Final = 40

SEPARATOR: Final = " · "


@dataclass(frozen=True, slots=True)
class Screen:
    """What stands on the other side of stdout."""

    is_terminal: bool
    width: int
    colour: bool

    def write_lines(self, lines: Sequence[Line]) -> None:
        """Write lines."""
        text = "".join(render(line, colour=self.colour) + "\n" for line in lines)
        write(text)


def find_screen() -> Screen:
    """Return what stdout is now.

    Without a terminal nothing is cut, unless COLUMNS says how wide to be. NO_COLOR and FORCE_COLOR
    are honoured.
    """
    is_terminal = sys.stdout.isatty()
    if is_terminal or os.environ.get("COLUMNS", "").isdigit():
        width = max(WIDTH_MIN, shutil.get_terminal_size().columns)
    else:
        width = UNBOUNDED
    return Screen(is_terminal, width, wants_colour(is_terminal=is_terminal))


def wants_colour(*, is_terminal: bool) -> bool:
    """Whether to colour what is written."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return is_terminal and os.environ.get("TERM") != "dumb"


def choose_format(wished: Format | None, screen: Screen) -> Format:
    """Return the format: as wished, else a table for a person and JSON for a program."""
    return wished or ("table" if screen.is_terminal else "json")


def write(text: str) -> None:
    """Write to stdout."""
    sys.stdout.write(text)
    sys.stdout.flush()


def json_text(document: Any, screen: Screen) -> str:
    """Return a document as JSON: indented and safe for a terminal, compact for a program."""
    return _readable(msgspec.json.encode(document), screen)


def raw_json_text(body: bytes, screen: Screen) -> str:
    """Return a server's document as it came; on a terminal indented and made safe."""
    return _readable(body, screen)


def json_line(document: Any, screen: Screen) -> str:
    """Return a document as one line of JSON."""
    return raw_json_line(msgspec.json.encode(document), screen)


def raw_json_line(body: bytes, screen: Screen) -> str:
    """Return a server's document as one line, on a terminal made safe."""
    line = body.decode().rstrip("\n")
    return f"{escape_json(line) if screen.is_terminal else line}\n"


def _readable(body: bytes, screen: Screen) -> str:
    if not screen.is_terminal:
        return body.decode().rstrip("\n") + "\n"
    return escape_json(msgspec.json.format(body, indent=2).decode()) + "\n"


def item_lines(items: Sequence[Any], screen: Screen) -> list[str]:
    """Return each item as one line of JSON."""
    lines = [msgspec.json.encode(item).decode() for item in items]
    return [escape_json(line) for line in lines] if screen.is_terminal else lines


def footer(width: int, *parts: str | None) -> list[Line]:
    """Return the dim lines below a table; what does not fit goes to a line of its own."""
    rows: list[str] = []
    for part in parts:
        if not part:
            continue
        joined = f"{rows[-1]}{SEPARATOR}{part}" if rows else part
        if rows and width_of(joined) <= width:
            rows[-1] = joined
        else:
            rows.append(part)
    return [[(row, Style.DIM)] for row in rows]
