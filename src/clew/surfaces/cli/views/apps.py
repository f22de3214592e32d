"""Apps: their tree, their list, one of them, what they said, how they crashed."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING, Any, Final

import msgspec

from clew.base.times import NS_PER_MS, NS_PER_S
from clew.surfaces.cli.grid import Column, Style, cut_line, lay_out, plain, styled
from clew.surfaces.cli.naming import short_id
from clew.surfaces.cli.text import (
    NOTHING,
    Clock,
    cut,
    cut_middle,
    escape,
    escape_json,
    read_time,
    show_duration,
    show_percent,
    show_time,
)
from clew.surfaces.cli.views.progress import (
    BAR_CELLS,
    SHORT_BAR_CELLS,
    SHORT_BELOW_WIDTH,
    bar,
    read_progress,
)

if TYPE_CHECKING:
    from clew.surfaces.cli.grid import Line
    from clew.tree import documents as doc

MARKS: Final = {
    "scheduled": ("◌", Style.DIM),
    "connected": ("○", Style.CYAN),
    "running": ("●", Style.GREEN),
    "reconnecting": ("◐", Style.YELLOW),
    "lost_contact": ("?", Style.YELLOW),
    "done": ("✓", Style.GREEN),
    "error": ("✗", Style.RED),
    "crashed": ("✗", Style.BOLD_RED),
    "cancelled": ("⊘", Style.MAGENTA),
    "start_failed": ("✗", Style.BOLD_RED),
}

NOTE_CHARS_MAX: Final = 200

WHERE_CELLS_MAX: Final = 32
"""Of a host and a process: names of pods are longer, and their middles say little."""

NAME_CELLS_LEAST: Final = 11
"""The beginning and the end of a name still tell two apart."""

WHERE_CELLS_LEAST: Final = 9
"""Of host and process: three letters of the one, and what the other's number takes."""

PAYLOAD_CHARS_MAX: Final = 2000
"""Of a payload in a list; the whole one is in the JSON."""

_LIST_COLUMNS: Final = (
    Column("app", flexible=True, least=NAME_CELLS_LEAST, middle=True),
    Column("id"),
    Column("status"),
    Column("progress", drop=1),
    Column("runtime", right=True, drop=2),
    Column("where", flexible=True, drop=3, least=WHERE_CELLS_LEAST, middle=True),
    Column("note", flexible=True, drop=4),
)

_MESSAGE_COLUMNS: Final = (
    Column("at"),
    Column("type"),
    Column("seq", right=True),
    Column("from", drop=1),
    Column("payload", flexible=True),
)

_CRASH_COLUMNS: Final = (
    Column("at"),
    Column("app", flexible=True),
    Column("id"),
    Column("what"),
    Column("silent for", right=True, drop=2),
    Column("returned", drop=1),
)


def status_mark(status: str) -> Line:
    """Return a status with its mark."""
    mark, style = MARKS.get(status, ("?", Style.PLAIN))
    return styled(f"{mark} {escape(status)}", style)


def progress_cell(app: doc.App, width: int) -> Line:
    """Return how far an app says it is; nothing of one that is done, whatever it said before.

    `width` is that of the screen.
    """
    share = read_progress(app.last_snapshot).share
    if share is None or app.status in {"scheduled", "start_failed", "done"}:
        return plain("")
    style = Style.GREEN if app.ended_at is None else Style.DIM
    cells = SHORT_BAR_CELLS if width < SHORT_BELOW_WIDTH else BAR_CELLS
    return [(bar(share, cells), style), (f" {min(share, 9.99) * 100:3.0f} %", Style.PLAIN)]


def runtime_cell(app: doc.App, now: int) -> Line:
    """Return how long an app has run, or ran."""
    begun = app.started_at or app.connected_at
    if begun is None:
        return plain("")
    end = now if app.ended_at is None else _nanoseconds(app.ended_at)
    return plain(show_duration(max(0, end - _nanoseconds(begun)) / NS_PER_MS))


def where_cell(app: doc.App) -> Line:
    """Return host and process."""
    host = app.process.get("node_name") or app.process.get("hostname") or ""
    pid = app.process.get("pid")
    text = f"{host}:{pid}" if pid is not None else str(host)
    return styled(cut_middle(escape(str(text)), WHERE_CELLS_MAX), Style.DIM)


