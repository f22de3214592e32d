"""`clew team bootstrap`: the files that set up a team's server, and a look at one."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Annotated, Any

import msgspec
from cyclopts import Parameter

from clew.base.errors import ClewError, ErrorCode
from clew.surfaces.cli import output
from clew.surfaces.cli.asking import read_password
from clew.surfaces.cli.errors import ExitCode
from clew.surfaces.cli.flags import ANSWER, Format, Switch
from clew.surfaces.cli.grid import Style
from clew.surfaces.cli.text import escape
from clew.surfaces.cli.views.bootstrap import report_lines
from clew.team.bootstrap.files import write_files
from clew.team.bootstrap.findings import BootstrapReport
from clew.team.bootstrap.inspection import inspect_server
from clew.team.errors import TeamError
from clew.team.trailbase.client import AsyncTrailBaseClient
from clew.team.trailbase.login import Credentials


def bootstrap(
    url: Annotated[str | None, Parameter(help="The server to look at.")] = None,
    /,
    *,
    write: Annotated[
        Path | None, Parameter(help="Write the files into this folder, which is made.")
    ] = None,
    email: Annotated[str | None, Parameter(help="Whose account asks.")] = None,
    totp: Annotated[
        str | None, Parameter(help="The code of an authenticator, where the account has one.")
    ] = None,
    deep: Switch = False,
    format: Annotated[  # noqa: A002 - the name of the flag
        Format | None,
        Parameter(group=ANSWER, help="How the answer is written."),
    ] = None,
) -> ExitCode:
    """Write the files, or look at a server, or both.

    Parameters
    ----------
    deep
        Make a team of its own on the server too, to try its triggers.
    """
    if url is None and write is None:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            "neither a server to look at nor a folder to write to",
            hint="clew team bootstrap --write FOLDER, or clew team bootstrap URL",
        )
    screen = output.find_screen()
    chosen = output.choose_format(format, screen)
    document: dict[str, Any] = {}
    if write is not None:
        written = [str(path) for path in write_files(write)]
        document["written"] = written
        if chosen == "table":
            screen.write_lines([[(escape(path), Style.PLAIN)] for path in written])
    if url is None:
        if chosen != "table":
            output.write(output.json_text(document, screen))
        return ExitCode.OK
    report = asyncio.run(_look(url, _credentials(email, totp), deep=deep))
    match chosen:
        case "table":
            screen.write_lines(report_lines(report, screen.width))
        case "json":
            document |= msgspec.to_builtins(report)
            output.write(output.json_text(document, screen))
        case "ndjson":
            lines = output.item_lines(report.findings, screen)
            output.write("".join(f"{line}\n" for line in lines))
    return ExitCode.OK if report.ok else ExitCode.FAILED


async def _look(url: str, credentials: Credentials | None, *, deep: bool) -> BootstrapReport:
    async with AsyncTrailBaseClient(url) as client:
        if credentials is None:
            return await inspect_server(client, deep=deep)
        await client.authenticate(credentials)
        try:
            return await inspect_server(client, deep=deep)
        finally:
            # A session that the server could not be told of ends by itself.
            with contextlib.suppress(TeamError):
                await client.logout()


def _credentials(email: str | None, totp: str | None) -> Credentials | None:
    return None if email is None else Credentials(email, read_password(email), totp)
