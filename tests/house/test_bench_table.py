"""The page of the figures is what the results and the notes say."""

from __future__ import annotations

from bench.table import PAGE, render


def test_the_page_of_the_figures_is_fresh() -> None:
    assert PAGE.read_text() == render(), "run: python -m bench table"
