"""Whole traces by their ids: as OTLP and in figures, over hot and stored rows alike."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from clew.base.errors import ClewError
from clew.store.engine.chdb import ChdbEngine
from clew.telemetry.otlp.signal import Signal
from clew.telemetry.query import parameters as ask
from clew.telemetry.query.services import name_operations, name_services
from clew.telemetry.query.traces import whole
from clew.telemetry.tables import TABLES
from tests.conformance.query_requests import NOW, SECOND, span, traces_request
from tests.conformance.query_store import HeldStore

if TYPE_CHECKING:
    from collections.abc import Iterator

MS = 10**6
NUMBERS = count(1000, 100)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HeldStore]:
    """One store for all tests of the module: numbers of its own keep a test's traces apart."""
    engine = ChdbEngine(tmp_path_factory.mktemp("whole"))
    engine.create(TABLES)
    yield HeldStore(engine, received=NOW)
    engine.close()


@pytest.fixture
def number() -> int:
    return next(NUMBERS)


def hex_id(number: int) -> str:
    return f"{number:032x}"


def read(
    store: HeldStore, *numbers: int, query: ask.TimeParameters | None = None
) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return what an export gives: by chunk, its trace and the ids and names of its spans."""
    chunks = whole.export_traces(
        store, [hex_id(each) for each in numbers], query or ask.TimeParameters(), NOW
    )
    read_chunks = []
    for chunk in chunks:
        spans = [
            each
            for resource in TracesData.FromString(chunk.body).resource_spans
            for scope in resource.scope_spans
            for each in scope.spans
        ]
        assert chunk.spans == len(spans)
        assert {each.trace_id.hex() for each in spans} == {chunk.trace_id}
        read_chunks.append((chunk.trace_id, [(each.span_id.hex(), each.name) for each in spans]))
    return read_chunks


def test_traces_come_whole_in_the_order_of_the_ids_whatever_is_flushed(
    store: HeldStore, number: int
) -> None:
    store.add(Signal.TRACES, traces_request([span(1, trace=number, name="root")], "front"))
    store.flush()
    store.add(
        Signal.TRACES,
        traces_request(
            [
                span(3, trace=number + 1, at=NOW + 2, name="late"),
                span(2, trace=number, parent=1, at=NOW + 1, name="child"),
                span(4, trace=number + 1, at=NOW, name="early"),
            ],
            "back",
        ),
    )
    assert read(store, number + 1, number + 2, number) == [
        (hex_id(number + 1), [(f"{4:016x}", "early"), (f"{3:016x}", "late")]),
        (hex_id(number), [(f"{1:016x}", "root"), (f"{2:016x}", "child")]),
    ]
    assert read(store, number + 3) == []
    assert read(store) == []


def test_a_span_that_was_sent_again_stands_once_unless_it_differs(
    store: HeldStore, number: int
) -> None:
    for name in ("first", "second", "first"):
        again = span(
            1, trace=number, name=name, attributes={"z": 1, "a": [1, 2]}, events=[{"name": "e"}]
        )
        store.add(Signal.TRACES, traces_request([again]))
        if name == "second":
            store.flush()
    both = [(f"{1:016x}", "first"), (f"{1:016x}", "second")]
    assert read(store, number) == [(hex_id(number), both)]
    chunks = whole.export_traces(store, [hex_id(number)], ask.TimeParameters(), NOW, raw=True)
    assert [chunk.spans for chunk in chunks] == [3]
    assert len(whole.export_spans(store, [(hex_id(number), f"{1:016x}")])) == 1


def test_a_time_range_finds_a_trace_by_any_of_its_spans_and_never_cuts_it(
    store: HeldStore, number: int
) -> None:
    spans = [span(1, trace=number), span(2, trace=number, at=NOW + 10 * SECOND)]
    store.add(Signal.TRACES, traces_request(spans))
    late = str((NOW + 5 * SECOND) // SECOND)
    later = str((NOW + 11 * SECOND) // SECOND)
    ((_, found),) = read(store, number, query=ask.TimeParameters(start=late))
    assert len(found) == 2
    assert read(store, number, query=ask.TimeParameters(start=later)) == []


def test_large_traces_are_read_in_parts_and_chunked(
    store: HeldStore, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whole, "READ_ROWS_MAX", 5)
    monkeypatch.setattr(whole, "CHUNK_ROWS_MAX", 4)
    for trace in range(number, number + 3):
        spans = [span(each, trace=trace, at=NOW + each) for each in range(1, 7)]
        store.add(Signal.TRACES, traces_request(spans))
    found = read(store, number, number + 1, number + 2)
    assert [(trace_id, len(spans)) for trace_id, spans in found] == [
        (hex_id(trace), size) for trace in range(number, number + 3) for size in (4, 2)
    ]


def test_what_is_no_id_is_refused_at_the_call(store: HeldStore) -> None:
    with pytest.raises(ClewError, match="not a trace id"):
        whole.export_traces(store, ["no id"], ask.TimeParameters(), NOW)


def test_spans_come_one_by_one_in_the_order_asked_for(store: HeldStore, number: int) -> None:
    store.add(Signal.TRACES, traces_request([span(1, trace=number), span(2, trace=number)]))
    store.flush()
    store.add(Signal.TRACES, traces_request([span(1, trace=number + 1)]))
    wanted = [
        (hex_id(number + 1), f"{1:016x}"),
        (hex_id(number), f"{9:016x}"),
        (hex_id(number), f"{2:016x}"),
        (hex_id(number), f"{1:016x}"),
    ]
    found = [
        TracesData.FromString(body).resource_spans[0].scope_spans[0].spans[0]
        for body in whole.export_spans(store, wanted)
    ]
    assert [(each.trace_id.hex(), each.span_id.hex()) for each in found] == [
        wanted[0],
        *wanted[2:],
    ]


def test_figures_tell_what_each_service_has_in_a_trace(store: HeldStore, number: int) -> None:
    error = {"code": 2}
    front = [span(1, trace=number, duration=9 * MS), span(2, trace=number, parent=1, at=NOW + MS)]
    store.add(Signal.TRACES, traces_request(front, "front"))
    store.flush()
    back = [
        span(3, trace=number, parent=2, at=NOW + 2 * MS, status=error),
        span(4, trace=number, parent=77, at=NOW + 3 * MS, duration=20 * MS),
        span(5, trace=number, parent=77, at=NOW + 3 * MS),
    ]
    store.add(Signal.TRACES, traces_request(back, "back"))
    store.add(Signal.TRACES, traces_request(back[:1], "back"))
    assert whole.describe_services(store, [hex_id(number)]) == {
        hex_id(number): [
            whole.ServiceFigures("back", 3, 1, 2, NOW + 2 * MS, NOW + 23 * MS),
            whole.ServiceFigures("front", 2, 0, 0, NOW, NOW + 9 * MS),
        ]
    }
    assert whole.describe_services(store, []) == {}


def test_names_of_services_and_operations_are_those_of_spans(store: HeldStore) -> None:
    spans = [
        span(1, trace=7, name="b", kind=2),
        span(2, trace=7, name="z", kind=0),
        span(3, trace=7, name="a", kind=1),
        span(4, trace=7, name="a", kind=3),
    ]
    store.add(Signal.TRACES, traces_request(spans, "named"))
    store.flush()
    store.add(Signal.TRACES, traces_request([span(5, trace=7, name="c")], "Named too"))
    services = name_services(store)
    assert not services.truncated
    assert services.names == sorted(services.names)
    assert {"named", "Named too"} <= set(services.names)
    assert name_operations(store, "named").names == [
        ("a", "client"),
        ("a", "internal"),
        ("b", "server"),
        ("z", ""),
    ]
    assert name_operations(store, "nobody").names == []
