"""Asking servers what they are: each for itself, all of a shard at once, within a time."""

from __future__ import annotations

import threading
import time
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from clew.base.errors import ClewError, ErrorCode
from clew.base.gathering import LEADING, OPENING
from clew.remote.choice import Told
from clew.remote.problems import read_version
from clew.remote.reply import decode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from clew.remote.http import Server

FRAMES_PATH: Final = "/internal/frames"


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of asking one server, and how long it took in milliseconds.

    `is_opening`: it is there, and about to open its doors. `version` is the one that it runs, None
    where it did not say it.
    """

    told: Told | ClewError
    ms: float
    is_opening: bool = False
    version: str | None = None


def look_at(server: Server) -> Heard:
    """Ask a server what it is. What it does not say is in the answer, and not raised."""
    began = time.perf_counter()
    told: Told | ClewError
    version = None
    try:
        answer = server.get(FRAMES_PATH)
        version = read_version(answer.headers)
        told = decode(answer.body, Told)
    except ClewError as error:
        told = error
    ms = (time.perf_counter() - began) * 1000
    return Heard(told, ms, server.role == OPENING, version)


def look_at_all(
    urls: Sequence[str],
    connect: Callable[[str], Server],
    seconds: float,
    *,
    grace_s: float | None = None,
) -> dict[str, Heard]:
    """Return what every server says of itself within some seconds, in the order of the addresses.

    `connect` opens a connection to one of them, which is closed here. Where there is a `grace_s`,
    the others have no longer than that once one says that it leads.
    """
    opened: dict[str, Server] = {}
    is_over = threading.Event()

    def look(url: str) -> Heard:
        with connect(url) as server:
            opened[url] = server
            if is_over.is_set():
                server.abort()
            return look_at(server)

    until = time.monotonic() + seconds
    threads = ThreadPoolExecutor(len(urls), thread_name_prefix="clew-members")
    try:
        looks = {threads.submit(look, url): url for url in urls}
        pending = set(looks)
        while pending and (left := until - time.monotonic()) > 0:
            done, pending = wait(pending, left, return_when=FIRST_COMPLETED)
            if grace_s is not None and any(_leads(each.result()) for each in done):
                until = min(until, time.monotonic() + grace_s)
    finally:
        # One that sends byte by byte would keep a thread and a connection for ever.
        is_over.set()
        for server in tuple(opened.values()):
            server.abort()
        threads.shutdown(wait=False)
    silent = ClewError(ErrorCode.TIMEOUT, f"it did not answer in {seconds:g} s")
    found = {
        url: each.result() if each not in pending else Heard(silent, seconds * 1000)
        for each, url in looks.items()
    }
    return {url: found[url] for url in urls}


def _leads(heard: Heard) -> bool:
    return isinstance(heard.told, Told) and heard.told.role in LEADING
