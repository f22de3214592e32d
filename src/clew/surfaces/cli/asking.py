"""What a person is asked at the command line: a password, or whether they mean it."""

from __future__ import annotations

import getpass
import os
import sys
from typing import Final

from clew.base.errors import ClewError, ErrorCode
from clew.surfaces.cli.text import escape

PASSWORD_VARIABLE: Final = "CLEW_TEAM_PASSWORD"  # noqa: S105 - the name of a variable

PASSWORD_BYTES_MAX: Final = 4096
"""Of a password on standard input: servers take 128 characters, of at most four bytes each."""


def read_password(email: str, *, from_stdin: bool = False) -> str:
    """Return a password: of standard input, of the environment, or of whoever sits there.

    Raises:
        ClewError: INVALID_ARGUMENT when there is none.
    """
    if from_stdin:
        password: str | None = _first_line()
    else:
        password = os.environ.get(PASSWORD_VARIABLE)
        if password is None and sys.stdin.isatty():
            password = getpass.getpass(f"Password of {escape(email)}: ")
    if not password:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            "there is no password",
            hint=f"set {PASSWORD_VARIABLE}, or run it on a terminal, which asks for it",
        )
    return password


def confirm(question: str, undone: str, *, yes: bool = False) -> None:
    """Ask whether somebody means it, where somebody is there to ask and `yes` does not say so.

    Raises:
        ClewError: CONFLICT with `undone` when the answer is not yes.
    """
    if yes or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return
    sys.stderr.write(f"{escape(question)} [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise ClewError(ErrorCode.CONFLICT, undone, hint="--yes does not ask")


def _first_line() -> str:
    try:
        return sys.stdin.buffer.readline(PASSWORD_BYTES_MAX).decode().rstrip("\r\n")
    except UnicodeDecodeError:
        # Nothing of it is repeated, not even by the error below it.
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT, "standard input is not UTF-8", hint="a password is text"
        ) from None
