"""The tree as a person and as a program meet it: drawn, steered and waited for."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from clew.surfaces.cli.text import width_of
from clew.testing.network import HeldPorts
from clew.testing.server import ServerProcess
from tests.e2e.telemetry import Trace
from tests.e2e.terminal import CLEW, SECONDS_MAX, clew, clew_on_terminal, environment
from tests.integration.test_tree_rest import Peer, peer
from tests.integration.tree_house import new_id

HOSTILE = "evil \x1b[2J\x1b]0;owned\x07 \u202ename"

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_ACTING = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server of our own: `clew tree` without an app shows everything that runs."""
    with ServerProcess(tmp_path_factory.mktemp("tree") / "data") as process:
        yield process


@pytest.fixture(scope="module")
def world(served: ServerProcess) -> Iterator[dict[str, str]]:
    """A planner with three workers, one done and one failed, and a tool with a hostile name."""
    names = ("planner", "worker-0", "worker-1", "worker-2", HOSTILE)
    found = {name: new_id() for name in names}
    with peer(served) as app:
        root = found["planner"]
        app.join(root, app_name="planner")
        app.say(root, "Status", {"progress": 0.5, "phase": f"planning {HOSTILE}"})
        for name in names[1:4]:
            app.join(found[name], root, app_name=name)
            app.say(found[name], "Status", {"done": 3, "total": 4})
        app.say(found["worker-1"], "Result", {"rows": 10})
        app.say(found["worker-2"], "Error", {"message": f"no disk {HOSTILE}", "detail": None})
        app.join(found[HOSTILE], found["worker-0"], app_name=HOSTILE)
        yield found


def test_the_tree_is_drawn_with_status_progress_and_place(
    served: ServerProcess, world: dict[str, str]
) -> None:
    said = clew_on_terminal("tree", "planner", server=served.url, columns=120)
    assert said.code == 0
    text = _COLOUR.sub("", said.stdout)
    assert not _ACTING.search(text)
    lines = text.splitlines()
    assert [line.split()[0] for line in lines[1:6]] == [
        *("planner", "├─worker-0", "│", "├─worker-1", "╰─worker-2"),
    ]
    assert "● running" in lines[1]
    assert "█████░░░░░  50 %" in lines[1]
    assert "a-host:4711" in lines[1]
    assert world["planner"][-8:] in lines[1]
    assert "✓ done" in lines[4]
    assert "✗ error" in lines[5]
    assert "no disk" in lines[5]
    assert "1 error, 2 running, 1 connected, 1 done" in text
    for columns in (40, 60, 80, 200):
        drawn = clew_on_terminal("tree", "planner", server=served.url, columns=columns)
        widest = max(map(width_of, _COLOUR.sub("", drawn.stdout).splitlines()))
        assert widest <= max(columns, 62)


def test_piped_the_tree_is_the_document_of_the_rest_door(
    served: ServerProcess, world: dict[str, str]
) -> None:
    document = clew("tree", world["planner"], server=served.url).document
    assert document["apps"][0]["app_name"] == "planner"
    assert document["count"] == 5
    failed = clew("tree", "--status", "error", server=served.url).document
    assert [each["app_name"] for each in failed["apps"]] == ["worker-2"]
    drawn = clew("tree", "--status", "error", "--format", "table", server=served.url)
    assert drawn.lines[1].startswith("planner")
    assert drawn.lines[2].startswith("╰─worker-2")
    flat = clew("tree", "planner", "--depth", "0", "--format", "table", server=served.url)
    assert len(flat.lines) == 4
    bounded = clew("tree", "planner", "--max-tokens", "600", server=served.url)
    assert len(bounded.stdout) <= 2400
    assert bounded.document["left_out"] > 0


def test_an_app_may_be_named_by_either_end_of_its_id_or_by_its_name(
    served: ServerProcess, world: dict[str, str]
) -> None:
    wanted = world["worker-0"]
    for text in (wanted, wanted.upper(), wanted[-8:], f"…{wanted[-8:]}", "worker-0"):
        assert clew("app", text, server=served.url).document["app_id"] == wanted
    missed = clew("app", "worker-O", server=served.url)
    assert missed.code == 2
    assert "did you mean worker-" in missed.error["hint"]
    with peer(served) as twin:
        twin.join(new_id(), app_name="worker-0")
        several = clew("app", "worker-0", server=served.url)
        assert several.code == 3
        assert wanted[-8:] in several.error["hint"]


