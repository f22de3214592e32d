"""What sharing with a team costs: to queue, to send what was queued, to pull what others did.

CPU of this process alone: the ledger in a file of SQLite, the sync and its HTTP client. The server
is the fake, in a process of its own, whose time is not counted; it decides the wall time. The peer
sends the same records with the same HTTP library, one request each, and keeps nothing.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.figures import single
from clew.base.ids import new_uuid
from clew.store.database.sqlite import DatabaseOptions, SqliteDatabase
from clew.team.entities.query import SavedQuery
from clew.team.entities.team import Team
from clew.team.ledger.ledger import Ledger
from clew.team.ledger.queue import LocalWrite
from clew.team.ledger.rows import Account, account_id_of
from clew.team.ledger.schema import SCHEMA
from clew.team.merging.operation import SyncOperationType
from clew.team.sessions.schema import SCHEMA as SESSIONS
from clew.team.syncing.course import Course
from clew.team.syncing.round import run_round
from clew.team.trailbase.client import AsyncTrailBaseClient
from clew.team.trailbase.login import Credentials

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future

    from bench.machine import Session
    from clew.team.ledger.rows import Round
    from clew.team.merging.operation import Operation

CREDENTIALS: Final = Credentials("ann@example.com", "correct horse")

AT_ONCE: Final = 100
"""Writes that wait for the disk together, as those of a busy program do."""


def run(session: Session) -> None:
    """Measure the queue, the way out, the peer, and the way in."""
    operations, changes, posts = (500, 2_000, 100) if session.quick else (10_000, 100_000, 2_000)
    with _serving() as server, tempfile.TemporaryDirectory() as folder:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        asyncio.run(_measure(session, server, url, Path(folder), (operations, changes, posts)))


@contextmanager
def _serving() -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-m", "bench.team_server"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        yield server
        assert server.stdin is not None
        server.stdin.close()


async def _measure(
    session: Session,
    server: subprocess.Popen[str],
    url: str,
    folder: Path,
    counts: tuple[int, int, int],
) -> None:
    operations, changes, posts = counts
    client = AsyncTrailBaseClient(url)
    known = await client.authenticate(CREDENTIALS)
    user_id = known.user_id or ""
    course, database = await _opened(client, folder / "one", url, user_id)
    team_id = new_uuid(time.time_ns())
    team = Team(local_id=team_id, name="bench", created_by=user_id)
    _write(course, team).result()
    await _round(course)

    began = time.process_time()
    for first in range(0, operations, AT_ONCE):
        numbers = range(first, min(first + AT_ONCE, operations))
        futures = [_write(course, _query(team_id, number)) for number in numbers]
        for future in futures:
            future.result()
    spent = time.process_time() - began
    session.add("team.enqueue.cpu_us", single(spent / operations * 1e6, "us"))

    wall, began = time.perf_counter(), time.process_time()
    done = await _round(course)
    spent, took = time.process_time() - began, time.perf_counter() - wall
    assert done.sent == operations, done
    drain = spent / operations * 1000
    session.add("team.drain.cpu_s_per_1000", single(drain, "CPU-s"))
    session.add("team.drain.per_s", single(operations / took, "operations/s"))

    peer = await _post(client, team_id, user_id, posts)
    session.add("team.posts.cpu_s_per_1000", single(peer, "CPU-s"))
    session.add("team.drain.of_posts", single(drain / peer, "x"))
    database.close()

    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(f"fill {changes} {team_id} {user_id}\n")
    server.stdin.flush()
    server.stdout.readline()
    other, database = await _opened(client, folder / "other", url, user_id)
    wall, began = time.perf_counter(), time.process_time()
    done = await _round(other)
    spent, took = time.process_time() - began, time.perf_counter() - wall
    pulled = done.pulled
    assert pulled >= changes, done
    session.add("team.pull.cpu_s_per_1000", single(spent / pulled * 1000, "CPU-s"))
    session.add("team.pull.per_s", single(pulled / took, "records/s", note=f"{pulled} of them"))
    began = time.process_time()
    await _round(other)
    session.add("team.idle_round.cpu_ms", single((time.process_time() - began) * 1e3, "ms"))
    database.close()
    await client.close()


async def _post(client: AsyncTrailBaseClient, team_id: str, user_id: str, posts: int) -> float:
    """Return CPU seconds for a thousand records that are sent as anybody would."""
    import httpx2

    tokens = client.session.tokens
    assert tokens is not None
    headers = {"authorization": f"Bearer {tokens.bearer}"}
    async with httpx2.AsyncClient(
        base_url=client.transport.url, headers=headers, trust_env=False
    ) as plain:
        began = time.process_time()
        for number in range(posts):
            query = _query(team_id, number)
            record = {
                "id": query.local_id,
                "team_id": team_id,
                "owner": user_id,
                "name": query.name,
                "language": query.language.value,
                "query": query.query,
                "created_at": query.created_at.isoformat(),
                "last_modified": query.last_modified.isoformat(),
            }
            answer = await plain.post("/api/records/v1/saved_queries", json=record)
            answer.raise_for_status()
        return (time.process_time() - began) / posts * 1000


async def _opened(
    client: AsyncTrailBaseClient, folder: Path, url: str, user_id: str
) -> tuple[Course, SqliteDatabase]:
    database = await asyncio.to_thread(_open_database, folder)
    ledger = Ledger(database, time.time_ns)
    account_id = account_id_of(url, user_id)
    ledger.connect(Account(account_id, url, user_id, time.time_ns())).result()
    return Course(ledger, await client.server(), account_id), database


def _open_database(folder: Path) -> SqliteDatabase:
    folder.mkdir()
    return SqliteDatabase.open(folder, [SESSIONS, SCHEMA], DatabaseOptions(file_name="team.db"))


async def _round(course: Course) -> Round:
    done, _ = await run_round(course, time.time_ns)
    assert done.error is None, done
    return done


def _write(course: Course, entity: SavedQuery | Team) -> Future[Operation | None]:
    write = LocalWrite(course.account_id, entity, SyncOperationType.CREATE)
    return course.ledger.write(write, is_agreed=True)


def _query(team_id: str, number: int) -> SavedQuery:
    return SavedQuery(
        local_id=new_uuid(time.time_ns()),
        team_id=team_id,
        name=f"query {number}",
        query=f"SELECT {number} FROM spans WHERE service = 'checkout'",
    )
