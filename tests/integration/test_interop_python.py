"""The official OpenTelemetry SDK for Python sends; every field comes back."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from clew.testing.server import ServerProcess
from tests.integration.interop import Sent, check_logs, check_metrics, check_spans, run_sender

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module", params=["grpc", "http/protobuf"])
def sent(request: pytest.FixtureRequest, server: ServerProcess) -> Sent:
    """What was sent by one protocol."""
    protocol = str(request.param)
    endpoint = f"http://{server.otlp_grpc}" if protocol == "grpc" else server.otlp_url
    service = f"interop-python-{protocol.replace('/', '-')}"
    command = [sys.executable, "-m", "tests.integration.python_sender", protocol]
    start_ms = time.time_ns() // 1_000_000
    return run_sender(command, server, endpoint, service, start_ms, ROOT)


def test_spans_come_back_as_they_were(sent: Sent) -> None:
    # The exporter for Python leaves out the trace state of a link; what it sends comes back.
    check_spans(sent, link_state="")


def test_attributes_of_the_scope_come_back(sent: Sent) -> None:
    (span,) = sent.get("traces", service=sent.service, operation="consume")["spans"]
    assert span["scope"]["attributes"] == {"scope.level": 5}


def test_log_records_come_back_as_they_were(sent: Sent) -> None:
    check_logs(sent)


def test_points_of_every_kind_come_back_as_they_were(sent: Sent) -> None:
    check_metrics(sent)


def test_a_measurement_taken_in_a_span_leads_back_to_it(sent: Sent) -> None:
    (exemplar,) = sent.point("interop.requests")["exemplars"]
    assert (exemplar["trace_id"], exemplar["span_id"]) == (sent.trace_id, sent.root)
    assert exemplar["value"] == 7
