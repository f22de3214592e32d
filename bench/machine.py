"""What the machine is, what is installed, and how busy others keep it."""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bench.figures import Figure, Machine, Report

ROOT = Path(__file__).parents[1]

_PACKAGES = ("clew", "clew-native", "chdb", "chdb-core", "pyarrow", "grpcio", "uvicorn")


def describe_machine() -> Machine:
    """Return the processor, its cores and the memory."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Machine(
        cpu=_cpu_model(),
        cores=len(os.sched_getaffinity(0)),
        memory_gib=round(memory / 2**30, 1),
        system=platform.system(),
    )


def _cpu_model() -> str:
    named: dict[str, str] = {}
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        named.setdefault(name.strip(), value.strip())
    model = named.get("model name", platform.processor())
    if {"cpu family", "model"} <= named.keys():
        return f"{model} (family {named['cpu family']}, model {named['model']})"
    return model


def describe_versions() -> dict[str, str]:
    """Return the versions of Python and of what decides the figures, and the commit measured."""
    found = {"python": platform.python_version(), "commit": _commit()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def _commit() -> str:
    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False, timeout=30
        )
        return done.stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", "--", "src", "native")
    return git("rev-parse", "--short=12", "HEAD") + (" with changes" if changed else "")


def _machine_busy_s() -> float:
    """Return CPU seconds that all processes of the machine have used, stolen time included."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    user, nice, system, _idle, _wait, irq, softirq, steal = map(int, fields[:8])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def _own_cpu_s() -> float:
    """Return CPU seconds of this process and of its children that have ended."""
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in (
            resource.getrusage(resource.RUSAGE_SELF),
            resource.getrusage(resource.RUSAGE_CHILDREN),
        )
    )


@dataclass
class Session:
    """One run of one benchmark: collects its figures and watches who else uses the cores."""

    bench: str
    quick: bool
    sizes: tuple[int, ...] = ()
    figures: dict[str, Figure] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    _busy: float = field(default_factory=_machine_busy_s)
    _own: float = field(default_factory=_own_cpu_s)
    _start: float = field(default_factory=time.monotonic)

    def add(self, name: str, figure: Figure) -> None:
        """Keep a figure and say it."""
        self.figures[name] = figure
        spread = f" ({figure.low:g} to {figure.high:g})" if figure.rounds > 1 else ""
        print(f"{name:58} {figure.value:>12g} {figure.unit}{spread} {figure.note}", flush=True)

    def note(self, text: str) -> None:
        """Keep a remark for the reader of the report."""
        self.notes.append(text)
        print(f"note: {text}", flush=True)

    def report(self) -> Report:
        """Return what was measured; children must have ended, or their CPU counts as others'."""
        wall = time.monotonic() - self._start
        others = (_machine_busy_s() - self._busy) - (_own_cpu_s() - self._own)
        return Report(
            bench=self.bench,
            date=datetime.now(UTC).isoformat(timespec="seconds"),
            quick=self.quick,
            machine=describe_machine(),
            versions=describe_versions(),
            others_cpu=round(max(0.0, others) / max(wall, 1e-9), 2),
            wall_s=round(wall, 1),
            figures=self.figures,
            notes=self.notes,
        )
