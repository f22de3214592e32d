"""Errors at the command line: one exit code each, one line or one JSON object on stderr."""

from __future__ import annotations

import json
import sys
from enum import IntEnum
from typing import Any, assert_never

from clew.base.errors import ClewError, ErrorCode
from clew.surfaces.cli.text import escape


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
    if not sys.stderr.isatty():
        said: dict[str, Any] = {
            "error": error.message,
            "code": str(error.code),
            "hint": error.hint,
        }
        if error.retry_after_ms is not None:
            said["retry_after_ms"] = error.retry_after_ms
        sys.stderr.write(json.dumps(said, ensure_ascii=False) + "\n")
        return
    sys.stderr.write(f"clew: {escape(error.message)}\n")
    if error.hint:
        sys.stderr.write(f"  {escape(error.hint)}\n")


def print_note(text: str, **details: object) -> None:
    """Write something worth knowing beside an answer: a line on a terminal, else one object."""
    if sys.stderr.isatty():
        sys.stderr.write(f"clew: {escape(text)}\n")
    else:
        sys.stderr.write(json.dumps({"note": text, **details}, ensure_ascii=False) + "\n")
