"""An etcd server for tests, where the machine has the program ``etcd``.

It listens on loopback, or on the one address it is given, keeps what it is told in a temporary
folder, and is gone with it when it is closed, or when this process ends however it may.
"""

from __future__ import annotations

import itertools
import json
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from clew.testing.network import LOOPBACK, HeldPorts
from clew.testing.postgres import end_with_parent

if TYPE_CHECKING:
    from types import TracebackType

    from clew.testing.certificates import Authority

__all__ = ["EtcdProcess", "find_etcd"]

READY_SECONDS_MAX: Final = 150.0
"""When a server that does not answer is given up: a hundred times what it takes."""

ANSWER_SECONDS_MAX: Final = 60.0


def find_etcd() -> str | None:
    """Return where the program is, None where there is none."""
    return shutil.which("etcd")


class EtcdProcess:
    """A server of one member, of which every caller gets a path of its own.

    With an `authority` it speaks TLS, and lets in who shows a certificate of that one.

    Raises:
        FileNotFoundError: there is no etcd on this machine.
    """

    def __init__(self, address: str = LOOPBACK, authority: Authority | None = None) -> None:
        program = find_etcd()
        if program is None:
            raise FileNotFoundError("there is no etcd on this machine")
        self.folder = Path(tempfile.mkdtemp(prefix="clew-etcd-"))
        self._numbers = itertools.count(1)
        self._held = HeldPorts(2, address)
        self.port, peers = self._held.numbers
        self.host = f"{address}:{self.port}"
        self._scheme, self._query = "etcd", ""
        self._context: ssl.SSLContext | None = None
        guarding: tuple[str | Path, ...] = ()
        if authority is not None:
            guarding = self._guard(authority, address)
        self._base = f"{'http' if self._context is None else 'https'}://{self.host}"
        clients, members = self._base, f"http://{address}:{peers}"
        self._command = (
            *(program, "--name", "one", "--data-dir", self.folder / "data"),
            *("--listen-client-urls", clients, "--advertise-client-urls", clients),
            *("--listen-peer-urls", members, "--initial-advertise-peer-urls", members),
            *("--initial-cluster", f"one={members}"),
            *guarding,
        )
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    def start(self) -> None:
        """Start the server over what it kept, and return once it answers."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - a program that was looked for
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # It calls the kernel and nothing else, so no lock of another thread can hold it.
                preexec_fn=end_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509
            )
        self._wait_until_ready(self._process)

    def kill(self) -> None:
        """End the server as a crash would. Idempotent."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def new_url(self, user: str = "") -> str:
        """Return an address below a path that nobody has used yet."""
        return f"{self._scheme}://{user}{self.host}/{next(self._numbers)}{self._query}"

    def ask(self, what: str, question: dict[str, Any], token: str | None = None) -> dict[str, Any]:
        """Return what the server answers; `what` is the path below ``/v3/``."""
        request = urllib.request.Request(  # noqa: S310 - where it listens
            f"{self._base}/v3/{what}",
            json.dumps(question).encode(),
            {"authorization": token} if token else {},
        )
        opened = urllib.request.urlopen(  # noqa: S310
            request, timeout=ANSWER_SECONDS_MAX, context=self._context
        )
        with opened as answer:
            document: dict[str, Any] = json.load(answer)
        return document

    def close(self) -> None:
        """End the server and remove what it kept."""
        self.kill()
        self._held.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _guard(self, authority: Authority, address: str) -> tuple[str | Path, ...]:
        """Get certificates for the server and for whoever asks it; return the server's flags."""
        own, client = authority.issue("etcd", "etcd", address), authority.issue("client")
        self._context = ssl.create_default_context(cafile=str(authority.cert))
        self._context.load_cert_chain(*client)
        self._scheme = "etcds"
        self._query = f"?cacert={authority.cert}&cert={client.cert}&key={client.key}"
        return (
            *("--cert-file", own.cert, "--key-file", own.key),
            *("--client-cert-auth", "--trusted-ca-file", authority.cert),
        )

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + READY_SECONDS_MAX
        while True:
            try:
                self.ask("kv/range", {"key": "AA=="})
            except OSError:
                if time.monotonic() > deadline or process.poll() is not None:
                    raise RuntimeError((self.folder / "log").read_text()) from None
            else:
                return
            try:
                process.wait(0.02)
            except subprocess.TimeoutExpired:
                continue

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
