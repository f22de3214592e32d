"""A process whose children are to be killed: each writes into a ledger and syncs it with a server.

It imports what they need, and makes one for each line of its input, which says what they write.
``pid`` and ``dead`` are said by itself; a child says ``wrote ID TEXT`` when a write is durable.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
from dataclasses import replace
from pathlib import Path

import httpx2  # noqa: F401 - before a fork, so that no child has to

from clew.team.merging.operation import SyncOperationType as Do
from tests.integration.team_sides import Side, comment, saved_query

ENTITIES = 5


async def live(folder: Path, url: str, team: str, prefix: str) -> None:
    side = Side("ann", folder, url)
    side.open()
    await side.connect()
    made = [saved_query(team, "") for _ in range(ENTITIES)]

    async def write() -> None:
        for number in itertools.count():
            query = replace(made[number % ENTITIES], query=f"{prefix}-{number}")
            await asyncio.to_thread(side.write, query)
            os.write(1, f"wrote {query.local_id} {query.query}\n".encode())
            if number % ENTITIES == 0:
                said = comment(team, f"{prefix}-{number}")
                await asyncio.to_thread(side.write, said, Do.CREATE)
                os.write(1, f"wrote {said.local_id} {said.body}\n".encode())

    async def sync() -> None:
        while True:
            await side.sync()

    await asyncio.gather(write(), sync())


def main() -> None:
    folder, url, team = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            asyncio.run(live(folder, url, team, line.strip()))
        os.write(1, f"pid {pid}\n".encode())
        os.waitpid(pid, 0)
        os.write(1, b"dead\n")


if __name__ == "__main__":
    main()
