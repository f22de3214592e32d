"""Patterns of log records: exact counts, whatever is hot, and an honest bound."""

from __future__ import annotations

import random
import uuid
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import format_time
from clew.store.engine.chdb import ChdbEngine
from clew.telemetry.analytics import parameters as ask
from clew.telemetry.analytics import patterns
from clew.telemetry.analytics.patterns import list_patterns
from clew.telemetry.otlp.signal import Signal
from clew.telemetry.tables import TABLES
from tests.conformance.query_requests import NOW, SECOND, log, logs_request
from tests.conformance.query_store import HeldStore

CHANCE = random.Random(1)
NAMES = ["alice", "bob", "carol", "dave", "erin", "frank", "grace"]

KINDS: dict[str, tuple[int, Any]] = {
    "user <*> logged in from <*>": (
        9,
        lambda: f"user {CHANCE.choice(NAMES)} logged in from 10.0.{CHANCE.randrange(9)}.7:443",
    ),
    "order <*> shipped": (9, lambda: f"order {uuid.UUID(int=CHANCE.getrandbits(128))} shipped"),
    "payment of <*> EUR declined": (17, lambda: f"payment of {CHANCE.random():.2f} EUR declined"),
    "cannot open <*>: no such file": (
        13,
        lambda: f'cannot open "/tmp/{CHANCE.random()}": no such file',
    ),
    '{"event":"retry","attempt":<*>}': (
        0,
        lambda: f'{{"event":"retry","attempt":{CHANCE.randrange(99)}}}',
    ),
    "trace <*> at <*> is late": (
        5,
        lambda: f"trace {CHANCE.getrandbits(128):032x} at 0x{CHANCE.getrandbits(32):x} is late",
    ),
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HeldStore]:
    engine = ChdbEngine(tmp_path_factory.mktemp("patterns"))
    engine.create(TABLES)
    yield HeldStore(engine, received=NOW)
    engine.close()


def send(store: HeldStore, service: str, count: int, place: str) -> Counter[str]:
    counted: Counter[str] = Counter()
    records = []
    for number in range(count):
        kind = CHANCE.choices(list(KINDS), weights=range(1, len(KINDS) + 1))[0]
        severity, make = KINDS[kind]
        counted[kind] += 1
        records.append(log(make(), at=NOW - (number + 1) * SECOND, severity_number=severity))
    store.add(Signal.LOGS, logs_request(records[: count // 2], service))
    if place == "mixed":
        store.flush()
    store.add(Signal.LOGS, logs_request(records[count // 2 :], service))
    if place == "flushed":
        store.flush()
    return counted


@pytest.mark.parametrize("place", ["hot", "flushed", "mixed"])
def test_every_record_is_counted_in_its_pattern(store: HeldStore, place: str) -> None:
    counted = send(store, f"counted-{place}", 600, place)
    found = list_patterns(store, ask.PatternQuery(service=f"counted-{place}"), NOW)
    assert {each.pattern: each.count for each in found.patterns} == counted
    assert [each.count for each in found.patterns] == sorted(counted.values(), reverse=True)
    assert (found.log_records, found.log_records_grouped, found.truncated) == (600, 600, False)
    assert sum(each.share for each in found.patterns) == pytest.approx(1)
    for each in found.patterns:
        severity = {0: "unset", 5: "debug", 9: "info", 13: "warn", 17: "error"}
        assert each.severity == severity[KINDS[each.pattern][0]]
        assert each.services == {f"counted-{place}": each.count}
        assert format_time(NOW - 600 * SECOND) <= each.first_seen <= each.example.timestamp
        assert each.example.timestamp <= each.last_seen <= format_time(NOW - SECOND)
        assert each.example.body.split()[0] == each.pattern.split()[0] or "{" in each.pattern


def test_numbers_past_the_last_class_are_unset(store: HeldStore) -> None:
    numbers = (24, 25, 255)
    store.add(
        Signal.LOGS,
        logs_request(
            [log("beyond", severity_number=each, severity_text="ERROR") for each in numbers],
            "beyond",
        ),
    )
    for _ in ("hot", "stored"):
        [found] = list_patterns(store, ask.PatternQuery(service="beyond"), NOW + SECOND).patterns
        assert found.severities == {"unset": 2, "fatal": 1}
        severe = ask.PatternQuery(service="beyond", min_severity="error")
        assert list_patterns(store, severe, NOW + SECOND).log_records == 1
        store.flush()


def test_filters_and_pages(store: HeldStore) -> None:
    counted = send(store, "paged", 300, "hot")
    severe = list_patterns(store, ask.PatternQuery(service="paged", min_severity="warn"), NOW)
    expected = {kind for kind, (severity, _) in KINDS.items() if severity >= 13}
    assert {each.pattern for each in severe.patterns} == expected
    by_body = list_patterns(store, ask.PatternQuery(service="paged", q="body ~= shipped"), NOW)
    assert [each.pattern for each in by_body.patterns] == ["order <*> shipped"]
    seen: list[str] = []
    cursor = None
    while True:
        page = list_patterns(
            store, ask.PatternQuery(service="paged", limit=4, next=cursor), NOW + 5 * SECOND
        )
        assert page.count == len(page.patterns) <= 4
        assert page.total == len(counted)
        seen += [each.pattern for each in page.patterns]
        cursor = page.next
        if cursor is None:
            break
    assert seen == [kind for kind, _ in sorted(counted.items(), key=lambda one: (-one[1], one[0]))]


def test_a_bound_is_said_with_what_it_covers(
    store: HeldStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = send(store, "bounded", 400, "hot")
    monkeypatch.setattr(patterns, "TEXTS_MAX", 3)
    found = list_patterns(store, ask.PatternQuery(service="bounded"), NOW)
    assert found.truncated
    assert found.log_records == 400
    assert found.log_records_grouped == sum(each.count for each in found.patterns) < 400
    assert {each.pattern for each in found.patterns} < {*counted, *_users()}


def _users() -> set[str]:
    return {f"user {name} logged in from <*>" for name in NAMES}


def test_long_bodies_and_hostile_ones_are_texts(store: HeldStore) -> None:
    bodies = ["ü" * 2000, "a\x1b[2Jb", "'; DROP TABLE otel_logs; --", "{unclosed", "<*> <*>"]
    store.add(Signal.LOGS, logs_request([log(body, at=NOW - SECOND) for body in bodies], "odd"))
    found = list_patterns(store, ask.PatternQuery(service="odd"), NOW)
    assert found.log_records_grouped == len(bodies)
    assert max(len(each.example.body) for each in found.patterns) == patterns.BODY_CHARS_MAX


def test_nothing_is_an_answer_and_nonsense_is_not(store: HeldStore) -> None:
    empty = list_patterns(store, ask.PatternQuery(service="nobody"), NOW)
    assert (empty.patterns, empty.total, empty.truncated) == ([], 0, False)
    for more in ({"limit": 0}, {"q": "body ~"}, {"next": "no"}, {"last": "-1h"}):
        with pytest.raises(ClewError) as caught:
            list_patterns(store, ask.PatternQuery(**more), NOW)
        assert caught.value.code is ErrorCode.INVALID_ARGUMENT
