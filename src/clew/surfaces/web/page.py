"""The files of the page, as they were built from `ui/`: read once, small, and the same for all.

Nothing in them is secret and nothing of a user's data is in them, so nobody is asked who they are;
the page asks for a key when REST does.
"""

from __future__ import annotations

import functools
import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Final

from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from importlib.resources.abc import Traversable

    from starlette.requests import Request

INDEX: Final = "index.html"

ASSETS: Final = "assets/"
"""What stands here has a name of its content, which never changes under that name."""

YEAR_S: Final = 31_536_000

# No inline script, nothing from elsewhere, no frame around it: text of telemetry that found a way
# into the page could still neither run nor send anything away.
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; font-src 'self'; worker-src 'self'; manifest-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_HEADERS: Final = {
    "content-security-policy": POLICY,
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "x-frame-options": "DENY",
}

_TYPES: Final = {".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
"""What a system's own table may say otherwise."""


@dataclass(frozen=True, slots=True)
class PageFile:
    """A file, plain and packed. `tag` changes with its content."""

    body: bytes
    packed: bytes
    media_type: str
    tag: str


@functools.cache
def page_files() -> Mapping[str, PageFile]:
    """Return the files of the page by their path; empty where it was not built."""
    root = resources.files("clew.surfaces.web") / "static"
    return dict(_read(root, "")) if root.is_dir() else {}


def answer_file(request: Request, path: str) -> Response | None:
    """Return a file of the page, or None where there is no such file."""
    file = page_files().get(path)
    if file is None:
        return None
    is_packed = "gzip" in request.headers.get("accept-encoding", "")
    headers = {
        **_HEADERS,
        "etag": f'"{file.tag}"',
        "vary": "accept-encoding",
        "cache-control": (
            f"public, max-age={YEAR_S}, immutable" if path.startswith(ASSETS) else "no-cache"
        ),
    }
    if request.headers.get("if-none-match") == headers["etag"]:
        return Response(status_code=304, headers=headers)
    if is_packed:
        headers["content-encoding"] = "gzip"
    body = file.packed if is_packed else file.body
    return Response(body, media_type=file.media_type, headers=headers)


def _read(folder: Traversable, prefix: str) -> Iterator[tuple[str, PageFile]]:
    for each in folder.iterdir():
        path = prefix + each.name
        if each.is_dir():
            yield from _read(each, f"{path}/")
            continue
        body = each.read_bytes()
        suffix = path[path.rfind(".") :]
        guessed = mimetypes.guess_type(path)[0] or "application/octet-stream"
        yield (
            path,
            PageFile(
                body,
                gzip.compress(body, mtime=0),
                _TYPES.get(suffix, guessed),
                hashlib.sha256(body).hexdigest()[:16],
            ),
        )
