"""Pages of lists that are ordered by figures stand still while records come in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from clew.base.errors import ClewError, ErrorCode
from clew.store.engine.chdb import ChdbEngine
from clew.telemetry.analytics import parameters as analytics
from clew.telemetry.analytics.patterns import list_patterns
from clew.telemetry.genai import parameters as genai
from clew.telemetry.genai.prices import PriceBook
from clew.telemetry.genai.service import TelemetryGenAi
from clew.telemetry.otlp.signal import Signal
from clew.telemetry.query import parameters as query
from clew.telemetry.query.attributes import list_attribute_values, list_attributes
from clew.telemetry.query.services import list_operations, list_services
from clew.telemetry.tables import TABLES
from tests.conformance.query_requests import (
    NOW,
    SECOND,
    log,
    logs_request,
    span,
    traces_request,
)
from tests.conformance.query_store import HeldStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Ask = Callable[[HeldStore, Any, int], Any]

NUMBERS = range(1, 8)
WORDS = ["apples", "and", "rivers", "under", "clouds", "of", "stones"]
FIRST_TRACE = 1
LATER_TRACE = 100


def _genai(store: HeldStore, now: int) -> TelemetryGenAi:
    return TelemetryGenAi(store, lambda: now, PriceBook())


LISTS: dict[str, tuple[Ask, Callable[..., Any], str]] = {
    "conversations": (
        lambda store, asked, now: _genai(store, now).list_conversations(asked),
        genai.ConversationQuery,
        "conversations",
    ),
    "agents": (
        lambda store, asked, now: _genai(store, now).list_agents(asked),
        genai.AgentQuery,
        "agents",
    ),
    "patterns": (list_patterns, analytics.PatternQuery, "patterns"),
    "services": (list_services, query.ServiceQuery, "services"),
    "operations": (list_operations, query.OperationQuery, "operations"),
    "attributes": (list_attributes, query.AttributeQuery, "attributes"),
    "values": (
        lambda store, asked, now: list_attribute_values(store, "gen_ai.agent.name", asked, now),
        query.AttributeQuery,
        "values",
    ),
    "steps": (
        lambda store, asked, now: _genai(store, now).get_transcript("talk-3", asked),
        genai.TranscriptQuery,
        "steps",
    ),
}


@pytest.fixture
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HeldStore]:
    engine = ChdbEngine(tmp_path_factory.mktemp("slices"))
    engine.create(TABLES)
    yield HeldStore(engine, received=NOW)
    engine.close()


def send(store: HeldStore, counts: dict[int, int], trace: int, at: int) -> None:
    """Send so many calls, log records and steps of each of some numbers."""
    for number, count in counts.items():
        attributes = {
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "m",
            "gen_ai.agent.name": f"agent-{number}",
            "gen_ai.conversation.id": f"talk-{number}",
            "gen_ai.usage.input_tokens": 10,
            f"key-{number}": "x",
        }
        spans = [
            span(
                place,
                trace=trace + number,
                at=at + place,
                name=f"op-{number}",
                attributes=attributes,
            )
            for place in range(1, count + 1)
        ]
        records = [log(" ".join(WORDS[:number]), at=at + place) for place in range(count)]
        store.add(Signal.TRACES, traces_request(spans, f"service-{number}"))
        store.add(Signal.LOGS, logs_request(records, f"service-{number}"))


@pytest.mark.parametrize("name", LISTS)
def test_later_pages_are_of_the_records_that_the_first_one_saw(store: HeldStore, name: str) -> None:
    """Whatever comes between two pages: new items, other counts, a flush, and the time itself."""
    ask, parameters, noun = LISTS[name]
    counts = {number: number for number in NUMBERS}
    send(store, counts, FIRST_TRACE, NOW - 60 * SECOND)
    whole = ask(store, parameters(), NOW)
    whole_items = getattr(whole, noun)
    pages = [ask(store, parameters(limit=1), NOW)]
    now = NOW
    # A list that moves may grow faster than it is read.
    while pages[-1].next is not None and len(pages) <= len(whole_items):
        now += 600 * SECOND
        # The last ones become the first, and there are more of them, earlier ones as well.
        more = {number: 20 - number for number in (*NUMBERS[:3], 3)}
        send(store, more, LATER_TRACE * len(pages), NOW - (50 + len(pages)) * SECOND)
        if len(pages) % 2:
            store.flush()
        pages.append(ask(store, parameters(limit=2, next=pages[-1].next), now))
    assert len(pages) > 1
    assert [each for page in pages for each in getattr(page, noun)] == whole_items
    assert {page.total for page in pages} == {whole.total}
    assert len({getattr(page, "end_time", None) for page in pages}) == 1
    moved = ask(store, parameters(), now)
    assert getattr(moved, noun) != whole_items


@pytest.mark.parametrize("name", [name for name in LISTS if name != "steps"])
def test_a_cursor_of_another_question_is_refused(store: HeldStore, name: str) -> None:
    send(store, {number: number for number in NUMBERS}, FIRST_TRACE, NOW - 60 * SECOND)
    ask, parameters, _ = LISTS[name]
    cursor = ask(store, parameters(limit=1, last="1h"), NOW).next
    assert cursor is not None
    ask(store, parameters(next=cursor), NOW)
    ask(store, parameters(next=cursor, last="1h", limit=3), NOW)
    others = [(ask, parameters(next=cursor, last="2h"))]
    if name != "services":
        others.append((ask, parameters(next=cursor, service="service-7")))
    other = "agents" if name == "conversations" else "conversations"
    others.append((LISTS[other][0], LISTS[other][1](next=cursor)))
    for ask_other, asked in others:
        with pytest.raises(ClewError) as caught:
            ask_other(store, asked, NOW)
        assert caught.value.code is ErrorCode.INVALID_ARGUMENT
        assert caught.value.message == "next belongs to another question"
        assert "repeat the filters" in (caught.value.hint or "")


@pytest.mark.parametrize("cursor", ["", "no", "ü", "A" * 5000, "kwABAg"])
def test_a_text_that_is_no_cursor_is_refused(store: HeldStore, cursor: str) -> None:
    with pytest.raises(ClewError) as caught:
        list_services(store, query.ServiceQuery(next=cursor), NOW)
    assert caught.value.code is ErrorCode.INVALID_ARGUMENT
    assert caught.value.message == "next is not a cursor of this list"


def test_a_page_of_a_transcript_may_show_longer_texts_than_the_one_before(
    store: HeldStore,
) -> None:
    send(store, {3: 3}, FIRST_TRACE, NOW - 60 * SECOND)
    answers = _genai(store, NOW)
    first = answers.get_transcript("talk-3", genai.TranscriptQuery(limit=2))
    rest = answers.get_transcript(
        "talk-3", genai.TranscriptQuery(next=first.next, max_chars=9, full=True)
    )
    assert [step.number for step in rest.steps] == [3]
    send(store, {4: 3}, FIRST_TRACE, NOW - 60 * SECOND)
    with pytest.raises(ClewError) as caught:
        answers.get_transcript("talk-4", genai.TranscriptQuery(next=first.next))
    assert caught.value.message == "next belongs to another question"
