"""Pages as programs: their Python blocks, in order, in one namespace; and what they do in a shell.

A page whose blocks build on each other is one program. Lines keep their numbers, so that an error
names the line of the page. Blocks marked ``sh`` are run where they stand, as somebody who reads
would; what is not for the tests to run is marked otherwise.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.patience import PATIENT

GUIDE = Path(__file__).parents[1] / "docs" / "guide"

SECONDS_MAX = 150.0
"""A deadline, not an expectation."""

SHELL_SECONDS_MAX = 250.0
"""The same for a page with its shell: some forty commands, each a process."""

SHELL = ("bash", "-euo", "pipefail", "-c")

_BLOCK = re.compile(r"^```([a-z]+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def read_blocks(page: Path) -> list[tuple[str, str]]:
    """Return the blocks of a page that say what they are, each with its kind, in order."""
    return [(block[1], block[2]) for block in _BLOCK.finditer(page.read_text())]


def read_program(page: Path, *, with_shell: bool = False) -> str:
    """Return the Python blocks of a page as one program; every other line is empty.

    With its shell, a block marked ``sh`` is a call that stands where the block begins.
    """
    text = page.read_text()
    lines = [""] * (text.count("\n") + 1)
    for block in _BLOCK.finditer(text):
        first = text.count("\n", 0, block.start(2))
        if block[1] == "python":
            for place, line in enumerate(block[2].splitlines()):
                lines[first + place] = line
        elif block[1] == "sh" and with_shell:
            command = [*SHELL, block[2]]
            lines[first] = f"__import__('subprocess').run({command!r}, check=True)"
    return "\n".join(lines)


def read_table(page: Path, first: str) -> list[dict[str, str]]:
    """Return the rows of the table of a page whose first column has that title, by title."""
    lines = iter(page.read_text().splitlines())
    header = next(line for line in lines if line.startswith(f"| {first} |"))
    next(lines)
    titles = _cells(header)
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append(dict(zip(titles, _cells(line), strict=True)))
    return rows


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def environment(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return an environment in which nothing but the test decides, with `clew` in its path.

    What it names as CLEW_SERVER is a server that answers.
    """
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "CLEW_", "TRAILS_"))}
    clean["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{clean.get('PATH', os.defpath)}"
    given = dict(environ or {})
    return clean | dict(PATIENT if "CLEW_SERVER" in given else {}) | given


def run_page(
    page: Path,
    folder: Path,
    environ: Mapping[str, str] | None = None,
    *,
    with_shell: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Run the program of a page in a folder of its own, warnings being errors."""
    program = folder / f"{page.stem}.py"
    program.write_text(read_program(page, with_shell=with_shell))
    seconds_max = SHELL_SECONDS_MAX if with_shell else SECONDS_MAX
    return _run([sys.executable, "-W", "error", program.name], folder, environ, seconds_max)


def run_shell(
    commands: str, folder: Path, environ: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run commands as a page has them, each of which has to succeed."""
    return _run([*SHELL, commands], folder, environ, SHELL_SECONDS_MAX)


def _run(
    command: list[str], folder: Path, environ: Mapping[str, str] | None, seconds_max: float
) -> subprocess.CompletedProcess[str]:
    """Run a command; one that takes too long ends with all that it started."""
    process = subprocess.Popen(
        command,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(environ),
        start_new_session=True,
    )
    with process:
        try:
            said, complained = process.communicate(timeout=seconds_max)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    return subprocess.CompletedProcess(command, process.returncode, said, complained)
