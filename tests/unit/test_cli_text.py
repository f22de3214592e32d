"""Text on a terminal: nothing stored can act on it, and figures keep their size."""

from __future__ import annotations

import json
import unicodedata
from datetime import timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.surfaces.cli.text import (
    Clock,
    cut,
    escape,
    escape_json,
    escape_lines,
    pad,
    show_bytes,
    show_count,
    show_duration,
    show_number,
    show_percent,
    show_time,
    sparkline,
    width_of,
)

ANYTHING = st.text(st.characters(), max_size=40)


@given(ANYTHING)
def test_escaped_text_holds_nothing_that_a_terminal_acts_on(text: str) -> None:
    shown = escape(text)
    unseen = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert not [each for each in shown if unicodedata.category(each) in unseen - {"Cf"}]
    assert not [
        each for each in shown if unicodedata.category(each) == "Cf" and each not in "\u200c\u200d"
    ]


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[2J\x1b]0;owned\x07", "\\x1b[2J\\x1b]0;owned\\x07"),
        ("a\nb\tc\r", "a\\nb\\tc\\r"),
        ("\x9b31m", "\\x9b31m"),
        ("user\u202egnp.exe", "user\\u202egnp.exe"),
        ("tag\U000e0041", "tag\\U000e0041"),
        ("naïve 日本 👩\u200d🚀", "naïve 日本 👩\u200d🚀"),
    ],
)
def test_an_attack_is_shown_and_a_name_stays_as_it_is(hostile: str, shown: str) -> None:
    assert escape(hostile) == shown


@given(ANYTHING)
def test_a_document_made_safe_for_a_terminal_means_the_same(text: str) -> None:
    document = json.dumps({"key": text}, ensure_ascii=False)
    safe = escape_json(document)
    assert json.loads(safe) == json.loads(document)
    assert not [each for each in safe if unicodedata.category(each) == "Cc"]


def test_lines_of_a_stack_trace_stay_lines() -> None:
    assert escape_lines("one\r\n\ttwo\x1b[0m") == ["one", "    two\\x1b[0m"]


@given(ANYTHING.map(escape), st.integers(1, 30))
def test_padded_text_takes_exactly_its_cells(text: str, width: int) -> None:
    assert width_of(pad(text, width)) == width
    assert width_of(pad(text, width, right=True)) == width


@given(ANYTHING.map(escape), st.integers(0, 30))
def test_cut_text_fits_and_says_that_it_was_cut(text: str, width: int) -> None:
    shown = cut(text, width)
    assert width_of(shown) <= width
    assert shown == text or not shown or shown.endswith("…")


@pytest.mark.parametrize(
    ("milliseconds", "shown"),
    [
        (None, "-"),
        (0.0, "0 ns"),
        (0.000412, "412 ns"),
        (0.0421, "42.1 µs"),
        (1.2345, "1.23 ms"),
        (45.67, "45.7 ms"),
        (999.4, "999 ms"),
        (999.96, "1.00 s"),
        (4500.0, "4.50 s"),
        (59_960.0, "1m 00s"),
        (83_000.0, "1m 23s"),
        (7_500_000.0, "2h 05m"),
        (300_000_000.0, "3d 11h"),
        (-1.5, "-1.50 ms"),
    ],
)
def test_a_duration_is_shown_in_the_unit_a_person_would_choose(
    milliseconds: float | None, shown: str
) -> None:
    assert show_duration(milliseconds) == shown


def test_numbers_keep_their_size() -> None:
    assert show_count(9999) == "9999"
    assert show_count(1_234_567) == "1,234,567"
    assert show_number(0.25) == "0.25"
    assert show_number(3.0) == "3"
    assert show_number(12345.678) == "12,345.7"
    assert show_number(1e-9) == "1.000e-09"
    assert show_number(float("nan")) == "nan"
    assert show_bytes(512) == "512 B"
    assert show_bytes(5 * 1024**3) == "5.0 GiB"
    assert show_percent(0.0) == "0 %"
    assert show_percent(0.0001) == "<0.1 %"
    assert show_percent(0.125) == "12.5 %"


def test_times_of_one_day_leave_the_day_to_the_legend() -> None:
    zone = timezone(timedelta(hours=2))
    clock = Clock(["2026-11-21T03:00:00.123456789Z", "2026-11-21T04:00:00.000000000Z"], zone)
    assert clock.show("2026-11-21T03:00:00.123456789Z") == "05:00:00.123"
    assert clock.show("2026-11-21T03:00:00.123456789Z", digits=0) == "05:00:00"
    assert clock.legend() == "times of 2026-11-21, UTC+02:00"


def test_times_of_two_days_carry_them() -> None:
    zone = timezone(timedelta(hours=2))
    clock = Clock(["2026-11-21T21:59:59.000000000Z", "2026-11-21T22:00:00.000000000Z"], zone)
    assert clock.show("2026-11-21T22:00:00.000000000Z") == "11-22 00:00:00.000"
    assert clock.legend() == "times of 2026, UTC+02:00"


def test_a_time_alone_names_its_zone() -> None:
    zone = timezone(timedelta(hours=-3, minutes=-30))
    assert show_time("2026-11-21T03:00:00.5Z", zone) == "2026-11-20 23:30:00.500 UTC-03:30"


def test_a_sparkline_has_a_character_per_value_and_gaps_where_there_is_none() -> None:
    assert sparkline([0.0, 5.0, 10.0]) == "▁▅█"
    assert sparkline([1.0, None, 2.0]) == "▁ █"
    assert sparkline([None, None]) == "  "
    assert sparkline([7.0, 7.0]) == "▄▄"
    assert sparkline([0.0, 0.0]) == "▁▁"
    assert len(sparkline([float(n) for n in range(100)], 20)) == 20
