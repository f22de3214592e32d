"""A time bar's counts against counting by hand, over rows in the engine and rows not yet there."""

from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import NS_PER_MS, parse_time
from clew.store.engine.chdb import ChdbEngine
from clew.telemetry.analytics.parameters import DensityQuery
from clew.telemetry.analytics.service import TelemetryAnalytics
from clew.telemetry.genai.prices import PriceBook
from clew.telemetry.genai.service import TelemetryGenAi
from clew.telemetry.otlp.signal import Signal
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
    from collections.abc import Iterator, Sequence

FAILED = Status(code=Status.STATUS_CODE_ERROR)
CHANCE = random.Random(20261121)
# The last ones lie ahead of the clock, as those of a machine that is fast do.
SPAN_TIMES = [NOW - CHANCE.randrange(7000 * SECOND) for _ in range(400)] + [NOW + 9 * SECOND]
LOG_TIMES = [NOW - CHANCE.randrange(7000 * SECOND) for _ in range(300)] + [NOW + 3 * SECOND]


@pytest.fixture(scope="module")
def analytics(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TelemetryAnalytics]:
    """Every fifth span failed; half of everything is stored; odd ones are of the service odd."""
    engine = ChdbEngine(tmp_path_factory.mktemp("density"))
    engine.create(TABLES)
    store = HeldStore(engine, received=NOW)
    for part in range(4):
        for parity, service in enumerate(("even", "odd")):
            spans = [
                span(i + 1, at=at, **({} if i % 5 else {"status": FAILED}))
                for i, at in enumerate(SPAN_TIMES)
                if i % 4 == part and i % 2 == parity
            ]
            records = [
                log("said", at=at)
                for i, at in enumerate(LOG_TIMES)
                if i % 4 == part and i % 2 == parity
            ]
            store.add(Signal.TRACES, traces_request(spans, service))
            store.add(Signal.LOGS, logs_request(records, service))
        if part == 1:
            store.flush()
    genai = TelemetryGenAi(store, lambda: NOW, PriceBook())
    yield TelemetryAnalytics(store, lambda: NOW, genai)
    engine.close()


def count_by_hand(times: Sequence[int], start: int, step: int, count: int) -> list[int]:
    found = Counter(min((at - start) // step, count - 1) for at in times if at >= start)
    return [found[bucket] for bucket in range(count)]


@pytest.mark.parametrize(("last", "buckets"), [("1h", 120), ("2h", 7), ("37s", 2000), ("90m", 1)])
def test_every_record_is_counted_once_in_the_bucket_of_its_time(
    analytics: TelemetryAnalytics, last: str, buckets: int
) -> None:
    density = analytics.count_over_time(DensityQuery(last=last, buckets=buckets))
    start, step = parse_time(density.start, now=NOW), density.bucket_ms * NS_PER_MS
    assert len(density.spans) == len(density.errors) == len(density.logs) == density.count
    assert density.count <= buckets
    assert start + step * density.count >= NOW
    failed = [at for i, at in enumerate(SPAN_TIMES) if i % 5 == 0]
    assert density.spans == count_by_hand(SPAN_TIMES, start, step, density.count)
    assert density.errors == count_by_hand(failed, start, step, density.count)
    assert density.logs == count_by_hand(LOG_TIMES, start, step, density.count)


def test_one_service_is_counted_alone(analytics: TelemetryAnalytics) -> None:
    density = analytics.count_over_time(DensityQuery(last="2h", service="odd"))
    assert sum(density.spans) == len(SPAN_TIMES[1::2])
    assert sum(density.logs) == len(LOG_TIMES[1::2])


@pytest.mark.parametrize("buckets", [0, -1, 2001])
def test_a_number_of_buckets_that_is_none_is_refused(
    analytics: TelemetryAnalytics, buckets: int
) -> None:
    with pytest.raises(ClewError) as caught:
        analytics.count_over_time(DensityQuery(buckets=buckets))
    assert caught.value.code is ErrorCode.INVALID_ARGUMENT
