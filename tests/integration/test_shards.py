"""A query tier over real shards: the answers of one server with everything, and who is missing."""

from __future__ import annotations

import http.client
import json
import os
import tempfile
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlsplit

import msgspec
import pytest
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from clew.app.tier import open_scratch
from clew.remote.http import Server
from clew.store.engine.exchange import MEDIA_TYPE, AskedScan, ScanQuestion, decode_answer
from clew.store.folder import FolderLock
from clew.testing.server import ServerProcess
from tests.e2e.terminal import clew
from tests.sharded_data import MS, Piece, compared, divide, make_pieces, send, trace_id
from tests.sockets import connect

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SHARDS: Final = 2
TRACES: Final = 40

QUIET: Final = {"otlp_http": "off", "otlp_grpc": "off", "trails": "off", "links": "off"}

# A shard that works off its first question beside the others' starts has time for it here.
PATIENT: Final = {"shard_timeout": "60"}


@dataclass(frozen=True, slots=True)
class Town:
    """One server with everything, shards that have it together, and a tier over them."""

    whole: ServerProcess
    shards: list[ServerProcess]
    tier: ServerProcess
    start: int

    @property
    def window(self) -> str:
        """All that was sent, as parameters."""
        return f"start={self.start // 10**9}&end={self.start // 10**9 + 700}"


@dataclass(frozen=True, slots=True)
class Said:
    """What a server answered."""

    status: int
    headers: dict[str, str]
    document: Any


