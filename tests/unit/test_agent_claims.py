"""Folders that agents claim, and what is swept away of those that nobody claims."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from clew.tree.agent.claims import make_claimed, sweep


def maker(parent: Path) -> Callable[[], Path]:
    numbers = itertools.count()

    def make() -> Path:
        folder = parent / f"mine-{next(numbers)}"
        folder.mkdir()
        return folder

    return make


def test_what_is_claimed_stays_and_what_is_released_goes(tmp_path: Path) -> None:
    make = maker(tmp_path)
    kept, left = make_claimed(make), make_claimed(make)
    left.release()
    left.release()
    sweep(tmp_path, "mine-", Path.rmdir)
    assert list(tmp_path.iterdir()) == [kept.folder]
    kept.release()


def test_nothing_else_is_swept(tmp_path: Path) -> None:
    (tmp_path / "yours").mkdir()
    (tmp_path / "mine-file").write_text("text")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "mine-link").symlink_to(tmp_path / "elsewhere")
    in_use = tmp_path / "mine-in-use"
    in_use.mkdir()
    (in_use / "something").write_text("text")
    before = set(tmp_path.iterdir())
    sweep(tmp_path, "mine-", Path.rmdir)
    sweep(tmp_path / "absent", "mine-", Path.rmdir)
    assert set(tmp_path.iterdir()) == before


def test_a_folder_that_is_swept_before_it_is_claimed_is_made_again(tmp_path: Path) -> None:
    make = maker(tmp_path)

    def make_slowly() -> Path:
        folder = make()
        if folder.name == "mine-0":
            sweep(tmp_path, "mine-", Path.rmdir)
        return folder

    claim = make_claimed(make_slowly)
    assert claim.folder.name == "mine-1"
    claim.release()


def test_where_each_is_swept_it_is_given_up(tmp_path: Path) -> None:
    make = maker(tmp_path)

    def make_and_lose() -> Path:
        folder = make()
        folder.rmdir()
        return folder

    with pytest.raises(OSError, match="swept"):
        make_claimed(make_and_lose)
