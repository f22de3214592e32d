"""Errors at the command line: one exit code each, one line or one JSON object on stderr."""

from __future__ import annotations

import json
import sys
from enum import IntEnum
from typing import Any, Final, assert_never

from clew.base.errors import ClewError, ErrorCode, shorten
from clew.surfaces.cli.text import escape, escape_json

ARGUMENT_CHARS_MAX: Final = 80
"""Of an argument that an error repeats: a line's width."""


class ExitCode(IntEnum):
    """What the end of a command says. A shell and an agent decide on it without reading."""

    OK = 0
    FAILED = 1
    NOTHING_MATCHED = 2
    BAD_ARGUMENT = 3
    UNREACHABLE = 4
    NOT_ALLOWED = 5
    CONDITION_MET = 6
    INTERRUPTED = 130


def exit_code(code: ErrorCode) -> ExitCode:
    """Translate an error's code."""
    match code:
        case ErrorCode.INVALID_ARGUMENT | ErrorCode.UNSUPPORTED | ErrorCode.TOO_LARGE:
            return ExitCode.BAD_ARGUMENT
        case ErrorCode.NOT_FOUND:
            return ExitCode.NOTHING_MATCHED
        case ErrorCode.UNAVAILABLE:
            return ExitCode.UNREACHABLE
        case ErrorCode.UNAUTHENTICATED | ErrorCode.FORBIDDEN:
            return ExitCode.NOT_ALLOWED
        case (
            ErrorCode.ALREADY_EXISTS
            | ErrorCode.CONFLICT
            | ErrorCode.OVERLOADED
            | ErrorCode.TIMEOUT
            | ErrorCode.INTERNAL
        ):
            return ExitCode.FAILED
    assert_never(code)


def print_error(error: ClewError) -> None:
    """Write an error: a readable line and a hint on a terminal, else one JSON object."""
    message = shorten(error.message)
    hint = shorten(error.hint) if error.hint else None
    if not sys.stderr.isatty():
        said: dict[str, Any] = {"error": message, "code": str(error.code), "hint": hint}
        if error.retry_after_ms is not None:
            said["retry_after_ms"] = error.retry_after_ms
        sys.stderr.write(_json_line(said))
        return
    sys.stderr.write(f"clew: {escape(message)}\n")
    if hint:
        sys.stderr.write(f"  {escape(hint)}\n")


def print_note(text: str, **details: object) -> None:
    """Write something worth knowing beside an answer: a line on a terminal, else one object."""
    if sys.stderr.isatty():
        sys.stderr.write(f"clew: {escape(text)}\n")
    else:
        sys.stderr.write(_json_line({"note": text, **details}))


def _json_line(said: dict[str, Any]) -> str:
    # What is read by lines must be one, and logs of programs are read on terminals in the end.
    return escape_json(json.dumps(said, ensure_ascii=False)) + "\n"
