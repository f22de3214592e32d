"""The programs of the guide run as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.scripted_peer import SECONDS_MAX, WillingPeer

PAGE = Path(__file__).parents[2] / "docs" / "guide" / "join-the-tree.md"
PROGRAMS = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("program", PROGRAMS, ids=range(len(PROGRAMS)))
def test_a_program_of_the_guide_runs(program: str, tmp_path: Path) -> None:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "CLEW_", "TRAILS_"))}
    (tmp_path / "program.py").write_text(program)
    with WillingPeer() as peer:
        info = peer.config().encode()
        done = subprocess.run(
            [sys.executable, "program.py"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=SECONDS_MAX,
            env=clean | {"TRAILS_INFO": info, "TREE": peer.url, "OTEL_SDK_DISABLED": "true"},
        )
    assert (done.returncode, done.stderr) == (0, "")
    assert [frame for frame in peer.frames if frame["type"] == "register"]


def test_the_guide_has_programs() -> None:
    assert len(PROGRAMS) >= 5
