"""How the server says that it is, and what it tells of itself, apart from all it was sent."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
import pytest

from clew.answers.health_documents import Health, TableStorage
from clew.testing.requests import ids_of, logs_request, metrics_request, spans_request
from clew.testing.server import ServerProcess
from tests.integration.test_sse import follow
from tests.integration.wire import ask, sql, wait_until

PROTOBUF = {"content-type": "application/x-protobuf"}
OWN_METRIC = "clew_limit_used_ratio"
RECORDED = f"/api/v1/metrics?own=true&name={OWN_METRIC}&limit=1"

StartServer = Callable[..., ServerProcess]


def look(server: ServerProcess, path: str, **query: str) -> Any:
    """Return the document at a path of the REST door."""
    address = f"/api/v1/{path}" + (f"?{urlencode(query)}" if query else "")
    answer = ask(server.url, path=address)
    assert answer.status == 200, answer.body
    return answer.document


def health_of(server: ServerProcess, key: str | None = None) -> Health:
    headers = {} if key is None else {"authorization": f"Bearer {key}"}
    answer = ask(server.url, path="/api/v1/health", headers=headers)
    assert answer.status == 200, answer.body
    return msgspec.json.decode(answer.body, type=Health)


def send(server: ServerProcess, signal: str, body: bytes) -> None:
    assert ask(server.otlp_url, "POST", f"/v1/{signal}", body, PROTOBUF).status == 200


def wait_recorded(server: ServerProcess) -> None:
    """Return once the server has recorded its own counters, and a question as a span."""
    for path in (RECORDED, "/api/v1/traces?own=true&limit=1"):
        wait_until(partial(_has_any, server, path), path)


def _has_any(server: ServerProcess, path: str) -> bool:
    count: int = ask(server.url, path=path).document["count"]
    return count > 0


@pytest.fixture(scope="module")
def telling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that has told of itself, and was sent nothing by anybody.

    It tells every second, and each question is slow to it.
    """
    settings = {
        "own_telemetry": "1",
        "slow_question_ms": "1",
        "live_clients_max": "1",
        "otlp_requests_per_second": "1000",
    }
    with ServerProcess(tmp_path_factory.mktemp("telling") / "data", settings) as server:
        wait_recorded(server)
        yield server


@dataclass(frozen=True)
class Lived:
    """A server that tells nothing of itself, over what one left that did, until it was killed.

    A service called clew sent that one a span, a log record and a metric of two points, which has
    the name of one of the server's own; `fed` are the spans that a live feed had meanwhile.
    """

    server: ServerProcess
    trace_id: str
    span_id: str
    fed: list[str]


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lived]:
    folder = tmp_path_factory.mktemp("lived") / "data"
    trace_id, span_id = ids_of(0xC1E3)
    with ServerProcess(folder, {"own_telemetry": "1", "slow_question_ms": "1"}) as first:
        wait_recorded(first)
        with follow(first.url, "/api/v1/traces/live") as feed:
            feed.wait_for_id()
            spans = spans_request("clew", [(trace_id, span_id)], operation="GET /api/v1/health")
            send(first, "traces", spans.SerializeToString())
            send(first, "logs", logs_request("clew", ["mine"]).SerializeToString())
            points = metrics_request("clew", OWN_METRIC, [7.0, 8.0])
            send(first, "metrics", points.SerializeToString())
            fed = feed.read_spans(1)
        first.kill()
    with ServerProcess(folder, {"own_telemetry": "off"}) as server:
        yield Lived(server, trace_id.hex(), span_id.hex(), fed)


def test_what_the_server_tells_of_itself_is_there_for_whoever_asks(telling: ServerProcess) -> None:
    metric = look(telling, f"metrics/{OWN_METRIC}", own="true")
    assert metric["services"] == ["clew"]
    assert "limit" in metric["label_keys"]
    series = look(telling, "metrics/query", own="true", name=OWN_METRIC, by="limit", last="5m")
    assert {"disk", "memory", "log"} <= {each["labels"]["limit"] for each in series["series"]}
    counted = look(telling, "metrics/clew_http_answers_total", own="true")
    assert counted["metric_type"] == "sum"
    span = look(telling, "traces", own="true", limit="1")["spans"][0]
    assert span["attributes"]["http.route"] in span["operation"]
    trace = look(telling, f"traces/{span['trace_id']}", own="true")
    assert trace["count"] == 1
    own = health_of(telling).own
    assert (own.interval_seconds, own.failures) == (1.0, 0)
    assert own.records > 0


