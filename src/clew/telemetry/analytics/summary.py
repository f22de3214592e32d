"""What happened in a window: spans, errors, logs, metrics and language models, at a glance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clew.base.errors import ClewError, ErrorCode
from clew.telemetry.analytics import documents as doc
from clew.telemetry.analytics.failures import read_error_groups
from clew.telemetry.analytics.parameters import SUMMARY_LIMIT_MAX
from clew.telemetry.analytics.red import read_span_figures
from clew.telemetry.analytics.volumes import read_log_figures, read_metric_totals
from clew.telemetry.analytics.windows import read_current

if TYPE_CHECKING:
    from clew.telemetry.analytics import parameters as ask
    from clew.telemetry.genai.contract import GenAi
    from clew.telemetry.genai.documents import UsageSummary
    from clew.telemetry.query.store import Store


def summarize(store: Store, genai: GenAi, query: ask.SummaryQuery, now: int) -> doc.Summary:
    """Return what happened in the window, exact over every record of it.

    Raises:
        ClewError: INVALID_ARGUMENT for a window or a limit that is none.
    """
    if not 1 <= query.limit <= SUMMARY_LIMIT_MAX:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"limit must be between 1 and {SUMMARY_LIMIT_MAX}",
            hint="the lists of services, operations and metrics have pages: ask those for more",
        )
    window = read_current(query, now=now)
    snapshot = store.snapshot()
    service, limit = query.service, query.limit
    spans = read_span_figures(store, snapshot, window, service=service, limit=limit)
    # Without a failed span there is nothing to put together.
    errors, groups = (
        read_error_groups(store, snapshot, window, service=service, limit=limit)
        if spans.totals.error_count
        else ([], 0)
    )
    logs = read_log_figures(store, snapshot, window, service=service, limit=limit)
    return doc.Summary(
        window=window.describe(),
        window_seconds=window.seconds,
        service_filter=service,
        limit=limit,
        quantile_error=spans.quantile_error,
        traces=spans.totals,
        service_count=spans.service_count,
        top_services=spans.services,
        operation_count=spans.operation_count,
        slowest_operations=spans.slowest,
        error_operation_count=spans.failing_count,
        top_error_operations=spans.failing,
        error_group_count=groups,
        top_errors=errors,
        logs=logs.totals,
        log_service_count=logs.service_count,
        logs_by_service=logs.services,
        metrics=read_metric_totals(store, snapshot, window, service=service, limit=limit),
        genai=_total_usage(
            genai.summarize_usage(window.range, service=service, snapshot=snapshot), limit
        ),
    )


def _total_usage(usage: UsageSummary, limit: int) -> doc.GenAiTotals:
    return doc.GenAiTotals(
        call_count=usage.calls,
        error_count=usage.errors,
        tool_call_count=usage.tool_calls,
        tool_error_count=usage.tool_errors,
        conversation_count=usage.conversations,
        input_tokens=usage.tokens.input,
        output_tokens=usage.tokens.output,
        cost_usd=usage.cost.usd,
        cost=usage.cost,
        model_count=len(usage.models),
        models=[
            doc.ModelUse(
                provider=each.provider,
                model=each.model,
                call_count=each.calls,
                error_count=each.errors,
                p50_ms=each.p50_ms,
                p95_ms=each.p95_ms,
                input_tokens=each.tokens.input,
                output_tokens=each.tokens.output,
                cost_usd=each.cost.usd,
            )
            for each in usage.models[:limit]
        ],
    )
