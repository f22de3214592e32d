"""One trace as a tree with a waterfall: who called whom, when, and what the end waited for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from clew.surfaces.cli.grid import Style, cut_line, line_width, pad_line, styled
from clew.surfaces.cli.text import (
    escape,
    escape_lines,
    plural,
    read_time,
    show_duration,
    show_time,
    width_of,
)
from clew.surfaces.cli.views.logs import body_text, severity_mark
from clew.surfaces.cli.views.spans import status_mark
from clew.surfaces.cli.views.tree import walk

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from clew.surfaces.cli.grid import Line
    from clew.surfaces.cli.views.tree import Node
    from clew.telemetry.documents import LogRecord, Span, SpanEvent, Trace

# Two columns of figures such as "1.23 ms", with their gaps.
FIGURES_WIDTH: Final = 20

# Below this a bar tells nothing about proportions; above, it only grows.
BAR_WIDTH_MIN: Final = 12
BAR_WIDTH_MAX: Final = 60

# Where nothing is cut (output to a file), a page is about this wide.
WIDTH_OF_A_FILE: Final = 160

# Tree guides may take this share of the name's column; deeper ones are replaced by their depth.
GUIDE_SHARE: Final = 0.5

EXCEPTION: Final = "exception"
APP_NAME: Final = "trails.app.name"
CRITICAL_BAR: Final = "█"
OTHER_BAR: Final = "░"


@dataclass(frozen=True, slots=True)
class Widths:
    """The columns of the waterfall."""

    name: int
    bar: int

    @property
    def total(self) -> int:
        """Cells of a whole line."""
        return self.name + self.bar + FIGURES_WIDTH + 2


@dataclass(frozen=True, slots=True)
class Scale:
    """What the bar's ends mean, in nanoseconds since the epoch."""

    start: int
    length: int

    def offset_ms(self, time: str) -> float:
        """Return milliseconds since the trace began."""
        return (to_ns(time) - self.start) / 1e6


def trace_lines(
    trace: Trace, logs: Sequence[LogRecord], width: int, *, details: bool = False
) -> list[Line]:
    """Return a heading, a line per span with its bar, and below each span what happened in it."""
    width = min(width, WIDTH_OF_A_FILE)
    scale = Scale(to_ns(trace.start_time), max(1, round(trace.duration_ms * 1e6)))
    nodes = list(walk(trace.spans))
    widths = _widths(nodes, width)
    logs_of: dict[str, list[LogRecord]] = {}
    for record in logs:
        logs_of.setdefault(record.span_id or "", []).append(record)
    lines = [*_heading(trace), [], _axis(trace, widths)]
    for node in nodes:
        lines.append(_span_line(node, scale, widths))
        lines.extend(_lines_below(node, logs_of.pop(node.span.span_id, []), scale, width, details))
    stray = [record for records in logs_of.values() for record in records]
    if stray:
        lines.extend([[], styled("logs of this trace outside the spans shown", Style.DIM)])
        lines.extend(cut_line(_log_line(record, scale), width) for record in stray)
    return lines


def trace_notes(trace: Trace) -> str:
    """Return what the reader of the tree has to know."""
    notes = [f"{CRITICAL_BAR} what the end waited for"]
    if trace.missing_parents:
        missing = plural(len(trace.missing_parents), "parent")
        notes.append(f"{missing} not here (marked ?)")
    return " · ".join(notes)


def to_ns(time: str) -> int:
    """Return a document's time in nanoseconds since the epoch."""
    moment, nanoseconds = read_time(time)
    return int(moment.timestamp()) * 1_000_000_000 + nanoseconds


def _heading(trace: Trace) -> list[Line]:
    services = ", ".join(escape(service) for service in trace.services)
    errors = trace.error_count
    return [
        [("trace ", Style.DIM), (escape(trace.trace_id), Style.BOLD)],
        [
            (
                f"{plural(trace.span_count, 'span')} · {show_duration(trace.duration_ms)} · ",
                Style.PLAIN,
            ),
            (plural(errors, "error"), Style.BOLD_RED if errors else Style.DIM),
            (f" · {show_time(trace.start_time)}", Style.PLAIN),
        ],
        [("services ", Style.DIM), (services, Style.CYAN)],
    ]


