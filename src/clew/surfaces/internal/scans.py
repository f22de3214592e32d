"""What a query tier asks a server that holds data: its newest frame, and the rows of scans.

``GET /internal/frames`` and ``POST /internal/scans``; `clew.store.engine.exchange` says what goes
over the wire. Whoever may observe may ask: a scan tells no more than SQL does, and its text is
checked as SQL of users is.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from clew.access.caller import Verb
from clew.base.errors import ClewError, ErrorCode, NotOfferedError
from clew.store.engine.exchange import (
    MEDIA_TYPE,
    NewestFrame,
    ScanQuestion,
    encode_answer,
)
from clew.surfaces.callers import is_loopback_name
from clew.surfaces.group import ALONE
from clew.surfaces.identity import caller_of
from clew.surfaces.rest.answers import answer_document, encode
from clew.surfaces.rest.body import media_type_of, read_body
from clew.surfaces.rest.route import GONE, run_unless_gone

if TYPE_CHECKING:
    from clew.surfaces.rest.desk import Desk

QUESTION_BYTES_MAX: Final = 16 << 20
"""A question is a few hundred bytes and what is bound in it: at most some hundred thousand ids."""


async def answer_scans(desk: Desk, request: Request) -> Response:
    """Answer scans at one moment; the rows are compressed for whoever is not on this machine.

    Raises:
        ClewError: what the engine says, UNSUPPORTED for another media type or on a query tier.
    """
    desk.identity.authorize(caller_of(request.scope), Verb.OBSERVE, request.scope)
    if media_type_of(request) != MEDIA_TYPE:
        raise ClewError(ErrorCode.UNSUPPORTED, "that is no scan", hint=f"send {MEDIA_TYPE}")
    body = await read_body(request, QUESTION_BYTES_MAX)
    compression = None if _is_near(request) else "zstd"
    work = functools.partial(_work, desk, body, compression)
    answer = await run_unless_gone(request, desk.threads.run(work))
    if answer is None:
        return Response(status_code=GONE)
    return Response(answer, media_type=MEDIA_TYPE)


async def answer_frames(desk: Desk, request: Request) -> Response:
    """Answer with the newest frame that was acknowledged, and the newest that is stored."""
    desk.identity.authorize(caller_of(request.scope), Verb.OBSERVE, request.scope)
    if desk.foreign is None:
        raise _no_shard()
    status = desk.pipeline.status()
    place = ALONE if desk.group is None else desk.group.status()
    newest = NewestFrame(
        status.acked,
        status.flushed,
        status.data_id,
        role=place.role if desk.group is None else desk.group.role,
        epoch=place.epoch,
        group=place.group or "",
    )
    return answer_document(encode(newest))


def _work(desk: Desk, body: bytes, compression: str | None) -> bytes:
    if desk.foreign is None:
        raise _no_shard()
    try:
        question = msgspec.msgpack.decode(body, type=ScanQuestion)
    except msgspec.DecodeError as error:
        raise ClewError(ErrorCode.INVALID_ARGUMENT, f"that is no scan: {error}") from None
    return encode_answer(desk.foreign(question), compression=compression)


def _no_shard() -> ClewError:
    return NotOfferedError(
        "this server is a query tier and holds no rows",
        hint="name the servers that hold them with --shards",
    )


def _is_near(request: Request) -> bool:
    """Whether who asks is on this machine, where compressing takes longer than sending."""
    return request.client is not None and is_loopback_name(request.client.host)
