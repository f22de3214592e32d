"""Killed between the log and its registry, a leader has every acknowledged write, and each once."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest

from clew.store.database.sqlite import SqliteDatabase
from clew.store.log.history import History
from tests.conformance.registry_replay import dump
from tests.conformance.registry_writes import result
from tests.integration.registry_group_child import SCHEMAS

ROOT = Path(__file__).parents[2]
ROUNDS = int(os.environ.get("CLEW_CRASH_ROUNDS", "6"))
LOAD_S_MAX = 0.4


def run_and_kill(folder: Path, prefix: str, commits: int) -> dict[str, str]:
    """Let a child write until it is killed; return what it acknowledged, bodies by id."""
    acked: dict[str, str] = {}
    child = subprocess.Popen(
        [
            *(sys.executable, "-m", "tests.integration.registry_group_child"),
            *(str(folder), prefix, str(commits)),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    with child:
        assert child.stdout is not None
        first = child.stdout.readline()
        # One that is to kill itself is given time for it; no timing is held against it.
        seconds = 20.0 if commits else random.uniform(0.0, LOAD_S_MAX)
        killer = threading.Timer(seconds, child.kill)
        killer.start()
        lines = [first, *child.stdout]
        killer.cancel()
        killer.join()
    for line in lines:
        if line.endswith(b"\n"):
            comment, body = line.decode().split()
            acked[comment] = body
    return acked


@pytest.mark.slow
def test_killed_at_random_log_and_registry_agree_and_nothing_is_lost_or_doubled(
    tmp_path: Path,
) -> None:
    leading, following = tmp_path / "leader", tmp_path / "standby"
    leading.mkdir()
    acked: dict[str, str] = {}
    for round_number in range(ROUNDS):
        # Every other one dies when the log has a change that the registry has not.
        commits = random.randint(2, 40) if round_number % 2 else 0
        acked |= run_and_kill(leading, f"r{round_number}", commits)
        history = History.read(leading / "log")
        told = list(history.read_changes(0, history.last))
        leader = SqliteDatabase.open(
            leading,
            SCHEMAS,
            changes=lambda after, told=told: [each for each in told if each[0] > after],  # type: ignore[misc]
        )
        assert leader.applied() == told[-1][0]
        kept = {
            row["id"]: row["body"].partition(" ")[0]
            for row in leader.read(lambda reading: reading.rows("SELECT id, body FROM comments"))
        }
        assert acked.items() <= kept.items(), f"round {round_number}, {commits} commits"
        assert set(Counter(kept.values()).values()) == {1}
        leader.close()
        # What a standby makes of the same log, in pieces and with a new opening between them.
        standby = SqliteDatabase.open(following, SCHEMAS, changes=lambda _: ())
        cut = random.randrange(len(told))
        for change in told[:cut]:
            applied = standby.apply(*change)
        if cut:
            result(applied)
        standby.close()
        SqliteDatabase.open(following, SCHEMAS, changes=lambda _, told=told: told).close()  # type: ignore[misc]
        assert dump(leader.path) == dump(standby.path)
    assert acked
