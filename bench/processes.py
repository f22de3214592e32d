"""Processes that are measured: started in their own group, watched through /proc, always ended."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import msgspec

from bench.machine import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType

STOP_S: Final = 30
"""A server drains and closes its engine within seconds; after this it is killed."""

SAMPLE_S: Final = 0.1
"""Threads of the engine change names with their work; ten looks a second give a fair split."""

IDLE_SHARE: Final = 0.03
IDLE_S: Final = 2.0
"""Below this share of a core for this long, background merges are taken to be over."""

_NO_BYTECODE: Final = "PYTHONDONTWRITEBYTECODE"
_TICKS = os.sysconf("SC_CLK_TCK")


def _environment() -> dict[str, str]:
    """Return our environment, but with compiled modules kept, whatever it says of them.

    A start that compiles every module again is not what a user sees after the first time.
    """
    kept = {name: value for name, value in os.environ.items() if name != _NO_BYTECODE}
    return kept | {"PYTHONPYCACHEPREFIX": str(ROOT / "build/pycache")}


def run_child(module: str, arguments: Sequence[str], *, timeout_s: float) -> dict[str, object]:
    """Run ``python -m module`` and return the JSON object it prints last; its CPU is then ours.

    Raises:
        RuntimeError: it did not end in time, or not with 0; the end of what it said is in the text.
    """
    with Child([sys.executable, "-m", module, *arguments]) as child:
        return child.result(timeout_s)


class Child:
    """A process in a group of its own. Leaving the ``with`` block ends the whole group."""

    def __init__(
        self, command: Sequence[str], *, log: Path | None = None, keep_fds: Sequence[int] = ()
    ) -> None:
        self._command = " ".join(command)
        self.started = time.perf_counter()
        with contextlib.ExitStack() as stack:
            stderr = stack.enter_context(log.open("ab")) if log else None
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=stderr or subprocess.PIPE,
                stderr=stderr,
                env=_environment(),
                start_new_session=True,
                pass_fds=keep_fds,
            )

    @property
    def pid(self) -> int:
        """The process id, which is the group's too."""
        return self._process.pid

    def result(self, timeout_s: float) -> dict[str, object]:
        """Wait for the end and return the last line of output, a JSON object."""
        try:
            output, _ = self._process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"{self._command} did not end in {timeout_s} s") from None
        lines = output.decode().strip().splitlines()
        if self._process.returncode != 0 or not lines:
            tail = "\n".join(lines[-5:])
            raise RuntimeError(f"{self._command}: code {self._process.returncode}\n{tail}")
        return msgspec.json.decode(lines[-1], type=dict[str, object])

    def poll(self) -> int | None:
        """Return the exit code, or None while it runs."""
        return self._process.poll()

    def kill(self) -> None:
        """End the group at once, as a crash would; idempotent."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(STOP_S)

    def stop(self) -> int | None:
        """Ask it to end, wait, and kill the group when it does not; return the exit code."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                print(f"{self._command} did not stop in {STOP_S} s; killed", flush=True)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        return self._process.wait(STOP_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
        if self._process.stdout:
            self._process.stdout.close()


# --- what a process uses ------------------------------------------------------------------------


def cpu_s(pid: int) -> float:
    """Return CPU seconds of a process so far, its ended threads included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def memory_mib(pid: int) -> tuple[float, float]:
    """Return resident memory of a process in MiB: now, and the most it ever was."""
    status = Path(f"/proc/{pid}/status").read_text()
    now, most = (
        int(re.search(rf"^{name}:\s+(\d+) kB", status, re.MULTILINE)[1])  # type: ignore[index]
        for name in ("VmRSS", "VmHWM")
    )
    return now / 1024, most / 1024


def wait_until_idle(pid: int, *, timeout_s: float) -> float:
    """Wait until a process hardly uses CPU any more; return how long that took.

    When it never calms down the wait ends at `timeout_s`; the caller compares.
    """
    begin = time.monotonic()
    quiet_since, at, used = begin, begin, cpu_s(pid)
    while (now := time.monotonic()) - begin < timeout_s:
        if now - quiet_since >= IDLE_S:
            break
        # Another process tells nothing when it calms down: its clock has to be looked at.
        time.sleep(0.25)
        later, used_later = time.monotonic(), cpu_s(pid)
        # The clock of /proc ticks in 10 ms: one tick in a short look is not work.
        if used_later - used > max(IDLE_SHARE * (later - at), 1.5 / _TICKS):
            quiet_since = later
        at, used = later, used_later
    return time.monotonic() - begin


@dataclass
class ThreadWatch:
    """CPU seconds of a process by the name of the thread that spent them.

    A thread's CPU since the last look goes to the name it bears now. What a thread spent after the
    last look before its end is in `cpu_s` and not here; `unseen` is that difference.
    """

    pid: int
    by_name: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    _last: dict[int, int] = field(default_factory=dict)
    _begin: float = 0.0
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._begin = cpu_s(self.pid)
        self._look()
        self.by_name.clear()
        self._thread = threading.Thread(target=self._watch, name="thread-watch", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop.set()
        if self._thread:
            self._thread.join()
        with contextlib.suppress(OSError):
            self._look()

    def total_s(self) -> float:
        """Return the CPU seconds of the whole process since the watch began."""
        return cpu_s(self.pid) - self._begin

    def _watch(self) -> None:
        while not self._stop.wait(SAMPLE_S):
            try:
                self._look()
            except OSError:
                return

    def _look(self) -> None:
        for tid, name, spent_ns in _threads(self.pid):
            self.by_name[name] += (spent_ns - self._last.get(tid, 0)) / 1e9
            self._last[tid] = spent_ns


def _threads(pid: int) -> Iterator[tuple[int, str, int]]:
    """Yield id, name and CPU nanoseconds of each thread of a process."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        # A thread may end between the listing and the look.
        with contextlib.suppress(OSError):
            name = (task / "comm").read_text().strip()
            spent = int((task / "schedstat").read_text().split()[0])
            yield int(task.name), name, spent


# --- what a folder uses -------------------------------------------------------------------------


def folder_bytes(folder: Path) -> int:
    """Return the sum of the sizes of all files under a folder; those that vanish count nothing."""
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            if path.is_file() and not path.is_symlink():
                total += path.stat().st_size
    return total


def forget_pages(folder: Path) -> None:
    """Ask the kernel to drop our files from its page cache, so that the next read is a cold one.

    Works for clean pages without any privilege. The host below a virtual machine may still cache.
    """
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            if path.is_file():
                descriptor = os.open(path, os.O_RDONLY)
                try:
                    os.fdatasync(descriptor)
                    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
                finally:
                    os.close(descriptor)
