"""The tree of apps: a line for each, parents before children, and what is folded away."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from clew.surfaces.cli.grid import Column, Style, lay_out, styled
from clew.surfaces.cli.naming import short_id
from clew.surfaces.cli.text import escape, show_count
from clew.surfaces.cli.views.apps import (
    NAME_CELLS_LEAST,
    WHERE_CELLS_LEAST,
    note_cell,
    progress_cell,
    runtime_cell,
    status_mark,
    where_cell,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from clew.surfaces.cli.grid import Line
    from clew.tree.documents import App

_COLUMNS: Final = (
    Column("app", flexible=True, least=NAME_CELLS_LEAST, middle=True),
    Column("id"),
    Column("status"),
    Column("progress", drop=1),
    Column("runtime", right=True, drop=2),
    Column("where", flexible=True, drop=3, least=WHERE_CELLS_LEAST, middle=True),
    Column("note", flexible=True, drop=4),
)

# What needs a look comes first when there are too many to show all.
_URGENCY: Final = {
    "crashed": 0,
    "error": 1,
    "start_failed": 1,
    "lost_contact": 2,
    "reconnecting": 2,
    "running": 3,
    "connected": 4,
    "scheduled": 5,
    "cancelled": 6,
    "done": 7,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeShape:
    """What of a tree is drawn: `statuses` with all that stand above them, down to `depth`.

    Of more than `fold` children the rest is summed up; 0 shows them all.
    """

    statuses: frozenset[str] = frozenset()
    depth: int | None = None
    fold: int = 0


@dataclass(frozen=True, slots=True)
class _Row:
    """A line: an app, or how many of what kind are folded away."""

    guide: str
    app: App | None
    folded: Counter[str] | None = None


def tree_lines(
    apps: Sequence[App], width: int, shape: TreeShape, now: int, *, rows_max: int | None = None
) -> list[Line]:
    """Return the drawn tree; of more than `rows_max` lines the last says how many are left out."""
    rows = list(_rows(apps, shape))
    if not rows:
        return []
    left = 0
    if rows_max is not None and len(rows) + 1 > rows_max:
        kept = max(1, rows_max - 2)
        left = len(rows) - kept
        rows = rows[:kept]
    cells = [_cells(row, shape, now, width) for row in rows]
    lines = lay_out(_COLUMNS, cells, width)
    if left:
        lines.append(styled(f"… {show_count(left)} more lines", Style.DIM))
    return lines


def count_statuses(apps: Sequence[App]) -> str:
    """Return how many apps have which status, the urgent ones first."""
    return _told(Counter(app.status for app in apps))


def _rows(apps: Sequence[App], shape: TreeShape) -> Iterator[_Row]:
    here = {app.app_id: app for app in apps}
    shown = _shown(apps, here, shape.statuses)
    children: dict[str | None, list[App]] = {}
    for app in apps:
        if app.app_id in shown:
            # A parent that is not here (it may not be seen, or is on another page) leaves a root.
            parent = app.parent_id if app.parent_id in here else None
            children.setdefault(parent, []).append(app)
    for siblings in children.values():
        siblings.sort(key=lambda app: (app.scheduled_at, app.app_id))
    base = min((len(app.path) for app in apps), default=1)
    waiting: list[_Row | tuple[App, tuple[bool, ...]]] = [
        (root, ()) for root in reversed(children.get(None, []))
    ]
    while waiting:
        each = waiting.pop()
        if isinstance(each, _Row):
            yield each
            continue
        app, ends = each
        yield _Row(_guide(ends), app)
        if shape.depth is not None and len(app.path) - base >= shape.depth:
            continue
        waiting.extend(reversed(_below(children.get(app.app_id, []), ends, shape.fold)))


def _below(
    below: list[App], ends: tuple[bool, ...], fold: int
) -> list[_Row | tuple[App, tuple[bool, ...]]]:
    """Return the lines below an app: its children, as many as are not folded away."""
    shown, folded = below, None
    if fold and len(below) > fold + 1:
        urgent = sorted(below, key=lambda app: _URGENCY.get(app.status, 9))[:fold]
        kept = {app.app_id for app in urgent}
        shown = [app for app in below if app.app_id in kept]
        folded = Counter(app.status for app in below if app.app_id not in kept)
    last = len(shown) - 1
    rows: list[_Row | tuple[App, tuple[bool, ...]]] = [
        (app, (*ends, place == last and folded is None)) for place, app in enumerate(shown)
    ]
    if folded is not None:
        rows.append(_Row(_guide((*ends, True)), None, folded))
    return rows


def _shown(apps: Sequence[App], here: dict[str, App], statuses: Collection[str]) -> Collection[str]:
    """Return the ids of the apps of these statuses and of all that stand above them."""
    if not statuses:
        return here.keys()
    shown: set[str] = set()
    for app in apps:
        if app.status in statuses:
            shown.update(each for each in app.path if each in here)
    return shown


def _cells(row: _Row, shape: TreeShape, now: int, width: int) -> list[Line]:
    app = row.app
    if app is None:
        folded = row.folded or Counter()
        text = f"… {show_count(folded.total())} more: {_told(folded)}"
        return [[(row.guide, Style.DIM), (text, Style.DIM)]]
    is_context = bool(shape.statuses) and app.status not in shape.statuses
    name: Line = [
        (row.guide, Style.DIM),
        (escape(app.app_name), Style.DIM if is_context else Style.BOLD),
    ]
    return [
        name,
        styled(short_id(app.app_id), Style.DIM),
        status_mark(app.status),
        progress_cell(app, width),
        runtime_cell(app, now),
        where_cell(app),
        note_cell(app, now),
    ]


def _told(counts: Counter[str]) -> str:
    ordered = sorted(counts.items(), key=lambda each: _URGENCY.get(each[0], 9))
    return ", ".join(f"{show_count(count)} {status}" for status, count in ordered)


def _guide(ends: tuple[bool, ...]) -> str:
    if not ends:
        return ""
    above = "".join("  " if end else "│ " for end in ends[:-1])
    return above + ("╰─" if ends[-1] else "├─")