def test_apps_messages_and_crashes_are_listed(served: ServerProcess, world: dict[str, str]) -> None:
    listed = clew("apps", "--within", "planner", "--status", "done", server=served.url).document
    assert [each["app_name"] for each in listed["apps"]] == ["worker-1"]
    said = clew("messages", "worker-1", "--type", "Result", server=served.url).document
    assert said["messages"][0]["payload"] == {"rows": 10}
    shown = clew_on_terminal("app", "worker-2", server=served.url)
    assert "no disk" in shown.stdout
    assert not _ACTING.search(_COLOUR.sub("", shown.stdout))
    none = clew("crashes", "--within", "planner", server=served.url)
    assert (none.code, none.error["error"]) == (2, "nothing has crashed")
    assert clew("apps", "--name", "nobody", server=served.url).code == 2


def test_a_child_is_announced_for_the_shell_and_for_programs(
    served: ServerProcess, world: dict[str, str], tmp_path: Path
) -> None:
    line = clew(
        *("spawn", "it's a child", "--parent", "planner", "--tag", "a=b=c", "--export"),
        server=served.url,
    ).stdout
    script = f'{line}\nprintf %s "$TRAILS_INFO"\n'
    ran = subprocess.run(["sh", "-c", script], capture_output=True, timeout=SECONDS_MAX, check=True)
    info = json.loads(base64.b64decode(ran.stdout))
    assert (info["appName"], info["parentId"]) == ("it's a child", world["planner"])
    assert info["tags"] == {"a": "b=c"}
    document = clew("spawn", "other", "--start-deadline", "10m", server=served.url).document
    assert document["app"]["status"] == "scheduled"
    again = clew("spawn", "other", "--id", document["app"]["app_id"], server=served.url)
    assert again.code == 1
    assert clew("spawn", "x", "--tag", "oops", server=served.url).code == 3
    assert clew("spawn", "x", "--parent", "nobody", server=served.url).code == 2


def answer_commands(app: Peer, count: int, **ack: object) -> threading.Thread:
    """Have an app answer what it is told, in a thread of its own."""

    def answer() -> None:
        for _ in range(count):
            told = app.hear()
            frame = {
                "type": "control_ack",
                "app_id": told["app_id"],
                "correlation_id": told["correlation_id"],
                "action": told["action"],
                "ack": True,
                **ack,
            }
            app.socket.send(json.dumps(frame))

    thread = threading.Thread(target=answer)
    thread.start()
    return thread


def test_a_command_is_sent_and_its_answer_shown(served: ServerProcess) -> None:
    app_id = new_id()
    with peer(served) as app:
        app.join(app_id, app_name="listener")
        answering = answer_commands(app, 1, result={"workers": 4})
        said = clew(
            *("send", "listener", "reconfigure", "--payload", '{"workers": 4}', "--wait", "20s"),
            server=served.url,
        )
        answering.join()
        assert said.code == 0
        assert said.document["targets"][0]["result"] == {"workers": 4}
        refusing = answer_commands(app, 1, ack=False, error="unknown_action")
        refused = clew("send", "listener", "dance", "--wait", "20s", server=served.url)
        refusing.join()
        assert refused.code == 1
        assert refused.document["targets"][0]["error"] == "unknown_action"
        late = clew("send", "listener", "pause", "--wait", "50ms", server=served.url)
        assert late.code == 1
        assert "stays in force" in late.error["note"]
        for wrong in (("--payload", "{"), ("--filter", "x"), ("--ttl", "soon")):
            assert clew("send", "listener", "pause", *wrong, server=served.url).code == 3


def test_a_cancel_asks_first_on_a_terminal_and_shows_every_outcome(served: ServerProcess) -> None:
    root_id, child_id = new_id(), new_id()
    with peer(served) as app:
        app.join(root_id, app_name="doomed")
        app.join(child_id, root_id, app_name="doomed-child")
        refused = clew_on_terminal("cancel", "doomed", "--cascade", server=served.url, stdin="n\n")
        assert "cancel 2 apps? [y/N]" in refused.stdout
        assert "nothing was cancelled" in refused.stdout
        assert refused.code == 1
        assert clew("app", root_id, server=served.url).document["status"] == "connected"
        answering = answer_commands(app, 2)
        done = clew_on_terminal(
            "cancel", "doomed", "--cascade", "--wait", server=served.url, stdin="y\n"
        )
        answering.join()
        assert done.code == 0
        assert done.stdout.count("⊘ cancelled") == 2
        assert done.stdout.count("confirmed") == 2
        again = clew("cancel", root_id, "--wait", server=served.url).document
        assert again["outcomes"][0]["phase"] == "already_terminal"


