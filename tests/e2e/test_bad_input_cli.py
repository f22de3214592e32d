"""What people and programs get wrong at the command line: one clear error, never a stack trace."""

from __future__ import annotations

import json
import math
import os
import subprocess
import time
from pathlib import Path

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

from clew.testing.server import ServerProcess
from tests.e2e.telemetry import Trace
from tests.e2e.terminal import CLEW, SECONDS_MAX, clew, clew_on_terminal, environment
from tests.integration.wire import ask

NOWHERE = "http://127.0.0.1:9"
NOT_UTF8 = os.fsdecode(b"shop \xff")
HOSTILE = "\x1b[2J\x1b]0;owned\x07\x9b31m\x85\u2028\u202e<script>"
TRACE_ID = "7e57" * 8


@pytest.mark.parametrize(
    "arguments",
    [
        ("traces", "--service", NOT_UTF8),
        ("trace", NOT_UTF8),
        ("sql", NOT_UTF8),
        ("comment", "add", TRACE_ID, NOT_UTF8),
        ("traces", "--server", f"http://{NOT_UTF8}"),
        (NOT_UTF8,),
    ],
)
def test_an_argument_that_is_no_text_is_told(arguments: tuple[str, ...]) -> None:
    done = clew(*arguments, server=NOWHERE)
    assert done.code == 3
    assert done.error["error"] == f"an argument is not UTF-8: {arguments_shown(arguments)}"
    assert "locale" in done.error["hint"]


def arguments_shown(arguments: tuple[str, ...]) -> str:
    return next(repr(each) for each in arguments if NOT_UTF8 in each)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "x y",
        "ftp://127.0.0.1",
        "http://127.0.0.1:0",
        "http://127.0.0.1:99999",
        "http://[::1",
        "http://..",
        "http://a..b",
        "http://" + "a" * 300,
        "http://127.0.0.1:9/é",
        "http://127.0.0.1:9/a b",
        "http://127.0.0.1:9/?q=1",
        "http://127.0.0.1:9/#part",
        HOSTILE,
    ],
)
def test_what_is_no_address_of_a_server_is_told(address: str) -> None:
    done = clew("traces", "--server", address)
    assert done.code == 3, done
    assert done.error["error"].startswith("not a server's address: ")
    assert done.error["hint"] == "it looks like http://127.0.0.1:7701"


def test_an_address_with_a_password_is_refused_without_telling_it() -> None:
    done = clew("traces", "--server", "http://ann:secret@127.0.0.1:9")
    assert done.code == 3
    assert "secret" not in done.stderr


@pytest.mark.parametrize("limit", ["0", "-1"])
@pytest.mark.parametrize("command", [("live",), ("logs", "--follow")])
def test_a_feed_of_less_than_one_record_is_an_error(command: tuple[str, ...], limit: str) -> None:
    done = clew(*command, "--limit", limit, server=NOWHERE)
    assert (done.code, done.error["error"]) == (3, "--limit is below 1")


@pytest.mark.parametrize(
    ("signal", "filter_", "flag"),
    [
        ("spans", ("--min-severity", "warn"), "--min-severity"),
        ("spans", ("--body-contains", "x"), "--body-contains"),
        ("logs", ("--status", "error"), "--status"),
        ("logs", ("--min-duration", "1s"), "--min-duration"),
    ],
)
def test_a_filter_that_narrows_nothing_of_a_feed_is_an_error(
    signal: str, filter_: tuple[str, str], flag: str
) -> None:
    done = clew("live", "--signal", signal, *filter_, server=NOWHERE)
    assert (done.code, done.error["error"]) == (3, f"{flag} says nothing about {signal}")


def test_an_export_on_a_terminal_holds_nothing_that_acts_on_it(server: ServerProcess) -> None:
    trace = Trace("bad-input-export", 1)
    trace.span(HOSTILE, 0, 1, attributes={HOSTILE: HOSTILE})
    trace.send(server)
    arguments = ("export", "traces", "--service", trace.service)
    shown = clew_on_terminal(*arguments, server=server.url)
    assert shown.code == 0
    assert not any(each in shown.stdout for each in HOSTILE if not each.isprintable())
    assert json.loads(shown.stdout) == json.loads(clew(*arguments, server=server.url).stdout)


