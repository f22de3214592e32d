"""Which of two versions is the older: by number, with previews before what they are previews of."""

from __future__ import annotations

from itertools import pairwise

import pytest

from clew.base.version import compare_versions

ASCENDING = (
    "0.1.0.dev1",
    "0.1.0a1",
    "0.1.0b1",
    "0.1.0b2.dev3",
    "0.1.0b2",
    "0.1.0rc1",
    "0.1.0",
    "0.1.0.post1",
    "0.1.1",
    "0.2",
    "0.10.0",
    "1.0.0",
    "10.0.0",
)


@pytest.mark.parametrize(("older", "newer"), list(pairwise(ASCENDING)))
def test_of_two_versions_one_is_older(older: str, newer: str) -> None:
    assert compare_versions(older, newer) == -1
    assert compare_versions(newer, older) == 1


@pytest.mark.parametrize(
    ("one", "other"), [("0.1.0", "0.1.0"), ("1", "1.0.0"), ("1.0+build7", "1.0"), ("odd", "odd")]
)
def test_versions_that_mean_the_same_are_equal(one: str, other: str) -> None:
    assert compare_versions(one, other) == 0


@pytest.mark.parametrize("text", ["", "unknown", "1.x", "v", "1.٣"])
def test_what_is_no_version_has_no_place_in_the_order(text: str) -> None:
    assert compare_versions(text, "1.0") is None
