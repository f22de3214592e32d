"""The HTTP side of a server: plain requests, and whatever comes back."""

from __future__ import annotations

import asyncio
import http.client
import json
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from clew.base.errors import ClewError, ErrorCode

if TYPE_CHECKING:
    from collections.abc import Mapping

TIMEOUT_SECONDS: Final = 90.0
"""A question that waits for the end of a cancel takes as long as that has."""

BODY_BYTES_MAX: Final = 8 << 20

NOT_FOUND: Final = 404


class Rest:
    """One HTTP door. `api_key` is sent with every request, where there is one."""

    def __init__(self, url: str, api_key: str | None) -> None:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ClewError(
                ErrorCode.INVALID_ARGUMENT,
                f"no address of an HTTP door: {url}",
                hint="such as http://127.0.0.1:7701",
            )
        self._parts = parts
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}

    async def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, Any]:
        """Return the status, and the document or the text.

        Raises:
            ClewError: UNAVAILABLE when there is no answer.
        """
        return await asyncio.to_thread(self._ask, method, path, body, dict(headers or {}))

    def _ask(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str]
    ) -> tuple[int, Any]:
        secure = self._parts.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        host = str(self._parts.hostname)
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
        try:
            with closing(kind(host, self._parts.port, timeout=TIMEOUT_SECONDS)) as connection:
                path = self._parts.path.rstrip("/") + path
                connection.request(method, path, body, self._headers | headers)
                response = connection.getresponse()
                return response.status, _read(response.read(BODY_BYTES_MAX))
        except (OSError, http.client.HTTPException) as error:
            raise ClewError(
                ErrorCode.UNAVAILABLE, f"no answer from {self._parts.netloc}: {error}"
            ) from error


def _read(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="replace")
