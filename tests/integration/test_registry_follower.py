"""A standby over PostgreSQL reads what the leader writes, and writes once it is promoted."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from clew.base.errors import ClewError, ErrorCode
from clew.store.database.contract import Reading, Schema, Step
from clew.store.database.postgres.database import PostgresDatabase
from clew.store.database.postgres.following import PostgresFollower
from tests.conformance.registry_writes import DEADLINE_S, put, result

if TYPE_CHECKING:
    from clew.testing.postgres import PostgresProcess

NOTES = Schema("notes", (Step(1, "notes", ("CREATE TABLE notes (name TEXT, text TEXT)",)),))


def names(reading: Reading) -> list[str]:
    return [row["name"] for row in reading.rows("SELECT name FROM notes ORDER BY name")]


def test_a_standby_reads_and_hears_and_writes_when_it_is_promoted(
    postgres_server: PostgresProcess,
) -> None:
    url = postgres_server.new_url()
    with pytest.raises(ClewError, match="no registry of clew"):
        PostgresFollower.open(url, [NOTES])
    leader = PostgresDatabase.open(url, [NOTES])
    follower = PostgresFollower.open(url, [NOTES])
    heard = threading.Semaphore(0)
    follower.watch(["notes"], heard.release)
    try:
        result(leader.submit(put("a")))
        assert follower.read(names) == ["a"]
        deadline = time.monotonic() + DEADLINE_S
        # The first word is that there is a registry at all.
        while heard.acquire(timeout=DEADLINE_S) and follower.read(names) != ["a"]:
            assert time.monotonic() < deadline
        with pytest.raises(ClewError, match="takes no writes") as refused:
            follower.submit(put("mine"))
        assert refused.value.code is ErrorCode.CONFLICT
        follower.check()
    finally:
        leader.close()
        follower.close()
    promoted = PostgresDatabase.open(url, [NOTES])
    try:
        result(promoted.submit(put("b")))
        assert promoted.read(names) == ["a", "b"]
    finally:
        promoted.close()


def test_a_standby_with_other_tables_is_refused(postgres_server: PostgresProcess) -> None:
    url = postgres_server.new_url()
    PostgresDatabase.open(url, [NOTES]).close()
    newer = Schema("notes", (*NOTES.steps, Step(2, "more", ("CREATE TABLE more (n INTEGER)",))))
    with pytest.raises(ClewError, match="another version") as refused:
        PostgresFollower.open(url, [newer])
    assert refused.value.code is ErrorCode.UNSUPPORTED
