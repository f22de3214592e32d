"""The page about tests is a file of tests, and they pass; one that fails shows its events."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from tests.e2e.terminal import environment
from tests.guides import GUIDE, SECONDS_MAX, read_program

if TYPE_CHECKING:
    from pathlib import Path

    from clew.testing.server import ServerProcess

PAGE = GUIDE / "testing-twins.md"

WRONG = """
def test_wrong(twin_run):
    add("c1", "SKU-1")
    assert_twin(twin_run, "c1", total=5)
"""


def run_pytest(folder: Path, program: str, server: str | None) -> subprocess.CompletedProcess[str]:
    (folder / "test_page.py").write_text(program)
    (folder / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "test_page.py"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        env=environment(server),
    )


def test_the_page_passes(tmp_path: Path, server: ServerProcess) -> None:
    done = run_pytest(tmp_path, read_program(PAGE), server.url)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 passed" in done.stdout


def test_a_test_that_fails_shows_what_was_said_of_objects(tmp_path: Path) -> None:
    head = read_program(PAGE).partition("def test_")[0]
    done = run_pytest(tmp_path, head + WRONG, None)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "total: expected 5" in done.stdout
    assert "events of objects" in done.stdout
    assert "Cart c1: State change: item_count, total, skus item_count=1, total=10.0" in done.stdout
    # What the kit does by itself is of no interest to who reads the report.
    assert "def find_problem" not in done.stdout
