"""Objects and outputs: lineage names what was said of an object in a stage, and the event its node.

The stages are no spans, so nothing but the events themselves ties the two.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clew.testing.server import ServerProcess
from tests.guides import environment
from tests.integration.wire import ask

SECONDS_MAX = 150.0

PROGRAM = """
import json, logging
import clew
from clew import lineage
from clew.twin.context import TriLogLogger, anchor
from clew.twin.dsl import Object, String

class TracedParcel(Object):
    status = String()

run = clew.init("warehouse")
tracing = lineage.enable_tracing(7, to="otlp")
twins = TriLogLogger("warehouse")
logger = logging.getLogger("warehouse")

@lineage.stage
def read(order):
    return order

@lineage.stage("pack", stream_id=3)
def pack(first, second):
    for number in range(20):
        logger.warning("looking for paper, attempt %d", number)
    for number in range(3):
        with anchor(f"p{number}", TracedParcel):
            twins.state_change(status="packed")
    return first + second

with anchor("p9", TracedParcel):
    twins.state_change(status="elsewhere")
parcel = pack(read("lamp"), read("chair"))
print(json.dumps(str(parcel.trace_id)))
run.shutdown()
assert run.dropped == 0
"""


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ServerProcess, str]]:
    """Yield a server, and the trace id of a parcel that a program made."""
    folder: Path = tmp_path_factory.mktemp("objects")
    with ServerProcess(folder / "data") as server:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", PROGRAM],
            capture_output=True,
            text=True,
            timeout=SECONDS_MAX,
            env=environment({"CLEW_SERVER": server.url}),
            check=False,
        )
        assert done.returncode == 0, done.stderr
        yield server, json.loads(done.stdout)


def get(server: ServerProcess, path: str) -> Any:
    answer = ask(server.url, "GET", f"/api/v1/{path}")
    assert answer.status == 200, answer.body
    return answer.document


def test_a_node_names_the_objects_that_its_stage_spoke_of(
    packed: tuple[ServerProcess, str],
) -> None:
    server, trace_id = packed
    root, *inputs = get(server, f"lineage/{trace_id}")["nodes"]
    assert root["stages"] == [], "nothing here is a span"
    assert root["objects"] == [{"type": "TracedParcel", "id": f"p{number}"} for number in range(3)]
    assert root["log_count"] >= 23
    assert len(inputs) == 2
    assert not any(node["objects"] for node in inputs)


def test_an_event_of_an_object_leads_to_the_output_that_was_made(
    packed: tuple[ServerProcess, str],
) -> None:
    server, trace_id = packed
    (event,) = get(server, "objects/TracedParcel/p1/timeline")["events"]
    assert event["data"]["tracelink.trace_id"] == trace_id
    assert event["data"]["tracelink.stream_id"] == "3"
    state = get(server, "objects/TracedParcel/p1")
    assert state["state"] == {"status": "packed"}, "it is no field of the object"
    (other,) = get(server, "objects/TracedParcel/p9/timeline")["events"]
    assert not any(name.startswith("tracelink.") for name in other["data"])
