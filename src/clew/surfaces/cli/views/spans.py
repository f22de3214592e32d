"""Spans and traces, one a line."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from clew.surfaces.cli.grid import Column, Style, lay_out, plain, styled
from clew.surfaces.cli.text import Clock, escape, show_count, show_duration
from clew.surfaces.cli.views.matches import span_fields, with_matches

if TYPE_CHECKING:
    from clew.surfaces.cli.grid import Line
    from clew.telemetry.documents import Span, SpanList, TraceList, TraceSummary

# A span's line needs about this much for a time in milliseconds, a whole trace id, and names that
# can be read; below it the milliseconds and the word of the status give way.
WIDTH_COMFORTABLE: Final = 110

_STATUS: Final = {
    "ok": ("✓", Style.GREEN),
    "error": ("✗", Style.BOLD_RED),
    "unset": ("·", Style.DIM),
}

_SPAN_COLUMNS: Final = (
    Column("start"),
    Column(""),
    Column("service", flexible=True),
    Column("operation", flexible=True),
    Column("kind", drop=2),
    Column("duration", right=True),
    Column("trace id"),
    Column("span id", drop=3),
)

_TRACE_COLUMNS: Final = (
    Column("start"),
    Column(""),
    Column("service", flexible=True),
    Column("operation", flexible=True),
    Column("duration", right=True),
    Column("spans", right=True, drop=1),
    Column("errors", right=True, drop=2),
    Column("services", flexible=True, drop=3),
    Column("trace id"),
)


def status_mark(status: str, *, word: bool = False) -> Line:
    """Return a status as a coloured mark, with its word where there is room."""
    mark, style = _STATUS.get(status, ("?", Style.YELLOW))
    return styled(f"{mark} {status}" if word and status != "unset" else mark, style)


def span_table(document: SpanList, width: int, *, text: str | None = None) -> list[Line]:
    """Return spans as lines; below a span, where the text stands that was searched for."""
    clock = Clock(span.start_time for span in document.spans)
    roomy = width >= WIDTH_COMFORTABLE
    rows = [_span_row(span, clock, roomy=roomy) for span in document.spans]
    lines = lay_out(_SPAN_COLUMNS, rows, width)
    if not text:
        return lines
    return with_matches(lines, [partial(span_fields, each) for each in document.spans], text, width)


def trace_table(document: TraceList, width: int) -> list[Line]:
    """Return traces as lines."""
    clock = Clock(trace.start_time for trace in document.traces)
    roomy = width >= WIDTH_COMFORTABLE
    rows = [_trace_row(trace, clock, roomy=roomy) for trace in document.traces]
    return lay_out(_TRACE_COLUMNS, rows, width)


def span_legend(document: SpanList) -> str:
    """Return the day and zone of the times."""
    return Clock(span.start_time for span in document.spans).legend()


def trace_legend(document: TraceList) -> str:
    """Return the day and zone of the times."""
    return Clock(trace.start_time for trace in document.traces).legend()


def _span_row(span: Span, clock: Clock, *, roomy: bool) -> list[Line]:
    return [
        styled(clock.show(span.start_time, digits=3 if roomy else 0), Style.DIM),
        status_mark(span.status, word=roomy),
        styled(escape(span.service), Style.CYAN),
        plain(escape(span.operation)),
        styled(span.kind, Style.DIM),
        plain(show_duration(span.duration_ms)),
        plain(escape(span.trace_id)),
        styled(escape(span.span_id), Style.DIM),
    ]


def _trace_row(trace: TraceSummary, clock: Clock, *, roomy: bool) -> list[Line]:
    errors = trace.error_count
    return [
        styled(clock.show(trace.start_time, digits=3 if roomy else 0), Style.DIM),
        status_mark("error" if errors else "unset"),
        styled(escape(trace.service), Style.CYAN),
        plain(escape(trace.operation)),
        plain(show_duration(trace.duration_ms)),
        plain(show_count(trace.span_count)),
        styled(show_count(errors), Style.RED if errors else Style.DIM),
        styled(escape(", ".join(trace.services)), Style.DIM),
        plain(escape(trace.trace_id)),
    ]
