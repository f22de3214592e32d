"""The findings of `clew doctor`, and the settings of `clew config`."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Final

from clew.surfaces.cli.grid import Style
from clew.surfaces.cli.text import escape

if TYPE_CHECKING:
    from clew.surfaces.cli.doctor import Check, Report
    from clew.surfaces.cli.grid import Line

_MARKS: Final = {
    "ok": ("✓ ok  ", Style.GREEN),
    "warn": ("! warn", Style.YELLOW),
    "fail": ("✗ fail", Style.BOLD_RED),
}

# Lines that nobody cuts are folded at the width of a page.
PAGE_WIDTH: Final = 100


def check_lines(report: Report, width: int) -> list[Line]:
    """Return a line per check, folded to the width, with the next step below it."""
    names = max((len(check.name) for check in report.checks), default=0)
    lines: list[Line] = []
    for check in report.checks:
        lines.extend(_lines(check, names, min(width, PAGE_WIDTH)))
    return lines


def _lines(check: Check, names: int, width: int) -> list[Line]:
    mark, style = _MARKS[check.status]
    indent = len(mark) + names + 4
    room = max(20, width - indent)
    details = textwrap.wrap(escape(check.detail), room) or [""]
    first: Line = [
        (mark, style),
        (f"  {check.name.ljust(names)}  ", Style.BOLD),
        (details[0], Style.PLAIN),
    ]
    lines: list[Line] = [first]
    lines.extend([(" " * indent + rest, Style.PLAIN)] for rest in details[1:])
    if check.hint and check.status != "ok":
        steps = textwrap.wrap(f"→ {escape(check.hint)}", room)
        lines.extend([(" " * indent + step, Style.CYAN)] for step in steps)
    return lines
