"""What a name may have meant, and whether it names anything at all: hot rows and stored ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clew.store.engine.chdb import ChdbEngine
from clew.telemetry.otlp.signal import Signal
from clew.telemetry.query import names
from clew.telemetry.tables import TABLES
from clew.testing.requests import metrics_request
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

SPAN_KEYS = ("http.route", "size", "event.key", "link.key", "region", "service.name", "s")


@pytest.fixture(scope="module", params=["hot", "flushed"])
def store(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[HeldStore]:
    """One service for each signal, and a key for each place an attribute can be in."""
    engine = ChdbEngine(tmp_path_factory.mktemp("names"))
    engine.create(TABLES)
    held = HeldStore(engine, received=NOW)
    spans = [
        span(
            1,
            attributes={"http.route": "/cart", "size": 1},
            name="load cart",
            events=[{"name": "retry", "attributes": entries({"event.key": "x"})}],
            links=[
                {
                    "trace_id": b"\1" * 16,
                    "span_id": b"\1" * 8,
                    "attributes": entries({"link.key": "x"}),
                }
            ],
        )
    ]
    held.add(Signal.TRACES, traces_request(spans, "shop", {"region": "eu"}))
    held.add(Signal.LOGS, logs_request([log("sold", attributes={"log.key": "x"})], "bank"))
    points = metrics_request("meter", "level", [1.0], time_ns=NOW - SECOND)
    point = points.resource_metrics[0].scope_metrics[0].metrics[0].gauge.data_points[0]
    point.attributes.extend(entries({"point.key": "x"}))
    held.add(Signal.METRICS, points)
    if request.param == "flushed":
        held.flush()
    yield held
    engine.close()


@pytest.mark.parametrize("service", ["shop", "bank", "meter"])
def test_a_service_of_any_signal_is_known(store: HeldStore, service: str) -> None:
    assert names.suggest_services(store, service).known
    misspelt = names.suggest_services(store, service[:-1] + "x")
    assert not misspelt.known
    assert misspelt.suggestions == [service]


def test_an_operation_is_known_by_its_whole_name_alone(store: HeldStore) -> None:
    assert names.suggest_operations(store, "load cart").known
    for near in ("load crat", "cart", "Load Cart"):
        found = names.suggest_operations(store, near)
        assert (found.known, found.suggestions) == (False, ["load cart"])


@pytest.mark.parametrize("key", [*SPAN_KEYS, "log.key", "point.key"])
def test_an_attribute_in_any_place_of_any_signal_is_known(store: HeldStore, key: str) -> None:
    assert names.suggest_attributes(store, key).known
    if len(key) > 3:
        misspelt = names.suggest_attributes(store, key + "x")
        assert not misspelt.known
        assert key in misspelt.suggestions


def test_nothing_is_suggested_for_what_is_known(store: HeldStore) -> None:
    assert names.suggest_attributes(store, "link.key").suggestions == []


@pytest.mark.parametrize("text", ["", "%", "'", "zebra", "a\\b"])
def test_what_is_like_nothing_is_unknown_and_suggests_nothing(store: HeldStore, text: str) -> None:
    for suggest in (names.suggest_services, names.suggest_operations, names.suggest_attributes):
        found = suggest(store, text)
        assert (found.known, found.suggestions) == (False, [])
