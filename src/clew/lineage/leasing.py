"""A node id of the server's, held for as long as this process lives.

Theory of operation. The process asks once, and renews from a thread of its own, thrice in the time
that a lease lasts. Its deadline is counted on its own steady clock, from before the question was
asked, so it ends here before it ends there. Where it passes the deadline without an answer, or the
server says that the lease is gone, its node id gives out no more ids: traces lack them, and no two
processes have the same. An answer that comes later lets it go on, as long as nobody else got the
node id. A process that ends gives its lease back; one that is killed leaves it to run out.
"""

from __future__ import annotations

import atexit
import logging
import os
import socket
import threading
import time
import weakref
from itertools import count
from typing import TYPE_CHECKING, Final, Self

import msgspec

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import NS_PER_S, parse_time
from clew.lineage.sequence import LOGGER_NAME
from clew.lineage.sharing import end_node, resume_node
from clew.lineage.terms import NAME_CHARS_MAX, Lease, NewLease
from clew.remote.address import DEFAULT_SERVER
from clew.remote.http import Server
from clew.remote.pairs import quoted
from clew.remote.reply import BASE, Reply

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(LOGGER_NAME)

ANSWER_SECONDS_MAX: Final = 5.0
"""For the server's answer: shorter than the time between two renewals, so that none is skipped."""

RETRY_SECONDS: Final = 1.0
"""Between attempts to renew when there was no answer."""

CLOSE_SECONDS_MAX: Final = 1.0
"""For the thread to end. One that waits for an answer is left alone, and the lease runs out."""

_ASKED: Final = count(1)
"""Tells leases of one process apart."""

_STARTED_AT: Final = time.time_ns()
"""When this process began, as near as it matters: process ids come again, and not so soon."""

_GONE: Final = frozenset({ErrorCode.NOT_FOUND, ErrorCode.CONFLICT})
"""Answers after which a lease does not come back."""

_JSON: Final = "application/json"


class NodeClient:
    """Leases of one server. Raises what the server says, as a ClewError; one thread at a time."""

    def __init__(self, server: Server) -> None:
        self.server: Final = server

    def lease(self, wish: NewLease) -> Lease:
        """Lease a node id."""
        answer = self.server.post(f"{BASE}/lineage/nodes", msgspec.json.encode(wish), _JSON)
        return Reply(answer, Lease).document()

    def renew(self, lease_id: str) -> Lease:
        """Let a lease last on."""
        path = f"{BASE}/lineage/nodes/{quoted(lease_id)}"
        return Reply(self.server.put(path, b"", _JSON), Lease).document()

    def release(self, lease_id: str) -> Lease:
        """Give a lease back."""
        path = f"{BASE}/lineage/nodes/{quoted(lease_id)}"
        return Reply(self.server.delete(path), Lease).document()


