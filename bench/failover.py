"""How long nobody takes writes: a leader is killed under load, and another takes over.

Three servers, of which one other must have each record, so that two go on without the third.
Clients send the same bytes again to the next server when they are refused, as a load balancer in
front of exporters does. The time is from the kill to the first write that any client gets
acknowledged by a server of the new leadership, in two ways: promoted by hand right after the kill
(the request of `clew promote`), and by the lease. The killed server is started again before the
next round.

A third way is a pair: promoted by hand while the killed one is started again at once, as a
supervisor would, since a pair takes writes only when both are there. Where the killed one is back
before the promotion and its log has more than the standby's, the promotion is refused and it leads
again by itself: that is a round like any other.

The parts are what the new leader's log says of its change of role; what lies before it is the
noticing, and what lies behind it is until a client's next try is taken.
"""

from __future__ import annotations

import contextlib
import http.client
import re
import tempfile
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import httpx

from bench.clew_server import ClewServer
from bench.data import SpanRequests
from bench.figures import median_of
from clew.testing.network import HeldPorts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bench.machine import Session

CLIENTS: Final = 4
SPANS_PER_REQUEST: Final = 50

AGAIN_S: Final = 0.05
"""Before a client sends the same to the next server."""

ANSWER_S: Final = 10.0
"""What an OpenTelemetry exporter waits for an answer when nobody told it otherwise."""

STEP_S_MAX: Final = 120.0
LOOK_S: Final = 0.02

ACKS_BEFORE: Final = 200
"""Requests that are acknowledged before each kill: the load stands."""

WAYS: Final = ("promote", "lease", "pair")

_LINE = re.compile(r"^(\S+ \S+) \w+ (.*)$", re.MULTILINE)
_CHANGED = re.compile(r"changed its role in ([0-9.]+) s: (.*)$")
_PART = re.compile(r"([a-z ]+) ([0-9.]+) s")


@dataclass
class _Clients:
    """Clients that write to whichever server takes it."""

    ports: Sequence[int]
    acked: list[tuple[float, float, int]] = field(default_factory=list)
    """When each request was sent and acknowledged, by the clock of the day, and by which port."""
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Self:
        for number in range(CLIENTS):
            thread = threading.Thread(target=self._run, args=(number,), daemon=True)
            self._threads.append(thread)
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def wait_for_more(self, count: int) -> None:
        """Return once so many more requests were acknowledged."""
        goal = len(self.acked) + count
        wait_for(lambda: len(self.acked) >= goal, "requests are acknowledged")

    def first_after(self, killed: float, killed_port: int) -> float | None:
        """Return when the first was acknowledged after a server was killed.

        By another one, or by the one that was started in its place: what the killed one had
        answered may be read later, but was sent before.
        """
        return min(
            (
                at
                for sent, at, port in self.acked
                if at > killed and (sent > killed or port != killed_port)
            ),
            default=None,
        )

    def _run(self, number: int) -> None:
        turn = number
        requests = SpanRequests(SPANS_PER_REQUEST, start_ns=time.time_ns(), seed=number + 1)
        for body in requests:
            while not self._post(self.ports[turn % len(self.ports)], body):
                turn += 1
                if self._stop.wait(AGAIN_S):
                    return
            if self._stop.is_set():
                return

    def _post(self, port: int, body: bytes) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_S)
        sent = time.time()
        try:
            headers = {"content-type": "application/x-protobuf"}
            connection.request("POST", "/v1/traces", body, headers)
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        if answer.status != http.client.OK:
            return False
        self.acked.append((sent, time.time(), port))
        return True


class _Servers:
    """Servers of one group, each started again under its address."""

    def __init__(
        self, scratch: Path, count: int, flags: Sequence[str], roles: Sequence[str]
    ) -> None:
        self._held = HeldPorts(count)
        self.ports = self._held.numbers
        self._scratch = scratch
        self._flags = flags
        self._roles = roles
        self.running: dict[int, ClewServer] = {}
        for number in reversed(range(count)):
            self.start(number)

    def start(self, number: int) -> None:
        """Start a server; returns when it is ready."""
        others = [port for at, port in enumerate(self.ports) if at != number]
        named = [part for port in others for part in ("--standby", f"http://127.0.0.1:{port}")]
        self.running[number] = ClewServer(
            self._scratch / f"server-{number}",
            *(*named, "--role", self._roles[number], *self._flags),
            http_port=self.ports[number],
        )

    def tell(self, number: int) -> Mapping[str, Any]:
        """Return what a server says of its place; empty where it does not answer."""
        try:
            answer = self.running[number].http.get("/internal/cluster", timeout=ANSWER_S)
            answer.raise_for_status()
            told: dict[str, Any] = answer.json()
        except httpx.HTTPError:
            return {}
        return told

    def find_leader(self) -> int | None:
        """Return who leads and takes writes, None when nobody does."""
        for number, server in self.running.items():
            with contextlib.suppress(httpx.HTTPError):
                answer = server.http.get("/readyz", timeout=ANSWER_S)
                if answer.status_code == 200 and answer.json()["group"]["is_leader"]:
                    return number
        return None

    def wait_whole(self) -> int:
        """Return who leads, once every other server follows it."""

        def is_whole() -> bool:
            told = [self.tell(number) for number in self.running]
            leading = [each for each in told if each.get("is_leader")]
            return len(leading) == 1 and all(peer["ok"] for peer in leading[0]["peers"])

        wait_for(is_whole, "every server follows one that leads")
        wait_for(lambda: self.find_leader() is not None, "the leader takes writes")
        leader = self.find_leader()
        assert leader is not None
        return leader

    def promote(self, numbers: Sequence[int]) -> str | None:
        """Promote whichever of these may lead; return why none may, None where one does."""
        told = None
        for number in numbers:
            answer = self.running[number].http.post("/internal/promote", json={})
            if answer.status_code == 202:
                return None
            told = answer.text
        return told

    def log(self, number: int) -> str:
        """Return what a server said on stderr."""
        return (self._scratch / f"server-{number}.log").read_text()

    def stop(self) -> None:
        """End all."""
        for server in self.running.values():
            server.stop()


