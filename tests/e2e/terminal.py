"""The `clew` command as a child process: down a pipe, or on a terminal of a given width."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SECONDS_MAX = 150.0
"""A deadline, not an expectation: what hangs fails, what is slow on a busy machine does not."""

CLEW = (sys.executable, "-m", "clew.app.main")


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it said."""

    code: int
    stdout: str
    stderr: str

    @property
    def document(self) -> Any:
        return json.loads(self.stdout)

    @property
    def error(self) -> dict[str, Any]:
        error: dict[str, Any] = json.loads(self.stderr)
        return error

    @property
    def lines(self) -> list[str]:
        return self.stdout.splitlines()


def environment(server: str | None, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return an environment in which nothing but the test decides."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CLEW_", "OTEL_", "COLUMNS", "NO_COLOR", "FORCE_COLOR"))
    }
    # A checkout that is served from may have a file of settings.
    kept |= {"TZ": "UTC", "TERM": "xterm-256color", "CLEW_CONFIG": "off"}
    if server is not None:
        kept["CLEW_SERVER"] = server
    return kept | dict(more or {})


def clew(
    *arguments: str,
    server: str | None = None,
    stdin: str = "",
    environ: Mapping[str, str] | None = None,
) -> Ended:
    """Run a command with its output in a pipe, as a program does."""
    done = subprocess.run(
        [*CLEW, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        env=environment(server, environ),
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def clew_on_terminal(
    *arguments: str,
    server: str | None = None,
    columns: int = 100,
    stdin: str = "",
    answers: Sequence[tuple[str, str]] = (),
    environ: Mapping[str, str] | None = None,
) -> Ended:
    """Run a command on a terminal, as a person does; stdout and stderr are one.

    `answers` are questions and what is typed when each appears, in their order.
    """
    controller, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    process = subprocess.Popen(
        [*CLEW, *arguments],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env=environment(server, environ),
        start_new_session=True,
    )
    os.close(terminal)
    if stdin:
        os.write(controller, stdin.encode())
    # Not select: a process of many tests may have more than the 1024 files that it can look at.
    waiting = select.poll()
    waiting.register(controller, select.POLLIN)
    said = b""
    asked, looked_at = list(answers), 0
    deadline = time.monotonic() + SECONDS_MAX
    try:
        while time.monotonic() < deadline:
            readable = waiting.poll(max(0.0, deadline - time.monotonic()) * 1000)
            try:
                piece = os.read(controller, 65_536) if readable else b""
            except OSError:
                break  # Linux says EIO when the last one has left the terminal.
            if not piece:
                break
            said += piece
            while asked and (found := said.find(asked[0][0].encode(), looked_at)) >= 0:
                looked_at = found + len(asked[0][0])
                os.write(controller, asked.pop(0)[1].encode())
        code = process.wait(max(0.0, deadline - time.monotonic()))
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(controller)
    return Ended(code, said.decode(errors="replace").replace("\r\n", "\n"), "")
