"""`clew team bootstrap` in a shell: the files, a look, a trial, and what to do next."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clew.team.bootstrap.files import CONFIGURATION
from clew.testing.trailbase import FakeTrailBase

SECONDS_MAX = 150.0

EMAIL = "ann@example.org"
PASSWORD = "correct horse"


@pytest.fixture
def server() -> Iterator[FakeTrailBase]:
    with FakeTrailBase() as opened:
        opened.add_user(EMAIL, PASSWORD)
        yield opened


def clew(*arguments: str, password: str | None = None) -> subprocess.CompletedProcess[str]:
    environ = {name: text for name, text in os.environ.items() if not name.startswith("CLEW_")}
    if password is not None:
        environ["CLEW_TEAM_PASSWORD"] = password
    return subprocess.run(
        [sys.executable, "-m", "clew.app.main", "team", "bootstrap", *arguments],
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
    )


def test_a_server_is_set_up_by_what_is_written_and_found_to_be(tmp_path: Path) -> None:
    folder = tmp_path / "depot"
    written = clew("--write", str(folder))
    assert written.returncode == 0, written.stderr
    assert str(folder / CONFIGURATION) in json.loads(written.stdout)["written"]
    with FakeTrailBase(folder) as server:
        server.add_user(EMAIL, PASSWORD)
        done = clew(server.url, "--email", EMAIL, "--deep", password=PASSWORD)
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    assert report["ok"] is True
    assert {one["outcome"] for one in report["findings"]} == {"ok"}


def test_what_is_missing_is_a_line_with_the_next_step_and_an_exit_code(
    server: FakeTrailBase,
) -> None:
    server.write("UPDATE clew_info SET schema_version = 2")
    done = clew(server.url, "--email", EMAIL, "--format", "table", password=PASSWORD)
    assert done.returncode == 1
    assert "✗ wrong" in done.stdout
    assert "→ update clew" in done.stdout


def test_a_password_is_no_argument_and_never_shown(server: FakeTrailBase) -> None:
    nobody = clew(server.url, "--email", EMAIL)
    assert nobody.returncode == 3
    assert "CLEW_TEAM_PASSWORD" in json.loads(nobody.stderr)["hint"]
    wrong = clew(server.url, "--email", EMAIL, password="another one")
    assert wrong.returncode == 5
    assert "another one" not in wrong.stdout + wrong.stderr