def _widths(nodes: Sequence[Node], width: int) -> Widths:
    """Give the names what they need, but never so much that the bars tell nothing."""
    room = width - FIGURES_WIDTH - 2
    wished = max((line_width(_name(node, None)) for node in nodes), default=1)
    bar = min(BAR_WIDTH_MAX, max(BAR_WIDTH_MIN, room - wished, room // 3))
    return Widths(name=max(1, min(wished, room - bar)), bar=bar)


def _axis(trace: Trace, widths: Widths) -> Line:
    end = show_duration(trace.duration_ms)
    scale = "0" + end.rjust(widths.bar - 1)
    return [
        ("operation, service".ljust(widths.name)[: widths.name], Style.DIM),
        ("  ", Style.PLAIN),
        (scale, Style.DIM),
        ("  duration      self", Style.DIM),
    ]


def _name(node: Node, room: int | None) -> Line:
    span = node.span
    guide = node.guide()
    if room is not None and width_of(guide) > room * GUIDE_SHARE:
        guide = f"⋯{node.depth} "
    line: Line = [(guide, Style.DIM)] if guide else []
    if node.is_detached:
        line.append(("? ", Style.YELLOW))
    if span.status == "error":
        line.extend([*status_mark("error"), (" ", Style.PLAIN)])
    line.append((escape(span.operation), Style.BOLD_RED if span.status == "error" else Style.PLAIN))
    line.append((f" {escape(span.service)}", Style.CYAN))
    # What the tree did to an app is told by the server, for the app: whose it is says nothing.
    if app := span.resource.get(APP_NAME):
        line.append((f" {escape(str(app))}", Style.BOLD))
    return line


def _span_line(node: Node, scale: Scale, widths: Widths) -> Line:
    span = node.span
    return [
        *pad_line(_name(node, widths.name), widths.name),
        ("  ", Style.PLAIN),
        *_bar(span, scale, widths.bar),
        (show_duration(span.duration_ms).rjust(10), Style.PLAIN),
        (show_duration(span.self_time_ms).rjust(10), Style.DIM),
    ]


def _bar(span: Span, scale: Scale, width: int) -> Line:
    first, size = bar_cells(span, scale, width)
    mark = CRITICAL_BAR if span.critical_path else OTHER_BAR
    style = Style.BLUE
    if span.critical_path:
        style = Style.YELLOW
    if span.status == "error":
        style = Style.RED
    return [
        (" " * first, Style.PLAIN),
        (mark * size, style),
        (" " * (width - first - size), Style.PLAIN),
    ]


def bar_cells(span: Span, scale: Scale, width: int) -> tuple[int, int]:
    """Return the first cell of a span's bar and how many follow; at least one, all inside."""
    start = to_ns(span.start_time) - scale.start
    end = to_ns(span.end_time) - scale.start
    first = min(width - 1, max(0, start * width // scale.length))
    last = min(width, max(first + 1, -(-end * width // scale.length)))
    return first, last - first


def _lines_below(
    node: Node, logs: Sequence[LogRecord], scale: Scale, width: int, details: bool
) -> list[Line]:
    guide = node.guide_below()
    if width_of(guide) > width * GUIDE_SHARE / 2:
        guide = "  "
    span = node.span
    told: list[Line] = []
    if span.status_message and not _is_told_by_an_event(span):
        told.append([("  ", Style.PLAIN), (escape(span.status_message), Style.RED)])
    if details:
        told.extend(_attribute_lines(span.attributes))
    timed = [(to_ns(event.timestamp), _event_lines(event, scale, details)) for event in span.events]
    timed += [(to_ns(record.timestamp), [_log_line(record, scale)]) for record in logs]
    for _, lines in sorted(timed, key=lambda each: each[0]):
        told.extend(lines)
    for link in span.links:
        target = f"{escape(link.trace_id)} span {escape(link.span_id)}"
        told.append([("  → linked to trace ", Style.DIM), (target, Style.PLAIN)])
    return [cut_line([(guide, Style.DIM), *line], width) for line in told]


def _is_told_by_an_event(span: Span) -> bool:
    """Whether the status repeats an exception: SDKs write ``message`` or ``Type: message``."""
    messages = [str(event.attributes.get("exception.message", "")) for event in span.events]
    return any(message and span.status_message.endswith(message) for message in messages)


def _event_lines(event: SpanEvent, scale: Scale, details: bool) -> list[Line]:
    offset = f"  +{show_duration(scale.offset_ms(event.timestamp))}"
    if event.name != EXCEPTION:
        shown = [
            [
                ("  • ", Style.DIM),
                (escape(event.name), Style.PLAIN),
                (_inline(event.attributes) if not details else "", Style.DIM),
                (offset, Style.DIM),
            ]
        ]
        return [*shown, *_attribute_lines(event.attributes)] if details else shown
    kind = escape(str(event.attributes.get("exception.type", "exception")))
    message = escape(str(event.attributes.get("exception.message", "")))
    line: Line = [
        ("  ! ", Style.BOLD_RED),
        (kind, Style.BOLD_RED),
        (f": {message}" if message else "", Style.RED),
        (offset, Style.DIM),
    ]
    trace = str(event.attributes.get("exception.stacktrace", ""))
    if not (details and trace):
        return [line]
    return [line, *(styled(f"      {row}", Style.DIM) for row in escape_lines(trace.rstrip()))]


def _log_line(record: LogRecord, scale: Scale) -> Line:
    return [
        ("  ▸ ", Style.DIM),
        *severity_mark(record.severity),
        (f" {body_text(record)}", Style.PLAIN),
        (f"  +{show_duration(scale.offset_ms(record.timestamp))}", Style.DIM),
    ]


def _attribute_lines(attributes: dict[str, Any]) -> Iterable[Line]:
    for key, value in attributes.items():
        if key.startswith("exception."):
            continue
        yield [(f"      {escape(key)} ", Style.DIM), (_value_text(value), Style.PLAIN)]


def _inline(attributes: dict[str, Any]) -> str:
    return "".join(f" {escape(key)}={_value_text(value)}" for key, value in attributes.items())


def _value_text(value: Any) -> str:
    return escape(value if isinstance(value, str) else msgspec.json.encode(value).decode())
