"""The twin on the server: state at a moment, replay, scrubbing, lists of many objects."""

from __future__ import annotations

import random
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2

from bench.clew_server import ClewServer
from bench.figures import median_of, single
from bench.processes import cpu_s, wait_until_idle
from clew.base.times import format_time
from clew.store.engine.chdb import ChdbEngine
from clew.store.engine.contract import Snapshot
from clew.twin.events import Event, EventType
from clew.twin.fold import fold
from clew.twin.ingest.judge import NoRegistries
from clew.twin.ingest.record import LogRecord
from clew.twin.ingest.rows import EventRows
from clew.twin.state.folding import fold_events
from clew.twin.state.memory import Memory
from clew.twin.state.selection import Subject
from clew.twin.tables import EVENTS, TABLES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from bench.machine import Session

EVENTS_OF_ONE: Final = 10_000
"""Events of the object whose state is asked for, as the goal has it."""

INSTANTS: Final = 200
"""Positions of a slider, as the goal has it."""

BATCH: Final = 2_000
"""Records of one request of the load."""

INSERTED: Final = 50_000
"""Rows of one insert, as many as the pipeline makes of a busy stream."""

_START: Final = 1_793_491_200_000_000_000
_STEP: Final = 1_000_000
_STATUSES: Final = ("active", "paying", "paid", "packed")
_LISTED_EVENTS: Final = 3


@dataclass(frozen=True, slots=True)
class _Sizes:
    replayed: int
    listed: int
    objects: int
    rounds: int


FULL: Final = _Sizes(replayed=1_000_000, listed=100_000, objects=10, rounds=15)
QUICK: Final = _Sizes(replayed=50_000, listed=2_000, objects=3, rounds=3)


def run(session: Session) -> None:
    """Measure the fold over an engine alone, then what comes of it over REST."""
    sizes = QUICK if session.quick else FULL
    with tempfile.TemporaryDirectory() as scratch:
        engine = ChdbEngine(Path(scratch))
        try:
            engine.create(TABLES)
            _measure_fold(session, sizes, _House(engine))
        finally:
            engine.close()
    # What is sent is of one day for ever, so that its shape is the same in every run.
    kept = ("--retention-logs", "off", "--retention-events", "off")
    with (
        tempfile.TemporaryDirectory() as scratch,
        ClewServer(Path(scratch) / "data", *kept) as server,
    ):
        _measure_rest(session, sizes, server)


# --- the fold -----------------------------------------------------------------------------------


class _House:
    """A store whose events are all in the engine."""

    def __init__(self, engine: ChdbEngine) -> None:
        self.engine = engine
        self._frame = 0

    def snapshot(self) -> Snapshot:
        """Return this moment."""
        return Snapshot(flushed=self._frame, acked=self._frame)

    def store(self, obj_id: str, count: int) -> Subject:
        """Store so many changes of a new object."""
        for start in range(0, count, INSERTED):
            self._frame += 1
            rows = EventRows(NoRegistries())
            for number in range(start, min(count, start + INSERTED)):
                rows.append(_record(obj_id, number), self._frame)
            batch = rows.finish()
            assert batch is not None, "there are rows in every stretch"
            table = pa.Table.from_batches([batch])
            self.engine.insert(EVENTS, table, token=f"frame-{self._frame}")
        return Subject("Cart", obj_id)


