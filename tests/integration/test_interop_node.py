"""The official OpenTelemetry SDK for Node sends; every field comes back.

It is also the official exporter of OTLP/JSON here: that of Python is a pre-release that wants other
versions than the stable exporters do.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from clew.testing.server import ServerProcess
from tests.integration.interop import Sent, check_logs, check_metrics, check_spans, run_sender

FOLDER = Path(__file__).parent / "node"

INSTALL_SECONDS_MAX = 300.0
"""Installing takes ten seconds; a slow registry may take longer, a hanging one is an error."""

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def node() -> str:
    """The node program, with the SDK installed beside the sender."""
    program, npm = shutil.which("node"), shutil.which("npm")
    if program is None or npm is None:
        if os.environ.get("CI") == "true":
            pytest.fail("node and npm are not installed; CI must have them")
        pytest.skip("node and npm are not installed")
    installed = FOLDER / "node_modules" / ".package-lock.json"
    lock = FOLDER / "package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        done = subprocess.run(
            [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"],
            cwd=FOLDER,
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS_MAX,
        )
        assert done.returncode == 0, done.stderr
        # npm keeps the time of an unchanged file, and the next run would install again.
        installed.touch()
    return program


@pytest.fixture(scope="module", params=["grpc", "http/protobuf", "http/json"])
def sent(request: pytest.FixtureRequest, server: ServerProcess, node: str) -> Sent:
    """What was sent by one protocol."""
    protocol = str(request.param)
    endpoint = f"http://{server.otlp_grpc}" if protocol == "grpc" else server.otlp_url
    service = f"interop-node-{protocol.replace('/', '-')}"
    command = [node, "send.mjs", protocol]
    start_ms = time.time_ns() // 1_000_000
    return run_sender(command, server, endpoint, service, start_ms, FOLDER)


def test_spans_come_back_as_they_were(sent: Sent) -> None:
    check_spans(sent, link_state="vendor=one")


def test_log_records_come_back_as_they_were(sent: Sent) -> None:
    check_logs(sent)


def test_points_of_every_kind_come_back_as_they_were(sent: Sent) -> None:
    check_metrics(sent)
