"""Comments: who said what of which trace and span, and when."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Final

from clew.surfaces.cli.grid import UNBOUNDED, Style
from clew.surfaces.cli.text import escape, escape_lines, show_time

if TYPE_CHECKING:
    from collections.abc import Iterable

    from clew.surfaces.cli.grid import Line
    from clew.team.comments.documents import Comment, CommentList

INDENT: Final = "  "

# Lines wider than this tire the eye; text is folded there however wide the terminal is.
PROSE_WIDTH_MAX: Final = 100


def comment_table(document: CommentList, width: int) -> list[Line]:
    """Return comments one below the other; the trace is named once where it is the same for all."""
    traces = {comment.trace_id for comment in document.comments}
    lines: list[Line] = []
    if len(traces) == 1:
        lines.append([("trace ", Style.DIM), (escape(traces.pop()), Style.BOLD)])
    for comment in document.comments:
        if lines:
            lines.append([])
        lines.extend(_block(comment, width, names_trace=bool(traces)))
    return lines


def comment_lines(comment: Comment, width: int, *, names_trace: bool = True) -> list[Line]:
    """Return one comment, with its trace unless that is plain already."""
    return _block(comment, width, names_trace=names_trace)


def _block(comment: Comment, width: int, *, names_trace: bool) -> list[Line]:
    head: Line = [
        (escape(comment.author), Style.CYAN),
        (f"  {show_time(comment.created_at)}", Style.DIM),
    ]
    if comment.owner is not None and comment.owner.partition(":")[2] != comment.author:
        # Who calls themselves so: anybody may take any name.
        head.append((f"  by {escape(comment.owner)}", Style.DIM))
    if comment.updated_at is not None:
        head.append((f"  edited {show_time(comment.updated_at)}", Style.DIM))
    about = [f"trace {escape(comment.trace_id)}"] if names_trace else []
    if comment.span_id is not None:
        about.append(f"span {escape(comment.span_id)}")
    body: list[Line] = [[(INDENT + line, Style.PLAIN)] for line in _prose(comment.body, width)]
    below = [" ".join(about)] if about else []
    below.append(f"id {escape(comment.id)}")
    return [head, *body, *([(INDENT + line, Style.DIM)] for line in below)]


def _prose(body: str, width: int) -> Iterable[str]:
    """Return a body's lines, escaped, folded between words where they are too wide."""
    room = min(width, PROSE_WIDTH_MAX) - len(INDENT) if width < UNBOUNDED else UNBOUNDED
    for line in escape_lines(body.rstrip()):
        yield from textwrap.wrap(line, room, break_long_words=False, break_on_hyphens=False) or [""]