def note_cell(app: doc.App, now: int) -> Line:
    """Return what is worth knowing beside the status: why it ended, what it waits for."""
    words = _note(app, now)
    if not words:
        return plain("")
    is_bad = app.status in {"error", "crashed", "start_failed"}
    style = Style.RED if is_bad else Style.YELLOW if app.status in _AWAY else Style.DIM
    return styled(cut(escape(words), NOTE_CHARS_MAX), style)


_AWAY: Final = frozenset({"reconnecting", "lost_contact"})


def _note(app: doc.App, now: int) -> str:
    match app.status:
        case "scheduled":
            return f"must start within {_left(app.deadline, now)}" if app.deadline else ""
        case "reconnecting":
            return f"{app.reason}; crashed in {_left(app.deadline, now)}" if app.deadline else ""
        case "lost_contact":
            return app.reason
        case "crashed" | "start_failed":
            return _crash_note(app)
        case "cancelled":
            by = f"by {app.actor}" if app.actor else ""
            # What never began has no end that anybody could have seen.
            doubt = "" if app.confirmed or app.connected_at is None else "end not witnessed"
            return ", ".join(part for part in (by, doubt) if part)
        case "error":
            return _error_note(app)
        case "done":
            return _exit_words(app.exit_code) if app.exit_code else ""
        case _:
            held = f"{app.held}, waiting for its children" if app.held else ""
            return held or read_progress(app.last_snapshot).words


def _crash_note(app: doc.App) -> str:
    kind = app.crash.crash_type if app.crash is not None else app.reason
    if app.exit_code is None:
        return kind
    return _exit_words(app.exit_code) if kind == "exit" else f"{kind}, {_exit_words(app.exit_code)}"


def _exit_words(code: int) -> str:
    """Return an exit code as it is told; below zero it is the signal that ended the process."""
    if code >= 0:
        return f"exit {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


def _error_note(app: doc.App) -> str:
    words = _exit_words(app.exit_code) if app.exit_code is not None else ""
    if app.result is not None and app.result.payload is not msgspec.UNSET:
        payload: Any = msgspec.json.decode(app.result.payload)
        message = payload.get("message") if isinstance(payload, dict) else payload
        if isinstance(message, str) and message:
            return f"{message} ({words})" if words else message
    return words or app.reason


def _left(deadline: str | None, now: int) -> str:
    if deadline is None:
        return ""
    return show_duration(max(0, _nanoseconds(deadline) - now) / NS_PER_MS)


def _nanoseconds(text: str) -> int:
    moment, nanoseconds = read_time(text)
    return int(moment.timestamp()) * NS_PER_S + nanoseconds


def app_table(document: doc.AppList, width: int) -> list[Line]:
    """Return apps as a list."""
    now = time.time_ns()
    rows = [
        [
            plain(escape(app.app_name)),
            styled(short_id(app.app_id), Style.DIM),
            status_mark(app.status),
            progress_cell(app, width),
            runtime_cell(app, now),
            where_cell(app),
            note_cell(app, now),
        ]
        for app in document.apps
    ]
    return lay_out(_LIST_COLUMNS, rows, width) if rows else []


