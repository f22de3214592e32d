"""The REST door on a real socket: every route, every kind of error."""

from __future__ import annotations

import json
import socket
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec
import pytest
from google.protobuf.message import Message
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from clew.app.generate.typescript import PATH as TYPESCRIPT
from clew.app.generate.typescript import encode_typescript
from clew.surfaces.errors import Problem
from clew.surfaces.rest.openapi import encode_openapi
from clew.surfaces.rest.questions import Readiness
from clew.surfaces.rest.routes.table import ROUTES
from clew.telemetry import documents as doc
from clew.testing.requests import ids_of, logs_request, metrics_request, spans_request
from clew.testing.server import ServerProcess
from tests.integration.wire import (
    WAIT_SECONDS_MAX,
    Answer,
    ask,
    connect,
    read_all,
    status_of,
    wait_until,
)

ROOT = Path(__file__).parents[2]
SERVICE = "rest-shop"
METRIC = "shop/cart.size"
PROTOBUF = {"content-type": "application/x-protobuf"}
# Far from the small numbers that other tests of the shared server use.
TRACE_ID = ids_of(0x7E57_0000_0077)[0]


@pytest.fixture(scope="module")
def shop(server: ServerProcess) -> ServerProcess:
    """Return a server that knows one trace of three spans, two log records and a metric."""
    ids = [(TRACE_ID, ids_of(number)[1]) for number in (1, 2, 3)]
    requests: dict[str, Message] = {
        "traces": spans_request(SERVICE, ids, operation="buy", attributes={"shop/item": "pen"}),
        "logs": logs_request(SERVICE, ["bought a pen", "sold a pen"]),
        "metrics": metrics_request(SERVICE, METRIC, [1.0, 2.0]),
    }
    for signal, request in requests.items():
        body = request.SerializeToString()
        assert ask(server.otlp_url, "POST", f"/v1/{signal}", body, PROTOBUF).status == 200
    return server


def problem_of(answer: Answer) -> Problem:
    assert answer.headers["content-type"] == "application/problem+json"
    problem = msgspec.json.decode(answer.body, type=Problem)
    assert problem.status == answer.status
    assert problem.error == problem.detail
    assert problem.type == f"urn:clew:error:{problem.code}"
    return problem


@pytest.mark.parametrize(
    ("path", "kind", "count"),
    [
        (f"/api/v1/traces?service={SERVICE}", doc.SpanList, 3),
        (f"/api/v1/traces?service={SERVICE}&view=traces&last=1h", doc.TraceList, 1),
        (f"/api/v1/traces?attribute=shop/item%3Dpen&service={SERVICE}", doc.SpanList, 3),
        (f"/api/v1/traces/{TRACE_ID.hex()}", doc.Trace, 3),
        (f"/api/v1/traces/{TRACE_ID.hex()}?limit=2&attributes=typed", doc.Trace, 2),
        (f"/api/v1/logs?service={SERVICE}&body_contains=sold", doc.LogList, 1),
        (f"/api/v1/metrics?service={SERVICE}", doc.MetricList, 2),
        (f"/api/v1/metrics/query?name={quote(METRIC)}&last=1h&step=1m", doc.SeriesList, 1),
        ("/api/v1/services", doc.ServiceList, None),
        (f"/api/v1/services/{SERVICE}/operations", doc.OperationList, 1),
        (f"/api/v1/operations?service={SERVICE}", doc.OperationList, 1),
        (f"/api/v1/attributes?service={SERVICE}", doc.AttributeList, None),
        (f"/api/v1/attributes/shop/item/values?service={SERVICE}", doc.AttributeValueList, 1),
        ("/api/v1/sql?q=SELECT+count()+AS+n+FROM+otel_traces", doc.SqlAnswer, 1),
        ("/api/v1/sql/schema", doc.SqlSchema, None),
    ],
)
def test_a_route_answers_with_its_document(
    shop: ServerProcess, path: str, kind: Any, count: int | None
) -> None:
    answer = ask(shop.url, path=path)
    assert answer.status == 200, answer.body
    assert answer.headers["content-type"] == "application/json"
    document = msgspec.json.decode(answer.body, type=kind)
    if count is not None:
        assert document.count == count
    assert isinstance(document.truncated, bool)


def test_a_metric_with_a_slash_has_an_address(shop: ServerProcess) -> None:
    for name in (METRIC, quote(METRIC, safe="")):
        detail = ask(shop.url, path=f"/api/v1/metrics/{name}")
        assert msgspec.json.decode(detail.body, type=doc.MetricDetail).point_count == 2


