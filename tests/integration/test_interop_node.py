"""The official OpenTelemetry SDK for Node sends; every field comes back.

It is also the official exporter of OTLP/JSON here: that of Python is a pre-release that wants other
versions than the stable exporters do.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from clew.testing.server import ServerProcess
from tests.integration.interop import Sent, check_logs, check_metrics, check_spans, run_sender
from tests.node_clients import install

FOLDER = Path(__file__).parent / "node"

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def node() -> str:
    """The node program, with the SDK installed beside the sender."""
    return install(FOLDER)


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
