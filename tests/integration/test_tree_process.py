"""What becomes of whole processes in the tree: their ends, their forks, their children."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from clew.tree.client import membership
from clew.tree.client.aio import AsyncTrailsClient
from clew.tree.client.client import TrailsClient
from clew.tree.frames.info import VARIABLE, TrailsConfig
from tests.integration.scripted_peer import SECONDS_MAX, ScriptedPeer, WillingPeer


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have clients of this process take their time for a goodbye."""
    monkeypatch.setattr(membership, "GOODBYE_S_MAX", SECONDS_MAX)


@pytest.fixture
def peer() -> Iterator[WillingPeer]:
    with WillingPeer() as server:
        yield server


def environment(config: TrailsConfig | None) -> dict[str, str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "CLEW_", "TRAILS_"))}
    return clean if config is None else clean | {VARIABLE: config.encode()}


def start(program: str, config: TrailsConfig | None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        # Later versions of Python warn of forks in a process with threads: that is what is tested.
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(config),
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=SECONDS_MAX)
    return process.returncode, out, err


BEGIN = "from clew.tree.client.client import TrailsClient\nclient = TrailsClient.init()\n"


def test_a_result_said_last_reaches_the_server_at_the_end_of_the_process(
    peer: WillingPeer,
) -> None:
    config = peer.config()
    code, _, err = finish(start(BEGIN + "client.status(1); client.result({'rows': 3})", config))
    assert (code, err) == (0, "")
    assert peer.await_frame("message", msg_type="Result")["payload"] == {"rows": 3}
    assert not [frame for frame in peer.frames if frame["type"] == "disconnect"]


def test_a_process_that_ends_without_a_result_says_goodbye(peer: WillingPeer) -> None:
    # A goodbye has two seconds, of which nothing here is about how long it takes to connect.
    program = BEGIN + "client.status(1)\nassert client.wait_connected(120)"
    assert finish(start(program, peer.config()))[0] == 0
    assert peer.await_frame("disconnect")["reason"] == "completed"
    assert peer.await_frame("message", msg_type="Status")


def test_an_uncaught_exception_is_the_error_of_the_app(peer: WillingPeer) -> None:
    code, _, err = finish(start(BEGIN + "raise LookupError('no such row')", peer.config()))
    assert code == 1
    assert "LookupError" in err
    error = peer.await_frame("message", msg_type="Error")
    assert error["payload"]["message"] == "LookupError: no such row"


