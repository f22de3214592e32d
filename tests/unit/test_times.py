"""The one grammar of times: what it reads, what it refuses, and that no nanosecond is lost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import (
    NS_PER_MS,
    NS_PER_S,
    NS_PER_US,
    TIME_NS_MAX,
    TimeRange,
    format_time,
    parse_duration_ns,
    parse_range,
    parse_time,
)

NOW = 1_795_230_000_123_456_789
MINUTE = 60 * NS_PER_S
HOUR = 60 * MINUTE


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", NOW),
        ("15m", NOW - 15 * MINUTE),
        ("2h", NOW - 2 * HOUR),
        ("7d", NOW - 7 * 24 * HOUR),
        ("1w", NOW - 7 * 24 * HOUR),
        ("30s", NOW - 30 * NS_PER_S),
        ("500ms", NOW - 500 * NS_PER_MS),
        ("250us", NOW - 250 * NS_PER_US),
        ("250µs", NOW - 250 * NS_PER_US),
        ("1ns", NOW - 1),
        ("1h30m", NOW - 90 * MINUTE),
        ("1.5h", NOW - 90 * MINUTE),
        (" 15m ", NOW - 15 * MINUTE),
        ("2026-11-21T03:00:00Z", 1_795_230_000 * NS_PER_S),
        ("2026-11-21t03:00:00z", 1_795_230_000 * NS_PER_S),
        ("2026-11-21 03:00:00Z", 1_795_230_000 * NS_PER_S),
        ("2026-11-21T05:30:00+02:30", 1_795_230_000 * NS_PER_S),
        ("2026-11-20T22:00:00-05:00", 1_795_230_000 * NS_PER_S),
        ("2026-11-21T03:00:00.123456789Z", NOW),
        ("2026-11-21T03:00:00.5Z", 1_795_230_000 * NS_PER_S + 500 * NS_PER_MS),
        ("2016-12-31T23:59:60Z", 1_483_228_800 * NS_PER_S),
        ("1795230000", 1_795_230_000 * NS_PER_S),
        ("1795230000.123456789", NOW),
        ("1795230000123", 1_795_230_000 * NS_PER_S + 123 * NS_PER_MS),
        ("1795230000123.4", 1_795_230_000 * NS_PER_S + 123_400 * NS_PER_US),
        ("1795230000123456", 1_795_230_000 * NS_PER_S + 123_456 * NS_PER_US),
        ("1795230000123456789", NOW),
        ("15", 15 * NS_PER_S),
        ("0", 0),
        (str(TIME_NS_MAX), TIME_NS_MAX),
    ],
)
def test_a_text_of_the_grammar_names_one_moment(text: str, expected: int) -> None:
    assert parse_time(text, now=NOW) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "yesterday",
        "15 m",
        "-15m",
        "15x",
        "m",
        "1.m",
        "2026-11-21",
        "2026-11-21T03:00:00",
        "2026-11-21T03:00Z",
        "2026-13-01T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "2026-11-21T24:00:00Z",
        "2026-11-21T03:00:61Z",
        "2026-11-21T03:00:00.1234567890Z",
        "2026-11-21T03:00:00+24:00",
        "2026-11-21T03:00:00+01:60",
        "1969-12-31T23:59:59Z",
        "2263-01-01T00:00:00Z",
        "9223372036854775808",
        "9999w",
        "1795230000.1234567890",
        "1e9",
        "0x10",
        "inf",
        "nan",
        "1_000",
        "١٢٣٤٥٦٧٨٩٠",
        "1" * 100_000,
    ],
)
def test_what_names_no_moment_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ClewError) as caught:
        parse_time(text, now=NOW)
    assert caught.value.code is ErrorCode.INVALID_ARGUMENT
    assert caught.value.hint
    assert len(caught.value.message) < 200


def test_a_plus_that_a_url_lost_is_named_in_the_hint() -> None:
    with pytest.raises(ClewError) as caught:
        parse_time("2026-11-21T03:00:00 02:00", now=NOW)
    assert "%2B" in str(caught.value.hint)


@given(st.integers(0, TIME_NS_MAX))
def test_a_formatted_time_reads_back_to_the_nanosecond(at: int) -> None:
    text = format_time(at)
    assert len(text) == len("2026-11-21T03:00:00.000000000Z")
    assert parse_time(text, now=0) == at


LOCAL_TIMES = st.datetimes(
    datetime.fromisoformat("1970-01-02"), datetime.fromisoformat("2262-04-10")
)


@given(LOCAL_TIMES, st.integers(-23 * 60, 23 * 60))
def test_an_offset_means_what_the_standard_library_says(local: datetime, minutes: int) -> None:
    sign = "-" if minutes < 0 else "+"
    hours, rest = divmod(abs(minutes), 60)
    text = f"{local.isoformat(timespec='microseconds')}{sign}{hours:02d}:{rest:02d}"
    moment = local.replace(tzinfo=UTC) - timedelta(minutes=minutes)
    micros = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    if micros >= 0:
        assert parse_time(text, now=0) == micros * NS_PER_US


@given(st.integers(10**17 // NS_PER_S, TIME_NS_MAX // NS_PER_S))
def test_seconds_milliseconds_microseconds_and_nanoseconds_agree(seconds: int) -> None:
    expected = seconds * NS_PER_S
    for digits in (0, 3, 6, 9):
        assert parse_time(str(seconds * 10**digits), now=0) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("500ms", 500 * NS_PER_MS),
        ("1.5s", 1_500 * NS_PER_MS),
        ("1h30m", 90 * MINUTE),
        ("0.1ns", 0),
        ("0s", 0),
    ],
)
def test_a_duration_is_exact(text: str, expected: int) -> None:
    assert parse_duration_ns(text) == expected


@pytest.mark.parametrize("text", ["", "5", "-5s", "5y", "s", "1e3s", "999999999999w", "now"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ClewError) as caught:
        parse_duration_ns(text)
    assert caught.value.code is ErrorCode.INVALID_ARGUMENT


def test_a_bare_number_is_a_duration_only_where_a_unit_is_given_for_it() -> None:
    assert parse_duration_ns("90", bare=NS_PER_S) == 90 * NS_PER_S
    assert parse_duration_ns("0.5", bare=NS_PER_MS) == NS_PER_MS // 2


def test_last_counts_back_from_now_and_leaves_the_end_open() -> None:
    assert parse_range(last="15m", start=None, end=None, now=NOW) == TimeRange(NOW - 15 * MINUTE)
    assert parse_range(last="90", start=None, end=None, now=NOW) == TimeRange(NOW - 90 * NS_PER_S)
    assert parse_range(last="9999w", start=None, end=None, now=NOW) == TimeRange(0)


def test_no_parameter_means_all_time() -> None:
    everything = parse_range(last=None, start=None, end=None, now=NOW)
    assert everything.is_open
    assert everything.contains(0)
    assert everything.contains(TIME_NS_MAX)


def test_a_range_holds_its_start_and_not_its_end() -> None:
    hour = parse_range(last=None, start="2h", end="1h", now=NOW)
    assert hour == TimeRange(NOW - 2 * HOUR, NOW - HOUR)
    assert hour.contains(NOW - 2 * HOUR)
    assert not hour.contains(NOW - HOUR)
    assert not hour.is_open


@pytest.mark.parametrize(
    ("last", "start", "end"),
    [("1h", "2h", None), ("1h", None, "now"), (None, "now", "1h"), (None, "1h", "1h")],
)
def test_a_range_that_contradicts_itself_is_refused(
    last: str | None, start: str | None, end: str | None
) -> None:
    with pytest.raises(ClewError) as caught:
        parse_range(last=last, start=start, end=end, now=NOW)
    assert caught.value.code is ErrorCode.INVALID_ARGUMENT
    assert caught.value.hint
