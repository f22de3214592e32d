"""Keep the lists in the pages for agents: the skill names every command, `llms.txt` the routes too.

The pages are written by hand but for what stands between two marks. ``python -m clew.app.generate``
writes that anew.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from clew.app.main import commands
from clew.surfaces.cli.tree.table import COMMANDS
from clew.surfaces.mcp.pages import CONTRACT_NAME, SKILL_NAME
from clew.surfaces.mcp.tools.table import TOOLS
from clew.surfaces.rest.routes.table import ROUTES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clew.surfaces.cli.tree.command import Command

SKILL: Final = Path("src/clew/surfaces/mcp") / SKILL_NAME
CONTRACT: Final = Path("src/clew/surfaces/mcp") / CONTRACT_NAME

_ROOT: Final = Path(__file__).parents[4]
_MARK: Final = "<!-- {name}: written by `python -m clew.app.generate` -->\n"
_END: Final = "<!-- end -->\n"


def write_skill() -> str:
    """Return the skill with every command and every tool named."""
    named = ", ".join(f"`{command.name}`" for command in _commands())
    tools = ", ".join(f"`{tool.name}`" for tool in TOOLS)
    text = f"All MCP tools: {tools}.\n\nAll commands of `clew`: {named}.\n"
    return _fill(SKILL, {"commands": text})


def write_contract() -> str:
    """Return the contract with every route and every command."""
    lines = [f"- `clew {command.name}`: {command.summary}\n" for command in _commands()]
    routes = [
        f"- `{route.method} {re.sub(r':[a-z]+}', '}', route.path)}`: {route.summary}\n"
        for route in ROUTES
    ]
    return _fill(CONTRACT, {"routes": "".join(routes), "commands": "".join(lines)})


def _commands() -> list[Command]:
    return [*commands(), *COMMANDS]


def _fill(path: Path, parts: Mapping[str, str]) -> str:
    """Return a page with what stands between its marks replaced."""
    text = (_ROOT / path).read_text(encoding="utf-8")
    for name, content in parts.items():
        mark = _MARK.format(name=name)
        before, found, rest = text.partition(mark)
        assert found, f"{path} has no mark for its {name}"
        _, end, after = rest.partition(_END)
        assert end, f"{path}: the mark of its {name} has no end"
        text = f"{before}{mark}{content}{_END}{after}"
    return text
