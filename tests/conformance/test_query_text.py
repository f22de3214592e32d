"""Text search over spans and logs: where it looks, what comes back, what it refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from clew.base.errors import ClewError, ErrorCode
from clew.store.engine.chdb import ChdbEngine
from clew.telemetry.otlp.signal import Signal
from clew.telemetry.query.logs import find_logs
from clew.telemetry.query.parameters import LogQuery, SpanQuery
from clew.telemetry.query.traces.spans import find_spans
from clew.telemetry.tables import TABLES
from tests.conformance.query_requests import (
    NOW,
    SECOND,
    entries,
    log,
    logs_request,
    span,
    traces_request,
)
from tests.conformance.query_store import HeldStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MESSAGES = [{"role": "user", "parts": [{"type": "text", "content": "Wie groß ist ein Reiher?"}]}]


def event(name: str, **attributes: Any) -> Span.Event:
    named = {key.replace("_", "."): value for key, value in attributes.items()}
    return Span.Event(name=name, time_unix_nano=NOW, attributes=entries(named))


SPANS = [
    span(1, at=NOW - 9 * SECOND, name="GET /herons"),
    span(2, at=NOW - 8 * SECOND, status=Status(message="Connection refused by db-7")),
    span(3, at=NOW - 7 * SECOND, attributes={"gen_ai.input.messages": MESSAGES}),
    span(4, at=NOW - 6 * SECOND, events=[event("exception", exception_message="ValueError: oom")]),
    span(5, at=NOW - 5 * SECOND, events=[event("gen_ai.choice", content="A heron is 90 cm tall")]),
    span(6, at=NOW - 4 * SECOND, attributes={"db.statement": "SELECT * FROM herons -- 90 cm"}),
    span(7, at=NOW - 3 * SECOND, attributes={"heron.key": "no"}),
    span(8, at=NOW - 2 * SECOND, attributes={"http.route": "/herons/{id}"}),
]


@pytest.fixture(scope="module", params=["hot", "flushed", "mixed"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder: Path = tmp_path_factory.mktemp("text")
    engine = ChdbEngine(folder)
    engine.create(TABLES)
    yield from _filled(engine, request.param)
    engine.close()


def _filled(engine: ChdbEngine, place: str) -> Iterator[HeldStore]:
    held = HeldStore(engine, received=NOW)
    held.add(Signal.TRACES, traces_request(SPANS[::2], resource={"host.name": "heron-host"}))
    held.add(
        Signal.LOGS, logs_request([log("heron seen at 10.0.3.7, took 90 ms", at=NOW - SECOND)])
    )
    if place == "mixed":
        held.flush()
    held.add(Signal.TRACES, traces_request(SPANS[1::2]))
    held.add(
        Signal.LOGS,
        logs_request([log({"user": "Heron, Ann"}), log("done", attributes={"who": "heron-ann"})]),
    )
    if place == "flushed":
        held.flush()
    yield held


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("heron", [8, 6, 5, 1]),
        ("HERONS", [8, 6, 1]),
        ("eron", [8, 6, 5, 1]),
        ("refused by", [2]),
        ("DB-7", [2]),
        ("groß", [3]),
        ("wie groß ist ein reiher?", [3]),
        ("oom", [4]),
        ("om", [6, 4]),
        ("ValueError: oom", [4]),
        ("90 cm", [6, 5]),
        ("90 c", [6, 5]),
        ("* FROM", [6]),
        ("/{", [8]),
        ("%", []),
        ("i.choice", [5]),
        ("heron oom", []),
        ("herons\nselect", []),
        ("nothing like it", []),
    ],
)
def test_the_spans_that_hold_a_text_come_back_newest_first(
    store: HeldStore, text: str, found: list[int]
) -> None:
    page = find_spans(store, SpanQuery(text=text), NOW)
    assert [int(each.span_id, 16) for each in page.spans] == found


def test_in_an_expression_a_text_is_one_condition_among_others(store: HeldStore) -> None:
    query = SpanQuery(q='text ~= heron AND NOT text ~= "90 cm" AND NOT operation = "GET /herons"')
    page = find_spans(store, query, NOW)
    assert [int(each.span_id, 16) for each in page.spans] == [8]


@pytest.mark.parametrize(
    ("query", "bodies"),
    [
        (LogQuery(text="heron"), 3),
        (LogQuery(body_contains="heron"), 2),
        (LogQuery(body_contains="heron,"), 1),
        (LogQuery(q="body ~= heron"), 1),
        (LogQuery(text="10.0.3.7"), 1),
        (LogQuery(text="heron-ann"), 1),
        (LogQuery(body_contains="ann"), 1),
        (LogQuery(text="herring"), 0),
    ],
)
def test_the_log_records_that_hold_a_text_come_back(
    store: HeldStore, query: LogQuery, bodies: int
) -> None:
    assert find_logs(store, query, NOW).count == bodies


def find(store: HeldStore, query: SpanQuery | LogQuery) -> object:
    if isinstance(query, SpanQuery):
        return find_spans(store, query, NOW)
    return find_logs(store, query, NOW)


@pytest.mark.parametrize(
    "query",
    [
        SpanQuery(text=""),
        SpanQuery(text="x" * 5000),
        SpanQuery(q="text ~= ''"),
        LogQuery(text=""),
        LogQuery(body_contains=""),
        LogQuery(q="text ~= ''"),
    ],
)
def test_a_text_that_cannot_be_searched_for_is_refused_with_a_hint(
    store: HeldStore, query: SpanQuery | LogQuery
) -> None:
    with pytest.raises(ClewError) as caught:
        find(store, query)
    assert caught.value.code is ErrorCode.INVALID_ARGUMENT
    assert caught.value.hint
