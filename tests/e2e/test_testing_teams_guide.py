"""The page about tests against a team's server is a file of tests, and they pass."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.guides import GUIDE, SECONDS_MAX, environment, read_program


def test_the_page_about_teams_passes(tmp_path: Path) -> None:
    (tmp_path / "test_page.py").write_text(read_program(GUIDE / "testing-teams.md"))
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "test_page.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        env=environment(),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 passed" in done.stdout
