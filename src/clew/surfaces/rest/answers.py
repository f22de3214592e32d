"""How answers leave: documents as JSON, errors as problem documents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
from starlette.responses import Response

from clew.base.errors import NOWHERE, ClewError, ErrorCode, shorten
from clew.base.gathering import missing_shards, standby_shards
from clew.surfaces.errors import (
    PROBLEM_TYPE,
    describe,
    hangs_up,
    http_status,
    retry_after_seconds,
)
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
    """Return the response that carries an encoded document.

    Where shards are missing, or a standby answered for one, the document says so, and so does the
    head.
    """
    return Response(say_whose(body), status, media_type=JSON_TYPE)


def say_whose(body: bytes) -> bytes:
    """Return an encoded object with the fields that say which shards it lacks, or has by standbys.

    Where all answered and every one leads, there are none.
    """
    missing, standbys = missing_shards(), standby_shards()
    if not (missing or standbys) or not body.startswith(b"{"):
        return body
    fields: dict[str, object] = {}
    if missing:
        fields |= {"partial": True, "missing_shards": missing}
    if standbys:
        fields["standby_shards"] = standbys
    said = encode(fields)
    return said if body == b"{}" else body[:-1] + b"," + said[1:]


def answer_problem(
    error: ClewError, *, status: int | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    """Return the response that carries an error; `status` where it is not the code's own."""
    problem = describe(error, status)
    # What is not found may be where nobody answered.
    body = say_whose(encode(problem))
    response = Response(body, problem.status, headers, media_type=PROBLEM_TYPE)
    seconds = retry_after_seconds(error)
    if seconds is not None:
        response.headers["retry-after"] = str(seconds)
    if hangs_up(error):
        response.headers["connection"] = "close"
    if error.code is ErrorCode.UNAUTHENTICATED:
        response.headers["www-authenticate"] = CHALLENGE
    return response


def answer_nowhere(path: str) -> Response:
    """Return the response for an address that is none of ours."""
    return answer_problem(
        ClewError(
            ErrorCode.NOT_FOUND,
            f"{NOWHERE}{shorten(path, PATH_CHARS_SHOWN)!r}",
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
