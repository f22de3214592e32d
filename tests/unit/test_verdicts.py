"""Made-up systems that stay as they are: what is reported of them, whatever their figures do."""

from __future__ import annotations

import math
import random
import struct

import pytest

from clew.telemetry.analytics.statistics import adjust
from clew.telemetry.analytics.subjects import SLICES, Slice, Subject, bucket_ms
from clew.telemetry.analytics.verdicts import FALSE_SHARE_MAX, Lengths, judge_operation

CURRENT_SLICES = 4
LENGTHS = Lengths(CURRENT_SLICES * 900, SLICES * 900)


def bucket_of(ms: float) -> int:
    bits: int = struct.unpack("<I", struct.pack("<f", ms * 1e6))[0]
    return bits >> 20


def made_up(chance: random.Random, swing: float) -> Subject:
    """Return an operation whose traffic, failures and durations swing from slice to slice."""
    rate, failing, ms = chance.choice((3, 10, 30)), chance.choice((0.01, 0.1)), 50.0
    subject = Subject("shop", "pay")
    for number in range(SLICES + CURRENT_SLICES):
        part = Slice()
        figures = subject.baseline if number < SLICES else subject.current
        share = min(1.0, failing * math.exp(chance.gauss(0, 2 * swing)))
        middle = ms * math.exp(chance.gauss(0, swing))
        expected = rate * math.exp(chance.gauss(0, swing))
        part.spans = max(0, round(chance.gauss(expected, math.sqrt(expected))))
        for _ in range(part.spans):
            bucket = bucket_of(middle * chance.lognormvariate(0, 0.6))
            figures.durations[bucket] = figures.durations.get(bucket, 0) + 1
            part.total += bucket
            part.squares += bucket * bucket
            part.errors += chance.random() < share
        figures.spans += part.spans
        figures.errors += part.errors
        if number < SLICES:
            subject.slices.append(part)
    return subject


@pytest.mark.parametrize("swing", [0.0, 0.1, 0.3])
def test_what_swings_as_it_always_did_is_not_reported(swing: float) -> None:
    """Of five systems, at most one has a finding: each has one in a hundred times."""
    chance = random.Random(3)
    reported = 0
    for _ in range(5):
        tests = [
            test for _ in range(15) for test in judge_operation(made_up(chance, swing), LENGTHS)
        ]
        assert len(tests) > 15
        adjusted = adjust([test.p_value for test in tests])
        reported += any(
            test.is_notable and p_value <= FALSE_SHARE_MAX
            for test, p_value in zip(tests, adjusted, strict=True)
        )
    assert reported <= 1


def test_a_bucket_holds_durations_within_an_eighth() -> None:
    chance = random.Random(4)
    for _ in range(200):
        ms = math.exp(chance.uniform(-10, 12))
        bucket = bucket_of(ms)
        assert bucket_ms(bucket) <= ms * (1 + 1e-6)
        assert bucket_ms(bucket + 1) > ms * (1 - 1e-6)
        assert bucket_ms(bucket + 1) / bucket_ms(bucket) <= 1.125 + 1e-9
