"""`clew mcp`: the tools over stdin and stdout."""

from __future__ import annotations

from clew.surfaces.cli.errors import ExitCode
from clew.surfaces.cli.flags import ServerFlags
from clew.surfaces.mcp.stdio import serve_stdio


def mcp(*, flags: ServerFlags | None = None) -> ExitCode:
    """Answer an agent's client over stdin and stdout."""
    serve_stdio((flags or ServerFlags()).server)
    return ExitCode.OK
