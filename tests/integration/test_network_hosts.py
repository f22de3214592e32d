"""Hosts for the servers of a test: what their wires do, and that nothing else is touched."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from clew.testing.group import why_not_on_hosts
from clew.testing.history import wait_until
from clew.testing.network import Host, Network

SECONDS_MAX = 120.0
DATAGRAMS = 50
PORT = 7000


@pytest.fixture
def network() -> Iterator[Network]:
    why = why_not_on_hosts()
    if why is not None:
        pytest.skip(f"the drills of servers go over proxies on the loopback alone: {why}")
    with closing(Network(2)) as made:
        yield made


def listen(host: Host) -> socket.socket:
    """Receive datagrams on a host; the socket may be used from anywhere."""
    with host.inside():
        found = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    found.settimeout(SECONDS_MAX)
    found.bind((host.address, PORT))
    return found


def devices() -> set[str]:
    return {name for _, name in socket.if_nameindex()}


def namespace(thread: str = "thread-self") -> int:
    return Path("/proc", thread, "ns/net").stat().st_ino


def test_what_goes_over_a_slow_wire_is_reordered_and_over_a_cut_one_lost_one_way(
    network: Network,
) -> None:
    a, b = network.hosts
    with listen(a) as left, listen(b) as right:
        network.slow([(0, 1)], 0.001, 0.02)
        sent = [str(number).encode() for number in range(DATAGRAMS)]
        for each in sent:
            left.sendto(each, (b.address, PORT))
        came = [right.recv(100) for _ in sent]
        assert sorted(came) == sorted(sent)
        assert came != sent
        assert network.overtaken[0, 1] > 0
        assert network.overtaken[1, 0] == 0

        network.slow([(0, 1)], 0.0)
        network.cut([(0, 1)])
        left.sendto(b"lost", (b.address, PORT))
        wait_until(lambda: network.lost[0, 1] > 0, SECONDS_MAX, "it is lost")
        right.sendto(b"the other way", (a.address, PORT))
        assert left.recv(100) == b"the other way"
        network.mend([(0, 1)])
        left.sendto(b"whole", (b.address, PORT))
        assert right.recv(100) == b"whole"


def test_a_host_has_its_own_devices_and_loopback_and_the_machine_keeps_its_own(
    network: Network,
) -> None:
    home, before = namespace(), devices()
    with socket.create_server(("127.0.0.1", 0)) as outside:
        with network.hosts[0].inside():
            away = namespace()
            assert devices() & before == {"lo"}
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(outside.getsockname(), SECONDS_MAX)
            with pytest.raises(OSError, match="unreachable"):
                socket.create_connection(("198.51.100.1", 9), SECONDS_MAX)
        assert (namespace(), devices()) == (home, before)
        socket.create_connection(outside.getsockname(), SECONDS_MAX).close()
    network.close()
    for each in Path("/proc/self/task").iterdir():
        # A thread of another test may end meanwhile.
        with suppress(FileNotFoundError, ProcessLookupError):
            assert namespace(f"self/task/{each.name}") != away
