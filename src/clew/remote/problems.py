"""What an answer means that is an error: the code of the problem document, or of the status."""

from __future__ import annotations

import json
from typing import Final

from clew.base.errors import ClewError, ErrorCode

_STATUS_CODES: Final[dict[int, ErrorCode]] = {
    400: ErrorCode.INVALID_ARGUMENT,
    401: ErrorCode.UNAUTHENTICATED,
    403: ErrorCode.FORBIDDEN,
    404: ErrorCode.NOT_FOUND,
    408: ErrorCode.TIMEOUT,
    409: ErrorCode.CONFLICT,
    413: ErrorCode.TOO_LARGE,
    415: ErrorCode.UNSUPPORTED,
    422: ErrorCode.INVALID_ARGUMENT,
    429: ErrorCode.OVERLOADED,
    501: ErrorCode.UNSUPPORTED,
    502: ErrorCode.UNAVAILABLE,
    503: ErrorCode.UNAVAILABLE,
    504: ErrorCode.TIMEOUT,
}


def problem(status: int, body: bytes, url: str) -> ClewError:
    """Turn an error response into the error it tells of (RFC 9457 problem document or not)."""
    document = _problem_document(body)
    if document is None:
        code = _STATUS_CODES.get(status, ErrorCode.INTERNAL)
        return ClewError(
            # A clew server that has something not says so in a document. Somebody else there knows
            # nothing of it, and to take their word would hide what a clew server has.
            ErrorCode.UNAVAILABLE if code is ErrorCode.NOT_FOUND else code,
            f"{url} answered {status} without saying why",
            hint="is it a clew server? check with: clew doctor",
        )
    text = document.get("detail") or document.get("error") or document.get("title")
    hint = document.get("hint")
    retry = document.get("retry_after_ms")
    try:
        code = ErrorCode(str(document.get("code")))
    except ValueError:
        code = _STATUS_CODES.get(status, ErrorCode.INTERNAL)
    return ClewError(
        code,
        str(text or f"the server answered {status}"),
        hint=str(hint) if hint else None,
        retry_after_ms=retry if isinstance(retry, int) else None,
    )


def _problem_document(body: bytes) -> dict[str, object] | None:
    try:
        document = json.loads(body)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None