def app_lines(app: doc.App, width: int) -> list[Line]:
    """Return everything that is known of one app."""
    now = time.time_ns()
    head: Line = [
        (escape(app.app_name), Style.BOLD),
        ("  ", Style.PLAIN),
        *status_mark(app.status),
    ]
    share = read_progress(app.last_snapshot).share
    if share is not None and app.status != "done":
        head += [
            ("  ", Style.PLAIN),
            (bar(share), Style.GREEN),
            (f" {show_percent(share)}", Style.PLAIN),
        ]
    lines: list[Line] = [head]
    note = note_cell(app, now)
    facts: list[tuple[str, Line]] = [
        ("note", note),
        ("id", plain(app.app_id)),
        ("parent", plain(app.parent_id or "none: it is a root")),
        ("epoch", plain(str(app.epoch))),
        ("runtime", runtime_cell(app, now)),
        ("where", where_cell(app)),
        ("executable", plain(escape(str(app.process.get("executable") or "")))),
        ("namespace", plain(escape(app.namespace or ""))),
        ("scheduled", plain(show_time(app.scheduled_at))),
        ("connected", plain(_shown(app.connected_at))),
        ("started", plain(_shown(app.started_at))),
        ("ended", plain(_shown(app.ended_at))),
        ("reason", plain(escape(f"{app.reason} ({app.actor})" if app.actor else app.reason))),
        ("exit code", plain("" if app.exit_code is None else str(app.exit_code))),
        ("tier", plain(escape(app.sec_level) + (", watched by an agent" if app.has_agent else ""))),
        ("role refs", plain(escape(", ".join(app.role_refs)))),
        ("tags", _json_cell(app.tags)),
        ("originator", _json_cell(app.originator)),
    ]
    if app.crash is not None:
        returned = app.crash.recovered_at
        crash = f"{app.crash.crash_type} at {show_time(app.crash.at)}"
        crash += f", returned at {show_time(returned)}" if returned else ""
        facts.append(("last crash", styled(escape(crash), Style.RED)))
    for title, said in (("state", app.last_snapshot), ("answer", app.result)):
        if said is not None:
            about = f"{said.msg_type} {said.seq} at {show_time(said.at)}"
            facts.append((title, styled(escape(about), Style.DIM)))
            facts.append(("", plain(_payload(said.payload))))
    wide = max(len(title) for title, _ in facts) + 2
    for title, cell in facts:
        if any(text for text, _ in cell):
            lines.append(cut_line([(title.ljust(wide), Style.DIM), *cell], width))
    return lines


def message_table(document: doc.MessageList, width: int) -> list[Line]:
    """Return messages as a list."""
    clock = Clock([each.received_at for each in document.messages])
    rows = [
        [
            plain(clock.show(each.received_at)),
            styled(escape(each.msg_type), _MESSAGE_STYLES.get(each.msg_type, Style.PLAIN)),
            plain(str(each.seq)),
            styled(escape(each.source) + (", late" if each.late else ""), Style.DIM),
            plain(cut(_payload(each.payload), PAYLOAD_CHARS_MAX)),
        ]
        for each in document.messages
    ]
    return lay_out(_MESSAGE_COLUMNS, rows, width) if rows else []


_MESSAGE_STYLES: Final = {"Result": Style.GREEN, "Error": Style.RED}


def crash_table(document: doc.CrashList, width: int) -> list[Line]:
    """Return crashes as a list."""
    clock = Clock(
        [each.at for each in document.crashes]
        + [each.recovered_at for each in document.crashes if each.recovered_at]
    )
    rows = [
        [
            plain(clock.show(each.at)),
            plain(escape(each.app_name)),
            styled(short_id(each.app_id), Style.DIM),
            styled(
                escape(_crash_words(each)), Style.RED if each.recovered_at is None else Style.DIM
            ),
            plain(show_duration(each.gap_ms) if each.gap_ms else NOTHING),
            plain(clock.show(each.recovered_at) if each.recovered_at else NOTHING),
        ]
        for each in document.crashes
    ]
    return lay_out(_CRASH_COLUMNS, rows, width) if rows else []


def _crash_words(crash: doc.Crash) -> str:
    """Return what happened: of a process that was killed, by which signal."""
    details = msgspec.json.decode(crash.details)
    number = details.get("signal") if isinstance(details, dict) else None
    if crash.crash_type != "exit" or not isinstance(number, int):
        return crash.crash_type
    return _exit_words(-number)


def crash_legend(document: doc.CrashList) -> str:
    """Return the day and zone of a list of crashes."""
    return Clock([each.at for each in document.crashes]).legend()


def message_legend(document: doc.MessageList) -> str:
    """Return the day and zone of a list of messages."""
    return Clock([each.received_at for each in document.messages]).legend()


def _payload(payload: msgspec.Raw | msgspec.UnsetType) -> str:
    if payload is msgspec.UNSET:
        return "(left out)"
    return escape_json(escape(bytes(payload).decode(errors="replace")))


def _json_cell(value: Any) -> Line:
    if value is None:
        return plain("")
    return plain(escape_json(msgspec.json.encode(value).decode()))


def _shown(text: str | None) -> str:
    return "" if text is None else show_time(text)
