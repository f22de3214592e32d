"""Run the command tree once: arguments in, an exit code out, every error said once."""

from __future__ import annotations

import io
import os
import re
import sys
from typing import TYPE_CHECKING, Any, Final

from cyclopts.exceptions import CycloptsError, UnknownCommandError, UnusedCliTokensError

from clew.base.errors import ClewError, ErrorCode, shorten
from clew.base.gathering import count_copies, gather, missing_shards, standby_shards
from clew.surfaces.cli.errors import (
    ARGUMENT_CHARS_MAX,
    ExitCode,
    exit_code,
    print_error,
    print_note,
)
from clew.surfaces.cli.text import plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cyclopts import App

EX_USAGE: Final = 64
"""Of sysexits.h."""

# These may stand before the command too, as in ``clew --server http://10.0.0.5:7701 traces``.
GLOBAL_FLAGS: Final = ("--server", "--api-key", "--format", "--max-tokens")

# Commands whose exit codes mean an end of what they waited for, and so no wrong argument.
OWN_CODES: Final = {
    "wait": {ErrorCode.INVALID_ARGUMENT: EX_USAGE, ErrorCode.UNSUPPORTED: EX_USAGE},
}

_SAID = re.compile(
    r"^(?P<message>.*?)(?: (?P<hint>(?:Did you mean|Choose from).*?))?"
    r"(?: Available commands:.*)?$",
    re.DOTALL,
)


def run(app: App, arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code. Nothing is raised but faults of ours."""
    _widen_stdout()
    with gather():
        code = _run_told(app, arguments)
        if missing := missing_shards():
            print_note(
                f"partial: {', '.join(missing)} did not answer",
                partial=True,
                missing_shards=missing,
            )
        if standbys := standby_shards():
            print_note(
                f"shard {', '.join(standbys)}: a standby answered, or one that has just begun to "
                "lead; what was acknowledged last may not be shown yet",
                standby_shards=standbys,
            )
        if (copies := count_copies()) is not None:
            print_note(f"kept by {plural(copies, 'server')}", acks=copies)
        return code


def _run_told(app: App, arguments: Sequence[str]) -> int:
    try:
        for argument in arguments:
            _check_text(argument)
        return _run(app, globals_last(list(arguments)))
    except ClewError as error:
        print_error(error)
        return OWN_CODES.get(_command_of(arguments), {}).get(error.code, exit_code(error.code))
    except BrokenPipeError:
        # Whoever reads the pipe has enough; what is left in the buffer must not raise at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED


def _command_of(arguments: Sequence[str]) -> str:
    """Return the name of the command, which may stand behind flags of every command."""
    moved = globals_last(list(arguments))
    return moved[0] if moved else ""


def _run(app: App, arguments: list[str]) -> int:
    try:
        result: Any = app(arguments)
    except CycloptsError as error:
        raise _explain(app, error) from error
    return int(result) if isinstance(result, int) else ExitCode.OK


def _check_text(argument: str) -> None:
    """Raise unless an argument is text: bytes that are none arrive as lone surrogates."""
    try:
        argument.encode()
    except UnicodeEncodeError as error:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"an argument is not UTF-8: {shorten(argument, ARGUMENT_CHARS_MAX)!r}",
            hint="set the terminal and the locale to UTF-8, or write it with other characters",
        ) from error


def globals_last(arguments: list[str]) -> list[str]:
    """Return the arguments with flags that stand before the command put at the end."""
    moved: list[str] = []
    rest = list(arguments)
    while rest:
        name, has_value, _ = rest[0].partition("=")
        if name not in GLOBAL_FLAGS:
            break
        size = 1 if has_value else 2
        moved.extend(rest[:size])
        rest = rest[size:]
    if not rest or not moved:
        return arguments
    # After a bare -- everything is an argument, so the flags go before it.
    end = rest.index("--") if "--" in rest else len(rest)
    return [*rest[:end], *moved, *rest[end:]]


def _explain(app: App, error: CycloptsError) -> ClewError:
    """Return what was wrong with the arguments, in our words."""
    if isinstance(error, UnknownCommandError):
        return _unknown_command(app, error)
    if isinstance(error, UnusedCliTokensError) and error.unused_tokens:
        return ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"unexpected argument {shorten(error.unused_tokens[0], ARGUMENT_CHARS_MAX)!r}",
            hint="put it behind a flag, or in quotes if it belongs to the argument before",
        )
    said = _SAID.match(str(error).strip())
    message = said.group("message") if said else str(error)
    hint = said.group("hint") if said else None
    command = " ".join(error.command_chain or ())
    return ClewError(
        ErrorCode.INVALID_ARGUMENT,
        _lowered(message),
        hint=_lowered(hint) if hint else f"see: clew {command} --help".replace("  ", " "),
    )


def _unknown_command(app: App, error: UnknownCommandError) -> ClewError:
    import difflib

    name = (error.unused_tokens or [""])[0]
    family = [each for each in error.command_chain or () if each != name]
    for each in family:
        app = app[each]
    known = [each for each in app if not each.startswith("-")]
    near = difflib.get_close_matches(name, known, n=1)
    asked, meant = (" ".join([*family, last]) for last in (name, near[0] if near else ""))
    return ClewError(
        ErrorCode.INVALID_ARGUMENT,
        f"there is no command {shorten(asked, ARGUMENT_CHARS_MAX)!r}",
        hint=f"did you mean {meant}?" if near else f"see: {' '.join(['clew', *family])} --help",
    )


def _lowered(text: str) -> str:
    """Return a sentence as our errors are: lower case at the start, no stop at the end."""
    shown = text.strip().removesuffix(".")
    return shown[:1].lower() + shown[1:]


def _widen_stdout() -> None:
    """Make stdout take any text: what its encoding does not have is shown as an escape."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
