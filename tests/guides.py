"""Pages of the guide as programs: their Python blocks, in order, in one namespace.

A page whose blocks build on each other is one program. Lines keep their numbers, so that an error
names the line of the page.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

GUIDE = Path(__file__).parents[1] / "docs" / "guide"

SECONDS_MAX = 60.0
"""A deadline, not an expectation."""

_BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def read_program(page: Path) -> str:
    """Return the Python blocks of a page as one program; every other line is empty."""
    text = page.read_text()
    lines = [""] * (text.count("\n") + 1)
    for block in _BLOCK.finditer(text):
        first = text.count("\n", 0, block.start(1))
        for place, line in enumerate(block[1].splitlines()):
            lines[first + place] = line
    return "\n".join(lines)


def run_page(
    page: Path, folder: Path, environ: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the program of a page in a folder of its own, warnings being errors."""
    program = folder / f"{page.stem}.py"
    program.write_text(read_program(page))
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "CLEW_", "TRAILS_"))}
    return subprocess.run(
        [sys.executable, "-W", "error", program.name],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        env=clean | dict(environ or {}),
    )
