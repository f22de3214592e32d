"""The command line as a person and as a program meet it: real processes, a real server."""

from __future__ import annotations

import itertools
import json
import queue
import re
import select
import signal
import subprocess
import threading
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from clew.surfaces.cli.text import width_of
from clew.testing.network import HeldPorts
from clew.testing.server import ServerProcess
from tests.e2e.executed import until
from tests.e2e.telemetry import MS, Trace, send, to_attributes
from tests.e2e.terminal import CLEW, SECONDS_MAX, clew, clew_on_terminal, environment

StartServer = Callable[..., ServerProcess]

NOWHERE = "http://127.0.0.1:9"

BOTH = """
SELECT SpanName, Body FROM otel_traces, otel_logs
WHERE otel_traces.ServiceName = 'cli-hostile' AND otel_logs.ServiceName = 'cli-hostile'"""

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture(scope="module")
def shop(server: ServerProcess) -> Trace:
    """One trace: a request, an error with an exception, two logs; and many small spans beside."""
    trace = Trace("cli-shop", 1)
    root = trace.span("POST /checkout", 0, 100, attributes={"http.route": "/checkout", "tier": 3})
    trace.span("load cart", 2, 10, root)
    pay = trace.span(
        "charge card",
        20,
        90,
        root,
        status={"code": 2, "message": "card declined"},
        events=[
            {
                "name": "exception",
                "timeUnixNano": str(trace.start_ns + 80 * MS),
                "attributes": to_attributes(
                    {
                        "exception.type": "CardDeclined",
                        "exception.message": "insufficient funds",
                        "exception.stacktrace": "Traceback\n  charge()\nCardDeclined",
                    }
                ),
            }
        ],
    )
    trace.log("charging 42 EUR", 21, pay)
    trace.log("the bank said no", 81, pay, severity=17)
    trace.send(server)
    many = Trace("cli-many", 2)
    for number in range(40):
        many.span(f"tick {number}", number, number + 0.5, attributes={"note": "x" * 100})
    many.send(server)
    return trace


def test_piped_output_is_the_very_document_of_the_rest_door(
    server: ServerProcess, shop: Trace
) -> None:
    said = clew("traces", "--service", "cli-shop", "--operation", "cart", server=server.url)
    with urllib.request.urlopen(
        f"{server.url}/api/v1/traces?service=cli-shop&operation=cart", timeout=150
    ) as answer:
        assert said.stdout.encode().rstrip(b"\n") == answer.read().rstrip(b"\n")
    assert said.code == 0
    assert said.stderr == ""
    assert said.document["spans"][0]["operation"] == "load cart"


def test_flags_narrow_as_the_parameters_do(server: ServerProcess, shop: Trace) -> None:
    def operations(*flags: str) -> list[str]:
        said = clew("traces", "--service", "cli-shop", *flags, server=server.url)
        return sorted(span["operation"] for span in said.document["spans"])

    assert operations("--status", "error") == ["charge card"]
    assert operations("--min-duration", "60ms", "--max-duration-ms", "80") == ["charge card"]
    assert operations("--attribute", "tier>2", "--attribute", "http.route=/checkout") == [
        "POST /checkout"
    ]
    assert operations("--root") == ["POST /checkout"]
    assert operations("--q", "name = 'load cart'") == ["load cart"]


@pytest.mark.parametrize(
    ("arguments", "code", "name"),
    [
        (["trace", "f" * 32], 2, "not_found"),
        (["traces", "--last", "abc"], 3, "invalid_argument"),
        (["traces", "--lats", "1h"], 3, "invalid_argument"),
        (["traces", "--min-duration", "soon"], 3, "invalid_argument"),
        (["sql", "SELECT * FROM system.tables"], 5, "forbidden"),
        (["sql", "--schem"], 3, "invalid_argument"),
        (["trace"], 3, "invalid_argument"),
        (["tarce", "x"], 3, "invalid_argument"),
    ],
)
def test_each_kind_of_trouble_has_its_exit_code_and_one_object_on_stderr(
    server: ServerProcess, arguments: list[str], code: int, name: str
) -> None:
    said = clew(*arguments, server=server.url)
    assert said.code == code
    assert said.error["code"] == name
    assert set(said.error) >= {"error", "code", "hint"}
    assert said.error["error"][0].islower() or not said.error["error"][0].isalpha()


