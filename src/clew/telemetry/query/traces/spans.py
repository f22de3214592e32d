"""Spans: which ones a question means, and the list of them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import NS_PER_MS, TIME_NS_MAX
from clew.telemetry import documents as doc
from clew.telemetry.query.filter.attribute_filter import parse_attribute_filters
from clew.telemetry.query.filter.condition import And, Compare, Condition, Field, Operator
from clew.telemetry.query.filter.expression import parse_expression
from clew.telemetry.query.filter.predicate import Predicate, compile_condition
from clew.telemetry.query.filter.regex import RegexJudge
from clew.telemetry.query.filter.vocabulary import SPANS
from clew.telemetry.query.ids import parse_trace_id
from clew.telemetry.query.newest import Rows, read_page
from clew.telemetry.query.traces.span_documents import SPAN_COLUMNS, SpanDocuments
from clew.telemetry.tables import TRACES

if TYPE_CHECKING:
    from clew.telemetry.query import parameters as ask
    from clew.telemetry.query.store import Store

# Longer texts than this are not searched for by hand, and each is compared with every text.
TEXT_CHARS_MAX: Final = 4096


def find_spans(store: Store, query: ask.SpanQuery, now: int) -> doc.SpanList:
    """Return one page of matching spans, newest start first.

    A span that a client sent twice stands here as often as it came; `get_trace` shows it once.
    """
    page = read_page(store, query, span_rows(store, query), "spans", now)
    return doc.SpanList(
        spans=page.documents,
        count=len(page.documents),
        total=page.total,
        at_least=page.at_least,
        truncated=page.next is not None,
        next=page.next,
    )


def span_rows(store: Store, query: ask.SpanQuery) -> Rows[doc.Span]:
    """Return the rows that a question means, without its time range."""
    documents = SpanDocuments(typed=query.attributes == "typed")
    return Rows(TRACES, SPAN_COLUMNS, documents.document, span_predicate(store, query))


def span_predicate(store: Store, query: ask.SpanQuery) -> Predicate:
    """Return the filters of a question as SQL.

    Raises:
        ClewError: INVALID_ARGUMENT for a filter that does not parse.
    """
    return compile_condition(
        span_condition(query), SPANS, matches_empty=RegexJudge(store).matches_empty
    )


def span_condition(query: ask.SpanQuery) -> Condition:
    """Return the filters of a question, all ANDed.

    Raises:
        ClewError: INVALID_ARGUMENT for a filter that does not parse.
    """
    parts: list[Condition] = []
    if query.trace_id is not None:
        parts.append(_equals("trace_id", parse_trace_id(query.trace_id)))
    if query.service is not None:
        parts.append(_equals("service", query.service))
    if query.operation is not None:
        parts.append(Compare(Field("operation"), Operator.CONTAINS, query.operation))
    if query.min_duration_ms is not None:
        shortest = duration_ns("min_duration_ms", query.min_duration_ms)
        parts.append(Compare(Field("duration"), Operator.AT_LEAST, shortest))
    if query.max_duration_ms is not None:
        longest = duration_ns("max_duration_ms", query.max_duration_ms)
        if query.min_duration_ms is not None and query.min_duration_ms > query.max_duration_ms:
            raise ClewError(
                ErrorCode.INVALID_ARGUMENT,
                "min_duration_ms is above max_duration_ms",
                hint="no span is as long and as short: exchange them, or leave one out",
            )
        parts.append(Compare(Field("duration"), Operator.AT_MOST, longest))
    if query.status is not None:
        parts.append(_equals("status", query.status))
    if query.kind is not None:
        parts.append(_equals("kind", query.kind))
    if query.root is not None:
        parts.append(Compare(Field("root"), Operator.EQUALS, query.root))
    parts.append(parse_attribute_filters(query.attribute, SPANS))
    if query.q is not None:
        parts.append(parse_expression(query.q, SPANS))
    if query.text is not None:
        check_text("text", query.text)
        parts.append(Compare(Field("text"), Operator.CONTAINS, query.text))
    return And(tuple(parts))


def check_text(name: str, text: str) -> None:
    """Refuse a text that is empty or too long to be searched for."""
    if not text:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"{name} is empty",
            hint=f"give a part of the text, or leave {name} out",
        )
    if len(text) > TEXT_CHARS_MAX:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"{name} is longer than {TEXT_CHARS_MAX} characters",
            hint="search for a part of it",
        )


def duration_ns(name: str, milliseconds: float) -> int:
    """Return a duration parameter in nanoseconds.

    Raises:
        ClewError: INVALID_ARGUMENT for what is no duration.
    """
    if not math.isfinite(milliseconds) or not 0 <= milliseconds <= TIME_NS_MAX / NS_PER_MS:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"{name} must be a number of milliseconds, 0 or more",
            hint=f"an example: {name}=100",
        )
    return round(milliseconds * NS_PER_MS)


def _equals(name: str, value: str) -> Condition:
    return Compare(Field(name), Operator.EQUALS, value)