def test_a_near_name_is_suggested(shop: ServerProcess) -> None:
    answer = ask(shop.url, path="/api/v1/suggest?kind=service&text=rest-shpo")
    found = msgspec.json.decode(answer.body, type=doc.Suggestions)
    assert SERVICE in found.suggestions
    assert not found.known


@pytest.mark.parametrize(
    ("kind", "name"), [("service", SERVICE), ("operation", "buy"), ("attribute", "shop/item")]
)
def test_a_name_that_is_there_is_known(shop: ServerProcess, kind: str, name: str) -> None:
    answer = ask(shop.url, path=f"/api/v1/suggest?kind={kind}&text={quote(name, safe='')}")
    assert answer.document == {"suggestions": [], "known": True}


def test_every_http_door_says_which_clew_it_is(shop: ServerProcess) -> None:
    said = f"clew/{version('clew')}"
    for url, path in (
        (shop.url, "/healthz"),
        (shop.url, "/nowhere"),
        (shop.url, "/v1/traces"),
        (shop.otlp_url, "/v1/traces"),
        (shop.otlp_url, "/nowhere"),
    ):
        assert ask(url, path=path).headers["server"] == said
    # An answer before there is a request of anybody.
    with connect(shop.url) as connection:
        connection.sendall(b"no HTTP\r\n\r\n")
        answer = read_all(connection)
    assert status_of(answer) == 400
    assert f"\r\nserver: {said}\r\n".encode() in answer


def test_a_trace_is_cut_where_asked_and_says_so(shop: ServerProcess) -> None:
    trace = ask(shop.url, path=f"/api/v1/traces/{TRACE_ID.hex()}?limit=2").document
    assert (trace["count"], trace["total"], trace["truncated"]) == (2, 3, True)
    assert len(trace["spans"]) == 2


def test_the_intake_tells_what_came(shop: ServerProcess) -> None:
    status = msgspec.json.decode(
        ask(shop.url, path="/api/v1/ingest/status").body, type=doc.IngestStatus
    )
    by_signal = {each.signal: each for each in status.signals}
    assert set(by_signal) == {"traces", "logs", "metrics", "links"}
    # Links may have come to this server in other tests, and nothing of theirs is told here.
    del by_signal["links"]
    assert all(each.requests >= 1 and each.records >= 2 for each in by_signal.values())
    assert status.writable
    assert status.last_error is None
    assert status.acked_frame >= 3


@pytest.mark.parametrize("body", [b'{"q": "SELECT 1 AS one", "limit": 5}', b"SELECT 1 AS one"])
def test_sql_is_taken_as_json_and_as_text(shop: ServerProcess, body: bytes) -> None:
    media_type = "application/json" if body.startswith(b"{") else "text/plain"
    answer = ask(shop.url, "POST", "/api/v1/sql", body, {"content-type": media_type})
    assert answer.document["rows"] == [{"one": 1}]


@pytest.mark.parametrize(
    ("body", "media_type", "status"),
    [
        (b"SELECT 1", "application/xml", 415),
        (b"SELECT 1", "", 415),
        (b"{", "application/json", 400),
        (b'{"q": 7}', "application/json", 400),
        (b'{"q": "SELECT 1", "limitt": 7}', "application/json", 400),
        (b"SELECT \xff", "text/plain", 400),
        (b"SELEC 1", "text/plain", 400),
        (b"SELECT * FROM file('/etc/passwd')", "text/plain", 403),
        (b"DROP TABLE otel_traces", "text/plain", 403),
        (b" " * (1 << 20) + b"SELECT 1", "text/plain", 413),
    ],
)
def test_sql_that_cannot_be_is_a_problem(
    shop: ServerProcess, body: bytes, media_type: str, status: int
) -> None:
    answer = ask(shop.url, "POST", "/api/v1/sql", body, {"content-type": media_type})
    assert answer.status == status, answer.body
    problem_of(answer)


