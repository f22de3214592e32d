"""OpenLineage in and PROV out, through a running server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from clew.lineage.exchange.identity import dataset_trace_id, job_stream_id, run_seq
from clew.testing.server import ServerProcess

if TYPE_CHECKING:
    from collections.abc import Iterator

CLIENT = httpx.Client(timeout=60)

AT = f"{datetime.now(UTC).date() - timedelta(days=2)}T10:00:00.000000001Z"
"""Within what is kept, whenever this runs."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("exchange") / "data") as server:
        yield server


def event(run: str, kind: str, inputs: list[str], outputs: list[str]) -> dict[str, Any]:
    return {
        "eventType": kind,
        "eventTime": AT,
        "producer": "https://example.test/scheduler",
        "run": {"runId": run},
        "job": {"namespace": "airflow", "name": "nightly"},
        "inputs": [{"namespace": "lake", "name": name} for name in inputs],
        "outputs": [{"namespace": "lake", "name": name} for name in outputs],
    }


def post(server: ServerProcess, document: Any) -> httpx.Response:
    return CLIENT.post(f"{server.url}/api/v1/lineage/openlineage", json=document)


def id_of(name: str) -> str:
    return str(dataset_trace_id("lake", name))


def prov_of(server: ServerProcess, trace_id: str, **asked: Any) -> dict[str, Any]:
    url = f"{server.url}/api/v1/lineage/{trace_id}/prov"
    response = CLIENT.get(url, params=asked)
    assert response.status_code == 200, response.text
    document: dict[str, Any] = response.json()
    return document


def test_runs_that_completed_are_answered_as_prov(server: ServerProcess) -> None:
    started = post(server, event("one", "START", ["orders", "prices"], []))
    assert started.status_code == 200, started.text
    assert (started.json()["accepted"], started.json()["passed_over"]) == (0, {"start": 1})
    done = post(
        server,
        [
            event("one", "RUNNING", ["prices"], []),
            event("one", "COMPLETE", ["orders"], ["daily"]),
            event("two", "COMPLETE", ["daily"], ["report"]),
        ],
    )
    assert done.status_code == 200, done.text
    told = done.json()
    assert (told["accepted"], told["rejected"]) == (2, 0)
    assert {each["name"]: each["trace_id"] for each in told["datasets"]} == {
        name: id_of(name) for name in ("prices", "orders", "daily", "report")
    }
    found = CLIENT.get(f"{server.url}/api/v1/lineage/{id_of('report')}").json()
    names = [node["dataset"]["name"] for node in found["nodes"]]
    assert (names[0], sorted(names)) == ("report", ["daily", "orders", "prices", "report"])
    assert found["missing"] == 0
    prov = prov_of(server, id_of("report"))
    # Ids of datasets are hashes, so what they are called is kept with them.
    assert {each["prov:label"] for each in prov["entity"].values()} == {
        "report",
        "daily",
        "orders",
        "prices",
    }
    made_of = {
        (each["prov:generatedEntity"], each["prov:usedEntity"])
        for each in prov["wasDerivedFrom"].values()
    }
    assert made_of == {
        (f"trace:{id_of(output)}", f"trace:{id_of(source)}")
        for output, source in (("report", "daily"), ("daily", "orders"), ("daily", "prices"))
    }
    stream = job_stream_id("airflow", "nightly")
    runs = {(id_of("daily"), run_seq("one")), (id_of("report"), run_seq("two"))}
    activities = {f"join:{stream}.0.{seq}.{trace_id}" for trace_id, seq in runs}
    assert set(prov["activity"]) == activities
    assert {each["prov:endTime"] for each in prov["activity"].values()} == {AT}
    assert "wasDerivedFrom" not in prov_of(server, id_of("report"), direction="down")


def test_an_id_that_nobody_told_of_is_an_entity_that_is_missing(server: ServerProcess) -> None:
    prov = prov_of(server, "12345")
    assert prov["entity"]["trace:12345"]["clew:missing"] is True
    assert set(prov) == {"prefix", "entity"}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "not JSON"),
        (b"[1]", "event 0 is no OpenLineage event"),
        (b'{"eventType": "COMPLETE"}', "eventTime"),
        (b'{"eventType": "COMPLETE", "eventTime": "2026-11-20T10:00:00Z"}', "it has no run"),
    ],
)
def test_what_is_no_event_is_refused_and_told(
    server: ServerProcess, body: bytes, said: str
) -> None:
    headers = {"content-type": "application/json"}
    response = CLIENT.post(
        f"{server.url}/api/v1/lineage/openlineage", content=body, headers=headers
    )
    assert response.status_code == 400
    problem = response.json()
    assert said in problem["detail"]
    assert problem["hint"]


def test_runs_of_before_anything_is_kept_are_refused(server: ServerProcess) -> None:
    old = event("three", "COMPLETE", ["a"], ["b"]) | {"eventTime": "1971-01-01T00:00:00Z"}
    response = post(server, old)
    assert response.status_code == 400
    assert "time" in response.json()["detail"]


def test_what_cannot_be_asked_is_refused(server: ServerProcess) -> None:
    for path in ("nothing/prov", "0/prov", "42/prov?depth=-1", "42/prov?colour=red"):
        assert CLIENT.get(f"{server.url}/api/v1/lineage/{path}").status_code == 400