def wait_in_background(served: ServerProcess, *arguments: str) -> subprocess.Popen[str]:
    """Start `clew wait`; it has subscribed when it says that something happened, at the latest."""
    return subprocess.Popen(
        [*CLEW, "wait", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(served.url),
    )


def test_waiting_ends_with_a_code_for_each_end(served: ServerProcess) -> None:
    ids = {name: new_id() for name in ("done", "error", "crashed", "cancelled", "live", "late")}
    with peer(served) as app:
        for name in ("done", "error", "cancelled", "live"):
            app.join(ids[name], app_name=f"w-{name}")
        with peer(served) as dying:
            dying.join(ids["crashed"], app_name="w-crashed")
        app.say(ids["done"], "Result", {"rows": 1})
        app.say(ids["error"], "Error", {"message": "x", "detail": None})
        clew("cancel", ids["cancelled"], "--grace", "0", "--yes", server=served.url)
        for name, code in (("done", 0), ("error", 1), ("crashed", 2), ("cancelled", 4)):
            ended = clew("wait", ids[name], "--timeout", "30s", server=served.url)
            assert ended.code == code, ended
            assert ended.document["apps"][0]["app_name"] == f"w-{name}"
        assert clew("wait", ids["live"], "--timeout", "100ms", server=served.url).code == 3
        both = (ids["done"], ids["live"])
        assert clew("wait", *both, "--any", server=served.url).code == 0
        assert clew("wait", *both, "--timeout", "100ms", server=served.url).code == 3
        assert clew("wait", ids["done"], ids["error"], ids["crashed"], server=served.url).code == 2
        assert clew("wait", ids["done"], ids["error"], server=served.url).code == 1
        # Of several that have ended the first one counts, however well the others ended.
        with peer(served) as other:
            other.join(ids["late"], app_name="w-late")
            other.say(ids["late"], "Result", {"rows": 2})
        late = (ids["late"], ids["error"])
        assert clew("wait", *late, "--any", server=served.url).code == 1
        assert clew("wait", ids["error"], ids["done"], "--any", server=served.url).code == 0


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ([], 64),
        (["x", "--parent", "y"], 64),
        (["x", "--any", "--all"], 64),
        (["x", "--timeout", "soon"], 64),
        (["--bogus"], 64),
        (["nobody-of-this-name"], 66),
    ],
)
def test_a_wait_that_cannot_be_has_no_code_of_an_end(
    served: ServerProcess, arguments: list[str], code: int
) -> None:
    assert clew("wait", *arguments, server=served.url).code == code


