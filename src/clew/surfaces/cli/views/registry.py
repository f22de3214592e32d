"""Differences between registries as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clew.surfaces.cli.grid import Column, Style, lay_out, plain, styled
from clew.surfaces.cli.text import escape
from clew.twin.schema.comparison import Verdict

if TYPE_CHECKING:
    from clew.surfaces.cli.grid import Line
    from clew.twin.schema.comparison import Comparison

_COLUMNS: Final = (
    Column("verdict"),
    Column("where", flexible=True),
    Column("change", drop=1),
    Column("what", flexible=True),
)

_STYLES: Final = {Verdict.BREAKING: Style.RED, Verdict.COMPATIBLE: Style.GREEN}


def difference_table(document: Comparison, width: int) -> list[Line]:
    """Return a line per difference; none when there is no difference."""
    if not document.differences:
        return []
    rows = [
        [
            styled(each.verdict, _STYLES[each.verdict]),
            plain(escape(each.path)),
            styled(each.change, Style.DIM),
            plain(escape(each.message)),
        ]
        for each in document.differences
    ]
    return lay_out(_COLUMNS, rows, width)


def difference_legend(document: Comparison) -> str:
    """Return how many break."""
    return f"{document.breaking} breaking"
