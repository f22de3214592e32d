"""What happened in a window: four lines of totals, then what stands out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from clew.surfaces.cli.grid import Column, Style, lay_out, plain, styled
from clew.surfaces.cli.output import SEPARATOR, footer
from clew.surfaces.cli.text import (
    Clock,
    escape,
    plural,
    show_count,
    show_duration,
    show_number,
    show_percent,
    show_time,
    width_of,
)
from clew.surfaces.cli.views.services import error_share

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clew.surfaces.cli.grid import Line
    from clew.telemetry.analytics.documents import (
        ErrorGroup,
        GenAiTotals,
        OperationSummary,
        ServiceSummary,
        SeverityCounts,
        Summary,
    )

TITLE_WIDTH: Final = 9

_FIGURES: Final = (
    Column("spans", right=True),
    Column("rate", right=True, drop=3),
    Column("errors", right=True),
    Column("p50", right=True, drop=2),
    Column("p95", right=True),
    Column("p99", right=True, drop=1),
    Column("max", right=True, drop=4),
)
_SERVICES: Final = (Column("service", flexible=True), *_FIGURES)
_OPERATIONS: Final = (
    Column("service", flexible=True),
    Column("operation", flexible=True),
    *_FIGURES,
)
_ERRORS: Final = (
    Column("count", right=True),
    Column("service", flexible=True),
    Column("operation", flexible=True),
    Column("error", flexible=True),
    Column("last", drop=2),
    Column("newest trace", drop=1),
)
_LOGS: Final = (
    Column("service", flexible=True),
    Column("fatal", right=True, drop=1),
    Column("error", right=True),
    Column("warn", right=True),
    Column("info", right=True),
    Column("all", right=True),
)
_METRICS: Final = (
    Column("metric", flexible=True),
    Column("type", drop=1),
    Column("points", right=True),
    Column("services", right=True),
)
_MODELS: Final = (
    Column("model", flexible=True),
    Column("calls", right=True),
    Column("failed", right=True),
    Column("p95", right=True, drop=1),
    Column("input", right=True),
    Column("output", right=True),
    Column("cost", right=True),
)

_LISTS: Final = (
    "top_services",
    "slowest_operations",
    "top_error_operations",
    "top_errors",
    "logs_by_service",
)


def first_items(document: Summary, kept: int) -> Summary:
    """Return a summary with the first so many items of each of its lists."""
    cut: dict[str, Any] = {name: getattr(document, name)[:kept] for name in _LISTS}
    cut["metrics"] = msgspec.structs.replace(document.metrics, names=document.metrics.names[:kept])
    cut["genai"] = msgspec.structs.replace(document.genai, models=document.genai.models[:kept])
    return msgspec.structs.replace(document, limit=kept, **cut)


def summary_lines(document: Summary, width: int) -> list[Line]:
    """Return a summary as lines; what there is nothing of is left out."""
    lines = _totals(document, width)
    lines += _part(
        "services",
        document.service_count,
        lay_out(_SERVICES, [_service_row(each) for each in document.top_services], width),
    )
    clock = Clock(each.last_seen for each in document.top_errors)
    lines += _part(
        "errors",
        document.error_group_count,
        lay_out(_ERRORS, [_error_row(each, clock) for each in document.top_errors], width),
    )
    lines += _part(
        "slowest operations",
        document.operation_count,
        lay_out(_OPERATIONS, [_operation_row(each) for each in document.slowest_operations], width),
    )
    logs = [
        [styled(escape(each.service), Style.CYAN), *_severity_cells(each)]
        for each in document.logs_by_service
    ]
    lines += _part("logs", document.log_service_count, lay_out(_LOGS, logs, width))
    metrics = [
        [
            plain(escape(each.name)),
            styled(each.metric_type, Style.DIM),
            plain(show_count(each.point_count)),
            plain(show_count(each.service_count)),
        ]
        for each in document.metrics.names
    ]
    lines += _part("metrics", document.metrics.unique_names, lay_out(_METRICS, metrics, width))
    lines += _part(
        "models", document.genai.model_count, lay_out(_MODELS, _model_rows(document.genai), width)
    )
    low = document.quantile_error * 100
    below = footer(
        width,
        f"from {show_time(document.window.start_time)}",
        f"to {show_time(document.window.end_time)}",
        f"only {escape(document.service_filter)}" if document.service_filter else None,
        f"quantiles at most {low:.1f} % too low" if low else None,
    )
    return [*lines, [], *below]


def show_cost(cost_usd: float | None) -> str:
    """Return a cost in dollars, nothing where none is known."""
    return "" if cost_usd is None else f"${cost_usd:,.2f}" if cost_usd >= 1 else f"${cost_usd:.4f}"


def _totals(document: Summary, width: int) -> list[Line]:
    spans, logs = document.traces, document.logs
    metrics, genai = document.metrics, document.genai
    facts: list[tuple[str, Sequence[str]]] = []
    if spans.span_count:
        facts.append(
            (
                "spans",
                (
                    show_count(spans.span_count),
                    *([] if spans.trace_count is None else [plural(spans.trace_count, "trace")]),
                    f"{show_number(spans.rate_per_second)}/s",
                    f"{show_percent(spans.error_rate)} errors",
                    f"p50 {show_duration(spans.p50_ms)}",
                    f"p95 {show_duration(spans.p95_ms)}",
                    f"p99 {show_duration(spans.p99_ms)}",
                    f"max {show_duration(spans.max_ms)}",
                ),
            )
        )
    if logs.total:
        parts = [(logs.fatal, "fatal"), (logs.error - logs.fatal, "error"), (logs.warn, "warn")]
        said = [f"{show_count(count)} {name}" for count, name in parts if count]
        facts.append(("logs", (show_count(logs.total), *said)))
    if metrics.point_count:
        points = plural(metrics.point_count, "point")
        facts.append(("metrics", (points, plural(metrics.unique_names, "name"))))
    if genai.call_count or genai.tool_call_count:
        facts.append(
            (
                "models",
                (
                    plural(genai.call_count, "call"),
                    f"{show_count(genai.error_count)} failed",
                    f"{show_count(genai.input_tokens)} tokens in",
                    f"{show_count(genai.output_tokens)} out",
                    *([] if genai.cost_usd is None else [show_cost(genai.cost_usd)]),
                    *([_tools(genai)] if genai.tool_call_count else []),
                ),
            )
        )
    if not facts:
        return [styled("nothing came in", Style.DIM)]
    return [line for name, said in facts for line in _fact(name, said, width)]


def _fact(name: str, said: Sequence[str], width: int) -> list[Line]:
    """Return a name and what there is to say, on as many lines as that takes."""
    room = width - TITLE_WIDTH
    rows: list[str] = []
    for part in said:
        joined = f"{rows[-1]}{SEPARATOR}{part}" if rows else part
        if rows and width_of(joined) <= room:
            rows[-1] = joined
        else:
            rows.append(part)
    return [
        [((name if row == rows[0] else "").ljust(TITLE_WIDTH), Style.DIM), (row, Style.PLAIN)]
        for row in rows
    ]


def _tools(genai: GenAiTotals) -> str:
    failed = f" ({show_count(genai.tool_error_count)} failed)" if genai.tool_error_count else ""
    return f"{plural(genai.tool_call_count, 'tool call')}{failed}"


def _part(title: str, total: int, table: list[Line]) -> list[Line]:
    """Return a table under its title; nothing when it has no rows."""
    shown = len(table) - 1
    if not shown:
        return []
    beyond = f"  {show_count(shown)} of {show_count(total)}" if total > shown else ""
    return [[], [(title, Style.BOLD), (beyond, Style.DIM)], *table]


def _service_row(each: ServiceSummary) -> list[Line]:
    return [styled(escape(each.service), Style.CYAN), *_figure_cells(each)]


def _operation_row(each: OperationSummary) -> list[Line]:
    names = [styled(escape(each.service), Style.CYAN), plain(escape(each.operation))]
    return [*names, *_figure_cells(each)]


def _figure_cells(each: ServiceSummary) -> list[Line]:
    return [
        plain(show_count(each.span_count)),
        plain(f"{show_number(each.rate_per_second)}/s"),
        error_share(each.error_rate),
        plain(show_duration(each.p50_ms)),
        plain(show_duration(each.p95_ms)),
        plain(show_duration(each.p99_ms)),
        plain(show_duration(each.max_ms)),
    ]


def _error_row(each: ErrorGroup, clock: Clock) -> list[Line]:
    # The last word of a type tells it, and many messages begin with that word already.
    kind = each.exception_type.rpartition(".")[2]
    parts = (each.message,) if kind and each.message.startswith(kind) else (kind, each.message)
    said = ": ".join(part for part in parts if part)
    return [
        styled(show_count(each.error_count), Style.BOLD_RED),
        styled(escape(each.service), Style.CYAN),
        plain(escape(each.operation)),
        plain(escape(said) or "no message"),
        styled(clock.show(each.last_seen, digits=0), Style.DIM),
        styled(escape(each.trace_id), Style.DIM),
    ]


def _severity_cells(each: SeverityCounts) -> list[Line]:
    return [
        styled(show_count(each.fatal), Style.BOLD_RED if each.fatal else Style.DIM),
        styled(show_count(each.error), Style.BOLD_RED if each.error else Style.DIM),
        styled(show_count(each.warn), Style.YELLOW if each.warn else Style.DIM),
        plain(show_count(each.info)),
        plain(show_count(each.total)),
    ]


def _model_rows(genai: GenAiTotals) -> list[list[Line]]:
    return [
        [
            styled(escape(each.model) or "unknown", Style.MAGENTA),
            plain(show_count(each.call_count)),
            styled(show_count(each.error_count), Style.YELLOW if each.error_count else Style.DIM),
            plain(show_duration(each.p95_ms)),
            plain(show_count(each.input_tokens)),
            plain(show_count(each.output_tokens)),
            plain(show_cost(each.cost_usd)),
        ]
        for each in genai.models
    ]
