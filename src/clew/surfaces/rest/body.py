"""Bodies of POST requests: bounded, in time, and strictly read."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec
from starlette.requests import ClientDisconnect

from clew.base.errors import ClewError, ErrorCode
from clew.surfaces.rest.questions import SqlParameters

if TYPE_CHECKING:
    from starlette.requests import Request

STATEMENT_BYTES_MAX: Final = 1 << 20
"""The largest SQL statement with its JSON around it: the engine refuses a quarter of that."""

BODY_SECONDS_MAX: Final = 10.0
"""How long a statement may take to arrive."""


Document = TypeVar("Document", bound=msgspec.Struct)


class SlowBodyError(ClewError):
    """The body did not arrive in time: 408, where a question that takes too long is 504."""


async def read_statement(request: Request) -> SqlParameters:
    """Return the statement of a request: a JSON object, or the statement itself as plain text.

    Raises:
        ClewError: UNSUPPORTED for another media type, TOO_LARGE, TIMEOUT, INVALID_ARGUMENT.
    """
    media_type = media_type_of(request)
    if media_type not in {"application/json", "text/plain", "application/sql"}:
        raise ClewError(
            ErrorCode.UNSUPPORTED,
            f"content-type is {media_type or 'nothing'}",
            hint="send application/json or text/plain",
        )
    body = await read_body(request, STATEMENT_BYTES_MAX)
    try:
        if media_type == "application/json":
            return msgspec.json.decode(body, type=SqlParameters)
        return SqlParameters(q=body.decode())
    except msgspec.MsgspecError as error:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"the body is not a statement: {error}",
            hint='send {"q": "SELECT …", "limit": 100}',
        ) from None
    except UnicodeDecodeError:
        raise ClewError(ErrorCode.INVALID_ARGUMENT, "the statement is not UTF-8") from None


async def read_document(
    request: Request, kind: type[Document], bytes_max: int, *, what: str, hint: str
) -> Document:
    """Return the JSON body of a request, which is to be `what`; `hint` shows one.

    Raises:
        ClewError: UNSUPPORTED for another media type, TOO_LARGE, TIMEOUT, INVALID_ARGUMENT.
    """
    body = await read_json(request, bytes_max)
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT, f"the body is not {what}: {error}", hint=hint
        ) from None


async def read_json(request: Request, bytes_max: int) -> bytes:
    """Return the body of a request that says of itself that it is JSON.

    Raises:
        ClewError: UNSUPPORTED for another media type, TOO_LARGE, TIMEOUT.
    """
    media_type = media_type_of(request)
    if media_type != "application/json":
        raise ClewError(
            ErrorCode.UNSUPPORTED,
            f"content-type is {media_type or 'nothing'}",
            hint="send application/json",
        )
    return await read_body(request, bytes_max)


def media_type_of(request: Request) -> str:
    """Return what a request says that its body is, without parameters, in small letters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def read_body(request: Request, bytes_max: int) -> bytes:
    """Return the whole body.

    Raises:
        ClewError: TOO_LARGE, or TIMEOUT when it comes too slowly.
    """
    pieces = []
    size = 0
    try:
        async with asyncio.timeout(BODY_SECONDS_MAX):
            async for piece in request.stream():
                size += len(piece)
                if size > bytes_max:
                    raise ClewError(
                        ErrorCode.TOO_LARGE,
                        f"the body is larger than {bytes_max} bytes",
                        hint="send less at once",
                    )
                pieces.append(piece)
    except TimeoutError:
        raise SlowBodyError(
            ErrorCode.TIMEOUT, f"the body did not arrive in {BODY_SECONDS_MAX:g} s"
        ) from None
    except ClientDisconnect:
        raise ClewError(ErrorCode.INVALID_ARGUMENT, "the body ended early") from None
    return b"".join(pieces)
