"""A lease whose server falls silent: ids pause when it runs out, and go on when it answers."""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from clew.lineage import ServerLease, TraceIdGenerator
from clew.lineage.leases.book import LeaseBook
from clew.lineage.leases.schema import SCHEMA
from clew.lineage.terms import LeaseQuery, NewLease
from clew.store.database.sqlite import SqliteDatabase

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future
    from pathlib import Path

    from clew.lineage.terms import Lease

WAIT_SECONDS_MAX = 60.0


class Lender:
    """The leases of a server, for some `seconds` at a time, behind a door that can be shut."""

    def __init__(self, folder: Path) -> None:
        self.database = SqliteDatabase.open(folder, [SCHEMA])
        self.book = LeaseBook(self.database, time.time_ns)
        self.is_away = False
        self.seconds = 1
        lender = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                length = int(self.headers["content-length"])
                wish = msgspec.json.decode(self.rfile.read(length), type=NewLease)
                self.answer(lender.book.lease(wish, "tester"))

            def do_PUT(self) -> None:
                self.answer(lender.book.renew(self.path.rpartition("/")[2]))

            def do_DELETE(self) -> None:
                self.answer(lender.book.release(self.path.rpartition("/")[2]))

            def answer(self, made: Future[Lease]) -> None:
                # What is answered once it is back lasts as long as what lasts then.
                status, seconds = 503 if lender.is_away else 200, lender.seconds
                lease = msgspec.structs.replace(
                    made.result(), lease_seconds=seconds, renew_seconds=seconds
                )
                body = msgspec.json.encode(lease)
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as given
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
        self.database.close()


@pytest.fixture
def lender(tmp_path: Path) -> Iterator[Lender]:
    lender = Lender(tmp_path)
    yield lender
    lender.close()


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    pause = threading.Event()
    while not is_so():
        assert time.monotonic() < deadline
        pause.wait(0.01)


@pytest.mark.slow
def test_ids_pause_when_the_lease_runs_out_and_go_on_when_the_server_answers(
    lender: Lender,
) -> None:
    with ServerLease(lender.url) as lease:
        generator = TraceIdGenerator(lease=lease)
        before = generator.next()
        lender.is_away = True
        # What was answered before may still be on its way, and a disk that is slow for a second
        # ends a lease of one second as well.
        wait_until(lambda: generator.next() == 0 and not lease.is_held)
        # A lease that is being renewed when it is closed is not given back.
        lender.seconds = 1000
        lender.is_away = False
        wait_until(lambda: generator.next() > before and lease.is_held)
    (told,) = lender.book.find(LeaseQuery()).leases
    assert told.released_at is not None
    assert generator.next() == 0
