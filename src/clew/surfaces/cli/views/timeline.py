"""How an object came to be as it is: events, values of a field, what differs, what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from clew.surfaces.cli.grid import Column, Style, cut_line, lay_out, plain, styled
from clew.surfaces.cli.text import (
    Clock,
    escape,
    plural,
    show_count,
    show_time,
    width_of,
)
from clew.surfaces.cli.views.twin import known_by, name_line, remark_lines
from clew.surfaces.cli.views.values import fields_cell, value_cell, value_lines

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from clew.surfaces.cli.grid import Line
    from clew.twin import documents as doc

BAR_CELLS: Final = 24
"""Of the busiest stretch of a timeline."""

_EVENT_COLUMNS: Final = (
    Column("time"),
    Column("event", flexible=True, least=12),
    Column("what", flexible=True, least=40),
    Column("service", flexible=True, drop=1),
    Column("span id", drop=2),
    Column("event id", drop=3),
)

_VALUE_COLUMNS: Final = (
    Column("from"),
    Column("value", flexible=True),
    Column("before", flexible=True, drop=2),
    Column("version", right=True, drop=4),
    Column("event", drop=5),
    Column("service", flexible=True, drop=3),
    Column("span id", drop=1),
)

_REJECTED_COLUMNS: Final = (
    Column("time"),
    Column("object", flexible=True, least=30, middle=True),
    Column("why", flexible=True, least=34),
    Column("what", flexible=True, least=24, drop=2),
    Column("service", flexible=True, drop=1),
)

_SEGMENT_COLUMNS: Final = (
    Column("from"),
    Column("events", right=True),
    Column("changes", right=True),
    Column(""),
)

_STACK: Final = "exception.stacktrace"
"""What an event says in pages: the document has it, and its log record shows it as lines."""

_KIND_STYLES: Final = {"created": Style.GREEN, "deleted": Style.RED, "phase_change": Style.MAGENTA}
_SEVERITY_STYLES: Final = {"error": Style.RED, "warning": Style.YELLOW}


def event_table(document: doc.Timeline, width: int) -> list[Line]:
    """Return a line per event with what it changed, and a line per stretch where these are."""
    clock = _clock(document)
    rows = [
        [
            styled(clock.show(event.at), Style.DIM),
            _kind(event),
            _what(event),
            styled(escape(event.service), Style.CYAN),
            styled(escape(event.span_id or ""), Style.DIM),
            styled(escape(event.event_id), Style.DIM),
        ]
        for event in document.events
    ]
    lines = lay_out(_EVENT_COLUMNS, rows, width) if rows else []
    if document.segments:
        lines.extend([[], *_segments(document.segments, clock, width)])
    return lines


def event_legend(document: doc.Timeline) -> str:
    """Return what validation wonders at (!), and which day and zone the times are of."""
    codes = {_code(event) for event in document.events if event.verdict == "warned"}
    wondered = f"! {', '.join(sorted(map(escape, codes)))}" if codes else ""
    known = known_by(document.recorded_at)
    return " · ".join(part for part in (wondered, known, _clock(document).legend()) if part)


def value_table(document: doc.FieldHistory, width: int) -> list[Line]:
    """Return a line per value: from when on, what it was before, and what set it."""
    clock = Clock(each.at for each in document.values)
    rows = [
        [
            styled(clock.show(each.at), Style.DIM),
            value_cell(each.value),
            [(text, Style.DIM) for text, _ in value_cell(each.previous)],
            plain(show_count(each.version)),
            styled(escape(each.type), Style.DIM),
            styled(escape(each.service), Style.CYAN),
            styled(escape(each.span_id or ""), Style.DIM),
        ]
        for each in document.values
    ]
    return lay_out(_VALUE_COLUMNS, rows, width) if rows else []


def value_legend(document: doc.FieldHistory) -> str:
    """Return by when it was known, and which day and zone the times are of."""
    zone = Clock(each.at for each in document.values).legend()
    return " · ".join(part for part in (known_by(document.recorded_at), zone) if part)


def difference_lines(document: doc.Difference, width: int) -> list[Line]:
    """Return what was (-) and what is (+), and the event that changed it."""
    lines: list[Line] = [
        [
            *name_line(document.type, document.id),
            (f"  {plural(document.versions, 'change')}", Style.PLAIN),
        ],
        [
            (f"- {show_time(document.from_)}", Style.RED),
            _known(document.from_recorded_at),
            _absent(is_there=document.existed, fields={**document.removed, **document.changed}),
        ],
        [
            (f"+ {show_time(document.to)}", Style.GREEN),
            _known(document.to_recorded_at),
            _absent(is_there=document.exists, fields={**document.added, **document.changed}),
        ],
        [],
    ]
    names = [*document.removed, *document.changed, *document.added]
    events = [each.event for each in document.changed.values() if each.event is not None]
    events.extend(document.added_by.values())
    clock = Clock([document.from_, document.to, *(event.at for event in events)])
    room = max((width_of(escape(name)) for name in names), default=0)
    for name in sorted(names):
        lines.extend(_difference(document, name, room, clock, width))
    if not names:
        lines.append(styled("nothing differs", Style.DIM))
    unchanged = f"{plural(document.unchanged, 'field')} unchanged"
    lines.extend([[], styled(unchanged, Style.DIM)])
    return [*lines, *remark_lines(document.warnings, width)]


def first_differences(document: doc.Difference, kept: int) -> doc.Difference:
    """Return a difference with its first so many fields."""
    parts: dict[str, Any] = {}
    left = kept
    for name in ("changed", "added", "removed"):
        fields = dict(list(getattr(document, name).items())[:left])
        parts[name] = fields
        left -= len(fields)
    added_by = {
        name: document.added_by[name] for name in parts["added"] if name in document.added_by
    }
    return msgspec.structs.replace(document, **parts, added_by=added_by)


def rejected_table(document: doc.RejectedList, width: int) -> list[Line]:
    """Return a line per event that does not count, with the first reason."""
    clock = Clock(event.at for event in document.events)
    rows = [
        [
            styled(clock.show(event.at), Style.DIM),
            name_line(event.obj_type, event.obj_id),
            _reason(event),
            _what(event, names_reason=False),
            styled(escape(event.service), Style.CYAN),
        ]
        for event in document.events
    ]
    return lay_out(_REJECTED_COLUMNS, rows, width) if rows else []


def rejected_legend(document: doc.RejectedList) -> str:
    """Return how many there are by code, the most frequent first, and the times' zone."""
    counts = sorted(document.by_code.items(), key=lambda each: (-each[1], each[0]))
    told = ", ".join(f"{show_count(count)} {escape(code)}" for code, count in counts)
    zone = Clock(event.at for event in document.events).legend()
    return " · ".join(part for part in (told, zone) if part)


