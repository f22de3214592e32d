"""Lists of records: traces, spans and logs, page by page."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol, TypeVar

import msgspec
from msgspec import Meta

from clew.surfaces.mcp.answers import TEXT_CHARS, Answer, Call, Draft, LeftOut, Table, table
from clew.surfaces.mcp.tool import (
    LIMIT_DEFAULT,
    Asked,
    Attribute,
    Cursor,
    Expression,
    Limit,
    Service,
    TextChars,
    Timed,
    Tool,
    again,
    call,
    figure,
    pick,
    times,
)
from clew.telemetry import documents as doc
from clew.telemetry.query.parameters import LogQuery, SpanQuery

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from clew.surfaces.mcp.questions import Questions

CURSOR_CHARS = 160
"""Room for a cursor that is not known yet: real ones take about 120 characters."""

TRACE_COLUMNS = ("trace_id", "start", "service", "operation", "ms", "spans", "errors", "services")
SPAN_COLUMNS = (
    *("trace_id", "span_id", "start", "service", "operation", "kind", "ms", "status", "message"),
)
LOG_COLUMNS = ("time", "severity", "service", "body", "trace_id", "span_id", "attributes")

LOG_TEXT_CHARS = 300
"""A log line; a stack trace is read by asking for more of it."""

LOGS_AT_LEAST = 5
"""So many log records are worth more than the ends of their texts."""

Status = Literal["ok", "error", "unset"]
Severity = Literal["trace", "debug", "info", "warn", "error", "fatal"]


class PagedList(Protocol):
    """What the lists of records have in common."""

    @property
    def count(self) -> int:
        """How many are here."""
        ...

    @property
    def truncated(self) -> bool:
        """Whether more follow."""
        ...

    @property
    def next(self) -> str | None:
        """The cursor of those that follow."""
        ...


Found = TypeVar("Found", bound=PagedList)


class Paged(Timed, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every list of records takes."""

    limit: Limit = LIMIT_DEFAULT
    cursor: Cursor = None


