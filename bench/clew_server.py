"""A clew server under measurement: started on a folder, asked over its doors, always stopped."""

from __future__ import annotations

import os
import select
import sys
import time
from typing import TYPE_CHECKING, Any, Final, Self

import httpx
import msgspec

from bench.processes import Child

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

START_S: Final = 60.0
"""A server that is not ready by then will not be."""

ANSWER_S: Final = 120.0
"""The slowest question here is a count over ten million rows, under load."""


class ClewServer:
    """``clew serve`` in a child process on ports of the system's choice.

    `ready_s` is the time from starting the process to its saying that it is ready. What it says
    goes to ``server.log`` beside the data folder.
    """

    def __init__(self, folder: Path, *flags: str, trails_port: int = 0, http_port: int = 0) -> None:
        self.folder = folder
        self._log = folder.with_name(folder.name + ".log")
        reader, writer = os.pipe()
        try:
            self._child = Child(
                [
                    *(sys.executable, "-m", "bench.server", "serve", "--data-dir", str(folder)),
                    *("--http", f"127.0.0.1:{http_port}", "--otlp-http", "127.0.0.1:0"),
                    *("--otlp-grpc", "127.0.0.1:0", "--trails", f"127.0.0.1:{trails_port}"),
                    *("--links", "127.0.0.1:0"),
                    *("--ready-fd", str(writer), *flags),
                ],
                log=self._log,
                keep_fds=(writer,),
            )
        except BaseException:
            os.close(reader)
            raise
        finally:
            os.close(writer)
        try:
            self.doors = self._wait_until_ready(reader)
        except BaseException:
            self._child.stop()
            raise
        finally:
            os.close(reader)
        self.ready_s = time.perf_counter() - self._child.started
        self.http = httpx.Client(base_url=f"http://{self.doors['http']}", timeout=ANSWER_S)

    @property
    def pid(self) -> int:
        """The process id of the server."""
        return self._child.pid

    def port(self, door: str) -> int:
        """Return the port of an OTLP door: ``http`` or ``grpc``."""
        return int(self.doors[f"otlp_{door}"].rpartition(":")[2])

    def sql(self, statement: str) -> list[dict[str, Any]]:
        """Run a statement over the REST door and return its rows."""
        answer = self.http.post("/api/v1/sql", json={"q": statement})
        answer.raise_for_status()
        rows: list[dict[str, Any]] = answer.json()["rows"]
        return rows

    def count_spans(self) -> int:
        """Return how many spans the store has, hot ones included."""
        return int(self.sql("SELECT count() AS n FROM otel_traces")[0]["n"])

    def stop(self) -> None:
        """End the server; a bad exit code is an error of the run."""
        self.http.close()
        code = self._child.stop()
        if code != 0:
            raise RuntimeError(f"the server ended with {code}:\n{self._log.read_text()[-2000:]}")

    def kill(self) -> None:
        """End it at once, as a crash would."""
        self.http.close()
        self._child.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self.stop()
        else:
            self.http.close()
            self._child.stop()

    def _wait_until_ready(self, reader: int) -> dict[str, str]:
        """Return the addresses from the line that the server writes when it is ready."""
        line = b""
        deadline = time.monotonic() + START_S
        while not line.endswith(b"\n"):
            readable, _, _ = select.select([reader], [], [], max(0.0, deadline - time.monotonic()))
            piece = os.read(reader, 65536) if readable else b""
            if not piece:
                tail = self._log.read_text()[-2000:]
                raise RuntimeError(f"the server is not ready:\n{tail}")
            line += piece
        return msgspec.json.decode(line, type=dict[str, str])
