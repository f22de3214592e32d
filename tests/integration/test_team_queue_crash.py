"""Killed at any moment, a queue in a file loses no operation and has none carried out twice."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest

from clew.base.errors import ClewError, ErrorCode
from clew.team import AsyncSyncQueue, SavedQuery, SyncOperationType, SyncQueue
from clew.team.ledger.syncqueue import LOCAL_ACCOUNT
from tests.integration.team_queue_child import FolderServer, sync_once

ROOT = Path(__file__).parents[2]
ROUNDS = int(os.environ.get("CLEW_CRASH_ROUNDS", "6"))
LOAD_S_MAX = 0.4


def run_and_kill(folder: Path, prefix: str, seconds: float) -> dict[str, str]:
    """Let a child write and sync until it is killed; return the last text of each entity."""
    command = [sys.executable, "-m", "tests.integration.team_queue_child", str(folder), prefix]
    last: dict[str, str] = {}
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        first = child.stdout.readline()
        killer = threading.Timer(seconds, child.kill)
        killer.start()
        lines = [first, *child.stdout]
        killer.join()
    for line in lines:
        # A line that was cut short was not an answer yet.
        if line.endswith(b"\n"):
            _, entity, text = line.decode().split()
            last[entity] = text
    return last


@pytest.mark.slow
def test_killed_while_it_writes_and_syncs_nothing_is_lost_or_carried_out_twice(
    tmp_path: Path,
) -> None:
    wrote: dict[str, str] = {}
    for number in range(ROUNDS):
        wrote |= run_and_kill(tmp_path, f"r{number}", random.uniform(0.0, LOAD_S_MAX))
    assert wrote
    server = FolderServer(tmp_path / "server")
    with SyncQueue(tmp_path / "queue.db") as queue:
        queue.ledger.take_back(LOCAL_ACCOUNT).result()
        while sync_once(queue, server):
            pass
        stats = queue.stats()
        assert (stats.pending, stats.failed) == (0, 0)
        assert queue.ledger.count_conflicts(LOCAL_ACCOUNT) == 0
        for entity, text in wrote.items():
            row = queue.ledger.find_entity(LOCAL_ACCOUNT, "saved_queries", entity)
            assert row is not None
            record = server.get(row.remote_id)
            assert record is not None
            # The last one that was acknowledged, or one after it that nobody heard of.
            assert int(record.document["query"].rpartition("-")[2]) >= int(text.rpartition("-")[2])
            assert record.document == row.document
    # An operation is written down before it has its effect: two of one id would be two effects,
    # but for the one that was about to have it when the process was killed.
    again = Counter((tmp_path / "server" / "log").read_text().split())
    assert sum(count - 1 for count in again.values()) <= ROUNDS


def test_a_queue_is_one_processs_at_a_time_and_anothers_file_is_left_alone(
    tmp_path: Path,
) -> None:
    program = (
        "import sys\nfrom clew.team import SyncQueue\nfrom clew.base.errors import ClewError\n"
        "try:\n    SyncQueue(sys.argv[1])\nexcept ClewError as error:\n    print(error.code)\n"
    )
    path = tmp_path / "made" / "queue.db"
    with SyncQueue(path):
        assert path.stat().st_mode & 0o777 == 0o600
        done = subprocess.run(
            [sys.executable, "-c", program, str(path)], capture_output=True, text=True
        )
        assert done.stdout.strip() == "conflict", done.stderr
    with SyncQueue(str(path)) as queue:
        assert queue.stats().pending == 0
        queue.close()
    (tmp_path / "notes.txt").write_text("not a database, and somebody needs it")
    with pytest.raises(ClewError) as refused:
        SyncQueue(tmp_path / "notes.txt")
    assert refused.value.code in {ErrorCode.UNAVAILABLE, ErrorCode.UNSUPPORTED}
    assert (tmp_path / "notes.txt").read_text().startswith("not a database")


def test_a_program_with_an_event_loop_queues_as_well(tmp_path: Path) -> None:
    async def work() -> None:
        async with await AsyncSyncQueue.open(tmp_path / "queue.db") as queue:
            query = SavedQuery(local_id="mine", team_id="", name="n", query="q")
            operations = await asyncio.gather(
                *(queue.enqueue(query, SyncOperationType.UPDATE) for _ in range(20))
            )
            assert {each.operation for each in operations if each} == {SyncOperationType.CREATE}
            (waiting,) = await queue.pending()
            assert waiting == operations[-1]
            assert (await queue.stats()).pending == 1
            assert await queue.failed() == []
            assert (await queue.retry_all_failed(), await queue.clear_failed()) == (0, 0)
            assert await queue.enqueue(query, SyncOperationType.DELETE) is None

    asyncio.run(work())