def test_the_end_of_a_supervised_process_is_left_to_its_agent(
    peer: WillingPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = peer.config()
    process = subprocess.run(
        [sys.executable, "-c", BEGIN + "client.status(1)\nassert client.wait_connected(120)"],
        env=environment(config) | {"CLEW_SUPERVISED": "1"},
        timeout=SECONDS_MAX,
        check=True,
    )
    assert process.returncode == 0
    assert peer.await_frame("message", msg_type="Status")
    peer.await_end(config.app_id)
    assert not [frame for frame in peer.frames if frame["type"] == "disconnect"]


def test_a_server_that_acknowledges_nothing_holds_up_the_end_for_a_bounded_time(
    peer: WillingPeer,
) -> None:
    peer.acks = False
    program = BEGIN + "client.result(1)\nassert client.wait_connected(120)\n"
    program += "print(client.shutdown(0.05))"
    code, out, err = finish(start(program, peer.config()))
    assert (code, out) == (0, "False\n")
    assert "1 messages were not acknowledged" in err


def test_a_program_runs_as_ever_while_its_server_is_away() -> None:
    with ScriptedPeer() as gone:
        config = gone.config()
    code, out, _ = finish(start(BEGIN + "client.status(1); print('worked')", config))
    assert (code, out) == (0, "worked\n")


FORK = """
import os, sys
from clew.tree.client.client import TrailsClient
client = TrailsClient.init()
assert client.wait_connected(120)
pid = os.fork()
if pid == 0:
    # The child is nobody: not by the client that it has, and not by the environment.
    client.status("child")
    client.result("child")
    again = TrailsClient.init()
    again.result("child")
    is_nobody = not client.is_active and not again.is_active and client.shutdown()
    sys.stdin.readline()
    os._exit(0 if is_nobody else 9)
client.status("parent")
if sys.argv[1:] == ["die"]:
    os.kill(os.getpid(), 9)
sys.stdin.close()
os.close(0)
_, status = os.waitpid(pid, 0)
client.result(os.waitstatus_to_exitcode(status))
"""


def test_a_forked_child_is_nobody_and_its_parent_goes_on(peer: WillingPeer) -> None:
    process = start(FORK, peer.config())
    peer.await_frame("message", payload="parent")
    code, _, err = finish(process)
    assert (code, err) == (0, "")
    assert peer.await_frame("message", msg_type="Result")["payload"] == 0
    assert not [frame for frame in peer.frames if frame.get("payload") == "child"]
    assert [frame["type"] for frame in peer.frames].count("register") == 1


def test_a_forked_child_does_not_keep_the_connection_of_a_dead_parent_open(
    peer: WillingPeer,
) -> None:
    config = peer.config()
    with subprocess.Popen(
        [sys.executable, "-c", FORK, "die"], stdin=subprocess.PIPE, env=environment(config)
    ) as process:
        assert process.wait(SECONDS_MAX) == -signal.SIGKILL
        # The child still waits for a line; the server sees the end of its parent all the same.
        peer.await_end(config.app_id)


def test_a_process_that_inherits_the_variable_of_another_is_nobody(peer: WillingPeer) -> None:
    program = BEGIN + "import subprocess, sys\nclient.wait_connected(120)\n"
    inner = BEGIN + "print(client.is_active)"
    program += f"subprocess.run([sys.executable, '-c', {inner!r}], check=True)\n"
    code, out, err = finish(start(program, peer.config()))
    assert (code, out, err) == (0, "False\n", "")
    assert [frame["type"] for frame in peer.frames].count("register") == 1


CANCELLED = """
import sys, threading, time
from clew.tree.client.client import TrailsClient
client = TrailsClient.init()
client.on_cancel(5.0, lambda context: {"because": context.reason})
client.wait_connected(120)
try:
    print("up", flush=True)
    threading.Event().wait(300)
except KeyboardInterrupt:
    print("interrupted")
    sys.exit(3)
"""


def test_a_cancelled_process_acknowledges_and_is_interrupted(peer: WillingPeer) -> None:
    config = peer.config()
    process = start(CANCELLED, config)
    assert process.stdout is not None
    # Earlier, the interrupt would meet what runs before the try.
    assert process.stdout.readline() == "up\n"
    payload = {"reason": "enough", "grace_ms": 5000}
    peer.tell(config.app_id, "control", action="cancel", correlation_id="c-1", payload=payload)
    code, out, _ = finish(process)
    assert (code, out) == (3, "interrupted\n")
    ack = peer.await_frame("control_ack", correlation_id="c-1")
    assert (ack["ack"], ack["result"]) == (True, {"because": "enough"})


IGNORING = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"


def test_a_process_that_a_shell_put_in_the_background_is_interrupted_all_the_same(
    peer: WillingPeer,
) -> None:
    config = peer.config()
    process = start(IGNORING + CANCELLED, config)
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    # Ctrl-C at the terminal of the shell is not for it.
    process.send_signal(signal.SIGINT)
    peer.tell(config.app_id, "control", action="cancel", correlation_id="c-1", payload={})
    code, out, _ = finish(process)
    assert (code, out) == (3, "interrupted\n")
    assert peer.await_frame("control_ack")["ack"]


def test_a_process_that_will_hear_no_ctrl_c_ends_by_sigterm_after_its_cancel(
    peer: WillingPeer,
) -> None:
    config = peer.config()
    program = CANCELLED.replace("client.wait", IGNORING + "client.wait", 1)
    process = start(program, config)
    assert process.stdout is not None
    # Earlier, it might still hear Ctrl-C.
    assert process.stdout.readline() == "up\n"
    peer.tell(config.app_id, "control", action="cancel", correlation_id="c-1", payload={})
    assert finish(process)[0] == -signal.SIGTERM
    assert peer.await_frame("control_ack")["ack"]
    assert peer.await_frame("disconnect")["reason"] == "cancelled"


def test_a_process_with_a_dead_man_switch_ends_itself_without_a_server() -> None:
    with WillingPeer() as server:
        config = server.config()
        # Longer than it takes to connect, whoever else has the cores.
        program = CANCELLED.replace("init()", "init(stop_if_disconnected_after=5)")
        process = start(program, config)
        server.await_frame("register")
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
    code, out, _ = finish(process)
    assert (code, out) == (3, "interrupted\n")


def test_a_dead_man_switch_kills_what_does_not_listen() -> None:
    with ScriptedPeer() as gone:
        config = gone.config()
    deaf = IGNORING + "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    # Longer than it takes to be deaf.
    program = CANCELLED.replace("init()", "init(stop_if_disconnected_after=2)")
    program = program.replace("client.wait_connected(120)\n", deaf).replace("5.0", "0.3")
    assert finish(start(program, config))[0] == -signal.SIGKILL


CHILD = BEGIN + "client.result(__import__('sys').argv[1:])"


def test_a_process_is_started_as_a_child_that_was_announced(peer: WillingPeer) -> None:
    client = TrailsClient.init_with(peer.config("planner"))
    process = client.start_process(
        [sys.executable, "-c", CHILD, "a"], name="tool", tags={"n": 1}, env=environment(None)
    )
    assert process.wait(SECONDS_MAX) == 0
    spawn = peer.await_frame("spawn")
    assert (spawn["app_name"], spawn["tags"]) == ("tool", {"n": 1})
    register = peer.await_frame("register", app_id=spawn["child_id"])
    assert (register["parent_id"], register["join_token"]) == (client.app_id, "once")
    assert peer.await_frame("message", msg_type="Result")["payload"] == ["a"]
    assert client.shutdown()


def test_a_child_that_cannot_be_started_is_taken_back(peer: WillingPeer) -> None:
    client = TrailsClient.init_with(peer.config())
    with pytest.raises(FileNotFoundError):
        client.start_process(["/no/such/program"])
    spawn = peer.await_frame("spawn")
    assert spawn["app_name"] == "program"
    issue = peer.await_frame("issue", target_id=spawn["child_id"])
    assert (issue["action"], issue["reason"]) == ("cancel", "it was not started")
    client.shutdown()


def test_the_workers_of_a_pool_are_children(
    peer: WillingPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    client = TrailsClient.init_with(peer.config("planner"))
    with client.process_pool(2, name="cruncher") as pool:
        assert pool.submit(abs, -3).result(SECONDS_MAX) == 3
        first = peer.await_frame("spawn", app_name="cruncher-1")
        register = peer.await_frame("register", app_id=first["child_id"])
        assert register["parent_id"] == client.app_id
    # The one that ran said goodbye, the one that nobody needed was taken back.
    assert peer.await_frame("disconnect", app_id=first["child_id"])["reason"] == "completed"
    second = peer.await_frame("spawn", app_name="cruncher-2")
    assert peer.await_frame("issue", target_id=second["child_id"])["action"] == "cancel"
    client.shutdown()


def test_a_block_of_a_child_waits_for_its_processes(peer: WillingPeer) -> None:
    client = TrailsClient.init_with(peer.config("planner"))
    with client.child("worker") as child:
        child.status("started")
        process = child.start_process([sys.executable, "-c", CHILD], env=environment(None))
    assert process.returncode == 0
    assert peer.await_frame("disconnect", app_id=child.app_id)["reason"] == "completed"
    worker = peer.await_frame("spawn", app_name="worker")
    assert (worker["app_id"], worker["child_id"]) == (client.app_id, child.app_id)
    grandchild = peer.await_frame("spawn", app_id=child.app_id)
    assert peer.await_frame("message", app_id=grandchild["child_id"], msg_type="Result")
    client.shutdown()


SLEEPER = "import threading; threading.Event().wait(300)"


def test_an_error_in_the_block_of_a_child_ends_its_processes(peer: WillingPeer) -> None:
    client = TrailsClient.init_with(peer.config("planner"))
    processes: list[subprocess.Popen[Any]] = []

    def block() -> None:
        with client.child("worker") as child:
            processes.append(child.start_process([sys.executable, "-c", SLEEPER]))
            raise LookupError("gone")

    with pytest.raises(LookupError):
        block()
    assert processes[0].returncode == -signal.SIGTERM
    error = peer.await_frame("message", msg_type="Error")
    assert error["payload"]["message"] == "LookupError: gone"
    client.shutdown()


def test_a_cancel_ends_the_processes_of_a_block_and_is_acknowledged_then(
    peer: WillingPeer,
) -> None:
    client = TrailsClient.init_with(peer.config("planner"))
    with client.child("worker") as child:
        process = child.start_process([sys.executable, "-c", SLEEPER])
        assert child.app_id is not None
        peer.tell(child.app_id, "control", action="cancel", correlation_id="c", payload={})
    assert process.returncode == -signal.SIGTERM
    assert peer.await_frame("control_ack", app_id=child.app_id)["ack"]
    client.shutdown()


def test_a_program_with_an_event_loop_says_and_hears_the_same(peer: WillingPeer) -> None:
    async def program() -> None:
        async with AsyncTrailsClient.init_with(peer.config("planner")) as client:
            loop = asyncio.get_running_loop()
            seen: list[Any] = []

            @client.on("where")
            async def _(payload: Any) -> dict[str, bool]:
                seen.append(payload)
                return {"in_loop": asyncio.get_running_loop() is loop}

            @client.on("thread")
            def _(_payload: Any) -> dict[str, str]:
                return {"name": threading.current_thread().name}

            client.status({"n": 1})
            assert await client.wait_connected(SECONDS_MAX)
            assert client.app_id is not None
            for action in ("where", "thread"):
                peer.tell(client.app_id, "control", action=action, correlation_id=action, payload=7)
            where = await asyncio.to_thread(peer.await_frame, "control_ack", action="where")
            assert (where["result"], seen) == ({"in_loop": True}, [7])
            thread = await asyncio.to_thread(peer.await_frame, "control_ack", action="thread")
            assert thread["result"] == {"name": "clew handler"}
            child = await client.spawn("worker")
            assert child.join_token == "once"
            answer = await client.cancel(child.app_id, wait_s=SECONDS_MAX)
            assert answer.is_over
            client.result("done")
        assert not client.is_active

    asyncio.run(program())
    assert peer.await_frame("message", msg_type="Result")["payload"] == "done"


def test_an_asynchronous_block_waits_for_its_tasks_and_processes(peer: WillingPeer) -> None:
    async def program() -> None:
        async with AsyncTrailsClient.init_with(peer.config("planner")) as client:
            done: list[str] = []

            async def work() -> None:
                await asyncio.to_thread(peer.await_frame, "register", app_id=child.app_id)
                done.append("worked")

            async with client.child("worker") as child:
                child.start(work())
                process = await child.start_process(
                    sys.executable, "-c", CHILD, env=environment(None)
                )
            assert done == ["worked"]
            assert process.returncode == 0

    asyncio.run(program())


def test_a_failing_task_ends_the_others_and_the_processes_of_its_block(peer: WillingPeer) -> None:
    ended: list[str] = []
    processes: list[asyncio.subprocess.Process] = []

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("task")

    async def fail() -> None:
        raise LookupError("gone")

    async def with_tasks(client: AsyncTrailsClient) -> None:
        async with client.child("worker") as child:
            child.start(wait())
            processes.append(await child.start_process(sys.executable, "-c", SLEEPER))
            child.start(fail())

    async def without_tasks(client: AsyncTrailsClient) -> None:
        async with client.child("other"):
            raise LookupError("mine")

    async def program() -> None:
        async with AsyncTrailsClient.init_with(peer.config()) as client:
            with pytest.raises(ExceptionGroup):
                await with_tasks(client)
            with pytest.raises(LookupError):
                await without_tasks(client)

    asyncio.run(program())
    assert ended == ["task"]
    assert processes[0].returncode == -signal.SIGTERM
    assert peer.await_frame("message", msg_type="Error")


def test_a_cancel_from_the_tree_ends_an_asynchronous_block_and_the_program_goes_on(
    peer: WillingPeer,
) -> None:
    async def program() -> str | None:
        async with AsyncTrailsClient.init_with(peer.config()) as client:
            async with client.child("worker") as child:
                process = await child.start_process(sys.executable, "-c", SLEEPER)
                assert child.app_id is not None
                await asyncio.to_thread(
                    lambda: peer.tell(
                        child.app_id or "",
                        "control",
                        action="cancel",
                        correlation_id="c",
                        payload={"reason": "enough"},
                    )
                )
                await asyncio.Event().wait()
            assert child.is_cancelled
            assert process.returncode == -signal.SIGTERM
            return child.app_id

    app_id = asyncio.run(program())
    assert peer.await_frame("control_ack", app_id=app_id)["ack"]


def test_blocks_work_without_a_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    client = TrailsClient.init()
    with client.child("worker") as child:
        process = child.start_process([sys.executable, "-c", CHILD], env=environment(None))
    assert process.returncode == 0

    async def program() -> None:
        client = AsyncTrailsClient.init()
        async with client.child("worker") as child:
            task = child.start(asyncio.to_thread(abs, -2))
        assert task.result() == 2

    asyncio.run(program())