def test_otlp_comes_out_as_json_lines_and_as_one_message(shop: ServerProcess) -> None:
    path = f"/api/v1/export/traces?service={SERVICE}"
    lines = ask(shop.url, path=path)
    assert lines.headers["content-type"] == "application/x-ndjson"
    spans = [
        span
        for line in lines.body.splitlines()
        for resource in json.loads(line)["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]
    assert {span["traceId"] for span in spans} == {TRACE_ID.hex()}
    assert len(spans) == 3
    message = ask(shop.url, path=f"{path}&format=otlp-proto")
    assert message.headers["content-type"] == "application/x-protobuf"
    request = ExportTraceServiceRequest.FromString(message.body)
    ids = {
        span.span_id
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    }
    assert ids == {ids_of(number)[1] for number in (1, 2, 3)}


@pytest.mark.parametrize("signal", ["logs", "metrics"])
@pytest.mark.parametrize("form", ["otlp-json", "otlp-proto"])
def test_every_signal_can_leave(shop: ServerProcess, signal: str, form: str) -> None:
    path = f"/api/v1/export/{signal}?service={SERVICE}&format={form}"
    answer = ask(shop.url, path=path)
    assert answer.status == 200, answer.body
    assert SERVICE.encode() in answer.body


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_no_route_ignores_a_parameter_that_it_does_not_know(
    server: ServerProcess, route: Any
) -> None:
    path = route.path.replace("{trace_id}", TRACE_ID.hex()).replace(":path}", "}")
    path = path.replace("{name}", "m").replace("{service}", "s").replace("{key}", "k")
    body, headers = (b"SELECT 1", {"content-type": "text/plain"}) if route.body else (None, {})
    answer = ask(server.url, route.method, f"{path}?nosuch=1", body, headers)
    assert answer.status == 400
    problem = problem_of(answer)
    assert (problem.code, problem.detail) == (
        "invalid_argument",
        "there is no parameter 'nosuch'",
    )


@pytest.mark.parametrize(
    ("query", "detail", "hint"),
    [
        ("servic=x", "there is no parameter 'servic'", "did you mean service?"),
        ("limit=ten", "limit='ten' is not valid", "limit is a whole number"),
        ("limit=1&limit=2", "limit is given twice", "give it once"),
        ("root=perhaps", "root='perhaps' is not valid", "root is true or false"),
        ("min_duration_ms=nan", "min_duration_ms='nan' is not valid", "is a number"),
        ("status=eror", "status='eror' is not valid", "did you mean error? status is one of ok,"),
        ("service=%ff", "is not UTF-8", "percent-encode"),
        ("last=soon", "soon", "15m"),
        ("limit=0", "limit", "1"),
        ("limit=10001", "limit", "10000"),
        ("next=made-up", "next", ""),
    ],
)
def test_a_wrong_parameter_is_named_with_what_would_be_right(
    server: ServerProcess, query: str, detail: str, hint: str
) -> None:
    answer = ask(server.url, path=f"/api/v1/traces?{query}")
    assert answer.status == 400, answer.body
    problem = problem_of(answer)
    assert problem.code == "invalid_argument"
    assert detail in problem.detail
    assert hint in f"{problem.detail} {problem.hint}"


def test_a_missing_parameter_is_named(server: ServerProcess) -> None:
    problem = problem_of(ask(server.url, path="/api/v1/metrics/query"))
    assert problem.detail == "name is missing"


@pytest.mark.parametrize(
    "path", ["/api/v1/traces/ffffffffffffffffffffffffffffffff", "/api/v1/metrics/no.such.metric"]
)
def test_what_is_not_there_is_a_404(server: ServerProcess, path: str) -> None:
    assert problem_of(ask(server.url, path=path)).code == "not_found"


def test_another_address_is_a_404_and_another_method_a_405(server: ServerProcess) -> None:
    for path in ("/api/v1/nowhere", "/api/v1/traces/", "//", "/%00"):
        nowhere = ask(server.url, path=path)
        assert (nowhere.status, problem_of(nowhere).code) == (404, "not_found")
    method = ask(server.url, "DELETE", "/api/v1/sql")
    assert (method.status, problem_of(method).code) == (405, "unsupported")
    assert method.headers["allow"] == "GET, HEAD, POST"


def test_head_has_no_body_and_options_lists_the_methods(server: ServerProcess) -> None:
    for path in ("/api/v1/services", "/api/v1/traces/live", "/api/v1/export/logs", "/healthz"):
        head = ask(server.url, "HEAD", path)
        assert (head.status, head.body) == (200, b"")
    options = ask(server.url, "OPTIONS", "/api/v1/services")
    assert (options.status, options.headers["allow"]) == (204, "GET, HEAD")


def test_every_answer_tells_the_time_it_took(server: ServerProcess) -> None:
    for path in ("/api/v1/services", "/nowhere", "/healthz"):
        timing = ask(server.url, path=path).headers["server-timing"]
        assert float(timing.removeprefix("total;dur=")) >= 0


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:7701", 200),
        ("127.0.0.1", 200),
        ("[::1]:7701", 200),
        ("192.168.1.7:7701", 200),
        ("rebound.example.com:7701", 403),
        ("localhost.example.com", 403),
        ("", 403),
    ],
)
def test_only_names_of_ours_are_answered(server: ServerProcess, host: str, status: int) -> None:
    for path in ("/api/v1/services", "/", "/healthz"):
        answer = ask(server.url, path=path, headers={"host": host})
        assert answer.status == status


