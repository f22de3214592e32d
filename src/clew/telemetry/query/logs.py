"""Log records: which ones a question means, and the list of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clew.telemetry import documents as doc
from clew.telemetry.query.filter.attribute_filter import parse_attribute_filters
from clew.telemetry.query.filter.condition import And, Compare, Condition, Field, Operator
from clew.telemetry.query.filter.expression import parse_expression
from clew.telemetry.query.filter.predicate import Predicate, compile_condition
from clew.telemetry.query.filter.regex import RegexJudge
from clew.telemetry.query.filter.vocabulary import LOGS as VOCABULARY
from clew.telemetry.query.ids import parse_span_id, parse_trace_id
from clew.telemetry.query.log_documents import LOG_COLUMNS, LogDocuments
from clew.telemetry.query.newest import Rows, read_page
from clew.telemetry.query.traces.spans import check_text
from clew.telemetry.tables import LOGS

if TYPE_CHECKING:
    from clew.telemetry.query import parameters as ask
    from clew.telemetry.query.store import Store


def find_logs(store: Store, query: ask.LogQuery, now: int) -> doc.LogList:
    """Return one page of matching log records, newest first."""
    page = read_page(store, query, log_rows(store, query), "logs", now)
    return doc.LogList(
        logs=page.documents,
        count=len(page.documents),
        total=page.total,
        at_least=page.at_least,
        truncated=page.next is not None,
        next=page.next,
    )


def log_rows(store: Store, query: ask.LogQuery) -> Rows[doc.LogRecord]:
    """Return the rows that a question means, without its time range."""
    documents = LogDocuments(typed=query.attributes == "typed")
    return Rows(LOGS, LOG_COLUMNS, documents.document, log_predicate(store, query))


def log_predicate(store: Store, query: ask.LogQuery) -> Predicate:
    """Return the filters of a question as SQL.

    Raises:
        ClewError: INVALID_ARGUMENT for a filter that does not parse.
    """
    return compile_condition(
        log_condition(query), VOCABULARY, matches_empty=RegexJudge(store).matches_empty
    )


def log_condition(query: ask.LogQuery) -> Condition:
    """Return the filters of a question, all ANDed.

    Raises:
        ClewError: INVALID_ARGUMENT for a filter that does not parse.
    """
    parts: list[Condition] = []
    if query.trace_id is not None:
        parts.append(_equals("trace_id", parse_trace_id(query.trace_id)))
    if query.span_id is not None:
        parts.append(_equals("span_id", parse_span_id(query.span_id)))
    if query.service is not None:
        parts.append(_equals("service", query.service))
    if query.severity is not None:
        parts.append(_equals("severity", query.severity))
    if query.min_severity is not None:
        parts.append(Compare(Field("severity"), Operator.AT_LEAST, query.min_severity))
    parts.append(parse_attribute_filters(query.attribute, VOCABULARY))
    if query.q is not None:
        parts.append(parse_expression(query.q, VOCABULARY))
    if query.body_contains is not None:
        check_text("body_contains", query.body_contains)
        body = Compare(Field("body"), Operator.CONTAINS_ANY_CASE, query.body_contains)
        parts.append(body)
    if query.text is not None:
        check_text("text", query.text)
        parts.append(Compare(Field("text"), Operator.CONTAINS, query.text))
    return And(tuple(parts))


def _equals(name: str, value: str) -> Condition:
    return Compare(Field(name), Operator.EQUALS, value)
