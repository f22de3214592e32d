"""What `clew doctor` says of versions: a real server behind something that says another."""

from __future__ import annotations

import http.server
import os
import threading
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING

import pytest

from tests.e2e.terminal import clew
from tests.integration.wire import ask

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clew.testing.server import ServerProcess


@contextmanager
def server_that_says(server: ServerProcess, said: str) -> Iterator[str]:
    """Pass questions on to a server, and its answers back under another name."""

    class Relay(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = ask(server.url, path=self.path)
            self.send_response_only(answer.status)
            for name, value in {**answer.headers, "server": said}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Relay) as relay:
        thread = threading.Thread(target=relay.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{relay.server_port}"
        finally:
            relay.shutdown()
            thread.join()


def versions_by_doctor(url: str) -> dict[str, str]:
    checks = clew("doctor", server=url).document["checks"]
    (found,) = (check for check in checks if check["name"] == "versions")
    check: dict[str, str] = found
    return check


@pytest.mark.parametrize("shift", [-1, 1])
def test_a_doctor_tells_who_has_to_upgrade(server: ServerProcess, shift: int) -> None:
    own = version("clew")
    major, *rest = own.split(".")
    theirs = ".".join([str(int(major) + 1), *rest]) if shift > 0 else f"{own}.dev0"
    with server_that_says(server, f"clew/{theirs}") as url:
        check = versions_by_doctor(url)
    assert check["status"] == "warn"
    assert f"clew {own}" in check["detail"]
    assert f"the server is clew {theirs}" in check["detail"]
    who = "the server is newer: upgrade clew here" if shift > 0 else "the server is older"
    assert check["hint"].startswith(who)
    assert (theirs if shift > 0 else own) in check["hint"]


def test_a_doctor_minds_no_server_of_its_own_version_or_of_none(server: ServerProcess) -> None:
    own = versions_by_doctor(server.url)
    assert own["status"] == "ok"
    assert f"clew {version('clew')} here and on the server" in own["detail"]
    with server_that_says(server, "proxy/1.0") as url:
        hidden = versions_by_doctor(url)
    assert hidden["status"] == "ok"
    assert "the server does not tell its version" in hidden["detail"]


def test_a_doctor_tells_who_has_the_port_of_another_program() -> None:
    class Files(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Files) as other:
        thread = threading.Thread(target=other.serve_forever)
        thread.start()
        try:
            url = f"http://127.0.0.1:{other.server_port}"
            check = clew("doctor", server=url).document["checks"][0]
        finally:
            other.shutdown()
            thread.join()
    assert (check["name"], check["status"]) == ("server", "fail")
    assert f"what answers at {url} is no clew server: SimpleHTTP/" in check["detail"]
    assert f"; process {os.getpid()} (" in check["detail"]
    assert check["hint"].startswith("give the address of a clew server's HTTP door")
