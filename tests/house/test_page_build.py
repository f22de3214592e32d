"""The page that is shipped is the one whose source is here."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UI = ROOT / "ui"
SHIPPED = ROOT / "src/clew/surfaces/web/static"


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.slow
def test_the_page_that_is_shipped_was_built_from_this_source(tmp_path: Path) -> None:
    """Byte for byte: builds of one source are equal, whoever makes them, and wherever."""
    node = shutil.which("node")
    vite = UI / "node_modules/vite/bin/vite.js"
    if node is None or not vite.is_file():
        pytest.skip("no node, or its modules are not installed: make ui/node_modules")
    built = tmp_path / "static"
    command = [node, str(vite), "build", "--outDir", str(built), "--logLevel", "error"]
    done = subprocess.run(command, cwd=UI, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    shipped, fresh = files_of(SHIPPED), files_of(built)
    stale = sorted(name for name in {*shipped, *fresh} if shipped.get(name) != fresh.get(name))
    told = ", ".join(stale[:4])
    assert not stale, f"run make ui: {len(stale)} shipped files are not of this source, as {told}"
