"""One sample of `clew watch` as a line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from clew.surfaces.cli.grid import GAP, Style, cut_line
from clew.surfaces.cli.text import (
    escape,
    show_count,
    show_duration,
    show_number,
    show_percent,
    show_time,
)
from clew.surfaces.cli.views.summary import show_cost

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clew.surfaces.cli.grid import Line

RISEN: Final = "▲"
FALLEN: Final = "▼"
SAME: Final = " "

CHANGE_NOTABLE: Final = 0.01
"""Less than a hundredth is the length of the window, which is never the same to the millisecond."""


def sample_line(sample: Mapping[str, Any], width: int) -> Line:
    """Return when, how many spans and errors, how long they took, and which conditions hold.

    A triangle tells that a figure rose or fell since the sample before.
    """
    changes = sample["delta"]
    line: Line = [(show_time(sample["at"])[11:19], Style.DIM)]

    def add(name: str, text: str, cells: int, style: Style = Style.PLAIN) -> None:
        change = changes.get(name, 0)
        if abs(change) < CHANGE_NOTABLE * (sample[name] or 0):
            change = 0
        mark = RISEN if change > 0 else FALLEN if change < 0 else SAME
        line.append((f"{GAP}{text.rjust(cells)}", style))
        line.append((mark, Style.DIM))

    add("spans", f"{show_count(sample['spans'])} spans", 13)
    add("rate_per_second", f"{show_number(sample['rate_per_second'])}/s", 9)
    errors = sample["errors"]
    share = f"{show_count(errors)} errors"
    if errors:
        share += f" ({show_percent(sample['error_rate'])})"
    add("errors", share, 18, Style.BOLD_RED if errors else Style.DIM)
    add("p50_ms", f"p50 {show_duration(sample['p50_ms'])}", 11)
    add("p95_ms", f"p95 {show_duration(sample['p95_ms'])}", 11)
    if sample["logs"]:
        failed = sample["error_logs"]
        text = f"{show_count(failed)} error logs"
        add("error_logs", text, 14, Style.BOLD_RED if failed else Style.DIM)
    if sample["genai_calls"]:
        tokens = f"{show_count(sample['input_tokens'] + sample['output_tokens'])} tokens"
        cost = show_cost(sample["cost_usd"])
        add("input_tokens", f"{tokens} {cost}".rstrip(), 14)
    if met := sample.get("met"):
        # What made it end must be read, whatever the width.
        return [*line, (f"{GAP}met: {escape(', '.join(met))}", Style.YELLOW)]
    return cut_line(line, width)
