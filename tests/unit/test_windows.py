"""The window of a question and the one to compare it with: never reversed, never overlapping."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import format_time
from clew.telemetry.analytics.parameters import BaselineParameters
from clew.telemetry.analytics.windows import Window, read_baseline, read_current

SECOND = 10**9
HOUR = 3600 * SECOND
NOW = 1_795_000_000 * SECOND
LATER = NOW + 123_456_789
"""No whole second."""


def windows(now: int = NOW, **given: Any) -> tuple[Window, Window]:
    query = BaselineParameters(**given)
    current = read_current(query, now=now)
    return current, read_baseline(query, current, now=now)


def test_without_a_range_it_is_the_last_hour_and_the_six_before() -> None:
    current, baseline = windows()
    assert (current.start, current.end, current.is_open) == (NOW - HOUR, NOW, True)
    assert (baseline.start, baseline.end, baseline.is_open) == (NOW - 7 * HOUR, NOW - HOUR, False)


def test_a_start_that_is_told_by_a_length_is_a_whole_second() -> None:
    current, baseline = windows(LATER, last="15m")
    assert (current.start, current.end) == (NOW - HOUR // 4, LATER)
    assert (baseline.start % SECOND, baseline.end) == (0, current.start)
    exact, _ = windows(LATER, start=format_time(LATER - 5))
    assert exact.start == LATER - 5


def test_an_open_window_holds_records_whose_clock_runs_ahead() -> None:
    current, baseline = windows(last="15m")
    assert current.range.contains(NOW + SECOND)
    assert not baseline.range.contains(current.start)
    assert current.describe().end_time == format_time(NOW)


def test_an_end_alone_means_the_hour_before_it() -> None:
    current, _ = windows(end=format_time(NOW - 5 * HOUR))
    assert (current.start, current.end, current.is_open) == (NOW - 6 * HOUR, NOW - 5 * HOUR, False)


def test_a_baseline_is_as_long_as_asked() -> None:
    _, baseline = windows(last="10m", baseline="1d")
    assert baseline.seconds == 86_400


def test_a_baseline_by_its_moments_may_lie_after_a_window_that_has_an_end() -> None:
    current, baseline = windows(start="3h", end="2h", baseline_start="1h", baseline_end="30m")
    assert baseline.start == current.end + HOUR
    assert baseline.end == NOW - HOUR // 2


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"start": "1h", "end": "2h"}, "start is not before end"),
        ({"start": "now"}, "the window is empty"),
        ({"last": "0s"}, "the window is empty"),
        ({"last": "1h", "start": "2h"}, "last excludes start and end"),
        ({"last": "1h", "baseline": "0s"}, "the baseline is empty"),
        ({"baseline": "soon"}, "not a duration"),
        ({"baseline": "1h", "baseline_start": "9h"}, "baseline excludes"),
        ({"last": "1h", "baseline_start": "3h", "baseline_end": "30m"}, "overlaps"),
        ({"last": "1h", "baseline_start": "30m"}, "the baseline is reversed"),
        ({"baseline_start": "5h", "baseline_end": "6h"}, "start is not before end"),
        ({"start": format_time(NOW + HOUR)}, "the window is reversed"),
    ],
)
def test_what_is_no_window_is_told(given: dict[str, str], message: str) -> None:
    for now in (NOW, LATER):
        with pytest.raises(ClewError) as caught:
            windows(now, **given)
        assert caught.value.code is ErrorCode.INVALID_ARGUMENT
        assert message in caught.value.message
        assert caught.value.hint


@given(
    start=st.integers(0, NOW),
    length=st.integers(1, NOW),
    baseline_start=st.none() | st.integers(0, NOW),
    baseline_end=st.none() | st.integers(0, NOW),
)
def test_what_is_given_never_overlaps(
    start: int, length: int, baseline_start: int | None, baseline_end: int | None
) -> None:
    def text(at: int | None) -> str | None:
        return None if at is None else format_time(at)

    try:
        current, baseline = windows(
            start=text(start),
            end=text(start + length),
            baseline_start=text(baseline_start),
            baseline_end=text(baseline_end),
        )
    except ClewError:
        return
    assert 0 <= current.start < current.end
    assert 0 <= baseline.start < baseline.end
    assert baseline.end <= current.start or current.end <= baseline.start
