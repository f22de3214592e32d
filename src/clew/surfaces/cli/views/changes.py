"""What changed and what repeats: anomalies, differences and log patterns as lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clew.surfaces.cli.grid import Column, Style, lay_out, plain, styled
from clew.surfaces.cli.output import SEPARATOR
from clew.surfaces.cli.text import (
    NOTHING,
    Clock,
    escape,
    plural,
    show_count,
    show_duration,
    show_number,
    show_percent,
)
from clew.surfaces.cli.views.logs import severity_mark

if TYPE_CHECKING:
    from clew.surfaces.cli.grid import Line
    from clew.telemetry.analytics.reports import (
        Anomaly,
        AnomalyReport,
        Change,
        DifferenceReport,
        LogPattern,
        LogPatternList,
        ValueDifference,
    )

_SEVERITIES: Final = {"high": Style.BOLD_RED, "medium": Style.YELLOW, "low": Style.DIM}

_ANOMALIES: Final = (
    Column("severity"),
    Column("kind"),
    Column("service", flexible=True),
    Column("operation or pattern", flexible=True),
    Column("finding", flexible=True),
    Column("sure", right=True, drop=1),
)
_CHANGES: Final = (
    Column("figure"),
    Column("now", right=True),
    Column("before", right=True),
    Column("change", right=True),
    Column("ratio", right=True),
)
_VALUES: Final = (
    Column("key", flexible=True),
    Column("value", flexible=True),
    Column("bad", right=True),
    Column("good", right=True),
    Column("lift", right=True),
    Column("bad spans", right=True, drop=2),
    Column("sure", right=True, drop=1),
)
_PATTERNS: Final = (
    Column("count", right=True),
    Column("share", right=True, drop=2),
    Column("level"),
    Column("service", flexible=True),
    Column("pattern", flexible=True),
    Column("last seen", drop=1),
)


def anomaly_lines(report: AnomalyReport, width: int) -> list[Line]:
    """Return findings, each with the commands that show more below it."""
    notes = [styled(f"note: {escape(note)}", Style.DIM) for note in report.notes]
    if not report.anomalies:
        return [plain("everything is as it was"), *notes] if report.compared.comparisons else notes
    header, *rows = lay_out(_ANOMALIES, [_anomaly(each) for each in report.anomalies], width)
    lines = [header]
    for row, each in zip(rows, report.anomalies, strict=True):
        commands = [each.query.cli]
        if each.exemplar_trace_id:
            commands.insert(0, f"clew trace {each.exemplar_trace_id}")
        lines += [row, styled(f"  {escape(SEPARATOR.join(commands))}", Style.DIM)]
    return [*lines, *notes]


def anomaly_legend(report: AnomalyReport) -> str:
    """Return what was compared."""
    compared = report.compared
    return (
        f"{plural(compared.services, 'service')}, {plural(compared.operations, 'operation')} and"
        f" {plural(compared.log_patterns, 'log pattern')} of"
        f" {_length(report.current_seconds)} against {_length(report.baseline_seconds)}"
    )


def diff_lines(report: DifferenceReport, width: int) -> list[Line]:
    """Return the figures of both windows, then the values that set bad spans apart."""
    figures = report.metrics
    rows = [
        _rate("spans", figures.spans_per_second),
        _share("errors", figures.error_rate),
        *(
            _duration(name, change)
            for name, change in (
                ("p50", figures.p50_ms),
                ("p95", figures.p95_ms),
                ("p99", figures.p99_ms),
                ("average", figures.avg_ms),
            )
        ),
        _rate("error logs", figures.log_errors_per_second),
    ]
    lines = [*lay_out(_CHANGES, rows, width), []]
    lines.append(
        styled(
            f"bad: {escape(report.bad.description)} ({plural(report.bad.spans, 'span')})"
            f"   good: {escape(report.good.description)} ({plural(report.good.spans, 'span')})",
            Style.BOLD,
        )
    )
    if not report.values:
        return [*lines, plain(report.note or "no value is commoner among the bad spans")]
    return [*lines, *lay_out(_VALUES, [_value(each) for each in report.values], width)]


def diff_legend(report: DifferenceReport) -> str:
    """Return how much was compared, and what was not."""
    said = [
        f"{plural(report.values_compared, 'value')} compared",
        f"{_length(report.window.seconds)} against {_length(report.baseline.seconds)}",
    ]
    if report.values_left_out:
        said.append(f"{plural(report.values_left_out, 'rarer value')} left out")
    if report.keys_collapsed:
        said.append(f"only their presence: {escape(', '.join(report.keys_collapsed))}")
    return "; ".join(said)


def pattern_table(document: LogPatternList, width: int) -> list[Line]:
    """Return patterns as lines."""
    clock = Clock(each.last_seen for each in document.patterns)
    return lay_out(_PATTERNS, [_pattern(each, clock) for each in document.patterns], width)


def pattern_legend(document: LogPatternList) -> str:
    """Return how many records the patterns are of, and the day and zone of the times."""
    said = plural(document.log_records, "log record")
    if document.log_records_grouped < document.log_records:
        said = f"{show_count(document.log_records_grouped)} of {said}, the rest all differ"
    return f"{said}; {Clock(each.last_seen for each in document.patterns).legend()}"


def _anomaly(each: Anomaly) -> list[Line]:
    return [
        styled(each.severity, _SEVERITIES[each.severity]),
        plain(each.kind),
        styled(escape(each.service), Style.CYAN),
        plain(escape(each.operation or each.pattern or "")),
        plain(escape(each.description)),
        plain(_sure(each.confidence)),
    ]


def _value(each: ValueDifference) -> list[Line]:
    key = each.key if each.place != "resource" else f"resource.{each.key}"
    return [
        styled(escape(key), Style.CYAN),
        plain(escape(each.value)) if each.value is not None else styled("(any)", Style.DIM),
        plain(show_percent(each.bad_share)),
        plain(show_percent(each.good_share)),
        plain(f"{show_number(each.lift)}x" if each.lift is not None else NOTHING),
        plain(show_count(each.bad_count)),
        plain(_sure(each.confidence)),
    ]


def _pattern(each: LogPattern, clock: Clock) -> list[Line]:
    first, *others = each.services
    services = f"{first} +{len(others)}" if others else first
    return [
        plain(show_count(each.count)),
        plain(show_percent(each.share)),
        severity_mark(each.severity),
        styled(escape(services), Style.CYAN),
        plain(escape(each.pattern)),
        styled(clock.show(each.last_seen, digits=0), Style.DIM),
    ]


def _rate(name: str, change: Change) -> list[Line]:
    now, before, delta = (
        f"{show_number(value)}/s" for value in (change.current, change.baseline, change.delta)
    )
    return _row(name, now, before, delta, change.ratio)


def _share(name: str, change: Change) -> list[Line]:
    sign = "-" if change.delta < 0 else ""
    delta = f"{sign}{show_percent(abs(change.delta))}"
    return _row(
        name, show_percent(change.current), show_percent(change.baseline), delta, change.ratio
    )


def _duration(name: str, change: Change) -> list[Line]:
    now, before, delta = (
        show_duration(value) for value in (change.current, change.baseline, change.delta)
    )
    return _row(name, now, before, delta, change.ratio)


def _row(name: str, now: str, before: str, delta: str, ratio: float | None) -> list[Line]:
    shown = f"{show_number(ratio)}x" if ratio is not None else NOTHING
    return [plain(name), plain(now), plain(before), plain(delta), plain(shown)]


def _sure(confidence: float) -> str:
    """Return a confidence as a percentage that never claims to be certain."""
    return ">99.9 %" if confidence > 0.999 else f"{confidence * 100:.1f} %"


def _length(seconds: float) -> str:
    return show_duration(seconds * 1000)
