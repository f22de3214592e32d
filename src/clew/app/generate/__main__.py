"""Write every generated file anew: ``python -m clew.app.generate``, run from the checkout.

Tests compare each of them with what its writer says today.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from clew.app.generate import agent_pages, cli_reference
from clew.app.generate.configuration_reference import PAGE, write_page
from clew.app.generate.typescript import PATH as TYPESCRIPT
from clew.app.generate.typescript import encode_typescript
from clew.surfaces.grpc.generate import main as write_stubs
from clew.surfaces.mcp import generate as mcp_pages
from clew.surfaces.rest.openapi import encode_openapi
from clew.tree.frames.schema import encode_codes, encode_schema
from clew.twin.schema.contract import encode_contract

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

WRITERS: Final[Mapping[Path, Callable[[], bytes]]] = {
    Path("contracts/openapi.json"): encode_openapi,
    TYPESCRIPT: encode_typescript,
    Path("contracts/trails/frames.schema.json"): encode_schema,
    Path("contracts/trails/codes.json"): encode_codes,
    Path("contracts/registry.schema.json"): encode_contract,
    PAGE: lambda: write_page().encode(),
    cli_reference.PAGE: lambda: cli_reference.write_page().encode(),
    agent_pages.SKILL: lambda: agent_pages.write_skill().encode(),
    agent_pages.CONTRACT: lambda: agent_pages.write_contract().encode(),
    mcp_pages.TOOL_LIST: mcp_pages.encode_tool_list,
    mcp_pages.PAGE: lambda: mcp_pages.write_page().encode(),
}
"""Files relative to the checkout, and what writes their content."""


def main() -> int:
    """Write the files that differ, name them, and return the exit code."""
    root = Path(__file__).parents[4]
    for path, write in WRITERS.items():
        content = write()
        target = root / path
        if not target.exists() or target.read_bytes() != content:
            target.write_bytes(content)
            sys.stdout.write(f"wrote {path}\n")
    return write_stubs()


if __name__ == "__main__":
    raise SystemExit(main())
