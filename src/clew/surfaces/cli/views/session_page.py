"""A work session as Markdown: what one pastes into the page of an incident.

What was noted stays Markdown, as whoever wrote it may have meant it, with nothing in it that a
terminal acts on, and quoted, so that no heading of a note is one of the page. Names and commands
stand in code.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from clew.surfaces.cli.text import escape, escape_lines, plural, show_duration

if TYPE_CHECKING:
    from clew.team.sessions import documents as doc

_TICKS = re.compile(r"`+")
_MEANT = re.compile(r"([\\`*_{}\[\]<>#|])")


def write_page(session: doc.Session) -> str:
    """Return the page. Times are UTC."""
    lines = [f"# {_plain(session.title)}", "", *_facts(session), ""]
    if session.notes:
        lines += ["## What was found", ""]
        for note in session.notes:
            lines += [*_finding(note), ""]
    if session.links:
        lines += ["## What was looked at", ""]
        lines += [_look(link) for link in session.links]
        lines.append("")
    if session.visits_left_out:
        lines += [f"{plural(session.visits_left_out, 'look')} more found no room.", ""]
    return "\n".join(lines)


def _facts(session: doc.Session) -> list[str]:
    took = show_duration(session.seconds * 1000)
    if session.planned_minutes is not None:
        took += f" of {show_duration(session.planned_minutes * 60_000)} planned"
    if session.overrun_seconds:
        took += f", {show_duration(session.overrun_seconds * 1000)} beyond"
    until = "still open" if session.ended_at is None else _second(session.ended_at)
    if session.end_reason == "forgotten":
        until += " (nothing was done after that)"
    return [
        f"- **Who:** {_code(session.owner)}",
        f"- **When:** {_second(session.started_at)} to {until}",
        f"- **Took:** {took}",
        f"- **Session:** {_code(session.id)}",
    ]


def _finding(note: doc.Note) -> list[str]:
    about = "" if note.about is None else f", {note.about.kind} {_code(note.about.id)}"
    said = "" if note.kind == "note" else f" ({note.kind})"
    body = [f"> {line}".rstrip() for line in escape_lines(note.body.rstrip())]
    return [f"**{_second(note.created_at)}**{said}{about}", "", *body]


def _look(link: doc.Link) -> str:
    times = "" if link.count == 1 else f", {link.count} times"
    if link.how is not None:
        shown = _code(link.how)
    else:
        shown = f"{_plain(link.title or link.kind)} {_code(link.id)}"
    return f"- {_second(link.first_at)[11:]}{times}: {shown}"


def _second(text: str) -> str:
    return f"{text[:19].replace('T', ' ')} UTC"


def _code(text: str) -> str:
    """Return a text as code, whatever ticks are in it."""
    shown = escape(text)
    longest = max((len(found) for found in _TICKS.findall(shown)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def _plain(text: str) -> str:
    """Return a text that means nothing but its words."""
    return _MEANT.sub(r"\\\1", escape(text))
