"""The page about asking names every warning that a state may have, and no other."""

from __future__ import annotations

import re

from clew.twin.fold import CHANGE_AFTER_DELETE, CREATED_AGAIN
from clew.twin.query.graph import LEFT_OUT
from clew.twin.query.states import BEFORE_FIRST_ARRIVAL, BEFORE_FIRST_EVENT, CLOCK_SKEW
from clew.twin.reconstructor.blueprints import UNKNOWN_REGISTRY
from clew.twin.schema.invariants import INVARIANT
from clew.twin.state.folding import EVENTS_EXPIRED
from clew.twin.state.kinds import BAD_VALUE
from clew.twin.state.start import EVENTS_APART
from tests.guides import GUIDE

WARNINGS = {
    BAD_VALUE,
    BEFORE_FIRST_ARRIVAL,
    BEFORE_FIRST_EVENT,
    CHANGE_AFTER_DELETE,
    CLOCK_SKEW,
    CREATED_AGAIN,
    EVENTS_APART,
    EVENTS_EXPIRED,
    INVARIANT,
    LEFT_OUT,
    UNKNOWN_REGISTRY,
}


def test_the_page_names_every_warning_of_a_state() -> None:
    page = (GUIDE / "queries.md").read_text()
    table = page.partition("| warning | when |")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| `([a-z_]+)` \|", table, re.MULTILINE)) == WARNINGS
