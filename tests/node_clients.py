"""Official clients for Node, installed beside the programs that use them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.caller import recall_caller

INSTALL_SECONDS_MAX: Final = 300.0
"""Installing takes ten seconds; a slow registry may take longer, a hanging one is an error."""


def install(folder: Path) -> str:
    """Return the node program, with what `folder` locks installed there; skip where neither is."""
    program, npm = shutil.which("node"), shutil.which("npm")
    if program is None or npm is None:
        if os.environ.get("CI") == "true":
            pytest.fail("node and npm are not installed; CI must have them")
        pytest.skip("node and npm are not installed")
    installed = folder / "node_modules" / ".package-lock.json"
    lock = folder / "package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        # The network is reached by the caller's proxy, where he has one.
        environ = dict(os.environ)
        recall_caller(environ)
        done = subprocess.run(
            [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"],
            cwd=folder,
            env=environ,
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS_MAX,
        )
        assert done.returncode == 0, done.stderr
        # npm keeps the time of an unchanged file, and the next run would install again.
        installed.touch()
    return program
