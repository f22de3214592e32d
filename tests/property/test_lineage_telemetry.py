"""What spans and log records tell of lineage, against a reading of each alone by plain words."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from clew.app.lineages import LineageDecoder
from clew.lineage.exchange.identity import span_trace_id
from clew.lineage.ingest.told import LinkTally
from clew.store.hot import number_rows
from clew.telemetry.otlp.decode import open_decoder
from clew.telemetry.otlp.reference import ReferenceDecoder
from clew.telemetry.otlp.signal import Signal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import pyarrow as pa

    from clew.store.decoder import Decoder

U64: Final = 2**64 - 1
U32: Final = 2**32 - 1
SECOND: Final = 10**9
NOW: Final = 1_790_000_000 * SECOND
DAY: Final = 24 * 3600 * SECOND
KEPT: Final = 3600 * SECOND

OURS: Final = ("tracelink.trace_id", "tracelink.stream_id", "tracelink.epoch", "tracelink.seq")

# Few ids, so that things meet; and the edges of what a number may be.
NUMBERS = st.sampled_from(
    [
        *("1", "2", "3", str(U64), str(U32), "0", "007", str(2**63), str(U64 + 1), str(U32 + 1)),
        *("", "x", "-1", "1.5", " 1", "1" * 21, "\u0661"),
    ]
)
TRACES = st.sampled_from([b"\1" * 16, b"\2" * 16])
SPANS = st.sampled_from([bytes([0] * 7 + [each]) for each in (1, 2, 3)])
ANY_TRACE = TRACES | st.sampled_from([b"", b"\0" * 16, b"\1" * 15])
ANY_SPAN = SPANS | st.sampled_from([b"", b"\0" * 8, b"\1" * 9])


def text_value(text: str) -> AnyValue:
    return AnyValue(string_value=text)


@st.composite
def attributes(draw: st.DrawFn, names: tuple[str, ...]) -> list[KeyValue]:
    """Attributes as writers have them: some of ours, others, and now and then one twice."""
    chosen = draw(st.lists(st.sampled_from((*names, "other")), max_size=6))
    made = []
    for name in chosen:
        text = draw(NUMBERS)
        value = text_value(text)
        if text.isascii() and text.isdigit() and int(text) < 2**63 and draw(st.booleans()):
            value = AnyValue(int_value=int(text))
        made.append(KeyValue(key=name, value=value))
    return made


@st.composite
def whole_attributes(draw: st.DrawFn, names: tuple[str, ...]) -> list[KeyValue]:
    return [KeyValue(key=name, value=text_value(draw(NUMBERS))) for name in names]


@st.composite
def spans(draw: st.DrawFn) -> Span:
    start = NOW - draw(st.sampled_from([0, 10 * SECOND, 2 * KEPT]))
    links = draw(
        st.lists(
            st.builds(
                Span.Link,
                trace_id=ANY_TRACE,
                span_id=ANY_SPAN,
                attributes=st.just([]) | attributes(OURS[:1]),
            ),
            max_size=4,
        )
    )
    return Span(
        trace_id=draw(TRACES),
        span_id=draw(SPANS),
        kind=draw(st.sampled_from(Span.SpanKind.values())),
        start_time_unix_nano=start,
        end_time_unix_nano=start + draw(st.sampled_from([0, 5, 400 * DAY])),
        attributes=draw(attributes(OURS) | whole_attributes(OURS) | st.just([])),
        links=links,
    )


@st.composite
def records(draw: st.DrawFn) -> LogRecord:
    said = draw(attributes(OURS) | whole_attributes(OURS))
    kind = draw(st.integers(0, 5))
    texts = draw(st.lists(NUMBERS, max_size=4))
    if kind == 1:
        values = [
            AnyValue(int_value=int(text))
            if text.isascii() and text.isdigit() and int(text) < 2**63 and draw(st.booleans())
            else text_value(text)
            for text in texts
        ]
        said.append(
            KeyValue(key="tracelink.parents", value=AnyValue(array_value=ArrayValue(values=values)))
        )
    elif kind == 2:
        said.append(KeyValue(key="tracelink.parents", value=text_value(json.dumps(texts))))
    elif kind == 3:
        odd = draw(
            st.sampled_from(
                [
                    AnyValue(string_value="1"),
                    AnyValue(int_value=1),
                    AnyValue(bool_value=True),
                    AnyValue(string_value="[" * 100_000),
                    AnyValue(string_value="[1"),
                    AnyValue(array_value=ArrayValue(values=[AnyValue(bool_value=True)])),
                    AnyValue(array_value=ArrayValue(values=[AnyValue(double_value=1.0)])),
                    AnyValue(array_value=ArrayValue(values=[AnyValue(), text_value("1")])),
                ]
            )
        )
        said.append(KeyValue(key="tracelink.parents", value=odd))
    return LogRecord(
        time_unix_nano=NOW - draw(st.sampled_from([0, 10 * SECOND, 2 * KEPT])),
        event_name=draw(st.sampled_from(["", "tracelink.set", "tracelink.item", "else"])),
        attributes=said,
    )


@dataclass
class Model:
    """Rows and counts, as sets and lists of plain values."""

    links: list[tuple[Any, ...]] = field(default_factory=list)
    items: set[tuple[Any, ...]] = field(default_factory=set)
    spans: set[tuple[Any, ...]] = field(default_factory=set)
    accepted: int = 0
    refused: Counter[str] = field(default_factory=Counter)


def first_values(said: Iterable[KeyValue]) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in said:
        value = each.value
        text = value.string_value
        if value.HasField("int_value"):
            text = str(value.int_value)
        found.setdefault(each.key, text)
    return found


def number(text: str | None, most: int = U64) -> int | None:
    if text is None or not text.isascii() or not text.isdigit() or len(text) > 20:
        return None
    return int(text) if int(text) <= most else None


def is_wrong(text: str | None, most: int = U64) -> bool:
    return text is not None and number(text, most) is None


def read_span(model: Model, span: Span, frame: int) -> None:
    texts = first_values(span.attributes)
    if not span.links and OURS[0] not in texts:
        return
    start, end = span.start_time_unix_nano, span.end_time_unix_nano
    at = end if end <= NOW + DAY else start
    if at < NOW - KEPT:
        model.refused["time"] += 1
        return
    own = number(texts.get(OURS[0]))
    model.refused["out_of_range"] += is_wrong(texts.get(OURS[0]))
    model.refused["no_trace_id"] += own == 0
    made = span_trace_id(span.trace_id.hex(), span.span_id.hex())
    node = own or made
    limits = (U32, U64, U64)
    place = [number(texts.get(name), most) for name, most in zip(OURS[1:], limits, strict=True)]
    if OURS[0] in texts:
        model.refused["out_of_range"] += any(
            is_wrong(texts.get(name), most) for name, most in zip(OURS[1:], limits, strict=True)
        )
    is_item = bool(own) and None not in place
    place = place if is_item else [0, 0, 0]
    if is_item:
        model.items.add((at, own, *place, frame))
    parents: dict[int, tuple[str, str] | None] = {}
    for link in span.links:
        text = first_values(link.attributes).get(OURS[0])
        model.refused["out_of_range"] += is_wrong(text)
        carried = number(text)
        names_span = (
            len(link.trace_id) == 16
            and any(link.trace_id)
            and len(link.span_id) == 8
            and any(link.span_id)
        )
        if carried:
            parents.setdefault(carried, None)
        elif names_span:
            ids = (link.trace_id.hex(), link.span_id.hex())
            parents.setdefault(span_trace_id(*ids), ids)
        else:
            model.refused["no_span"] += 1
    parents.pop(node, None)
    for position, (parent, linked) in enumerate(parents.items()):
        model.links.append((at, node, parent, position, len(parents), *place, frame))
        if linked is not None:
            model.spans.add((parent, *linked, frame))
    mine = (made, span.trace_id.hex(), span.span_id.hex(), frame)
    if parents and not own:
        model.spans.add(mine)
    is_sender = bool(own) and span.kind in (3, 4)
    if is_sender:
        model.links.append((at, made, own, 0, 1, *place, frame))
        model.spans.add(mine)
    model.accepted += bool(parents) or is_item or is_sender


def read_log(model: Model, record: LogRecord, frame: int) -> None:
    texts = first_values(record.attributes)
    sets = [each.value for each in record.attributes if each.key == "tracelink.parents"]
    is_set = bool(sets) or record.event_name == "tracelink.set"
    missing = [name for name in OURS if name not in texts]
    if not is_set and record.event_name != "tracelink.item":
        return
    if not is_set and missing:
        model.refused["no_trace_id" if OURS[0] in missing else "incomplete"] += 1
        return
    own = number(texts.get(OURS[0], "0"))
    place = [
        number(texts.get(name, "0"), most)
        for name, most in zip(OURS[1:], (U32, U64, U64), strict=True)
    ]
    if own is None or None in place:
        model.refused["out_of_range"] += 1
        return
    parents = read_parents(sets[0]) if sets else []
    if is_set and isinstance(parents, str):
        model.refused[parents] += 1
        return
    for reason, is_so in (
        ("no_trace_id", own == 0),
        ("no_parents", is_set and not parents),
        ("zero_parent", 0 in parents),
        ("duplicate_parent", len(set(parents)) < len(parents)),
        ("self_parent", own in parents),
        ("time", record.time_unix_nano < NOW - KEPT),
    ):
        if is_so:
            model.refused[reason] += 1
            return
    model.accepted += 1
    at = record.time_unix_nano
    if not any(row[1:] == (own, *place, frame) for row in model.items) or is_set:
        model.items.add((at, own, *place, frame))
    for position, parent in enumerate(parents):
        model.links.append((at, own, parent, position, len(parents), *place, frame))


def read_parents(value: AnyValue) -> list[int] | str:
    given: Any
    if value.HasField("array_value"):
        given = [
            each.string_value
            if each.HasField("string_value")
            else each.int_value
            if each.HasField("int_value")
            else None
            for each in value.array_value.values
        ]
    else:
        try:
            given = json.loads(value.string_value)
        except (ValueError, RecursionError):
            return "wrong_type"
    if not isinstance(given, list):
        return "wrong_type"
    found = []
    for each in given:
        if each is None:
            return "wrong_type"
        parent = number(str(each))
        if parent is None:
            return "out_of_range"
        found.append(parent)
    return found


def rows_of(batches: dict[str, pa.RecordBatch], table: str, *columns: str) -> list[tuple[Any, ...]]:
    if table not in batches:
        return []
    batch = batches[table]
    assert set(batch.column("Source").to_pylist()) == {"otlp"}
    assert {int(each.value) for each in batch.column("Received")} == {NOW}
    frames = batch.column("Frame").to_pylist()
    assert frames == sorted(frames)
    values = [
        [each.value for each in batch.column(name)]
        if name == "Timestamp"
        else batch.column(name).to_pylist()
        for name in columns
    ]
    return list(zip(*values, strict=True))


ITEM = ("StreamId", "Epoch", "Seq", "Frame")


def check(batches: dict[str, pa.RecordBatch], model: Model, tally: LinkTally) -> None:
    links = rows_of(
        batches,
        *("trace_links", "Timestamp", "TraceId", "ParentTraceId", "Position", "Parents"),
        *ITEM,
    )
    assert Counter(links) == Counter(model.links)
    items = rows_of(batches, "trace_items", "Timestamp", "TraceId", *ITEM)
    assert set(items) == model.items
    spans = rows_of(batches, "trace_spans", "TraceId", "SpanTraceId", "SpanId", "Frame")
    assert Counter(spans) == Counter(model.spans)
    told = tally.read()
    assert (told.accepted, told.refused) == (model.accepted, +model.refused)


def decoders(signal: Signal) -> list[Callable[[], Decoder]]:
    return [lambda: open_decoder(signal), lambda: ReferenceDecoder(signal)]


@settings(deadline=None)
@given(st.lists(st.lists(spans(), max_size=4), min_size=1, max_size=4), st.booleans())
def test_spans_tell_what_each_of_them_says(requests: list[list[Span]], is_native: bool) -> None:
    tally, model = LinkTally(), Model()
    inner = decoders(Signal.TRACES)[not is_native]()
    decoder = LineageDecoder.of_spans(inner, tally, kept_ns=KEPT)
    for frame, said in enumerate(requests, 7):
        body = ExportTraceServiceRequest()
        body.resource_spans.add().scope_spans.add().spans.extend(said)
        decoder.append(body.SerializeToString(), frame=frame, received=NOW, oldest=0)
        for span in said:
            read_span(model, span, frame)
    check(decoder.finish(), model, tally)
    assert decoder.finish() == {}


@settings(deadline=None)
@given(st.lists(st.lists(records(), max_size=4), min_size=1, max_size=4), st.booleans())
def test_log_records_tell_what_each_of_them_says(
    requests: list[list[LogRecord]], is_native: bool
) -> None:
    tally, model = LinkTally(), Model()
    inner = decoders(Signal.LOGS)[not is_native]()
    decoder = LineageDecoder.of_logs(inner, tally, kept_ns=KEPT)
    for frame, said in enumerate(requests, 7):
        body = ExportLogsServiceRequest()
        body.resource_logs.add().scope_logs.add().log_records.extend(said)
        decoder.append(body.SerializeToString(), frame=frame, received=NOW, oldest=0)
        for record in said:
            read_log(model, record, frame)
    check(decoder.finish(), model, tally)


def test_what_a_stage_logs_while_it_works_does_not_say_when_its_output_was_put_out() -> None:
    body = ExportLogsServiceRequest()
    scope = body.resource_logs.add().scope_logs.add()
    for at, event in ((NOW - 2 * SECOND, ""), (NOW - SECOND, "else"), (NOW, "tracelink.item")):
        record = scope.log_records.add(time_unix_nano=at, event_name=event)
        record.attributes.extend(KeyValue(key=name, value=text_value("7")) for name in OURS)
    decoder = LineageDecoder.of_logs(open_decoder(Signal.LOGS), LinkTally(), kept_ns=None)
    decoder.append(body.SerializeToString(), frame=1, received=NOW, oldest=0)
    items = decoder.finish()["trace_items"]
    assert [each.value for each in items.column("Timestamp")] == [NOW]


def test_what_comes_again_after_a_restart_is_not_counted_again() -> None:
    span = Span(trace_id=b"\1" * 16, span_id=b"\1" * 8, start_time_unix_nano=NOW)
    span.links.add(trace_id=b"\1" * 16, span_id=b"\2" * 8)
    span.links.add()
    body = ExportTraceServiceRequest()
    body.resource_spans.add().scope_spans.add().spans.append(span)
    tally = LinkTally()
    tally.pass_over(2)
    decoder = LineageDecoder.of_spans(open_decoder(Signal.TRACES), tally, kept_ns=None)
    for frame in (1, 2, 3):
        decoder.append(body.SerializeToString(), frame=frame, received=NOW, oldest=0)
    decoder.finish()
    assert (tally.read().accepted, tally.read().refused) == (1, {"no_span": 1})
    # A large request has no number yet when it is decoded, and is always new.
    decoder.append(body.SerializeToString(), frame=0, received=NOW, oldest=0)
    numbered = number_rows(decoder.finish(), 4)
    assert tally.read().accepted == 2
    assert numbered["trace_links"].column("Frame").to_pylist() == [4]


@pytest.mark.parametrize(
    ("links", "spans", "kept", "reason"),
    [(65_535, 1, 0, "too_many_parents"), (40_000, 3, 2, "too_much")],
)
def test_a_request_says_so_much_and_no_more(links: int, spans: int, kept: int, reason: str) -> None:
    body = ExportTraceServiceRequest()
    scope = body.resource_spans.add().scope_spans.add()
    for number_of in range(1, spans + 1):
        span = scope.spans.add(
            trace_id=b"\1" * 16,
            span_id=number_of.to_bytes(8, "big"),
            start_time_unix_nano=NOW,
            end_time_unix_nano=NOW,
        )
        for each in range(1, links + 1):
            span.links.add(trace_id=b"\2" * 16, span_id=each.to_bytes(8, "big"))
    tally = LinkTally()
    decoder = LineageDecoder.of_spans(open_decoder(Signal.TRACES), tally, kept_ns=None)
    for frame in (1, 2):
        decoder.append(body.SerializeToString(), frame=frame, received=NOW, oldest=0)
    batches = decoder.finish()
    assert (tally.read().accepted, tally.read().refused) == (
        2 * kept,
        {reason: 2 * (spans - kept)},
    )
    rows = batches["trace_links"].num_rows if kept else 0
    assert rows == 2 * kept * links
