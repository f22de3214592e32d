"""One trace: its outline, and where its time and its errors came from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import NS_PER_S, format_time, parse_time
from clew.surfaces.mcp.answers import (
    TOKENS_DEFAULT,
    TOKENS_MAX,
    Answer,
    Call,
    Draft,
    LeftOut,
    Table,
    table,
)
from clew.surfaces.mcp.outline import Outline, Shown, first_errors, outline
from clew.surfaces.mcp.tool import Asked, Tool, TraceId, again, call, figure, quote_value
from clew.surfaces.rest.questions import TraceParameters
from clew.telemetry import documents as doc

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clew.surfaces.mcp.questions import Questions

ERRORS_SHOWN = 5
"""First errors of a trace: what comes after is mostly their consequence."""

PATH_SHOWN = 5
"""Kinds of spans on the critical path, by their own time: the rest is small change."""

GENAI_PREFIX = "gen_ai."

AROUND_NS = 1800 * NS_PER_S
"""On both sides of a trace: where other spans of an operation are compared with its own."""

OUTLINE_COLUMNS = (
    *("depth", "span_id", "service", "operation", "at_ms", "ms", "self_ms", "flags", "hidden"),
    *("n", "min_ms", "p50_ms", "max_ms"),
)
LEGEND = (
    "One row per span, children below their parent by depth. With n a row is n siblings of one "
    "kind: ms and self_ms are sums, span_id is the slowest, their children are merged below. "
    "at_ms is the start after the trace's; self_ms is time without a child running; hidden spans "
    "are below the row and not shown."
)
PATH_COLUMNS = ("service", "operation", "self_ms", "share", "n", "span_id")
ERROR_COLUMNS = ("span_id", "service", "operation", "at_ms", "message")


class OutlineAsked(Asked, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which trace."""

    trace_id: TraceId
    span_id: Annotated[str | None, Meta(description="Only this span and what is below it")] = None