def test_figures_that_are_none_can_be_read(server: ServerProcess) -> None:
    request = ExportMetricsServiceRequest()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name="bad.histogram")
    metric.histogram.aggregation_temporality = 1
    metric.histogram.data_points.add(
        time_unix_nano=time.time_ns(),
        count=3,
        sum=math.nan,
        bucket_counts=[1, 2],
        explicit_bounds=[math.nan],
    )
    headers = {"content-type": "application/x-protobuf"}
    sent = ask(server.otlp_url, "POST", "/v1/metrics", request.SerializeToString(), headers)
    assert sent.status == 200
    for arguments in (("metrics", "--name", "bad.histogram"), ("metric", "bad.histogram")):
        for form in ("table", "json", "ndjson"):
            done = clew(*arguments, "--format", form, server=server.url)
            assert done.code == 0, done


@pytest.mark.parametrize("number", ["1.5", "abc", "", "٣", "1e3", "9" * 30])
@pytest.mark.parametrize(
    "flag",
    [
        ("traces", "--limit"),
        ("traces", "--max-tokens"),
        ("sql", "SELECT 1", "--limit"),
        ("live", "--limit"),
        ("watch", "--max-ticks"),
        ("demo", "--requests"),
        ("demo", "--seed"),
    ],
)
def test_a_number_that_is_not_whole_is_not_rounded(flag: tuple[str, ...], number: str) -> None:
    *command, name = flag
    done = clew(*command, f"{name}={number}", server=NOWHERE)
    assert done.code == 3, done
    assert done.error["error"].startswith(f"{name}: not a whole number: ")


def test_a_settings_file_with_an_impossible_name_is_not_there() -> None:
    done = clew("config", "--config", "/tmp/" + "x" * 300)
    assert "there is no settings file" in done.error["error"]


def test_a_working_directory_that_is_gone_is_told_where_it_is_needed(tmp_path: Path) -> None:
    gone = "mkdir gone && cd gone && rmdir ../gone && exec {clew} serve --data-dir here"
    done = subprocess.run(
        ["sh", "-c", gone.format(clew=" ".join(CLEW))],
        cwd=tmp_path,
        env=environment(None),
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
    )
    assert done.returncode == 3, done.stderr
    said = json.loads(done.stderr.splitlines()[-1])
    assert said["error"].startswith("flag --data-dir: 'here' is no absolute path")
    assert said["hint"] == "give one that begins with /"


def test_streams_that_are_closed_are_no_files_that_are_opened_later(tmp_path: Path) -> None:
    program = (
        "import os; from clew.app.streams import hold_streams; hold_streams();"
        "raise SystemExit(os.open('first', os.O_CREAT))"
    )
    codes = [
        subprocess.run(
            ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *CLEW[:1], *arguments],
            cwd=tmp_path,
            env=environment(NOWHERE),
            timeout=SECONDS_MAX,
        ).returncode
        for arguments in (["-c", program], [*CLEW[1:], "services"])
    ]
    assert codes == [3, 4]


@pytest.mark.parametrize(
    "place", [".", "/", "/etc/passwd/spans", "/proc/no/spans", "/proc/" + "x" * 300]
)
def test_an_export_that_cannot_be_written_is_told(server: ServerProcess, place: str) -> None:
    done = clew("export", "traces", "-o", place, server=server.url)
    assert done.code == 3, done
    assert done.error["error"].startswith(f"cannot write {place}: ")
    assert done.error["hint"]


def test_a_statement_that_is_no_text_is_told(tmp_path: Path) -> None:
    file = tmp_path / "report.sql"
    file.write_bytes(b"SELECT '\xff'")
    for name in (str(file), "-"):
        done = subprocess.run(
            [*CLEW, "sql", name],
            input=file.read_bytes(),
            capture_output=True,
            timeout=SECONDS_MAX,
            env=environment(NOWHERE),
        )
        assert done.returncode == 3
        assert b"is not UTF-8" in done.stderr
        assert b"Traceback" not in done.stderr


def test_a_statement_without_spaces_is_no_file(server: ServerProcess) -> None:
    statement = "SELECT/*" + "x" * 300 + "*/1"
    assert clew("sql", statement, server=server.url).document["count"] == 1


def test_an_error_stays_one_short_and_harmless_line() -> None:
    for wrong in (HOSTILE, "x" * 100_000):
        for arguments in ((wrong,), ("traces", wrong), ("traces", "--status", wrong)):
            piped = clew(*arguments, server=NOWHERE)
            assert piped.code == 3
            (line,) = piped.stderr.splitlines()
            assert len(line) < 5000
            assert not any(each in line for each in HOSTILE if not each.isprintable())
            shown = clew_on_terminal(*arguments, server=NOWHERE)
            assert shown.stdout.startswith("clew: ")
            assert len(shown.stdout) < 5000
            assert not any(each in shown.stdout for each in HOSTILE if not each.isprintable())
