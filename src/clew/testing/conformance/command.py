"""The command line of the conformance runner."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

import msgspec

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import NS_PER_MS, NS_PER_S, parse_duration_ns
from clew.testing.conformance.report import describe, write_line, write_summary
from clew.testing.conformance.rest import Rest
from clew.testing.conformance.runner import WAIT_MS_MAX, run_scenarios
from clew.testing.conformance.scenario import Library, encode_schema, find_folder
from clew.testing.conformance.target import Target

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from clew.testing.conformance.report import Report
    from clew.testing.conformance.trial import Outcome

PASSED: Final = 0
FAILED: Final = 1
BAD_ARGUMENT: Final = 3
UNREACHABLE: Final = 4

_CODES: Final = {
    ErrorCode.UNAVAILABLE: UNREACHABLE,
    ErrorCode.TIMEOUT: UNREACHABLE,
}

_WINDOWS: Final = ("resume", "recovery", "restart")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        sys.stderr.write(f"clew: {message}\n")
        raise SystemExit(BAD_ARGUMENT)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the scenarios that were asked for, and return the exit code.

    0: all passed that could be run; 1: one failed; 3: a bad argument; 4: no server.
    """
    parser = _parser()
    asked = parser.parse_args(arguments)
    if asked.url is None and not (asked.list or asked.schema):
        parser.error("no server is named, such as ws://127.0.0.1:8443")
    if asked.format is None:
        asked.format = "table" if sys.stdout.isatty() else "json"
    try:
        if asked.schema:
            sys.stdout.write(encode_schema().decode())
            return PASSED
        library = Library(asked.scenarios)
        if asked.list:
            sys.stdout.writelines(f"{each.name}: {each.promise}\n" for each in library)
            return PASSED
        report = asyncio.run(_run(asked, library))
    except ClewError as error:
        hint = f"; {error.hint}" if error.hint else ""
        sys.stderr.write(f"clew: {error.message}{hint}\n")
        return _CODES.get(error.code, BAD_ARGUMENT)
    if asked.format == "json":
        sys.stdout.write(msgspec.json.encode(report).decode() + "\n")
    else:
        sys.stdout.write(write_summary(report) + "\n")
    return FAILED if report.failed else PASSED


async def _run(asked: argparse.Namespace, library: Library) -> Report:
    chosen = library.pick(asked.scenario)
    rest = Rest(asked.http, asked.api_key) if asked.http else None
    hook = asked.restart_hook
    target = Target(asked.url, rest, tier=asked.tier or "", restart=_restarter(hook))
    windows = {f"{name}_ms": getattr(asked, f"{name}_window") for name in _WINDOWS}
    windows["start_deadline_ms"] = asked.start_deadline
    await target.open({name: value for name, value in windows.items() if value is not None})

    def tell(outcome: Outcome) -> None:
        if asked.format == "table":
            sys.stdout.write(write_line(outcome) + "\n")
            sys.stdout.flush()

    outcomes = await run_scenarios(target, library, chosen, wait_ms_max=asked.wait, tell=tell)
    return describe(target, outcomes)


def _restarter(hook: str | None) -> Callable[[], Awaitable[None]] | None:
    """Return what runs a command of the caller's that restarts the server."""
    if hook is None:
        return None

    async def restart() -> None:
        process = await asyncio.create_subprocess_shell(hook)
        code = await process.wait()
        if code != 0:
            raise ClewError(ErrorCode.UNAVAILABLE, f"the restart hook ended with {code}")

    return restart


def _parse_window(text: str) -> int:
    try:
        return parse_duration_ns(text, bare=NS_PER_S) // NS_PER_MS
    except ClewError as error:
        raise argparse.ArgumentTypeError(error.message) from error


def _parser() -> _Parser:
    parser = _Parser(
        prog="python -m clew.testing.conformance",
        description="Play the scenarios of the agent plane's contract against a server.",
    )
    add = parser.add_argument
    add("url", nargs="?", help="the agent plane, such as ws://127.0.0.1:8443")
    add("--http", help="the HTTP door, where the server's state is asked for")
    add("--api-key", default=os.environ.get("CLEW_API_KEY"), help="for the HTTP door")
    add(
        "--scenario",
        action="extend",
        nargs="+",
        default=[],
        metavar="NAME",
        help="only those whose names begin so",
    )
    add("--scenarios", type=Path, default=find_folder(), metavar="FOLDER", help="other scenarios")
    add("--format", choices=["table", "json"], default=None, help="default: by the terminal")
    add("--tier", choices=["open", "signed"], help="found out unless given")
    add("--restart-hook", metavar="COMMAND", help="a shell command that restarts the server")
    add(
        "--wait",
        type=_parse_window,
        default=WAIT_MS_MAX,
        metavar="DURATION",
        help="the longest window to wait for; scenarios that need more are skipped",
    )
    for name in _WINDOWS:
        add(
            f"--{name}-window",
            type=_parse_window,
            metavar="DURATION",
            help="of the server, where its metrics do not tell",
        )
    add("--start-deadline", type=_parse_window, metavar="DURATION", help="the same")
    add("--list", action="store_true", help="name the scenarios and what they check")
    add("--schema", action="store_true", help="print the JSON schema of a scenario")
    return parser