def test_a_server_that_is_not_there_is_told_with_the_way_to_start_one() -> None:
    said = clew("services", server=NOWHERE)
    assert said.code == 4
    assert said.error["code"] == "unavailable"
    assert said.error["hint"] == "start one with: clew serve"
    assert said.stdout == ""


def test_when_nothing_matches_near_names_are_offered(server: ServerProcess, shop: Trace) -> None:
    said = clew("traces", "--service", "cli-shpo", server=server.url)
    assert said.code == 2
    assert said.document["spans"] == []
    assert said.error["code"] == "not_found"
    assert "cli-shpo" in said.error["error"]
    assert "cli-shop" in said.error["hint"]
    by_key = clew("traces", "--attribute", "http.ruote=/x", server=server.url)
    assert "http.route" in by_key.error["hint"]
    by_operation = clew(
        "traces", "--service", "cli-shop", "--operation", "load crat", server=server.url
    )
    assert "load cart" in by_operation.error["hint"]


@pytest.mark.parametrize(
    "known",
    [
        ("--service", "cli-shop"),
        ("--operation", "load cart"),
        ("--operation", "cart"),
        ("--attribute", "http.route=/nowhere"),
    ],
)
def test_a_name_that_is_known_is_not_blamed_for_an_empty_answer(
    server: ServerProcess, shop: Trace, known: tuple[str, str]
) -> None:
    said = clew("traces", *known, "--min-duration", "1h", "--last", "1h", server=server.url)
    assert said.code == 2
    assert said.error["error"] == "no spans matched"
    assert said.error["hint"] == "widen the time"


def test_a_misspelt_command_or_flag_is_answered_with_the_right_one() -> None:
    assert clew("trases").error["hint"] == "did you mean traces?"
    assert clew("traces", "--servic", "x").error["hint"] == "did you mean --service?"
    said = clew_on_terminal("trases")
    assert said.code == 3
    assert said.lines == ["clew: there is no command 'trases'", "  did you mean traces?"]


@pytest.mark.parametrize("columns", [80, 140])
def test_a_table_fits_the_terminal_and_keeps_ids_whole(
    server: ServerProcess, shop: Trace, columns: int
) -> None:
    said = clew_on_terminal("traces", "--service", "cli-shop", server=server.url, columns=columns)
    assert said.code == 0
    lines = [_COLOUR.sub("", line) for line in said.lines]
    assert all(width_of(line) <= columns for line in lines), lines
    assert sum(shop.trace_id in line for line in lines) == 3
    assert "\x1b[1;31m✗" in said.stdout
    assert any(line.startswith("3 spans · ") for line in lines)
    assert any("UTC" in line for line in lines)


def test_colour_is_left_out_where_it_is_not_wished(server: ServerProcess, shop: Trace) -> None:
    said = clew_on_terminal("services", server=server.url, environ={"NO_COLOR": "1"})
    assert "\x1b[" not in said.stdout
    piped = clew("services", "--format", "table", server=server.url)
    assert "\x1b[" not in piped.stdout
    assert "cli-shop" in piped.stdout


def test_a_trace_is_a_tree_with_bars_errors_and_its_logs(
    server: ServerProcess, shop: Trace
) -> None:
    said = clew_on_terminal("trace", shop.trace_id, server=server.url, columns=100)
    lines = [_COLOUR.sub("", line) for line in said.lines]
    text = "\n".join(lines)
    assert said.code == 0
    assert all(width_of(line) <= 100 for line in lines)
    assert re.search(r"^POST /checkout cli-shop +█+ +100 ms", text, re.MULTILINE)
    assert re.search(r"^├─load cart cli-shop", text, re.MULTILINE)
    assert re.search(r"^╰─✗ charge card cli-shop", text, re.MULTILINE)
    assert "! CardDeclined: insufficient funds  +80.0 ms" in text
    assert "▸ info charging 42 EUR  +21.0 ms" in text
    assert "▸ error the bank said no  +81.0 ms" in text
    # What happened is told in the order in which it happened.
    assert text.index("charging 42") < text.index("! CardDeclined") < text.index("the bank said")
    detailed = clew_on_terminal("trace", shop.trace_id, "--details", "--no-logs", server=server.url)
    assert "http.route /checkout" in _COLOUR.sub("", detailed.stdout)
    assert "  charge()" in detailed.stdout
    assert "charging 42" not in detailed.stdout