class ServerLease:
    """A node id that the server lends this process. Implements `NodeLease`.

    `lineage.enable_tracing(lease=ServerLease())`, or `TraceIdGenerator(lease=…)`. Each has a node
    id of its own. A child that was forked has none: it makes another lease.

    Args:
        server: its address, by default that of CLEW_SERVER, else this machine's.
        api_key: by default that of CLEW_API_KEY.
        node_id: that one or none; by default any.
        process: what tells it apart from others of its host, by default the process id. Who asks
            again under the same one, in the same process, has the same lease.
        now: Unix nanoseconds, where not the machine's clock counts.

    Raises:
        ClewError: OVERLOADED when every node id is leased or cooling down; CONFLICT when the one
            that is wished is, or this machine's clock is behind the last id of the node; else what
            the server says, or UNAVAILABLE where there is none.
    """

    def __init__(
        self,
        server: str | None = None,
        *,
        api_key: str | None = None,
        node_id: int | None = None,
        process: str | None = None,
        now: Callable[[], int] = time.time_ns,
    ) -> None:
        url = server or os.environ.get("CLEW_SERVER") or DEFAULT_SERVER
        key = api_key or os.environ.get("CLEW_API_KEY")
        self._client = NodeClient(Server(url, api_key=key, read_timeout_s=ANSWER_SECONDS_MAX))
        asked_at = time.monotonic()
        self._lease = self._client.lease(_wish(node_id, process))
        self._deadline = asked_at + self._lease.lease_seconds
        self._pid = os.getpid()
        self._is_lost = False
        self._is_answered = True
        self._closing = threading.Event()
        self._guard = threading.Lock()
        try:
            check_clock(self._lease, now())
        except ClewError:
            self._client.release(self._lease.id)
            self._client.server.close()
            raise
        resume_node(self.node_id)
        self._thread = threading.Thread(target=self._keep, name="clew-lease", daemon=True)
        self._thread.start()
        _LIVING.add(self)

    @property
    def node_id(self) -> int:
        """The node id, the same as long as this lease is."""
        return self._lease.node_id

    @property
    def is_held(self) -> bool:
        """Whether ids may be made with it: not when it is closed, ran out, or was forked."""
        is_open = not self._closing.is_set() and self._pid == os.getpid()
        return is_open and not self._is_lost and time.monotonic() < self._deadline

    def renew(self) -> bool:
        """Let it last on; return whether the server said so. The thread does it by itself.

        Never raises.
        """
        with self._guard:
            if self._closing.is_set() or self._pid != os.getpid():
                return False
            return self._renew()

    def close(self) -> None:
        """Give it back: its node id gives out no more ids. Waits some seconds at most; repeatable.

        In a child that was forked this does nothing.
        """
        if self._pid != os.getpid() or self._closing.is_set():
            return
        self._closing.set()
        end_node(self.node_id)
        self._thread.join(CLOSE_SECONDS_MAX)
        # A thread that still waits for an answer has the connection; the lease runs out by itself.
        if not self._thread.is_alive():
            self._release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _keep(self) -> None:
        """Renew, until it is closed or gone for good."""
        pause: float = self._lease.renew_seconds
        while not self._closing.wait(self._pause(pause)):
            if self.renew():
                pause = self._lease.renew_seconds
                continue
            pause = RETRY_SECONDS
            if self._is_lost:
                return
            if time.monotonic() >= self._deadline:
                end_node(self.node_id)

    def _pause(self, wished: float) -> float:
        """Return how long to wait: not beyond the deadline, which is kept without answers too."""
        left = self._deadline - time.monotonic()
        return wished if left <= 0 else min(wished, left)

    def _renew(self) -> bool:
        asked_at = time.monotonic()
        try:
            self._lease = self._client.renew(self._lease.id)
        except ClewError as error:
            if error.code in _GONE:
                self._is_lost = True
                end_node(self.node_id)
                logger.warning("node id %d is not ours any more: %s", self.node_id, error)
            elif self._is_answered:
                self._is_answered = False
                logger.warning("the lease of node id %d is not renewed: %s", self.node_id, error)
            return False
        self._is_answered = True
        was_late = asked_at >= self._deadline
        self._deadline = asked_at + self._lease.lease_seconds
        if was_late and not self._closing.is_set():
            resume_node(self.node_id)
            logger.warning("node id %d goes on", self.node_id)
        return True

    def _release(self) -> None:
        with self._client.server:
            # A server that was away a moment ago is not waited for at the end of a program.
            if self._is_answered and not self._is_lost:
                try:
                    self._client.release(self._lease.id)
                except ClewError as error:
                    logger.debug("node id %d was not given back: %s", self.node_id, error)


def _wish(node_id: int | None, process: str | None) -> NewLease:
    return NewLease(
        process=(process or f"{os.getpid()}.{next(_ASKED)}")[:NAME_CHARS_MAX],
        host=(socket.gethostname() or "unknown")[:NAME_CHARS_MAX],
        started_at=_STARTED_AT,
        node_id=node_id,
    )


def check_clock(lease: Lease, now: int) -> None:
    """Raise when ids of this clock could be those of whoever had the node id before."""
    if lease.free_since is None:
        return
    free_since = parse_time(lease.free_since, now=now)
    if now < free_since:
        behind_s = (free_since - now) / NS_PER_S
        raise ClewError(
            ErrorCode.CONFLICT,
            f"this machine's clock is {behind_s:.0f} s behind the last id of node {lease.node_id}",
            hint="set the clock, or give a node id that no other process has",
        )


_LIVING: Final[weakref.WeakSet[ServerLease]] = weakref.WeakSet()


def _close_all() -> None:
    for lease in list(_LIVING):
        lease.close()


atexit.register(_close_all)
