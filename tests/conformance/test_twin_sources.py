"""A client of the database and events at hand give the states of the definition, for any events."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import clickhouse_connect
import msgspec
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clew.base.errors import ClewError, ErrorCode
from clew.store.engine.clickhouse import ClickHouseEngine
from clew.twin import Float, Integer, Object, Reference, Registry
from clew.twin.engine import AsyncReconstructor, Reconstructor, RecordedEvents
from clew.twin.events import Event, EventType
from clew.twin.fold import fold
from clew.twin.ingest.judge import NoRegistries
from clew.twin.ingest.record import LogRecord
from clew.twin.ingest.rows import EventRows
from clew.twin.tables import EVENTS, TABLES
from tests.trying import examples

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from clickhouse_connect.driver.client import Client

    from clew.twin.reconstructor.source import Source

MORNING = 1_700_000_000_000_000_000

_TYPES = (*[EventType.STATE_CHANGE] * 4, *EventType)

_values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    st.lists(st.integers(0, 9), max_size=2),
)
_events = st.lists(
    st.builds(
        Event,
        at=st.integers(MORNING, MORNING + 4),
        seq=st.integers(0, 2),
        event_id=st.uuids().map(str),
        type=st.sampled_from(_TYPES),
        obj_type=st.just("Cart"),
        obj_id=st.just(""),
        patch=st.dictionaries(st.sampled_from(["a", "b", "cé"]), _values, max_size=3),
        phase=st.sampled_from(["", "pay"]),
        span_id=st.sampled_from(["b7ad6b7169203331", "b7ad6b7169203332"]),
    ),
    min_size=1,
    max_size=8,
)


DATA = {"event.by": ["ann", 1]}


class Drawer(Object):
    cents = Integer(default=7, renamed_from="pennies")
    rate = Float()


class Table:
    """The table of events in a database, filled as a server fills it; a client reads it."""

    def __init__(self, folder: Path) -> None:
        self.dsn = f"chdb://{folder}"
        self._engine = ClickHouseEngine(self.dsn, flush=lambda: None)
        self._engine.create(TABLES)
        self._frames = itertools.count(1)
        self.client: Client = clickhouse_connect.get_client(dsn=self.dsn, database="otel")

    def store(self, events: Sequence[Event]) -> None:
        frame = next(self._frames)
        rows = EventRows(NoRegistries())
        for event in events:
            rows.append(_record(event), frame)
        batch = rows.finish()
        assert batch is not None
        self._engine.insert(EVENTS, pa.Table.from_batches([batch]), token=f"frame-{frame}")

    def close(self) -> None:
        self.client.close()
        self._engine.close()


def _record(event: Event) -> LogRecord:
    texts: dict[str, str] = {
        "trilog.obj.id": event.obj_id,
        "trilog.obj.type": event.obj_type,
        "trilog.event.id": event.event_id,
        "trilog.event.seq": str(event.seq),
        "trilog.event.type": event.type,
        "trilog.event.name": event.name,
        "trilog.process.current_phase": event.phase,
    }
    nulls = [name for name, value in event.patch.items() if value is None]
    literals = {"trilog.obj.nulls": msgspec.json.encode(nulls).decode()}
    prefix = event.obj_type.lower()
    said = {f"{prefix}.{name}": value for name, value in event.patch.items() if value is not None}
    for key, value in (said | dict(event.data)).items():
        texts[key] = value if isinstance(value, str) else ""
        if not isinstance(value, str):
            literals[key] = msgspec.json.encode(value).decode()
    return LogRecord(
        at=event.at,
        observed=0,
        received=event.at,
        severity=9,
        body=event.body,
        trace_id=event.trace_id,
        span_id=event.span_id,
        service=event.service,
        texts=texts,
        literals=literals,
    )


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Table]:
    made = Table(tmp_path_factory.mktemp("sources"))
    yield made
    made.close()


_NAMES = (f"o{n}" for n in itertools.count())


@settings(max_examples=examples(15))
@given(events=_events, until=st.integers(-1, 5))
def test_any_events_give_the_state_of_the_definition(
    table: Table, events: list[Event], until: int
) -> None:
    obj_id = next(_NAMES)
    events = [replace(each, obj_id=obj_id) for each in events]
    table.store(events)
    wanted = fold(events, MORNING + until)
    documents = []
    for source in (table.client, RecordedEvents(events)):
        # A number of this size is nanoseconds; a float would not hold it.
        found = Reconstructor(source).reconstruct(obj_id, MORNING + until)
        assert (found.state, found.version, found.exists) == (
            wanted.state,
            wanted.version,
            wanted.exists,
        )
        assert {each.code for each in found.warnings} - {"before_first_event"} == {
            each.code for each in wanted.remarks
        }
        timeline = Reconstructor(source).timeline(obj_id)
        assert timeline.state_at(MORNING + until) == wanted.state
        documents.append((found.to_dict(), timeline.to_dicts()))
    assert documents[0][0] == documents[1][0]


def change(obj_id: str, seq: int, kind: str = "Drawer", **patch: Any) -> Event:
    return Event(
        at=MORNING + seq,
        seq=seq,
        event_id=f"{obj_id}-{seq}",
        type=EventType.STATE_CHANGE,
        obj_type=kind,
        obj_id=obj_id,
        patch=patch,
        trace_id="0af7651916cd43dd8448eb211c80319c",
        span_id=f"b7ad6b716920333{seq}",
    )


SOURCES = ("database", "recorded")


def open_source(table: Table, name: str, events: list[Event]) -> Client | Source:
    if name == "database":
        table.store(events)
        return table.client
    return RecordedEvents(events)


@pytest.mark.parametrize("name", SOURCES)
def test_what_a_server_answers_they_answer_too(table: Table, name: str) -> None:
    events = [
        replace(change("t1", 1, pennies="5"), body="a penny", service="shop"),
        replace(change("t1", 2), type=EventType.EVENT, name="opened", data=DATA),
        change("t1", 3, cents=6, rate=1),
        change("t1", 4, "Box", size=1),
        change("t1", 5, cents=8),
        change("t2", 5, cents=9),
    ]
    with Reconstructor(open_source(table, name, events)) as made:
        found = made.reconstruct("t1", f"span:{events[2].span_id}", Drawer, include_events=True)
        assert (found.twin.cents, found.rate, found.version) == (6, 1.0, 2)
        assert [each.type for each in found.events] == ["state_change", "event", "state_change"]
        assert (found.events[0].body, found.events[0].service) == ("a penny", "shop")
        assert (found.events[1].name, found.events[1].data) == ("opened", DATA)
        assert found.state_at_event(0) == {"cents": 5}
        changes = made.find_field_changes("t1", "cents", Drawer)
        assert [(each.old, each.new, each.event.span_id[-1]) for each in changes] == [
            (None, 5, "1"),
            (5, 6, "3"),
            (6, 8, "5"),
        ]
        start = made.timeline("t1", Drawer, start=MORNING + 3, end=MORNING + 4)
        assert (len(start), start.state_at(None)) == (1, {"cents": 6, "rate": 1.0})
        both = made.reconstruct_batch(["t2", ("Box", "t1"), "nobody"], MORNING + 4)
        second = both["Box", "t1"]
        assert second is not None
        assert (second.size, both["nobody"]) == (1, None)
        assert both["t2"] is not None
        assert [each.code for each in both["t2"].warnings] == ["before_first_event"]
        compared = made.compare_states("t1", MORNING + 3, MORNING + 5, Drawer)
        assert compared["changed"] == {"cents": {"from": 6, "to": 8}}
        with pytest.raises(ClewError, match="several types have the id 't1': Box, Drawer"):
            made.reconstruct("t1")
        for kind in (None, Drawer):
            with pytest.raises(ClewError, match="nothing is known of an object 'nobody'"):
                made.reconstruct("nobody", obj_type=kind)


@pytest.mark.parametrize("name", SOURCES)
def test_objects_that_belong_together_are_found(table: Table, name: str) -> None:
    trace_id = "1af7651916cd43dd8448eb211c80319c"
    said = [
        change("x1", 1, "Roof", cents=1),
        change("x2", 2, "Roof", above="x1"),
        change("x1", 3, "Roof", cents=2),
    ]
    events = [replace(each, trace_id=trace_id, span_id=f"span-{each.seq}") for each in said]
    second = f"event:{events[1].event_id}"
    registry = Registry("roofs")

    @registry.register
    class Roof(Object):
        cents = Integer()
        above = Reference("Roof")

    with Reconstructor(open_source(table, name, events), registry) as made:
        graph = made.get_graph("x2", second)
        assert [(each.id, each.state) for each in graph.objects] == [
            ("x2", {"above": "x1"}),
            ("x1", {"cents": 1}),
        ]
        touched = made.objects_in_trace(trace_id, 2)
        assert [(each.twin.id, each.twin.version) for each in touched.objects] == [
            ("x1", 1),
            ("x2", 1),
        ]
        # A moment may be the place of an event of any object, or its bare id.
        assert made.reconstruct("x1", events[1].event_id).cents == 1
        assert made.reconstruct("x1", events[1].span_id).cents == 1
        with pytest.raises(ClewError, match="not a time: 'soon'"):
            made.reconstruct("x1", "soon")
        assert made.reconstruct("x1", second).cents == 1
        with pytest.raises(ClewError, match="no event of the object stands at span:none"):
            made.reconstruct("x1", "span:none")
        with pytest.raises(ClewError, match="cannot tell processes") as refused:
            made.processes_in_trace(trace_id)
        assert refused.value.code is ErrorCode.UNSUPPORTED


@pytest.mark.parametrize("name", SOURCES)
def test_asyncio_asks_them_too(table: Table, name: str) -> None:
    source = open_source(table, name, [change("u1", 1, cents=5)])

    async def ask() -> None:
        async with AsyncReconstructor(source) as made:
            assert (await made.reconstruct("u1", strategy="full_replay")).cents == 5
            (only,) = await made.find_field_changes("u1", "cents")
            assert (only.old, only.new) == (None, 5)
            assert await made.compare_states("u1", MORNING, None)

    asyncio.run(ask())


def test_recorded_events_come_with_the_registry_that_describes_them() -> None:
    registry = Registry("shop")
    registry.register(Drawer)
    recorded = RecordedEvents([change("v1", 1, rate=1)], registry.to_schema())
    found = Reconstructor(recorded, Registry("empty")).reconstruct("v1")
    assert (found.cents, found.state) == (7, {"rate": 1.0})
    assert type(found.twin) is not Drawer


def test_a_database_that_fails_says_so(table: Table) -> None:
    client = clickhouse_connect.get_client(dsn=table.dsn, database="default")
    try:
        with pytest.raises(ClewError, match="the database does not answer") as refused:
            Reconstructor(client).reconstruct("t1")
        assert refused.value.code is ErrorCode.UNAVAILABLE
        assert "trilog_events" in (refused.value.hint or "")
    finally:
        client.close()