def test_stored_text_cannot_act_on_the_terminal(server: ServerProcess) -> None:
    hostile = Trace("cli-hostile", 3)
    span = hostile.span("\x1b[2Jwipe\x07", 0, 1, attributes={"key\x9b": "\u202evalue\nline"})
    hostile.log("\x1b]0;title\x07 body", 0.5, span)
    hostile.send(server)
    for arguments in (
        ["traces", "--service", "cli-hostile"],
        ["trace", hostile.trace_id, "--details"],
        ["logs", "--service", "cli-hostile"],
        ["traces", "--service", "cli-hostile", "--format", "json"],
        ["traces", "--service", "cli-hostile", "--format", "ndjson"],
        ["sql", BOTH],
    ):
        said = clew_on_terminal(*arguments, server=server.url, columns=120)
        shown = _COLOUR.sub("", said.stdout)
        assert said.code == 0, shown
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", shown), arguments


def test_ndjson_is_one_item_a_line_and_tells_of_the_rest_beside(
    server: ServerProcess, shop: Trace
) -> None:
    said = clew(
        "traces", "--service", "cli-many", "--limit", "10", "--format", "ndjson", server=server.url
    )
    spans = [json.loads(line) for line in said.lines]
    assert len(spans) == 10
    assert all(span["service"] == "cli-many" for span in spans)
    assert said.error["truncated"] is True
    assert said.error["next"]


def test_a_budget_bounds_the_answer_and_the_cursor_gives_the_rest(
    server: ServerProcess, shop: Trace
) -> None:
    tokens = 1500
    seen: list[str] = []
    cursor: list[str] = []
    for _ in range(40):
        said = clew(
            *("traces", "--service", "cli-many", "--max-tokens", str(tokens), *cursor),
            server=server.url,
        )
        assert said.code == 0
        assert len(said.stdout.encode()) <= tokens * 4
        document = said.document
        seen.extend(span["span_id"] for span in document["spans"])
        if not document.get("next"):
            break
        assert document["left_out"] > 0 or document["truncated"]
        assert "--next" in document["hint"]
        cursor = ["--next", document["next"]]
    assert len(seen) == 40
    assert len(set(seen)) == 40


@pytest.mark.parametrize(
    ("form", "tokens", "arguments"),
    [
        ("json", 120, ["sql", "--schema"]),
        ("json", 400, ["trace"]),
        ("ndjson", 400, ["traces", "--service", "cli-many"]),
        ("table", 120, ["traces", "--service", "cli-many"]),
        ("table", 400, ["trace"]),
    ],
)
def test_a_budget_holds_for_every_kind_of_answer(
    server: ServerProcess, shop: Trace, form: str, tokens: int, arguments: list[str]
) -> None:
    whole = [*arguments, shop.trace_id] if arguments == ["trace"] else arguments
    said = clew(*whole, "--max-tokens", str(tokens), "--format", form, server=server.url)
    assert said.code == 0
    assert 0 < len(said.stdout.encode()) <= tokens * 4


def test_a_budget_that_holds_nothing_is_refused(server: ServerProcess) -> None:
    said = clew("services", "--max-tokens", "5", server=server.url)
    assert said.code == 3
    assert said.error["hint"] == "give at least 100"


def test_sql_comes_as_an_argument_from_stdin_and_from_a_file(
    server: ServerProcess, shop: Trace, tmp_path: Path
) -> None:
    statement = "SELECT count() AS spans FROM otel_traces WHERE ServiceName = 'cli-shop'"
    file = tmp_path / "count.sql"
    file.write_text(statement)
    for argument, stdin in ((statement, ""), ("-", statement), (str(file), "")):
        said = clew("sql", argument, server=server.url, stdin=stdin)
        assert said.document["rows"] == [{"spans": 3}]
    empty = clew("sql", "SELECT 1 AS one WHERE 0", server=server.url)
    assert empty.code == 2
    assert empty.document["rows"] == []
    missing = clew("sql", str(tmp_path / "no.sql"), server=server.url)
    assert missing.code == 3
    schema = clew("sql", "--schema", server=server.url).document
    assert "otel_traces" in {table["name"] for table in schema["tables"]}


