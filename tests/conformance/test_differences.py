"""Which values set bad spans apart: every count against a plain count in Python."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import format_time
from clew.store.engine.chdb import ChdbEngine
from clew.telemetry.analytics import differences
from clew.telemetry.analytics import parameters as ask
from clew.telemetry.analytics.differences import KEY_VALUES_MAX, diff
from clew.telemetry.otlp.signal import Signal
from clew.telemetry.query.parameters import SpanQuery
from clew.telemetry.query.traces.spans import find_spans
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
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

    from clew.telemetry.analytics import reports as doc

MINUTE = 60 * SECOND
Row = dict[str, Any]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HeldStore]:
    engine = ChdbEngine(tmp_path_factory.mktemp("differences"))
    engine.create(TABLES)
    yield HeldStore(engine, received=NOW)
    engine.close()


def made_up(service: str, seed: int, count: int = 1500) -> list[Row]:
    """Return spans over seven hours as plain values; version 2 in the EU fails, in the last one."""
    chance = random.Random(seed)
    rows = []
    for number in range(count):
        at = NOW - chance.randrange(7 * 60) * MINUTE - 1
        region, version = chance.choice(("eu", "us", "ap")), chance.choice(("1", "2"))
        is_bad = at >= NOW - 60 * MINUTE and (region, version) == ("eu", "2")
        rows.append(
            {
                "number": number + 1,
                "at": at,
                "service": service,
                "operation": chance.choice(("read", "write")),
                "kind": chance.choice((1, 2, 3)),
                "ms": chance.randrange(1, 50),
                "failed": chance.random() < (0.8 if is_bad else 0.05),
                "attributes": {"region": region, "tenant": f"t{chance.randrange(12)}"},
                "resource": {"version": version},
            }
        )
    return rows


def send(store: HeldStore, rows: list[Row]) -> None:
    groups: dict[tuple[str, str], list[Span]] = {}
    for row in rows:
        made = span(
            row["number"],
            trace=row["number"],
            at=row["at"],
            duration=row["ms"] * 10**6,
            name=row["operation"],
            kind=row["kind"],
            attributes=row["attributes"],
            status={"code": 2} if row["failed"] else {},
        )
        groups.setdefault((row["service"], row["resource"]["version"]), []).append(made)
    for number, ((service, version), spans) in enumerate(groups.items()):
        store.add(Signal.TRACES, traces_request(spans, service, {"version": version}))
        if number == 0:
            store.flush()


def entries(row: Row) -> set[tuple[str, str, str]]:
    kinds = {1: "internal", 2: "server", 3: "client"}
    return {
        ("field", "service", row["service"]),
        ("field", "operation", row["operation"]),
        ("field", "kind", kinds[row["kind"]]),
        ("field", "status", "error" if row["failed"] else "unset"),
        *(("span", key, value) for key, value in row["attributes"].items()),
        *(("resource", key, value) for key, value in row["resource"].items()),
    }


def is_current(row: Row) -> bool:
    return bool(row["at"] >= NOW - 60 * MINUTE)


def ask_about(store: HeldStore, service: str, **more: Any) -> doc.DifferenceReport:
    return diff(store, ask.DiffQuery(service=service, limit=1000, **more), NOW)


CASES: list[tuple[dict[str, str], Callable[[Row], bool], Callable[[Row], bool]]] = [
    ({}, lambda row: is_current(row) and row["failed"], is_current),
    (
        {"bad": "duration >= 40ms"},
        lambda row: is_current(row) and row["ms"] >= 40,
        is_current,
    ),
    (
        {"good": "status != error"},
        lambda row: is_current(row) and row["failed"],
        is_current,
    ),
    (
        {"bad": "region = eu", "good": "region = us OR region = eu"},
        lambda row: is_current(row) and row["attributes"]["region"] == "eu",
        lambda row: is_current(row) and row["attributes"]["region"] in {"us", "eu"},
    ),
    ({"against": "baseline"}, is_current, lambda row: not is_current(row)),
    (
        {"against": "baseline", "bad": "status = error", "good": "status = error"},
        lambda row: is_current(row) and row["failed"],
        lambda row: not is_current(row) and row["failed"],
    ),
]


@pytest.mark.parametrize(("case", "is_bad", "is_good"), CASES)
def test_counts_are_those_of_a_plain_count(
    store: HeldStore,
    monkeypatch: pytest.MonkeyPatch,
    case: dict[str, str],
    is_bad: Callable[[Row], bool],
    is_good: Callable[[Row], bool],
) -> None:
    """With the bounds on significance taken away, every value of the bad spans is there."""
    monkeypatch.setattr(differences, "FALSE_SHARE_MAX", 1.0)
    monkeypatch.setattr(differences, "LIFT_MIN", 0.0)
    service = "counted"
    rows = made_up(service, 1)
    if not store.acked:
        send(store, rows)
    report = ask_about(store, service, **case)
    bad = [row for row in rows if is_bad(row)]
    good = [row for row in rows if is_good(row) and not is_bad(row)]
    assert (report.bad.spans, report.good.spans) == (len(bad), len(good))
    bad_counts = Counter(entry for row in bad for entry in entries(row))
    good_counts = Counter(entry for row in good for entry in entries(row))
    found = {
        (each.place, each.key, each.value): (each.bad_count, each.good_count)
        for each in report.values
    }
    assert found
    for entry, counts in found.items():
        assert counts == (bad_counts[entry], good_counts[entry])  # type: ignore[index]
    keys = {key for _, key, _ in found}
    left_out = {entry for entry in bad_counts if entry not in found and bad_counts[entry] >= 3}
    # What defines the sets is not said of them.
    assert not {key for _, key, _ in left_out} & keys
    assert {key for _, key, _ in left_out} <= {"status", "region"}
    shares = [each.bad_share - each.good_share for each in report.values]
    assert shares == sorted(shares, reverse=True)


def test_what_fails_is_named_first_and_chance_is_not(store: HeldStore) -> None:
    rows = made_up("named", 2)
    send(store, rows)
    report = ask_about(store, "named")
    assert report.bad.description == "status = error"
    assert {(each.key, each.value) for each in report.values} == {
        ("region", "eu"),
        ("version", "2"),
    }
    for each in report.values:
        assert each.confidence > 0.99
        assert each.lift is not None
        assert each.lift > 1.2


def test_the_filter_of_a_value_selects_its_spans(store: HeldStore) -> None:
    service = "filtered"
    odd = 'a "quoted" \\ va=lue\n'
    send(
        store,
        [
            {**row, "attributes": {**row["attributes"], 'k"ey': odd}} if row["failed"] else row
            for row in made_up(service, 3, 900)
        ],
    )
    report = ask_about(store, service)
    assert ('k"ey', odd) in {(each.key, each.value) for each in report.values}
    for each in report.values:
        q = f"({each.filter}) AND status = error"
        spans = find_spans(store, SpanQuery(service=service, last="1h", q=q, limit=1000), NOW).spans
        assert len(spans) == each.bad_count


def test_ids_and_texts_are_compared_by_presence(
    store: HeldStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(differences, "KEY_VALUES_MAX", 20)
    assert KEY_VALUES_MAX > 20
    service = "identified"
    rows = made_up(service, 4, 3000)
    for row in rows:
        if row["failed"]:
            row["attributes"] = {
                **row["attributes"],
                "request.id": f"id-{row['number']}",
                "prompt": "long " * 100,
            }
    send(store, rows)
    report = ask_about(store, service)
    assert report.keys_collapsed == ["prompt", "request.id"]
    present = {each.key: each for each in report.values if each.value is None}
    assert set(present) == {"prompt", "request.id"}
    for each in present.values():
        assert (each.bad_share, each.good_count, each.lift) == (1.0, 0, None)


def test_the_slowest_are_bad_where_hardly_any_fail(store: HeldStore) -> None:
    service = "slow"
    rows = made_up(service, 5, 2000)
    for row in rows:
        row["failed"] = False
        row["ms"] = 500 if row["attributes"]["tenant"] == "t3" and row["number"] % 2 else row["ms"]
    send(store, rows)
    report = ask_about(store, service)
    durations = sorted(row["ms"] for row in rows if is_current(row))
    assert report.bad.description.startswith("duration >= ")
    assert report.bad.spans >= len(durations) // 20
    assert (report.values[0].key, report.values[0].value) == ("tenant", "t3")


def test_figures_of_both_windows_stand_side_by_side(store: HeldStore) -> None:
    service = "figures"
    rows = made_up(service, 6, 700)
    send(store, rows)
    records = [
        log("x", at=NOW - n * MINUTE, severity_number=17 if n % 3 else 9) for n in range(1, 120)
    ]
    store.add(Signal.LOGS, logs_request(records, service))
    report = ask_about(store, service)
    here, there = ([row for row in rows if is_current(row) is side] for side in (True, False))
    change = report.metrics.spans_per_second
    assert change.current == pytest.approx(len(here) / 3600)
    assert change.baseline == pytest.approx(len(there) / 6 / 3600)
    assert change.delta == pytest.approx(change.current - change.baseline)
    assert change.ratio == pytest.approx(change.current / change.baseline)
    assert report.metrics.error_rate.current == sum(row["failed"] for row in here) / len(here)
    assert report.metrics.avg_ms.baseline == pytest.approx(
        sum(row["ms"] for row in there) / len(there)
    )
    assert report.metrics.p95_ms.current in {row["ms"] for row in here}
    assert report.totals.current.spans == len(here)
    assert report.totals.baseline.errors == sum(row["failed"] for row in there)
    assert report.totals.current.logs == 60
    assert report.totals.current.log_errors == 40
    assert report.metrics.log_errors_per_second.current == pytest.approx(40 / 3600)


def test_a_bounded_list_says_what_was_left_out(
    store: HeldStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(store, made_up("bounded", 7))
    whole = ask_about(store, "bounded")
    first = diff(store, ask.DiffQuery(service="bounded", limit=1), NOW)
    assert (first.count, first.total, first.truncated) == (1, whole.total, True)
    assert first.values == whole.values[:1]
    monkeypatch.setattr(differences, "VALUES_MAX", 4)
    fewer = ask_about(store, "bounded")
    assert fewer.values_left_out > 0
    assert fewer.truncated


def test_nothing_to_explain_is_said(store: HeldStore) -> None:
    nothing = ask_about(store, "nobody")
    assert nothing.values == []
    assert nothing.note is not None
    assert nothing.metrics.p95_ms.current == 0


def test_bad_questions_are_refused(store: HeldStore) -> None:
    for more in (
        {"bad": "duration >"},
        {"good": "(status = error"},
        {"last": "0s"},
        {"start": format_time(NOW), "end": format_time(NOW - SECOND)},
        {"baseline": "never"},
    ):
        with pytest.raises(ClewError) as caught:
            ask_about(store, "counted", **more)
        assert caught.value.code is ErrorCode.INVALID_ARGUMENT
        assert caught.value.hint
