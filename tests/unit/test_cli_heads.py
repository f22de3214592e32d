"""A command may run by itself and have others below it."""

from __future__ import annotations

import pytest

from clew.surfaces.cli.tree import heads
from clew.surfaces.cli.tree.command import KEEP, Command
from clew.surfaces.cli.tree.heads import find_heads, open_head

_TRACE_IDS = "clew.surfaces.cli.commands.trace_ids"

COMMANDS = (
    Command("trace-id", f"{_TRACE_IDS}:decode", KEEP, "Show what an id tells."),
    Command("trace-id next", f"{_TRACE_IDS}:next_", KEEP, "Make an id."),
    Command("other tap", f"{_TRACE_IDS}:next_", KEEP, "Of a family that only holds others."),
)


def test_only_what_is_a_command_and_has_others_below_it_is_a_head() -> None:
    assert find_heads(COMMANDS) == {"trace-id"}


def test_a_word_that_is_no_command_below_it_is_its_argument(
    capsys: pytest.CaptureFixture[str],
) -> None:
    app = open_head("trace-id", COMMANDS)
    assert app(["12611585"], result_action="return_value") == 0
    assert '"sequence":1' in capsys.readouterr().out
    assert app(["next", "--node-id", "7"], result_action="return_value") == 0
    assert '"node_id":7' in capsys.readouterr().out


def test_a_head_that_nobody_declared_is_not_found() -> None:
    with pytest.raises(AttributeError):
        _ = heads.no_such_command
