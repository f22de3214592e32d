"""What an object was, as fields and values with the last event; and objects as a list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from clew.surfaces.cli.grid import Column, Style, cut_line, lay_out, plain, styled
from clew.surfaces.cli.text import Clock, escape, plural, show_count, show_time
from clew.surfaces.cli.views.values import fields_cell, value_lines

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from clew.surfaces.cli.grid import Line
    from clew.twin import documents as doc

NAME_SHARE: Final = 0.4
"""Of a table's width for names of fields, where the values need the rest."""

NOT_THERE_YET: Final = ("before_first_event", "before_first_arrival")

_STATE_COLUMNS: Final = (Column("field", flexible=True, least=12), Column("value", flexible=True))

_OBJECT_COLUMNS: Final = (
    Column("type", flexible=True, least=12),
    # A whole UUID: it is what the next command is given.
    Column("id", flexible=True, least=36, middle=True),
    Column("state", flexible=True, least=14, drop=2),
    Column("version", right=True, drop=3),
    Column("events", right=True, drop=5),
    Column("service", flexible=True, drop=4),
    Column("changed", drop=1),
)

STATUS_MARKS: Final = {
    "started": ("●", Style.GREEN),
    "completed": ("✓", Style.GREEN),
    "failed": ("✗", Style.RED),
    "stuck": ("?", Style.YELLOW),
    "timed_out": ("✗", Style.BOLD_RED),
}


def process_mark(status: str) -> Line:
    """Return the status of a process with its mark."""
    mark, style = STATUS_MARKS.get(status, ("·", Style.PLAIN))
    return styled(f"{mark} {escape(status)}", style)


def name_line(obj_type: str, obj_id: str) -> Line:
    """Return how an object is called."""
    return [(f"{escape(obj_type)} ", Style.CYAN), (escape(obj_id), Style.BOLD)]


def twin_lines(state: doc.TwinState, width: int) -> list[Line]:
    """Return a heading, a line or more per field, where the state comes from, and what to know."""
    when = [f"at {show_time(state.at)}", known_by(state.recorded_at)]
    lines = [_heading(state), *(styled(each, Style.DIM) for each in when if each), []]
    lines.extend(state_lines(state.state, width))
    if not state.state:
        lines.append(styled("no field was set", Style.DIM))
    lines.append([])
    lines.extend(cut_line(line, width) for line in _origin(state))
    return [*lines, *remark_lines(state.warnings, width), []]


def state_lines(state: Mapping[str, Any], width: int) -> list[Line]:
    """Return fields and values as a table; what is nested takes several lines."""
    if not state:
        return []
    names = max(len("field"), *(len(escape(name)) for name in state))
    room = width - 2 - min(names, round(width * NAME_SHARE))
    rows: list[list[Line]] = []
    for name, value in state.items():
        for place, shown in enumerate(value_lines(value, room)):
            rows.append([plain("" if place else escape(name)), shown])
    return lay_out(_STATE_COLUMNS, rows, width)


def remark_lines(remarks: Sequence[doc.Remark], width: int) -> list[Line]:
    """Return what the reader of an answer should know, a line for all that say the same."""
    alike: dict[tuple[str, str | None, str], list[doc.Remark]] = {}
    for each in remarks:
        alike.setdefault((each.code, each.field, each.message), []).append(each)
    lines: list[Line] = []
    for (code, field, message), group in alike.items():
        line: Line = [("! ", Style.YELLOW), (escape(code), Style.YELLOW)]
        about = f" of {escape(field)}" if field is not None else ""
        line.append((f"{about}: {escape(message)}", Style.PLAIN))
        if len(group) > 1:
            line.append((f" ({len(group)} times)", Style.DIM))
        lines.append(cut_line(line, width))
        event_id = group[-1].event_id
        if event_id is not None:
            lines.append(cut_line(styled(f"  event {escape(event_id)}", Style.DIM), width))
    return lines


def known_by(recorded_at: str | msgspec.UnsetType | None) -> str:
    """Return by when what is shown was known; empty where all counts."""
    return f"as known at {show_time(recorded_at)}" if isinstance(recorded_at, str) else ""


def version_cell(state: doc.TwinState) -> Line:
    """Return which version of an object it was, or why it was none."""
    if state.exists:
        return plain(show_count(state.version))
    if any(each.code in NOT_THERE_YET for each in state.warnings) or not state.version:
        return styled("not there yet", Style.YELLOW)
    return styled("deleted", Style.RED)


def _heading(state: doc.TwinState) -> Line:
    line: Line = [*name_line(state.type, state.id), ("  ", Style.PLAIN)]
    if state.exists:
        line.append(("version ", Style.DIM))
    line.extend(version_cell(state))
    if isinstance(state.status, str) and state.status:
        line.extend([("  ", Style.PLAIN), *process_mark(state.status)])
    if isinstance(state.phase, str) and state.phase:
        line.append((f"  in {escape(state.phase)}", Style.PLAIN))
    return line


def _origin(state: doc.TwinState) -> list[Line]:
    """Return the event that was the last to change the state, and what the state was read by."""
    lines: list[Line] = []
    event = state.last_event
    if event is not None:
        lines.append([("last event  ", Style.DIM), (escape(event.event_id), Style.PLAIN)])
        lines.append(styled(f"changed     {show_time(event.at)}", Style.DIM))
        if event.trace_id is not None:
            span = f" span {escape(event.span_id)}" if event.span_id is not None else ""
            lines.append(styled(f"in trace    {escape(event.trace_id)}{span}", Style.DIM))
    if state.created_at is not None:
        lines.append(styled(f"created     {show_time(state.created_at)}", Style.DIM))
    if state.registry_checksum is not None:
        lines.append(styled(f"registry    {escape(state.registry_checksum)}", Style.DIM))
    lines.append(styled(f"state hash  {escape(state.state_hash)}", Style.DIM))
    return lines


def first_fields(state: doc.TwinState, kept: int) -> doc.TwinState:
    """Return a state with its first so many fields."""
    shown = dict(list(state.state.items())[:kept])
    return msgspec.structs.replace(state, state=shown)


def object_table(document: doc.ObjectList, width: int) -> list[Line]:
    """Return objects as a list."""
    clock = Clock(each.last_at for each in document.objects)
    rows = [
        [
            styled(escape(each.type), Style.CYAN),
            styled(escape(each.id), Style.BOLD if each.exists else Style.DIM),
            fields_cell(each.state) if each.exists else styled("deleted", Style.RED),
            plain(show_count(each.version)),
            styled(show_count(each.events), Style.DIM),
            styled(escape(each.service), Style.CYAN),
            styled(clock.show(each.last_at), Style.DIM),
        ]
        for each in document.objects
    ]
    return lay_out(_OBJECT_COLUMNS, rows, width) if rows else []


def object_legend(document: doc.ObjectList) -> str:
    """Return which day and zone the times are of, and how many are gone."""
    gone = sum(not each.exists for each in document.objects)
    parts = [Clock(each.last_at for each in document.objects).legend()]
    if gone:
        parts.append(f"{plural(gone, 'object')} deleted")
    return " · ".join(part for part in parts if part)
