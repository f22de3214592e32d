"""What agents read is complete and current: the skill, the contract, the tools, the guide."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from clew.app.generate.agent_pages import write_contract, write_skill
from clew.app.main import build, commands
from clew.surfaces.cli.tree.table import COMMANDS
from clew.surfaces.mcp import generate
from clew.surfaces.mcp.answers import tokens_of
from clew.surfaces.mcp.pages import read_contract, read_skill
from clew.surfaces.mcp.tools.table import TOOLS
from clew.surfaces.rest.routes.table import ROUTES

ROOT = Path(__file__).parents[2]
NAMES = [command.name for command in (*commands(), *COMMANDS)]


def named(page: str) -> set[str]:
    """Return the command lines that a page names in backquotes or code blocks, without `clew`."""
    return set(re.findall(r"`clew ([a-z][^`]*)`", page))


def test_the_pages_are_as_they_are_generated() -> None:
    assert read_skill() == write_skill(), "make gen"
    assert read_contract() == write_contract(), "make gen"


def test_the_contract_names_every_command_and_every_route() -> None:
    assert set(NAMES) <= named(read_contract())
    for route in ROUTES:
        path = re.sub(r":[a-z]+}", "}", route.path)
        assert f"`{route.method} {path}`" in read_contract()


def test_the_skill_names_every_command_and_every_tool() -> None:
    skill = read_skill()
    for name in [*NAMES, *(tool.name for tool in TOOLS)]:
        assert f"`{name}`" in skill


@pytest.mark.parametrize("page", ["skill", "contract", "guide"])
def test_the_commands_that_a_page_names_exist(page: str) -> None:
    text = {
        "skill": read_skill(),
        "contract": read_contract(),
        "guide": (ROOT / "docs" / "guide" / "agents.md").read_text(),
    }[page]
    known = {*NAMES, *(name.split()[0] for name in NAMES)}
    app = build()
    for line in named(text):
        words = line.split()
        prefixes = (" ".join(words[:count]) for count in (3, 2))
        name = next((each for each in prefixes if each in known), words[0])
        assert name in known, f"clew {line}"
        if words[0] in app:
            flags = {word for word in words if word.startswith("--")}
            assert flags <= _flags(name), f"clew {line}"


def _flags(name: str) -> set[str]:
    command = build()
    for word in name.split():
        command = command[word]
    return {
        spelled for argument in command.assemble_argument_collection() for spelled in argument.names
    }


def test_every_tool_has_a_heading_in_the_reference() -> None:
    page = (ROOT / generate.PAGE).read_text()
    assert page == generate.write_page(), "make gen"
    for tool in TOOLS:
        assert f"\n## `{tool.name}`\n" in page


def test_the_pages_are_short_enough_to_be_read_first() -> None:
    # A skill is loaded whole; the contract is read once, and has a line for each route and command.
    assert tokens_of(read_skill()) < 3000
    assert tokens_of(read_contract()) < 8300


def test_the_set_ups_of_the_guide_are_what_clients_read() -> None:
    guide = (ROOT / "docs" / "guide" / "agents.md").read_text()
    blocks = re.findall(r"```json\n(.*?)```", guide, flags=re.DOTALL)
    assert len(blocks) >= 5
    for block in blocks:
        (servers,) = json.loads(block).values()
        clew = servers["clew"]
        address = clew.get("url") or clew.get("httpUrl")
        assert address == "http://127.0.0.1:7701/mcp" or clew["command"] == "clew"
    (block,) = re.findall(r"```toml\n(.*?)```", guide, flags=re.DOTALL)
    assert tomllib.loads(block)["mcp_servers"]["clew"] == {"command": "clew", "args": ["mcp"]}
