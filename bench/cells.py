"""What tables of figures are made of: numbers as text, cells, rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bench.figures import Figure


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return rows of cells below their heads, as Markdown."""
    lines = [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)]
    return "\n".join(lines)


def number(value: float) -> str:
    """Return a number as text of about three digits: 0.052, 1.23, 45.6, 789, 153,000."""
    if value >= 100:
        digits = max(0, len(str(int(value))) - 4)
        return f"{round(value, -digits):,.0f}"
    return f"{value:.3g}"


def brief(figures: dict[str, Figure], name: str) -> str:
    """Return a figure without its range, a dash when it was not measured."""
    return number(figures[name].value) if name in figures else "-"


def show(figures: dict[str, Figure], name: str) -> str:
    """Return a figure with the range of its rounds, a dash when it was not measured."""
    figure = figures.get(name)
    if figure is None:
        return "-"
    if figure.rounds == 1 or figure.low is None or figure.high is None:
        return number(figure.value)
    return f"{number(figure.value)} ({number(figure.low)} to {number(figure.high)})"