def test_a_health_check_in_http_1_0_names_nobody_and_is_answered(server: ServerProcess) -> None:
    address = urlsplit(server.url)
    assert address.hostname is not None
    for path, origin in (("/readyz?writes=true", b""), ("/healthz", b"origin: https://a.b\r\n")):
        with socket.create_connection(
            (address.hostname, address.port or 0), WAIT_SECONDS_MAX
        ) as asking:
            asking.sendall(f"GET {path} HTTP/1.0\r\n".encode() + origin + b"\r\n")
            assert b" 200 " in asking.makefile("rb").readline()


def test_a_configured_name_is_answered(start_server: Any) -> None:
    server = start_server({"hosts": "clew.example.com"})
    answer = ask(server.url, path="/healthz", headers={"host": "Clew.Example.com:7701"})
    assert answer.status == 200


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (None, 200),
        ("http://localhost:3000", 200),
        ("https://evil.example.com", 403),
        ("null", 403),
    ],
)
def test_pages_of_other_sites_may_not_post(
    server: ServerProcess, origin: str | None, status: int
) -> None:
    headers = {"content-type": "text/plain"} | ({} if origin is None else {"origin": origin})
    assert ask(server.url, "POST", "/api/v1/sql", b"SELECT 1", headers).status == status


def test_it_is_alive_and_ready(server: ServerProcess) -> None:
    assert ask(server.url, path="/healthz").body == b"ok\n"
    answer = ask(server.url, path="/readyz")
    readiness = msgspec.json.decode(answer.body, type=Readiness)
    assert (answer.status, readiness.ready) == (200, True)
    names = [check.name for check in readiness.checks]
    assert names == ["log", "engine", "registry", "tree", "journal"]


def test_the_root_names_the_doors(server: ServerProcess) -> None:
    answer = ask(server.url, path="/")
    assert answer.headers["content-type"].startswith("text/plain")
    assert b"/api/v1/traces" in answer.body


def test_our_own_counters_are_prometheus_text(shop: ServerProcess) -> None:
    ask(shop.url, path="/api/v1/nowhere/at/all")
    answer = ask(shop.url, path="/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    samples = {}
    for line in answer.body.decode().splitlines():
        if not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            samples[name] = float(value)
    assert samples['clew_ingest_rows_total{signal="traces"}'] >= 3
    assert samples["clew_writable"] == 1
    assert samples["clew_session_looks_dropped_total"] == 0
    assert samples['clew_registry_writable{database="sqlite"}'] == 1
    assert samples['clew_registry_failed_commits_total{database="sqlite"}'] == 0
    assert samples['clew_http_answers_total{route="other",status="404"}'] >= 1
    # Addresses that callers invent are no labels.
    assert not any("nowhere" in name for name in samples)


def test_the_openapi_document_is_the_one_in_contracts(server: ServerProcess) -> None:
    written = (ROOT / "contracts" / "openapi.json").read_bytes()
    assert written == encode_openapi(), "run: make gen"
    assert ask(server.url, path="/openapi.json").body == written
    assert (ROOT / TYPESCRIPT).read_bytes() == encode_typescript(), "run: make gen, and make ui"


def test_the_openapi_document_refers_to_what_it_holds() -> None:
    document = msgspec.json.decode(encode_openapi())
    assert document["openapi"] == "3.1.0"
    ids = [
        operation["operationId"]
        for methods in document["paths"].values()
        for operation in methods.values()
    ]
    assert len(set(ids)) == len(ids) == len(ROUTES)
    held = {
        f"#/components/{part}/{name}"
        for part in ("schemas", "responses")
        for name in document["components"][part]
    }
    assert _references(document) <= held


def _references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if "$ref" in value else set()
        return own.union(*(_references(part) for part in value.values()))
    if isinstance(value, list):
        return set().union(*(_references(part) for part in value))
    return set()


def test_clients_that_leave_at_once_leave_nothing_behind(server: ServerProcess) -> None:
    for _ in range(50):
        with connect(server.url) as connection:
            connection.sendall(b"GET /api/v1/services HTTP/1.1\r\nhost: localhost\r\n\r\n")
    with connect(server.url) as connection:
        connection.sendall(
            b"GET /api/v1/services HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
        )
        assert status_of(read_all(connection)) == 200

    def waiting() -> list[bytes]:
        lines = ask(server.url, path="/metrics").body.splitlines()
        return [line for line in lines if line.startswith(b"clew_queries_waiting")]

    # Those that came before it may end after it.
    wait_until(lambda: waiting() == [b"clew_queries_waiting 0"], "nothing waits")
