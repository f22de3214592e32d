"""The page about lineage runs as it stands."""

from __future__ import annotations

from pathlib import Path

from tests.guides import GUIDE, read_program, run_page

PAGE = GUIDE / "lineage.md"


def test_the_page_runs_from_top_to_bottom(tmp_path: Path) -> None:
    done = run_page(PAGE, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_page_has_a_program() -> None:
    assert read_program(PAGE).count("assert ") > 10
