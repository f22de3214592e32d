"""The transport: what is not a clew server is told as an error, and a feed survives its server."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from clew.base.errors import ClewError, ErrorCode
from clew.remote.address import parse_server
from clew.remote.events import Event, Interruption, follow
from clew.remote.http import Server
from clew.testing.network import HeldPorts
from clew.testing.server import ServerProcess

Respond = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def serving(respond: Respond, port: int = 0) -> Iterator[str]:
    """Serve GET and POST by a function; give the address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            respond(self)

        def do_POST(self) -> None:
            respond(self)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def answer(handler: BaseHTTPRequestHandler, status: int, body: bytes, **headers: str) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def raised(url: str) -> ClewError:
    with Server(url) as server, pytest.raises(ClewError) as caught:
        server.get("/x")
    return caught.value


def test_a_problem_document_becomes_the_error_that_it_tells_of() -> None:
    body = b'{"status":429,"code":"overloaded","detail":"too many","hint":"wait","error":"x"}'
    with serving(lambda handler: answer(handler, 429, body)) as url:
        error = raised(url)
    assert (error.code, error.message, error.hint) == (ErrorCode.OVERLOADED, "too many", "wait")


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (400, ErrorCode.UNAVAILABLE, "is no clew server: BaseHTTP"),
        (404, ErrorCode.UNAVAILABLE, "is no clew server: BaseHTTP"),
        (500, ErrorCode.UNAVAILABLE, "is no clew server: BaseHTTP"),
        (501, ErrorCode.UNAVAILABLE, "is no clew server: BaseHTTP"),
        (302, ErrorCode.UNAVAILABLE, "it leads to https://elsewhere/x"),
        # A proxy, it may be, in front of one.
        (502, ErrorCode.UNAVAILABLE, "no clew server answers at"),
        (503, ErrorCode.UNAVAILABLE, "no clew server answers at"),
        (504, ErrorCode.TIMEOUT, "no clew server answers at"),
        (401, ErrorCode.UNAUTHENTICATED, "not as a clew server does"),
        (413, ErrorCode.TOO_LARGE, "not as a clew server does"),
    ],
)
def test_another_server_is_told_by_what_it_calls_itself(
    status: int, code: ErrorCode, message: str
) -> None:
    leads = {"Location": "https://elsewhere/x"}
    with serving(lambda handler: answer(handler, status, b"<html>no</html>", **leads)) as url:
        error = raised(url)
    assert error.code is code
    assert message in error.message
    assert "BaseHTTP" in error.message or status == 302
    assert "without" not in error.message
    assert "clew doctor" in (error.hint or "")


def test_what_a_clew_server_says_without_a_code_is_its_own_word_all_the_same() -> None:
    checks = '[{"name":"log","ok":true},{"name":"standbys","ok":false,"detail":"missing: b"}]'
    unready = f'{{"ready":false,"checks":{checks}}}'.encode()
    with serving(lambda handler: answer(handler, 503, unready)) as url:
        error = raised(url)
    assert (error.code, error.message) == (
        ErrorCode.UNAVAILABLE,
        f"{url} is not ready: standbys: missing: b",
    )

    def say(handler: BaseHTTPRequestHandler) -> None:
        handler.server_version, handler.sys_version = "clew/0.1", ""
        answer(handler, 503, b"")

    with serving(say) as url:
        assert raised(url).message == f"{url} answered 503"


def test_a_name_that_a_server_gives_itself_is_one_short_line() -> None:
    name = "x\x1b[31m" + "y" * 500

    def say(handler: BaseHTTPRequestHandler) -> None:
        handler.server_version, handler.sys_version = name, ""
        answer(handler, 404, b"")

    with serving(say) as url:
        error = raised(url)
    assert error.message.isprintable()
    assert len(error.message) < 200


@contextmanager
def greeting(words: bytes) -> Iterator[int]:
    """Answer every connection with the same words, whatever it asked; give the port."""

    def speak() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return  # shut down: the test is over
            with connection, suppress(OSError):
                connection.recv(1024)
                connection.sendall(words)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=speak)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_something_that_speaks_no_http_is_told() -> None:
    for words in (b"220 mail ready\r\n\r\n", b"\x00\x00\x1e\x04\x00\x00\x00\x00\r\n\r\n"):
        with greeting(words) as port:
            error = raised(f"http://127.0.0.1:{port}")
        assert error.code is ErrorCode.UNAVAILABLE
        assert error.message.endswith("does not speak HTTP")
        assert "HTTP door" in (error.hint or "")


def test_an_answer_that_ends_before_its_end_is_none() -> None:
    for head in (b"Content-Length: 100\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n64\r\n"):
        with greeting(b"HTTP/1.1 200 OK\r\n" + head + b"abc") as port:
            error = raised(f"http://127.0.0.1:{port}")
        assert error.code is ErrorCode.UNAVAILABLE
        assert error.message.endswith("(its answer broke off)")


