"""A remote store: another server's REST API as one face, also when that server fails."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from clew.answers.parameters import CorrelateQuery
from clew.answers.remote_store import RemoteStore
from clew.base.errors import ClewError, ErrorCode
from clew.base.ids import new_uuid
from clew.remote.http import Server
from clew.surfaces.rest.answers import encode
from clew.team.comments.parameters import CommentEdit, CommentQuery, NewComment
from clew.telemetry.analytics import parameters as analytics_ask
from clew.telemetry.query import parameters as ask
from clew.testing.requests import ids_of, logs_request, metrics_request, spans_request
from clew.testing.server import ServerProcess
from tests.integration.wire import ask as ask_wire
from tests.scripted_http import Heard, ScriptedServer, answer

PROTOBUF = "application/x-protobuf"
SERVICE = "remote-store"
BASE = 0x7E57_0009_0000
ONE, TWO = (ids_of(BASE + number)[0].hex() for number in (1, 3))


def send(server: ServerProcess, signal: str, body: bytes) -> None:
    with Server(server.url) as door:
        door.post(f"/v1/{signal}", body, PROTOBUF)


@pytest.fixture(scope="module")
def filled(server: ServerProcess) -> ServerProcess:
    """The shared server with two traces, logs and a metric of a service of ours."""
    first = [ids_of(BASE + 1), (ids_of(BASE + 1)[0], ids_of(BASE + 2)[1])]
    kept = {"team": "größe & 1"}
    spans = spans_request(SERVICE, [*first, ids_of(BASE + 3)], attributes=kept)
    spans.resource_spans[0].scope_spans[0].spans[2].status.code = 2
    send(server, "traces", spans.SerializeToString())
    logs = logs_request(SERVICE, ["it began", "it ended"])
    logs.resource_logs[0].scope_logs[0].log_records[0].trace_id = bytes.fromhex(ONE)
    send(server, "logs", logs.SerializeToString())
    send(
        server, "metrics", metrics_request(SERVICE, "remote.depth", [1.0, 2.5]).SerializeToString()
    )
    return server


@pytest.fixture
def store(filled: ServerProcess) -> Iterator[RemoteStore]:
    with RemoteStore(filled.url, name="shard-1") as opened:
        yield opened


def test_reads_round_trip_over_http_and_what_is_not_there_is_empty(store: RemoteStore) -> None:
    store.check()
    spans = store.find_spans(ask.SpanQuery(service=SERVICE))
    assert spans.count == 3
    assert {span.trace_id for span in spans.spans} == {ONE, TWO}
    assert [span.trace_id for span in store.find_trace_spans(ONE)] == [ONE, ONE]
    assert store.find_trace_spans("abad1dea") == []
    assert store.correlate(CorrelateQuery(trace="abad1dea")) is None
    with pytest.raises(ClewError) as caught:
        store.get_trace("abad1dea")
    assert caught.value.code is ErrorCode.NOT_FOUND
    services = store.list_services(ask.ServiceQuery(last="1h", limit=10_000)).services
    assert SERVICE in {service.name for service in services}
    with pytest.raises(ClewError) as refused:
        store.accept("traces", b"...")
    assert refused.value.code is ErrorCode.UNSUPPORTED
    assert f"to {store.url}/v1/traces, or over gRPC to 127.0.0.1:4317" in str(refused.value.hint)


Question = Callable[[RemoteStore], msgspec.Struct | None]

NOW = time.time_ns()
START, END = (str(NOW + seconds * 10**9) for seconds in (-1800, 1800))
WINDOW = f"start={START}&end={END}"

QUESTIONS: dict[str, Question] = {
    "traces?service=SERVICE": lambda s: s.find_spans(ask.SpanQuery(service=SERVICE)),
    "traces?service=SERVICE&view=traces": lambda s: s.find_traces(
        ask.SpanQuery(service=SERVICE, view="traces")
    ),
    f"traces/{ONE}": lambda s: s.get_trace(ONE),
    f"traces/{ONE}?attributes=typed": lambda s: s.get_trace(ONE, typed=True),
    "logs?service=SERVICE": lambda s: s.find_logs(ask.LogQuery(service=SERVICE)),
    "metrics?service=SERVICE": lambda s: s.find_metrics(ask.MetricQuery(service=SERVICE)),
    "metrics/remote.depth": lambda s: s.get_metric("remote.depth", ask.MetricParameters()),
    "metrics/query?name=remote.depth&WINDOW": lambda s: s.query_series(
        ask.SeriesQuery(name="remote.depth", start=START, end=END)
    ),
    "operations?service=SERVICE": lambda s: s.list_operations(ask.OperationQuery(service=SERVICE)),
    "attributes?service=SERVICE": lambda s: s.list_attributes(ask.AttributeQuery(service=SERVICE)),
    "attributes/team/values?service=SERVICE": lambda s: s.list_attribute_values(
        "team", ask.AttributeQuery(service=SERVICE)
    ),
    "sql/schema": lambda s: s.get_sql_schema(),
    "summary?WINDOW&service=SERVICE": lambda s: s.summarize(
        analytics_ask.SummaryQuery(start=START, end=END, service=SERVICE)
    ),
    "density?WINDOW&service=SERVICE": lambda s: s.count_over_time(
        analytics_ask.DensityQuery(start=START, end=END, service=SERVICE)
    ),
    "topology?WINDOW&service=SERVICE": lambda s: s.map_topology(
        analytics_ask.TopologyQuery(start=START, end=END, service=SERVICE)
    ),
    "logs/patterns?WINDOW&service=SERVICE": lambda s: s.list_patterns(
        analytics_ask.PatternQuery(start=START, end=END, service=SERVICE)
    ),
    "anomalies?WINDOW&service=SERVICE": lambda s: s.find_anomalies(
        analytics_ask.AnomalyQuery(start=START, end=END, service=SERVICE)
    ),
    "diff?WINDOW&service=SERVICE": lambda s: s.diff(
        analytics_ask.DiffQuery(start=START, end=END, service=SERVICE)
    ),
    f"correlate?trace={ONE}": lambda s: s.correlate(CorrelateQuery(trace=ONE)),
    f"comments?trace_id={ONE}": lambda s: s.find_comments(CommentQuery(trace_id=ONE)),
}


@pytest.mark.parametrize("path", QUESTIONS)
def test_an_answer_comes_through_field_by_field(
    filled: ServerProcess, store: RemoteStore, path: str
) -> None:
    asked = path.replace("SERVICE", SERVICE).replace("WINDOW", WINDOW)
    sent = ask_wire(filled.url, path=f"/api/v1/{asked}")
    assert sent.status == 200, sent.body
    assert encode(QUESTIONS[path](store)) == sent.body


def test_what_is_told_of_the_server_itself_comes_through(store: RemoteStore) -> None:
    assert store.run_sql("SELECT 1 AS one").rows == [{"one": 1}]
    assert store.get_ingest_status().writable


def test_comments_are_written_changed_and_removed_through_it(store: RemoteStore) -> None:
    comment = store.add_comment(TWO, NewComment(body="slow here", author="ann", id=new_uuid(0)))
    assert store.find_comments(CommentQuery(trace_id=TWO)).comments == [comment]
    edited = store.edit_comment(comment.id, CommentEdit(body="not so slow"))
    assert store.get_comment(comment.id) == edited
    assert store.delete_comment(comment.id) == edited
    assert store.find_comments(CommentQuery(trace_id=TWO)).comments == []


def test_a_client_of_tael_is_answered_as_ever(filled: ServerProcess) -> None:
    def get(path: str) -> Any:
        found = ask_wire(filled.url, path=f"/api/v1/{path}")
        assert found.status == 200, found.body
        return msgspec.json.decode(found.body)

    told = get(
        f"traces?service={SERVICE}&operation=work&min_duration_ms=0.5&max_duration_ms=5.0"
        "&last=3600&limit=10&attribute=team%3Dgr%C3%B6%C3%9Fe+%26+1&text=work&explain=true"
    )
    assert len(told["spans"]) == 3
    assert told["explain"]["rows_returned"] == 3
    assert told["explain"]["filters"] == sorted(
        ["service", "operation", "min_duration_ms", "max_duration_ms", "last", "attribute", "text"]
    )
    assert "explain" not in get(f"traces?service={SERVICE}&status=error&last=3600")
    two = get(f"traces?service={SERVICE}&attribute=team%3Dx&attribute=team%3Dy")
    assert two["spans"] == []
    assert len(get(f"traces/{ONE}")["spans"]) == 2
    service = get("services")["services"][0]
    assert {"name", "span_count", "trace_count", "avg_duration_ms", "error_rate"} <= set(service)
    logs = get(f"logs?service={SERVICE}&severity=info&body_contains=began&trace_id={ONE}&last=3600")
    assert logs["count"] == 1
    points = get(f"metrics?service={SERVICE}&name=remote.depth&metric_type=gauge&last=3600&limit=9")
    assert points["count"] == 2
    assert get(f"summary?last=3600&service={SERVICE}")["traces"]["span_count"] == 3
    assert "anomalies" in get(f"anomalies?last=900&baseline=3600&service={SERVICE}")
    assert get(f"correlate?trace={ONE}")["trace_id"] == ONE
    assert get("sql?q=SELECT+1+AS+one")["rows"] == [{"one": 1}]
    assert get("comments?limit=100000")["count"] >= 0
    assert ask_wire(filled.url, path="/healthz").status == 200


# When the other side fails.


SERVICES = answer(
    {"services": [], "count": 0, "total": 0, "truncated": False, "start_time": "", "end_time": ""}
)


@pytest.mark.parametrize("broken", [b"", SERVICES[:-5]], ids=["before", "amid"])
def test_a_question_is_asked_again_once_when_its_connection_breaks(broken: bytes) -> None:
    given = iter([broken, SERVICES])
    with ScriptedServer(lambda _: next(given)) as far, RemoteStore(far.url) as store:
        assert store.list_services(ask.ServiceQuery()).count == 0
        assert len(far.heard) == 2


def test_a_question_is_not_asked_a_third_time() -> None:
    with ScriptedServer(lambda _: b"") as far, RemoteStore(far.url, name="b:4317") as store:
        with pytest.raises(ClewError, match=r"^b:4317: no clew server answers at "):
            store.list_services(ask.ServiceQuery())
        assert len(far.heard) == 2


def test_a_write_is_never_sent_twice_and_says_that_its_outcome_is_not_known() -> None:
    with ScriptedServer(lambda _: b"") as far, RemoteStore(far.url, name="b:4317") as store:
        with pytest.raises(ClewError) as caught:
            store.add_comment(ONE, NewComment(body="once"))
        assert [heard.method for heard in far.heard] == ["POST"]
    assert caught.value.code is ErrorCode.UNAVAILABLE
    assert caught.value.message.startswith("b:4317: ")
    assert "is not known" in caught.value.message


def test_a_write_after_an_idle_time_goes_over_a_connection_that_still_is() -> None:
    def say(heard: Heard) -> bytes:
        # Says that it stays, and goes: as a server does that restarts.
        body = {"rows": [], "columns": [], "count": 0, "truncated": False, "elapsed_ms": 1.0}
        comment = {"id": "", "trace_id": "", "span_id": None, "author": "", "body": "once"}
        kept = {"comment": {**comment, "created_at": "", "updated_at": None}}
        return answer(kept if "comments" in heard.path else body, 200, {"Connection": "keep-alive"})

    with ScriptedServer(say) as far, RemoteStore(far.url) as store:
        store.run_sql("SELECT 1")
        far.wait_until_left()
        assert store.add_comment(ONE, NewComment(body="once")).body == "once"
        assert [heard.method for heard in far.heard] == ["POST", "POST"]


def test_an_answer_that_does_not_come_is_a_timeout_that_names_the_shard() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with (
            RemoteStore(url, name="c:4317", timeout_s=0.2) as store,
            pytest.raises(ClewError) as caught,
        ):
            store.find_spans(ask.SpanQuery())
    assert caught.value.code is ErrorCode.TIMEOUT
    assert caught.value.message == f"c:4317: {url} did not answer in 0.2 s"


def test_a_refusal_names_the_shard_and_keeps_code_and_hint(store: RemoteStore) -> None:
    with pytest.raises(ClewError) as caught:
        store.find_spans(ask.SpanQuery(last="gestern"))
    assert caught.value.code is ErrorCode.INVALID_ARGUMENT
    assert caught.value.message.startswith("shard-1: ")
    assert caught.value.hint


def test_who_would_write_to_a_standby_is_told_of_its_leader() -> None:
    standing = {"enabled": True, "role": "standby", "is_leader": False}

    def accept(**more: str) -> str | None:
        def say(heard: Heard) -> bytes:
            if heard.path == "/internal/cluster":
                return answer({**standing, **more})
            return answer(
                {"type": "urn:clew:error:not_found", "code": "not_found", "detail": "?"}, 404
            )

        with (
            ScriptedServer(say) as far,
            RemoteStore(far.url) as store,
            pytest.raises(ClewError) as caught,
        ):
            store.accept("logs", b"...")
        return caught.value.hint

    assert str(accept(leader_url="http://c:7701")).endswith("its leader, http://c:7701/v1/logs")
    assert str(accept()).endswith("nobody leads its group at present: send them later")


def test_the_key_is_shown_and_its_absence_told() -> None:
    refused = {"code": "unauthenticated", "detail": "this server needs a key", "hint": "get one"}

    def say(heard: Heard) -> bytes:
        if heard.headers.get("authorization") != "Bearer clew_0123":
            return answer(refused, 401)
        return answer({"comments": [], "count": 0, "total": 0, "truncated": False})

    with ScriptedServer(say) as far:
        with RemoteStore(far.url, api_key="clew_0123") as store:
            assert store.find_comments(CommentQuery()).total == 0
        with RemoteStore(far.url) as store, pytest.raises(ClewError) as caught:
            store.find_comments(CommentQuery())
        assert caught.value.message == f"{far.url}: this server needs a key"
    assert caught.value.code is ErrorCode.UNAUTHENTICATED
