"""What came of a command, of a cancel, of an announcement: for each app."""

from __future__ import annotations

import shlex
from collections import Counter
from typing import TYPE_CHECKING, Final

from clew.surfaces.cli.grid import Column, Style, lay_out, plain, styled
from clew.surfaces.cli.naming import short_id
from clew.surfaces.cli.text import (
    escape,
    escape_json,
    plural,
    show_count,
    show_time,
    width_of,
)
from clew.surfaces.cli.views.apps import status_mark
from clew.tree.frames.info import VARIABLE

if TYPE_CHECKING:
    from clew.surfaces.cli.grid import Line
    from clew.tree import documents as doc

_TARGET_COLUMNS: Final = (
    Column("app", flexible=True),
    Column("id"),
    Column("command"),
    Column("app is", drop=1),
    Column("answer", flexible=True),
)

_OUTCOME_COLUMNS: Final = (
    Column("app", flexible=True),
    Column("id"),
    Column("app is"),
    Column("how far"),
    Column("its end", flexible=True),
)

_COMMAND_STYLES: Final = {
    "done": Style.GREEN,
    "failed": Style.RED,
    "expired": Style.YELLOW,
    "cancelled": Style.MAGENTA,
}

_PHASES: Final = {
    "scheduled": "had not started",
    "cooperative": "asked to end",
    "term": "SIGTERM",
    "kill": "SIGKILL",
    "already_terminal": "had ended before",
}

_ENDED_BEFORE: Final = "already_terminal"

ENDED_SHOWN_MAX: Final = 10
"""Of those that had ended before, so many lines: one looks for what the cancel did."""


def command_lines(command: doc.Command, width: int) -> list[Line]:
    """Return a command and what each app did with it."""
    state = "answered" if command.over else "waiting for answers"
    lines: list[Line] = [
        [
            (escape(command.action), Style.BOLD),
            (f"  {state}  ", Style.GREEN if command.over else Style.YELLOW),
            (escape(command.correlation_id), Style.DIM),
        ]
    ]
    rows = [
        [
            plain(escape(target.app_name)),
            styled(short_id(target.app_id), Style.DIM),
            styled(escape(target.status), _COMMAND_STYLES.get(target.status, Style.PLAIN)),
            status_mark(target.app_status),
            _answer(target),
        ]
        for target in command.targets
    ]
    return [*lines, *(lay_out(_TARGET_COLUMNS, rows, width) if rows else [])]


def cancel_lines(cancelled: doc.Cancelled, width: int) -> list[Line]:
    """Return a cancel and what became of each app."""
    state = "over" if cancelled.over else "under way"
    before = [each.app_id for each in cancelled.outcomes[1:] if each.phase == _ENDED_BEFORE]
    folded = frozenset(before[ENDED_SHOWN_MAX:])
    shown = [each for each in cancelled.outcomes if each.app_id not in folded]
    head: Line = [
        ("cancel ", Style.BOLD),
        (state, Style.GREEN if cancelled.over else Style.YELLOW),
        (f"  {_reach(cancelled)}  ", Style.PLAIN),
    ]
    name = (escape(cancelled.correlation_id), Style.DIM)
    is_wide = sum(width_of(text) for text, _ in (*head, name)) <= width
    heads = [[*head, name]] if is_wide else [head, [name]]
    rows = [
        [
            plain(escape(outcome.app_name)),
            styled(short_id(outcome.app_id), Style.DIM),
            status_mark(outcome.status),
            plain(escape(_PHASES.get(outcome.phase, outcome.phase))),
            _end(outcome, is_over=cancelled.over),
        ]
        for outcome in shown
    ]
    left = len(folded) + cancelled.left_out
    if left:
        rows.append([styled(f"… {show_count(left)} more had ended before", Style.DIM)])
    return [*heads, *(lay_out(_OUTCOME_COLUMNS, rows, width) if rows else [])]


def _reach(cancelled: doc.Cancelled) -> str:
    """Return what became of those that the cancel reached, and how many it did not have to."""
    reached = [each for each in cancelled.outcomes if each.phase != _ENDED_BEFORE]
    ended = len(cancelled.outcomes) - len(reached) + cancelled.left_out
    if not reached:
        return f"{plural(ended, 'app')} had ended before"
    counts = Counter(outcome.status for outcome in reached)
    told = ", ".join(f"{count} {escape(status)}" for status, count in counts.most_common())
    rest = f"; {show_count(ended)} had ended before" if ended else ""
    return f"{plural(len(reached), 'app')}: {told}{rest}"


def child_lines(scheduled: doc.ChildScheduled, _width: int) -> list[Line]:
    """Return a child that is announced, and what to put into its environment."""
    app = scheduled.app
    lines: list[Line] = [
        [
            (escape(app.app_name), Style.BOLD),
            (f"  {app.app_id}  ", Style.PLAIN),
            *status_mark(app.status),
        ]
    ]
    if app.deadline is not None and app.status == "scheduled":
        lines.append([(f"it must start by {show_time(app.deadline)}", Style.DIM)])
    if scheduled.trails_info is not None:
        # Whole, whatever the width: it is there to be copied.
        text = f"export {VARIABLE}={shlex.quote(scheduled.trails_info)}"
        lines += [[("before you start it:", Style.DIM)], plain(text)]
    elif not scheduled.created:
        lines.append([("it was announced before; its token was told then", Style.YELLOW)])
    else:
        lines.append([("the server has no door for apps (--trails)", Style.YELLOW)])
    return lines


def _answer(target: doc.CommandTarget) -> Line:
    if target.error is not None:
        return styled(escape(target.error), Style.RED)
    result = bytes(target.result).decode(errors="replace")
    return plain("" if result == "null" else escape_json(escape(result)))


def _end(outcome: doc.CancelOutcome, *, is_over: bool) -> Line:
    if outcome.confirmed:
        return styled("confirmed", Style.GREEN)
    if outcome.phase == "scheduled":
        return plain("")
    if outcome.status != "cancelled":
        return plain("" if is_over else "not yet")
    return styled("not witnessed", Style.YELLOW)
