"""A run as a conversation that can be read: who said what, which tools were used, what it took."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import msgspec

from clew.surfaces.cli.grid import Style, cut_line, line_width
from clew.surfaces.cli.text import (
    escape,
    escape_lines,
    plural,
    show_count,
    show_duration,
    show_time,
    width_of,
)
from clew.surfaces.cli.views.genai import price_legend, show_cost, show_dollars, show_tokens

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clew.surfaces.cli.grid import Line
    from clew.telemetry.genai.documents import Finding, Message, Part, Step, Transcript

# Longer lines are not read but searched; a file is about this wide, too.
WIDTH_MAX: Final = 110

# What stands before a text: number, offset, and the word for who speaks.
NUMBER_WIDTH: Final = 4
ROLE_WIDTH: Final = 10
INDENT: Final = 2

# Deeper agents are told by their number alone: the texts need the room.
DEPTH_SHOWN_MAX: Final = 6

_ROLE_STYLES: Final = {
    "system": Style.DIM,
    "user": Style.GREEN,
    "assistant": Style.CYAN,
    "tool": Style.YELLOW,
}


def transcript_lines(document: Transcript, width: int) -> list[Line]:
    """Return the heading, the findings, and each step with what is new in it."""
    room = min(width, WIDTH_MAX)
    lines = [*_heading(document, room)]
    if document.findings:
        lines.append([])
        lines.extend(_finding(each, room) for each in document.findings)
    shown = {call for step in document.steps for call in _calls(step)}
    trace = ""
    several = len(document.trace_ids) > 1
    for step in document.steps:
        if several and step.trace_id != trace and step.depth == 0:
            trace = step.trace_id
            lines.extend([[], _trace_line(step, room)])
        lines.append([])
        lines.extend(_step(step, room, shown))
    return lines


def transcript_notes(document: Transcript) -> str:
    """Return what is not here and how to get it."""
    return " · ".join(escape(note).replace("max_chars", "--max-chars") for note in document.notes)


def _heading(document: Transcript, room: int) -> list[Line]:
    named = document.conversation
    if named is not None:
        what: Line = [("conversation ", Style.DIM), (escape(named), Style.BOLD)]
    else:
        what = [("trace ", Style.DIM), (escape(document.trace_ids[0]), Style.BOLD)]
    if named is not None and len(document.trace_ids) == 1:
        what.append((f"  trace {escape(document.trace_ids[0])}", Style.DIM))
    elif named is not None:
        what.append((f"  {plural(len(document.trace_ids), 'trace')}", Style.DIM))
    errors = document.error_count
    counts: Line = [
        (f"{plural(document.turns, 'turn')} · ", Style.PLAIN),
        (f"{plural(document.tool_calls, 'tool call')} · ", Style.PLAIN),
        (plural(errors, "error"), Style.BOLD_RED if errors else Style.DIM),
        (f" · {show_duration(document.duration_ms)}", Style.PLAIN),
        (f" · {show_time(document.start_time)}", Style.DIM),
    ]
    tokens = document.tokens
    money = [
        f"{show_tokens(tokens.input)} tokens in",
        f"{show_tokens(tokens.output)} out",
        *([f"{show_tokens(tokens.cache_read)} of them cached"] if tokens.cache_read else []),
        *([show_cost(document.cost)] if show_cost(document.cost) != "-" else []),
    ]
    if document.cost.usd is not None and document.cost.reported_usd is not None:
        money.append(f"{show_dollars(document.cost.reported_usd)} reported")
    legend = price_legend([document.cost])
    used: Line = [(" · ".join(money), Style.PLAIN)]
    if legend:
        used.append((f"  ({legend})", Style.DIM))
    who: Line = []
    for word, names in (
        ("agents", document.agents),
        ("models", document.models),
        ("services", document.services),
    ):
        if names:
            gap = "  " if who else ""
            who += [(f"{gap}{word} ", Style.DIM), (escape(", ".join(names)), Style.CYAN)]
    return [cut_line(line, room) for line in (what, who, counts, used) if line]


def _finding(finding: Finding, room: int) -> Line:
    word = "step" if len(finding.steps) == 1 else "steps"
    steps = ", ".join(map(str, finding.steps[:8]))
    more = ", …" if finding.count > 8 else ""
    end = f"  ({word} {steps}{more})"
    line: Line = [
        ("! ", Style.YELLOW),
        (f"{finding.kind.replace('_', ' ')}: ", Style.YELLOW),
        (escape(finding.message), Style.PLAIN),
    ]
    return [*cut_line(line, max(20, room - len(end))), (end, Style.DIM)]


def _trace_line(step: Step, room: int) -> Line:
    text = f"── trace {escape(step.trace_id)} · {show_time(step.start_time)} "
    return [(text + "─" * max(0, room - width_of(text)), Style.DIM)]


def _step(step: Step, room: int, shown: set[str]) -> Iterator[Line]:
    margin = NUMBER_WIDTH + INDENT * min(step.depth, DEPTH_SHOWN_MAX)
    yield cut_line(_title(step, margin), room)
    if step.repeated_messages:
        what = plural(step.repeated_messages, "message")
        yield _aside(f"({what} told before)", margin)
    for message in step.messages:
        yield from _message(message, margin, room)
    if step.kind == "tool":
        yield from _tool(step, margin, room, is_asked=step.call_id in shown)
    if step.error is not None:
        yield from _labelled("✗ error", Style.BOLD_RED, step.error, Style.RED, margin, room)


def _title(step: Step, margin: int) -> Line:
    marks = {"agent": Style.BOLD, "model": Style.PLAIN, "tool": Style.YELLOW, "other": Style.DIM}
    name = escape(step.name)
    words = {"agent": f"agent {name}", "tool": f"tool {name}", "model": f"{step.operation} {name}"}
    title = words.get(step.kind, f"{escape(step.operation)} {name}")
    figures = [show_duration(step.duration_ms)]
    if step.input_tokens or step.output_tokens:
        figures.append(
            f"{show_tokens(step.input_tokens)} → {show_tokens(step.output_tokens)} tokens"
        )
    if step.cache_read_tokens:
        figures.append(f"{show_tokens(step.cache_read_tokens)} cached")
    if step.computed_usd is not None:
        figures.append(show_dollars(step.computed_usd))
    elif step.reported_usd is not None:
        figures.append(f"{show_dollars(step.reported_usd)} reported")
    if step.time_to_first_token_ms is not None:
        figures.append(f"first token {show_duration(step.time_to_first_token_ms)}")
    reasons = [reason for reason in step.finish_reasons if reason not in _USUAL_REASONS]
    if reasons:
        figures.append(escape(", ".join(reasons)))
    return [
        (f"{step.number:>{NUMBER_WIDTH - 1}} ", Style.DIM),
        (" " * (margin - NUMBER_WIDTH), Style.PLAIN),
        (title, Style.BOLD_RED if step.error is not None else marks[step.kind]),
        (f"  +{show_duration(step.offset_ms) if step.offset_ms else '0 ms'}", Style.DIM),
        (f" · {' · '.join(figures)}", Style.DIM),
    ]


_USUAL_REASONS: Final = frozenset(
    {"stop", "tool_calls", "tool_call", "tool_use", "end_turn", "STOP", "function_call"}
)


def _message(message: Message, margin: int, room: int) -> Iterator[Line]:
    style = _ROLE_STYLES.get(message.role, Style.MAGENTA)
    label = escape(message.role)
    for part in message.parts:
        kind = (
            Style.DIM
            if part.type in {"reasoning", "other"} or message.role == "system"
            else Style.PLAIN
        )
        yield from _labelled(label, style, _part_text(part), kind, margin, room)
        # The speaker is named once.
        label = ""


def _part_text(part: Part) -> str:
    match part.type:
        case "tool_call":
            text = f"→ {_call_text(part.name or '?', part.arguments)}"
        case "tool_result":
            text = f"← {_value_text(part.result)}"
        case "reasoning":
            text = f"(thinks) {part.text or ''}"
        case "other":
            text = f"[{part.text or 'something'}]"
        case _:
            text = part.text or ""
    return text + _cut_mark(part.left_out)


def _tool(step: Step, margin: int, room: int, *, is_asked: bool) -> Iterator[Line]:
    if not is_asked and step.arguments is not None:
        call = _call_text(step.name, step.arguments)
        yield from _labelled("called", Style.YELLOW, call, Style.PLAIN, margin, room)
    if step.result is not None:
        text = _value_text(step.result) + _cut_mark(step.left_out)
        yield from _labelled("gave", Style.YELLOW, text, Style.PLAIN, margin, room)


def _calls(step: Step) -> Iterator[str]:
    for message in step.messages:
        for part in message.parts:
            if part.type == "tool_call" and part.id:
                yield part.id


def _call_text(name: str, arguments: Any) -> str:
    """Return a call as a programmer would write it, where it is one of plain values."""
    if isinstance(arguments, dict) and all(_is_plain(value) for value in arguments.values()):
        inner = ", ".join(f"{key}={_value_json(value)}" for key, value in arguments.items())
        return f"{name}({inner})"
    return f"{name}({'' if arguments is None else _value_text(arguments)})"


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float | bool)


def _value_text(value: Any) -> str:
    return value if isinstance(value, str) else _value_json(value)


def _value_json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _cut_mark(left_out: int) -> str:
    return f" … ({show_count(left_out)} more characters)" if left_out else ""


def _aside(text: str, margin: int) -> Line:
    return [(" " * (margin + ROLE_WIDTH + 1), Style.PLAIN), (text, Style.DIM)]


def _labelled(
    label: str, label_style: Style, text: str, style: Style, margin: int, room: int
) -> Iterator[Line]:
    """Yield a text behind the word for whose it is, wrapped to the room there is."""
    width = max(20, room - margin - ROLE_WIDTH - 1)
    rows = [row for line in escape_lines(text.strip("\n")) for row in wrap(line, width)]
    for place, row in enumerate(rows):
        word = label if place == 0 else ""
        head: Line = [(" " * margin, Style.PLAIN), (f"{word:<{ROLE_WIDTH}} ", label_style)]
        if line_width(head) > margin + ROLE_WIDTH + 1:
            yield head
            head = [(" " * (margin + ROLE_WIDTH + 1), Style.PLAIN)]
        yield [*head, (row, style)]


def wrap(text: str, width: int) -> list[str]:
    """Return escaped text in rows of at most `width` cells, broken at spaces where there are any.

    The space at the beginning of the text stays: it may be code.
    """
    rows: list[str] = []
    row = ""
    for word in _words(text):
        if row and width_of(row) + width_of(word.rstrip()) > width:
            rows.append(row.rstrip())
            row = ""
        row += word
        while width_of(row.rstrip()) > width:
            at = _fitting(row, width)
            rows.append(row[:at])
            row = row[at:]
    return [*rows, row.rstrip()]


def _words(text: str) -> list[str]:
    """Cut a text after each run of spaces."""
    return _WORD.findall(text)


_WORD: Final = re.compile(r" *[^ ]+ *| +")


def _fitting(text: str, width: int) -> int:
    """Return how many characters fit into so many cells, at least one."""
    if text.isascii():
        return width
    cells = 0
    for place, character in enumerate(text):
        cells += width_of(character)
        if cells > width:
            return max(1, place)
    return len(text)
