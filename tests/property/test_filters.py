"""Filters as the engine answers them against a plain reading of the spans that were sent.

The oracle below never looks at a column: it walks the OTLP message and applies the words of
`docs/reference/filters.md`. The same spans are asked for while hot and once flushed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from clew.store.engine.chdb import ChdbEngine
from clew.store.engine.contract import Scan
from clew.telemetry.otlp.signal import Signal
from clew.telemetry.query.filter.condition import (
    And,
    Attribute,
    Compare,
    Condition,
    Exists,
    Field,
    Not,
    OneOf,
    Operator,
    Or,
    Place,
    Value,
)
from clew.telemetry.query.filter.predicate import compile_condition
from clew.telemetry.query.filter.regex import RegexJudge
from clew.telemetry.query.filter.vocabulary import OPERATORS, SPANS, FieldKind
from clew.telemetry.tables import TABLES, TRACES
from tests.conformance.query_store import HeldStore
from tests.trying import examples

if TYPE_CHECKING:
    from pathlib import Path

RECEIVED = 1_790_000_000 * 10**9

# Few different pieces, so that filters meet values; equals signs, quotes, wild cards and letters of
# either case are where an encoding would go wrong.
KEYS = st.sampled_from(["a", "b", "a=b", "event.a", "", "K", "%", "it's"])
TEXTS = st.sampled_from(
    [
        *(
            "",
            "x",
            "X",
            "b=c",
            "=",
            "10",
            "9.5",
            "-3",
            "1e3",
            "NaN",
            "inf",
            "0x10",
            "ERR 42",
            "err",
        ),
        *("a%b", "a_b", "\\", "Érr", "line\nbreak", "'; --", "{p0:String}"),
        # Longer than an entry of the text index, and equal as far as it goes.
        *("long" * 40, "long" * 40 + "er", "ü" * 70, "x" + "ü" * 70),
    ]
)
NUMBERS = st.sampled_from([0.0, 9.5, 10.0, -3.0, 1e3, 1e300, 42.0])
# Only what Python's `re` and RE2 read alike.
PATTERNS = st.sampled_from(
    ["", "^x", "a.b", "[0-9]{2}", "x|b", "(?i)err", r"\\", "line.break", "^$"]
)
VALUES = st.one_of(
    TEXTS.map(lambda v: AnyValue(string_value=v)),
    st.sampled_from([0, 10, -3, 2**53]).map(lambda v: AnyValue(int_value=v)),
    st.sampled_from([9.5, 0.25, 1e300]).map(lambda v: AnyValue(double_value=v)),
    st.booleans().map(lambda v: AnyValue(bool_value=v)),
)
ENTRIES = st.dictionaries(KEYS, VALUES, max_size=3).map(
    lambda drawn: [KeyValue(key=key, value=value) for key, value in drawn.items()]
)


@dataclass(frozen=True)
class Sent:
    """One span with what it was sent under."""

    span: Span
    resource: Resource
    scope: InstrumentationScope


@st.composite
def requests(draw: st.DrawFn) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    number = 0
    for _ in range(draw(st.integers(1, 2))):
        group = ResourceSpans(resource=Resource(attributes=draw(ENTRIES)))
        scope = InstrumentationScope(name=draw(TEXTS), attributes=draw(ENTRIES))
        spans = []
        for _ in range(draw(st.integers(1, 3))):
            number += 1
            spans.append(draw(a_span(number)))
        group.scope_spans.append(ScopeSpans(scope=scope, spans=spans))
        request.resource_spans.append(group)
    return request


@st.composite
def a_span(draw: st.DrawFn, number: int) -> Span:
    start = RECEIVED + draw(st.integers(0, 3))
    return Span(
        trace_id=draw(st.sampled_from([b"\x01" * 16, b"\xab" * 16])),
        span_id=number.to_bytes(8, "big"),
        parent_span_id=draw(st.sampled_from([b"", b"\x00" * 8, b"\x01" * 8])),
        name=draw(TEXTS),
        kind=draw(st.sampled_from(list(Span.SpanKind.values()))),
        start_time_unix_nano=start,
        end_time_unix_nano=start + draw(st.sampled_from([0, 10**6, 10**9])),
        attributes=draw(ENTRIES),
        status=Status(
            code=draw(st.sampled_from(list(Status.StatusCode.values()))), message=draw(TEXTS)
        ),
        events=[
            Span.Event(name=name, attributes=draw(ENTRIES), time_unix_nano=start)
            for name in draw(st.lists(TEXTS, max_size=2))
        ],
        links=[
            Span.Link(trace_id=b"\x02" * 16, span_id=b"\x03" * 8, attributes=draw(ENTRIES))
            for _ in range(draw(st.integers(0, 1)))
        ],
    )


ATTRIBUTES = st.builds(Attribute, KEYS, st.sampled_from(Place))
FIELD_VALUES: dict[FieldKind, st.SearchStrategy[Any]] = {
    FieldKind.TEXT: TEXTS,
    FieldKind.MEMBERS: TEXTS,
    FieldKind.SEARCH: TEXTS,
    FieldKind.HEX: st.sampled_from(["01" * 16, "ab" * 16, "0000000000000001", ""]),
    FieldKind.DURATION: st.sampled_from([0, 10**6, 10**9, 10**9 + 1]),
    FieldKind.FLAG: st.booleans(),
}


def attribute_tests() -> st.SearchStrategy[Condition]:
    orders = st.sampled_from([operator for operator in Operator if operator.is_order])
    texts = st.sampled_from([Operator.EQUALS, Operator.CONTAINS])
    return st.one_of(
        st.builds(Compare, ATTRIBUTES, texts, TEXTS),
        st.builds(Compare, ATTRIBUTES, st.just(Operator.MATCHES), PATTERNS),
        st.builds(Compare, ATTRIBUTES, orders, NUMBERS),
        st.builds(Exists, ATTRIBUTES),
        st.builds(OneOf, ATTRIBUTES, st.lists(TEXTS, min_size=1, max_size=3).map(tuple)),
    )


@st.composite
def field_tests(draw: st.DrawFn) -> Condition:
    name = draw(st.sampled_from(sorted(SPANS.fields)))
    spec = SPANS.fields[name]
    choices = st.sampled_from(sorted(spec.choices) or ["-"])
    values = FIELD_VALUES.get(spec.kind, choices)
    operator = draw(st.sampled_from(sorted(OPERATORS[spec.kind])))
    if operator is Operator.MATCHES:
        values = PATTERNS
    if operator is Operator.EQUALS and draw(st.booleans()):
        return OneOf(Field(name), tuple(draw(st.lists(values, min_size=1, max_size=3))))
    if spec.kind in {FieldKind.TEXT, FieldKind.HEX, FieldKind.MEMBERS} and draw(st.booleans()):
        return Exists(Field(name))
    return Compare(Field(name), operator, draw(values))


CONDITIONS: st.SearchStrategy[Condition] = st.recursive(
    st.one_of(attribute_tests(), field_tests()),
    lambda inner: st.one_of(
        inner.map(Not),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: And(tuple(parts))),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: Or(tuple(parts))),
    ),
    max_leaves=5,
)


# --- the oracle ---------------------------------------------------------------------------------


def holds(condition: Condition, sent: Sent) -> bool:
    match condition:
        case And(parts):
            return all(holds(part, sent) for part in parts)
        case Or(parts):
            return any(holds(part, sent) for part in parts)
        case Not(part):
            return not holds(part, sent)
        case Exists(target):
            found = texts_of(target, sent)
            return bool(found) if isinstance(target, Attribute) else any(found)
        case OneOf(target, values):
            return any(holds(Compare(target, Operator.EQUALS, value), sent) for value in values)
        case Compare(Field("text"), _, value):
            return any(ascii_lower(str(value)) in ascii_lower(text) for text in all_text(sent))
        case Compare(Field("duration"), operator, value):
            length = sent.span.end_time_unix_nano - sent.span.start_time_unix_nano
            return compares(length, operator, value)
        case Compare(Field("root"), _, value):
            return (not any(sent.span.parent_span_id)) == value
        case Compare(target, operator, value):
            return any(text_compares(text, operator, value) for text in texts_of(target, sent))


def text_compares(text: str, operator: Operator, value: Value) -> bool:
    if operator is Operator.EQUALS:
        return text == value
    if operator is Operator.CONTAINS:
        return str(value) in text
    if operator is Operator.MATCHES:
        return re.search(str(value), text, re.DOTALL) is not None
    if re.fullmatch(r"[+-]?[0-9]+(\.[0-9]+)?(e\+?[0-9]+)?|inf", text) is None:
        return False
    return compares(float(text), operator, value)


def compares(number: float, operator: Operator, value: Any) -> bool:
    answers: dict[Operator, bool] = {
        Operator.EQUALS: number == value,
        Operator.GREATER: number > value,
        Operator.AT_LEAST: number >= value,
        Operator.LESS: number < value,
        Operator.AT_MOST: number <= value,
    }
    return answers[operator]


def texts_of(target: Attribute | Field, sent: Sent) -> list[str]:
    """Return every text that a target stands for on a span."""
    if isinstance(target, Attribute):
        lists = {
            Place.ANY: [sent.span.attributes, sent.resource.attributes],
            Place.SPAN: [sent.span.attributes],
            Place.RESOURCE: [sent.resource.attributes],
            Place.SCOPE: [sent.scope.attributes],
            Place.EVENT: [event.attributes for event in sent.span.events],
            Place.LINK: [link.attributes for link in sent.span.links],
        }[target.place]
        return [text_of(e.value) for entries in lists for e in entries if e.key == target.key]
    span = sent.span
    parent = span.parent_span_id if any(span.parent_span_id) else b""
    kind = Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_").lower()
    return {
        "service": ["unknown"],
        "operation": [span.name],
        "name": [span.name],
        "status": [Status.StatusCode.Name(span.status.code).rsplit("_", 1)[1].lower()],
        "status_message": [span.status.message],
        "kind": ["internal" if kind == "unspecified" else kind],
        "trace_id": [span.trace_id.hex()],
        "span_id": [span.span_id.hex()],
        "parent_span_id": [parent.hex()],
        "trace_state": [span.trace_state],
        "scope": [sent.scope.name],
        "scope_version": [sent.scope.version],
        "event": [event.name for event in span.events],
        "link_trace_id": [link.trace_id.hex() for link in span.links],
    }[target.name]


def all_text(sent: Sent) -> list[str]:
    span = sent.span
    texts = [span.name, span.status.message, *(text_of(e.value) for e in span.attributes)]
    for event in span.events:
        texts += [event.name, *(text_of(entry.value) for entry in event.attributes)]
    return texts


def text_of(value: AnyValue) -> str:
    match value.WhichOneof("value"):
        case "string_value":
            return value.string_value
        case "bool_value":
            return str(value.bool_value).lower()
        case "int_value":
            return str(value.int_value)
        case _:
            return str(value.double_value)


def ascii_lower(text: str) -> str:
    return "".join(chr(ord(c) + 32) if "A" <= c <= "Z" else c for c in text)


# --- the comparison -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HeldStore]:
    folder: Path = tmp_path_factory.mktemp("filters")
    engine = ChdbEngine(folder)
    engine.create(TABLES)
    yield HeldStore(engine, received=RECEIVED + 10**9)
    engine.close()


def found(store: HeldStore, condition: Condition, frame: int) -> list[str]:
    judge = RegexJudge(store)
    predicate = compile_condition(condition, SPANS, matches_empty=judge.matches_empty)
    scan = Scan(TRACES, ("SpanId",), f"Frame = {frame} AND ({predicate.sql})")
    rows = store.engine.query(
        "SELECT SpanId FROM @spans ORDER BY SpanId",
        snapshot=store.snapshot(),
        scans={"spans": scan},
        parameters=predicate.parameters,
    )
    return [str(text) for text in rows.column("SpanId").to_pylist()]


def sent_spans(request: ExportTraceServiceRequest) -> list[Sent]:
    return [
        Sent(span, group.resource, scoped.scope)
        for group in request.resource_spans
        for scoped in group.scope_spans
        for span in scoped.spans
    ]


def one_span(key: str, value: str) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    request.resource_spans.add().scope_spans.add().spans.add(
        trace_id=b"\x01" * 16,
        span_id=b"\x01" * 8,
        start_time_unix_nano=RECEIVED,
        attributes=[KeyValue(key=key, value=AnyValue(string_value=value))],
    )
    return request


# Both become the same entry of the text index.
LONG_KEY, LONG_VALUE = one_span("a=b", "c"), one_span("a", "b=c")
ASKS: list[Condition] = [
    Compare(Attribute("a"), Operator.EQUALS, "b=c"),
    Compare(Attribute("a=b"), Operator.EQUALS, "c"),
]


@settings(max_examples=examples(12), suppress_health_check=list(HealthCheck))
@given(requests(), st.lists(CONDITIONS, min_size=1, max_size=8))
@example(LONG_KEY, ASKS)
@example(LONG_VALUE, ASKS)
def test_a_filter_finds_exactly_the_spans_of_which_it_holds(
    store: HeldStore, request: ExportTraceServiceRequest, conditions: list[Condition]
) -> None:
    frame = store.add(Signal.TRACES, request)
    spans = sent_spans(request)
    expected = [
        sorted(sent.span.span_id.hex() for sent in spans if holds(condition, sent))
        for condition in conditions
    ]
    assert [found(store, condition, frame) for condition in conditions] == expected, "hot"
    store.flush()
    assert [found(store, condition, frame) for condition in conditions] == expected, "flushed"
