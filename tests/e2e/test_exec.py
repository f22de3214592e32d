"""`clew exec` over real processes: exit codes, signals, output, and what is left behind."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from clew.base.errors import ClewError
from clew.testing.network import HeldPorts
from clew.testing.server import ServerProcess
from clew.tree.agent.cgroup import make_cgroup
from clew.tree.frames.info import TrailsConfig
from tests.conftest import StartServer
from tests.e2e.executed import Runner, find_app, running, until
from tests.e2e.terminal import CLEW, SECONDS_MAX, Ended, clew
from tests.integration.wire import ask

HELD = ("--containment", "cgroup")
LOOSE = ("--containment", "process_group")

ORPHANS = "sleep 1000 & sleep 1000 & echo up; wait"
STUBBORN = "trap '' TERM; sleep 1000 & echo up; while :; do sleep 1000; done"


@pytest.fixture
def runner(server: ServerProcess) -> Iterator[Runner]:
    with running(server) as started:
        yield started


@pytest.fixture(scope="module")
def permitted() -> None:
    """Skip where no cgroup can be made, and say why."""
    try:
        make_cgroup().remove()
    except ClewError as error:
        pytest.skip(error.message)


def cancel(server: ServerProcess, app_id: str, *flags: str) -> Ended:
    return clew("cancel", app_id, "--wait", *flags, server=server.url)


@pytest.mark.parametrize(
    ("script", "code", "status", "exit_code"),
    [
        ("exit 0", 0, "done", 0),
        ("exit 3", 3, "error", 3),
        ("kill -9 $$", 137, "crashed", -9),
        ("kill -TERM $$", 143, "crashed", -15),
    ],
)
def test_the_exit_code_is_the_commands_own_and_the_end_of_the_app(
    runner: Runner, script: str, code: int, status: str, exit_code: int
) -> None:
    run = runner.shell(script)
    assert run.end() == (code, b"", b"")
    app = run.app
    assert (app["status"], app["exit_code"], app["confirmed"]) == (status, exit_code, True)
    assert app["process"]["executable"].endswith("/sh")


def test_a_program_that_cannot_be_started_is_taken_back(runner: Runner, tmp_path: Path) -> None:
    missing = runner.exec("no-such-program")
    code, _, said = missing.end()
    assert (code, said) == (127, b"clew: no-such-program: No such file or directory\n")
    assert missing.app["status"] == "cancelled"
    plain = tmp_path / "plain"
    plain.write_text("text")
    assert runner.exec(str(plain)).end()[0] == 126


def test_output_and_input_are_untouched(runner: Runner) -> None:
    every = bytes(range(256)) * 300
    program = "import sys; b = sys.stdin.buffer.read(); sys.stdout.buffer.write(b); "
    program += "sys.stderr.buffer.write(b[::-1])"
    run = runner.exec(sys.executable, "-c", program)
    out, err = run.process.communicate(every, timeout=SECONDS_MAX)
    assert run.process.returncode == 0
    assert out == every
    assert err == every[::-1]


def test_a_shell_script_says_how_it_is_doing(runner: Runner) -> None:
    script = """
    $CLEW status '{"phase": "loading"}' --progress 0.4
    $CLEW status --progress 2; echo $?
    $CLEW status '{nonsense'; echo $?
    echo '{"rows": 7}' | $CLEW result -
    $CLEW status '"too late"'; echo $?
    """
    run = runner.shell(script, flags=("--tag", "team=data"))
    code, out, err = run.end()
    assert (code, out) == (0, b"3\n3\n1\n"), err
    app = run.app
    assert app["status"] == "done"
    assert app["tags"] == {"team": "data"}
    assert app["last_snapshot"]["payload"] == {"phase": "loading", "progress": 0.4}
    assert app["result"]["payload"] == {"rows": 7}
    hints = [json.loads(line) for line in err.decode().splitlines()]
    assert [each["code"] for each in hints] == ["invalid_argument", "invalid_argument", "conflict"]


def test_progress_is_read_from_what_a_command_writes_and_all_of_it_goes_on(
    runner: Runner,
) -> None:
    script = r"""
    printf '== load\n\033[32m 10%%\033[0m\r 40%%\r' >&2; echo out; read _
    printf '{"progress": 0.7, "rows": 3}\n'; read _
    printf '== store\n90%%'; exit 3
    """
    pattern = r"== (?P<phase>\w+)|(?P<progress>\d+)%"
    run = runner.shell(script, flags=("--progress-pattern", pattern, "--progress-json"))
    stdin = run.process.stdin
    assert stdin is not None

    def said() -> object:
        return (run.app.get("last_snapshot") or {}).get("payload")

    until(lambda: said() == {"phase": "load", "progress": 0.4})
    stdin.write(b"\n")
    stdin.flush()
    until(lambda: said() == {"progress": 0.7, "rows": 3})
    stdin.write(b"\n")
    stdin.flush()
    code, out, err = run.end()
    assert code == 3
    assert out == b'out\n{"progress": 0.7, "rows": 3}\n== store\n90%'
    assert err == b"== load\n\033[32m 10%\033[0m\r 40%\r"
    assert said() == {"progress": 0.9, "rows": 3, "phase": "store"}
    assert (run.app["status"], run.app["exit_code"]) == ("error", 3)


def test_no_output_is_too_much_or_too_strange_to_be_read_for_progress(runner: Runner) -> None:
    program = "import os, sys; b = bytes(range(11, 256)) * 40_000\n"
    program += "for _ in range(3): sys.stdout.buffer.write(b)\n"
    program += "sys.stdout.buffer.write(b'\\n7%\\n'); sys.stdout.flush(); os._exit(0)"
    flags = ("--progress-pattern", r"^(?P<progress>\d+)%$")
    code, out, _ = runner.exec(sys.executable, "-c", program, flags=flags).end()
    assert code == 0
    assert out == bytes(range(11, 256)) * 120_000 + b"\n7%\n"
    assert runner.runs[-1].app["last_snapshot"]["payload"] == {"progress": 0.07}


def test_what_a_command_leaves_running_does_not_keep_the_reading_of_progress(
    runner: Runner,
) -> None:
    run = runner.shell(
        "sleep 1000 & echo $! 50%", flags=("--progress-pattern", r"(?P<progress>\d+)%")
    )
    code, out, _ = run.end()
    assert (code, run.app["last_snapshot"]["payload"]) == (0, {"progress": 0.5})
    os.kill(int(out.split()[0]), signal.SIGKILL)


def test_who_reads_no_more_ends_a_command_whose_progress_is_read(runner: Runner) -> None:
    run = runner.exec("yes", flags=("--progress-pattern", r"(?P<progress>\d+)%"))
    assert run.process.stdout is not None
    assert run.process.stdout.readline() == b"y\n"
    run.process.stdout.close()
    assert run.process.wait(SECONDS_MAX) == 128 + signal.SIGPIPE


def test_an_error_that_is_said_is_the_end_of_the_app(runner: Runner) -> None:
    run = runner.shell("$CLEW error 'no space left'; exit 9")
    assert run.end()[0] == 9
    assert (run.app["status"], run.app["exit_code"]) == ("error", 9)


def test_outside_of_a_tree_there_is_nobody_to_tell() -> None:
    outside = clew("status", "1")
    assert outside.code == 3
    assert outside.error["hint"] == "start it with: clew exec -- COMMAND"
    config = TrailsConfig.create("lonely", "ws://127.0.0.1:1")
    inside = clew("result", "1", environ={"TRAILS_INFO": config.encode()})
    assert inside.code == 3
    assert "CLEW_AGENT is not set" in inside.error["error"]


def test_a_client_inside_joins_as_the_same_app(runner: Runner) -> None:
    program = "import clew; run = clew.init(); run.status({'x': 1}); print(run.app_id)"
    run = runner.exec(sys.executable, "-c", program, environ={"OTEL_SDK_DISABLED": "true"})
    code, out, err = run.end()
    app = run.app
    assert (code, out.decode().strip()) == (0, app["app_id"]), err
    assert (app["status"], app["reason"], app["epoch"]) == ("done", "exit", 1)
    assert app["last_snapshot"]["payload"] == {"x": 1}


def test_a_cancel_ends_the_whole_group_and_is_confirmed(
    runner: Runner, server: ServerProcess
) -> None:
    run = runner.shell(ORPHANS, flags=LOOSE)
    assert run.process.stdout is not None
    assert run.process.stdout.readline() == b"up\n"
    app = run.until_status("connected")
    assert app["process"]["containment"] == "process_group"
    (outcome,) = cancel(server, app["app_id"]).document["outcomes"]
    assert (outcome["status"], outcome["confirmed"]) == ("cancelled", True)
    assert run.end()[0] == 143


@pytest.mark.usefixtures("permitted")
def test_no_session_of_its_own_escapes_a_cancel_where_there_are_cgroups(
    runner: Runner, server: ServerProcess
) -> None:
    deaf = "trap '' TERM; echo deaf; while :; do sleep 1000; done"
    script = f"""setsid sleep 1000 & setsid sh -c "{deaf}" & wait"""
    run = runner.shell(script, flags=(*HELD, "--grace", "100ms"))
    assert run.process.stdout is not None
    assert run.process.stdout.readline() == b"deaf\n"
    app = run.until_status("connected")
    assert app["process"]["containment"] == "cgroup"
    held = cgroup_of(app["process"]["pid"])
    assert held.is_dir()
    (outcome,) = cancel(server, app["app_id"]).document["outcomes"]
    assert (outcome["status"], outcome["confirmed"]) == ("cancelled", True)
    assert run.end()[0] == 143
    assert not runner.living()
    assert not held.exists()


@pytest.mark.usefixtures("permitted")
def test_what_a_command_leaves_running_stays_and_its_cgroup_is_removed_by_a_later_one(
    runner: Runner,
) -> None:
    run = runner.shell("setsid sleep 1000 >&- 2>&- & exec echo $!", flags=HELD)
    code, out, _ = run.end()
    assert (code, run.app["status"]) == (0, "done")
    left = int(out)
    held = cgroup_of(left)
    # Asked while something is in it: once nothing is, any command of this machine may remove it.
    assert held.is_dir()
    os.kill(left, signal.SIGKILL)
    until(lambda: not runner.living())
    assert runner.exec("true", flags=HELD).end()[0] == 0
    assert not held.exists()


def test_a_cancel_of_one_app_leaves_the_groups_of_others_alone(
    runner: Runner, server: ServerProcess
) -> None:
    script = "$CLEW exec --name {} --on-orphan adopt -- sleep 1000 & wait"
    inner = f"inner-{runner.mark}"
    run = runner.shell(script.format(inner))
    below = until(lambda: find_app(server, inner))
    assert below["parent_id"] == run.app["app_id"]
    until(lambda: find_app(server, inner)["status"] == "connected")
    assert cancel(server, run.app["app_id"]).document["outcomes"][0]["confirmed"]
    assert run.process.wait(SECONDS_MAX) == 143
    assert find_app(server, inner)["status"] == "connected"
    assert any("sleep 1000" in line for line in runner.living())
    assert cancel(server, below["app_id"]).document["outcomes"][0]["confirmed"]


def test_a_command_whose_app_was_cancelled_before_its_agent_spoke_is_ended(
    runner: Runner, server: ServerProcess
) -> None:
    name = f"early-{runner.mark}"
    announced = clew("spawn", name, server=server.url).document
    (cancelled,) = cancel(server, announced["app"]["app_id"]).document["outcomes"]
    assert (cancelled["status"], cancelled["confirmed"]) == ("cancelled", False)
    inside = {"TRAILS_INFO": announced["trails_info"]}
    run = runner.shell(ORPHANS, name=name, flags=("--join",), environ=inside)
    assert run.end()[0] == 143
    assert (run.app["status"], run.app["confirmed"], run.app["exit_code"]) == (
        "cancelled",
        True,
        -15,
    )


def test_a_sigterm_to_the_agent_ends_the_group_and_is_reported(runner: Runner) -> None:
    run = runner.shell(STUBBORN, flags=("--grace", "100ms"))
    assert run.process.stdout is not None
    assert run.process.stdout.readline() == b"up\n"
    run.process.terminate()
    assert run.end()[0] == 137
    assert (run.app["status"], run.app["exit_code"]) == ("crashed", -9)


def test_other_signals_are_passed_on(runner: Runner) -> None:
    run = runner.shell("trap 'echo heard; exit 7' USR1; echo up; while :; do sleep 0.05; done")
    assert run.process.stdout is not None
    assert run.process.stdout.readline() == b"up\n"
    run.process.send_signal(signal.SIGUSR1)
    # The shell tells on stderr that its own child was ended, which is of the group as well.
    assert run.end()[:2] == (7, b"heard\n")


def test_a_command_does_not_outlive_an_agent_that_is_killed(runner: Runner) -> None:
    run = runner.exec("sleep", "1000")
    run.until_status("connected")
    run.process.kill()
    run.process.wait(SECONDS_MAX)
    until(lambda: not runner.living())
    assert run.until_status("crashed")["reason"] == "connection_drop"


def test_what_an_agent_that_was_killed_left_behind_is_removed_by_a_later_one(
    runner: Runner,
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        environ = {"TMPDIR": folder}
        run = runner.exec("sleep", "1000", environ=environ)
        run.until_status("connected")
        (left,) = Path(folder).iterdir()
        # One that lives keeps its own.
        assert runner.exec("true", environ=environ).end()[0] == 0
        assert left.is_dir()
        run.process.kill()
        until(lambda: not runner.living())
        assert runner.exec("true", environ=environ).end()[0] == 0
        assert not any(Path(folder).iterdir())


def test_time_that_runs_out_is_the_error_of_the_app(runner: Runner) -> None:
    run = runner.shell("sleep 1000", flags=("--timeout", "300ms"))
    assert run.end() == (143, b"", b"clew: timed out after 0.3 s\n")
    assert run.app["status"] == "error"


def test_without_a_server_the_command_runs_all_the_same() -> None:
    with running(None) as runner:
        code, out, err = runner.shell("echo ran; exit 4").end()
        assert (code, out) == (4, b"ran\n")
        assert err.count(b"\n") == 1
        assert b"the command runs" in err
        code, out, _ = runner.shell("echo ran", flags=("--required",)).end()
        assert (code, out) == (4, b"")


def test_a_run_outlives_its_server_and_one_that_starts_meanwhile_is_in_the_tree_later(
    start_server: StartServer,
) -> None:
    held = HeldPorts(2)
    fixed = dict(zip(("trails", "http"), held.addresses, strict=True))
    first = start_server(fixed)
    with running(first) as runner:
        script = "$CLEW status 1; echo up; read _; $CLEW status 2; echo said; read _; exit 5"
        run = runner.shell(script)
        assert run.process.stdin is not None
        assert run.process.stdout is not None
        assert run.process.stdout.readline() == b"up\n"
        until(lambda: run.app.get("last_snapshot"))
        first.kill()
        run.process.stdin.write(b"\n")
        run.process.stdin.flush()
        assert run.process.stdout.readline() == b"said\n"
        early = runner.shell("read _; exit 0")
        assert early.process.stderr is not None
        assert b"the command runs" in early.process.stderr.readline()
        start_server(fixed)
        # It ends before its agent is likely to have found the server again.
        run.process.stdin.write(b"\n")
        assert run.end()[0] == 5
        assert (run.app["status"], run.app["exit_code"]) == ("error", 5)
        assert run.app["last_snapshot"]["payload"] == 2
        early.until_status("connected")
        assert early.end()[0] == 0
        assert early.app["status"] == "done"


def test_a_command_that_starts_after_its_deadline_runs_and_says_that_it_is_outside(
    runner: Runner, server: ServerProcess
) -> None:
    name = f"late-{runner.mark}"
    announced = clew("spawn", name, "--start-deadline", "1s", server=server.url).document
    until(lambda: find_app(server, name)["status"] == "start_failed")
    inside = {"TRAILS_INFO": announced["trails_info"]}
    run = runner.shell("read _; exit 4", name=name, flags=("--join",), environ=inside)
    assert run.process.stderr is not None
    assert b"this app has ended: start_failed" in run.process.stderr.readline()
    assert run.end()[0] == 4
    assert run.app["status"] == "start_failed"


def test_where_keys_are_needed_the_key_of_the_environment_counts_for_all_below(
    start_server: StartServer,
) -> None:
    server = start_server({"trails_tier": "signed"})
    key = clew("keys", "create", "root", "--role", "admin", server=server.url)
    assert key.code == 0, key.stderr
    secret = key.document["api_key"]
    with running(None) as runner:
        runner.server = server
        inner = f"inner-{runner.mark}"
        script = f"$CLEW exec --name {inner} -- sh -c '$CLEW result 1; exit 2'"
        run = runner.shell(script, environ={"CLEW_API_KEY": secret})
        code, _, err = run.end()
        assert (code, err) == (2, b""), err
        listed = clew("apps", server=server.url, environ={"CLEW_API_KEY": secret})
        apps = {app["app_name"]: app for app in listed.document["apps"]}
        assert apps[inner]["parent_id"] == apps[run.name]["app_id"]
        assert (apps[inner]["status"], apps[inner]["exit_code"]) == ("done", 2)
        refused = runner.shell("echo ran", environ={"CLEW_API_KEY": ""}).end()
        assert refused[:2] == (5, b"")


def test_a_subtree_of_twenty_processes_is_cancelled_from_the_command_line(
    runner: Runner, server: ServerProcess
) -> None:
    planner = f"planner-{runner.mark}"
    script = "for n in 1 2 3; do $CLEW exec --name worker-$n -- sh -c '"
    script += "for m in 1 2 3 4 5; do $CLEW exec --name tool-$m -- sleep 1000 & done; wait' & done;"
    deaf = 'trap \\"\\" TERM; echo deaf; while :; do sleep 9; done'
    script += f'$CLEW exec --name stubborn -- sh -c "{deaf}" & wait'
    run = runner.shell(script, name=planner)
    assert run.process.stdout is not None
    assert run.process.stdout.readline() == b"deaf\n"
    app_id: str = until(lambda: run.app.get("app_id", ""))

    def are_up() -> bool:
        # Not by the command line: its starts would take the processor from those of the apps.
        asked = f"/api/v1/apps?within={app_id}&status=connected"
        total: int = ask(server.url, "GET", asked).document["total"]
        return total == 20

    until(are_up)
    # Time to kill is also the time that the others' agents have to tell of their ends.
    said = cancel(server, app_id, "--cascade", "--grace", "1s")
    outcomes = said.document["outcomes"]
    assert len(outcomes) == 20
    assert {(each["status"], each["confirmed"]) for each in outcomes} == {("cancelled", True)}
    (stubborn,) = [each for each in outcomes if each["app_name"] == "stubborn"]
    assert stubborn["phase"] == "kill"
    assert ask(server.url, "GET", f"/api/v1/apps/{stubborn['app_id']}").document["exit_code"] == -9
    assert run.end()[0] == 143


def test_on_a_terminal_the_command_is_in_the_foreground_and_hears_the_keys(
    server: ServerProcess,
) -> None:
    program = "import os, sys; print(os.tcgetpgrp(0) == os.getpgrp()); sys.stdin.readline(); "
    program += "print('read', flush=True); sys.stdin.readline()"
    with running(server) as runner:
        controller, terminal = pty.openpty()
        process = subprocess.Popen(
            [*CLEW, "exec", "--", sys.executable, "-c", program],
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            env=runner.environ(),
            preexec_fn=lambda: os.login_tty(terminal),  # noqa: PLW1509 - the tests have one
        )
        os.close(terminal)
        try:
            assert b"True" in read_until(controller, b"True")
            os.write(controller, b"\n")
            read_until(controller, b"read")
            os.write(controller, b"\x03")
            assert b"KeyboardInterrupt" in read_until(controller, b"KeyboardInterrupt")
            assert process.wait(SECONDS_MAX) == 130
        finally:
            process.kill()
            process.wait()
            os.close(controller)


def test_in_a_pipeline_a_command_that_asks_for_the_terminal_gets_it(
    server: ServerProcess,
) -> None:
    program = "print('asked', flush=True); print('got', open('/dev/tty').readline())"
    with running(server) as runner:
        controller, terminal = pty.openpty()
        process = subprocess.Popen(
            ["sh", "-c", f'echo x | $CLEW exec -- {sys.executable} -c "{program}"; echo code $?'],
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            env=runner.environ(),
            preexec_fn=lambda: os.login_tty(terminal),  # noqa: PLW1509 - the tests have one
        )
        os.close(terminal)
        try:
            read_until(controller, b"asked")
            os.write(controller, b"key\n")
            # Both at once, as one reading may give them.
            assert b"got key" in read_until(controller, b"code 0")
            assert process.wait(SECONDS_MAX) == 0
        finally:
            process.kill()
            process.wait()
            os.close(controller)


def test_a_shell_stops_it_and_lets_it_go_on(server: ServerProcess) -> None:
    with running(server) as runner:
        controller, terminal = pty.openpty()
        shell = subprocess.Popen(
            ["bash", "--norc", "--noprofile", "-i"],
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            env=runner.environ({"PS1": "> ", "TERM": "dumb"}),
            preexec_fn=lambda: os.login_tty(terminal),  # noqa: PLW1509 - the tests have one
        )
        os.close(terminal)
        try:
            # What is typed is echoed: only what a program says differs from it.
            loop = "while read x; do echo got-$((x * 2)); done"
            os.write(controller, f"$CLEW exec -- sh -c 'echo u$((1))p; {loop}'\n".encode())
            read_until(controller, b"u1p")
            os.write(controller, b"\x1a")
            read_until(controller, b"Stopped")
            os.write(controller, b"fg\n")
            read_until(controller, b"fg\r\n$CLEW exec --")
            os.write(controller, b"21\n")
            read_until(controller, b"got-42")
            os.write(controller, b"\x04")
            os.write(controller, b"echo code-$((40 + $?))\n")
            read_until(controller, b"code-40")
            os.write(controller, b"exit\n")
            assert shell.wait(SECONDS_MAX) == 0
        finally:
            shell.kill()
            shell.wait()
            os.close(controller)


def test_a_program_in_the_background_of_a_script_cleans_up_after_its_cancel(
    runner: Runner, server: ServerProcess
) -> None:
    # A shell without job control lets its background jobs ignore SIGINT.
    program = "import clew, threading\nrun = clew.init()\nrun.on_cancel(5, print)\n"
    program += "try: run.status(1); threading.Event().wait()\nfinally: print('cleaned')"
    script = '$CLEW exec --name hidden -- "$PYTHON" -c "$PROGRAM" & wait'
    environ = {"PYTHON": sys.executable, "PROGRAM": program, "OTEL_SDK_DISABLED": "true"}
    outer = runner.shell(script, environ=environ)
    hidden = until(lambda: find_app(server, "hidden"))
    until(lambda: find_app(server, "hidden")["status"] == "running")
    assert cancel(server, hidden["app_id"]).code == 0
    _, out, err = outer.end()
    assert out.endswith(b"cleaned\n"), err


def test_a_server_without_a_door_for_apps_is_like_none(start_server: StartServer) -> None:
    with running(start_server({"trails": "off"})) as runner:
        code, out, err = runner.shell("echo ran; exit 4").end()
        assert (code, out) == (4, b"ran\n")
        assert b"no door for apps" in err


def test_who_does_not_want_to_wait_for_an_absent_server_interrupts(
    start_server: StartServer,
) -> None:
    server = start_server()
    with running(server) as runner:
        run = runner.shell("read _; exit 5")
        run.until_status("connected")
        server.kill()
        assert run.process.stdin is not None
        run.process.stdin.close()
        run.process.stdin = None
        until(lambda: not any("read _" in line and "clew" not in line for line in runner.living()))
        run.process.send_signal(signal.SIGINT)
        assert run.process.wait(SECONDS_MAX) == 5


def cgroup_of(pid: int) -> Path:
    """Return the cgroup that a process lives in, where the system shows it."""
    (name,) = [
        line[3:]
        for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines()
        if line.startswith("0::")
    ]
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    (point,) = [mount[1] for mount in mounts if mount[2] == "cgroup2"]
    return Path(point) / name.lstrip("/")


def read_until(descriptor: int, wanted: bytes) -> bytes:
    """Return what a terminal shows, up to something."""
    said = b""
    waiting = select.poll()
    waiting.register(descriptor, select.POLLIN)
    while wanted not in said:
        assert waiting.poll(SECONDS_MAX * 1000), said
        said += os.read(descriptor, 4096)
    return said
