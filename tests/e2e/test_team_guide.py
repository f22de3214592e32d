"""The page about the team is followed as it stands, and its example runs in Python."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from clew.testing.server import ServerProcess
from clew.testing.trailbase import FakeTrailBase
from tests.guides import GUIDE, read_blocks, run_page, run_shell

EXAMPLES = Path(__file__).parents[2] / "examples"
PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def team_url() -> Iterator[str]:
    with FakeTrailBase() as fake:
        fake.add_user("ann@example.org", PASSWORD)
        yield fake.url


def test_the_page_about_the_team_is_true(team_url: str, tmp_path: Path) -> None:
    settings = {"team_key": "a key for the page about the team, long enough"}
    with ServerProcess(tmp_path / "data", settings) as server:
        environ = {
            "CLEW_SERVER": server.url,
            "TEAM_URL": team_url,
            "CLEW_TEAM_PASSWORD": PASSWORD,
        }
        done = run_page(GUIDE / "team.md", tmp_path, environ, with_shell=True)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "failed 0, pending 0" in done.stdout
        assert "1 sessions" in done.stdout
        assert "Traceback" not in server.stderr


def test_the_documented_usage_example_runs(team_url: str, tmp_path: Path) -> None:
    (tmp_path / "examples").symlink_to(EXAMPLES)
    environ = {
        "TEAM_URL": team_url,
        "CLEW_TEAM_PASSWORD": PASSWORD,
        "PYTHONPATH": str(tmp_path),
        "PYTHONWARNINGS": "error",
    }
    (_, command), (_, shown) = read_blocks(EXAMPLES / "team" / "README.md")
    done = run_shell(command, tmp_path, environ)
    assert (done.returncode, done.stdout) == (0, shown), done.stderr
