"""Tables that fit: styled lines, and columns whose widths follow the terminal.

A line is a list of pieces, text with a style, and knows nothing of escape codes until it is
rendered; so every table is a pure function of a document and a width, and is tested as text.
When the natural widths do not fit, columns marked as droppable go first, the least important one
before the others; then the flexible ones share what is left beyond the least that each must have,
a narrow one keeping its width before a wide one keeps more. Fixed columns (ids, times, durations)
are never cut: half an id is no id.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from clew.surfaces.cli.text import cut, cut_middle, cut_start, pad, width_of

if TYPE_CHECKING:
    from collections.abc import Sequence

GAP: Final = "  "

# Wide enough for a word that still tells something; a flexible column is not cut below it.
FLEXIBLE_WIDTH_MIN: Final = 8

# A line for a reader that is no terminal has no edge; this bounds padding, not content.
UNBOUNDED: Final = 100_000


class Style(StrEnum):
    """How a piece looks; the value is its SGR code."""

    PLAIN = ""
    BOLD = "1"
    DIM = "2"
    RED = "31"
    BOLD_RED = "1;31"
    GREEN = "32"
    YELLOW = "33"
    BLUE = "34"
    MAGENTA = "35"
    CYAN = "36"


Piece = tuple[str, Style]
Line = list[Piece]


@dataclass(frozen=True, slots=True)
class Column:
    """A column. `drop` above 0 lets it go when there is no room, the highest first.

    A `flexible` one is cut, but not below `least` cells; with `middle` it keeps beginning and end.
    """

    title: str
    right: bool = False
    flexible: bool = False
    drop: int = 0
    least: int = FLEXIBLE_WIDTH_MIN
    middle: bool = False


def plain(text: str) -> Line:
    """Return a line of one unstyled piece."""
    return [(text, Style.PLAIN)]


def styled(text: str, style: Style) -> Line:
    """Return a line of one piece."""
    return [(text, style)]


def line_width(line: Line) -> int:
    """Return the cells that a line takes."""
    return sum(width_of(text) for text, _ in line)


def render(line: Line, *, colour: bool) -> str:
    """Return the characters that show a line."""
    if not colour:
        return "".join(text for text, _ in line).rstrip()
    return "".join(f"\x1b[{style}m{text}\x1b[0m" if style else text for text, style in line)


def cut_line(line: Line, width: int) -> Line:
    """Return a line cut to `width` cells, with an ellipsis where it was cut."""
    if line_width(line) <= width:
        return line
    shown: Line = []
    left = width
    for text, style in line:
        size = width_of(text)
        # One cell must stay for the ellipsis of a later piece, unless this is the last to be cut.
        if size < left:
            shown.append((text, style))
            left -= size
            continue
        shown.append((cut(text + " ", left), style))
        return shown
    return shown


def cut_line_middle(line: Line, width: int) -> Line:
    """Return a line cut to `width` cells, its last piece in the middle.

    What stands before that piece loses its own beginning when it takes more than a third.
    """
    if line_width(line) <= width:
        return line
    *before, (text, style) = line
    room = max(width - line_width(before), min(width_of(text), width - width // 3))
    left = width - room
    head: Line = []
    for words, look in reversed(before):
        if left > 0:
            head.insert(0, (cut_start(words, left), look))
            left -= line_width(head[:1])
    return [*head, (cut_middle(text, room), style)]


def pad_line(line: Line, width: int, *, right: bool = False, middle: bool = False) -> Line:
    """Return a line cut and filled to exactly `width` cells."""
    shown = cut_line_middle(line, width) if middle else cut_line(line, width)
    fill: Piece = (" " * (width - line_width(shown)), Style.PLAIN)
    return [fill, *shown] if right else [*shown, fill]


def lay_out(columns: Sequence[Column], rows: Sequence[Sequence[Line]], width: int) -> list[Line]:
    """Return a header and the rows as lines of at most `width` cells.

    Fixed columns keep their width even where that goes over `width`. A row of one cell goes over
    all columns.
    """
    whole = [row for row in rows if len(row) == len(columns)]
    natural = [
        max([width_of(column.title), *(line_width(row[index]) for row in whole)])
        for index, column in enumerate(columns)
    ]
    widths = fit(columns, natural, width)
    kept = [index for index, size in enumerate(widths) if size > 0]
    header: Line = []
    for index in kept:
        column = columns[index]
        header.append((pad(column.title, widths[index], right=column.right), Style.DIM))
        header.append((GAP, Style.PLAIN))
    lines = [_trimmed(header)]
    for row in rows:
        if len(row) < len(columns):
            lines.append(cut_line(row[0], width))
            continue
        line: Line = []
        for index in kept:
            column = columns[index]
            cell = pad_line(row[index], widths[index], right=column.right, middle=column.middle)
            line.extend(cell)
            line.append((GAP, Style.PLAIN))
        lines.append(_trimmed(line))
    return lines


def fit(columns: Sequence[Column], natural: Sequence[int], width: int) -> list[int]:
    """Return the width of each column, 0 for one that is left out."""
    kept = set(range(len(columns)))

    def floor(index: int) -> int:
        if columns[index].flexible:
            return min(natural[index], columns[index].least)
        return natural[index]

    def gaps() -> int:
        return len(GAP) * max(0, len(kept) - 1)

    droppable = sorted(
        (index for index in kept if columns[index].drop), key=lambda index: -columns[index].drop
    )
    for index in droppable:
        if sum(floor(each) for each in kept) + gaps() <= width:
            break
        kept.discard(index)
    fixed = sum(natural[index] for index in kept if not columns[index].flexible)
    flexible = [index for index in kept if columns[index].flexible]
    spare = width - gaps() - fixed - sum(floor(index) for index in flexible)
    shares = share([natural[index] - floor(index) for index in flexible], spare)
    widths = [natural[index] if index in kept else 0 for index in range(len(columns))]
    for index, size in zip(flexible, shares, strict=True):
        widths[index] = floor(index) + size
    return widths


def share(wishes: Sequence[int], room: int) -> list[int]:
    """Share room fairly: who wishes less than an equal part gets it all, the rest share evenly."""
    granted = [0] * len(wishes)
    left = max(0, room)
    waiting = sorted(range(len(wishes)), key=lambda index: wishes[index])
    for place, index in enumerate(waiting):
        part = left // (len(waiting) - place)
        granted[index] = min(wishes[index], part)
        left -= granted[index]
    return granted


def _trimmed(line: Line) -> Line:
    """Return a line without the white space at its end."""
    kept = list(line)
    while kept:
        text, style = kept[-1]
        shown = text.rstrip(" ")
        if shown:
            kept[-1] = (shown, style)
            break
        kept.pop()
    return kept
