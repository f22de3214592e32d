"""Events of a TrailBase server, as hints that there is something to pull. Light install.

There is no replay: what was not heard is lost, and so is what the server dropped because we were
slow. It numbers the events of a connection, so a gap is seen; it may also say itself that it lost
some. Either way a pull finds everything, and therefore nothing of an event is used but its kind.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from clew.base.errors import ClewError
from clew.remote.events import EventParser
from clew.team.errors import DeniedError, ServerError, TeamError
from clew.team.trailbase.answers import decode_json
from clew.team.trailbase.contract import Hint
from clew.team.trailbase.layout import ANY_API, api_of
from clew.team.trailbase.records import RECORDS

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Sequence

    from clew.team.trailbase.records import Door

_FORBIDDEN: Final = 1
_LOST: Final = 2
"""Statuses of the server's own errors in a stream; the others mean that one event is missing."""


class Numbering:
    """The numbers of one connection's events. The ping that opens it takes the number 0."""

    def __init__(self) -> None:
        self._last = 0

    def is_gap(self, seq: object) -> bool:
        """Whether events are missing before this one. An event without a number says nothing."""
        if isinstance(seq, bool) or not isinstance(seq, int):
            return False
        gap = seq > self._last + 1
        self._last = max(seq, self._last)
        return gap


def read_event(data: str, types: Sequence[str], numbering: Numbering) -> list[Hint]:
    """Return what an event of a stream means for the types that it is listened to for.

    Raises:
        DeniedError: we may not listen any more.
        ServerError: it is no event.
    """
    event = decode_json(data)
    if not isinstance(event, dict):
        raise ServerError("the server sent an event that is none")
    lost = numbering.is_gap(event.get("seq"))
    error = event.get("Error")
    if error is not None:
        status = error.get("status") if isinstance(error, dict) else None
        if status == _FORBIDDEN:
            raise DeniedError("the server lets us listen no longer", status=403)
        return [Hint(each, lost=True) for each in types]
    concerned = types if lost else [each for each in types if _concerns(event, each)]
    return [Hint(each, lost=lost) for each in concerned]


async def listen(door: Door, entity_types: Sequence[str]) -> AsyncGenerator[Hint, None]:
    """Yield a hint for each type when it is listened to, then whenever something changes.

    Ends when a stream does, whichever it is: the caller reconnects, and pulls.

    Raises:
        TeamError: as of `Transport.stream`; DeniedError where we may not listen.
    """
    apis: dict[str, list[str]] = {}
    for each in entity_types:
        apis.setdefault(api_of(each), []).append(each)
    inbox = _Inbox()
    # Not a group of tasks: a generator that is left in its middle must not leave one open.
    tasks = [asyncio.create_task(_follow(door, api, types, inbox)) for api, types in apis.items()]
    for task in tasks:
        task.add_done_callback(inbox.wake)
    try:
        while True:
            for hint in await inbox.take():
                yield hint
            for task in tasks:
                if task.done():
                    task.result()
                    return
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Inbox:
    """Hints that nobody has taken yet, one for each type: many say no more than one does."""

    def __init__(self) -> None:
        self._waiting: dict[str, bool] = {}
        self._news = asyncio.Event()

    def put(self, hints: Iterable[Hint]) -> None:
        for hint in hints:
            self._waiting[hint.entity_type] = hint.lost or self._waiting.get(
                hint.entity_type, False
            )
        self._news.set()

    def wake(self, _: asyncio.Task[None]) -> None:
        self._news.set()

    async def take(self) -> list[Hint]:
        await self._news.wait()
        self._news.clear()
        waiting, self._waiting = self._waiting, {}
        return [Hint(each, lost=lost) for each, lost in waiting.items()]


async def _follow(door: Door, api: str, types: Sequence[str], inbox: _Inbox) -> None:
    headers = await door.session.headers(door.transport)
    path = f"{RECORDS}/{quote(api, safe='')}/subscribe/*"
    numbering, parser = Numbering(), EventParser()
    async with door.transport.stream(path, headers=headers) as chunks:
        inbox.put(Hint(each) for each in types)
        async for chunk in chunks:
            for data in _events(parser, chunk):
                inbox.put(read_event(data, types, numbering))


def _events(parser: EventParser, chunk: bytes) -> Iterable[str]:
    try:
        return [event.data for event in parser.feed(chunk)]
    except ClewError as error:
        if isinstance(error, TeamError):
            raise
        raise ServerError("the server sent an event that is over the limit") from error


def _concerns(event: dict[str, Any], entity_type: str) -> bool:
    """Whether an event is about a type: several kinds share one table."""
    if api_of(entity_type) != ANY_API:
        return True
    for change in ("Insert", "Update", "Delete"):
        record = event.get(change)
        if isinstance(record, dict):
            kind = record.get("entity_type")
            return not isinstance(kind, str) or kind == entity_type
    return True