def test_no_count_of_a_user_has_what_the_server_tells_of_itself(telling: ServerProcess) -> None:
    for path, name in (
        ("services", "services"),
        ("operations", "operations"),
        ("traces", "spans"),
        ("traces?view=traces", "traces"),
        ("logs", "logs"),
        ("metrics", "metrics"),
        ("anomalies", "anomalies"),
        ("attributes", "attributes"),
        ("attributes?signal=metrics", "attributes"),
        ("logs/patterns", "patterns"),
    ):
        found = look(telling, path)
        assert (found[name], found["total"]) == ([], 0), path
    summary = look(telling, "summary")
    counts = [summary["traces"]["span_count"], summary["metrics"]["point_count"]]
    assert [*counts, summary["logs"]["total"]] == [0, 0, 0]
    assert look(telling, "topology")["edges"] == []
    span = look(telling, "traces", own="true", limit="1")["spans"][0]
    for path in (f"metrics/{OWN_METRIC}", f"traces/{span['trace_id']}"):
        assert ask(telling.url, path=f"/api/v1/{path}").status == 404, path
    for table in ("otel_traces", "otel_logs", "otel_metrics_gauge", "otel_metrics_sum"):
        assert sql(telling.url, f"SELECT count() AS n FROM {table}") == [{"n": 0}], table
    assert all(each["records"] == 0 for each in look(telling, "ingest/status")["signals"])
    for signal in ("traces", "logs", "metrics"):
        assert ask(telling.url, path=f"/api/v1/export/{signal}").body in {b"", b"{}\n"}
    suggested = look(telling, "suggest", kind="service", text="clew")
    assert suggested == {"suggestions": [], "known": False}


def test_sql_sees_it_by_the_names_of_its_own_tables(telling: ServerProcess) -> None:
    rows = sql(telling.url, "SELECT DISTINCT ServiceName AS service FROM clew_traces")
    assert rows == [{"service": "clew"}]
    known = {table["name"] for table in look(telling, "sql/schema")["tables"]}
    assert not {name for name in known if name.startswith("clew_")}


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="there is no /proc here")
def test_rows_bring_no_library_that_a_server_does_not_need(telling: ServerProcess) -> None:
    mapped = Path(f"/proc/{telling.pid}/maps").read_text()
    assert "pyarrow" in mapped
    assert "pandas" not in mapped


def test_a_service_that_is_called_clew_is_a_user_like_any_other(lived: Lived) -> None:
    server = lived.server
    # Of all that came while it was open, the feed had theirs alone.
    assert lived.fed == [lived.span_id]
    (service,) = look(server, "services")["services"]
    assert (service["name"], service["span_count"], service["log_count"]) == ("clew", 1, 1)
    theirs = look(server, "metrics", service="clew")
    assert theirs["total"] == 2
    assert sorted(point["value"] for point in theirs["metrics"]) == [7.0, 8.0]
    assert look(server, "traces", service="clew")["total"] == 1
    ours = look(server, "metrics", own="true", name=OWN_METRIC, limit="10000")
    assert not {7.0, 8.0} & {point["value"] for point in ours["metrics"]}
    spans = look(server, "traces", own="true", limit="10000")["spans"]
    assert lived.trace_id not in {span["trace_id"] for span in spans}


def test_what_a_server_told_of_itself_survives_a_crash_and_stays_apart(lived: Lived) -> None:
    assert look(lived.server, "metrics", own="true", name=OWN_METRIC, limit="1")["count"] == 1
    assert look(lived.server, "traces", own="true", limit="1")["count"] == 1
    assert health_of(lived.server).own.interval_seconds is None


def test_what_is_on_disk_is_told_by_signal_and_table(lived: Lived) -> None:
    # A statement waits until everything is in the engine.
    assert sql(lived.server.url, "SELECT count() AS n FROM otel_traces") == [{"n": 1}]
    wait_until(lambda: _size_of(lived.server, "otel_traces").rows == 1, "it is measured anew")
    # What clew tells of itself goes to the engine when it likes.
    wait_until(lambda: bool(_rows_of(lived.server, "own")), "what is its own is measured too")
    storage = health_of(lived.server).storage
    table = next(each for each in storage.tables if each.table == "otel_traces")
    assert (table.signal, table.parts) == ("traces", 1)
    assert 0 < table.data_bytes < table.bytes
    assert 0 < table.index_bytes < table.bytes
    assert table.uncompressed_bytes > 0
    by_signal = {each.signal: each for each in storage.signals}
    assert (by_signal["traces"].rows, by_signal["traces"].bytes) == (1, table.bytes)
    assert storage.tables[0].bytes == max(each.bytes for each in storage.tables)
    assert storage.bytes == sum(each.bytes for each in storage.tables)
    assert (storage.registry_bytes or 0) > 0
    assert (storage.disk_free_bytes or 0) > 0


