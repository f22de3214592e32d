"""Anomalies, differences and log patterns over REST: documents, parameters, errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from google.protobuf.message import Message

from clew.telemetry.analytics import reports as doc
from clew.testing.requests import ids_of, logs_request, spans_request
from clew.testing.server import ServerProcess
from tests.integration.wire import ask

SERVICE = "changing-shop"
PROTOBUF = {"content-type": "application/x-protobuf"}


@pytest.fixture(scope="module")
def shop(server: ServerProcess) -> ServerProcess:
    ids = [ids_of(0x7E58_0000_0000 + number) for number in range(30)]
    requests: dict[str, Message] = {
        "traces": spans_request(SERVICE, ids, operation="buy", attributes={"shop/item": "pen"}),
        "logs": logs_request(SERVICE, [f"bought {number} pens" for number in range(20)]),
    }
    for signal, request in requests.items():
        body = request.SerializeToString()
        assert ask(server.otlp_url, "POST", f"/v1/{signal}", body, PROTOBUF).status == 200
    return server


def test_anomalies_say_what_was_compared(shop: ServerProcess) -> None:
    answer = ask(shop.url, path=f"/api/v1/anomalies?service={SERVICE}&last=1h&baseline=2h")
    assert answer.status == 200, answer.body
    report = msgspec.json.decode(answer.body, type=doc.AnomalyReport)
    assert report.count == len(report.anomalies)
    assert report.service_filter == SERVICE
    assert report.compared.comparisons >= 0


def test_a_difference_has_figures_of_both_windows(shop: ServerProcess) -> None:
    address = f"/api/v1/diff?service={SERVICE}&last=1h&bad={quote('duration >= 0ms')}"
    answer = ask(shop.url, path=address)
    assert answer.status == 200, answer.body
    report = msgspec.json.decode(answer.body, type=doc.DifferenceReport)
    assert report.totals.current.spans == 30
    assert report.totals.current.logs == 20
    assert report.bad.spans == 30
    for name in ("spans_per_second", "error_rate", "p50_ms", "p95_ms", "p99_ms", "avg_ms"):
        assert set(answer.document["metrics"][name]) == {"current", "baseline", "delta", "ratio"}
    assert "log_errors_per_second" in answer.document["metrics"]


def test_patterns_of_logs(shop: ServerProcess) -> None:
    answer = ask(shop.url, path=f"/api/v1/logs/patterns?service={SERVICE}&last=1h")
    found = msgspec.json.decode(answer.body, type=doc.LogPatternList)
    assert [(each.pattern, each.count) for each in found.patterns] == [("bought <*> pens", 20)]


@pytest.mark.parametrize("path", ["anomalies", "diff", "logs/patterns"])
@pytest.mark.parametrize(
    "parameters", ["nonsense=1", "last=soon", "start=now&end=1h", "limit=0", "limit=many"]
)
def test_nonsense_is_refused_with_a_hint(shop: ServerProcess, path: str, parameters: str) -> None:
    answer = ask(shop.url, path=f"/api/v1/{path}?{parameters}")
    assert answer.status == 400, answer.body
    problem: dict[str, Any] = answer.document
    assert problem["code"] == "invalid_argument"
    assert problem["hint"]


@pytest.mark.parametrize(
    "parameters", ["bad=" + quote("duration >"), "against=nobody", "baseline=1h&baseline_start=2h"]
)
def test_a_malformed_difference_is_refused(shop: ServerProcess, parameters: str) -> None:
    assert ask(shop.url, path=f"/api/v1/diff?{parameters}").status == 400


def test_the_addresses_are_in_the_contract() -> None:
    contract = (Path(__file__).parents[2] / "contracts" / "openapi.json").read_bytes()
    paths = msgspec.json.decode(contract)["paths"]
    assert {"/api/v1/anomalies", "/api/v1/diff", "/api/v1/logs/patterns"} <= set(paths)