def test_a_server_without_tls_is_told_by_that(server: ServerProcess) -> None:
    error = raised(server.url.replace("http:", "https:"))
    assert error.code is ErrorCode.UNAVAILABLE
    assert "does not speak TLS" in error.message
    assert "http://" in (error.hint or "")


def test_a_server_that_ends_while_tls_begins_is_told_by_that() -> None:
    with greeting(b"") as port:
        error = raised(f"https://127.0.0.1:{port}")
    assert error.code is ErrorCode.UNAVAILABLE
    assert "the connection was ended without a word" in error.message


def test_a_server_that_says_nothing_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with Server(url, read_timeout_s=0.2) as server, pytest.raises(ClewError) as caught:
            server.get("/x")
    assert caught.value.code is ErrorCode.TIMEOUT


def test_a_kept_connection_that_the_server_closed_is_opened_again() -> None:
    asked = 0

    def respond(handler: BaseHTTPRequestHandler) -> None:
        nonlocal asked
        asked += 1
        answer(handler, 200, b"{}")
        # Without a word: as a server does that restarts, or that is tired of waiting.
        handler.close_connection = True

    with serving(respond) as url, Server(url) as server:
        for _ in range(3):
            assert server.get("/x").body == b"{}"
    assert asked == 3


def test_the_time_that_the_server_took_is_read() -> None:
    timing = {"server-timing": "db;dur=1, total;dur=12.345"}
    respond: Respond = lambda handler: answer(handler, 200, b"{}", **timing)  # noqa: E731
    with serving(respond) as url, Server(url) as server:
        assert server.get("/x").server_ms == 12.345


@pytest.mark.parametrize("text", ["", "ftp://x", "http://", "http://x:99999", "http://[::1", "x:y"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ClewError) as caught:
        parse_server(text)
    assert caught.value.code is ErrorCode.INVALID_ARGUMENT


def test_a_prefix_of_the_address_stands_before_every_path(server: ServerProcess) -> None:
    paths = []

    def respond(handler: BaseHTTPRequestHandler) -> None:
        paths.append(handler.path)
        answer(handler, 200, b"{}")

    with serving(respond) as url, Server(f"{url}/telemetry/") as behind:
        behind.get("/api/v1/traces", [("q", "a b&c"), ("attribute", "ü=1")])
    assert paths == ["/telemetry/api/v1/traces?q=a+b%26c&attribute=%C3%BC%3D1"]


def test_a_feed_comes_back_to_where_it_ended() -> None:
    asked: list[str | None] = []

    def respond(handler: BaseHTTPRequestHandler) -> None:
        last = handler.headers.get("Last-Event-ID")
        asked.append(last)
        first = int(last or 0) + 1
        body = f"retry: 1\ndata: [{first}]\nid: {first}\n\ndata: [{first + 1}]\nid: {first + 1}\n\n"
        # The third event is cut in half, so it must come again.
        answer(handler, 200, (body + f"data: [{first + 2}]\nid: {first + 2}\n").encode())

    waited: list[float] = []
    with serving(respond) as url:
        feed = follow(url, "/live", [], wait=waited.append)
        said = [next(feed) for _ in range(8)]
        feed.close()
    events = [each.data for each in said if isinstance(each, Event)]
    assert events == ["[1]", "[2]", "[3]", "[4]", "[5]", "[6]"]
    assert sum(isinstance(each, Interruption) for each in said) == 2
    assert asked == [None, "2", "4"]
    assert len(waited) == 2


def test_a_feed_waits_longer_each_time_that_the_server_is_away() -> None:
    waited: list[float] = []
    held = HeldPorts(1)
    said_once: Respond = lambda handler: answer(handler, 200, b"data: [1]\nid: 1\n\n")  # noqa: E731
    with serving(said_once, *held.numbers) as url:
        feed = follow(url, "/live", [], wait=waited.append)
        assert isinstance(next(feed), Event)
    # Nobody serves any more, and nobody else is given the address.
    said = [next(feed) for _ in range(6)]
    feed.close()
    assert all(isinstance(each, Interruption) for each in said)
    pauses = [each.wait_s for each in said if isinstance(each, Interruption)]
    assert max(pauses) <= 5.0
    assert pauses[-1] > pauses[0]


def test_a_feed_that_is_refused_is_an_error_at_once(server: ServerProcess) -> None:
    with pytest.raises(ClewError) as caught:
        next(follow(server.url, "/api/v1/logs/live", [("nope", "1")], wait=lambda _: None))
    assert caught.value.code is ErrorCode.INVALID_ARGUMENT
    with pytest.raises(ClewError) as caught:
        next(follow("http://127.0.0.1:9", "/api/v1/logs/live", [], wait=lambda _: None))
    assert caught.value.code is ErrorCode.UNAVAILABLE
