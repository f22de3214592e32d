"""How answers leave: documents as JSON, errors as problem documents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
from starlette.responses import Response

from clew.base.errors import ClewError, ErrorCode, shorten
from clew.surfaces.errors import PROBLEM_TYPE, describe, http_status, retry_after_seconds
from clew.surfaces.identity import CHALLENGE

if TYPE_CHECKING:
    from collections.abc import Mapping

JSON_TYPE = "application/json"

PATH_CHARS_SHOWN: Final = 200
"""How much of an address that is none an error repeats."""


def encode(document: Any) -> bytes:
    """Return a document as JSON. NaN and infinities, which JSON has not, become null."""
    return msgspec.json.encode(document)


def answer_document(body: bytes, status: int = 200) -> Response:
    """Return the response that carries an encoded document."""
    return Response(body, status, media_type=JSON_TYPE)


def answer_problem(
    error: ClewError, *, status: int | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    """Return the response that carries an error; `status` where it is not the code's own."""
    problem = describe(error, status)
    response = Response(encode(problem), problem.status, headers, media_type=PROBLEM_TYPE)
    seconds = retry_after_seconds(error)
    if seconds is not None:
        response.headers["retry-after"] = str(seconds)
    if error.code is ErrorCode.UNAUTHENTICATED:
        response.headers["www-authenticate"] = CHALLENGE
    return response


def answer_nowhere(path: str) -> Response:
    """Return the response for an address that is none of ours."""
    return answer_problem(
        ClewError(
            ErrorCode.NOT_FOUND,
            f"there is nothing at {shorten(path, PATH_CHARS_SHOWN)!r}",
            hint="/openapi.json lists every address",
        )
    )


def answer_other_method(method: str, allowed: str) -> Response:
    """Return the response for a method that an address does not know."""
    if method == "OPTIONS":
        return Response(status_code=204, headers={"allow": allowed})
    return answer_problem(
        ClewError(ErrorCode.UNSUPPORTED, f"{method} is not understood here", hint=f"use {allowed}"),
        status=405,
        headers={"allow": allowed},
    )


def answer_fault() -> Response:
    """Return the response for a fault of ours; the log has the rest."""
    error = ClewError(
        ErrorCode.INTERNAL, "the server made a mistake", hint="its log on stderr says which"
    )
    return answer_problem(error, status=http_status(error.code))
