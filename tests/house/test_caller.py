"""What whoever runs the tests has told his own programs, they hear nothing of."""

from __future__ import annotations

import re
from pathlib import Path

from tests.caller import ASIDE, OURS, OURS_PREFIX, forget_caller, recall_caller

TESTS = Path(__file__).parents[1]

ASKED = re.compile(r"""os\.environ\.get\("(CLEW_[A-Z_]+)"|"(CLEW_[A-Z_]+)" in os\.environ""")


def test_variables_of_the_caller_are_forgotten_but_those_of_the_tests() -> None:
    proxy, data = "http://proxy", "/his/data"
    kept = {"CLEW_SERVER": "http://his", "CLEW_SEED": "7", "CLEW_TEST_HOSTS": "off"}
    kept |= {"OTEL_SDK_DISABLED": "true", "https_proxy": proxy, "XDG_DATA_HOME": data}
    forget_caller(kept, "/ours")
    # Each process that shares the tests begins with what the first one left.
    forget_caller(kept, "/ours too")
    assert not {"CLEW_SERVER", "OTEL_SDK_DISABLED", "https_proxy"} & kept.keys()
    assert (kept["CLEW_SEED"], kept["CLEW_TEST_HOSTS"]) == ("7", "off")
    assert kept["XDG_DATA_HOME"] == "/ours too/data"
    recall_caller(kept)
    assert (kept["https_proxy"], kept["XDG_DATA_HOME"]) == (proxy, data)
    assert not [name for name in kept if name.startswith((ASIDE, "XDG_CONFIG"))]


def test_what_the_tests_ask_for_is_let_in() -> None:
    asked = {
        name
        for path in TESTS.rglob("*.py")
        for match in ASKED.finditer(path.read_text())
        for name in match.groups()
        if name is not None
    }
    assert "CLEW_SEED" in asked
    forgotten = {each for each in asked - OURS if not each.startswith(OURS_PREFIX)}
    assert not forgotten, "name it in tests/caller.py"
