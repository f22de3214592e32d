"""The page about processes names every status and every warning that one may have, and no other."""

from __future__ import annotations

import re
from typing import get_args

from clew.twin.parameters import ProcessStatus
from clew.twin.query import phases, process
from clew.twin.state.folding import EVENTS_EXPIRED
from tests.guides import GUIDE

PAGE = (GUIDE / "processes.md").read_text()

WARNINGS = {
    EVENTS_EXPIRED,
    phases.PHASE_AFTER_END,
    phases.PHASE_NOT_ALLOWED,
    phases.TIMED_OUT,
    phases.UNKNOWN_PHASE,
    phases.UNKNOWN_STATUS,
    process.LEFT_OUT,
    process.REJECTED,
}


def names_of(heading: str) -> set[str]:
    table = PAGE.partition(heading)[2].partition("\n\n")[0]
    return set(re.findall(r"^\| `([a-z_]+)` \|", table, re.MULTILINE))


def test_the_page_names_every_status() -> None:
    assert names_of("| status | means |") == {*get_args(ProcessStatus), phases.DELETED}


def test_the_page_names_every_warning_of_a_process() -> None:
    assert names_of("| warning | when |") == WARNINGS
