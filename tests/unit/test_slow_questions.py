"""Slow questions are kept in bounded memory, the newest and the slowest, and without secrets."""

from __future__ import annotations

from clew.surfaces.health.questions import (
    ASKED_CHARS_MAX,
    NEWEST_MAX,
    SLOWEST_MAX,
    SPANS_MAX,
    AskedQuestion,
    SlowQuestions,
    describe_request,
    hide_secrets,
)


def question(number: int, duration_ns: int = 1, status: int = 200) -> AskedQuestion:
    return AskedQuestion(number, "GET", "/api/v1/traces", "", "local", duration_ns, status)


def test_secrets_in_parameters_are_left_out() -> None:
    assert hide_secrets("ticket=abc&service=shop&API_KEY=x&q=a%3Db") == (
        "ticket=…&service=shop&API_KEY=…&q=a=b"
    )
    assert hide_secrets("") == ""


def test_what_was_asked_names_the_thing_and_is_bounded() -> None:
    scope = {
        "method": "GET",
        "route_path_format": "/api/v1/traces/{trace_id}",
        "path": "/api/v1/traces/4bf9",
        "query_string": b"limit=5",
    }
    asked = describe_request(scope, subject="key:ann", status=200, seconds=0.5)
    assert (asked.asked, asked.duration_ns) == ("/api/v1/traces/4bf9?limit=5", 500_000_000)
    long = describe_request(
        {"query_string": b"q=" + b"x" * 5000}, subject="", status=200, seconds=0
    )
    assert len(long.asked) == ASKED_CHARS_MAX


def test_the_slowest_stay_whatever_comes_after_them() -> None:
    kept = SlowQuestions(threshold_ms=100)
    kept.note(question(0, duration_ns=10**9))
    for number in range(1, 1000):
        kept.note(question(number, duration_ns=number))
    slowest = kept.slowest()
    assert [each.at for each in slowest[:2]] == [0, 999]
    assert len(slowest) == SLOWEST_MAX
    assert [each.at for each in kept.newest()] == list(range(999, 999 - NEWEST_MAX, -1))
    assert kept.seen == 1000


def test_what_is_to_be_recorded_is_taken_once_and_bounded() -> None:
    kept = SlowQuestions(threshold_ms=100)
    for number in range(SPANS_MAX + 3):
        kept.note(question(number))
    assert len(kept.take()) == SPANS_MAX
    assert kept.take() == []
    assert kept.unrecorded == 3


def test_slow_ones_count_and_failures_of_the_server_and_no_mistakes_of_the_asker() -> None:
    kept = SlowQuestions(threshold_ms=100)
    assert kept.is_worth_it(0.1, 200)
    assert kept.is_worth_it(0.0, 503)
    assert kept.is_worth_it(0.0, 429)
    assert not kept.is_worth_it(0.099, 404)