def _rows_of(server: ServerProcess, signal: str) -> int:
    return next(each.rows for each in health_of(server).storage.signals if each.signal == signal)


def _size_of(server: ServerProcess, name: str) -> TableStorage:
    return next(each for each in health_of(server).storage.tables if each.table == name)


def test_every_limit_is_told_the_nearest_first(telling: ServerProcess) -> None:
    with follow(telling.url, "/api/v1/traces/live") as feed:
        feed.wait_for_id()
        limits = health_of(telling).limits
    assert (limits[0].name, limits[0].state, limits[0].share) == ("live_feeds", "full", 1.0)
    assert limits[0].setting == "--live-clients-max"
    assert "429" in limits[0].advice
    walls = [limit for limit in limits if limit.state == "ok" and limit.name != "query_threads"]
    shares = [limit.share for limit in walls if limit.share is not None]
    assert shares == sorted(shares, reverse=True)
    by_name = {limit.name: limit for limit in limits}
    assert by_name["rate_otlp_requests_per_second:otlp-http"].max == 1000
    assert by_name["rate_otlp_bytes_per_second:otlp-http"].share is None
    assert {"log", "hot_bytes", "otlp_bodies", "query_threads", "sockets", "memory"} <= set(by_name)
    assert any(name.startswith("rate_links_per_second:udp://") for name in by_name)


def test_what_was_lost_is_told_with_why_and_when(telling: ServerProcess) -> None:
    before = health_of(telling)
    for _ in range(2):
        answer = ask(telling.otlp_url, "POST", "/v1/logs", b"no request", PROTOBUF)
        assert answer.status == 400
    (loss,) = (each for each in health_of(telling).losses if each.signal == "logs")
    assert (loss.outcome, loss.count) == ("malformed", 2)
    assert loss.last_at is not None
    assert loss.last_at >= before.at


def test_slow_questions_are_told_with_what_was_asked_and_by_whom(telling: ServerProcess) -> None:
    look(telling, "services", limit="77")
    statement = "SELECT 4711 AS n"
    body = json.dumps({"q": statement}).encode()
    headers = {"content-type": "application/json"}
    assert ask(telling.url, "POST", "/api/v1/sql", body, headers).status == 200
    questions = health_of(telling).questions
    assert questions.threshold_ms == 1
    newest = {(each.method, each.route, each.asked) for each in questions.newest}
    assert ("GET", "/api/v1/services", "limit=77") in newest
    assert ("POST", "/api/v1/sql", statement) in newest
    assert {each.caller for each in questions.newest} <= {"local", "nobody"}
    took = [each.duration_ms for each in questions.slowest]
    assert took == sorted(took, reverse=True)
    assert min(took) >= 1


def test_what_others_ask_is_told_to_admins_alone(start_server: StartServer) -> None:
    server = start_server({"slow_question_ms": "1"})
    keys: dict[str, str] = {}
    for name, role in (("root", "admin"), ("ann", "reader"), ("bob", "reader")):
        body = json.dumps({"name": name, "role": role}).encode()
        headers = {"content-type": "application/json"}
        if keys:
            headers["authorization"] = f"Bearer {keys['root']}"
        made = ask(server.url, "POST", "/api/v1/keys", body, headers)
        assert made.status == 201, made.body
        keys[name] = made.document["api_key"]
    path = f"/api/v1/sql?q={quote('SELECT count() AS n FROM otel_traces')}"
    asked = ask(server.url, path=path, headers={"authorization": f"Bearer {keys['ann']}"})
    assert asked.status == 200

    def told(name: str) -> set[tuple[str | None, str | None]]:
        newest = health_of(server, keys[name]).questions.newest
        return {(q.caller, q.asked) for q in newest if q.route == "/api/v1/sql"}

    mine = ("key:ann", "q=SELECT count() AS n FROM otel_traces")
    assert told("ann") == told("root") == {mine}
    assert told("bob") == {(None, None)}
    assert ask(server.url, path="/api/v1/health").status == 401