def _measure_fold(session: Session, sizes: _Sizes, house: _House) -> None:
    one = house.store("one", EVENTS_OF_ONE)
    # Seeded on purpose: every run asks for the same moments.
    source = random.Random(1)
    moments = [
        _START + _STEP * source.randrange(EVENTS_OF_ONE // 2, EVENTS_OF_ONE)
        for _ in range(sizes.rounds)
    ]
    fold_events(house, one)
    firsts = [partial(fold_events, house, one, each) for each in moments]
    _add_times(session, "twin.state.first", firsts)
    memory = Memory(house, time.time_ns)
    try:
        for _ in range(2):
            fold_events(memory.store, one)
        again = [partial(fold_events, memory.store, one, each) for each in moments]
        _add_times(session, "twin.state.again", again)
        whole = house.store("whole", sizes.replayed)
        _add_rate(session, "twin.replay.engine", sizes.replayed, lambda: fold_events(house, whole))
        fold_events(memory.store, whole)
        memory.settle()
        ends = [
            _START + _STEP * source.randrange(sizes.replayed // 2, sizes.replayed)
            for _ in range(sizes.rounds)
        ]
        jumps = [partial(fold_events, memory.store, whole, each) for each in ends]
        _add_times(session, "twin.state.of_replayed", jumps)
    finally:
        memory.close()
    events = [_event(number) for number in range(sizes.replayed // 10)]
    _add_rate(session, "twin.replay.definition", len(events), lambda: fold(events))


def _add_times(session: Session, name: str, rounds: Sequence[Callable[[], object]]) -> None:
    walls, cpus = [], []
    for ask in rounds:
        wall, cpu = time.perf_counter(), time.process_time()
        ask()
        cpus.append(1e3 * (time.process_time() - cpu))
        walls.append(1e3 * (time.perf_counter() - wall))
    session.add(f"{name}_ms", median_of(walls, "ms"))
    session.add(f"{name}_cpu_ms", median_of(cpus, "ms"))


def _add_rate(session: Session, name: str, events: int, replay: Callable[[], object]) -> None:
    rates = []
    for _ in range(3):
        cpu = time.process_time()
        replay()
        rates.append(events / (time.process_time() - cpu))
    session.add(f"{name}.events_per_cpu_s", median_of(rates, "1/CPU-s"))


def _fields(number: int) -> dict[str, Any]:
    return {
        "item_count": number,
        "total_value": number * 1.5,
        "status": _STATUSES[number % len(_STATUSES)],
    }


def _id_of(obj_id: str, number: int) -> str:
    """Return an id as long as those that writers give."""
    return f"0198f3c2-7abc-7def-8{sum(obj_id.encode()) % 4096:03x}-{number:012x}"


def _record(obj_id: str, number: int) -> LogRecord:
    fields = _fields(number)
    return LogRecord(
        at=_START + _STEP * number,
        observed=0,
        received=_START,
        severity=9,
        body="State change: item_count, total_value, status",
        trace_id="",
        span_id="",
        service="shop",
        texts={
            "trilog.obj.id": obj_id,
            "trilog.obj.type": "Cart",
            "trilog.event.id": _id_of(obj_id, number),
            "trilog.event.seq": str(number),
            "trilog.event.type": "state_change",
            "cart.item_count": "",
            "cart.total_value": "",
            "cart.status": fields["status"],
        },
        literals={
            "cart.item_count": str(fields["item_count"]),
            "cart.total_value": str(fields["total_value"]),
        },
    )


def _event(number: int) -> Event:
    return Event(
        at=_START + _STEP * number,
        seq=number,
        event_id=_id_of("plain", number),
        type=EventType.STATE_CHANGE,
        obj_type="Cart",
        obj_id="plain",
        patch=_fields(number),
    )


# --- over REST ----------------------------------------------------------------------------------


def _measure_rest(session: Session, sizes: _Sizes, server: ClewServer) -> None:
    names = [f"scrubbed-{n}" for n in range(sizes.objects)]
    told = [(name, number) for name in names for number in range(EVENTS_OF_ONE)]
    listed = [
        (f"listed-{n}", number) for number in range(_LISTED_EVENTS) for n in range(sizes.listed)
    ]
    before = cpu_s(server.pid)
    _send(server, [*told, *listed])
    server.sql("SELECT count() AS n FROM trilog_events")
    wait_until_idle(server.pid, timeout_s=120)
    events = len(told) + len(listed)
    cpu_us = (cpu_s(server.pid) - before) / events * 1e6
    note = "as a log record and as an event, merges included"
    session.add("twin.ingest.cpu_us", single(cpu_us, "µs", note=note))
    _scrub(session, server, names)
    _list(session, server, sizes)


def _scrub(session: Session, server: ClewServer, names: Iterable[str]) -> None:
    """Ask for the states of objects as a slider does: one by one, then all in one question."""
    moments = [format_time(_START + _STEP * EVENTS_OF_ONE * n // INSTANTS) for n in range(INSTANTS)]
    firsts, singles, batches, cpus = [], [], [], []
    for name in names:
        path = f"/api/v1/objects/Cart/{name}"
        firsts.append(1e3 * _ask(server, path))
        before = cpu_s(server.pid)
        singles.append(sum(_ask(server, path, at=moment) for moment in moments))
        cpus.append(1e3 * (cpu_s(server.pid) - before) / INSTANTS)
        batches.append(_ask(server, f"{path}/states", at=moments))
    session.add("twin.rest.first_ms", median_of(firsts, "ms"))
    session.add("twin.rest.scrub_s", median_of(singles, "s", note=f"{INSTANTS} questions"))
    session.add("twin.rest.scrub_cpu_ms", median_of(cpus, "ms", note="of each question"))
    session.add("twin.rest.scrub_batch_s", median_of(batches, "s", note="one question"))


def _list(session: Session, server: ClewServer, sizes: _Sizes) -> None:
    """Ask for a page of many objects, then for all of them."""
    pages = [1e3 * _ask(server, "/api/v1/objects", limit=100) for _ in range(sizes.rounds)]
    session.add("twin.rest.list_page_ms", median_of(pages, "ms", note="100 objects"))
    before, begin = cpu_s(server.pid), time.perf_counter()
    count, following = 0, None
    while True:
        asked = {"limit": 10_000} | ({"next": following} if following else {})
        answer = server.http.get("/api/v1/objects", params=asked).raise_for_status().json()
        count += answer["count"]
        following = answer.get("next")
        if following is None:
            break
    if count != sizes.listed + sizes.objects:
        raise RuntimeError(f"{count} objects were listed of {sizes.listed + sizes.objects}")
    cpu = cpu_s(server.pid) - before
    session.add("twin.rest.list_all_s", single(time.perf_counter() - begin, "s"))
    session.add("twin.rest.list_cpu_us", single(1e6 * cpu / count, "µs", note="of each object"))


def _ask(server: ClewServer, path: str, **parameters: Any) -> float:
    """Ask, and return how many seconds the answer took."""
    begin = time.perf_counter()
    server.http.get(path, params=parameters).raise_for_status()
    return time.perf_counter() - begin


def _send(server: ClewServer, told: Sequence[tuple[str, int]]) -> None:
    url = f"http://{server.doors['otlp_http']}/v1/logs"
    for start in range(0, len(told), BATCH):
        answer = server.http.post(
            url,
            content=_request(told[start : start + BATCH]),
            headers={"content-type": "application/x-protobuf"},
        )
        answer.raise_for_status()
        if answer.content:
            raise RuntimeError("the server refused some of the events")


def _request(told: Iterable[tuple[str, int]]) -> bytes:
    request = logs_service_pb2.ExportLogsServiceRequest()
    logs = request.resource_logs.add()
    service = logs.resource.attributes.add(key="service.name")
    service.value.string_value = "shop"
    records = logs.scope_logs.add().log_records
    for obj_id, number in told:
        fields = _fields(number)
        record = records.add(time_unix_nano=_START + _STEP * number)
        record.body.string_value = "State change: item_count, total_value, status"
        for key, value in (
            ("trilog.obj.id", obj_id),
            ("trilog.obj.type", "Cart"),
            ("trilog.event.id", f"{obj_id}-{number:012x}"),
            ("trilog.event.type", "state_change"),
            ("cart.status", fields["status"]),
        ):
            record.attributes.add(key=key).value.string_value = value
        record.attributes.add(key="trilog.event.seq").value.int_value = number
        record.attributes.add(key="cart.item_count").value.int_value = fields["item_count"]
        record.attributes.add(key="cart.total_value").value.double_value = fields["total_value"]
    body: bytes = request.SerializeToString()
    return body
