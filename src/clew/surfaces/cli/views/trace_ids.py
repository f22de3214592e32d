"""Trace ids on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clew.surfaces.cli.grid import Column, Style, lay_out, plain, styled
from clew.surfaces.cli.text import Clock

if TYPE_CHECKING:
    from clew.lineage.documents import TraceId, TraceIdList
    from clew.surfaces.cli.grid import Line

_COLUMNS: Final = (
    Column("id", right=True),
    Column("hexadecimal", right=True, drop=1),
    Column("made at"),
    Column("node", right=True),
    Column("sequence", right=True),
)


def trace_id_lines(document: TraceId, width: int) -> list[Line]:
    """Return an id and its parts, and of which day and zone the time is."""
    clock = Clock([document.timestamp])
    return [*_table([document], clock, width), [], [(clock.legend(), Style.DIM)]]


def trace_id_table(document: TraceIdList, width: int) -> list[Line]:
    """Return a line per id."""
    clock = Clock(each.timestamp for each in document.trace_ids)
    return _table(document.trace_ids, clock, width)


def trace_id_legend(document: TraceIdList) -> str:
    """Return which day and zone the times are of."""
    return Clock(each.timestamp for each in document.trace_ids).legend()


def _table(ids: tuple[TraceId, ...] | list[TraceId], clock: Clock, width: int) -> list[Line]:
    rows = [
        [
            styled(each.id, Style.BOLD),
            styled(f"{int(each.id):#x}", Style.DIM),
            plain(clock.show(each.timestamp)),
            plain(str(each.node_id)),
            plain(str(each.sequence)),
        ]
        for each in ids
    ]
    return lay_out(_COLUMNS, rows, width)
