"""A process to be killed: entities written by threads and synced by another, over one file.

Writes ``wrote ID TEXT`` once a write is durable. The server is a folder with a file for each
record, which is put in place whole; it survives the process, and knows an operation by its id.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
import threading
import time
from pathlib import Path

from clew.base.ids import new_uuid
from clew.team import SavedQuery, SyncOperationType, SyncQueue
from clew.team.errors import ConflictError
from clew.team.ledger.rows import Claim
from clew.team.ledger.syncqueue import LOCAL_ACCOUNT
from clew.team.trailbase.contract import Remote, Sending

WRITERS = 3
ENTITIES = 4


class FolderServer:
    """A server whose records are files."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self._folder = folder

    def get(self, remote_id: str) -> Remote | None:
        try:
            told = json.loads((self._folder / remote_id).read_text())
        except FileNotFoundError:
            return None
        version = told["version"]
        return Remote(remote_id, told["document"], version, version, version, told["op_id"])

    def send(self, sending: Sending) -> Remote:
        record = self.get(sending.remote_id)
        if record is not None and record.op_id == sending.op_id:
            return record
        if (record.version if record is not None else 0) != sending.version:
            raise ConflictError("it is another version")
        with (self._folder / "log").open("a") as log:
            log.write(f"{sending.op_id}\n")
        told = {
            "version": sending.version + 1,
            "document": dict(sending.document),
            "op_id": sending.op_id,
        }
        whole = self._folder / f".{sending.remote_id}"
        whole.write_text(json.dumps(told))
        whole.replace(self._folder / sending.remote_id)
        made = self.get(sending.remote_id)
        assert made is not None
        return made


def sync_once(queue: SyncQueue, server: FolderServer) -> int:
    """Send what is due; return how much that was."""
    ledger = queue.ledger
    claims = ledger.claim(LOCAL_ACCOUNT, 3).result()
    for claimed in claims:
        to_send: Claim | None = claimed
        if claimed.operation.is_doubtful:
            record = server.get(claimed.entity.remote_id)
            to_send = ledger.reconcile(claimed, record).result().to_send
        if to_send is not None:
            answer = server.send(to_send.as_sending())
            ledger.finish([(to_send, answer)]).result()
    return len(claims)


def write_on(queue: SyncQueue, prefix: str, thread: int) -> None:
    made = [
        SavedQuery(local_id=new_uuid(time.time_ns()), team_id="", name="n", query="q")
        for _ in range(ENTITIES)
    ]
    for number in itertools.count():
        query = made[number % ENTITIES]
        query.query = f"{prefix}-{thread}-{number}"
        queue.enqueue(query, SyncOperationType.UPDATE)
        os.write(1, f"wrote {query.local_id} {query.query}\n".encode())


def main() -> None:
    folder, prefix = Path(sys.argv[1]), sys.argv[2]
    server = FolderServer(folder / "server")
    with SyncQueue(folder / "queue.db") as queue:
        queue.ledger.take_back(LOCAL_ACCOUNT).result()
        for each in range(WRITERS):
            arguments = (queue, prefix, each)
            threading.Thread(target=write_on, args=arguments, daemon=True).start()
        while True:
            sync_once(queue, server)


if __name__ == "__main__":
    main()
