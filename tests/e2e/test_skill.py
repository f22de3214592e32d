"""`clew skill` as a shell sees it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from clew.surfaces.mcp.pages import read_skill


def clew(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    project = home / "project"
    project.mkdir(exist_ok=True)
    return subprocess.run(
        [sys.executable, "-m", "clew.app.main", *arguments],
        capture_output=True,
        text=True,
        timeout=150,
        cwd=project,
        env={"PATH": os.environ["PATH"], "HOME": str(home)},
    )


@pytest.mark.parametrize(
    ("flags", "place"),
    [([], ".claude/skills/clew"), (["--project"], "project/.claude/skills/clew")],
)
def test_the_skill_is_written_where_clients_look_for_it(
    tmp_path: Path, flags: list[str], place: str
) -> None:
    path = tmp_path / place / "SKILL.md"
    for _ in range(2):
        done = clew(tmp_path, "skill", "install", *flags)
        assert done.returncode == 0, done.stderr
        (said,) = json.loads(done.stdout)["skills"]
        assert (said["path"], said["current"]) == (str(path), True)
    assert path.read_text() == read_skill()
    assert [each.name for each in path.parent.iterdir()] == ["SKILL.md"]


def test_a_skill_that_says_something_else_stays_unless_forced(tmp_path: Path) -> None:
    path = tmp_path / ".claude" / "skills" / "clew" / "SKILL.md"
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    done = clew(tmp_path, "skill", "install")
    assert done.returncode == 1
    assert json.loads(done.stderr)["hint"] == "--force replaces it"
    assert path.read_text() == "mine"
    assert clew(tmp_path, "skill", "install", "--force").returncode == 0
    assert path.read_text() == read_skill()


def test_where_tells_of_both_places(tmp_path: Path) -> None:
    clew(tmp_path, "skill", "install", "--project")
    done = clew(tmp_path, "skill", "where")
    states = {each["scope"]: each["installed"] for each in json.loads(done.stdout)["skills"]}
    assert states == {"user": False, "project": True}


def test_show_prints_the_skill(tmp_path: Path) -> None:
    assert clew(tmp_path, "skill", "show").stdout == read_skill()


def test_a_place_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / ".claude").write_text("a file where a folder should be")
    done = clew(tmp_path, "skill", "install")
    assert done.returncode == 5
    assert json.loads(done.stderr)["code"] == "forbidden"
