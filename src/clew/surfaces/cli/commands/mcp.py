"""`clew mcp`: the tools over stdin and stdout."""

from __future__ import annotations

from clew.surfaces.cli.errors import ExitCode
from clew.surfaces.cli.flags import ServerFlags
from clew.surfaces.mcp.stdio import serve_stdio


def mcp(*, flags: ServerFlags | None = None) -> ExitCode:
    """Answer an agent's client over stdin and stdout."""
    flags = flags or ServerFlags()
    serve_stdio(flags.server, flags.api_key)
    return ExitCode.OK
