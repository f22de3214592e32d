"""A group of real servers, with a proxy on every way from one to another.

They are on the loopback, or each on a host of its own (`clew.testing.network`) where the test asks
for hosts and the machine permits them. Then a partition loses packets and tells nobody; else the
proxies stand for the network as well, and break connections.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, Self

from clew.testing.chaos import CALM, ChaosProxy, Way
from clew.testing.etcd import EtcdProcess
from clew.testing.history import ask, check_fence, wait_until
from clew.testing.network import LOOPBACK, HeldPorts, Network, find_obstacle
from clew.testing.server import ServerProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path
    from types import TracebackType

    from clew.testing.network import Wire
    from clew.testing.postgres import PostgresProcess

__all__ = ["ServerGroup", "ask"]

HOSTS_VARIABLE: Final = "CLEW_TEST_HOSTS"
"""In the environment of the tests; ``off`` leaves the servers on the loopback where there could be
hosts."""

HTTP_PORT: Final = 7701
TRAILS_PORT: Final = 8443
"""Of a server that has a host to itself."""

PIECE_BYTES: Final = 700
"""Of what is late without packets: two pieces of a request of a few spans, at the least."""

SETTLE_SECONDS_MAX: Final = 90.0
"""When a group that does not come to rest is given up: many times what a change of roles takes."""


class ServerGroup:
    """Servers that have one another as standbys. They keep their addresses over restarts.

    Nothing is started by itself. What one server sends another goes through `way`, where it can be
    delayed, cut and held back; clients reach each server directly. With `on_hosts`, where that may
    be, each server has a host, and so has whoever is within ``with``: this thread, and what it
    starts there. The lease is kept by an etcd of the group's own with `has_etcd`, on a host of its
    own then, or by `postgres`; each server has a way of its own there.
    """

    def __init__(
        self,
        folder: Path,
        servers: int = 2,
        settings: Mapping[str, str] | None = None,
        *,
        on_hosts: bool = False,
        has_etcd: bool = False,
        postgres: PostgresProcess | None = None,
    ) -> None:
        self.folders = [folder / f"server-{number}" for number in range(servers)]
        self.processes: dict[int, ServerProcess] = {}
        self._settings = dict(settings or {})
        self._within = contextlib.ExitStack()
        self.network: Network | None = None
        if on_hosts and why_not_on_hosts() is None:
            # Behind those of the servers: the clients', and the one of etcd.
            self.network = Network(servers + 1 + has_etcd)
            self._addresses = [host.address for host in self.network.hosts]
            self.ports, trails_ports = [HTTP_PORT] * servers, [TRAILS_PORT] * servers
            self._settings["insecure"] = "true"
        else:
            self._addresses = [LOOPBACK] * (servers + 1 + has_etcd)
            held = HeldPorts(2 * servers)
            self._within.callback(held.close)
            self.ports, trails_ports = held.numbers[:servers], held.numbers[servers:]
        self._doors = [
            (f"{address}:{port}", f"{address}:{trails_port}")
            for address, port, trails_port in zip(
                self._addresses[:servers], self.ports, trails_ports, strict=True
            )
        ]
        self.urls = [f"http://{http}" for http, _ in self._doors]
        self.trails_urls = [f"ws://{trails}/ws" for _, trails in self._doors]
        self._ways: dict[Wire, ChaosProxy] = {}
        for source, target in itertools.permutations(range(servers), 2):
            # Right before the target: what is held up there has come over the wire.
            with self.at(target):
                proxy = ChaosProxy(self.ports[target], host=self._addresses[target])
            self._ways[source, target] = proxy
        self._clients, self._etcd_host = servers, servers + 1
        self._fronts: list[ChaosProxy] = []
        if on_hosts and self.network is None:
            self._fronts = [ChaosProxy(port) for port in self.ports]
        self.client_urls = [front.url for front in self._fronts] or self.urls
        """Where whoever `cut_off_clients` is to cut off reaches the servers."""
        self.etcd: EtcdProcess | None = None
        self._leases: list[ChaosProxy] = []
        self._lease_urls: list[str] = []
        if has_etcd:
            self._begin_etcd(servers)
        elif postgres is not None:
            self._begin_postgres(postgres, servers)

    def _begin_etcd(self, servers: int) -> None:
        """Start etcd, with a way to it for each server."""
        with self.at(self._etcd_host):
            address = self._addresses[self._etcd_host]
            self.etcd = EtcdProcess(address)
            self._leases = [ChaosProxy(self.etcd.port, host=address) for _ in range(servers)]
            self._lease_urls = [f"etcd://{address}:{proxy.port}" for proxy in self._leases]

    def _begin_postgres(self, postgres: PostgresProcess, servers: int) -> None:
        """Open a way to the database for each server, on its own host: a file has no network."""
        schema = postgres.new_schema()
        for number in range(servers):
            address = self._addresses[number]
            with self.at(number):
                proxy = ChaosProxy(postgres.socket, host=address)
            self._leases.append(proxy)
            self._lease_urls.append(
                postgres.url(search_path=schema, host=address, port=str(proxy.port))
            )

    def at(self, number: int) -> contextlib.AbstractContextManager[None]:
        """Be on the host of a server meanwhile, where it has one."""
        if self.network is None:
            return contextlib.nullcontext()
        return self.network.hosts[number].inside()

    def way(self, source: int, target: int) -> ChaosProxy:
        """Return the proxy through which one server reaches another."""
        return self._ways[source, target]

    def start(self, number: int, role: str = "standby", **settings: str) -> ServerProcess:
        """Start a server, as what `role` says while it knows of no leader."""
        others = [self._ways[number, each].url for each in range(len(self.urls)) if each != number]
        http_door, trails_door = self._doors[number]
        given = {
            "http": http_door,
            "advertise": self.urls[number],
            "standby": ",".join(others),
            "role": role,
            "links": "off",
            "otlp_grpc": "off",
            "trails": trails_door,
        }
        if self._lease_urls:
            given["lease"] = self._lease_urls[number]
        with self.at(number):
            process = ServerProcess(self.folders[number], given | self._settings | settings)
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
    def partition(
        self, number: int, *, hears: bool = False, is_heard: bool = False
    ) -> Iterator[None]:
        """Let nothing through between a server and the others: both ways, or one.

        One that `hears` gets what they send, and one that `is_heard` has what it sends arrive. Of a
        connection neither is enough: it takes both ways to open one, or to know what came of it.
        """
        others = [each for each in range(len(self.urls)) if each != number]
        to_it = [] if hears else [(other, number) for other in others]
        from_it = [] if is_heard else [(number, other) for other in others]
        if self.network is not None:
            self.network.cut(to_it + from_it)
        elif to_it and from_it:
            for proxy in self._around(number):
                proxy.change_weather(refuses=True)
                proxy.cut()
        else:
            self._lose(to_it or from_it, frozenset.union)
        try:
            yield
        finally:
            if self.network is not None:
                self.network.mend(to_it + from_it)
            elif to_it and from_it:
                for proxy in self._around(number):
                    proxy.change_weather(refuses=False)
            else:
                self._lose(to_it or from_it, frozenset.difference)
                # What was lost was in the middle of something.
                for proxy in self._around(number):
                    proxy.cut()

    @contextlib.contextmanager
    def cut_off_clients(self, number: int) -> Iterator[None]:
        """Let nothing through between a server and the clients' host, and tell nobody.

        Only where the test asked for hosts; the other servers reach it as before.
        """
        if self.network is not None:
            wires = [(number, self._clients), (self._clients, number)]
            self.network.cut(wires)
            yield
            self.network.mend(wires)
            return
        front = self._fronts[number]
        front.change_weather(lost=frozenset(Way))
        yield
        front.weather = CALM
        # What was lost was in the middle of something.
        front.cut()

    @contextlib.contextmanager
    def cut_off_lease(self, number: int) -> Iterator[None]:
        """Let nothing through between a server and what keeps the lease, both ways."""
        if self.network is not None and self.etcd is not None:
            wires = [(number, self._etcd_host), (self._etcd_host, number)]
            self.network.cut(wires)
            yield
            self.network.mend(wires)
            return
        way = self._leases[number]
        if self.network is None:
            way.change_weather(refuses=True)
            way.cut()
        else:
            # As packets are lost: nobody is told.
            way.change_weather(lost=frozenset(Way))
        yield
        way.weather = CALM
        # What was lost was in the middle of something.
        way.cut()

    @contextlib.contextmanager
    def without_etcd(self) -> Iterator[None]:
        """Kill etcd, and start it again over what it kept."""
        assert self.etcd is not None, "the group has none"
        self.etcd.kill()
        yield
        with self.at(self._etcd_host):
            self.etcd.start()

    def _around(self, number: int) -> list[ChaosProxy]:
        """Return the proxies between a server and the others."""
        return [proxy for pair, proxy in self._ways.items() if number in pair]

    def _lose(
        self,
        wires: Iterable[Wire],
        change: Callable[[frozenset[Way], frozenset[Way]], frozenset[Way]],
    ) -> None:
        """Lose what servers send one another, without a network: as requests, and as answers."""
        for source, target in wires:
            for pair, way in (
                ((source, target), Way.TO_SERVER),
                ((target, source), Way.TO_CLIENT),
            ):
                proxy = self._ways[pair]
                proxy.change_weather(lost=change(proxy.weather.lost, frozenset([way])))

    @contextlib.contextmanager
    def delay(self, source: int, target: int, latency_s: float, jitter_s: float) -> Iterator[None]:
        """Have what a server sends another come late, and in another order where it has packets.

        Raises:
            AssertionError: no packet came after one that was sent later.
        """
        if self.network is None:
            way = self._ways[source, target]
            way.change_weather(latency_s=latency_s, jitter_s=jitter_s, piece_bytes=PIECE_BYTES)
            yield
            way.weather = CALM
            return
        wires = [(source, target), (target, source)]
        self.network.slow(wires, latency_s, jitter_s)
        before = self.network.overtaken[source, target]
        yield
        self.network.slow(wires, 0.0)
        assert self.network.overtaken[source, target] > before, "everything came in its order"

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
        found = self._find_seen(told, leader, standby)
        assert found is not None, f"server {leader} answers {told}"
        return found

    def _find_seen(
        self, told: dict[str, Any] | None, leader: int, standby: int
    ) -> dict[str, Any] | None:
        """Return how a server that leads sees a standby, by what it said; None when it does not."""
        url = self._ways[leader, standby].url
        return next((each for each in (told or {}).get("peers") or () if each["url"] == url), None)

    def _wait_seen(self, leader: int, standby: int, *, is_well: bool, what: str) -> None:
        def is_so() -> bool:
            found = self._find_seen(self.status(leader), leader, standby)
            return found is not None and bool(found["ok"]) is is_well

        wait_until(is_so, SETTLE_SECONDS_MAX, what)

    def wait_following(self, leader: int, standby: int) -> None:
        """Return once a standby is as far as its leader, by what the leader knows.

        Raises:
            TimeoutError: it is not in time.
        """
        what = f"server {standby} follows server {leader}"
        self._wait_seen(leader, standby, is_well=True, what=what)

    def wait_missed(self, leader: int, standby: int) -> None:
        """Return once a leader knows that a standby does not follow.

        Raises:
            TimeoutError: it does not in time.
        """
        what = f"server {leader} misses server {standby}"
        self._wait_seen(leader, standby, is_well=False, what=what)

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

    def find_leader(self, *candidates: int) -> int | None:
        """Return the server that leads and takes what is written, None when none does.

        Only `candidates` are asked, where any are given.
        """
        for number in candidates or tuple(self.processes):
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
        if self.network is not None:
            self._within.callback(self.network.close)
            self._within.enter_context(self.network.hosts[self._clients].inside())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._within:
            for process in self.processes.values():
                process.kill()
            for proxy in (*self._ways.values(), *self._leases, *self._fronts):
                proxy.close()
            if self.etcd is not None:
                self.etcd.close()


def why_not_on_hosts() -> str | None:
    """Return why servers have no hosts of their own here, None where they have."""
    if os.environ.get(HOSTS_VARIABLE) == "off":
        return f"{HOSTS_VARIABLE} is off"
    return find_obstacle()