def wait_for(is_so: Callable[[], bool], what: str) -> None:
    """Wait until something is so.

    Raises:
        TimeoutError: it was not in time.
    """
    deadline = time.monotonic() + STEP_S_MAX
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not in {STEP_S_MAX:g} s")
        # Other processes are looked at; what is timed is timed by the clients.
        time.sleep(LOOK_S)


def measure_failovers(session: Session, rounds: int, ways: Sequence[str] = WAYS) -> None:
    """Kill leaders under load, in each way, and add the figures."""
    for way in ways:
        found: dict[str, list[float]] = {}
        for parts in _measure(way, rounds):
            for name, seconds in parts.items():
                found.setdefault(name, []).append(seconds)
        for name, rounds_of_it in found.items():
            session.add(f"failover.{way}.{name}", median_of(rounds_of_it, "s"))
    session.note(
        f"failover: {CLIENTS} clients over HTTP that try the next server {1000 * AGAIN_S:g} ms "
        "after a refusal; promote and lease: three servers with --required-acks 1, the lease of "
        "10 s; pair: two with all, the killed one started again at once"
    )


def _measure(way: str, rounds: int) -> list[dict[str, float]]:
    with tempfile.TemporaryDirectory() as scratch, contextlib.ExitStack() as stack:
        flags, count = ["--required-acks", "1"], 3
        roles = ["leader", "standby", "standby"]
        if way == "pair":
            flags, count = ["--required-acks", "all"], 2
        if way == "lease":
            from clew.testing.postgres import PostgresProcess

            database = stack.enter_context(PostgresProcess())
            flags += ["--lease", database.new_url()]
            roles = ["auto"] * 3
        servers = _Servers(Path(scratch), count, flags, roles)
        stack.callback(servers.stop)
        leader = servers.wait_whole()
        found = []
        for _ in range(rounds):
            with _Clients(servers.ports) as clients:
                parts, leader = _measure_one(servers, clients, leader, way)
            found.append(parts)
        return found


def _measure_one(
    servers: _Servers, clients: _Clients, leader: int, way: str
) -> tuple[dict[str, float], int]:
    """Kill the leader; return what the change took, by its parts, and who leads then."""
    clients.wait_for_more(ACKS_BEFORE)
    killed = servers.running.pop(leader)
    killed.kill()
    at = time.time()
    starter = None
    if way == "pair":
        starter = threading.Thread(target=servers.start, args=(leader,))
        starter.start()
    if way != "lease":
        refused = servers.promote([number for number in servers.running if number != leader])
        if refused is not None and way != "pair":
            raise RuntimeError(f"nobody could be promoted: {refused}")

    def is_over() -> bool:
        return clients.first_after(at, servers.ports[leader]) is not None

    wait_for(is_over, "a new leader acknowledges")
    first = clients.first_after(at, servers.ports[leader])
    assert first is not None
    if starter is None:
        servers.start(leader)
    else:
        starter.join()
    fresh = servers.wait_whole()
    return _parts(servers.log(fresh), at, first), fresh


def _parts(log: str, killed: float, first: float) -> dict[str, float]:
    """Return seconds of each part of a change of role that a log tells of after a moment."""
    parts = {"whole_s": first - killed}
    for stamp, said in _LINE.findall(log):
        try:
            moment = datetime.strptime(stamp, "%Y-%m-%d %H:%M:%S,%f").timestamp()  # noqa: DTZ007
        except ValueError:
            continue
        changed = _CHANGED.search(said)
        if changed is None or moment < killed:
            continue
        took = float(changed[1])
        parts["noticing_s"] = max(0.0, moment - took - killed)
        for name, seconds in _PART.findall(changed[2]):
            parts[f"{name.strip().replace(' ', '_')}_s"] = float(seconds)
        parts["first_write_s"] = max(0.0, first - moment)
        break
    return parts
