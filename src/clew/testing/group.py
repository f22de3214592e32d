"""A group of real servers on the loopback, with a proxy on every way from one to another."""

from __future__ import annotations

import contextlib
import http.client
import json
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, Self

from clew.testing.chaos import CALM, ChaosProxy
from clew.testing.history import ask, check_fence, wait_until
from clew.testing.server import ServerProcess

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from types import TracebackType

__all__ = ["ServerGroup", "ask", "free_ports"]

SETTLE_SECONDS_MAX: Final = 90.0
"""When a group that does not come to rest is given up: many times what a change of roles takes."""


class ServerGroup:
    """Servers that have one another as standbys. They keep their addresses over restarts.

    Nothing is started by itself. What one server sends another goes through `way`, where it can be
    delayed, cut and held back; clients reach each server directly.
    """

    def __init__(
        self, folder: Path, servers: int = 2, settings: Mapping[str, str] | None = None
    ) -> None:
        self.folders = [folder / f"server-{number}" for number in range(servers)]
        ports = free_ports(2 * servers)
        self.ports, self._trails_ports = ports[:servers], ports[servers:]
        self.urls = [f"http://127.0.0.1:{port}" for port in self.ports]
        self.trails_urls = [f"ws://127.0.0.1:{port}/ws" for port in self._trails_ports]
        self.processes: dict[int, ServerProcess] = {}
        self._settings = dict(settings or {})
        self._ways = {
            (a, b): ChaosProxy(self.ports[b])
            for a in range(servers)
            for b in range(servers)
            if a != b
        }

    def way(self, source: int, target: int) -> ChaosProxy:
        """Return the proxy through which one server reaches another."""
        return self._ways[source, target]

    def start(self, number: int, role: str = "standby", **settings: str) -> ServerProcess:
        """Start a server, as what `role` says while it knows of no leader."""
        others = [self._ways[number, each].url for each in range(len(self.urls)) if each != number]
        process = ServerProcess(
            self.folders[number],
            {
                "http": f"127.0.0.1:{self.ports[number]}",
                "advertise": self.urls[number],
                "standby": ",".join(others),
                "role": role,
                "links": "off",
                "otlp_grpc": "off",
                "trails": f"127.0.0.1:{self._trails_ports[number]}",
                **self._settings,
                **settings,
            },
        )
        self.processes[number] = process
        return process

    def start_all(self, *roles: str) -> None:
        """Start every server at once, each as what `roles` says of it."""
        with ThreadPoolExecutor(len(roles)) as threads:
            list(threads.map(self.start, range(len(roles)), roles))

    def kill(self, number: int) -> None:
        """End a server as a crash would."""
        self.processes.pop(number).kill()

    def pause(self, number: int) -> None:
        """Stop a server where it stands."""
        self.processes[number].signal(signal.SIGSTOP)

    def resume(self, number: int) -> None:
        """Let it go on."""
        self.processes[number].signal(signal.SIGCONT)

    @contextlib.contextmanager
    def partition(self, number: int) -> Iterator[None]:
        """Let nothing through between a server and the others, either way."""
        ways = [proxy for pair, proxy in self._ways.items() if number in pair]
        for proxy in ways:
            proxy.change_weather(refuses=True)
            proxy.cut()
        try:
            yield
        finally:
            for proxy in ways:
                proxy.weather = CALM

    def status(self, number: int) -> dict[str, Any] | None:
        """Return what a server says of its place, None when it does not answer."""
        return ask(self.urls[number], "GET", "/internal/cluster")[1]

    def position(self, number: int) -> dict[str, Any]:
        """Return what a server says of its log.

        Raises:
            AssertionError: it does not answer.
        """
        status, told = ask(self.urls[number], "GET", "/internal/wal/position")
        assert status == http.client.OK, told
        assert told is not None, "it has just answered"
        return told

    def seen(self, leader: int, standby: int) -> dict[str, Any]:
        """Return how a leader sees a standby."""
        told = self.status(leader)
        assert told is not None, f"server {leader} does not answer"
        url = self._ways[leader, standby].url
        found: dict[str, Any] = next(each for each in told["peers"] if each["url"] == url)
        return found

    def wait_following(self, leader: int, standby: int) -> None:
        """Return once a standby is as far as its leader, by what the leader knows.

        Raises:
            TimeoutError: it is not in time.
        """
        wait_until(
            lambda: bool(self.seen(leader, standby)["ok"]),
            SETTLE_SECONDS_MAX,
            f"server {standby} follows server {leader}",
        )

    def wait_missed(self, leader: int, standby: int) -> None:
        """Return once a leader knows that a standby does not follow.

        Raises:
            TimeoutError: it does not in time.
        """
        wait_until(
            lambda: not self.seen(leader, standby)["ok"],
            SETTLE_SECONDS_MAX,
            f"server {leader} misses server {standby}",
        )

    def promote(self, number: int, *, force: bool = False) -> tuple[int, dict[str, Any] | None]:
        """Ask a server to lead; return status and document of its answer."""
        body = json.dumps({"force": force}).encode()
        return ask(self.urls[number], "POST", "/internal/promote", body)

    def wait_claimed(self, number: int) -> None:
        """Return once a server leads, whether or not enough others are there to take anything.

        Raises:
            TimeoutError: it does not in time.
        """
        wait_until(
            lambda: bool((self.status(number) or {}).get("is_leader")),
            SETTLE_SECONDS_MAX,
            f"server {number} leads",
        )

    def wait_leading(self, number: int) -> dict[str, Any]:
        """Return what a server says once it leads and takes what is written.

        Raises:
            TimeoutError: it does not in time.
        """

        def leads() -> bool:
            status, answer = ask(self.urls[number], "GET", "/readyz")
            return status == http.client.OK and bool(answer and answer["group"]["is_leader"])

        wait_until(leads, SETTLE_SECONDS_MAX, f"server {number} leads")
        found = self.status(number)
        assert found is not None, "it has just answered"
        return found

    def find_leader(self) -> int | None:
        """Return the server that leads and takes what is written, None when none does."""
        for number in self.processes:
            status, answer = ask(self.urls[number], "GET", "/readyz")
            if status == http.client.OK and answer and answer["group"]["is_leader"]:
                return number
        return None

    def wait_in_step(self, leader: int) -> None:
        """Return once every other server has all that the leader has, and shows it.

        Raises:
            TimeoutError: they do not in time.
        """

        def is_in_step() -> bool:
            told = [self.status(number) for number in self.processes]
            acked = {each["acked"] for each in told if each is not None}
            epochs = {each["epoch"] for each in told if each is not None}
            return None not in told and len(acked) == len(epochs) == 1

        wait_until(is_in_step, SETTLE_SECONDS_MAX, f"all have what server {leader} has")

    def end(self) -> None:
        """End every server, the leader first, and hold their logs against one another.

        Raises:
            AssertionError: the fence was not held.
        """
        told = [
            folder.with_name(f"{folder.name}.stderr").read_text(errors="replace")
            for folder in self.folders
        ]
        leader = self.find_leader()
        # The others have its last words while they are there; it would wait for them in vain.
        for number in sorted(self.processes, key=lambda each: each != leader):
            process = self.processes.pop(number)
            assert process.terminate() == 0, process.stderr
        check_fence(self.folders, told)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for process in self.processes.values():
            process.kill()
        for proxy in self._ways.values():
            proxy.close()


def free_ports(count: int) -> list[int]:
    """Return ports that nobody has now; all are held until all are chosen."""
    with contextlib.ExitStack() as stack:
        taken = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in taken:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in taken]
