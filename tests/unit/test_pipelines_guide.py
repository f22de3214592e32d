"""The page about pipelines runs as it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.guides import GUIDE, read_program, run_page

if TYPE_CHECKING:
    from pathlib import Path

PAGE = GUIDE / "pipelines.md"


def test_the_page_about_pipelines_runs_from_top_to_bottom(tmp_path: Path) -> None:
    done = run_page(PAGE, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_page_about_pipelines_has_a_program() -> None:
    assert read_program(PAGE).count("assert ") > 12
