"""Who is there and how they are: summary, topology, services and their operations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from clew.surfaces.mcp.answers import Answer, Call, Draft, LeftOut, Table, table
from clew.surfaces.mcp.tool import (
    LIMIT_DEFAULT,
    Limit,
    Service,
    Timed,
    Tool,
    call,
    figure,
    pick,
    times,
)
from clew.telemetry import documents as doc
from clew.telemetry.analytics import documents as analytics
from clew.telemetry.analytics.parameters import SummaryQuery, TopologyQuery
from clew.telemetry.query.parameters import OperationQuery, ServiceQuery

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clew.surfaces.mcp.questions import Questions

SUMMARY_ITEMS = 10

SERVICE_COLUMNS = ("service", "spans", "errors", "error_rate", "per_second", "p50_ms", "p95_ms")
OPERATION_COLUMNS = ("service", "operation", "spans", "errors", "error_rate", "p50_ms", "p95_ms")
ERROR_COLUMNS = ("service", "operation", "errors", "message", "exception", "trace_id", "span_id")
EDGE_COLUMNS = ("from", "to", "kind", "calls", "errors", "error_rate", "avg_ms", "p95_ms")


class SummaryAsked(Timed, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The last hour when no time is given."""

    service: Service = None


class SummaryAnswer(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """What happened in a window, exact over all its records."""

    window: analytics.Window
    totals: dict[str, Any]
    services: Table
    top_errors: Table
    error_operations: Table
    slowest_operations: Table
    logs: dict[str, int]
    metrics: dict[str, Any]
    genai: dict[str, Any] | None = None


def _summary(questions: Questions, asked: SummaryAsked) -> Draft:
    found = questions.ask("/summary", analytics.Summary, pick(asked, SummaryQuery))
    return Draft(most=SUMMARY_ITEMS, write=lambda items: _write_summary(asked, found, items))


def _write_summary(asked: SummaryAsked, found: analytics.Summary, items: int) -> SummaryAnswer:
    traces = found.traces
    genai = found.genai
    return SummaryAnswer(
        window=found.window,
        totals={
            "spans": traces.span_count,
            "traces": traces.trace_count,
            "errors": traces.error_count,
            "error_rate": figure(traces.error_rate, 4),
            "p50_ms": figure(traces.p50_ms),
            "p95_ms": figure(traces.p95_ms),
            "p99_ms": figure(traces.p99_ms),
            "services": found.service_count,
            "operations": found.operation_count,
        },
        services=table(SERVICE_COLUMNS, map(_service_row, found.top_services[:items])),
        top_errors=table(
            ERROR_COLUMNS,
            (
                [
                    *(each.service, each.operation, each.error_count, each.message),
                    *(each.exception_type, each.trace_id, each.span_id),
                ]
                for each in found.top_errors[:items]
            ),
        ),
        error_operations=_operations(found.top_error_operations[:items]),
        slowest_operations=_operations(found.slowest_operations[:items]),
        logs={
            name: count
            for name in ("total", "fatal", "error", "warn", "info")
            if (count := getattr(found.logs, name))
        },
        metrics={
            "points": found.metrics.point_count,
            "names": found.metrics.unique_names,
            "most_points": [each.name for each in found.metrics.names[:items]],
        },
        genai=_genai(genai, items) if genai.call_count else None,
        left_out=list(_left_out_of_summary(asked, found, items)),
        next=_after_summary(asked, found),
    )


def _genai(genai: analytics.GenAiTotals, items: int) -> dict[str, Any]:
    columns = ("model", "calls", "errors", "input_tokens", "output_tokens", "cost_usd")
    return {
        "calls": genai.call_count,
        "errors": genai.error_count,
        "input_tokens": genai.input_tokens,
        "output_tokens": genai.output_tokens,
        "cost_usd": genai.cost_usd,
        "models": table(
            columns,
            (
                [
                    *(each.model, each.call_count, each.error_count),
                    *(each.input_tokens, each.output_tokens, each.cost_usd),
                ]
                for each in genai.models[:items]
            ),
        ),
    }


def _left_out_of_summary(
    asked: SummaryAsked, found: analytics.Summary, items: int
) -> Sequence[LeftOut]:
    services = call("services", "every service, page by page", **times(asked))
    operations = call("services", "operations of a service", service="SERVICE", **times(asked))
    errors = call("find_spans", "failed spans", status="error", service=asked.service)
    metrics = call("metrics", "every metric", service=asked.service, **times(asked))
    parts = (
        ("services", found.service_count, found.top_services, services),
        ("groups of errors", found.error_group_count, found.top_errors, errors),
        ("failing operations", found.error_operation_count, found.top_error_operations, operations),
        ("operations", found.operation_count, found.slowest_operations, operations),
        ("metrics", found.metrics.unique_names, found.metrics.names, metrics),
    )
    return [
        LeftOut(what=what, count=total - shown, get=get)
        for what, total, listed, get in parts
        if total > (shown := len(listed[:items]))
    ]


def _after_summary(asked: SummaryAsked, found: analytics.Summary) -> list[Call]:
    why = "what changed against the time before"
    steps = [call("anomalies", why, service=asked.service, **times(asked))]
    if found.top_errors:
        worst = found.top_errors[0]
        steps.append(
            call("trace_outline", "the trace of the most frequent error", trace_id=worst.trace_id)
        )
    steps.append(call("topology", "who calls whom", **times(asked)))
    return steps


class TopologyAsked(Timed, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The last hour when no time is given."""

    service: Annotated[str | None, Meta(description="Only edges of this service")] = None


class TopologyAnswer(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """Who calls whom, busiest first; `peers` are called and send no telemetry of their own."""

    window: analytics.Window
    edges: Table
    peers: Table


def _topology(questions: Questions, asked: TopologyAsked) -> Draft:
    found = questions.ask("/topology", analytics.Topology, pick(asked, TopologyQuery))
    peers = [node for node in found.nodes if node.kind != "service"]

    def write(items: int) -> TopologyAnswer:
        left_out = []
        if found.total > items:
            narrower = call(
                "topology", "the edges of one service", service="SERVICE", **times(asked)
            )
            left_out.append(LeftOut(what="edges", count=found.total - items, get=narrower))
        failing = [edge for edge in found.edges if edge.errors]
        steps = []
        if failing:
            worst = max(failing, key=lambda edge: edge.errors)
            steps.append(
                call(
                    "find_traces",
                    f"failed calls from {worst.from_} to {worst.to}",
                    service=worst.from_,
                    status="error",
                    **times(asked),
                )
            )
        slowest = max(found.edges, key=lambda edge: edge.p95_duration_ms, default=None)
        if slowest is not None:
            steps.append(
                call(
                    "services",
                    "operations of the slowest callee",
                    service=slowest.to,
                    **times(asked),
                )
            )
        return TopologyAnswer(
            window=found.window,
            edges=table(
                EDGE_COLUMNS,
                (
                    [
                        *(edge.from_, edge.to, edge.kind, edge.calls, edge.errors),
                        figure(edge.error_rate, 4),
                        *(figure(edge.avg_duration_ms), figure(edge.p95_duration_ms)),
                    ]
                    for edge in found.edges[:items]
                ),
            ),
            peers=table(
                ("name", "kind", "system", "calls", "errors"),
                (
                    [node.name, node.kind, node.system, node.calls, node.errors]
                    for node in peers[:items]
                ),
            ),
            left_out=left_out,
            next=steps,
        )

    return Draft(most=len(found.edges), write=write)


class ServicesAsked(Timed, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The last hour of data when no time is given."""

    service: Annotated[
        str | None, Meta(description="Its operations instead of the list of services")
    ] = None
    limit: Limit = 50


class ServicesAnswer(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """Services, or the operations of one, busiest first."""

    total: int
    services: Table | None = None
    operations: Table | None = None


def _services(questions: Questions, asked: ServicesAsked) -> Draft:
    if asked.service is not None:
        return _operations_of(questions, asked, asked.service)
    found = questions.ask("/services", doc.ServiceList, pick(asked, ServiceQuery))
    worst = max(found.services, key=lambda each: each.error_rate, default=None)

    def write(items: int) -> ServicesAnswer:
        rows = (
            [
                *(each.name, each.span_count, each.error_count, figure(each.error_rate, 4)),
                *(figure(each.rate_per_second), figure(each.p50_ms), figure(each.p95_ms)),
            ]
            for each in found.services[:items]
        )
        return ServicesAnswer(
            total=found.total,
            services=table(SERVICE_COLUMNS, rows),
            left_out=_rest("services", found.total - items, asked),
            next=_after_services(asked, worst),
        )

    return Draft(most=len(found.services), write=write)


def _after_services(asked: ServicesAsked, worst: doc.ServiceStats | None) -> list[Call]:
    if worst is None:
        return [call("services", "look further back", last="7d")]
    steps = [
        call("services", "operations of the worst one", service=worst.name, **times(asked)),
    ]
    if worst.error_count:
        why = "its failed traces"
        steps.append(
            call("find_traces", why, service=worst.name, status="error", **times(asked)),
        )
    return steps


def _operations_of(questions: Questions, asked: ServicesAsked, service: str) -> Draft:
    query = pick(asked, OperationQuery, service=service)
    found = questions.ask("/operations", doc.OperationList, query)
    worst = max(found.operations, key=lambda each: (each.error_count, each.p95_ms), default=None)
    steps = [call("services", "which services there are", **times(asked))]
    if worst is not None:
        failed = "error" if worst.error_count else None
        steps = [
            call(
                "find_traces",
                "traces of the worst operation",
                service=service,
                operation=worst.operation,
                status=failed,
                **times(asked),
            )
        ]

    def write(items: int) -> ServicesAnswer:
        return ServicesAnswer(
            total=found.total,
            operations=_operations(found.operations[:items]),
            left_out=_rest("operations", found.total - items, asked),
            next=steps,
        )

    return Draft(most=len(found.operations), write=write)


def _rest(what: str, count: int, asked: ServicesAsked) -> list[LeftOut]:
    if count <= 0:
        return []
    more = call(
        "services",
        "all of them, with a larger budget",
        service=asked.service,
        limit=max(1000, asked.limit),
        max_tokens=20_000,
        **times(asked),
    )
    return [LeftOut(what=what, count=count, get=more)]


def _service_row(each: analytics.ServiceSummary) -> list[Any]:
    return [
        *(each.service, each.span_count, each.error_count, figure(each.error_rate, 4)),
        *(figure(each.rate_per_second), figure(each.p50_ms), figure(each.p95_ms)),
    ]


def _operations(found: Sequence[analytics.OperationSummary | doc.OperationStats]) -> Table:
    return table(
        OPERATION_COLUMNS,
        (
            [
                *(each.service, each.operation, each.span_count, each.error_count),
                *(figure(each.error_rate, 4), figure(each.p50_ms), figure(each.p95_ms)),
            ]
            for each in found
        ),
    )


SUMMARY = Tool(
    name="summary",
    title="What happened",
    description=(
        "Start here. Rate, errors and durations by service, top errors with an example, slowest "
        "operations, logs by severity, metrics, tokens and cost of language models; exact over the "
        "window, the last hour by default."
    ),
    parameters=SummaryAsked,
    answer=SummaryAnswer,
    run=_summary,
    example={"last": "1h"},
)
TOPOLOGY = Tool(
    name="topology",
    title="Who calls whom",
    description=(
        "The graph of services with calls, errors and latency of each edge, and the databases, "
        "queues and others that are called without sending telemetry."
    ),
    parameters=TopologyAsked,
    answer=TopologyAnswer,
    run=_topology,
    example={"last": "1h"},
)
SERVICES = Tool(
    name="services",
    title="Services or operations",
    description="Services with rate, errors and duration; with `service`, its operations.",
    parameters=ServicesAsked,
    answer=ServicesAnswer,
    run=_services,
    example={"last": "1h", "limit": LIMIT_DEFAULT},
)