def test_a_tree_without_any_app_says_how_to_get_one(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data") as empty:
        asked = (("tree",), ("tree", "--all"), ("apps",), ("apps", "--name", "x"), ("app", "x"))
        for arguments in asked:
            said = clew(*arguments, server=empty.url)
            assert said.code == 2
            assert said.error["hint"].startswith("start one: clew exec -- COMMAND")


def test_a_wait_without_a_server_is_none_of_the_ends_either() -> None:
    assert clew("wait", "x", server="http://127.0.0.1:1").code == 69


def test_waiting_hears_what_happens_while_it_waits(served: ServerProcess) -> None:
    root_id, one, two = new_id(), new_id(), new_id()
    with peer(served) as app:
        app.join(root_id, app_name="waited")
        app.join(one, root_id, app_name="child-1")
        first = wait_in_background(served, "--parent", root_id, "--progress", "--any")
        every = wait_in_background(served, "--parent", root_id, "--progress")
        assert first.stderr is not None
        assert every.stderr is not None
        notes: dict[int, str] = {}
        seq = 0
        deadline = time.monotonic() + SECONDS_MAX
        # Each hears of a status only when it listens; until then the app goes on talking.
        for process in (first, every):
            reading = threading.Thread(
                target=lambda process=process: notes.update(
                    {process.pid: process.stderr.readline()}
                )
            )
            reading.start()
            while process.pid not in notes and time.monotonic() < deadline:
                seq += 1
                app.say(one, "Status", {"progress": 0.25, "phase": f"step {seq}"})
            reading.join()
            assert "25.0 % step" in json.loads(notes[process.pid])["note"]
        # A child that comes meanwhile is waited for as well.
        app.join(two, root_id, app_name="child-2")
        app.say(one, "Result", {"n": 1})
        stdout, _ = first.communicate(timeout=SECONDS_MAX)
        assert first.returncode == 0
        assert len(json.loads(stdout)["apps"]) >= 1
        app.say(two, "Error", {"message": "no", "detail": None})
        stdout, stderr = every.communicate(timeout=SECONDS_MAX)
        assert every.returncode == 1
        ended = {each["app_name"]: each["status"] for each in json.loads(stdout)["apps"]}
        assert ended == {"child-1": "done", "child-2": "error"}
        assert "child-2" in stderr


def test_waiting_outlives_a_restart_of_the_server(tmp_path: Path) -> None:
    """What ends while nobody hears of it is replayed from where the feed was."""
    folder = tmp_path / "data"
    app_id, other_id = new_id(), new_id()
    held = HeldPorts(1)
    (address,) = held.addresses
    with ServerProcess(folder, {"http": address}) as first, peer(first) as app:
        app.join(app_id, app_name="lasting")
        app.join(other_id, app_name="other")
        waiting = wait_in_background(first, app_id, other_id, "--progress")
        assert waiting.stderr is not None
        heard = threading.Thread(target=waiting.stderr.readline)
        heard.start()
        while heard.is_alive():
            app.say(app_id, "Status", {"progress": 0.5})
        app.say(other_id, "Result", {})
        assert first.terminate() == 0
    with ServerProcess(folder, {"http": address}) as second, peer(second) as app:
        app.ask(type="re_register", app_id=app_id, last_seq=0, pub_key=KEY_OF_PEERS, sig=None)
        app.seqs[app_id] = 100_000
        app.say(app_id, "Result", {"late": True})
        stdout, _ = waiting.communicate(timeout=SECONDS_MAX)
        assert waiting.returncode == 0
        told = {each["app_name"]: each["result"]["payload"] for each in json.loads(stdout)["apps"]}
        assert told == {"lasting": {"late": True}, "other": {}}


KEY_OF_PEERS = "ed25519:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="


def test_telemetry_of_an_app_and_of_its_subtree_is_found(
    served: ServerProcess, world: dict[str, str]
) -> None:
    traces: list[str] = []
    for place, name in enumerate(("planner", "worker-0", HOSTILE)):
        resource = {"trails.app.id": world[name]}
        trace = Trace(f"service-{place}", 700 + place, resource=resource)
        span_id = trace.span(f"work of {place}", 0, 5)
        trace.log(f"log of {place}", 1, span_id)
        trace.send(served)
        traces.append(trace.trace_id)

    def operations(*arguments: str) -> set[str]:
        said = clew("traces", *arguments, server=served.url)
        return {each["operation"] for each in said.document["spans"]}

    assert operations("--app", "planner") == {"work of 0"}
    assert operations("--app", "planner", "--subtree") == {f"work of {n}" for n in range(3)}
    assert operations("--app", "worker-0", "--subtree", "--q", "operation = 'work of 2'") == {
        "work of 2"
    }
    bodies = clew("logs", "--app", "worker-0", "--service", "service-1", server=served.url)
    assert [each["body"] for each in bodies.document["logs"]] == ["log of 1"]
    report = clew_on_terminal("correlate", traces[1], server=served.url)
    assert "apps that ran it" in report.stdout
    assert "worker-0" in report.stdout
    assert clew("traces", "--subtree", server=served.url).code == 3
    assert clew("traces", "--app", "nobody-of-this-name", server=served.url).code == 2


def test_watching_draws_the_tree_anew_and_piped_tells_what_happens(served: ServerProcess) -> None:
    root_id = new_id()
    with peer(served) as app:
        app.join(root_id, app_name="watched")
        process = subprocess.Popen(
            [*CLEW, "tree", "watched", "--watch"],
            stdout=subprocess.PIPE,
            text=True,
            env=environment(served.url),
        )
        lines: list[str] = []
        reading = threading.Thread(target=lambda: lines.append(process.stdout.readline()))  # type: ignore[union-attr]
        reading.start()
        deadline = time.monotonic() + SECONDS_MAX
        while not lines and time.monotonic() < deadline:
            app.say(root_id, "Status", {"progress": 0.5})
        process.kill()
        process.wait()
        reading.join()
        process.stdout.close()  # type: ignore[union-attr]
        event = json.loads(lines[0])
        assert event["app_id"] == root_id
        assert event["kind"] in {"message", "transition"}
