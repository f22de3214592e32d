"""A process to be killed: a registry that leads over a real log, and writes from several threads.

Writes ``<id> <body>\\n`` to standard output once a comment is kept, and goes on until it is killed.
Takes a folder, a prefix of its own for the bodies, and after how many commits of the log it kills
itself: when the log has the change and the registry has not; 0 for never.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from concurrent.futures import Future
from itertools import count
from pathlib import Path

from clew.access.caller import LOCAL
from clew.access.schema import SCHEMA as ACCESS
from clew.store.database.sqlite import SqliteDatabase
from clew.store.folder import FolderLock
from clew.store.log.history import History
from clew.store.pipeline import Pipeline
from clew.team.comments.parameters import CommentEdit, NewComment
from clew.team.comments.schema import SCHEMA as COMMENTS
from clew.team.comments.service import TeamComments
from tests.integration.made_up import MemoryEngine

THREADS = 4
SCHEMAS = (ACCESS, COMMENTS)


def write_on(comments: TeamComments, prefix: str, thread: int) -> None:
    for number in count():
        body = f"{prefix}-{thread}-{number}"
        kept = comments.add(f"{thread + 1:032x}", NewComment(body=body)).result()
        os.write(1, f"{kept.id} {body}\n".encode())
        if number % 3 == 0:
            comments.edit(kept.id, CommentEdit(body=f"{body} seen"), LOCAL).result()


def main() -> None:
    folder, prefix, commits = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    with FolderLock.acquire(folder) as lock:
        history = History.read(folder / "log")
        database = SqliteDatabase.open(
            folder, SCHEMAS, changes=lambda after: history.read_changes(after, history.last)
        )
        pipeline = Pipeline.open(
            folder, MemoryEngine(), (), lock=lock, history=history, changes=database
        )
        told = count(1)

        def record(payload: bytes) -> Future[int]:
            recorded = pipeline.record(payload)
            if next(told) == commits:
                recorded.result()
                os.kill(os.getpid(), signal.SIGKILL)
            return recorded

        database.lead(record)
        comments = TeamComments(database, time.time_ns)
        threads = [
            threading.Thread(target=write_on, args=(comments, prefix, each), daemon=True)
            for each in range(THREADS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


if __name__ == "__main__":
    main()
