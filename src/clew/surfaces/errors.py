"""Every error code, as each surface says it: HTTP status, gRPC status, problem document.

The one place where codes are translated for doors. A new code does not type-check until it is here.
"""

from __future__ import annotations

import math
from typing import Final, assert_never

import msgspec

from clew.base.errors import ClewError, ErrorCode, NotOfferedError, shorten

PROBLEM_TYPE: Final = "application/problem+json"

RETRY_AFTER_MS_DEFAULT: Final = 1000
"""When whoever raised the error did not say: HTTP's smallest unit of waiting is one second."""


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """An error as every REST route answers it (RFC 9457).

    `code` is one of the closed set of codes, `detail` says what was wrong, `hint` names the next
    step. `error` repeats `detail` for clients of tael.
    """

    type: str
    title: str
    status: int
    code: str
    detail: str
    hint: str | None
    error: str


def http_status(code: ErrorCode) -> int:
    """Return the HTTP status of a code."""
    match code:
        case ErrorCode.INVALID_ARGUMENT:
            return 400
        case ErrorCode.UNAUTHENTICATED:
            return 401
        case ErrorCode.FORBIDDEN:
            return 403
        case ErrorCode.NOT_FOUND:
            return 404
        case ErrorCode.ALREADY_EXISTS | ErrorCode.CONFLICT:
            return 409
        case ErrorCode.TOO_LARGE:
            return 413
        case ErrorCode.UNSUPPORTED:
            # What a client can ask for and we do not speak is a media type or an encoding.
            return 415
        case ErrorCode.OVERLOADED:
            return 429
        case ErrorCode.INTERNAL:
            return 500
        case ErrorCode.UNAVAILABLE:
            return 503
        case ErrorCode.TIMEOUT:
            return 504
    assert_never(code)


def grpc_status(code: ErrorCode) -> int:
    """Return the number of the canonical gRPC status of a code (google.rpc.Code)."""
    match code:
        case ErrorCode.INVALID_ARGUMENT:
            return 3
        case ErrorCode.TIMEOUT:
            return 4
        case ErrorCode.NOT_FOUND:
            return 5
        case ErrorCode.ALREADY_EXISTS:
            return 6
        case ErrorCode.FORBIDDEN:
            return 7
        case ErrorCode.OVERLOADED | ErrorCode.TOO_LARGE:
            # RESOURCE_EXHAUSTED both; only the former comes with RetryInfo and is tried again.
            return 8
        case ErrorCode.CONFLICT:
            return 10
        case ErrorCode.UNSUPPORTED:
            return 12
        case ErrorCode.INTERNAL:
            return 13
        case ErrorCode.UNAVAILABLE:
            return 14
        case ErrorCode.UNAUTHENTICATED:
            return 16
    assert_never(code)


def title(code: ErrorCode) -> str:
    """Return the code in words: the same for every occurrence."""
    return code.value.replace("_", " ")


def error_status(error: ClewError) -> int:
    """Return the HTTP status of an error: that of its code, but for what is offered elsewhere."""
    # The next server may do it, which 415 (send it in another form) does not say.
    return 501 if isinstance(error, NotOfferedError) else http_status(error.code)


def retry_after_ms(error: ClewError) -> int | None:
    """Return how long to wait before trying again, None where trying again does not help."""
    match error.code:
        case ErrorCode.OVERLOADED | ErrorCode.UNAVAILABLE:
            return error.retry_after_ms or RETRY_AFTER_MS_DEFAULT
        case _:
            return error.retry_after_ms


def retry_after_seconds(error: ClewError) -> int | None:
    """Return the value of `Retry-After`: whole seconds, at least one."""
    waiting_ms = retry_after_ms(error)
    return None if waiting_ms is None else max(1, math.ceil(waiting_ms / 1000))


def describe(error: ClewError, status: int | None = None) -> Problem:
    """Return the problem document of an error; `status` where it is not the code's own."""
    message = shorten(error.message)
    return Problem(
        type=f"urn:clew:error:{error.code}",
        title=title(error.code),
        status=error_status(error) if status is None else status,
        code=error.code,
        detail=message,
        hint=None if error.hint is None else shorten(error.hint),
        error=message,
    )


def one_line(error: ClewError) -> str:
    """Return message and hint together, for doors whose errors are one text."""
    said = error.message if error.hint is None else f"{error.message}: {error.hint}"
    return shorten(said)


def hangs_up(error: ClewError) -> bool:
    """Return whether the connection is closed with this answer.

    Of several servers another may do it: whoever asks again over the same connection would come
    back here, where what stands in front of them chooses one for each connection.
    """
    return error.code is ErrorCode.UNAVAILABLE
