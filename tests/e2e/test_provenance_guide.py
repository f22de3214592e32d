"""The page about where results came from does what it says, against a fresh server."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from clew.lineage.ingest.decoder import FOREIGN, TIME
from clew.lineage.ingest.intake import REPLAYED
from clew.lineage.ingest.told import INCOMPLETE, NO_SPAN, TOO_MUCH, WRONG_TYPE
from clew.lineage.sbe.faults import Fault
from clew.surfaces.links.door import FAILED, KERNEL, RATE
from tests.guides import GUIDE, run_page

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import StartServer

PAGE = GUIDE / "provenance.md"


@pytest.mark.skipif(shutil.which("curl") is None, reason="the page tells by curl")
def test_the_page_runs_from_top_to_bottom(tmp_path: Path, start_server: StartServer) -> None:
    server = start_server()
    environ = {"CLEW_SERVER": server.url, "CLEW_LINKS": server.links_address}
    done = run_page(PAGE, tmp_path, environ, with_shell=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_page_names_every_reason() -> None:
    text = PAGE.read_text()
    reasons = [str(fault) for fault in Fault]
    of_telemetry = (WRONG_TYPE, INCOMPLETE, NO_SPAN, TOO_MUCH)
    for reason in (*reasons, *of_telemetry, FOREIGN, TIME, REPLAYED, KERNEL, RATE, FAILED):
        assert f"`{reason}`" in text, reason