class OutlineAnswer(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """A trace at a glance, then line by line.

    `first_errors` are failed spans below which nothing failed, earliest first. `critical_path` says
    where the end of the trace waited, by the spans' own time.
    """

    trace_id: str
    start_time: str
    duration_ms: float
    spans: int
    errors: int
    services: list[str]
    missing_parents: int = 0
    first_errors: Table
    critical_path: Table
    legend: str
    outline: Table


def _trace_outline(questions: Questions, asked: OutlineAsked) -> Draft:
    trace = get_trace(questions, asked.trace_id)
    if asked.span_id is not None:
        require_spans(trace, [asked.span_id])
    tree = outline(trace.spans, asked.span_id)
    start = parse_time(trace.start_time, now=0)
    head = _head(trace, start)

    def write(lines: int) -> OutlineAnswer:
        shown, hidden = tree.show(lines)
        return OutlineAnswer(
            **head,
            outline=table(OUTLINE_COLUMNS, (_outline_row(each, start) for each in shown)),
            left_out=_hidden(asked, tree, shown, hidden),
        )

    return Draft(most=tree.line_count, write=write, least=1)


def _head(trace: doc.Trace, start: int) -> dict[str, Any]:
    errors = first_errors(trace.spans)
    path = _critical_path(trace)
    return {
        "trace_id": trace.trace_id,
        "start_time": trace.start_time,
        "duration_ms": figure(trace.duration_ms),
        "spans": trace.span_count,
        "errors": trace.error_count,
        "services": trace.services,
        "missing_parents": len(trace.missing_parents),
        "first_errors": table(
            ERROR_COLUMNS,
            (
                [*_named(span), at_ms(span, start), error_message(span)]
                for span in errors[:ERRORS_SHOWN]
            ),
        ),
        "critical_path": table(PATH_COLUMNS, path[:PATH_SHOWN]),
        "legend": LEGEND,
        "next": _after_outline(trace, errors, path),
    }


def _critical_path(trace: doc.Trace) -> list[list[Any]]:
    """Return the kinds of spans on the critical path, most time of their own first."""
    kinds: dict[tuple[str, str], list[doc.Span]] = {}
    for span in trace.spans:
        if span.critical_path:
            kinds.setdefault((span.service, span.operation), []).append(span)
    rows: list[list[Any]] = []
    for (service, operation), spans in kinds.items():
        own = sum(span.self_time_ms or 0.0 for span in spans)
        share = own / trace.duration_ms if trace.duration_ms else 0.0
        longest = max(spans, key=lambda span: span.self_time_ms or 0.0)
        rows.append(
            [service, operation, figure(own), figure(share, 2), len(spans), longest.span_id]
        )
    rows.sort(key=lambda row: (-row[2], row[0], row[1]))
    return rows


def _named(span: doc.Span) -> tuple[str, str, str]:
    return span.span_id, span.service, span.operation


def at_ms(span: doc.Span, start: int) -> float | None:
    """Return when a span begins, in milliseconds after its trace."""
    return figure((parse_time(span.start_time, now=0) - start) / 1e6)


def error_message(span: doc.Span) -> str:
    """Return what a failed span says of its failure: its status, else its first exception."""
    if span.status_message:
        return span.status_message
    for event in span.events:
        kind = event.attributes.get("exception.type")
        message = event.attributes.get("exception.message")
        if kind or message:
            return ": ".join(str(part) for part in (kind, message) if part)
    return ""


def _after_outline(
    trace: doc.Trace, errors: Sequence[doc.Span], path: Sequence[list[Any]]
) -> list[Call]:
    ids = [span.span_id for span in errors[:2]]
    ids += [row[-1] for row in path[:1] if row[-1] not in ids]
    steps = []
    if ids:
        why = "the first errors and the longest wait" if errors else "the longest wait"
        steps.append(call("span_details", why, trace_id=trace.trace_id, span_ids=ids))
    by_id = {span.span_id: span for span in trace.spans}
    suspects = [*errors[:1], *(by_id[row[-1]] for row in path[:1])]
    steps += [_diff_call(span) for span in suspects[:1]]
    if any(key.startswith(GENAI_PREFIX) for span in trace.spans for key in span.attributes):
        why = "what the agent said and did: loops, retries, failing tools"
        steps.append(call("transcript", why, name=trace.trace_id))
    steps.append(call("correlate", "its logs, metrics and links", trace_id=trace.trace_id))
    return steps


def _diff_call(span: doc.Span) -> Call:
    """Return the call that compares spans like this one with others of the same operation."""
    alike = f"service = {quote_value(span.service)} AND operation = {quote_value(span.operation)}"
    if span.status == "error":
        why, mark = "what sets such failures apart from the operation's successes", "status = error"
    else:
        # Half of it: the others that are slow for the same reason vary by less than that.
        bound = max(1, round(span.duration_ms * 1e3 / 2))
        why, mark = "what sets such slow spans apart from the others", f"duration >= {bound}us"
    at = parse_time(span.start_time, now=0)
    return call(
        "diff",
        why,
        bad=f"{alike} AND {mark}",
        good=f"{alike} AND NOT {mark}",
        start=format_time(max(0, at - AROUND_NS)),
        end=format_time(at + AROUND_NS),
    )


def _outline_row(shown: Shown, start: int) -> list[Any]:
    line = shown.line
    slowest = line.slowest
    row = [
        *(line.depth, slowest.span_id, slowest.service, slowest.operation),
        *(at_ms(line.first, start), figure(sum(span.duration_ms for span in line.spans))),
        figure(sum(span.self_time_ms or 0.0 for span in line.spans)),
        _flags(shown),
        shown.hidden or "",
    ]
    if len(line.spans) > 1:
        row += [len(line.spans), *(figure(each) for each in line.durations())]
    return row


def _flags(shown: Shown) -> str:
    line = shown.line
    if len(line.spans) == 1:
        marks = (("error", line.error_count), ("critical", line.critical_count))
        return " ".join(word for word, count in marks if count)
    counts = (("errors", line.error_count), ("critical", line.critical_count))
    return ", ".join(f"{count} {word}" for word, count in counts if count)


def _hidden(
    asked: OutlineAsked, tree: Outline, shown: Sequence[Shown], hidden: int
) -> list[LeftOut]:
    if not hidden:
        return []
    deepest = max(shown, key=lambda each: each.hidden, default=None)
    if deepest is None or deepest.line in tree.roots:
        # Going down would show the same again.
        if asked.max_tokens < TOKENS_MAX:
            get = again("trace_outline", "more of it", asked, max_tokens=TOKENS_MAX)
        else:
            get = call("find_spans", "its spans, page by page", trace_id=asked.trace_id)
    else:
        get = call(
            "trace_outline",
            "below the row that hides most",
            trace_id=asked.trace_id,
            span_id=deepest.line.slowest.span_id,
            max_tokens=asked.max_tokens if asked.max_tokens != TOKENS_DEFAULT else None,
        )
    return [LeftOut(what="spans", count=hidden, get=get)]


def get_trace(questions: Questions, trace_id: str) -> doc.Trace:
    """Return a trace whole."""
    parts = {"trace_id": trace_id}
    return questions.ask("/traces/{trace_id}", doc.Trace, TraceParameters(), parts)


def require_spans(trace: doc.Trace, span_ids: Sequence[str]) -> list[doc.Span]:
    """Return the spans of these ids, in this order.

    Raises:
        ClewError: NOT_FOUND when the trace has none of that id.
    """
    by_id = {span.span_id: span for span in trace.spans}
    wanted = list(dict.fromkeys(span_id.lower() for span_id in span_ids))
    missing = [span_id for span_id in wanted if span_id not in by_id]
    if missing:
        raise ClewError(
            ErrorCode.NOT_FOUND,
            f"the trace has no span {missing[0][:40]!r}",
            hint="trace_outline lists its span ids",
        )
    return [by_id[span_id] for span_id in wanted]


TRACE_OUTLINE = Tool(
    name="trace_outline",
    title="Outline of a trace",
    description=(
        "One trace of any size within the budget: first errors, critical path, and the tree of its "
        "spans with repeated siblings collapsed into counts and durations. Then span_details."
    ),
    parameters=OutlineAsked,
    answer=OutlineAnswer,
    run=_trace_outline,
    example={"trace_id": "{trace_id}"},
)
