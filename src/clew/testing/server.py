"""A real server for tests: a child process on free ports over a folder of its own.

It is ready when it says so on a pipe, never after a pause. It cannot outlive the tests: a lifeline,
a pipe whose other end this process holds, ends it and its process group when this process is gone,
however it went.

``python -m clew.testing.server`` is what the child runs.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Final, NoReturn, Self

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

READY_SECONDS_MAX: Final = 150.0
"""When a server that does not become ready is given up: a hundred times what it takes, since
others may have the cores and the disk of a machine that runs tests."""

END_SECONDS_MAX: Final = 100.0
"""When a server that does not end is killed: twice what its own limits on draining add up to."""

STDERR_SHOWN_BYTES: Final = 8192

LIFELINE_VARIABLE: Final = "CLEW_TESTING_LIFELINE"


class ServerProcess:
    """A server over `folder`, configured by `settings` (`clew.app.configuration`).

    It records nothing of itself unless a setting says so.

    Raises:
        RuntimeError: it ended, or was not ready in time; the message holds what it said.
    """

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, str] | None = None,
        *,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.stderr_path = folder.with_name(f"{folder.name}.stderr")
        self.addresses: dict[str, str] = {}
        self._lifeline: int | None = None
        started = time.monotonic()
        self._ready_reader = self._spawn(dict(settings or {}), dict(environ or os.environ))
        try:
            self._wait_until_ready()
        except BaseException:
            self.kill()
            raise
        self.ready_seconds = time.monotonic() - started

    @property
    def pid(self) -> int:
        """The process id, which is also that of its process group."""
        return self._process.pid

    @property
    def url(self) -> str:
        """The HTTP door: ``http://host:port``."""
        return f"http://{self.addresses['http']}"

    @property
    def otlp_url(self) -> str:
        """The OTLP/HTTP door: ``http://host:port``."""
        return f"http://{self.addresses['otlp_http']}"

    @property
    def otlp_grpc(self) -> str:
        """The OTLP/gRPC door: ``host:port``."""
        return self.addresses["otlp_grpc"]

    @property
    def trails_url(self) -> str:
        """The agent plane: ``ws://host:port/ws``."""
        return f"ws://{self.addresses['trails']}/ws"

    @property
    def links_address(self) -> str:
        """Where link sets go as datagrams, such as ``udp://127.0.0.1:7704``."""
        return self.addresses["links"]

    @property
    def stderr(self) -> str:
        """Everything it has said so far."""
        return self.stderr_path.read_text(errors="replace")

    def signal(self, number: signal.Signals) -> None:
        """Send the server a signal."""
        self._process.send_signal(number)

    def wait(self, seconds_max: float = END_SECONDS_MAX) -> int:
        """Return its exit code once it has ended.

        Raises:
            RuntimeError: it does not end in time; it is killed then.
        """
        try:
            code = self._process.wait(seconds_max)
        except subprocess.TimeoutExpired:
            self.kill()
            raise RuntimeError(f"the server does not end\n{self._last_words()}") from None
        self._cut_lifeline()
        return code

    def terminate(self) -> int:
        """Ask it to end, and return its exit code."""
        if self._process.poll() is None:
            self.signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """End it and its process group at once, as a crash would; idempotent."""
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._cut_lifeline()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()

    def _spawn(self, settings: dict[str, str], environ: dict[str, str]) -> int:
        ready_reader, ready_writer = os.pipe()
        lifeline_reader, self._lifeline = os.pipe()
        given = {
            "data_dir": str(self.folder),
            "http": "127.0.0.1:0",
            "otlp_http": "127.0.0.1:0",
            "otlp_grpc": "127.0.0.1:0",
            "trails": "127.0.0.1:0",
            "links": "127.0.0.1:0",
            "ready_fd": str(ready_writer),
            # Frames of its own between two answers would make them differ.
            "own_telemetry": "off",
        } | settings
        # Settings of whoever runs the tests are none of the server's business.
        clean = {name: text for name, text in environ.items() if not name.startswith("CLEW_")}
        clean |= {f"CLEW_{name.upper()}": text for name, text in given.items()}
        clean |= {"CLEW_CONFIG": "off", LIFELINE_VARIABLE: str(lifeline_reader)}
        try:
            with self.stderr_path.open("ab") as stderr:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "clew.testing.server"],
                    env=clean,
                    stdin=subprocess.DEVNULL,
                    stdout=stderr,
                    stderr=stderr,
                    pass_fds=(ready_writer, lifeline_reader),
                    start_new_session=True,
                )
        finally:
            os.close(ready_writer)
            os.close(lifeline_reader)
        return ready_reader

    def _wait_until_ready(self) -> None:
        line = b""
        deadline = time.monotonic() + READY_SECONDS_MAX
        # A process with an engine in it has descriptors past what select() takes.
        poll = select.poll()
        poll.register(self._ready_reader, select.POLLIN | select.POLLHUP)
        try:
            while not line.endswith(b"\n"):
                left = max(0.0, deadline - time.monotonic())
                readable = poll.poll(left * 1000)
                piece = os.read(self._ready_reader, 4096) if readable else b""
                if not piece:
                    why = "ended" if readable else "is not ready in time"
                    raise RuntimeError(f"the server {why}\n{self._last_words()}")
                line += piece
        finally:
            os.close(self._ready_reader)
        self.addresses = json.loads(line)

    def _last_words(self) -> str:
        return self.stderr[-STDERR_SHOWN_BYTES:]

    def _cut_lifeline(self) -> None:
        if self._lifeline is not None:
            os.close(self._lifeline)
            self._lifeline = None


def _end_with_starter() -> None:
    """Wait for the end of the one who started us, and go with it."""
    with os.fdopen(int(os.environ[LIFELINE_VARIABLE]), "rb") as lifeline:
        lifeline.read()
    os.killpg(os.getpgrp(), signal.SIGKILL)


def main() -> NoReturn:
    """Serve by the environment, as long as the one who started us lives."""
    # In a thread of its own: a server that hangs ends all the same.
    threading.Thread(target=_end_with_starter, daemon=True, name="lifeline").start()
    from clew.app.server import main as serve_by_environment

    serve_by_environment()


if __name__ == "__main__":
    main()
