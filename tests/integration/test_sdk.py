"""`clew.init`: what becomes of a program's telemetry, and that trouble with it stays apart."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest

from clew.testing.server import ServerProcess
from tests.integration.wire import ask
from tests.patience import PATIENT

SECONDS_MAX = 150.0

PROGRAM = """
import json, logging, sys, time
import clew
assert not [name for name in sys.modules if name.startswith("opentelemetry")]
run = clew.init("sdk-program", attributes={"team": "tests"})
from opentelemetry import metrics, trace
logging.getLogger().setLevel(logging.INFO)
with trace.get_tracer("program", "2.0").start_as_current_span("work", attributes={"n": 3}) as span:
    try:
        raise ValueError("wrong")
    except ValueError:
        logging.getLogger("program.part").exception("it failed", extra={"order": 7, "who": object})
    logging.getLogger("clew.sdk").warning("ours")
metrics.get_meter("program").create_counter("sdk.counter").add(5)
print(json.dumps({
    "trace_id": format(span.get_span_context().trace_id, "032x"),
    "name": run.service_name,
    "same": clew.init("other") is run,
}))
"""

ABSENT = """
import logging, sys, time
import clew
logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
run = clew.init("absent", endpoint="http://127.0.0.1:9")
from opentelemetry import trace
tracer = trace.get_tracer("program")
for _ in range(4000):
    with tracer.start_as_current_span("work"):
        logging.getLogger("program").debug("busy")
bounds = {"spans": 2048, "points": 0, "log records": 8192}
print(run.dropped > 0, [each.waiting <= bounds[each.signal] + 512 for each in run.deliveries()])
"""


def run_program(program: str, environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a program in which nothing but the test decides."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "CLEW_"))}
    return subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        env=clean | dict(environ),
    )


def get(server: ServerProcess, path: str) -> Any:
    answer = ask(server.url, "GET", f"/api/v1/{path}")
    assert answer.status == 200, answer.body
    return answer.document


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_traces_metrics_and_logs_of_a_program_arrive_at_its_end(
    server: ServerProcess, protocol: str
) -> None:
    # The server's own HTTP door takes OTLP, so CLEW_SERVER alone says where to send.
    environ = {"CLEW_SERVER": server.url, "OTEL_RESOURCE_ATTRIBUTES": f"case={protocol}"}
    if protocol == "grpc":
        environ |= {
            "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{server.otlp_grpc}",
        }
    done = run_program(PROGRAM, {**environ, **PATIENT})
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["name"] == "sdk-program"
    assert said["same"] is True
    (span,) = get(server, f"traces/{said['trace_id']}")["spans"]
    assert (span["service"], span["operation"]) == ("sdk-program", "work")
    assert span["resource"]["team"] == "tests"
    assert span["resource"]["case"] == protocol
    (record,) = get(server, f"logs?trace_id={said['trace_id']}")["logs"]
    assert (record["body"], record["severity"]) == ("it failed", "error")
    assert record["span_id"] == span["span_id"]
    assert record["scope"]["name"] == "program.part"
    assert record["attributes"]["order"] == "7"
    assert record["attributes"]["exception.type"] == "ValueError"
    assert "Traceback" in record["attributes"]["exception.stacktrace"]
    points = get(server, "metrics?service=sdk-program&name=sdk.counter")["metrics"]
    assert {point["value"] for point in points} == {5.0}


def test_the_environment_has_the_last_word(server: ServerProcess) -> None:
    environ = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": server.otlp_url,
        "OTEL_SERVICE_NAME": "sdk-renamed",
        "OTEL_METRICS_EXPORTER": "none",
        "CLEW_SERVER": "http://127.0.0.1:9",
    }
    done = run_program(PROGRAM, {**environ, **PATIENT})
    assert json.loads(done.stdout)["name"] == "sdk-renamed"
    assert get(server, "traces?service=sdk-renamed")["count"] == 1
    assert get(server, "metrics?service=sdk-renamed")["count"] == 0


def test_nothing_is_exported_where_the_sdk_is_switched_off(server: ServerProcess) -> None:
    program = """
import clew
run = clew.init("sdk-off")
from opentelemetry import trace
with trace.get_tracer("program").start_as_current_span("work"):
    pass
clew.shutdown()
print(run.is_exporting, run.dropped)
"""
    done = run_program(program, {"OTEL_SDK_DISABLED": "true", "CLEW_SERVER": server.url})
    assert done.stdout.split() == ["False", "0"], done.stderr
    assert get(server, "traces?service=sdk-off")["count"] == 0


def test_without_a_server_a_program_runs_and_ends_and_hears_of_it_once() -> None:
    done = run_program(ABSENT, {})
    assert done.returncode == 0
    assert done.stdout.startswith("True [True")
    assert "Traceback" not in done.stderr
    told = [line for line in done.stderr.splitlines() if line.startswith("WARNING:clew.sdk")]
    assert len(told) == 1
    assert "clew serve" in told[0]
    assert "opentelemetry.exporter" not in done.stderr


def test_providers_that_a_program_has_set_stay(server: ServerProcess) -> None:
    program = """
import sys
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
own = TracerProvider(resource=Resource({"service.name": "sdk-own"}))
trace.set_tracer_provider(own)
import clew
run = clew.init("sdk-other")
with trace.get_tracer("program").start_as_current_span("work"):
    pass
print(run.flush(120), trace.get_tracer_provider() is own)
run.shutdown()
run.shutdown()
"""
    done = run_program(program, {"CLEW_SERVER": server.url, **PATIENT})
    assert done.stdout.split() == ["True", "True"], done.stderr
    assert get(server, "traces?service=sdk-own")["count"] == 1


def test_a_forked_child_sends_its_own_and_not_what_waits_in_its_parent(
    server: ServerProcess,
) -> None:
    program = """
import os
import clew
run = clew.init("sdk-fork")
from opentelemetry import trace
tracer = trace.get_tracer("program")
with tracer.start_as_current_span("parent"):
    pass
child = os.fork()
if child == 0:
    with tracer.start_as_current_span("child"):
        pass
    run.shutdown()
    os._exit(0)
os.waitpid(child, 0)
"""
    environ = {"CLEW_SERVER": server.url, "OTEL_BSP_SCHEDULE_DELAY": "60000", **PATIENT}
    done = run_program(program, environ)
    assert done.returncode == 0, done.stderr
    spans = get(server, "traces?service=sdk-fork")["spans"]
    assert sorted(span["operation"] for span in spans) == ["child", "parent"]
