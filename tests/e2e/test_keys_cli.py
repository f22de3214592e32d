"""`clew keys`, `clew audit` and the key that every command shows, as a person meets them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from clew.testing.server import ServerProcess
from tests.e2e.terminal import SECONDS_MAX, Ended, clew, environment
from tests.integration.wire import ask

KEY = "CLEW_API_KEY"

PROGRAM = """
import clew
run = clew.init("keyed")
from opentelemetry import trace
with trace.get_tracer("t").start_as_current_span("work"):
    pass
run.flush(30)
print([(each.signal, each.sent, each.dropped) for each in run.deliveries()][0])
"""


def run_program(**environ: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM],
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        env=environment(None, {**environ, "OTEL_METRICS_EXPORTER": "none"}),
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@dataclass(frozen=True)
class Shut:
    """A server that was started with one key."""

    server: ServerProcess
    key: str

    def ask(self, *arguments: str, key: str | None = None) -> Ended:
        return clew(*arguments, server=self.server.url, environ={KEY: key or self.key})


@pytest.fixture(scope="module")
def shut(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shut]:
    folder = tmp_path_factory.mktemp("keys") / "data"
    made = clew("keys", "create", "root", "--role", "admin", *offline(folder))
    assert made.code == 0, made.stderr
    # With a key, an address that other machines reach needs no --insecure.
    with ServerProcess(folder, {"otlp_http": "0.0.0.0:0"}) as server:
        yield Shut(server, made.document["api_key"])


def offline(folder: Path) -> tuple[str, ...]:
    return ("--offline", "--data-dir", str(folder))


def test_without_a_key_a_command_ends_with_five_and_says_what_to_do(shut: Shut) -> None:
    for arguments in (["traces"], ["keys", "list"], ["live", "--limit", "1"], ["whoami"]):
        said = clew(*arguments, server=shut.server.url)
        assert said.code == 5
        assert said.error["code"] == "unauthenticated"
        assert "CLEW_API_KEY" in said.error["hint"]
    wrong = clew("traces", server=shut.server.url, environ={KEY: shut.key[:-1]})
    assert (wrong.code, wrong.error["error"]) == (5, "the API key is not valid")
    broken = clew("traces", server=shut.server.url, environ={KEY: "two words"})
    assert broken.code == 3
    assert "two words" not in broken.stderr


def test_a_key_is_shown_by_flag_or_by_variable(shut: Shut) -> None:
    assert shut.ask("whoami").document["name"] == "root"
    for arguments in (["whoami", "--api-key", shut.key], ["--api-key", shut.key, "whoami"]):
        assert clew(*arguments, server=shut.server.url).document["name"] == "root"
    # An empty variable is none.
    assert clew("whoami", server=shut.server.url, environ={KEY: ""}).code == 5


def test_keys_are_made_listed_and_revoked(shut: Shut) -> None:
    made = shut.ask("keys", "create", "ci", "--role", "writer", "--expires-in", "30d")
    assert made.code == 0, made.stderr
    key, key_id = made.document["api_key"], made.document["key"]["id"]
    assert shut.ask("whoami", key=key).document["verbs"] == ["observe", "ingest", "message"]
    assert shut.ask("keys", "list", key=key).code == 5
    listed = shut.ask("keys", "list", "--format", "table")
    assert "ci    writer  live   everything" in listed.stdout
    assert "2 keys" in listed.stdout
    said = shut.ask("comment", "add", "1", "seen", key=key)
    assert said.document["comment"]["author"] == "ci"
    assert shut.ask("keys", "revoke", key_id).document["key"]["state"] == "revoked"
    assert shut.ask("whoami", key=key).code == 5
    assert shut.ask("keys", "revoke", "nobodys").code == 2
    assert len(shut.ask("keys", "list").document["keys"]) == 1
    assert len(shut.ask("keys", "list", "--state", "all").document["keys"]) == 2
    done = shut.ask("audit", "--caller", "root", "--allowed", "true").document["entries"]
    assert [entry["action"] for entry in done][:2] == ["keys.revoke", "keys.create"]
    assert "keys.revoke" in shut.ask("audit", "--format", "table").stdout
    assert shut.ask("audit", "--action", "nothing.of.the.kind").code == 2


def test_a_new_key_on_a_terminal_is_never_cut(shut: Shut) -> None:
    made = shut.ask("keys", "create", "narrow", "--role", "reader", "--format", "table")
    first, *_ = made.lines
    assert shut.ask("whoami", key=first).document["name"] == "narrow"


def test_the_registry_is_not_opened_beside_a_running_server(shut: Shut) -> None:
    said = clew("keys", "list", *offline(shut.server.folder))
    assert said.code == 1
    assert "in use by process" in said.error["error"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["keys", "create", "x"], 3),
        (["keys", "create", "x", "--role", "root"], 3),
        (["keys", "create", "two words", "--role", "reader"], 3),
        (["keys", "create", "x", "--role", "reader", "--expires-in", "soon"], 3),
        (["keys", "create", "x", "--role", "reader", "--data-dir", "/nowhere"], 3),
        (["keys", "create", "root", "--role", "reader"], 1),
        (["keys", "forget"], 3),
    ],
)
def test_what_makes_no_key_has_its_exit_code(shut: Shut, arguments: list[str], code: int) -> None:
    said = shut.ask(*arguments)
    assert (said.code, bool(said.error["hint"])) == (code, True), said.stderr


def test_a_program_that_is_watched_shows_its_key(shut: Shut) -> None:
    otlp = f"http://127.0.0.1:{shut.server.otlp_url.rpartition(':')[2]}"
    assert run_program(CLEW_SERVER=otlp) == "('spans', 0, 1)"
    assert run_program(CLEW_SERVER=otlp, CLEW_API_KEY=shut.key) == "('spans', 1, 0)"
    named = {"OTEL_EXPORTER_OTLP_ENDPOINT": otlp}
    assert run_program(**named, CLEW_API_KEY=shut.key) == "('spans', 1, 0)"
    own = f"authorization=Bearer%20{shut.key}"
    assert run_program(**named, OTEL_EXPORTER_OTLP_HEADERS=own) == "('spans', 1, 0)"
    # What the user sends wins, even where it is not enough.
    other = {"OTEL_EXPORTER_OTLP_HEADERS": "x=y", "CLEW_API_KEY": shut.key}
    assert run_program(**named, **other) == "('spans', 0, 1)"


def test_the_demo_runs_against_a_server_that_asks_for_a_key(shut: Shut) -> None:
    said = shut.ask("demo", "--requests", "6", "--seed", "4")
    assert said.code == 0, said.stderr
    assert said.document["dropped"] == 0


def test_forgetting_every_key_opens_a_server_again(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    for name, role in (("root", "admin"), ("ci", "writer")):
        made = clew("keys", "create", name, "--role", role, *offline(folder))
        assert made.code == 0, made.stderr
    listed = clew("keys", "list", *offline(folder))
    assert [key["name"] for key in listed.document["keys"]] == ["ci", "root"]
    ci = listed.document["keys"][0]["id"]
    assert clew("keys", "revoke", ci, *offline(folder)).code == 0
    forgotten = clew("keys", "forget", *offline(folder))
    assert json.loads(forgotten.stdout) == {"forgotten": 2}
    with ServerProcess(folder) as server:
        assert ask(server.url, path="/api/v1/traces").status == 200


def test_a_server_that_others_reach_does_not_start_without_a_key(tmp_path: Path) -> None:
    said = clew("serve", "--http", "0.0.0.0:0", "--data-dir", str(tmp_path / "data"))
    assert said.code != 0
    assert "clew keys create NAME --role admin --offline" in said.stderr
    assert not (tmp_path / "data").exists()
