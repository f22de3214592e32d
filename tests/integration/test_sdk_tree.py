"""`clew.init` in a tree: one call joins it, and ties the telemetry to it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping

import pytest

from tests.integration.scripted_peer import SECONDS_MAX, WillingPeer

PROGRAM = """
import clew
run = clew.init("worker")
from opentelemetry import trace
run.on_cancel(5.0, lambda context: None)
resource = trace.get_tracer_provider().resource.attributes
run.status({"phase": "processing"})
run.result({name: resource.get(name) for name in ("trails.app.id", "trails.app.path")})
print(run.app_id == run.tree.app_id == resource["trails.app.id"], run.endpoint)
"""

WITHOUT = """
import sys, clew
run = clew.init("worker")
run.status(1); run.result(2); run.error("no")
run.on("pause")(print); run.on_cancel(1.0, print); run.on_cancel(1.0)(print)
assert not [name for name in sys.modules if name.startswith(("clew.tree", "websockets"))]
from opentelemetry import trace
assert "trails.app.id" not in trace.get_tracer_provider().resource.attributes
with run.child("part") as part:
    part.status(1)
try:
    run.cancel("6f9619ff-8b86-4d01-b42d-00cf4fc964ff")
except Exception as error:
    print(error.code)
run.shutdown()
"""


@pytest.fixture
def peer() -> Iterator[WillingPeer]:
    with WillingPeer() as server:
        yield server


def run_program(program: str, environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "CLEW_", "TRAILS_"))}
    return subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        env=clean | {"OTEL_TRACES_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"} | dict(environ),
    )


def test_one_call_joins_the_tree_and_ties_the_telemetry_to_it(peer: WillingPeer) -> None:
    root = peer.config("planner")
    config = root.create_child("worker")
    done = run_program(
        PROGRAM,
        {
            "TRAILS_INFO": config.encode(),
            "OTEL_TRACES_EXPORTER": "otlp",
            "OTEL_METRICS_EXPORTER": "none",
            "OTEL_RESOURCE_ATTRIBUTES": "trails.app.id=another",
        },
    )
    assert done.stdout == "True http://127.0.0.1:4318\n", done.stderr
    result = peer.await_frame("message", msg_type="Result")
    assert result["payload"] == {
        "trails.app.id": config.app_id,
        "trails.app.path": f"/{root.app_id}/{config.app_id}/",
    }
    assert peer.await_frame("register", app_id=config.app_id)["parent_id"] == root.app_id


def test_the_end_of_a_program_waits_for_its_result_and_then_for_its_telemetry(
    peer: WillingPeer,
) -> None:
    program = "import clew\nrun = clew.init('w')\nrun.result(7)\nclew.shutdown()\n"
    program += "print(run.tree.delivery().acked)"
    done = run_program(
        program, {"TRAILS_INFO": peer.config().encode(), "OTEL_METRICS_EXPORTER": "none"}
    )
    assert done.stdout == "1\n", done.stderr


def test_telemetry_that_is_switched_off_leaves_the_tree_alone(peer: WillingPeer) -> None:
    done = run_program(
        # A goodbye has two seconds, of which nothing here is about how long it takes to connect.
        "import clew\nrun = clew.init('w')\nrun.status(1)\nassert run.tree.wait_connected(120)",
        {"TRAILS_INFO": peer.config().encode(), "OTEL_SDK_DISABLED": "true"},
    )
    assert done.returncode == 0, done.stderr
    assert peer.await_frame("message", msg_type="Status")
    assert peer.await_frame("disconnect")["reason"] == "completed"


def test_a_program_that_is_no_part_of_a_tree_pays_nothing_for_it() -> None:
    done = run_program(WITHOUT, {"OTEL_METRICS_EXPORTER": "none", "OTEL_TRACES_EXPORTER": "otlp"})
    assert done.stdout == "unavailable\n", done.stderr


def test_a_variable_that_is_unreadable_is_told_of_once() -> None:
    done = run_program(
        "import clew\nrun = clew.init('w')\nprint(run.app_id)",
        {"TRAILS_INFO": "?", "OTEL_METRICS_EXPORTER": "none"},
    )
    assert done.stdout == "None\n"
    assert done.stderr.count("TRAILS_INFO is not used") == 1
