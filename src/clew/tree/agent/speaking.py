"""What a process says to the agent that watches it: one line of JSON, and one in answer.

The agent listens on a socket in a folder that only its user may enter; `CLEW_AGENT` names it.
"""

from __future__ import annotations

import os
import socket
from typing import Final

import msgspec

from clew.base.errors import ClewError, ErrorCode
from clew.tree.frames.codec import FRAME_BYTES_MAX

# Names of types are read at run time: msgspec decodes by them.
from clew.tree.frames.fields import MessageKind

AGENT_VARIABLE: Final = "CLEW_AGENT"
"""The path of the agent's socket, in the environment of the command that it watches."""

# The agent answers from memory; only one that is stopped does not.
SPEAK_S_MAX: Final = 5.0

LINE_BYTES_MAX: Final = FRAME_BYTES_MAX
"""What the server takes in one frame, and so the most that is worth saying."""


class Saying(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="say"):
    """A status, a result or an error of the app."""

    kind: MessageKind
    payload: msgspec.Raw


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Why it was not taken."""

    code: ErrorCode
    message: str
    hint: str | None = None


class Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the agent answers: it has taken it, unless `error` tells why not."""

    error: Refusal | None = None


def find_mailbox() -> str | None:
    """Return the path of the agent's socket, None where no agent watches."""
    return os.environ.get(AGENT_VARIABLE) or None


def speak(path: str, request: Saying, *, timeout_s: float = SPEAK_S_MAX) -> Answer:
    """Say something to the agent and return its answer. Blocks.

    Raises:
        ClewError: TOO_LARGE for what no frame holds, UNAVAILABLE when the agent is gone, TIMEOUT
            when it does not answer, or what it says itself.
    """
    line = msgspec.json.encode(request) + b"\n"
    if len(line) > LINE_BYTES_MAX:
        raise ClewError(
            ErrorCode.TOO_LARGE,
            f"it takes {len(line)} bytes, {LINE_BYTES_MAX} are the most",
            hint="put what is large into a file, and its name here",
        )
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout_s)
            connection.connect(path)
            connection.sendall(line)
            with connection.makefile("rb") as reader:
                said = reader.readline(LINE_BYTES_MAX)
    except TimeoutError as error:
        raise ClewError(ErrorCode.TIMEOUT, f"the agent at {path} does not answer") from error
    except OSError as error:
        raise ClewError(
            ErrorCode.UNAVAILABLE,
            f"no agent answers at {path}: {error.strerror or error}",
            hint="the clew exec that started this process has ended",
        ) from error
    try:
        answer = msgspec.json.decode(said, type=Answer)
    except msgspec.MsgspecError as error:
        raise ClewError(ErrorCode.UNAVAILABLE, f"what answers at {path} is no agent") from error
    if answer.error is not None:
        raise ClewError(answer.error.code, answer.error.message, hint=answer.error.hint)
    return answer
