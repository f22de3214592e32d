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
from clew.base.gathering import missing_shards
from clew.surfaces.rest.feeds import SEND_SECONDS_MAX
from clew.surfaces.rest.route import wait_gone

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from starlette.types import Receive, Scope, Send

    from clew.surfaces.rest.desk import Desk
    from clew.surfaces.rest.route import Asked
    from clew.telemetry.otlp.signal import Signal

logger = logging.getLogger(__name__)

ExportFormat = Literal["otlp-json", "otlp-proto"]

MEDIA_TYPES: Final[Mapping[str, str]] = {
    "otlp-json": "application/x-ndjson",
    "otlp-proto": "application/x-protobuf",
}

PIECE_SECONDS_MAX: Final = 90.0
"""How long a piece may take: the engine has a minute for each page, and others are before it."""


class ExportStream(Response):
    """A response of unknown length, made piece by piece on the query threads.

    Only one of the `pieces` is in memory at a time: the next is asked for when the client has taken
    the one before. `what` is exported, into a file of this name.
    """

    def __init__(
        self,
        desk: Desk,
        asked: Asked,
        what: str,
        pieces: Iterator[bytes],
        *,
        media_type: str,
        filename: str,
    ) -> None:
        super().__init__(
            media_type=media_type,
            headers={"content-disposition": f'attachment; filename="{filename}"'},
        )
        del self.headers["content-length"]
        self._desk = desk
        self._request = asked.request
        self._caller = asked.caller
        self._what = what
        self._pieces = pieces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send everything, unless the client goes away."""
        if scope["method"] == "HEAD":
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": b""})
            return
        # The first piece is made before the answer begins, so that an error can be one.
        piece = await self._next()
        lacking = missing_shards()
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        gone = asyncio.ensure_future(wait_gone(self._request))
        try:
            while piece is not None and not gone.done():
                self._check_caller()
                _check_present(lacking)
                async with asyncio.timeout(SEND_SECONDS_MAX):
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
                piece = await self._next()
            # That there is nothing more may be because a shard is not there to say so.
            _check_present(lacking)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except (ClewError, TimeoutError) as error:
            # The status has been said. Ending without the last chunk tells the client that the
            # answer is not whole.
            logger.warning("an export of %s was cut off: %s", self._what, error)
        finally:
            gone.cancel()

    def _check_caller(self) -> None:
        """Raise once the caller would not be let in any more: an export may take minutes."""
        if not self._desk.identity.is_valid(self._caller):
            raise ClewError(ErrorCode.UNAUTHENTICATED, "the API key is not valid any more")

    async def _next(self) -> bytes | None:
        threads = self._desk.threads
        seconds = max(PIECE_SECONDS_MAX, threads.seconds_max)
        return await threads.run(lambda: next(self._pieces, None), seconds=seconds)


def _check_present(lacking: list[str]) -> None:
    """Raise when more shards are missing than the head said, which has been sent."""
    if missing_shards() != lacking:
        raise ClewError(ErrorCode.UNAVAILABLE, "a shard went away meanwhile")


def export_otlp(
    desk: Desk, asked: Asked, signal: Signal, form: ExportFormat, pieces: Iterator[bytes]
) -> ExportStream:
    """Return serialised requests of a signal as a response of this form."""
    suffix = "ndjson" if form == "otlp-json" else "binpb"
    return ExportStream(
        *(desk, asked, signal, _as_json(signal, pieces) if form == "otlp-json" else pieces),
        media_type=MEDIA_TYPES[form],
        filename=f"{signal}.{suffix}",
    )


def _as_json(signal: Signal, pieces: Iterator[bytes]) -> Iterator[bytes]:
    # With them come protobuf's descriptors, which a start need not wait for.
    from clew.telemetry.otlp.json_codec import format_message
    from clew.telemetry.otlp.messages import REQUESTS

    for piece in pieces:
        yield format_message(REQUESTS[signal].FromString(piece)) + b"\n"
