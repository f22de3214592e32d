"""What a look at a team's server came to."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Final

from clew.surfaces.cli.grid import Style
from clew.surfaces.cli.text import escape, plural
from clew.surfaces.cli.views.checks import PAGE_WIDTH
from clew.team.bootstrap.findings import Outcome

if TYPE_CHECKING:
    from clew.surfaces.cli.grid import Line
    from clew.team.bootstrap.findings import BootstrapReport, Finding

_MARKS: Final = {
    Outcome.OK: ("✓ ok     ", Style.GREEN),
    Outcome.UNKNOWN: ("? unknown", Style.YELLOW),
    Outcome.MISSING: ("✗ missing", Style.BOLD_RED),
    Outcome.WRONG: ("✗ wrong  ", Style.BOLD_RED),
}


def report_lines(report: BootstrapReport, width: int) -> list[Line]:
    """Return a line for each thing that is not well, with the next step, and how many are."""
    bad = [one for one in report.findings if one.outcome is not Outcome.OK]
    lines: list[Line] = []
    for finding in bad:
        lines.extend(_lines(finding, min(width, PAGE_WIDTH)))
    told = f"{len(report.findings) - len(bad)} of {plural(len(report.findings), 'check')} ok"
    style = Style.DIM if bad else Style.GREEN
    lines.append([(told, style), (f"  {escape(report.server)}", Style.DIM)])
    return lines


def _lines(finding: Finding, width: int) -> list[Line]:
    mark, style = _MARKS[finding.outcome]
    indent = len(mark) + 2
    room = max(20, width - indent)
    said = f"{finding.check}: {finding.detail}" if finding.detail else finding.check
    first, *rest = textwrap.wrap(escape(said), room)
    lines: list[Line] = [[(mark, style), (f"  {first}", Style.PLAIN)]]
    lines.extend([(" " * indent + line, Style.PLAIN)] for line in rest)
    if finding.hint:
        steps = textwrap.wrap(f"→ {escape(finding.hint)}", room)
        lines.extend([(" " * indent + step, Style.CYAN)] for step in steps)
    return lines
