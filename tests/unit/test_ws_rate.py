"""How many may pass at once, and how many after that."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from clew.surfaces.ws.rate import Pace


@given(
    per_second=st.sampled_from((0.001, 0.01, 3.0, 20.0, 200.0)),
    burst=st.integers(1, 200),
    milliseconds=st.integers(0, 10**9),
)
def test_a_whole_burst_passes_at_one_moment_and_no_more(
    per_second: float, burst: int, milliseconds: int
) -> None:
    pace, now, paid_at = Pace(per_second, burst), milliseconds / 1000, 0.0
    for _ in range(burst):
        assert pace.wait(paid_at, now) == 0
        paid_at = pace.take(paid_at, now)
    wait = pace.wait(paid_at, now)
    assert abs(wait - 1 / per_second) < 1e-3
    assert pace.wait(paid_at, now + wait) == 0
