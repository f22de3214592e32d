"""`clew exec` as a process that tests start, and what became of everything below it."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from clew.testing.server import ServerProcess
from tests.e2e.terminal import CLEW, SECONDS_MAX, environment
from tests.integration.wire import ask

MARK = "EXEC_TEST_MARK"
"""In the environment of all that a test starts, so that nothing of it can hide."""

SAY = f"{sys.executable} -m clew.app.main"
"""The `clew` command, for scripts of a shell."""

Found = TypeVar("Found")


def until(find: Callable[[], Found], seconds: float = SECONDS_MAX) -> Found:
    """Return what is found, as soon as it is anything."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not (found := find()):
        assert time.monotonic() < deadline, f"it never came to pass: {find}"
        pause.wait(0.02)
    return found


@dataclass
class Executed:
    """One run of `clew exec`."""

    process: subprocess.Popen[bytes]
    server: ServerProcess | None
    name: str

    @property
    def app(self) -> dict[str, Any]:
        """The app as the server has it, empty while it has not."""
        assert self.server is not None
        return find_app(self.server, self.name)

    def until_status(self, *statuses: str) -> dict[str, Any]:
        return until(lambda: app if (app := self.app).get("status") in statuses else {})

    def end(self) -> tuple[int, bytes, bytes]:
        """Return its exit code and what it wrote, once it has ended."""
        out, err = self.process.communicate(timeout=SECONDS_MAX)
        return self.process.returncode, out, err


@dataclass
class Runner:
    """Starts commands under one mark."""

    server: ServerProcess | None
    mark: str = field(default_factory=lambda: secrets.token_hex(8))
    runs: list[Executed] = field(default_factory=list)

    def environ(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        url = self.server.url if self.server else "http://127.0.0.1:1"
        own = {MARK: self.mark, "CLEW": SAY}
        return environment(url, own | dict(more or {}))

    def exec(
        self,
        *command: str,
        flags: tuple[str, ...] = (),
        name: str | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> Executed:
        called = name or f"run-{secrets.token_hex(4)}"
        # An engine of an earlier test leaves it blocked in this process, and children inherit that.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGPIPE])
        process = subprocess.Popen(
            [*CLEW, "exec", "--name", called, *flags, "--", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.environ(environ),
        )
        run = Executed(process, self.server, called)
        self.runs.append(run)
        return run

    def shell(self, script: str, **more: Any) -> Executed:
        return self.exec("sh", "-c", script, **more)

    def living(self) -> list[str]:
        """Return the command lines of all that this started, however far below, and that live."""
        found = []
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and self._is_ours(entry):
                    line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
                    found.append(f"{entry.name} {line}")
        return found

    def _is_ours(self, entry: Path) -> bool:
        mark = f"{MARK}={self.mark}".encode()
        return mark in (entry / "environ").read_bytes().split(b"\0")

    def clear(self) -> None:
        """End what a test that failed has left."""
        for line in self.living():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(line.split()[0]), 9)
        for run in self.runs:
            with run.process:
                pass


@contextlib.contextmanager
def running(server: ServerProcess | None) -> Iterator[Runner]:
    """Give something that starts commands; at the end none of them may live."""
    runner = Runner(server)
    try:
        yield runner
        until(lambda: not runner.living())
    finally:
        runner.clear()


def find_app(server: ServerProcess, name: str) -> dict[str, Any]:
    """Return the one app of a name, empty while there is none."""
    answer = ask(server.url, "GET", f"/api/v1/apps?name={name}")
    assert answer.status == 200, answer.body
    return next(iter(answer.document["apps"]), {})
