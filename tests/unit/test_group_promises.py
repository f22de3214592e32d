"""Servers whose senders are promised different things: told once, and again when it changes."""

from __future__ import annotations

import logging

import pytest

from clew.app.group.promises import Promises, find_difference
from clew.store.replication.status import GroupStatus, StandbyStatus

B, C = "http://b:7701", "http://c:7701"


def leader_over(required: dict[str, int | None]) -> GroupStatus:
    standbys = tuple(
        StandbyStatus(url, url, "following", 1, 0, 0, None, required=each)
        for url, each in required.items()
    )
    return GroupStatus("leader", "a", 1, "a", "http://a:7701", 1, 1, 1, standbys=standbys)


def standby_of(required: int | None) -> GroupStatus:
    return GroupStatus("standby", "a", 1, "b", B, 0, 1, 1, leader_required=required)


def test_a_difference_is_told_once_and_again_when_it_changes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "clew.app.group.promises")
    promises = Promises(1)
    for heard in (1, 0, 0, 2, 1, 1, 0):
        promises.hear(B, heard)
    told = [
        (each.levelname, each.getMessage().partition(":7701 has ")[2]) for each in caplog.records
    ]
    assert [level for level, _ in told] == ["WARNING", "WARNING", "INFO", "WARNING"]
    assert [text[:17] for _, text in told if "depends" in text] == [
        "--required-acks 0",
        "--required-acks 2",
        "--required-acks 0",
    ]


def test_who_does_not_say_what_it_promises_differs_from_nobody() -> None:
    assert find_difference(1, leader_over({B: None, C: 1})) is None
    assert find_difference(1, standby_of(None)) is None
    found = find_difference(1, leader_over({B: 0, C: 2}))
    assert found is not None
    assert f"{B} has --required-acks 0, {C} has --required-acks 2 and this server 1" in found
    assert find_difference(2, standby_of(1)) is not None
