"""Text searches as the engine answers them against Python's own ``in``.

The texts are words of several alphabets between punctuation, and what is searched for is cut out of
them anywhere, so that parts of words, whole words and phrases are all tried: each goes another way
through the index. The same rows are asked for while hot and once flushed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from clew.store.engine.chdb import ChdbEngine
from clew.store.engine.contract import Scan
from clew.telemetry.otlp.signal import Signal
from clew.telemetry.query.filter.condition import (
    Attribute,
    Compare,
    Condition,
    Field,
    Not,
    Operator,
    Place,
)
from clew.telemetry.query.filter.predicate import compile_condition
from clew.telemetry.query.filter.regex import RegexJudge
from clew.telemetry.query.filter.vocabulary import LOGS as LOG_VOCABULARY
from clew.telemetry.query.filter.vocabulary import SPANS as SPAN_VOCABULARY
from clew.telemetry.tables import LOGS, TABLES, TRACES
from tests.conformance.query_store import HeldStore
from tests.trying import examples

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from clew.store.table import Table
    from clew.telemetry.query.filter.vocabulary import Vocabulary

RECEIVED = 1_790_000_000 * 10**9

WORDS = st.sampled_from(
    ["refused", "Refused", "oom", "x", "9803", "10", "größe", "İstanbul", "日本語", "ab", "tool42"]
)
GAPS = st.sampled_from([" ", "-", ".", "_", "%", "\\", "\n", "", "': ", "—", "\t", "/"])
TEXTS = st.lists(st.tuples(WORDS, GAPS), max_size=5).map(
    lambda pieces: "".join(word + gap for word, gap in pieces)
)


@st.composite
def needles(draw: st.DrawFn) -> str:
    """Draw a part of some text, in a case of its own."""
    text = draw(TEXTS.filter(bool))
    begin = draw(st.integers(0, len(text) - 1))
    part = text[begin : draw(st.integers(begin + 1, len(text)))]
    return part.upper() if draw(st.booleans()) and part.isascii() else part


def entries(texts: list[str]) -> list[KeyValue]:
    return [
        KeyValue(key=f"k{number}", value=AnyValue(string_value=text))
        for number, text in enumerate(texts)
    ]


@st.composite
def spans(draw: st.DrawFn, number: int) -> Span:
    return Span(
        trace_id=b"\x01" * 16,
        span_id=number.to_bytes(8, "big"),
        name=draw(TEXTS),
        start_time_unix_nano=RECEIVED,
        end_time_unix_nano=RECEIVED,
        attributes=entries(draw(st.lists(TEXTS, max_size=2))),
        status=Status(message=draw(TEXTS)),
        events=[
            Span.Event(name=name, attributes=entries(draw(st.lists(TEXTS, max_size=2))))
            for name in draw(st.lists(TEXTS, max_size=2))
        ],
    )


@st.composite
def records(draw: st.DrawFn, number: int) -> LogRecord:
    return LogRecord(
        span_id=number.to_bytes(8, "big"),
        time_unix_nano=RECEIVED,
        body=AnyValue(string_value=draw(TEXTS)),
        attributes=entries(draw(st.lists(TEXTS, max_size=2))),
    )


SPANS = st.integers(1, 4).flatmap(lambda n: st.tuples(*(spans(i) for i in range(1, n + 1))))
RECORDS = st.integers(1, 4).flatmap(lambda n: st.tuples(*(records(i) for i in range(1, n + 1))))

TRICKY_NAMES = ("a", "aoom", "oom b", "o om", "größe", "x.oom.y", "oom-9803", "oom_9803")
TRICKY_SPANS = tuple(
    Span(
        trace_id=b"\x01" * 16,
        span_id=number.to_bytes(8, "big"),
        name=name,
        start_time_unix_nano=RECEIVED,
        end_time_unix_nano=RECEIVED,
    )
    for number, name in enumerate(TRICKY_NAMES, 1)
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HeldStore]:
    folder: Path = tmp_path_factory.mktemp("text")
    engine = ChdbEngine(folder)
    engine.create(TABLES)
    yield HeldStore(engine, received=RECEIVED + 10**9)
    engine.close()


def lower(text: str) -> str:
    return "".join(chr(ord(c) + 32) if "A" <= c <= "Z" else c for c in text)


def values(found: list[KeyValue]) -> list[str]:
    return [entry.value.string_value for entry in found]


def texts_of_span(span: Span) -> list[str]:
    texts = [span.name, span.status.message, *values(list(span.attributes))]
    for event in span.events:
        texts += [event.name, *values(list(event.attributes))]
    return texts


def found(
    store: HeldStore, table: Table, vocabulary: Vocabulary, condition: Condition, frame: int
) -> list[str]:
    judge = RegexJudge(store)
    predicate = compile_condition(condition, vocabulary, matches_empty=judge.matches_empty)
    scan = Scan(table, ("SpanId",), f"Frame = {frame} AND ({predicate.sql})")
    rows = store.engine.query(
        "SELECT SpanId FROM @rows ORDER BY SpanId",
        snapshot=store.snapshot(),
        scans={"rows": scan},
        parameters=predicate.parameters,
    )
    return [str(text) for text in rows.column("SpanId").to_pylist()]


def ids(spans_or_records: list[bytes]) -> list[str]:
    return sorted(span_id.hex() for span_id in spans_or_records)


def text_of(needle: str) -> Condition:
    return Compare(Field("text"), Operator.CONTAINS, needle)


@settings(max_examples=examples(10), suppress_health_check=list(HealthCheck))
@given(SPANS, st.lists(needles(), min_size=1, max_size=5))
@example(TRICKY_SPANS, ["oom", "oom ", " oom", "om-98", "om_98", ".oom.", "öß", "größe", "o o"])
def test_a_search_finds_exactly_the_spans_with_the_text(
    store: HeldStore, sent: tuple[Span, ...], searched: list[str]
) -> None:
    request = ExportTraceServiceRequest()
    request.resource_spans.add().scope_spans.add().spans.extend(sent)
    frame = store.add(Signal.TRACES, request)
    asked: list[Condition] = []
    expected: list[list[str]] = []
    for needle in searched:
        has = [span for span in sent if any(lower(needle) in lower(t) for t in texts_of_span(span))]
        lacks = [span for span in sent if span not in has]
        holds = [
            s
            for s in sent
            if any(e.key == "k0" and needle in e.value.string_value for e in s.attributes)
        ]
        asked += [text_of(needle), Not(text_of(needle))]
        expected += [ids([s.span_id for s in has]), ids([s.span_id for s in lacks])]
        asked.append(Compare(Attribute("k0", Place.SPAN), Operator.CONTAINS, needle))
        expected.append(ids([s.span_id for s in holds]))
    answers = [found(store, TRACES, SPAN_VOCABULARY, each, frame) for each in asked]
    assert answers == expected, "hot"
    store.flush()
    answers = [found(store, TRACES, SPAN_VOCABULARY, each, frame) for each in asked]
    assert answers == expected, "flushed"


@settings(max_examples=examples(10), suppress_health_check=list(HealthCheck))
@given(RECORDS, st.lists(needles(), min_size=1, max_size=5))
def test_a_search_finds_exactly_the_log_records_with_the_text(
    store: HeldStore, sent: tuple[LogRecord, ...], searched: list[str]
) -> None:
    request = ExportLogsServiceRequest()
    request.resource_logs.add().scope_logs.add().log_records.extend(sent)
    frame = store.add(Signal.LOGS, request)
    asked: list[Condition] = []
    expected: list[list[str]] = []
    for needle in searched:
        bodies = [(record.span_id, record.body.string_value) for record in sent]
        anywhere = [
            record.span_id
            for record in sent
            if any(
                lower(needle) in lower(text)
                for text in (record.body.string_value, *values(list(record.attributes)))
            )
        ]
        asked += [
            text_of(needle),
            Compare(Field("body"), Operator.CONTAINS_ANY_CASE, needle),
            Compare(Field("body"), Operator.CONTAINS, needle),
        ]
        expected += [
            ids(anywhere),
            ids([span_id for span_id, body in bodies if lower(needle) in lower(body)]),
            ids([span_id for span_id, body in bodies if needle in body]),
        ]
    answers = [found(store, LOGS, LOG_VOCABULARY, each, frame) for each in asked]
    assert answers == expected, "hot"
    store.flush()
    answers = [found(store, LOGS, LOG_VOCABULARY, each, frame) for each in asked]
    assert answers == expected, "flushed"
