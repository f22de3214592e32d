"""`clew status`, `result` and `error`: what a command that `clew exec` started says of itself."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from cyclopts import Parameter

from clew.base.errors import ClewError, ErrorCode, shorten
from clew.surfaces.cli.errors import ARGUMENT_CHARS_MAX, ExitCode
from clew.tree.agent.speaking import AGENT_VARIABLE, Saying, find_mailbox, speak
from clew.tree.frames.codec import FRAME_BYTES_MAX, parse
from clew.tree.frames.fields import MessageKind
from clew.tree.frames.info import read_environment

if TYPE_CHECKING:
    from collections.abc import Mapping

STDIN = "-"


def status(
    json: Annotated[
        str | None,
        Parameter(allow_leading_hyphen=True, help="Any JSON value; - reads it from stdin."),
    ] = None,
    *,
    progress: Annotated[
        float | None, Parameter(help="How far it is, from 0 to 1; may stand alone.")
    ] = None,
) -> ExitCode:
    """Say how the app is doing."""
    if json is None and progress is None:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            "nothing to say",
            hint='clew status \'{"phase": "loading"}\' --progress 0.4',
        )
    if progress is not None and not 0 <= progress <= 1:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT, f"--progress {progress:g} is not between 0 and 1"
        )
    value = {} if json is None else _read(json)
    if progress is not None:
        if not isinstance(value, dict):
            raise ClewError(
                ErrorCode.INVALID_ARGUMENT,
                "--progress goes into an object, and the status is none",
                hint='clew status \'{"phase": "loading"}\' --progress 0.4',
            )
        value = {**value, "progress": progress}
    return _say(MessageKind.STATUS, value)


def result(
    json: Annotated[
        str, Parameter(allow_leading_hyphen=True, help="Any JSON value; - reads it from stdin.")
    ],
) -> ExitCode:
    """Say what came out of the app: the last that it says."""
    return _say(MessageKind.RESULT, _read(json))


def error(
    message: Annotated[
        str, Parameter(allow_leading_hyphen=True, help="What went wrong; - reads it from stdin.")
    ],
    *,
    detail: Annotated[str | None, Parameter(help="Any JSON value beside it.")] = None,
) -> ExitCode:
    """Say that the app failed: the last that it says."""
    text = _stdin().strip() if message == STDIN else message
    said: Mapping[str, Any] = {"message": text, "detail": None if detail is None else _read(detail)}
    return _say(MessageKind.ERROR, said)


def _say(kind: MessageKind, value: object) -> ExitCode:
    path = find_mailbox()
    if path is None:
        raise _nobody_listens()
    speak(path, Saying(kind=kind, payload=msgspec.Raw(msgspec.json.encode(value))))
    return ExitCode.OK


def _nobody_listens() -> ClewError:
    if read_environment() is not None:
        return ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"this app has no agent: {AGENT_VARIABLE} is not set",
            hint="start it with clew exec, or let the program itself speak with clew.init()",
        )
    return ClewError(
        ErrorCode.INVALID_ARGUMENT,
        "this is no part of a tree",
        hint="start it with: clew exec -- COMMAND",
    )


def _read(text: str) -> Any:
    """Return the value of an argument, or of stdin for ``-``.

    Raises:
        ClewError: INVALID_ARGUMENT when it is no JSON.
    """
    given = _stdin() if text == STDIN else text
    try:
        return parse(given.encode())
    except ClewError as trouble:
        shown = shorten(given.strip(), ARGUMENT_CHARS_MAX)
        raise ClewError(
            trouble.code,
            f"{shown!r} is not JSON: {trouble.message}",
            hint="a text stands in double quotes of its own: '\"done\"'",
        ) from trouble


def _stdin() -> str:
    text = sys.stdin.read(FRAME_BYTES_MAX + 1)
    if len(text) > FRAME_BYTES_MAX:
        raise ClewError(
            ErrorCode.TOO_LARGE,
            f"stdin has more than {FRAME_BYTES_MAX} characters",
            hint="put what is large into a file, and its name here",
        )
    return text