def event_text(event: doc.TimelineEvent) -> Line:
    """Return an event in a few words: its kind and what it changed."""
    return [*_kind(event), (" ", Style.PLAIN), *_what(event)]


def _clock(document: doc.Timeline) -> Clock:
    times = [event.at for event in document.events]
    return Clock([*times, *(each.start for each in document.segments or ())])


def _kind(event: doc.TimelineEvent) -> Line:
    name = event.name if event.type in {"event", "action"} and event.name else event.type
    return styled(escape(name), _KIND_STYLES.get(event.type, Style.PLAIN))


def _what(event: doc.TimelineEvent, *, names_reason: bool = True) -> Line:
    """Return what an event says: what it set, where a process went, what it told besides."""
    line: Line = []
    if names_reason and event.verdict != "accepted":
        line.extend([*_verdict(event), (" ", Style.PLAIN)])
    if event.phase is not None:
        line.append((f"→ {escape(event.phase)} ", Style.MAGENTA))
    if event.status is not None:
        line.append((f"{escape(event.status)} ", Style.BOLD))
    line.extend(fields_cell(event.changes))
    said = {name: value for name, value in event.data.items() if name != _STACK}
    if said:
        gap: Line = [(" ", Style.PLAIN)] if event.changes else []
        line.extend([*gap, *fields_cell(said)])
    if event.type == "log" or not (line or event.type == "deleted"):
        line.append((escape(event.body), Style.DIM))
    return line


