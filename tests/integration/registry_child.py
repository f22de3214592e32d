"""A process to be killed: comments written by several threads at once.

Writes ``<id>\\n`` to standard output once a comment is kept, and goes on until it is killed. Takes
the folder or the address of a PostgreSQL registry, and a prefix of its own for the bodies.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from clew.store.database.address import is_postgres
from clew.store.database.contract import Database
from clew.store.database.sqlite import SqliteDatabase
from clew.store.folder import FolderLock
from clew.team.comments.parameters import NewComment
from clew.team.comments.schema import SCHEMA
from clew.team.comments.service import TeamComments

THREADS = 6


def write_on(comments: TeamComments, prefix: str, thread: int) -> None:
    for number in count():
        body = f"{prefix}-{thread}-{number}"
        kept = comments.add(f"{thread + 1:032x}", NewComment(body=body)).result()
        os.write(1, f"{kept.id} {body}\n".encode())


@contextmanager
def opened(place: str) -> Iterator[Database]:
    if is_postgres(place):
        from clew.store.database.postgres.database import PostgresDatabase

        yield PostgresDatabase.open(place, [SCHEMA])
    else:
        with FolderLock.acquire(Path(place)):
            yield SqliteDatabase.open(Path(place), [SCHEMA])


def main() -> None:
    place, prefix = sys.argv[1:3]
    with opened(place) as database:
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
