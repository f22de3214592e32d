"""The chaos proxy does what was ordered, where it was ordered, and nothing else."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from clew.testing.chaos import ChaosProxy, Harm, Way
from clew.testing.history import wait_until
from clew.testing.network import HeldPorts

SECONDS_MAX = 60.0


class Echo:
    """Answers every connection with what it sends."""

    def __init__(self) -> None:
        self.received = b""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._echo, args=(connection,), daemon=True).start()

    def _echo(self, connection: socket.socket) -> None:
        with connection:
            try:
                while piece := connection.recv(65536):
                    self.received += piece
                    connection.sendall(piece)
            except OSError:
                return

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture
def echo() -> Iterator[Echo]:
    server = Echo()
    yield server
    server.close()


@pytest.fixture
def proxy(echo: Echo) -> Iterator[ChaosProxy]:
    with ChaosProxy(echo.port, seed=7) as opened:
        yield opened


def dial(proxy: ChaosProxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), SECONDS_MAX)


def read(connection: socket.socket, count: int) -> bytes:
    """Up to `count` bytes, fewer where the stream ends."""
    found = b""
    while len(found) < count and (piece := connection.recv(count - len(found))):
        found += piece
    return found


def ask(proxy: ChaosProxy) -> bytes:
    with dial(proxy) as connection:
        connection.sendall(b"x")
        return connection.recv(1)


def test_bytes_pass_both_ways_and_ends_too(proxy: ChaosProxy) -> None:
    sent = bytes(range(256)) * 1000
    with dial(proxy) as connection:
        threading.Thread(target=connection.sendall, args=(sent,)).start()
        assert read(connection, len(sent)) == sent
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""
    assert proxy.passed == {Way.TO_SERVER: len(sent), Way.TO_CLIENT: len(sent)}
    assert not proxy.struck


def test_an_answer_is_truncated_at_its_byte(proxy: ChaosProxy) -> None:
    proxy.strike(Harm.TRUNCATE, at_byte=5)
    with dial(proxy) as connection:
        connection.sendall(b"0123456789")
        assert read(connection, 10) == b"01234"
    with dial(proxy) as connection:
        connection.sendall(b"0123456789")
        assert read(connection, 10) == b"0123456789"


def test_a_reset_before_the_first_byte_of_the_answer_comes_after_the_request(
    proxy: ChaosProxy, echo: Echo
) -> None:
    proxy.strike(Harm.RESET)
    with dial(proxy) as connection:
        connection.sendall(b"carry this out")
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
    assert echo.received == b"carry this out"


def test_a_request_is_cut_before_it_is_whole(proxy: ChaosProxy, echo: Echo) -> None:
    proxy.strike(Harm.RESET, Way.TO_SERVER, at_byte=3)
    with dial(proxy) as connection:
        connection.sendall(b"0123456789")
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
    assert b"3" not in echo.received


def test_a_strike_counts_from_when_it_was_ordered(proxy: ChaosProxy) -> None:
    with dial(proxy) as connection:
        connection.sendall(b"first")
        assert read(connection, 5) == b"first"
        proxy.strike(Harm.TRUNCATE, at_byte=2)
        connection.sendall(b"second")
        assert read(connection, 6) == b"se"


def test_a_silent_connection_stays_open_until_calm_comes(proxy: ChaosProxy) -> None:
    proxy.strike(Harm.SILENCE, at_byte=1)
    with dial(proxy) as connection:
        connection.sendall(b"0123456789")
        assert read(connection, 1) == b"0"
        connection.settimeout(0.05)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        connection.settimeout(SECONDS_MAX)
        proxy.calm()
        with pytest.raises(ConnectionResetError):
            connection.recv(1)


def test_what_goes_a_lossy_way_is_taken_and_never_arrives(proxy: ChaosProxy, echo: Echo) -> None:
    proxy.change_weather(lost=frozenset([Way.TO_CLIENT]))
    with dial(proxy) as connection:
        connection.sendall(b"heard")
        wait_until(lambda: echo.received == b"heard", SECONDS_MAX, "it is heard")
        connection.settimeout(0.05)
        with pytest.raises(TimeoutError):
            connection.recv(1)


@pytest.mark.parametrize("weather", [{"latency_s": 60.0}, {"bytes_per_s": 1}])
def test_bytes_come_late_or_through_a_narrow_way(
    proxy: ChaosProxy, weather: dict[str, float]
) -> None:
    proxy.change_weather(**weather)
    with dial(proxy) as connection:
        connection.sendall(bytes(60))
        connection.settimeout(0.05)
        with pytest.raises(TimeoutError):
            connection.recv(1)


def test_bytes_come_in_pieces(proxy: ChaosProxy) -> None:
    proxy.change_weather(latency_s=0.001, jitter_s=0.001, piece_bytes=7)
    sent = bytes(range(100))
    with dial(proxy) as connection:
        connection.sendall(sent)
        assert read(connection, 100) == sent


def test_connections_are_refused_and_cut_while_it_runs(proxy: ChaosProxy) -> None:
    with dial(proxy) as connection:
        connection.sendall(b"x")
        assert read(connection, 1) == b"x"
        proxy.cut()
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
    proxy.change_weather(refuses=True)
    with pytest.raises(ConnectionError):
        ask(proxy)
    proxy.calm()
    assert ask(proxy) == b"x"


def test_one_bit_is_another_and_all_else_goes_on(proxy: ChaosProxy) -> None:
    proxy.strike(Harm.FLIP, Way.TO_SERVER, at_byte=4)
    with dial(proxy) as connection:
        connection.sendall(b"01")
        connection.sendall(b"23456789")
        assert read(connection, 10) == b"0123556789"
    assert proxy.struck == {Harm.FLIP: 1}


def test_what_is_held_arrives_late_even_of_a_sender_that_was_cut_off(
    proxy: ChaosProxy, echo: Echo
) -> None:
    with dial(proxy) as connection:
        connection.sendall(b"a")
        assert read(connection, 1) == b"a"
        proxy.hold()
        connection.sendall(b"old")
        wait_until(lambda: proxy.held_bytes() == 3, SECONDS_MAX, "it is held")
        proxy.cut()
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
    # A newer connection overtakes it.
    assert ask(proxy) == b"x"
    assert echo.received == b"ax"
    proxy.release()
    wait_until(lambda: echo.received == b"axold", SECONDS_MAX, "it comes late")


def outcomes(echo: Echo, seed: int) -> list[str]:
    found = []
    with ChaosProxy(echo.port, seed=seed) as proxy:
        proxy.storm(0.5, Harm.RESET, Harm.TRUNCATE)
        for _ in range(12):
            with dial(proxy) as connection:
                try:
                    connection.sendall(bytes(8192))
                    found.append(f"{len(read(connection, 8192)) // 8192}")
                except ConnectionError:
                    found.append("broken")
    return found


def test_a_storm_is_the_same_for_the_same_seed(echo: Echo) -> None:
    first = outcomes(echo, 3)
    assert [one == "1" for one in first] == [one == "1" for one in outcomes(echo, 3)]
    assert {one == "1" for one in first} == {True, False}


def test_a_server_that_is_not_there_is_a_reset() -> None:
    held = HeldPorts(1)
    with ChaosProxy(held.numbers[0]) as proxy, pytest.raises(ConnectionError):
        ask(proxy)
