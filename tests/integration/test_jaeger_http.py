"""Jaeger's query APIs over HTTP, asked as its UI and Grafana ask, of what an SDK exported."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import Link, SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.trace.span import format_span_id, format_trace_id

from clew.telemetry.otlp.json_codec import parse_request
from clew.telemetry.otlp.signal import Signal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.trace import Span

    from clew.testing.server import ServerProcess

FRONT, BACK = "http-jaeger-front", "http-jaeger/back"
NOW_US = time.time_ns() // 1000 - 60_000_000
US = 1_000


@dataclass(frozen=True)
class Sent:
    """The spans that were sent: a cart of three spans, and a health check of one."""

    server: ServerProcess
    root: Span
    call: Span
    query: Span
    health: Span

    @property
    def trace_id(self) -> str:
        return format_trace_id(self.root.get_span_context().trace_id)

    def get(self, path: str, **parameters: Any) -> httpx.Response:
        return httpx.get(f"{self.server.url}/jaeger{path}", params=parameters, timeout=120)

    def search(self, **parameters: Any) -> list[str]:
        """Return the ids of the traces that a search finds."""
        asked = {"service": FRONT, "start": NOW_US - 10**6, "end": NOW_US + 10**7, **parameters}
        answer = self.get("/api/traces", **asked)
        assert answer.status_code == 200, answer.text
        return [trace["traceID"] for trace in answer.json()["data"]]


def trace_id(span: Span) -> str:
    return format_trace_id(span.get_span_context().trace_id)


def span_id(span: Span) -> str:
    return format_span_id(span.get_span_context().span_id)


@pytest.fixture(scope="module")
def sent(server: ServerProcess) -> Iterator[Sent]:
    providers = [
        TracerProvider(
            resource=Resource({"service.name": service, "service.version": "1.2", "cores": 4}),
            shutdown_on_exit=False,
        )
        for service in (FRONT, BACK)
    ]
    for provider in providers:
        exporter = OTLPSpanExporter(endpoint=f"{server.otlp_url}/v1/traces", timeout=120)
        provider.add_span_processor(SimpleSpanProcessor(exporter))
    front, back = (provider.get_tracer("shop", "7") for provider in providers)
    health = front.start_span("GET /health", start_time=NOW_US * US, kind=SpanKind.SERVER)
    health.end(end_time=(NOW_US + 5) * US)
    root = front.start_span(
        "GET /cart",
        start_time=(NOW_US + 1000) * US,
        kind=SpanKind.SERVER,
        links=[Link(health.get_span_context())],
        attributes={
            "text": 'it\'s "one"',
            "yes": True,
            "small": 42,
            "large": 2**60,
            "ratio": 0.5,
            "list": ["a", "b"],
            "raw": b"\x00\xff",
        },
    )
    call = front.start_span(
        "POST",
        set_span_in_context(root),
        start_time=(NOW_US + 2000) * US,
        kind=SpanKind.CLIENT,
    )
    call.add_event("retry", {"attempt": 2, "why": "reset"}, (NOW_US + 2500) * US)
    query = back.start_span(
        "SELECT",
        set_span_in_context(call),
        start_time=(NOW_US + 3000) * US,
        kind=SpanKind.SERVER,
        attributes={"db.table": "cart"},
    )
    query.set_status(Status(StatusCode.ERROR, "deadlock"))
    query.end(end_time=(NOW_US + 53_000) * US)
    call.end(end_time=(NOW_US + 60_000) * US)
    root.end(end_time=(NOW_US + 70_000) * US)
    yield Sent(server, root, call, query, health)
    for provider in providers:
        provider.shutdown()


def tags_of(tags: list[dict[str, Any]]) -> dict[str, tuple[str, Any]]:
    return {tag["key"]: (tag["type"], tag["value"]) for tag in tags}


# --- the first API -------------------------------------------------------------------------------


def test_services_and_operations_are_named_as_the_ui_asks(sent: Sent) -> None:
    answer = sent.get("/api/services")
    assert answer.headers["content-type"] == "application/json"
    services = answer.json()
    assert {FRONT, BACK} <= set(services["data"])
    assert services["total"] == len(services["data"])
    assert (services["limit"], services["offset"], services["errors"]) == (0, 0, None)
    # The UI escapes the slash of a service's name, Grafana does not.
    for name in (BACK, BACK.replace("/", "%2F")):
        operations = sent.get(f"/api/services/{name}/operations").json()
        assert (operations["data"], operations["total"]) == (["SELECT"], 1)
    assert sent.get("/api/operations", service=FRONT).json()["data"] == [
        {"name": "GET /cart", "spanKind": "server"},
        {"name": "GET /health", "spanKind": "server"},
        {"name": "POST", "spanKind": "client"},
    ]
    assert sent.get("/api/operations", service=FRONT, spanKind="client").json()["data"] == [
        {"name": "POST", "spanKind": "client"}
    ]
    assert sent.get("/api/services/nobody/operations").json()["data"] == []


def test_a_trace_has_jaegers_form_field_by_field(sent: Sent) -> None:
    answer = sent.get(f"/api/traces/{sent.trace_id}").json()
    assert answer["errors"] is None
    (trace,) = answer["data"]
    assert set(trace) == {"traceID", "spans", "processes", "warnings"}
    assert trace["traceID"] == sent.trace_id
    root, call, query = trace["spans"]
    assert tags_of(root.pop("tags")) == {
        "otel.scope.name": ("string", "shop"),
        "otel.scope.version": ("string", "7"),
        "text": ("string", 'it\'s "one"'),
        "yes": ("bool", True),
        "small": ("int64", 42),
        "large": ("int64", str(2**60)),
        "ratio": ("float64", 0.5),
        "list": ("string", '["a","b"]'),
        "raw": ("binary", "AP8="),
        "span.kind": ("string", "server"),
    }
    assert root == {
        "traceID": sent.trace_id,
        "spanID": span_id(sent.root),
        "operationName": "GET /cart",
        "references": [
            {
                "refType": "FOLLOWS_FROM",
                "traceID": trace_id(sent.health),
                "spanID": span_id(sent.health),
            }
        ],
        "startTime": NOW_US + 1000,
        "duration": 69_000,
        "logs": [],
        "processID": root["processID"],
        "warnings": None,
    }
    assert call["references"] == [
        {"refType": "CHILD_OF", "traceID": sent.trace_id, "spanID": span_id(sent.root)}
    ]
    (log,) = call["logs"]
    assert log["timestamp"] == NOW_US + 2500
    assert log["fields"] == [
        {"key": "event", "type": "string", "value": "retry"},
        {"key": "attempt", "type": "int64", "value": 2},
        {"key": "why", "type": "string", "value": "reset"},
    ]
    assert tags_of(query["tags"]) == {
        "otel.scope.name": ("string", "shop"),
        "otel.scope.version": ("string", "7"),
        "db.table": ("string", "cart"),
        "span.kind": ("string", "server"),
        "otel.status_code": ("string", "ERROR"),
        "error": ("bool", True),
        "otel.status_description": ("string", "deadlock"),
    }
    processes = trace["processes"]
    assert {processes[root["processID"]]["serviceName"], len(processes)} == {FRONT, 2}
    assert processes[query["processID"]]["serviceName"] == BACK
    assert tags_of(processes[query["processID"]]["tags"]) == {
        "service.version": ("string", "1.2"),
        "cores": ("int64", 4),
    }


def test_a_trace_is_found_by_its_id_in_any_case_and_without_leading_zeros(sent: Sent) -> None:
    assert sent.get(f"/api/traces/{sent.trace_id.upper()}").status_code == 200
    for_ever = sent.get(f"/api/traces/{sent.trace_id}", end=str(2**63 - 1))
    assert for_ever.status_code == 200, for_ever.text
    assert sent.get(f"/api/v3/traces/{sent.trace_id.upper()}").status_code == 200
    missing = sent.get("/api/traces/abc")
    assert missing.status_code == 404
    assert missing.json() == {
        "data": None,
        "total": 0,
        "limit": 0,
        "offset": 0,
        "errors": [{"msg": "trace not found", "code": 404}],
    }


def test_a_trace_with_a_time_range_comes_whole_or_not_at_all(sent: Sent) -> None:
    path = f"/api/traces/{sent.trace_id}"
    inside = sent.get(path, start=NOW_US + 2000, end=NOW_US + 2000)
    assert len(inside.json()["data"][0]["spans"]) == 3
    assert sent.get(path, start=NOW_US + 4000).status_code == 404
    assert sent.get(path, end=NOW_US).status_code == 404


def test_a_search_gives_whole_traces_newest_first_and_limits_traces(sent: Sent) -> None:
    cart, health = sent.trace_id, trace_id(sent.health)
    assert sent.search() == [cart, health]
    assert sent.search(limit=1) == [cart]
    answer = sent.get(
        "/api/traces", service=BACK, start=NOW_US, end=NOW_US + 10**6, limit=20, lookback="1h"
    ).json()
    assert [len(trace["spans"]) for trace in answer["data"]] == [3]
    assert (answer["total"], answer["limit"], answer["errors"]) == (1, 20, None)


@pytest.mark.parametrize(
    "parameters",
    [
        {"operation": "GET /cart"},
        {"tags": '{"text":"it\'s \\"one\\""}'},
        {"tags": '{"yes":"true","small":"42"}'},
        {"tags": "large=1152921504606846976"},
        {"tag": "ratio:0.5"},
        {"tag": ["yes:true", "small:42"]},
        {"tags": '{"service.version":"1.2","span.kind":"client"}'},
        {"tags": '{"why":"reset"}'},
        {"tags": '{"event":"retry"}'},
        {"service": BACK, "tags": '{"error":"true"}'},
        {"service": BACK, "tags": "error=true otel.status_description=deadlock"},
        {"service": BACK, "tags": '{"otel.status_code":"ERROR","otel.scope.version":"7"}'},
        {"minDuration": "69ms", "maxDuration": "69ms"},
        {"service": BACK, "operation": "SELECT", "maxDuration": "1s"},
    ],
)
def test_a_search_matches_what_jaeger_shows_as_tags(sent: Sent, parameters: dict[str, Any]) -> None:
    assert sent.search(**parameters) == [sent.trace_id]


@pytest.mark.parametrize(
    "parameters",
    [
        {"operation": "GET"},
        {"tags": '{"error":"true"}'},
        {"tags": '{"db.table":"cart"}'},
        # Each holds of a span of the service, but no span has both.
        {"operation": "POST", "tags": '{"small":"42"}'},
        {"operation": "GET /cart", "maxDuration": "10ms"},
        {"start": NOW_US + 3000},
        {"end": NOW_US - 1},
        {"service": "nobody"},
    ],
)
def test_service_operation_tags_and_durations_hold_of_one_span(
    sent: Sent, parameters: dict[str, Any]
) -> None:
    assert sent.search(**parameters) == []


def test_a_search_without_times_is_about_the_last_two_days(sent: Sent) -> None:
    found = sent.get("/api/traces", service=FRONT).json()["data"]
    assert {trace["traceID"] for trace in found} == {sent.trace_id, trace_id(sent.health)}
    assert sent.get("/api/traces", service=FRONT, lookback="1s").json()["data"] == []


def test_several_traces_are_fetched_by_their_ids(sent: Sent) -> None:
    health = trace_id(sent.health)
    answer = sent.get("/api/traces", traceID=[health, "abc", sent.trace_id.upper()]).json()
    assert [trace["traceID"] for trace in answer["data"]] == [health, sent.trace_id]
    assert answer["errors"] == [{"msg": "trace not found", "traceID": "abc".rjust(32, "0")}]


def test_dependencies_count_the_calls_between_services(sent: Sent) -> None:
    end_ms = NOW_US // 1000 + 60_000
    answer = sent.get("/api/dependencies", endTs=end_ms, lookback=120_000).json()
    expected = {"parent": FRONT, "child": BACK, "callCount": 1}
    assert expected in answer["data"]
    assert answer["errors"] is None
    ours = sent.get("/api/dependencies", endTs=end_ms, lookback=120_000, service=BACK).json()
    assert ours["data"] == [expected]
    long_ago = sent.get("/api/dependencies", endTs=1_000_000, lookback=1000).json()
    assert long_ago["data"] == []


def test_grafana_finds_its_search_where_old_versions_lose_the_path(sent: Sent) -> None:
    asked = {"service": FRONT, "operation": "GET /cart", "limit": "20"}
    answer = httpx.get(f"{sent.server.url}/api/traces", params=asked, timeout=120)
    assert [trace["traceID"] for trace in answer.json()["data"]] == [sent.trace_id]


def test_a_file_that_the_ui_was_given_comes_back_as_traces(sent: Sent) -> None:
    url = f"{sent.server.url}/jaeger/api/transform"
    file = sent.get(f"/api/v3/traces/{sent.trace_id}").json()["result"]
    shown = httpx.post(url, json=file, timeout=120).json()
    kept = sent.get(f"/api/traces/{sent.trace_id}").json()
    assert shown["data"][0]["spans"] == kept["data"][0]["spans"]
    broken = httpx.post(url, content=b"{", timeout=120)
    assert (broken.status_code, broken.json()["errors"][0]["code"]) == (400, 400)


def test_what_a_jaeger_without_these_stores_refuses_is_refused_alike(sent: Sent) -> None:
    metrics = sent.get("/api/metrics/latencies", service=FRONT, quantile=0.5)
    archive = httpx.post(f"{sent.server.url}/jaeger/api/archive/{sent.trace_id}", timeout=120)
    for answer in (metrics, archive):
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (501, 501)


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        ("/api/traces", {}),
        ("/api/traces", {"service": ""}),
        ("/api/traces", {"service": "s", "limit": "-1"}),
        ("/api/traces", {"service": "s", "limit": "0"}),
        ("/api/traces", {"service": "s", "limit": "999999"}),
        ("/api/traces", {"service": "s", "limit": "ten"}),
        ("/api/traces", {"service": "s", "tags": "not json"}),
        ("/api/traces", {"service": "s", "tags": '{"a":'}),
        ("/api/traces", {"service": "s", "tags": "[1]"}),
        ("/api/traces", {"service": "s", "tag": "keyonly"}),
        ("/api/traces", {"service": "s", "start": "20", "end": "10"}),
        ("/api/traces", {"service": "s", "start": "today"}),
        ("/api/traces", {"service": "s", "minDuration": "10"}),
        ("/api/traces", {"service": "s", "minDuration": "2s", "maxDuration": "1s"}),
        ("/api/traces", {"service": "s", "lookback": "ages"}),
        ("/api/traces", {"traceID": "f" * 40}),
        (f"/api/traces/{'f' * 40}", {}),
        ("/api/traces/chumbawumba", {}),
        ("/api/traces/123456", {"start": "a"}),
        ("/api/traces/123456", {"start": "2", "end": "1"}),
        ("/api/traces/123456", {"raw": "foobar"}),
        ("/api/operations", {}),
        ("/api/dependencies", {"endTs": "now"}),
        ("/api/dependencies", {"lookback": "-5"}),
    ],
)
def test_nonsense_is_a_400_in_jaegers_envelope(
    sent: Sent, path: str, parameters: dict[str, str]
) -> None:
    answer = sent.get(path, **parameters)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/json"
    document = answer.json()
    (error,) = document.pop("errors")
    assert error["code"] == 400
    assert error["msg"]
    assert document == {"data": None, "total": 0, "limit": 0, "offset": 0}


# --- api_v3 --------------------------------------------------------------------------------------


def iso(at_us: int) -> str:
    seconds, us = divmod(at_us, 10**6)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{us:06d}Z"


WINDOW = {
    "query.startTimeMin": iso(NOW_US - 10**6),
    "query.startTimeMax": iso(NOW_US + 10**7),
}


def names_of(document: Any) -> set[str]:
    """Return the span names of OTLP JSON, read back by the parser of OTLP/HTTP."""
    body = parse_request(Signal.TRACES, json.dumps(document).encode())
    request = ExportTraceServiceRequest.FromString(body)
    return {
        span.name
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    }


def test_v3_names_services_and_operations(sent: Sent) -> None:
    assert {FRONT, BACK} <= set(sent.get("/api/v3/services").json()["services"])
    for name in ("spanKind", "span_kind"):
        answer = sent.get("/api/v3/operations", service=FRONT, **{name: "client"}).json()
        assert answer == {"operations": [{"name": "POST", "spanKind": "client"}]}


def test_v3_gives_a_trace_as_otlp_in_the_gateways_wrapper(sent: Sent) -> None:
    answer = sent.get(f"/api/v3/traces/{sent.trace_id}")
    assert set(answer.json()) == {"result"}
    result = answer.json()["result"]
    assert names_of(result) == {"GET /cart", "POST", "SELECT"}
    spans = [
        span
        for resource in result["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]
    root = next(span for span in spans if span["name"] == "GET /cart")
    assert root["traceId"] == sent.trace_id
    assert root["startTimeUnixNano"] == str((NOW_US + 1000) * US)
    assert {"key": "large", "value": {"intValue": str(2**60)}} in root["attributes"]
    assert sent.get("/api/v3/traces/abc").status_code == 404
    late = sent.get(f"/api/v3/traces/{sent.trace_id}", startTime=iso(NOW_US + 10**6))
    assert late.status_code == 404
    assert late.json()["error"] == {
        "grpcCode": 5,
        "httpCode": 404,
        "message": "trace not found",
        "httpStatus": "Not Found",
    }


@pytest.mark.parametrize(
    "parameters",
    [
        {"query.serviceName": BACK},
        {"query.service_name": BACK, "query.num_traces": "5"},
        {"query.serviceName": FRONT, "query.operationName": "POST"},
        {"query.serviceName": FRONT, "query.durationMin": "69ms", "query.searchDepth": "3"},
        {"query.attributes": '{"db.table":"cart","error":"true"}'},
        {
            "query.filter": json.dumps(
                {
                    "op": "and",
                    "args": [
                        {
                            "call": {
                                "op": "eq",
                                "args": [
                                    {"attr": {"key": "db.table", "level": "span"}},
                                    {"scalar": {"value": "cart"}},
                                ],
                            }
                        },
                        {
                            "call": {
                                "op": "gt",
                                "args": [
                                    {"field": {"level": "span", "name": "duration"}},
                                    {"scalar": {"value": "10ms"}},
                                ],
                            }
                        },
                    ],
                }
            )
        },
    ],
)
def test_v3_finds_whole_traces(sent: Sent, parameters: dict[str, str]) -> None:
    answer = sent.get("/api/v3/traces", **WINDOW, **parameters)
    assert answer.status_code == 200, answer.text
    assert names_of(answer.json()["result"]) == {"GET /cart", "POST", "SELECT"}


def test_v3_takes_the_request_as_a_body_too(sent: Sent) -> None:
    query = {
        "service_name": BACK,
        "attributes": {"db.table": "cart"},
        "startTimeMin": WINDOW["query.startTimeMin"],
        "start_time_max": WINDOW["query.startTimeMax"],
        "durationMin": "0.01s",
    }
    url = f"{sent.server.url}/jaeger/api/v3/traces"
    answer = httpx.post(url, json={"query": query}, timeout=120)
    assert names_of(answer.json()["result"]) == {"GET /cart", "POST", "SELECT"}
    refused = httpx.post(url, json={"query": {"nonsense": 1}}, timeout=120)
    assert (refused.status_code, refused.json()["error"]["grpcCode"]) == (400, 3)


def test_v3_summaries_hold_what_a_result_page_shows_and_have_pages(sent: Sent) -> None:
    asked = {**WINDOW, "query.serviceName": FRONT, "query.pagination.pageSize": "1"}
    first = sent.get("/api/v3/trace-summaries", **asked).json()
    assert first["summaries"] == [
        {
            "traceId": sent.trace_id,
            "rootServiceName": FRONT,
            "rootOperationName": "GET /cart",
            "minStartTimeUnixNano": str((NOW_US + 1000) * US),
            "maxEndTimeUnixNano": str((NOW_US + 70_000) * US),
            "spanCount": 3,
            "errorSpanCount": 1,
            "orphanSpanCount": 0,
            "services": [
                {"name": FRONT, "spanCount": 2, "errorSpanCount": 0},
                {"name": BACK, "spanCount": 1, "errorSpanCount": 1},
            ],
        }
    ]
    asked["query.pagination.pageToken"] = first["nextPageToken"]
    second = sent.get("/api/v3/trace-summaries", **asked).json()
    assert [each["traceId"] for each in second["summaries"]] == [trace_id(sent.health)]
    assert "nextPageToken" not in second


def test_v3_finds_spans_one_by_one_newest_first(sent: Sent) -> None:
    spans_of_front = {
        "op": "eq",
        "args": [
            {"field": {"level": "resource", "name": "service"}},
            {"scalar": {"value": FRONT}},
        ],
    }
    asked = {
        **WINDOW,
        "query.filter": json.dumps(spans_of_front),
        "query.pagination.pageSize": "2",
    }
    result = sent.get("/api/v3/spans", **asked).json()["result"]
    names = [each["scopeSpans"][0]["spans"][0]["name"] for each in result["spans"]["resourceSpans"]]
    assert names == ["POST", "GET /cart"]
    asked["query.pagination.pageToken"] = result["nextPageToken"]
    rest = sent.get("/api/v3/spans", **asked).json()["result"]
    assert names_of(rest["spans"]) == {"GET /health"}
    assert "nextPageToken" not in rest


def test_v3_dependencies_and_capabilities_are_said(sent: Sent) -> None:
    for first, last in (("startTime", "endTime"), ("start_time", "end_time")):
        asked = {first: iso(NOW_US - 10**6), last: iso(NOW_US + 10**7)}
        found = sent.get("/api/v3/dependencies", **asked).json()["dependencies"]
        assert {"parent": FRONT, "child": BACK, "callCount": "1"} in found
    capabilities = sent.get("/api/v3/capabilities").json()["search"]
    assert capabilities["paginated"] is True
    assert "regex" in capabilities["filter"]["operators"]


@pytest.mark.parametrize(
    ("path", "parameters", "status"),
    [
        ("/api/v3/traces", {}, 400),
        ("/api/v3/traces", {"query.startTimeMin": "15m", "query.startTimeMax": "now"}, 400),
        ("/api/v3/traces", {**WINDOW, "query.searchDepth": "-1"}, 400),
        ("/api/v3/traces", {**WINDOW, "query.searchDepth": "99999"}, 400),
        ("/api/v3/traces", {**WINDOW, "query.attributes": "a=b"}, 400),
        ("/api/v3/traces", {**WINDOW, "query.durationMin": "long"}, 400),
        ("/api/v3/traces", {**WINDOW, "query.filter": '{"op":'}, 400),
        ("/api/v3/traces", {**WINDOW, "query.filter": '{"op":"some","args":[]}'}, 501),
        # An attribute of the resource is none of the span.
        (
            "/api/v3/traces",
            {
                **WINDOW,
                "query.filter": '{"op":"exists","args":[{"attr":{"key":"cores","level":"span"}}]}',
            },
            404,
        ),
        ("/api/v3/traces", {**WINDOW, "query.pagination.pageSize": "3"}, 400),
        ("/api/v3/traces", {**WINDOW, "query.serviceName": "nobody"}, 404),
        (
            "/api/v3/trace-summaries",
            {**WINDOW, "query.pagination.pageSize": "3", "query.pagination.pageToken": "x"},
            400,
        ),
        (
            "/api/v3/trace-summaries",
            {**WINDOW, "query.pagination.pageSize": "3", "query.searchDepth": "3"},
            400,
        ),
        (
            "/api/v3/traces",
            {
                "query.startTimeMin": WINDOW["query.startTimeMax"],
                "query.startTimeMax": WINDOW["query.startTimeMin"],
            },
            400,
        ),
        ("/api/v3/spans", {}, 400),
        ("/api/v3/spans", {**WINDOW, "query.orderBy": "[]x"}, 400),
        ("/api/v3/spans", {**WINDOW, "query.orderBy": '[{"direction":"asc"}]'}, 501),
        (f"/api/v3/traces/{'f' * 40}", {}, 400),
        ("/api/v3/traces/1", {"start_time": "soon"}, 400),
        ("/api/v3/operations", {}, 400),
        ("/api/v3/dependencies", {"startTime": iso(NOW_US)}, 400),
        ("/api/v3/dependencies", {"startTime": iso(NOW_US), "endTime": iso(NOW_US - 1)}, 400),
    ],
)
def test_v3_says_errors_as_the_gateway_does(
    sent: Sent, path: str, parameters: dict[str, str], status: int
) -> None:
    answer = sent.get(path, **parameters)
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert error["httpCode"] == status
    assert error["message"]
    assert set(error) == {"grpcCode", "httpCode", "message", "httpStatus"}
