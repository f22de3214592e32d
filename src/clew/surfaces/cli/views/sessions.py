"""Work sessions: what was found, what was looked at, who did how much."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Final

from clew.surfaces.cli.grid import UNBOUNDED, Column, Style, lay_out, plain, styled
from clew.surfaces.cli.naming import short_id
from clew.surfaces.cli.text import (
    Clock,
    escape,
    escape_lines,
    plural,
    show_count,
    show_duration,
    show_number,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from clew.surfaces.cli.grid import Line
    from clew.team.sessions import documents as doc

PROSE_WIDTH_MAX: Final = 100
"""Lines wider than this tire the eye; text is folded there however wide the terminal is."""

_COLUMNS: Final = (
    Column("id"),
    Column("title", flexible=True, least=16),
    Column("state"),
    Column("began"),
    Column("took", right=True),
    Column("found", right=True),
    Column("links", right=True, drop=1),
    Column("owner", flexible=True, drop=2),
)

_LINK_COLUMNS: Final = (
    Column("kind"),
    Column("first"),
    Column("looks", right=True),
    Column("how to get there", flexible=True),
)

_ACTIVITY_COLUMNS: Final = (
    Column("owner", flexible=True),
    Column("sessions", right=True),
    Column("open", right=True),
    Column("hours", right=True),
    Column("findings", right=True),
    Column("notes", right=True, drop=2),
    Column("comments", right=True, drop=2),
    Column("last", drop=1),
)


def session_table(document: doc.SessionList, width: int) -> list[Line]:
    """Return a line per session."""
    clock = Clock(each.started_at for each in document.sessions)
    rows = [_row(each, clock) for each in document.sessions]
    lines = lay_out(_COLUMNS, rows, width)
    return [*lines, [(clock.legend(), Style.DIM)]] if rows else lines


def session_lines(document: doc.Session, width: int) -> list[Line]:
    """Return a session whole: how it stands, what was found, what was looked at."""
    times = [document.started_at]
    times += [each.created_at for each in document.notes]
    times += [each.first_at for each in document.links]
    clock = Clock(times)
    lines: list[Line] = [
        [(escape(document.title), Style.BOLD)],
        [
            *_state(document),
            (f" · {_took(document)}", Style.PLAIN),
            (f" · {escape(document.owner)}", Style.CYAN),
            *([(" · shared", Style.GREEN)] if document.shared else []),
        ],
        [(f"id {escape(document.id)}", Style.DIM)],
    ]
    if document.notes:
        lines += [[], [("found", Style.DIM)]]
        for note in document.notes:
            lines += _note(note, clock, width)
    if document.links:
        lines += [[], *_links(document, clock, width)]
    lines += [[], [(_counts(document), Style.DIM)], [(clock.legend(), Style.DIM)]]
    return lines


def note_lines(document: doc.Note, width: int) -> list[Line]:
    """Return one finding."""
    clock = Clock([document.created_at])
    return [*_note(document, clock, width), [(clock.legend(), Style.DIM)]]


def link_lines(document: doc.Link, _width: int) -> list[Line]:
    """Return one link."""
    shown = document.how or document.title or document.id
    return [[(escape(document.kind), Style.CYAN), (f"  {escape(shown)}", Style.PLAIN)]]


def activity_table(document: doc.ActivityReport, width: int) -> list[Line]:
    """Return a line per owner."""
    clock = Clock(each.last_at for each in document.members)
    rows = [
        [
            styled(escape(each.owner), Style.CYAN),
            plain(show_count(each.sessions)),
            plain(show_count(each.open)),
            plain(show_number(round(each.hours, 2))),
            plain(show_count(each.findings)),
            plain(show_count(each.notes)),
            plain(show_count(each.comments)),
            plain(clock.show(each.last_at, digits=0)),
        ]
        for each in document.members
    ]
    lines = lay_out(_ACTIVITY_COLUMNS, rows, width)
    return [*lines, [(clock.legend(), Style.DIM)]] if rows else lines


def _row(session: doc.SessionHead, clock: Clock) -> list[Line]:
    return [
        plain(short_id(escape(session.id))),
        plain(escape(session.title)),
        _state(session),
        plain(clock.show(session.started_at, digits=0)),
        plain(show_duration(session.seconds * 1000)),
        plain(show_count(session.note_count)),
        plain(show_count(session.link_count)),
        styled(escape(session.owner), Style.CYAN),
    ]


def _state(session: doc.SessionHead) -> Line:
    if session.ended_at is not None:
        return styled(escape(session.end_reason or "ended"), Style.DIM)
    if session.overrun_seconds:
        return styled("overrun", Style.YELLOW)
    return styled("open", Style.GREEN)


def _took(session: doc.SessionHead) -> str:
    took = show_duration(session.seconds * 1000) if session.seconds >= 1 else "just begun"
    if session.planned_minutes is None:
        return took
    planned = show_duration(session.planned_minutes * 60_000)
    if not session.overrun_seconds:
        return (
            f"{took}, {planned} planned" if session.seconds < 1 else f"{took} of {planned} planned"
        )
    return f"{took}, {show_duration(session.overrun_seconds * 1000)} beyond {planned} planned"


def _note(note: doc.Note, clock: Clock, width: int) -> list[Line]:
    indent = "  "
    about = "" if note.about is None else f"  {note.about.kind} {escape(note.about.id)}"
    head: Line = [
        (f"{indent}{clock.show(note.created_at, digits=0)}", Style.CYAN),
        (f"  {escape(note.kind)}{about}", Style.DIM),
    ]
    body: list[Line] = [
        [(f"{indent}{indent}{line}", Style.PLAIN)] for line in _prose(note.body, width - 4)
    ]
    return [head, *body, [(f"{indent}{indent}id {escape(note.id)}", Style.DIM)]]


def _links(document: doc.Session, clock: Clock, width: int) -> list[Line]:
    rows = [
        [
            styled(escape(each.kind), Style.CYAN),
            plain(clock.show(each.first_at, digits=0)),
            plain(show_count(each.count)),
            plain(escape(each.how or each.title or each.id)),
        ]
        for each in document.links
    ]
    return lay_out(_LINK_COLUMNS, rows, width)


def _counts(document: doc.Session) -> str:
    told = [plural(document.note_count, "finding"), plural(document.link_count, "link")]
    if document.visits_left_out:
        told.append(f"{plural(document.visits_left_out, 'look')} beyond what is kept")
    return " · ".join(told)


def _prose(body: str, room: int) -> Iterable[str]:
    """Return a body's lines, escaped, folded between words where they are too wide."""
    width = min(room, PROSE_WIDTH_MAX) if room < UNBOUNDED - 4 else UNBOUNDED
    for line in escape_lines(body.rstrip()):
        yield from textwrap.wrap(line, width, break_long_words=False, break_on_hyphens=False) or [
            ""
        ]
