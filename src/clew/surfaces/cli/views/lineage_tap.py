"""Link sets on a terminal, a line each as they come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clew.surfaces.cli.grid import GAP, Style, line_width
from clew.surfaces.cli.text import pad, show_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clew.lineage.tap import TappedSet
    from clew.surfaces.cli.grid import Line

# Nothing that comes later is known when a line is written, so widths are those of usual values;
# longer ones move the rest of their line.
_COLUMNS: Final = (
    ("time", 12),
    ("stream", 6),
    ("epoch", 5),
    ("seq", 8),
    ("trace id", 19),
    ("schema", 11),
)

PARENTS_TITLE: Final = "parents"


def tap_header() -> Line:
    """Return the titles."""
    titles = [pad(title, width, right=title != "time") for title, width in _COLUMNS]
    return [(GAP.join([*titles, PARENTS_TITLE]), Style.DIM)]


def tap_line(tapped: TappedSet, width: int) -> Line:
    """Return a set as a line of about `width` cells: as many whole parents as there is room for.

    Under "schema" stand its id and the template's, the version, and the length of the block.
    """
    schema = f"{tapped.schema_id}/{tapped.template_id} v{tapped.version} {tapped.block_length}"
    if tapped.trailing_bytes:
        schema += f" +{tapped.trailing_bytes}"
    texts = (
        show_time(tapped.at)[11:23],
        str(tapped.msg_stream_id),
        tapped.epoch,
        tapped.seq,
        tapped.trace_id,
        schema,
    )
    time, stream, epoch, seq, trace_id, kind = (
        text.rjust(cells) for text, (_, cells) in zip(texts, _COLUMNS, strict=True)
    )
    line: Line = [
        (time, Style.DIM),
        (f"{GAP}{stream}", Style.CYAN),
        (f"{GAP}{epoch}{GAP}{seq}{GAP}", Style.PLAIN),
        (trace_id, Style.BOLD),
        (f"{GAP}{kind}{GAP}", Style.DIM),
    ]
    return [*line, (_parents(tapped.parents, width - line_width(line)), Style.PLAIN)]


def _parents(parents: Sequence[str], room: int) -> str:
    """Return the parents that fit whole, one at least, and how many more there are."""
    shown = list(parents)
    # Each takes two cells or more, so the rest of a large set need not be looked at.
    del shown[max(1, room) :]
    while len(shown) > 1 and len(_joined(shown, len(parents))) > room:
        shown.pop()
    return _joined(shown, len(parents))


def _joined(shown: Sequence[str], count: int) -> str:
    more = f" +{count - len(shown)}" if count > len(shown) else ""
    return " ".join(shown) + more
