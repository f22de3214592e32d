"""Killed at any moment under load, the registry keeps every acknowledged comment, and each once."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clew.base.errors import ClewError, ErrorCode
from clew.store.database.sqlite import SqliteDatabase
from clew.store.folder import FolderLock
from clew.team.comments.parameters import LIMIT_MAX, CommentQuery
from clew.team.comments.schema import SCHEMA
from clew.team.comments.service import TeamComments

if TYPE_CHECKING:
    from clew.testing.postgres import PostgresProcess

ROOT = Path(__file__).parents[2]
ROUNDS = int(os.environ.get("CLEW_CRASH_ROUNDS", "8"))
ROUNDS_POSTGRES = max(1, ROUNDS // 3)
LOAD_S_MAX = 0.5
LOCK_S_MAX = 60.0
"""For the server to find out that a process is gone: at once, unless its disk holds it up."""


def start(folder: Path | str, prefix: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.integration.registry_child", str(folder), prefix],
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )


def run_and_kill(folder: Path | str, prefix: str, seconds: float) -> dict[str, str]:
    """Let a child write until it is killed; return what it acknowledged, bodies by id."""
    acked: dict[str, str] = {}
    with start(folder, prefix) as child:
        assert child.stdout is not None
        # The time runs from the first answer on, so that there is something to lose.
        first = child.stdout.readline()
        killer = threading.Timer(seconds, child.kill)
        killer.start()
        lines = [first, *child.stdout]
        killer.join()
    # A line that was cut short was not an answer yet.
    for line in lines:
        if line.endswith(b"\n"):
            comment, body = line.decode().split()
            acked[comment] = body
    return acked


@pytest.mark.slow
def test_killed_at_random_nothing_acknowledged_is_lost_or_doubled(tmp_path: Path) -> None:
    acked: dict[str, str] = {}
    for round_number in range(ROUNDS):
        seconds = random.uniform(0.0, LOAD_S_MAX)
        acked |= run_and_kill(tmp_path, f"r{round_number}", seconds)
        database = SqliteDatabase.open(tmp_path, [SCHEMA])
        comments = TeamComments(database, time.time_ns)
        found = comments.find(CommentQuery(limit=LIMIT_MAX))
        kept = {comment.id: comment.body for comment in found.comments}
        assert acked.items() <= kept.items(), f"round {round_number}, {seconds} s"
        assert set(Counter(kept.values()).values()) <= {1}
        # The words of each comment are in the index, and no others.
        assert comments.find(CommentQuery(text=f"r{round_number}")).total == sum(
            body.startswith(f"r{round_number}-") for body in kept.values()
        )
        checked = database.read(lambda reading: reading.rows("PRAGMA integrity_check"))
        assert checked == [{"integrity_check": "ok"}]
        database.close()
    assert acked
    # A crash is not damage.
    assert not list(tmp_path.glob("*.damaged"))


@pytest.mark.slow
def test_killed_over_postgresql_nothing_acknowledged_is_lost_or_doubled(
    postgres_server: PostgresProcess,
) -> None:
    from clew.store.database.postgres.database import PostgresDatabase, PostgresOptions

    url = postgres_server.new_url()
    acked: dict[str, str] = {}
    for round_number in range(ROUNDS_POSTGRES):
        # Each opens the registry at once: the lock of a process that is gone goes with it.
        acked |= run_and_kill(url, f"r{round_number}", random.uniform(0.0, LOAD_S_MAX))
        database = PostgresDatabase.open(url, [SCHEMA], PostgresOptions(lock_s=LOCK_S_MAX))
        comments = TeamComments(database, time.time_ns)
        found = comments.find(CommentQuery(limit=LIMIT_MAX))
        kept = {comment.id: comment.body for comment in found.comments}
        assert acked.items() <= kept.items(), f"round {round_number}"
        assert set(Counter(kept.values()).values()) <= {1}
        assert comments.find(CommentQuery(text=f"r{round_number}")).total == sum(
            body.startswith(f"r{round_number}-") for body in kept.values()
        )
        database.close()
    assert acked


def test_a_second_process_does_not_get_the_folder(tmp_path: Path) -> None:
    with FolderLock.acquire(tmp_path), start(tmp_path, "second") as child:
        assert child.wait(120) != 0
    # Nothing was made, let alone written, by the one that was kept out.
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lock"]


def test_a_comment_sent_again_after_a_crash_is_kept_once(tmp_path: Path) -> None:
    from clew.base.ids import new_uuid
    from clew.team.comments.parameters import NewComment

    said = NewComment(body="said twice", id=new_uuid(time.time_ns()))
    for _ in range(2):
        database = SqliteDatabase.open(tmp_path, [SCHEMA])
        comments = TeamComments(database, time.time_ns)
        assert comments.add("1", said).result().body == "said twice"
        assert comments.find(CommentQuery()).total == 1
        other = comments.add("2", said).exception()
        assert isinstance(other, ClewError)
        assert other.code is ErrorCode.ALREADY_EXISTS
        database.close()