def test_an_export_is_otlp_again_whole_or_not_at_all(
    server: ServerProcess, shop: Trace, tmp_path: Path
) -> None:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    lines = clew("export", "traces", "--service", "cli-shop", server=server.url).lines
    spans = [
        span
        for line in lines
        for resource in json.loads(line)["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]
    assert {span["name"] for span in spans} == {"POST /checkout", "load cart", "charge card"}
    assert {span["traceId"] for span in spans} == {shop.trace_id}
    file = tmp_path / "spans.binpb"
    said = clew(
        *("export", "traces", "--service", "cli-shop", "--format", "otlp-proto", "-o", str(file)),
        server=server.url,
    )
    assert said.code == 0
    request = ExportTraceServiceRequest.FromString(file.read_bytes())
    assert sum(len(s.spans) for r in request.resource_spans for s in r.scope_spans) == 3
    nothing = clew(
        "export", "logs", "--service", "no-such", "-o", str(tmp_path / "none"), server=server.url
    )
    assert nothing.code == 2
    assert not list(tmp_path.glob("*.part"))
    wrong = clew("export", "metrics", "--status", "error", server=server.url)
    assert wrong.code == 3
    assert wrong.error["error"] == "--status says nothing about metrics"


def test_a_metric_shows_its_facts_and_its_course(server: ServerProcess, shop: Trace) -> None:
    points = [
        {
            "timeUnixNano": str(shop.start_ns + number * 1000 * MS),
            "asDouble": float(number),
            "attributes": to_attributes({"room": "north" if number % 2 else "south"}),
        }
        for number in range(6)
    ]
    gauge = {"name": "cli.temperature", "unit": "Cel", "gauge": {"dataPoints": points}}
    send(server, "metrics", "cli-sensor", "scopeMetrics", "metrics", [gauge])
    detail = clew("metric", "cli.temperature", server=server.url).document
    assert detail["metric_type"] == "gauge"
    assert detail["point_count"] == 6
    assert detail["series_count"] == 2
    series = clew(
        *("metric", "cli.temperature", "--by", "room", "--aggregate", "max", "--step", "1m"),
        server=server.url,
    ).document
    assert {each["labels"]["room"]: each["value"] for each in series["series"]} == {
        "north": 5.0,
        "south": 4.0,
    }
    said = clew_on_terminal("metric", "cli.temperature", "--by", "room", server=server.url)
    text = _COLOUR.sub("", said.stdout)
    assert re.search(r"^type +gauge$", text, re.MULTILINE)
    assert re.search(r"^room=north +[▁▂▃▄▅▆▇█ ]+", text, re.MULTILINE)
    listed = clew("metrics", "--name", "cli.temperature", "--limit", "2", server=server.url)
    assert [point["value"] for point in listed.document["metrics"]] == [5.0, 4.0]


def test_services_operations_and_attributes_are_listed(server: ServerProcess, shop: Trace) -> None:
    services = clew("services", server=server.url).document["services"]
    assert {"cli-shop", "cli-many"} <= {service["name"] for service in services}
    operations = clew("services", "cli-shop", server=server.url).document["operations"]
    assert {each["operation"]: each["error_count"] for each in operations}["charge card"] == 1
    keys = clew("attributes", "--service", "cli-shop", server=server.url).document["attributes"]
    assert "http.route" in {key["key"] for key in keys}
    values = clew("attributes", "http.route", "--service", "cli-shop", server=server.url)
    assert values.document["values"][0]["value"] == "/checkout"


def test_the_state_of_the_way_in_is_shown(server: ServerProcess, shop: Trace) -> None:
    document = clew("ingest", server=server.url).document
    found = {signal["signal"] for signal in document["signals"]}
    assert found == {"traces", "logs", "metrics", "links"}
    table = clew("ingest", "--format", "table", server=server.url).stdout
    assert "traces" in table
    assert "decoder" in table


def test_logs_are_followed_as_they_come_in(server: ServerProcess, tmp_path: Path) -> None:
    follower = subprocess.Popen(
        [*CLEW, "logs", "--follow", "--service", "cli-follow", "--limit", "3"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(server.url),
    )
    # What is watched are two feeds, of spans and of logs, and nobody knows which opens first.
    seen = tmp_path / "seen"
    with seen.open("w") as output:
        watcher = subprocess.Popen(
            [*CLEW, "live", "--service", "cli-follow", "--format", "table"],
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(server.url),
        )
    try:
        sent = itertools.count()

        def has_all() -> bool:
            number = next(sent)
            trace = Trace("cli-follow", number + 1)
            trace.log(f"line {number}", 0, trace.span("work", 0, 1))
            trace.send(server)
            is_over = follower.poll() is not None
            return is_over and all(word in seen.read_text() for word in ("work", "line"))

        # Nobody says when a feed is open, so records are sent until both have what they wait for.
        until(has_all)
        followed, _ = follower.communicate(timeout=SECONDS_MAX)
        watcher.send_signal(signal.SIGINT)
        watcher.communicate(timeout=SECONDS_MAX)
    finally:
        for process in (follower, watcher):
            process.kill()
            process.wait()
    records = [json.loads(line) for line in followed.splitlines()]
    numbers = [int(record["body"].split()[1]) for record in records]
    assert follower.returncode == 0
    assert numbers == list(range(numbers[0], numbers[0] + 3))
    assert watcher.returncode == 0
    assert "work" in seen.read_text()
    assert "line" in seen.read_text()


def test_a_follower_outlives_its_server_and_misses_nothing(start_server: StartServer) -> None:
    held = HeldPorts(1)
    (address,) = held.addresses
    first = start_server({"http": address})
    follower = subprocess.Popen(
        [*CLEW, "logs", "--follow", "--service", "cli-outlive"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(first.url),
    )
    numbers = itertools.count(1)
    bodies: queue.Queue[str] = queue.Queue()
    reading = threading.Thread(target=read_bodies, args=(follower, bodies))
    reading.start()

    def is_heard() -> bool:
        say(first, "before", next(numbers))
        return not bodies.empty()

    try:
        # Nobody says when a feed is open, so it is told until something came.
        until(is_heard)
        first.terminate()
        second = start_server({"http": address})
        # Sent before the follower may have come back: it must be given what it missed.
        say(second, "between", next(numbers))
        say(second, "after", next(numbers))
        heard: list[str] = []
        while not heard or heard[-1] != "after":
            heard.append(bodies.get(timeout=SECONDS_MAX))
        follower.send_signal(signal.SIGINT)
        assert follower.wait(SECONDS_MAX) == 0
        reading.join()
        assert follower.stderr is not None
        told = follower.stderr.read()
    finally:
        with follower:
            follower.kill()
    assert [body for body, _ in itertools.groupby(heard)] == ["before", "between", "after"]
    assert heard.count("between") == heard.count("after") == 1
    assert "trying again" in told


def read_bodies(follower: subprocess.Popen[str], bodies: queue.Queue[str]) -> None:
    """Take the body of each log record that a follower tells of."""
    assert follower.stdout is not None
    for line in follower.stdout:
        bodies.put(json.loads(line)["body"])


def say(server: ServerProcess, body: str, number: int) -> None:
    trace = Trace("cli-outlive", number)
    trace.log(body, 0, f"{number:016x}")
    trace.send(server)


def test_ctrl_c_is_how_a_live_feed_ends(server: ServerProcess) -> None:
    watcher = subprocess.Popen(
        [*CLEW, "live", "--signal", "spans", "--service", "cli-ctrl-c"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(server.url),
    )
    try:
        assert watcher.stdout is not None
        waiting = select.poll()
        waiting.register(watcher.stdout, select.POLLIN)
        numbers = itertools.count(1)

        def is_heard() -> bool:
            trace = Trace("cli-ctrl-c", next(numbers))
            trace.span("work", 0, 1)
            trace.send(server)
            return bool(waiting.poll(0))

        until(is_heard)
        watcher.send_signal(signal.SIGINT)
        _, told = watcher.communicate(timeout=SECONDS_MAX)
    finally:
        watcher.kill()
        watcher.wait()
    assert watcher.returncode == 0
    assert told == ""


def test_a_doctor_finds_a_healthy_server_healthy(server: ServerProcess, shop: Trace) -> None:
    said = clew("doctor", server=server.url)
    assert said.code == 0, said.stdout
    document = said.document
    by_name = {check["name"]: check for check in document["checks"]}
    assert document["ok"] is True
    assert by_name["server"]["status"] == "ok"
    assert str(server.pid) in by_name["server"]["detail"]
    assert str(server.folder) in by_name["disk"]["detail"]
    assert {"ready", "clock", "arrivals", "log", "frames", "files", "versions"} <= set(by_name)


def test_a_doctor_without_a_server_fails_and_says_how_to_start_one() -> None:
    said = clew("doctor", server=NOWHERE)
    assert said.code == 1
    first = said.document["checks"][0]
    assert first["status"] == "fail"
    assert first["hint"] == "start one with: clew serve"


def test_a_server_is_started_and_ended_by_the_command_line(tmp_path: Path) -> None:
    closed = ("--otlp-http", "off", "--otlp-grpc", "off", "--trails", "off", "--links", "off")
    process = subprocess.Popen(
        [*CLEW, "serve", "--data-dir", str(tmp_path / "data"), "--http", "127.0.0.1:0", *closed],
        stderr=subprocess.PIPE,
        text=True,
        env=environment(None),
    )
    assert process.stderr is not None
    try:
        banner = []
        for line in process.stderr:
            banner.append(line)
            if "clew is ready" in line:
                break
        address = re.search(r"http://127\.0\.0\.1:\d+", "".join(banner))
        assert address is not None
        assert clew("ingest", server=address.group()).code == 0
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=SECONDS_MAX)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--retention-traces", "long"], 3),
        (["--http", "0.0.0.0:7701"], 5),
        (["--htpp", "7701"], 3),
        (["--config", "/no/such/file"], 2),
    ],
)
def test_a_server_that_is_told_nonsense_does_not_start(arguments: list[str], code: int) -> None:
    said = clew("serve", *arguments)
    assert said.code == code
    assert said.error["hint"]


def test_config_says_where_each_value_comes_from(tmp_path: Path) -> None:
    file = tmp_path / "clew.toml"
    file.write_text('otlp_grpc = "off"\n')
    said = clew("config", "--config", str(file), environ={"CLEW_QUERY_THREADS": "2"})
    settings = {each["name"]: each for each in said.document["settings"]}
    assert (settings["otlp_grpc"]["value"], settings["otlp_grpc"]["source"]) == ("off", str(file))
    assert settings["query_threads"]["source"] == "environment CLEW_QUERY_THREADS"
    assert settings["http"]["source"] == "default"
    missing = clew("config", "--config", str(tmp_path / "none.toml"))
    assert missing.code == 2


def test_flags_of_all_commands_may_stand_first(server: ServerProcess, shop: Trace) -> None:
    said = clew("--server", server.url, "--format", "ndjson", "services", server=NOWHERE)
    assert said.code == 0
    assert "cli-shop" in {json.loads(line)["name"] for line in said.lines}


def test_a_reader_that_leaves_early_is_no_failure(server: ServerProcess, shop: Trace) -> None:
    command = " ".join([*CLEW, "traces --service cli-many --format ndjson | head -n 1"])
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        capture_output=True,
        text=True,
        env=environment(server.url),
        timeout=SECONDS_MAX,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


def test_the_version_is_one_line() -> None:
    said = clew("--version")
    assert said.code == 0
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*\n", said.stdout)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_written_for_a_shell(shell: str, tmp_path: Path) -> None:
    script = tmp_path / f"clew.{shell}"
    said = clew("--install-completion", "--shell", shell, "-o", str(script))
    assert said.code == 0
    text = script.read_text()
    assert "traces" in text
    assert "--service" in text
    if shell == "bash":
        subprocess.run(["bash", "-n", str(script)], check=True, timeout=150)


def test_completion_knows_the_services_of_the_server(server: ServerProcess, shop: Trace) -> None:
    said = clew("__complete", "traces", "--service", "", server=server.url)
    assert "cli-shop" in said.lines
    assert "cli-shop" not in clew("__complete", "traces", "--service", "", server=NOWHERE).lines
