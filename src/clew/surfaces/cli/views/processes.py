"""Processes: as a list with what is stuck, and one by one with phases and those who took part."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from clew.surfaces.cli.grid import Column, Style, cut_line, lay_out, plain, styled
from clew.surfaces.cli.text import Clock, escape, plural, show_count, show_duration, show_time
from clew.surfaces.cli.views.twin import name_line, process_mark, remark_lines, state_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clew.surfaces.cli.grid import Line
    from clew.twin import documents as doc

BAR_CELLS: Final = 24
"""Of the whole time of a process."""

_MS_PER_S: Final = 1000

_COLUMNS: Final = (
    Column("status"),
    Column("type", flexible=True, least=12),
    Column("process", flexible=True, least=16),
    Column("phase", flexible=True, least=8),
    Column("duration", right=True),
    Column("at most", right=True, drop=3),
    Column("started", drop=1),
    Column("events", right=True, drop=5),
    Column("services", flexible=True, drop=4),
    Column("trace id", drop=2),
)

_PHASE_COLUMNS: Final = (
    Column("phase", flexible=True, least=12),
    Column("from", drop=1),
    Column("duration", right=True),
    Column("", drop=4),
    Column("service", flexible=True, drop=2),
    Column("span id", drop=3),
)

_PARTICIPANT_COLUMNS: Final = (
    Column("type", flexible=True, least=12),
    Column("id", flexible=True, least=16),
    Column("changes", right=True),
    Column("events", right=True, drop=2),
    Column("services", flexible=True, drop=1),
)


def process_table(document: doc.ProcessList, width: int) -> list[Line]:
    """Return a line per process."""
    clock = Clock(each.started_at for each in document.processes)
    rows = [
        [
            process_mark(each.status),
            styled(escape(each.type), Style.CYAN),
            styled(escape(each.id), Style.BOLD),
            plain(escape(each.phase or "")),
            plain(show_duration(each.duration_ms)),
            styled(_at_most(each.timeout_seconds), Style.DIM),
            styled(clock.show(each.started_at), Style.DIM),
            styled(show_count(each.events), Style.DIM),
            styled(escape(", ".join(each.services)), Style.CYAN),
            # A process that is named by its trace has said it already.
            styled(escape("" if each.trace_id == each.id else each.trace_id or ""), Style.DIM),
        ]
        for each in document.processes
    ]
    return lay_out(_COLUMNS, rows, width) if rows else []


def process_legend(document: doc.ProcessList) -> str:
    """Return which day and zone the times are of, and how many do not come to an end."""
    late = sum(each.status in {"stuck", "timed_out"} for each in document.processes)
    parts = [Clock(each.started_at for each in document.processes).legend()]
    if late:
        parts.append(f"{plural(late, 'process')} stuck or timed out")
    return " · ".join(part for part in parts if part)


def process_lines(document: doc.TraceProcesses, width: int) -> list[Line]:
    """Return each process of a trace: how it stands, its phases, who took part, its fields."""
    lines: list[Line] = []
    for place, process in enumerate(document.processes):
        lines.extend([[]] if place else [])
        lines.extend(_one(process, width))
    if document.truncated:
        lines.append(styled("the trace has more processes: a larger --limit", Style.YELLOW))
    return [*lines, []]


def longest_list(document: doc.TraceProcesses) -> int:
    """Return how many items the longest list of an answer has."""
    return max(
        len(document.processes),
        *(len(each.phases) for each in document.processes),
        *(len(each.participants) for each in document.processes),
    )


def first_of_each(document: doc.TraceProcesses, kept: int) -> doc.TraceProcesses:
    """Return an answer with the first so many items of each of its lists."""
    processes = [
        msgspec.structs.replace(
            each, phases=each.phases[:kept], participants=each.participants[:kept]
        )
        for each in document.processes[:kept]
    ]
    return msgspec.structs.replace(
        document, processes=processes, count=len(processes), truncated=True
    )


def _one(process: doc.ProcessTwin, width: int) -> list[Line]:
    heading = [*name_line(process.type, process.id), ("  ", Style.PLAIN)]
    heading.extend(process_mark(process.status))
    if process.phase is not None:
        heading.append((f"  in {escape(process.phase)}", Style.PLAIN))
    lines = [cut_line(heading, width), cut_line(_times(process), width)]
    if process.trace_id is not None and process.trace_id != process.id:
        lines.append(styled(f"trace {escape(process.trace_id)}", Style.DIM))
    if process.services:
        services = ", ".join(map(escape, process.services))
        lines.append(cut_line([("services ", Style.DIM), (services, Style.CYAN)], width))
    lines.extend(_phases(process, width))
    if process.next_phases:
        following = ", ".join(map(escape, process.next_phases))
        lines.append(cut_line([("may go to ", Style.DIM), (following, Style.PLAIN)], width))
    if process.participants:
        lines.extend([[], *participant_table(process.participants, width)])
    if process.twin.state:
        lines.extend([[], *state_lines(process.twin.state, width)])
    remarks = remark_lines([*process.warnings, *process.twin.warnings], width)
    return [*lines, *([[]] if remarks else []), *remarks]


def _times(process: doc.ProcessTwin) -> Line:
    line: Line = [(f"{show_duration(process.duration_ms)}", Style.BOLD)]
    if process.timeout_seconds is not None:
        line.append((f" of at most {_at_most(process.timeout_seconds)}", Style.DIM))
    line.append((f" · since {show_time(process.started_at)}", Style.PLAIN))
    if process.ended_at is not None:
        line.append((f" · ended {show_time(process.ended_at)}", Style.PLAIN))
    else:
        line.append((f" · last heard of {show_time(process.last_at)}", Style.PLAIN))
    return line


def _phases(process: doc.ProcessTwin, width: int) -> list[Line]:
    if not process.phases:
        return []
    clock = Clock(each.start for each in process.phases)
    rows = [
        [
            _phase_name(each),
            styled(clock.show(each.start), Style.DIM),
            plain(show_duration(each.duration_ms)),
            styled(_bar(each, process), Style.DIM),
            styled(escape(each.service), Style.CYAN),
            styled(escape(each.span_id or ""), Style.DIM),
        ]
        for each in process.phases
    ]
    return [[], *lay_out(_PHASE_COLUMNS, rows, width)]


def _phase_name(phase: doc.ProcessPhase) -> Line:
    mark = [] if phase.is_allowed else styled("✗ ", Style.RED)
    still = styled(" …", Style.DIM) if phase.end is None else []
    style = Style.PLAIN if phase.is_allowed else Style.RED
    return [*mark, (escape(phase.name), style), *still]


def _bar(phase: doc.ProcessPhase, process: doc.ProcessTwin) -> str:
    """Return the share that a phase has in the time of its process."""
    share = phase.duration_ms / process.duration_ms if process.duration_ms else 0
    return "█" * min(BAR_CELLS, round(share * BAR_CELLS))


def participant_table(participants: Sequence[doc.Participant], width: int) -> list[Line]:
    """Return a line per object that a trace touched."""
    rows = [
        [
            styled(escape(each.type), Style.CYAN),
            styled(escape(each.id), Style.BOLD),
            plain(show_count(each.changes)),
            styled(show_count(each.events), Style.DIM),
            styled(escape(", ".join(each.services)), Style.CYAN),
        ]
        for each in participants
    ]
    return lay_out(_PARTICIPANT_COLUMNS, rows, width) if rows else []


def _at_most(seconds: float | None) -> str:
    return "" if seconds is None else show_duration(seconds * _MS_PER_S)
