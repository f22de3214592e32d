"""The guide to more than one server, followed from a clean folder by its own commands."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clew.app.configuration.group import check_group
from clew.app.configuration.load import load
from clew.testing.group import ask
from clew.testing.history import wait_until
from clew.testing.network import HeldPorts
from clew.testing.requests import spans_request
from clew.testing.server import END_SECONDS_MAX

if TYPE_CHECKING:
    from collections.abc import Callable

GUIDE = Path(__file__).parents[3] / "docs" / "guide" / "high-availability.md"
COMMANDS = [
    line
    for block in re.findall(r"```sh\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    for line in block.splitlines()
]
WAIT_SECONDS = 90.0


def test_every_server_that_the_guide_starts_may_be_started_so(tmp_path: Path) -> None:
    serving = [shlex.split(line)[2:] for line in COMMANDS if line.startswith("clew serve ")]
    assert len(serving) == 4
    for words in serving:
        flags = {
            name.removeprefix("--").replace("-", "_"): value
            for name, value in zip(words[::2], words[1::2], strict=True)
        }
        check_group(load(flags, environ={}, folder=tmp_path).configuration)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_guide_is_followed_from_a_clean_folder(tmp_path: Path) -> None:
    held = HeldPorts(2)
    ports = dict(zip(("7701", "7702"), map(str, held.numbers), strict=True))
    first, second = (f"http://127.0.0.1:{port}" for port in ports.values())
    environ = {name: text for name, text in os.environ.items() if not name.startswith("CLEW_")}
    environ |= {"HOME": str(tmp_path), "CLEW_CONFIG": "off"}
    # What other servers of this machine may have.
    environ |= {f"CLEW_{door}": "off" for door in ("OTLP_HTTP", "OTLP_GRPC", "TRAILS", "LINKS")}

    def words(line: str) -> list[str]:
        for shown, port in ports.items():
            line = line.replace(shown, port)
        return [sys.executable, "-m", "clew.app.main", *shlex.split(line)[1:]]

    def run(line: str) -> str:
        done = subprocess.run(
            words(line), cwd=tmp_path, env=environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    with ExitStack() as stack:

        def serve(line: str) -> subprocess.Popen[bytes]:
            log = stack.enter_context((tmp_path / "log").open("ab"))
            process = subprocess.Popen(words(line), cwd=tmp_path, env=environ, stderr=log)
            stack.callback(process.wait)
            stack.callback(process.kill)
            return process

        lines = iter(COMMANDS)
        leader = serve(next(lines))
        standby = serve(next(lines))
        wait_until(in_step(first, second), WAIT_SECONDS, "both are there")
        body = spans_request("checkout", [(bytes([7]) * 16, bytes([1]) * 8)]).SerializeToString()

        def send(url: str) -> bool:
            return post(url, body) == 200

        wait_until(lambda: send(first), WAIT_SECONDS, "the leader takes a span")
        wait_until(lambda: trace_is_at(second), WAIT_SECONDS, "the standby shows it")
        assert '"standby"' in run(next(lines))
        assert "0707070707070707" in run(next(lines))
        listing = next(lines)

        def both_have_all() -> bool:
            # What they tell of themselves is written now and then, and a moment later at both.
            seen = json.loads(run(listing))
            return (seen["leader"], seen["have_all"], seen["total"]) == (first, 2, 2)

        wait_until(both_have_all, WAIT_SECONDS, "both have everything")

        leader.send_signal(signal.SIGTERM)
        assert leader.wait(END_SECONDS_MAX) == 0
        assert '"is_leader":true' in run(next(lines))
        again = serve(next(lines))
        wait_until(in_step(second, first), WAIT_SECONDS, "the former leader follows")
        wait_until(lambda: send(second), WAIT_SECONDS, "the new leader takes spans")
        # The leader first: it would wait in vain for a standby that was ended before it.
        for process in (standby, again):
            process.send_signal(signal.SIGTERM)
            assert process.wait(END_SECONDS_MAX) == 0


def post(url: str, body: bytes) -> int:
    """Send a request of OTLP over HTTP; return the status."""
    from tests.integration.wire import ask as ask_whole

    headers = {"content-type": "application/x-protobuf"}
    return ask_whole(url, "POST", "/v1/traces", body, headers).status


def trace_is_at(url: str) -> bool:
    """Whether a server answers the trace that was sent."""
    return ask(url, "GET", f"/api/v1/traces/{'07' * 16}")[0] == 200


def in_step(leader: str, standby: str) -> Callable[[], bool]:
    """Return whether one leads, with the other following."""

    def is_so() -> bool:
        status, ready = ask(leader, "GET", "/readyz")
        _, other = ask(standby, "GET", "/internal/cluster")
        if status != 200 or ready is None or other is None:
            return False
        return bool(ready["group"]["is_leader"]) and other["leader_url"] == leader

    return is_so