def ask(server: ServerProcess, path: str, body: bytes | None = None, kind: str = "") -> Said:
    """Ask a server."""
    address = urlsplit(server.url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=120)
    try:
        # What a client of MCP has to say it takes.
        accept = "application/json, text/event-stream"
        headers = {"content-type": kind, "accept": accept} if body is not None else {}
        connection.request("GET" if body is None else "POST", path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        named = {name.lower(): value for name, value in answer.getheaders()}
        is_json = "json" in named.get("content-type", "")
        return Said(answer.status, named, json.loads(content) if is_json else content)
    finally:
        connection.close()


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """Servers with random data, divided at random."""
    folder = tmp_path_factory.mktemp("town")
    start = (time.time_ns() // 10**9 - 1200) * 10**9
    pieces = make_pieces(7, start, TRACES)
    with ServerProcess(folder / "whole", QUIET) as whole:
        shards = [ServerProcess(folder / f"shard-{n}", QUIET) for n in range(SHARDS)]
        try:
            send(whole.url, pieces)
            for shard, part in zip(shards, divide(pieces, SHARDS, 3), strict=True):
                send(shard.url, part)
            with ServerProcess(folder / "tier", PATIENT | {"shards": _named(shards)}) as tier:
                yield Town(whole, shards, tier, start)
        finally:
            for shard in shards:
                shard.kill()


def _named(shards: list[ServerProcess]) -> str:
    return ",".join(f"s{number}={shard.url}" for number, shard in enumerate(shards))


QUESTIONS: Final = (
    "traces?{window}",
    "traces?{window}&view=spans&limit=500",
    "traces?{window}&service=shop&count=exact",
    "traces?{window}&attribute=tenant%3Dt1&limit=50",
    "traces?{window}&status=error&limit=5&count=exact",
    "traces/{trace}",
    "traces/{trace}?attributes=typed",
    "logs?{window}&limit=500",
    "logs?{window}&min_severity=warn&limit=500",
    "logs?{window}&text=timed&limit=500",
    "logs/patterns?{window}",
    "metrics?{window}&limit=500",
    "metrics/orders?{window}",
    "metrics/http.server.duration?{window}",
    "metrics/query?name=orders&{window}&step=60s",
    "metrics/query?name=http.server.duration&{window}&aggregate=p95&by=http.route",
    "services?{window}",
    "operations?{window}",
    "services/pay/operations?{window}",
    "attributes?{window}",
    "attributes/tenant/values?{window}",
    "suggest?kind=service&text=shpo",
    "summary?{window}",
    "density?{window}",
    "topology?{window}",
    "anomalies?start={middle}&end={end}&baseline_start={start}&baseline_end={middle}",
    "diff?start={middle}&end={end}&baseline_start={start}&baseline_end={middle}",
    "correlate?trace={trace}",
    "conversations?{window}",
    "agents?{window}",
    "transcript/{trace}",
    "transcript/c3",
    "objects",
    "objects/cart/cart_2",
    "objects/cart/cart_2?at={event}",
    "objects/cart/cart_2?at={event}&recorded_at=2200-01-01T00:00:00Z",
    "objects/cart/cart_2/timeline",
    "objects/cart/cart_2/timeline?recorded_at={start}",
    "objects/cart/cart_2/history/items",
    "objects/cart/cart_2/graph",
    "traces/{trace}/objects",
    "processes",
    "rejected",
    "lineage/1004",
    "lineage/1004?direction=down",
    "lineage/path?from=1004&to=1000",
    "lineage/items?trace_id=1004",
)


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_tier_answers_as_one_server_with_everything(town: Town, question: str) -> None:
    seconds = town.start // 10**9
    path = "/api/v1/" + question.format(
        window=town.window,
        trace=trace_id(4),
        start=seconds,
        middle=seconds + 300,
        end=seconds + 700,
        event=seconds + 4,
    )
    whole, tier = ask(town.whole, path), ask(town.tier, path)
    assert (tier.status, compared(tier.document)) == (whole.status, compared(whole.document))
    assert "partial" not in tier.document


STATEMENTS: Final = (
    "SELECT count() FROM otel_traces",
    "SELECT ServiceName, count() AS n, max(Duration) FROM otel_traces GROUP BY 1 ORDER BY 1",
    "SELECT uniqExact(TraceId), quantilesExact(0.5, 0.99)(Duration) FROM otel_traces",
    "SELECT DISTINCT SpanName FROM otel_traces WHERE ServiceName = 'pay' ORDER BY SpanName",
    (
        "SELECT SpanId, Duration FROM otel_traces WHERE Duration > 5000000"
        " ORDER BY Duration DESC, SpanId LIMIT 7"
    ),
    (
        "SELECT ServiceName AS s, Duration - 1 AS d FROM otel_traces WHERE s = 'pay'"
        " ORDER BY d, SpanId LIMIT 3 OFFSET 2"
    ),
    "SELECT SpanId, Duration FROM otel_traces WHERE ServiceName = 'pay' ORDER BY 2, 1 LIMIT 5",
    (
        "SELECT toUInt8(5) AS n, SpanId FROM otel_traces WHERE ServiceName = 'pay'"
        " ORDER BY Duration WITH FILL FROM 0 TO 3, SpanId LIMIT 2"
    ),
    (
        "SELECT t.ServiceName, count() FROM otel_traces AS t JOIN otel_logs AS l"
        " ON l.TraceId = t.TraceId GROUP BY 1 ORDER BY 1"
    ),
    (
        "WITH slow AS (SELECT * FROM otel_traces WHERE Duration > 1000000)"
        " SELECT count(), sum(Duration) FROM slow"
    ),
    (
        "SELECT SpanId, row_number() OVER (PARTITION BY ServiceName ORDER BY Duration, SpanId) AS n"
        " FROM otel_traces ORDER BY SpanId LIMIT 9"
    ),
    # What is within quotes is no column and no number, and a number has the type that it has.
    "SELECT count() FROM otel_traces WHERE length('Frame') = 5 AND length(' 1234567890 ') = 12",
    "SELECT count() FROM otel_traces WHERE toTypeName(1234567890) = 'UInt32'",
    'SELECT count() FROM otel_traces WHERE `Frame` > 0 AND "Frame" % 1 = 0',
    "SELECT count() FROM otel_logs WHERE TraceId IN (SELECT TraceId FROM otel_traces)",
    "SELECT MetricName, sum(Count) FROM otel_metrics_histogram GROUP BY MetricName",
    "SELECT SpanAttributes['tenant'] AS tenant, count() FROM otel_traces GROUP BY 1 ORDER BY 1",
    # The database may be named, and its name may stand for other things besides.
    (
        "SELECT otel.otel_traces.SpanId, 'otel.otel_logs' AS otel FROM otel.otel_traces PREWHERE"
        " Duration > 1 WHERE TraceId IN (SELECT TraceId FROM `otel`.`otel_logs`) ORDER BY 1"
    ),
    "SELECT otel.* EXCEPT Frame FROM otel.otel_traces AS otel ORDER BY SpanId, Timestamp LIMIT 3",
    "SELECT 1",
)


@pytest.mark.parametrize("statement", STATEMENTS)
def test_sql_over_shards_gives_what_one_server_gives(town: Town, statement: str) -> None:
    path = f"/api/v1/sql?q={quote(statement)}"
    whole, tier = ask(town.whole, path), ask(town.tier, path)
    assert whole.status == 200
    assert (tier.status, compared(tier.document)) == (whole.status, compared(whole.document))


def test_pages_are_stable_while_records_come_in_at_every_shard(town: Town) -> None:
    path = f"/api/v1/traces?view=spans&{town.window}&limit=9"
    seen: list[str] = []
    page = ask(town.tier, path).document
    expected = {s["span_id"] for s in ask(town.tier, f"{path}00").document["spans"]}
    late = make_pieces(11, town.start + 200 * MS, 6)
    number = 0
    while True:
        seen += [span["span_id"] for span in page["spans"]]
        if page.get("next") is None:
            break
        # The window is over, and what is sent into it now has ids of its own.
        if number < len(late):
            send(town.shards[number % SHARDS].url, [_renamed(late[number].body)])
        number += 1
        page = ask(town.tier, f"{path}&next={quote(page['next'])}").document
    assert set(seen) == expected
    assert page["total"] == len(seen)


def _renamed(body: dict[str, Any]) -> Piece:
    text = json.dumps(body).replace('"traceId": "0', '"traceId": "f')
    found = json.loads(text)
    path = next(p for p in ("resourceSpans", "resourceLogs", "resourceMetrics") if p in found)
    kinds = {"resourceSpans": "traces", "resourceLogs": "logs", "resourceMetrics": "metrics"}
    for resource in found.get("resourceSpans", ()):
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                span["spanId"] = "f" + span["spanId"][1:]
    return Piece(f"/v1/{kinds[path]}", found)


def test_a_cursor_of_a_tier_is_none_of_a_shard(town: Town) -> None:
    page = ask(town.tier, f"/api/v1/logs?{town.window}&limit=1").document
    answer = ask(town.shards[0], f"/api/v1/logs?{town.window}&limit=1&next={quote(page['next'])}")
    assert answer.status == 400


def test_the_tier_tells_of_its_shards(town: Town) -> None:
    shards = ask(town.tier, "/api/v1/shards").document["shards"]
    assert [(each["name"], each["reachable"]) for each in shards] == [("s0", True), ("s1", True)]
    assert all(each["newest_frame"] > 0 for each in shards)
    assert ask(town.tier, "/readyz").document["ready"]
    assert ask(town.tier, "/readyz?writes=true").status == 503
    assert ask(town.whole, "/readyz?writes=true").status == 200
    assert ask(town.whole, "/api/v1/shards").status == 404
    told = clew("servers", server=town.tier.url)
    assert (told.code, told.document["kind"], told.document["ok"]) == (0, "shards", True)
    assert [each["state"] for each in told.document["servers"]] == ["answers", "answers"]
    assert clew("servers", server=town.whole.url).document["kind"] == "alone"
    shown = clew("health", "--format", "table", server=town.tier.url).stdout
    assert "a query tier; 2 of 2 shards answer" in shown


def test_a_shard_that_is_named_twice_is_told_and_counts_nothing_twice(
    town: Town, tmp_path: Path
) -> None:
    url = town.shards[0].url
    twice = {"shards": f"a={url},b={url.replace('127.0.0.1', 'localhost')}"}
    with ServerProcess(tmp_path / "twice", QUIET | twice) as tier:
        refused = ask(tier, "/api/v1/traces")
        assert (refused.status, refused.document["code"]) == (409, "conflict")
        assert "the shards a and b have the same records" in refused.document["detail"]
        told = clew("servers", server=tier.url)
        assert told.code == 1
        assert [each["state"] for each in told.document["servers"]] == ["answers", "twice"]


def test_what_is_written_to_a_tier_is_refused_with_the_address_of_the_shards(town: Town) -> None:
    piece = make_pieces(1, town.start, 1)[0]
    empty = (b"", "application/x-protobuf")
    for body, kind in ((json.dumps(piece.body).encode(), "application/json"), empty):
        refused = ask(town.tier, piece.path, body, kind)
        assert (refused.status, town.shards[0].url in str(refused.document)) == (501, True)
    assert ask(town.shards[0], piece.path, *empty).status == 200
    refused = ask(town.tier, "/api/v1/sessions", b"{}", "application/json")
    assert (refused.status, town.shards[0].url in refused.document["hint"]) == (501, True)


@pytest.mark.parametrize(
    "scan",
    [
        AskedScan(name="x", table="otel_traces", columns=["file('/etc/passwd') AS x"]),
        AskedScan(name="x", table="otel_traces", columns=["1) FROM system.tables --"]),
        AskedScan(name="x", table="otel_traces", columns=["1"], where="1 UNION ALL SELECT 2"),
        AskedScan(
            name="x", table="otel_traces", columns=["1"], where="1 IN (SELECT 1 FROM url('x'))"
        ),
        AskedScan(name="x", table="otel_traces", columns=["1"], order_by="1 LIMIT 1"),
        AskedScan(name="x", table="otel_traces", columns=["(SELECT count() FROM system.users)"]),
        AskedScan(name="x", table="otel_traces", columns=["a"], rows=["file('/etc/passwd') AS a"]),
        AskedScan(name="x", table="otel_traces", columns=["a"], rows=["1 AS a FROM url('x') --"]),
        AskedScan(name="x", table="system.users", columns=["1"]),
        AskedScan(name="x", table="otel_traces", columns=["'"], where="' OR 1"),
        AskedScan(name="x", table="otel_traces", columns=["1 /*"], where="*/ 1"),
        AskedScan(name="x", table="otel_traces", columns=["sumState(1) AS s", "1 AS `@rows`"]),
        AskedScan(
            name="x",
            table="otel_traces",
            columns=["sumMerge({s:AggregateFunction(sum, UInt64)})"],
        ),
    ],
)
def test_a_scan_that_is_more_than_a_scan_is_refused(town: Town, scan: AskedScan) -> None:
    body = msgspec.msgpack.encode(ScanQuestion([scan], {"s": "x"}))
    answer = ask(town.shards[0], "/internal/scans", body, MEDIA_TYPE)
    assert answer.status in {400, 403}, answer


def test_a_shard_reads_up_to_the_frame_that_it_is_asked_for(town: Town) -> None:
    scan = AskedScan(name="x", table="otel_traces", columns=["SpanId", "Frame"])

    def read(up_to: int | None) -> Any:
        body = msgspec.msgpack.encode(ScanQuestion([scan], up_to=up_to))
        answer = ask(town.shards[0], "/internal/scans", body, MEDIA_TYPE)
        return decode_answer(answer.document).scans["x"].rows

    everything = read(None).to_pylist()
    middle = sorted(row["Frame"] for row in everything)[len(everything) // 2]
    part = read(middle).to_pylist()
    assert sorted(row["SpanId"] for row in part) == sorted(
        row["SpanId"] for row in everything if row["Frame"] <= middle
    )


def test_a_missing_shard_is_named_in_every_answer(
    town: Town, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("partial")
    # An address where nobody listens.
    gone = "http://127.0.0.1:9"
    shards = f"here={town.shards[0].url},gone={gone}"
    with ServerProcess(folder / "tier", PATIENT | {"shards": shards}) as tier:
        for path in (
            f"traces?{town.window}",
            f"logs?{town.window}&limit=2",
            f"summary?{town.window}",
            f"topology?{town.window}",
            f"services?{town.window}",
            "sql?q=SELECT%20count()%20FROM%20otel_traces",
            "objects",
            "lineage/1004",
        ):
            said = ask(tier, f"/api/v1/{path}")
            assert said.status == 200, said
            assert said.document["partial"] is True, path
            assert said.document["missing_shards"] == ["gone"], path
            assert said.headers["x-clew-partial"] == "gone"
        alone = ask(town.shards[0], f"/api/v1/traces?{town.window}&limit=500").document
        part = ask(tier, f"/api/v1/traces?{town.window}&limit=500").document
        assert part["count"] == alone["count"]
        missing = ask(tier, f"/api/v1/traces/{'ab' * 16}")
        assert (missing.status, missing.document["missing_shards"]) == (404, ["gone"])
        assert ask(tier, "/readyz").document["ready"]
        exported = ask(tier, f"/api/v1/export/traces?{town.window}")
        assert (exported.status, exported.headers["x-clew-partial"]) == (200, "gone")
        _check_doors(tier)
        # Said where its operator looks, and not once for each question.
        assert tier.stderr.count("shard gone does not answer") == 1
    with ServerProcess(folder / "none", PATIENT | {"shards": f"gone={gone}"}) as tier:
        said = ask(tier, f"/api/v1/traces?{town.window}")
        assert (said.status, "gone" in said.document["detail"]) == (503, True)
        assert ask(tier, "/readyz").status == 503


def _check_doors(tier: ServerProcess) -> None:
    """Jaeger's API, tools of MCP and the command line name the shard that is gone."""
    for path in ("/jaeger/api/services", "/jaeger/api/v3/services"):
        said = ask(tier, path)
        assert (said.status, said.headers["x-clew-partial"]) == (200, "gone"), path
    call = {"name": "summary", "arguments": {}}
    request = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
    body = json.dumps(request).encode()
    told = ask(tier, "/mcp", body, "application/json").document["result"]
    answer = json.loads(told["content"][0]["text"])
    assert (answer["partial"], answer["missing_shards"]) == (True, ["gone"])
    ended = clew("services", server=tier.url)
    assert json.loads(ended.stdout)["missing_shards"] == ["gone"]
    note = json.loads(ended.stderr)
    assert (note["partial"], note["missing_shards"]) == (True, ["gone"])


def test_a_question_past_its_deadline_is_told_so_by_one_server_and_by_a_tier(
    tmp_path: Path,
) -> None:
    hurried = QUIET | {"question_timeout": "0.000001"}
    with (
        ServerProcess(tmp_path / "one", hurried) as one,
        ServerProcess(tmp_path / "tier", hurried | {"shards": f"here={one.url}"}) as tier,
    ):
        for server in (tier, one):
            for path in (f"correlate?trace={trace_id(4)}", "services", "sql?q=SELECT%201"):
                told = ask(server, f"/api/v1/{path}")
                assert (told.status, told.document["code"]) == (504, "timeout"), path
            assert server.terminate() == 0


def test_a_tier_that_was_killed_leaves_its_folder_to_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    left = tmp_path / "clew-tier-killed"
    begun = tmp_path / "clew-tier-begun"
    held = tmp_path / "clew-tier-held"
    for folder in (left, begun, held):
        (folder / "store").mkdir(parents=True)
    long_ago = time.time() - 3600
    lock = FolderLock.acquire(held)
    for folder in (left, held):
        os.utime(folder, (long_ago, long_ago))
    try:
        with open_scratch() as scratch:
            assert {path.name for path in tmp_path.iterdir()} == {
                begun.name,
                held.name,
                scratch.removeprefix(f"{tmp_path}/"),
            }
    finally:
        lock.release()


def test_shards_are_shown_the_key_of_the_tier_or_of_whoever_asks(
    tmp_path: Path,
) -> None:
    with ServerProcess(tmp_path / "guarded", QUIET) as shard:
        new = json.dumps({"name": "me", "role": "admin"}).encode()
        key = ask(shard, "/api/v1/keys", new, "application/json").document["api_key"]
        shards = f"here={shard.url}"
        with ServerProcess(tmp_path / "bare", PATIENT | {"shards": shards}) as tier:
            refused = ask(tier, "/api/v1/traces")
            assert refused.status == 401
            assert "--shard-key here=clew_…" in refused.document["hint"]
            (told,) = ask(tier, "/api/v1/shards").document["shards"]
            assert (told["refuses"], told["reachable"]) == (True, False)
            assert told["advice"] == refused.document["hint"]
            assert ask(tier, "/readyz").document["shards"] == ["here"]
            with Server(tier.url, api_key=key) as server:
                assert json.loads(server.get("/api/v1/traces").body)["count"] == 0
                ticket = json.loads(server.post("/api/v1/watch/tickets", b"", "").body)["ticket"]
            feed = tier.url.replace("http", "ws", 1) + "/api/v1/watch"
            with connect(feed, subprotocols=[Subprotocol(f"clew.ticket.{ticket}")]) as heard:
                assert json.loads(heard.recv(60))["kind"] == "ready"
            with pytest.raises(InvalidStatus, match="401"), connect(feed):
                pass
        with ServerProcess(
            tmp_path / "keyed", PATIENT | {"shards": shards, "shard_key": f"here={key}"}
        ) as tier:
            assert ask(tier, "/api/v1/traces").status == 200