def _verdict(event: doc.TimelineEvent) -> Line:
    if event.verdict == "rejected":
        return styled(f"✗ rejected {escape(_code(event))}", Style.RED)
    # What it is stands below the table: most often it is the same for all events of a type.
    return styled("!", Style.YELLOW)


def _code(event: doc.TimelineEvent) -> str:
    return next((str(each.get("code", "")) for each in event.issues), "")


def _reason(event: doc.TimelineEvent) -> Line:
    if not event.issues:
        return styled(escape(event.verdict), Style.DIM)
    first = event.issues[0]
    style = _SEVERITY_STYLES.get(str(first.get("severity", "")), Style.PLAIN)
    line: Line = [(escape(str(first.get("code", ""))), style)]
    line.append((f" {escape(str(first.get('message', '')))}", Style.PLAIN))
    if len(event.issues) > 1:
        line.append((f" (+{len(event.issues) - 1})", Style.DIM))
    return line


def _segments(segments: Sequence[doc.Segment], clock: Clock, width: int) -> list[Line]:
    most = max(each.events for each in segments) or 1
    rows = [
        [
            styled(clock.show(each.start), Style.DIM),
            plain(show_count(each.events)),
            plain(show_count(each.changes)),
            _bar(each, most),
        ]
        for each in segments
    ]
    return lay_out(_SEGMENT_COLUMNS, rows, width)


def _bar(segment: doc.Segment, most: int) -> Line:
    """Return how many events there were, those that changed the object solid."""
    whole = -(-segment.events * BAR_CELLS // most)
    changes = whole * segment.changes // segment.events if segment.events else 0
    return [("█" * changes, Style.BLUE), ("░" * (whole - changes), Style.BLUE)]


def _difference(
    document: doc.Difference, name: str, room: int, clock: Clock, width: int
) -> list[Line]:
    if name in document.changed:
        change = document.changed[name]
        lines = [
            *_side("-", name, change.from_, room, width),
            *_side("+", name, change.to, room, width),
        ]
        return [*lines, *_by(change.event, room, clock, width)]
    if name in document.removed:
        return _side("-", name, document.removed[name], room, width)
    lines = _side("+", name, document.added[name], room, width)
    return [*lines, *_by(document.added_by.get(name), room, clock, width)]


def _by(event: doc.EventPlace | None, room: int, clock: Clock, width: int) -> list[Line]:
    """Return which event it was, where it is known."""
    if event is None:
        return []
    left = " " * (room + 4)
    span = f" in span {escape(event.span_id)}" if event.span_id else ""
    when, by = f"{left}at {clock.show(event.at)}{span}", f"by {escape(event.event_id)}"
    parts = [f"{when} {by}"] if width_of(f"{when} {by}") <= width else [when, left + by]
    return [cut_line(styled(part, Style.DIM), width) for part in parts]


def _side(sign: str, name: str, value: Any, room: int, width: int) -> list[Line]:
    style = Style.RED if sign == "-" else Style.GREEN
    shown = escape(name)
    head = f"{sign} {shown}{' ' * (room - width_of(shown))}  "
    below = f"{sign} {' ' * room}  "
    lines = value_lines(value, width - width_of(head))
    return [
        cut_line([(below if place else head, style), *((text, style) for text, _ in line)], width)
        for place, line in enumerate(lines)
    ]


def _known(recorded_at: str | msgspec.UnsetType) -> tuple[str, Style]:
    """Return by when a side of a difference was known; nothing where all counts."""
    known = known_by(recorded_at)
    return (f"  {known}" if known else "", Style.DIM)


def _absent(*, is_there: bool, fields: Mapping[str, Any]) -> tuple[str, Style]:
    """Return why an object was not there; one that is gone still has the fields it had last."""
    if is_there:
        return ("", Style.PLAIN)
    return ("  (deleted; what it was last)" if fields else "  (not there)", Style.YELLOW)


def fields_of(document: doc.Difference) -> Mapping[str, Any]:
    """Return every field that differs."""
    return {**document.changed, **document.added, **document.removed}
