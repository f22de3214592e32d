"""What an answer that is no success tells of: a clew server's own word, or somebody else's.

A clew server says what is wrong in a problem document (RFC 9457) whose type is its own. At the same
address there may be another program, a proxy, or a clew server that does not know what is asked
yet. What those say of a thing is no word of who would have it: that it is not there counts only
from a clew server that has the address which was asked.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from clew.base.errors import NOWHERE, ClewError, ErrorCode, shorten

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME_CHARS_SHOWN: Final = 80
"""How much is repeated of what a program calls itself: a name and a version or two."""

LOCATION_CHARS_SHOWN: Final = 200

LOOK: Final = "; look at it with: clew doctor"

DOOR_HINT: Final = f"give the address of a clew server's HTTP door, 7701 by default{LOOK}"

_TYPE: Final = "urn:clew:error:"
_SERVER: Final = "clew/"
"""How a clew server's `Server` header begins, unless a proxy puts its own there."""

_OURS: Final = ("/api/", "/internal/", "/readyz", "/healthz")
"""What begins so is never answered with a page."""

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

_SLASH: Final = "%2F"

_BEHIND: Final = frozenset({502, 503, 504})
"""Says a proxy of the server that it stands in front of."""

_PASSAGE: Final = frozenset({401, 403, 407, 408, 413, 429})
"""Says a proxy of what it lets through to a server that may be a clew server."""


class NoSuchAddressError(ClewError):
    """A clew server answers, and does not know the address: an older one, or another of its doors.

    Its code is UNAVAILABLE: what is asked for may well exist. `version` is the server's, None where
    it did not say it.
    """

    def __init__(self, url: str, path: str, version: str | None = None) -> None:
        self.url = url
        self.path = path
        self.version = version
        super().__init__(
            ErrorCode.UNAVAILABLE,
            f"the clew server at {url} has no {path}",
            hint="it may be an older one: give all the same version, which clew doctor tells; or "
            "it is a door for telemetry alone, and the HTTP door is another, 7701 by default",
        )


def problem(status: int, body: bytes, url: str, path: str, headers: Mapping[str, str]) -> ClewError:
    """Turn an answer that is no success into the error it tells of; `headers` are in lower case."""
    document = _document(body)
    text = document.get("detail") or document.get("error") or document.get("title")
    is_ours = str(document.get("type")).startswith(_TYPE)
    is_status = isinstance(document.get("code"), int) and "message" in document
    if is_status:
        # Doors of OTLP speak as gRPC does.
        text = document["message"]
    try:
        code = ErrorCode(str(document.get("code")))
    except ValueError:
        code = _STATUS_CODES.get(status, ErrorCode.INTERNAL)
        if "ready" in document:
            return ClewError(code, f"{url} is not ready: {_unready(document)}")
        is_door = is_status or "protobuf" in headers.get("content-type", "")
        if not is_door and not headers.get("server", "").startswith(_SERVER):
            return stranger(status, url, headers)
    if code is ErrorCode.NOT_FOUND:
        is_name = _is_of_odd_name(path)
        if (is_ours or is_status) and str(text).startswith(NOWHERE) and not is_name:
            return NoSuchAddressError(url, path, read_version(headers))
        if not is_ours:
            return stranger(status, url, headers)
    hint = document.get("hint")
    retry = document.get("retry_after_ms")
    return ClewError(
        code,
        str(text or f"{url} answered {status}"),
        hint=str(hint) if hint else None,
        retry_after_ms=retry if isinstance(retry, int) else None,
    )


def read_version(headers: Mapping[str, str]) -> str | None:
    """Return which version of clew an answer is of, None where it does not say it is of any."""
    name = headers.get("server", "")
    return name.removeprefix(_SERVER) if name.startswith(_SERVER) else None


def tls_problem(error: BaseException, url: str) -> ClewError | None:
    """Say what is wrong with the encryption of a connection, None where that is not the trouble."""
    import ssl

    if isinstance(error, ssl.SSLCertVerificationError):
        return ClewError(
            ErrorCode.UNAVAILABLE,
            f"the certificate of {url} is not trusted ({error.verify_message})",
            hint="name its authority's file in SSL_CERT_FILE, or use the name that it is made for",
        )
    if isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        # A proxy that is started anew, or is tired of waiting.
        return ended(url)
    if isinstance(error, ssl.SSLError):
        return ClewError(
            ErrorCode.UNAVAILABLE,
            f"what answers at {url} does not speak TLS as it should",
            hint="clew serves http://; https:// is for a proxy with TLS in front of it",
        )
    return None


def ended(url: str) -> ClewError:
    """Return the error for a connection that was ended before there was an answer."""
    return ClewError(
        ErrorCode.UNAVAILABLE,
        f"no clew server answers at {url}: the connection was ended without a word",
        hint=f"a server may be starting or ending, or another program is there{LOOK}",
    )


def is_page(path: str, headers: Mapping[str, str]) -> bool:
    """Whether a page came for an address of ours that never gives one."""
    return path.startswith(_OURS) and headers.get("content-type", "").startswith("text/html")


def stranger(status: int, url: str, headers: Mapping[str, str]) -> ClewError:
    """Return the error for an answer that no clew server gave."""
    name = _shown(headers.get("server", ""), NAME_CHARS_SHOWN)
    location = _shown(headers.get("location", ""), LOCATION_CHARS_SHOWN)
    if status in _BEHIND:
        return ClewError(
            _STATUS_CODES[status],
            f"no clew server answers at {url}: {name or 'somebody else'} answered {status}",
            hint="if it stands in front of one, start that one: clew serve; else " + DOOR_HINT,
        )
    if status in _PASSAGE:
        return ClewError(
            _STATUS_CODES.get(status, ErrorCode.FORBIDDEN),
            f"{name or 'what'} answered {status} at {url}, and not as a clew server does"
            if name
            else f"what answered {status} at {url} is no clew server",
            hint="if it stands in front of one, see what it lets through; else " + DOOR_HINT,
        )
    if 300 <= status < 400 and location:
        return ClewError(
            ErrorCode.UNAVAILABLE,
            f"no clew server answers at {url}: it leads to {location}",
            hint=f"give that address if a clew server is there{LOOK}",
        )
    who = f"{name}, which answered {status}" if name else f"it answered {status}"
    return ClewError(
        ErrorCode.UNAVAILABLE,
        f"what answers at {url} is no clew server: {who}",
        hint=DOOR_HINT,
    )


def _is_of_odd_name(path: str) -> bool:
    """Whether a name in an address is why the server knows no such address: nobody has that name.

    One with a slash in it is several to the server, and one that is empty is none.
    """
    parts = path.partition("?")[0].split("/")[1:]
    return "" in parts or any(_SLASH in part.upper() for part in parts)


def _document(body: bytes) -> dict[str, object]:
    try:
        document = json.loads(body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _unready(document: Mapping[str, object]) -> str:
    """Return which checks of ``/readyz`` fail, and why."""
    checks = document.get("checks")
    failing = [
        f"{each.get('name')}: {each.get('detail') or 'not well'}"
        for each in (checks if isinstance(checks, list) else [])
        if isinstance(each, dict) and not each.get("ok")
    ]
    return "; ".join(failing) or "it does not say why"


def _shown(text: str, characters: int) -> str:
    """Return what a stranger says of itself as one short line."""
    return shorten("".join(each for each in text if each.isprintable()).strip(), characters)
