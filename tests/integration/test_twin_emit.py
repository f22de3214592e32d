"""From a program's words to what the server knows of the object: no set-up, no mock.

And what becomes of the program where the server is away, hangs or refuses: nothing.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from clew.twin.dsl import Registry
from tests.integration.otlp_sink import OtlpSink
from tests.integration.wire import ask
from tests.patience import PATIENT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from clew.testing.server import ServerProcess

SECONDS_MAX = 150.0

SCHEMA = """
from clew.twin.dsl import Object, Process, Integer, Float, String, List

class ShoppingCart(Object):
    item_count = Integer(default=0)
    total_value = Float(default=0.0)
    items = List(String())
    status = String(default="active")
"""

QUICK_START = (
    SCHEMA
    + """
from opentelemetry import baggage, context
from clew.twin.context import anchor, TriLogLogger

logger = TriLogLogger(__name__)

with anchor("cart_123", ShoppingCart):
    logger.state_change(item_count=5, total_value=99.99)
    logger.event("item_added", item_id="SKU-001")
"""
)


def start_program(program: str, environ: Mapping[str, str]) -> subprocess.Popen[str]:
    """Start a program in which nothing but the test decides, warnings being errors."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "CLEW_"))}
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=clean | dict(environ),
    )


def run_program(program: str, environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a program to its end."""
    with start_program(program, environ) as process:
        try:
            out, err = process.communicate(timeout=SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def get(server: ServerProcess, path: str) -> Any:
    answer = ask(server.url, "GET", f"/api/v1/{path}")
    assert answer.status == 200, answer.body
    return answer.document


def test_the_quick_start_needs_no_set_up(server: ServerProcess) -> None:
    done = run_program(QUICK_START, {"CLEW_SERVER": server.url, **PATIENT})
    assert (done.returncode, done.stderr) == (0, "")
    twin = get(server, "objects/ShoppingCart/cart_123")
    assert twin["state"] == {"item_count": 5, "total_value": 99.99}
    assert (twin["exists"], twin["version"], twin["warnings"]) == (True, 1, [])


CANONICAL = """
import logging
from clew.twin import Registry, Object, Integer, Float, String, List, anchor, TriLogLogger, tracked
import clew
run = clew.init("depots")
registry = Registry("depots", "1.0.0")

@registry.register
class Depot(Object):
    count = Integer(default=0)
    weight = Float(default=0.0, precision=2)
    things = List(String())
    name = String(default="x")
    code = String(sensitive=True)

registry.export("{folder}/registry.json")
log = TriLogLogger("depot.keeper")
from opentelemetry import trace
with trace.get_tracer("t").start_as_current_span("work"):
    with anchor("d1", Depot, tenant="north"):
        log.created(count=1, name="first")
        log.state_change(count="2", weight=1.256, things=["a"], name=None, code="hunter2")
        log.event("looked", count=99)
        logging.getLogger("plain").warning("a plain word")
depot = tracked(Depot("d2", count=1))
depot.count += 1
with depot:
    depot.things = ["b"]
    depot.count += 1
"""


def test_a_record_is_the_canonical_one_all_the_way_to_the_server(
    server: ServerProcess, tmp_path: Path
) -> None:
    program = CANONICAL.replace("{folder}", str(tmp_path))
    done = run_program(program, {"CLEW_SERVER": server.url, **PATIENT})
    assert done.returncode == 0, done.stderr
    checksum = Registry.load(tmp_path / "registry.json").compute_checksum()
    # The server does not know the registry: values are as they were sent, lists as JSON text.
    twin = get(server, "objects/Depot/d1")
    assert twin["state"] == {
        "count": 2,
        "weight": 1.26,
        "things": '["a"]',
        "name": None,
        "code": "[redacted]",
    }
    assert twin["version"] == 2
    events = get(server, "objects/Depot/d1/timeline")["events"]
    assert [each["type"] for each in events] == ["created", "state_change", "event", "log"]
    seqs = [each["seq"] for each in events]
    assert seqs == list(range(seqs[0], seqs[0] + 4))
    assert len({each["event_id"] for each in events}) == 4
    assert len({each["trace_id"] for each in events}) == 1
    assert len({each["writer"] for each in events}) == 1
    assert {each["registry_checksum"] for each in events} == {checksum}
    logs = get(server, "logs?service=depots&attribute=trilog.obj.id=d1&attributes=typed")["logs"]
    change = next(each for each in logs if each["body"].startswith("State change"))
    said = change["attributes"]
    assert said.pop("trilog.event.seq") in {2, "2"}
    assert re.fullmatch(r"[0-9a-f-]{14}7[0-9a-f-]{21}", said.pop("trilog.event.id"))
    assert said.pop("trilog.log.timestamp") == change["timestamp"]
    assert said == {
        "depot.count": 2,
        "depot.weight": 1.26,
        "depot.things": '["a"]',
        "depot.code": "[redacted]",
        "trilog.obj.id": "d1",
        "trilog.obj.type": "Depot",
        "trilog.obj.nulls": ["name"],
        "trilog.event.type": "state_change",
        "trilog.log.category": "state_change",
        "trilog.registry.checksum": checksum,
        "trilog.anchor.depth": 0,
        "trilog.meta.tenant": "north",
    }
    assert change["scope"]["name"] == "depot.keeper"
    tracked = get(server, "objects/Depot/d2/timeline")["events"]
    assert [each["type"] for each in tracked] == ["state_change", "state_change"]
    assert get(server, "objects/Depot/d2")["state"] == {"count": 3, "things": '["b"]'}


FORKS = """
import os, json
import clew
from clew.twin import Object, Integer, anchor, TriLogLogger
run = clew.init("forks")
class Forked(Object):
    n = Integer(default=0)
log = TriLogLogger("x")
with anchor("parent", Forked):
    log.state_change(n=1)
    log.state_change(n=2)
    child = os.fork()
    if child == 0:
        log.state_change(n=10)
        with anchor("child", Forked):
            log.state_change(n=1)
            log.state_change(n=2)
        clew.shutdown()
        os._exit(0)
    os.waitpid(child, 0)
    log.state_change(n=3)
"""


def test_a_forked_child_is_a_writer_of_its_own_that_counts_from_one() -> None:
    with OtlpSink() as sink:
        done = run_program(FORKS, {"CLEW_SERVER": sink.url, **PATIENT})
    assert done.returncode == 0, done.stderr
    written: dict[str, list[tuple[int, int]]] = {}
    ids = set()
    for record in sink.logs():
        said = {each.key: each.value for each in record.attributes}
        writer = said["trilog.event.writer"].string_value if "trilog.event.writer" in said else ""
        ids.add(said["trilog.event.id"].string_value)
        entry = (said["trilog.event.seq"].int_value, said["forked.n"].int_value)
        written.setdefault(writer, []).append(entry)
    assert written.pop("") == [(1, 1), (2, 2), (3, 3)]
    assert list(written.values()) == [[(1, 10), (2, 1), (3, 2)]]
    assert len(ids) == 6


POOL = """
import multiprocessing, sys
from concurrent.futures import ProcessPoolExecutor
import clew
from clew.twin import Object, Integer, anchor, TriLogLogger
class Pooled(Object):
    n = Integer(default=0)
log = TriLogLogger("x")

@anchor("all", Pooled)
def work(i):
    with anchor(f"w{i}", Pooled):
        log.state_change(n=i)
    return i

if __name__ == "__main__":
    if BEFORE:
        clew.init("pool")
        log.event("begun")
    context = multiprocessing.get_context(METHOD)
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        assert sum(pool.map(work, range(8))) == 28
"""


@pytest.mark.parametrize(("method", "before"), [("fork", True), ("fork", False), ("spawn", True)])
def test_what_workers_of_a_process_pool_say_arrives_at_their_end(
    method: str, before: bool, tmp_path: Path
) -> None:
    program = tmp_path / "pool.py"
    text = POOL.replace("BEFORE", str(before)).replace("METHOD", repr(method))
    program.write_text(text)
    with OtlpSink() as sink:
        done = run_file(program, sink.url)
    assert done.returncode == 0, done.stderr
    said = [{each.key: each.value for each in record.attributes} for record in sink.logs()]
    told = [each["trilog.obj.id"].string_value for each in said if "pooled.n" in each]
    assert sorted(told) == [f"w{i}" for i in range(8)]


def run_file(program: Path, url: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "CLEW_"))}
    return subprocess.run(
        [sys.executable, str(program)],
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        env={**clean, "CLEW_SERVER": url, "OTEL_BLRP_SCHEDULE_DELAY": "60000", **PATIENT},
    )


BUSY = (
    SCHEMA
    + """
import sys, clew
from clew.twin import anchor, TriLogLogger
run = clew.init("busy")
log = TriLogLogger("x")
with anchor("c1", ShoppingCart):
    for i in range(10_000):
        log.state_change(item_count=i, status="active")
print("said", flush=True)
sys.stdin.readline()
import json
clew.shutdown()
logs = next(each for each in run.deliveries() if each.signal == "log records")
print(json.dumps([logs.sent, logs.dropped, logs.waiting, log.failures]))
"""
)


def finish(program: subprocess.Popen[str]) -> tuple[list[int], str]:
    """Let a program end; return what it counted and what it said of it."""
    assert program.stdout is not None
    out, err = program.communicate("\n", timeout=SECONDS_MAX)
    assert program.returncode == 0, err
    return json.loads(out.splitlines()[-1]), err


def wait_for_words(program: subprocess.Popen[str]) -> None:
    """Return once a program has said all that it has to say, which is not yet sent."""
    assert program.stdout is not None
    watchdog = threading.Timer(SECONDS_MAX, program.kill)
    watchdog.start()
    try:
        assert program.stdout.readline() == "said\n"
    finally:
        watchdog.cancel()


def test_a_server_that_never_answers_holds_nothing_up() -> None:
    with (
        OtlpSink(is_hanging=True) as sink,
        start_program(BUSY, {"CLEW_SERVER": sink.url}) as program,
    ):
        # All is said before the server has answered anything, and the program ends by itself.
        wait_for_words(program)
        assert not sink.released.is_set()
        (sent, dropped, waiting, failures), said = finish(program)
        assert not sink.released.is_set()
    assert (sent, failures) == (0, 0)
    assert dropped + waiting == 10_000
    assert said.count("\n") == 1
    assert "clew serve" in said


@pytest.mark.parametrize("status", [400, 503])
def test_a_server_that_refuses_is_counted_and_told_of_once(status: int) -> None:
    with (
        OtlpSink(status=status) as sink,
        start_program(BUSY, {"CLEW_SERVER": sink.url}) as program,
    ):
        wait_for_words(program)
        (sent, dropped, waiting, failures), said = finish(program)
    assert (sent, failures) == (0, 0)
    assert dropped + waiting == 10_000
    assert said.count("\n") == 1


def test_without_a_server_ten_thousand_changes_are_said_counted_and_over() -> None:
    with start_program(BUSY, {"CLEW_SERVER": "http://127.0.0.1:9"}) as program:
        wait_for_words(program)
        (sent, dropped, waiting, failures), said = finish(program)
    assert (sent, failures) == (0, 0)
    assert dropped + waiting == 10_000
    assert said.count("\n") == 1


def test_a_burst_that_fits_the_queue_arrives_whole_and_in_order(server: ServerProcess) -> None:
    program = BUSY.replace("10_000", "4_000").replace('"c1"', '"burst"')
    environ = {"CLEW_SERVER": server.url, "OTEL_METRICS_EXPORTER": "none", **PATIENT}
    with start_program(
        program.replace("clew.shutdown()", "run.flush(120); clew.shutdown()"), environ
    ) as p:
        wait_for_words(p)
        (sent, dropped, waiting, failures), said = finish(p)
    assert (sent, dropped, waiting, failures, said) == (4_000, 0, 0, 0, "")
    twin = get(server, "objects/ShoppingCart/burst")
    assert (twin["version"], twin["state"]["item_count"]) == (4_000, 3_999)


FEW = """
import sys, logging, clew
from clew.twin import anchor, TriLogLogger
BEGIN
log = TriLogLogger("x")
with anchor("f1", "Few"):
    for i in range(3):
        log.state_change(n=i)
    logging.getLogger("plain").warning("a plain word")
print(log.failures)
"""


def test_an_environment_that_makes_no_sense_ends_no_program_and_is_told_of() -> None:
    with OtlpSink() as sink:
        environ = {"CLEW_SERVER": sink.url, "OTEL_ATTRIBUTE_COUNT_LIMIT": "many", **PATIENT}
        done = run_program(FEW.replace("BEGIN", ""), environ)
    assert (done.returncode, done.stdout) == (0, "3\n")
    told = [line for line in done.stderr.splitlines() if line != "a plain word"]
    assert len(told) == 1
    assert "OTEL_ATTRIBUTE_COUNT_LIMIT" in told[0]


def test_switched_off_nothing_is_sent_and_nothing_is_wrong() -> None:
    for variable, value in (("OTEL_SDK_DISABLED", "true"), ("OTEL_LOGS_EXPORTER", "none")):
        with OtlpSink() as sink:
            environ = {"CLEW_SERVER": sink.url, variable: value}
            done = run_program(FEW.replace("BEGIN", ""), environ)
        assert (done.returncode, done.stdout, done.stderr) == (0, "0\n", "a plain word\n")
        assert sink.logs() == []


def test_events_leave_also_where_plain_logs_are_not_wished() -> None:
    with OtlpSink() as sink:
        begin = 'clew.init("few", logs=False)'
        program = FEW.replace("BEGIN", begin)
        done = run_program(program, {"CLEW_SERVER": sink.url, **PATIENT})
    assert done.returncode == 0, done.stderr
    bodies = [each.body.string_value for each in sink.logs()]
    assert bodies == ["State change: n"] * 3


def test_the_provider_that_a_program_has_set_up_is_the_one() -> None:
    begin = """
from opentelemetry._logs import set_logger_provider
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
import os
own = LoggerProvider(Resource.create({"service.name": "own"}))
exporter = OTLPLogExporter(endpoint=os.environ["CLEW_SERVER"] + "/v1/logs")
own.add_log_record_processor(BatchLogRecordProcessor(exporter))
set_logger_provider(own)
"""
    with OtlpSink() as sink:
        program = FEW.replace("BEGIN", begin)
        done = run_program(program, {"CLEW_SERVER": sink.url, **PATIENT})
    assert done.returncode == 0, done.stderr
    assert [each.body.string_value for each in sink.logs()] == ["State change: n"] * 3
    assert any(b"own" in body for _, body in sink.bodies)


SIGNALS = """
import signal
import clew
from clew.twin import anchor, TriLogLogger
clew.init("signals")
log = TriLogLogger("x")
log.event("begun")
heard = 0

def hear(number, frame):
    global heard
    heard += 1
    log.state_change(heard=heard)

with anchor("s", "Signalled"):
    signal.signal(signal.SIGALRM, hear)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    said = 0
    while heard < 200:
        said += 1
        log.state_change(said=said)
    signal.setitimer(signal.ITIMER_REAL, 0)
print(log.failures)
"""


def test_the_handler_of_a_signal_may_speak_at_any_moment() -> None:
    with OtlpSink() as sink:
        environ = {"CLEW_SERVER": sink.url, "OTEL_BLRP_MAX_QUEUE_SIZE": "1000000", **PATIENT}
        done = run_program(SIGNALS, environ)
    assert (done.returncode, done.stdout) == (0, "0\n"), done.stderr
    seqs = [
        next(e.value.int_value for e in record.attributes if e.key == "trilog.event.seq")
        for record in sink.logs()
    ]
    assert len(seqs) == len(set(seqs))


SECRETS = """
import logging, sys
logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
from clew.twin import Object, String, List, Dict, anchor, TriLogLogger, tracked, invariant
from clew.twin.context import inject
class Person(Object):
    name = String()
    password = String(sensitive=True, max_length=6)
    cards = List(String(sensitive=True, max_length=6))
    notes = Dict({"pin": String(sensitive=True)})
    @invariant
    def fails(self):
        if self.name == "value": raise ValueError(self.password)
        if self.name == "key": raise KeyError(self.password)
S, L = "sesame", "sesame-and-too-long"
for mode in ("warn", "raise", "off"):
    log = TriLogLogger("x", validation=mode, span_events=True)
    person = tracked(Person("p1", password=S, cards=[S]), log)
    def attempt(call, *args, **kwargs):
        try:
            call(*args, **kwargs)
        except ValueError as error:
            print(error, file=sys.stderr)
            logging.getLogger("plain").exception("it failed")
    attempt(log.created, Person("p2", password=S, notes={"pin": S}))
    attempt(setattr, person, "password", S[::-1][::-1])
    attempt(setattr, person, "password", L)
    attempt(setattr, person, "cards", [L])
    attempt(setattr, person, "name", "key")
    attempt(setattr, person, "name", "value")
    with anchor(person):
        attempt(log.state_change, password=S, cards=f'["{S}"', notes={"pin": S})
        attempt(log.state_change, password=L, cards=L)
        headers = {}
        inject(headers)
        print(headers, person, file=sys.stderr)
        logging.getLogger("plain").warning("moved", extra={"trilog_attrs": {
            "trilog.event.type": "state_change", "person.password": S}})
    logging.getLogger("plain").warning("moved", extra={"trilog_attrs": {
        "trilog.obj.id": "p3", "trilog.obj.type": "Person", "person.password": S}})
"""


def test_what_is_sensitive_never_leaves_the_process() -> None:
    with OtlpSink() as sink:
        done = run_program(SECRETS, {"CLEW_SERVER": sink.url, **PATIENT})
    assert done.returncode == 0, done.stderr
    sent = b"".join(body for _, body in sink.bodies)
    assert sent.count(b"[redacted]") > 20
    assert b"sesame" not in sent
    assert "sesame" not in done.stderr
