"""The page about entities of one's own is a program, and it runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.guides import GUIDE, SECONDS_MAX, read_program


def test_the_page_about_entities_of_ones_own_runs(tmp_path: Path) -> None:
    program = tmp_path / "page.py"
    program.write_text(read_program(GUIDE / "own-entities.md"))
    done = subprocess.run(
        [sys.executable, str(program)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "findings.db").exists()
