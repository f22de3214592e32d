"""Everything that belongs to one trace, on one page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clew.surfaces.cli.grid import Column, Style, cut_line, lay_out, plain, styled
from clew.surfaces.cli.naming import short_id
from clew.surfaces.cli.text import (
    Clock,
    escape,
    plural,
    show_count,
    show_duration,
    show_number,
    show_time,
)
from clew.surfaces.cli.views.apps import status_mark as app_mark
from clew.surfaces.cli.views.comments import comment_lines
from clew.surfaces.cli.views.logs import body_text, severity_mark
from clew.surfaces.cli.views.processes import participant_table
from clew.surfaces.cli.views.spans import status_mark

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clew.answers.documents import CorrelateReport, OutlineSpan, Section
    from clew.surfaces.cli.grid import Line
    from clew.telemetry.documents import LogRecord
    from clew.telemetry.query.metrics.around_documents import SeriesSummary

LISTS: Final = (
    *("spans", "logs", "nearby_logs", "metrics", "links", "linked_from", "comments", "apps"),
    "objects",
)
"""The lists of a report, in the order in which they are shown."""

# Deeper spans stand under one another: their depth is said in front of them instead.
DEPTH_SHOWN_MAX: Final = 12

_SPAN_COLUMNS: Final = (
    Column("span", flexible=True),
    Column("service", flexible=True),
    Column("at", right=True, drop=2),
    Column("duration", right=True),
    Column("self", right=True, drop=1),
    Column("span id", drop=3),
)

_LOG_COLUMNS: Final = (
    Column("time"),
    Column("level"),
    Column("service", flexible=True),
    Column("body", flexible=True),
    Column("span id", drop=1),
)

_APP_COLUMNS: Final = (
    Column("app", flexible=True),
    Column("id"),
    Column("status"),
    Column("spans", right=True),
    Column("errors", right=True),
)

_METRIC_COLUMNS: Final = (
    Column("service", flexible=True),
    Column("metric", flexible=True),
    Column("attributes", flexible=True, drop=1),
    Column("points", right=True, drop=3),
    Column("first", right=True),
    Column("last", right=True),
    Column("min", right=True, drop=5),
    Column("max", right=True, drop=4),
    Column("avg", right=True),
    Column("unit", drop=2),
)


def report_lines(report: CorrelateReport, width: int) -> list[Line]:
    """Return a heading, and each list with how complete it is."""
    parts = (
        ("spans", report.sections.spans, _spans(report.spans, width)),
        ("logs of the trace", report.sections.logs, _logs(report.logs, width)),
        (
            "other logs of its services while it ran",
            report.sections.nearby_logs,
            _logs(report.nearby_logs, width),
        ),
        (_metrics_title(report), report.sections.metrics, _metrics(report.metrics, width)),
        ("links to other spans", report.sections.links, _links(report, width)),
        ("linked from", report.sections.linked_from, _linked_from(report, width)),
        ("comments", report.sections.comments, _comments(report, width)),
    )
    apps = ("apps that ran it", report.sections.apps, _apps(report, width))
    lines = _heading(report)
    objects = (
        "objects that it touched",
        report.sections.objects,
        participant_table(report.objects, width),
    )
    # Most traces are not of the tree; what is empty for all of them need not be said.
    own = [*([apps] if report.apps else []), *([objects] if report.objects else [])]
    for title, section, shown in (parts[0], *own, *parts[1:]):
        lines.append([])
        lines.append([(title, Style.BOLD), (f"  {_completeness(section)}", Style.DIM)])
        lines.extend(shown)
        if section.truncated and section.more:
            lines.append([("more: ", Style.DIM), (escape(section.more), Style.DIM)])
    return [*lines, []]


def _apps(report: CorrelateReport, width: int) -> list[Line]:
    rows = [
        [
            plain(escape(app.app_name or "not known here")),
            styled(short_id(escape(app.app_id)), Style.DIM),
            app_mark(app.status) if app.status is not None else plain(""),
            plain(show_count(app.span_count)),
            styled(show_count(app.error_count), Style.RED if app.error_count else Style.DIM),
        ]
        for app in report.apps
    ]
    return lay_out(_APP_COLUMNS, rows, width)


def _heading(report: CorrelateReport) -> list[Line]:
    errors = report.error_count
    return [
        [("trace ", Style.DIM), (escape(report.trace_id), Style.BOLD)],
        [
            (
                f"{plural(report.span_count, 'span')} · {show_duration(report.duration_ms)} · ",
                Style.PLAIN,
            ),
            (plural(errors, "error"), Style.BOLD_RED if errors else Style.DIM),
            (f" · {show_time(report.start_time)}", Style.PLAIN),
        ],
        [("services ", Style.DIM), (", ".join(map(escape, report.services)), Style.CYAN)],
    ]


def _completeness(section: Section) -> str:
    count = show_count(section.count)
    if section.total is not None and section.total > section.count:
        return f"{count} of {show_count(section.total)}"
    if section.truncated:
        return f"{count} of at least {show_count(section.at_least or section.count)}"
    return count if section.count else "none"


def _spans(spans: Sequence[OutlineSpan], width: int) -> list[Line]:
    rows = [
        [
            _span_name(span),
            styled(escape(span.service), Style.CYAN),
            styled(f"+{show_duration(span.offset_ms)}", Style.DIM),
            plain(show_duration(span.duration_ms)),
            styled(show_duration(span.self_time_ms), Style.DIM),
            styled(escape(span.span_id), Style.DIM),
        ]
        for span in spans
    ]
    table = lay_out(_SPAN_COLUMNS, rows, width) if rows else []
    if not table:
        return []
    # What went wrong stands below the span it went wrong in.
    lines = table[:1]
    for span, line in zip(spans, table[1:], strict=True):
        lines.append(line)
        said = span.exception or span.status_message
        if said:
            indent = "  " * (min(span.depth, DEPTH_SHOWN_MAX) + 1)
            lines.append(cut_line([(f"{indent}! {escape(said)}", Style.RED)], width))
    return lines


def _span_name(span: OutlineSpan) -> Line:
    indent = "  " * span.depth if span.depth <= DEPTH_SHOWN_MAX else f"⋯{span.depth} "
    failed = span.status == "error"
    mark = [*status_mark("error"), (" ", Style.PLAIN)] if failed else []
    style = Style.BOLD_RED if failed else Style.YELLOW if span.critical_path else Style.PLAIN
    return [(indent, Style.DIM), *mark, (escape(span.operation), style)]


def _logs(records: Sequence[LogRecord], width: int) -> list[Line]:
    clock = Clock(record.timestamp for record in records)
    rows = [
        [
            styled(clock.show(record.timestamp), Style.DIM),
            severity_mark(record.severity),
            styled(escape(record.service), Style.CYAN),
            plain(body_text(record)),
            styled(escape(record.span_id or ""), Style.DIM),
        ]
        for record in records
    ]
    return lay_out(_LOG_COLUMNS, rows, width) if rows else []


def _metrics_title(report: CorrelateReport) -> str:
    start, end = show_time(report.metrics_start_time), show_time(report.metrics_end_time)
    return f"metrics from {start} to {end}"


def _metrics(series: Sequence[SeriesSummary], width: int) -> list[Line]:
    instances: dict[str, set[str | None]] = {}
    for each in series:
        instances.setdefault(each.service, set()).add(each.instance)
    rows = [
        [
            styled(escape(each.service), Style.CYAN),
            plain(escape(each.name)),
            styled(_labels(each, names_instance=len(instances[each.service]) > 1), Style.DIM),
            plain(show_count(each.point_count)),
            *(plain(show_number(value)) for value in _figures(each)),
            styled(escape(each.unit), Style.DIM),
        ]
        for each in series
    ]
    return lay_out(_METRIC_COLUMNS, rows, width) if rows else []


def _figures(series: SeriesSummary) -> tuple[float | None, ...]:
    if series.metric_type in {"histogram", "summary"}:
        # Sums of observations say little to a reader; what one of them was on average does.
        return (None, None, None, None, series.mean)
    return (series.first, series.last, series.min, series.max, series.avg)


def _labels(series: SeriesSummary, *, names_instance: bool) -> str:
    labels = [f"{key}={value}" for key, value in series.attributes.items()]
    if names_instance and series.instance is not None:
        labels.append(f"instance={series.instance}")
    return escape(" ".join(labels))


def _links(report: CorrelateReport, width: int) -> list[Line]:
    return [
        cut_line(
            [
                (f"  {escape(link.from_span_id)} → ", Style.DIM),
                (f"trace {escape(link.trace_id)} span {escape(link.span_id)}", Style.PLAIN),
            ],
            width,
        )
        for link in report.links
    ]


def _linked_from(report: CorrelateReport, width: int) -> list[Line]:
    return [
        cut_line(
            [
                (f"  {escape(link.operation)} ", Style.PLAIN),
                (escape(link.service), Style.CYAN),
                (f"  trace {escape(link.trace_id)} span {escape(link.span_id)}", Style.PLAIN),
                (f" → {', '.join(map(escape, link.to_span_ids))}", Style.DIM),
            ],
            width,
        )
        for link in report.linked_from
    ]


def _comments(report: CorrelateReport, width: int) -> list[Line]:
    return [
        line
        for comment in report.comments
        for line in comment_lines(comment, width, names_trace=False)
    ]
