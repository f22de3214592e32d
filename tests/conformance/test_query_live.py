"""What live feeds give: each matching record once, in the order of acknowledgement."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from clew.base.errors import ClewError, ErrorCode
from clew.store.engine.contract import Snapshot
from clew.telemetry.otlp.signal import Signal
from clew.telemetry.query.live import BATCH_MAX, LAG_MAX, NEAR_FRAMES, live_logs, live_spans
from clew.telemetry.query.own import OwnStore
from clew.telemetry.query.parameters import LogQuery, SpanQuery
from clew.telemetry.tables import TRACES
from clew.telemetry.tables.own import OWN_TRACES
from clew.testing.requests import ids_of, logs_request, spans_request
from tests.conformance.ingested import AT, IngestedStore

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from clew.telemetry.query.live import Batch


@pytest.fixture
def store(tmp_path: Path) -> Iterator[IngestedStore]:
    store = IngestedStore(tmp_path)
    yield store
    store.close()


def add_logs(store: IngestedStore, bodies: Sequence[str], service: str = "shop") -> int:
    return store.add(Signal.LOGS, logs_request(service, bodies, time_ns=AT))


def ask_logs(store: IngestedStore, after: str | None, **filters: Any) -> Batch[Any]:
    return live_logs(store, LogQuery(**filters), after, AT)


def bodies_of(batch: Batch[Any]) -> list[str]:
    return [record.body for record in batch.records]


def follow(store: IngestedStore, after: str, **filters: Any) -> Iterator[Batch[Any]]:
    """Ask again and again until nothing is left."""
    while True:
        batch = ask_logs(store, after, **filters)
        yield batch
        if not batch.is_behind:
            return
        after = batch.event_id


def test_a_new_feed_begins_now_and_gives_what_comes_after(store: IngestedStore) -> None:
    add_logs(store, ["before"])
    start = ask_logs(store, None)
    assert (start.event_id, start.records, start.dropped) == ("1", [], 0)
    assert ask_logs(store, start.event_id) == start
    add_logs(store, ["a", "b"])
    add_logs(store, ["c"])
    batch = ask_logs(store, start.event_id)
    assert sorted(bodies_of(batch)[:2]) == ["a", "b"]
    assert bodies_of(batch)[2:] == ["c"]
    assert (batch.event_id, batch.dropped, batch.is_behind) == ("3", 0, False)


def test_records_come_in_frame_order_whatever_their_times_hot_or_stored(
    store: IngestedStore,
) -> None:
    for number in range(1, 7):
        request = spans_request("shop", [ids_of(number)], start_ns=AT - number * 1_000)
        store.add(Signal.TRACES, request)
        if number == 3:
            store.flush()
    batch = live_spans(store, SpanQuery(), "1", AT)
    assert [int(span.span_id, 16) for span in batch.records] == [2, 3, 4, 5, 6]
    assert batch.event_id == "6"


def test_what_came_of_another_signal_asks_the_engine_nothing(store: IngestedStore) -> None:
    add_logs(store, ["stored"])
    store.flush()
    store.add(Signal.TRACES, spans_request("shop", [ids_of(1)], start_ns=AT))
    store.engine.close()
    batch = ask_logs(store, "1")
    assert (batch.records, batch.event_id, batch.is_behind) == ([], "2", False)
    with pytest.raises(ClewError):
        live_spans(store, SpanQuery(), "1", AT)


def test_a_feed_of_what_the_server_tells_of_itself_has_it_and_nothing_else(
    store: IngestedStore,
) -> None:
    class Server(IngestedStore):
        def __init__(self) -> None:
            self.engine = store.engine

        def snapshot(self) -> Snapshot:
            hot = store.snapshot().hot[TRACES.name]
            return Snapshot(0, 2, {TRACES.name: hot.slice(0, 1), OWN_TRACES.name: hot.slice(1)})

    for number in (1, 2):
        store.add(Signal.TRACES, spans_request("shop", [ids_of(number)], start_ns=AT))
    batch = live_spans(OwnStore(Server()), SpanQuery(), "0", AT)
    assert [int(span.span_id, 16) for span in batch.records] == [2]


def test_records_are_chosen_by_the_filters_of_the_lists(store: IngestedStore) -> None:
    add_logs(store, ["one"], "shop")
    add_logs(store, ["two"], "bank")
    store.flush()
    add_logs(store, ["three"], "shop")
    assert bodies_of(ask_logs(store, "0", service="shop")) == ["one", "three"]
    assert bodies_of(ask_logs(store, "0", q="body ~= w")) == ["two"]
    nothing = ask_logs(store, "0", service="nobody")
    assert (nothing.records, nothing.event_id) == ([], "3")


def test_a_frame_that_does_not_fit_is_split_and_gone_on_with_after_it_was_stored(
    store: IngestedStore,
) -> None:
    # Equal ones among them: only their number can be told.
    lines = [f"line {number // 3}" for number in range(1_300)]
    add_logs(store, ["first"])
    add_logs(store, lines)
    add_logs(store, ["last"])
    batches = []
    for batch in follow(store, "0"):
        batches.append(batch)
        store.flush()
    assert [batch.event_id for batch in batches] == ["2.499", "2.999", "3"]
    assert [len(batch.records) for batch in batches] == [BATCH_MAX, BATCH_MAX, 302]
    given = [body for batch in batches for body in bodies_of(batch)]
    assert (given[0], given[-1]) == ("first", "last")
    assert Counter(given[1:-1]) == Counter(lines)


def test_a_batch_that_ends_with_a_frame_has_the_frame_for_its_id(store: IngestedStore) -> None:
    add_logs(store, [f"{number}" for number in range(BATCH_MAX)])
    add_logs(store, ["next"])
    first, second = follow(store, "0")
    assert (first.event_id, second.event_id) == ("1", "2")
    assert bodies_of(second) == ["next"]


def test_exactly_a_batch_is_all(store: IngestedStore) -> None:
    add_logs(store, [f"{number}" for number in range(BATCH_MAX)])
    (only,) = follow(store, "0")
    assert (len(only.records), only.event_id) == (BATCH_MAX, "1")


def test_an_id_of_other_filters_never_leaves_out_a_later_frame(store: IngestedStore) -> None:
    add_logs(store, ["x"] * 3)
    add_logs(store, ["y"] * 3)
    assert bodies_of(ask_logs(store, "1.900")) == ["y"] * 3


@pytest.mark.parametrize("is_stored", [False, True], ids=["hot", "stored"])
def test_a_client_far_behind_skips_to_the_newest_and_is_told_so(
    store: IngestedStore, is_stored: bool
) -> None:
    add_logs(store, ["old"] * (LAG_MAX - 10))
    add_logs(store, [f"{number}" for number in range(10)])
    if is_stored:
        store.flush()
    given = [body for batch in follow(store, "0") for body in bodies_of(batch)]
    assert len(given) == LAG_MAX
    add_logs(store, ["newest"])
    batch = ask_logs(store, "0")
    assert (batch.dropped, len(batch.records)) == (LAG_MAX + 1 - BATCH_MAX, BATCH_MAX)
    assert (batch.event_id, batch.is_behind) == ("3", False)
    assert sorted(bodies_of(batch)[-11:-1]) == [f"{number}" for number in range(10)]
    assert bodies_of(batch)[-1] == "newest"
    # What does not match does not count.
    assert ask_logs(store, "0", body_contains="new").dropped == 0


def test_many_frames_are_given_whole_as_well(store: IngestedStore) -> None:
    for number in range(NEAR_FRAMES * 2):
        add_logs(store, [f"{number} {line}" for line in range(3)])
        if number == NEAR_FRAMES:
            store.flush()
    batches = list(follow(store, "0"))
    given = [body for batch in batches for body in bodies_of(batch)]
    assert [int(body.split()[0]) for body in given] == [n // 3 for n in range(NEAR_FRAMES * 6)]
    assert len(set(given)) == NEAR_FRAMES * 6
    assert batches[-1].event_id == f"{NEAR_FRAMES * 2}"


@pytest.mark.parametrize(
    "after", ["", "x", "-1", "1.", ".1", "1.2.3", " 1", "\u0661", "1.x", "9" * 30, "2", "2.5"]
)
def test_an_id_that_is_malformed_or_of_the_future_is_refused(
    store: IngestedStore, after: str
) -> None:
    add_logs(store, ["one"])
    with pytest.raises(ClewError) as refused:
        ask_logs(store, after)
    assert refused.value.code is ErrorCode.INVALID_ARGUMENT


def test_a_wrong_filter_is_refused_even_before_anything_came(store: IngestedStore) -> None:
    with pytest.raises(ClewError) as refused:
        live_spans(store, SpanQuery(q="service ="), None, AT)
    assert refused.value.code is ErrorCode.INVALID_ARGUMENT