class SpansAsked(Paged, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which spans, or traces that hold one."""

    service: Service = None
    operation: Annotated[str | None, Meta(description="Part of the operation's name")] = None
    status: Status | None = None
    min_duration_ms: float | None = None
    max_duration_ms: float | None = None
    attribute: Attribute = msgspec.field(default_factory=list)
    q: Expression = None
    text: Annotated[str | None, Meta(description="Words anywhere in the span")] = None


class FindSpansAsked(SpansAsked, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which spans."""

    trace_id: Annotated[str | None, Meta(description="Only this trace")] = None


class LogsAsked(Paged, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which log records."""

    service: Service = None
    min_severity: Annotated[Severity | None, Meta(description="This class and above")] = None
    body_contains: str | None = None
    attribute: Attribute = msgspec.field(default_factory=list)
    q: Expression = None
    text: Annotated[str | None, Meta(description="Words anywhere in the record")] = None
    trace_id: Annotated[str | None, Meta(description="Only this trace")] = None
    span_id: Annotated[str | None, Meta(description="Only this span")] = None
    with_attributes: Annotated[bool, Meta(description="Show the attributes too")] = False
    text_chars: TextChars = LOG_TEXT_CHARS


class Page(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """A page of a list, newest first. `at_least` where the exact total was not counted."""

    total: int | None = None
    at_least: int | None = None


class TracesAnswer(Page, frozen=True, kw_only=True, omit_defaults=True):
    """Traces."""

    traces: Table


class SpansAnswer(Page, frozen=True, kw_only=True, omit_defaults=True):
    """Spans."""

    spans: Table


class LogsAnswer(Page, frozen=True, kw_only=True, omit_defaults=True):
    """Log records."""

    logs: Table


def draft_page(
    tool: str,
    asked: Any,
    fetch: Callable[[int], Found],
    write: Callable[[Found, int, dict[str, Any]], Answer],
    noun: str,
    *,
    least: int = 1,
    text_chars: int | None = None,
) -> Draft:
    """Return the draft of a page: its completeness, its cursor, and the page of fewer items.

    `write` makes the answer of a document, its first so many items and what every page has.
    """
    found = fetch(asked.limit)
    full = None
    if text_chars is not None:
        longer = {"text_chars": 10 * text_chars, "limit": 1}
        full = again(tool, "fewer records with longer texts", asked, **longer)

    def draft(found: Found) -> Draft:
        count = found.count

        def shorter(items: int) -> Answer:
            cursor = found.next if items == count else "x" * CURSOR_CHARS
            return write(found, items, _completeness(tool, asked, found, items, cursor, noun))

        return Draft(
            most=count,
            write=shorter,
            least=least,
            text_chars=TEXT_CHARS if text_chars is None else max(1, text_chars),
            full=full,
        )

    return dataclasses.replace(draft(found), again=lambda items: draft(fetch(items)))


def _completeness(
    tool: str,
    asked: Asked,
    found: PagedList,
    items: int,
    cursor: str | None,
    noun: str,
) -> dict[str, Any]:
    """Return what every page has: how many there are, and the call for those that follow."""
    total, at_least = getattr(found, "total", None), getattr(found, "at_least", None)
    left = (total or at_least or found.count) - items
    left_out = []
    if cursor is not None and (left > 0 or found.truncated):
        page = again(tool, "the next page", asked, cursor=cursor)
        what = noun if total is not None else f"{noun} (at least)"
        left_out.append(LeftOut(what=what, count=max(1, left), get=page))
    return {"total": total, "at_least": at_least, "left_out": left_out}


def _find_traces(questions: Questions, asked: SpansAsked) -> Draft:
    def fetch(limit: int) -> doc.TraceList:
        query = pick(asked, SpanQuery, view="traces", limit=limit, next=asked.cursor)
        return questions.ask("/traces", doc.TraceList, query)

    def write(found: doc.TraceList, items: int, page: dict[str, Any]) -> TracesAnswer:
        shown = found.traces[:items]
        rows = (
            [
                *(each.trace_id, each.start_time[:23], each.service, each.operation),
                *(figure(each.duration_ms), each.span_count, each.error_count, each.services),
            ]
            for each in shown
        )
        steps = [
            call("trace_outline", "what happened in it", trace_id=each.trace_id)
            for each in shown[:1]
        ]
        return TracesAnswer(
            traces=table(TRACE_COLUMNS, rows), next=steps or _nothing(asked), **page
        )

    return draft_page("find_traces", asked, fetch, write, "traces")


def _find_spans(questions: Questions, asked: FindSpansAsked) -> Draft:
    def fetch(limit: int) -> doc.SpanList:
        query = pick(asked, SpanQuery, limit=limit, next=asked.cursor)
        return questions.ask("/traces", doc.SpanList, query)

    def write(found: doc.SpanList, items: int, page: dict[str, Any]) -> SpansAnswer:
        shown = found.spans[:items]
        return SpansAnswer(
            spans=table(SPAN_COLUMNS, map(_span_row, shown)),
            next=_after_spans(shown) or _nothing(asked),
            **page,
        )

    return draft_page("find_spans", asked, fetch, write, "spans")


def _span_row(span: doc.Span) -> list[Any]:
    return [
        *(span.trace_id, span.span_id, span.start_time[:23], span.service, span.operation),
        *(span.kind, figure(span.duration_ms), span.status, span.status_message),
    ]


def _after_spans(shown: Sequence[doc.Span]) -> list[Call]:
    if not shown:
        return []
    first = shown[0]
    return [
        call("trace_outline", "the trace around the first one", trace_id=first.trace_id),
        call(
            "span_details",
            "its attributes, events and logs",
            trace_id=first.trace_id,
            span_ids=[first.span_id],
        ),
    ]


def _nothing(asked: SpansAsked) -> list[Call]:
    return [
        call("services", "which services there are", **times(asked)),
        call("attributes", "which attributes there are", service=asked.service),
    ]


def _find_logs(questions: Questions, asked: LogsAsked) -> Draft:
    def fetch(limit: int) -> doc.LogList:
        query = pick(asked, LogQuery, limit=limit, next=asked.cursor)
        return questions.ask("/logs", doc.LogList, query)

    def write(found: doc.LogList, items: int, page: dict[str, Any]) -> LogsAnswer:
        shown = found.logs[:items]
        steps = [
            call("trace_outline", "the trace of the first record with one", trace_id=each.trace_id)
            for each in shown
            if each.trace_id and each.trace_id != asked.trace_id
        ]
        rows = (log_row(each, with_attributes=asked.with_attributes) for each in shown)
        return LogsAnswer(logs=table(LOG_COLUMNS, rows), next=steps[:1], **page)

    return draft_page(
        *("find_logs", asked, fetch, write, "log records"),
        least=LOGS_AT_LEAST,
        text_chars=asked.text_chars,
    )


def log_row(record: doc.LogRecord, *, with_attributes: bool) -> list[Any]:
    """Return a log record as a row of `LOG_COLUMNS`."""
    body = record.body
    if body is not None and not isinstance(body, str):
        body = msgspec.json.encode(body).decode()
    return [
        *(record.timestamp[:23], record.severity, record.service, body),
        *(record.trace_id, record.span_id, record.attributes if with_attributes else None),
    ]


FIND_TRACES = Tool(
    name="find_traces",
    title="Find traces",
    description=(
        "Traces that hold a matching span, newest first, one line each: root, duration, spans, "
        "errors, services. Then trace_outline."
    ),
    parameters=SpansAsked,
    answer=TracesAnswer,
    run=_find_traces,
    example={"status": "error", "last": "1h"},
)
FIND_SPANS = Tool(
    name="find_spans",
    title="Find spans",
    description="Matching spans themselves, newest first, one line each with ids to expand.",
    parameters=FindSpansAsked,
    answer=SpansAnswer,
    run=_find_spans,
    example={"min_duration_ms": 100, "last": "1h", "limit": 5},
)
FIND_LOGS = Tool(
    name="find_logs",
    title="Find log records",
    description=(
        "Matching log records, newest first, with the trace and span that wrote them. For what is "
        "typical rather than new, log_patterns."
    ),
    parameters=LogsAsked,
    answer=LogsAnswer,
    run=_find_logs,
    example={"min_severity": "warn", "last": "1h", "limit": 5},
)
