"""What servers of a group ask one another about the log: a bare ASGI application.

``POST /internal/wal/records`` takes in what a leader ships, ``GET /internal/wal/position`` says how
far this server is, ``GET /internal/wal/records?after=N`` reads its log, and ``GET
/internal/snapshot`` streams everything for a server that begins anew, and ``GET
/internal/server-key`` tells a standby the key that apps may pin. All ask for a key of role admin,
where keys are in use.

What of the first kind is refused, or broke off, is counted, and told with the position.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs

import msgspec

from clew.access.caller import Verb
from clew.base.errors import ClewError, ErrorCode
from clew.store.replication import wire
from clew.store.replication.said import GapError, Shipment
from clew.store.replication.standing import FencedError
from clew.surfaces.errors import describe, http_status, retry_after_seconds
from clew.surfaces.identity import caller_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Mapping, MutableMapping

    from clew.store.replication.part import Part
    from clew.surfaces.identity import Identity

    Scope = MutableMapping[str, Any]
    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]

logger = logging.getLogger(__name__)

PATHS: Final = frozenset({wire.RECORDS_PATH, wire.POSITION_PATH, wire.SNAPSHOT_PATH, wire.KEY_PATH})

BODY_BYTES_MAX: Final = 72 * 1024 * 1024
"""A frame of the largest payload there may be, alone, and what else a request may hold."""

BODY_SECONDS_MAX: Final = 30.0
"""How long a body may take to arrive, as at the doors of telemetry."""

READ_BYTES_MAX: Final = 4 * 1024 * 1024
"""Frames of one answer; a larger one comes alone."""

JSON: Final = b"application/json"


class Refusal(StrEnum):
    """Why frames that were sent here were not taken."""

    DAMAGED = "damaged"
    BROKEN_OFF = "broken_off"
    """The sender went away before the body was whole."""
    FENCED = "fenced"
    GAP = "gap"


class InternalDoor:
    """The application. One instance belongs to one event loop.

    `part` is this server's in a group, None for one that is alone. `read_log` gives frames after a
    number, None when the log does not reach back so far. `tell_more` adds to a position what the
    part does not know, `open_snapshot` begins a snapshot, and `tell_key` gives the server's own
    key.
    """

    def __init__(
        self,
        part: Part | None,
        identity: Identity,
        *,
        tell_more: Callable[[], Mapping[str, object]],
        read_log: Callable[[int, int], list[wire.Record] | None],
        open_snapshot: Callable[[], Generator[bytes]] | None = None,
        tell_key: Callable[[], Mapping[str, str]] | None = None,
    ) -> None:
        self._part = part
        self._identity = identity
        self._tell_more = tell_more
        self._read_log = read_log
        self._open_snapshot = open_snapshot
        self._tell_key = tell_key
        self._refused: Counter[Refusal] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request, whose caller was found out already."""
        scope["route_path_format"] = scope["path"]
        try:
            self._identity.authorize(caller_of(scope), Verb.ADMIN, scope)
            await self._respond(scope, receive, send)
        except FencedError as error:
            self._refused[Refusal.FENCED] += 1
            fenced = {"epoch": error.epoch, "current": error.current, "leader": error.leader_url}
            await _refuse(send, 409, error, fenced)
        except GapError as error:
            self._refused[Refusal.GAP] += 1
            await _refuse(send, 416, error, {"expected": error.expected})
        except ClewError as error:
            is_damaged = error.code is ErrorCode.INVALID_ARGUMENT
            self._refused[Refusal.DAMAGED] += is_damaged
            await _refuse(send, 422 if is_damaged else http_status(error.code), error, {})

    async def _respond(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._part is None:
            raise ClewError(
                ErrorCode.UNSUPPORTED,
                "this server belongs to no group",
                hint="start it with --standby, or with --role standby",
            )
        match scope["method"], scope["path"]:
            case "POST", wire.RECORDS_PATH:
                await self._take(self._part, scope, receive, send)
            case "GET", wire.RECORDS_PATH:
                await self._read(scope, send)
            case "GET", wire.POSITION_PATH:
                await _answer(send, 200, self._tell_position(self._part))
            case "GET", wire.KEY_PATH if self._tell_key is not None:
                await _answer(send, 200, await asyncio.to_thread(self._tell_key))
            case "GET", wire.SNAPSHOT_PATH:
                await self._stream_snapshot(receive, send)
            case _:
                error = ClewError(ErrorCode.UNSUPPORTED, "that is not what this path is for")
                await _answer(send, 405, describe(error, 405))

    async def _take(self, part: Part, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        body = await _read_body(receive)
        if body is None:
            self._refused[Refusal.BROKEN_OFF] += 1
            return
        said = await asyncio.to_thread(part.take, Shipment.parse(headers), body)
        await _answer(send, 202, said)

    async def _read(self, scope: Scope, send: Send) -> None:
        given = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("after", ["0"])[0]
        if not given.isdecimal():
            raise ClewError(ErrorCode.INVALID_ARGUMENT, "after is the number of a frame")
        records = await asyncio.to_thread(self._read_log, int(given), READ_BYTES_MAX)
        if records is None:
            raise ClewError(
                ErrorCode.NOT_FOUND,
                f"the log does not reach back to frame {int(given) + 1}",
                hint=f"take a snapshot: GET {wire.SNAPSHOT_PATH}",
            )
        body = wire.encode_records(records)
        await _send(send, 200, wire.CONTENT_TYPE.encode(), body)

    def _tell_position(self, part: Part) -> dict[str, object]:
        status = part.status()
        said = part.tell()
        return {
            "node_id": status.node_id,
            "role": status.role,
            "epoch": said.epoch,
            "leader": part.standing.leader,
            "leader_url": part.standing.leader_url,
            "led_epoch": part.standing.led[0],
            "led_by": part.standing.led[1],
            "acked": status.acked,
            "last": said.last,
            "last_epoch": said.last_epoch,
            "synced": said.acked,
            "starts": part.standing.starts,
            "group": part.standing.group,
            "need": status.need,
            "refused": {each.value: self._refused[each] for each in Refusal},
            **self._tell_more(),
        }

    async def _stream_snapshot(self, receive: Receive, send: Send) -> None:
        if self._open_snapshot is None:
            raise ClewError(ErrorCode.UNSUPPORTED, "this server gives no snapshots")
        pieces = await asyncio.to_thread(self._open_snapshot)
        turn = threading.Lock()

        def next_piece() -> bytes | None:
            with turn:
                return next(pieces, None)

        def end() -> None:
            # What was made for it goes as well.
            with turn:
                pieces.close()

        headers = [(b"content-type", b"application/octet-stream")]
        first = await asyncio.to_thread(next_piece)
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        gone = asyncio.create_task(_wait_gone(receive), name="snapshot")
        try:
            # What is sent to one who has gone is lost without a word, and all of it would be read.
            while first is not None and not gone.done():
                await send({"type": "http.response.body", "body": first, "more_body": True})
                first = await asyncio.to_thread(next_piece)
        except ClewError as error:
            # The status is gone; without its end the other side knows that it is not whole.
            logger.warning("a snapshot broke off: %s", error.message)
        finally:
            gone.cancel()
            await asyncio.to_thread(end)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _wait_gone(receive: Receive) -> None:
    """Return once the caller has gone."""
    while (await receive())["type"] != "http.disconnect":
        continue


async def _read_body(receive: Receive) -> bytes | None:
    """Return the body, None when the sender went away."""
    pieces = []
    size = 0
    try:
        async with asyncio.timeout(BODY_SECONDS_MAX):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return None
                piece: bytes = message.get("body", b"")
                size += len(piece)
                if size > BODY_BYTES_MAX:
                    raise ClewError(
                        ErrorCode.TOO_LARGE, f"the body is larger than {BODY_BYTES_MAX} bytes"
                    )
                pieces.append(piece)
                if not message.get("more_body", False):
                    return b"".join(pieces)
    except TimeoutError:
        raise ClewError(
            ErrorCode.TIMEOUT, f"the body did not arrive in {BODY_SECONDS_MAX:g} s"
        ) from None


async def _refuse(send: Send, status: int, error: ClewError, more: Mapping[str, object]) -> None:
    document = {**msgspec.structs.asdict(describe(error, status)), **more}
    seconds = retry_after_seconds(error)
    headers = [] if seconds is None else [(b"retry-after", b"%d" % seconds)]
    await _send(send, status, JSON, msgspec.json.encode(document), headers)


async def _answer(send: Send, status: int, document: object) -> None:
    await _send(send, status, JSON, msgspec.json.encode(document))


async def _send(
    send: Send,
    status: int,
    content_type: bytes,
    body: bytes,
    headers: list[tuple[bytes, bytes]] | None = None,
) -> None:
    start = [
        (b"content-type", content_type),
        (b"content-length", b"%d" % len(body)),
        *(headers or []),
    ]
    await send({"type": "http.response.start", "status": status, "headers": start})
    await send({"type": "http.response.body", "body": body, "more_body": False})
