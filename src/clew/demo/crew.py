"""``python -m clew.demo.crew planner|worker``: what the processes of the demo's tree do.

A planner has three workers, and each worker has a tool; ``clew exec`` starts them all. What shall
become of a worker it is told on stdin, through the planner. Planner and workers end when their
stdin is closed, so nothing outlives the demo, even when the demo is killed.
"""

from __future__ import annotations

import json
import logging
import os
import select
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final

import clew

if TYPE_CHECKING:
    from collections.abc import Sequence

WORKERS: Final = ("worker-1", "worker-2", "worker-3")

# How often a worker says how far it is.
STEP_S: Final = 0.5

# It gets no further by itself: its end comes from outside, ten to twenty seconds after its start.
STEPS: Final = 28

# Longer than a demo with as many requests as may be; should all else fail, no tool stays longer.
TOOL_S: Final = 1800

# A cancel asks first; these do nothing that would have to be finished.
GRACE_S: Final = 2.0


def main(arguments: Sequence[str]) -> int:
    """Be the part that the arguments name, and return the exit code."""
    # What the client logs when the tree lets it go belongs to the server, not on the screen.
    logging.lastResort = None
    try:
        match arguments:
            case ["worker", name]:
                return work(name)
            case _:
                return plan()
    except KeyboardInterrupt:
        # So a cancelled app is interrupted.
        return 128 + signal.SIGINT


def plan() -> int:
    """Start the workers, and tell each what it is told, until nobody tells anything."""
    # Before anything else: while they start, this process joins.
    workers = {
        name: start(name, [sys.executable, "-m", "clew.demo.crew", "worker", name])
        for name in WORKERS
    }
    run = clew.init("planner")
    run.on_cancel(GRACE_S, lambda context: None)
    run.on("checkpoint")(lambda payload: {"workers": len(workers)})
    run.status({"phase": "watching", "progress": 0.5})
    for line in sys.stdin:
        told = json.loads(line)
        tell(workers[told["to"]], told)
    for process in workers.values():
        assert process.stdin is not None
        process.stdin.close()
    return 0


def work(name: str) -> int:
    """Work, and say how far it is, until told to end otherwise, or nobody is there any more."""
    tool = start("tool", ["sleep", str(TOOL_S)])
    from opentelemetry import trace

    run = clew.init(name)
    run.on_cancel(GRACE_S, lambda context: None)
    step = 0
    run.on("checkpoint")(lambda payload: {"step": step})
    try:
        while True:
            with trace.get_tracer("clew.demo").start_as_current_span("step"):
                step = min(step + 1, STEPS)
                run.status({"phase": "working", "progress": round(step / (STEPS + 2), 2)})
                ready, _, _ = select.select([sys.stdin], [], [], STEP_S)
            if not ready:
                continue
            line = sys.stdin.readline()
            if not line:
                return 0
            match json.loads(line)["do"]:
                case "die":
                    # As the kernel does it when memory is short: nothing of it is finished.
                    os.kill(os.getpid(), signal.SIGKILL)
                case _:
                    run.error("the disk is full", {"step": step})
                    return 1
    finally:
        assert tool.stdin is not None
        tool.stdin.close()


def start(name: str, command: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start a command as an app below this one."""
    flags = ["--name", name, "--grace", f"{GRACE_S}s", "--timeout", f"{TOOL_S}s"]
    return subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-m", "clew.app.main", "exec", *flags, "--", *command],
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def tell(process: subprocess.Popen[bytes], what: dict[str, Any]) -> None:
    """Tell a process below something, one line of JSON."""
    assert process.stdin is not None
    process.stdin.write(json.dumps(what).encode() + b"\n")
    process.stdin.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
