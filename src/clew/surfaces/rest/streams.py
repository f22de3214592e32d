"""Export: every matching record as OTLP again, in requests of bounded size, streamed.

``otlp-proto`` is one serialised request: protobuf messages of one type joined are one message, with
the repeated fields joined. ``otlp-json`` has one request per line.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final, Literal

from starlette.responses import Response

from clew.base.errors import ClewError, ErrorCode
from clew.surfaces.rest.feeds import SEND_SECONDS_MAX
from clew.surfaces.rest.routes import wait_gone

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from starlette.types import Receive, Scope, Send

    from clew.surfaces.rest.desk import Desk
    from clew.surfaces.rest.routes import Asked
    from clew.telemetry.otlp.signal import Signal

logger = logging.getLogger(__name__)

ExportFormat = Literal["otlp-json", "otlp-proto"]

MEDIA_TYPES: Final[Mapping[str, str]] = {
    "otlp-json": "application/x-ndjson",
    "otlp-proto": "application/x-protobuf",
}


class ExportStream(Response):
    """A response of unknown length, made piece by piece on the query threads.

    `pieces` are serialised requests. Only one is in memory at a time: the next is asked for when
    the client has taken the one before.
    """

    def __init__(
        self,
        desk: Desk,
        asked: Asked,
        signal: Signal,
        form: ExportFormat,
        pieces: Iterator[bytes],
    ) -> None:
        super().__init__(
            media_type=MEDIA_TYPES[form],
            headers={"content-disposition": f'attachment; filename="{signal}.{_suffix(form)}"'},
        )
        del self.headers["content-length"]
        self._desk = desk
        self._request = asked.request
        self._caller = asked.caller
        self._signal = signal
        self._form = form
        self._pieces = pieces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send everything, unless the client goes away."""
        if scope["method"] == "HEAD":
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": b""})
            return
        # The first piece is made before the answer begins, so that an error can be one.
        piece = await self._next()
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        gone = asyncio.ensure_future(wait_gone(self._request))
        try:
            while piece is not None and not gone.done():
                self._check_caller()
                async with asyncio.timeout(SEND_SECONDS_MAX):
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
                piece = await self._next()
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except (ClewError, TimeoutError) as error:
            # The status has been said. Ending without the last chunk tells the client that the
            # answer is not whole.
            logger.warning("an export of %s was cut off: %s", self._signal, error)
        finally:
            gone.cancel()

    def _check_caller(self) -> None:
        """Raise once the caller would not be let in any more: an export may take minutes."""
        if not self._desk.identity.is_valid(self._caller):
            raise ClewError(ErrorCode.UNAUTHENTICATED, "the API key is not valid any more")

    async def _next(self) -> bytes | None:
        return await self._desk.threads.run(self._make)

    def _make(self) -> bytes | None:
        piece = next(self._pieces, None)
        if piece is None or self._form == "otlp-proto":
            return piece
        # With them come protobuf's descriptors, which a start need not wait for.
        from clew.telemetry.otlp.json_codec import format_message
        from clew.telemetry.otlp.messages import REQUESTS

        return format_message(REQUESTS[self._signal].FromString(piece)) + b"\n"


def _suffix(form: ExportFormat) -> str:
    return "ndjson" if form == "otlp-json" else "binpb"
