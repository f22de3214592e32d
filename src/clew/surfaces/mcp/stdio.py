"""MCP over stdin and stdout: what an agent's client starts as ``clew mcp``."""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import TYPE_CHECKING, Any

from clew.base.errors import ClewError, ErrorCode
from clew.base.gathering import gather
from clew.surfaces.mcp.questions import RemoteQuestions

if TYPE_CHECKING:
    from collections.abc import Callable


def serve_stdio(url: str, api_key: str | None = None) -> None:
    """Answer over stdin and stdout by asking the server at `url`, until stdin ends.

    The server need not be there yet: a call that does not reach it says so.

    Raises:
        ClewError: UNSUPPORTED when the SDK is not installed; INVALID_ARGUMENT for the address.
    """
    questions = RemoteQuestions(url, api_key)
    try:
        import mcp  # noqa: F401 - asked first, so that what is missing is told in our words
    except ImportError as error:
        raise ClewError(
            ErrorCode.UNSUPPORTED,
            "the MCP SDK is not installed",
            hint="pip install 'clew[mcp]', or point the client at the /mcp of a running server",
        ) from error
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    asyncio.run(_serve(questions))


async def _serve(questions: RemoteQuestions) -> None:
    from mcp.server.stdio import stdio_server

    from clew.surfaces.mcp.sdk import open_server

    server = open_server(questions, run_call)
    async with stdio_server() as (reader, writer):
        await server.run(reader, writer, server.create_initialization_options())


async def run_call(work: Callable[[], Any]) -> Any:
    """Do the work of one call in a thread; what it learns of servers is no other call's."""

    def run() -> Any:
        with gather():
            return work()

    return await asyncio.to_thread(run)
