"""`subscribe`: server-sent events of changes, without replay and with loss."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from clew.testing.trailbase.configuration import Permission
from clew.testing.trailbase.filters import Filter, matches, parse_filter, parse_pairs
from clew.testing.trailbase.http import Response
from clew.testing.trailbase.values import Refusal, to_json

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from clew.testing.trailbase.accounts import FakeUser
    from clew.testing.trailbase.database import Change
    from clew.testing.trailbase.http import Request
    from clew.testing.trailbase.records import Shelf
    from clew.testing.trailbase.values import SqlValue

CHANNEL_MAX: Final = 64
"""Events that wait for one subscriber; the server drops what comes while they do."""

KEEP_ALIVE_S: Final = 15.0

FORBIDDEN: Final = 1
LOSS: Final = 2


@dataclass(frozen=True, slots=True)
class _Candidate:
    number: int
    change: Change


class Subscription:
    """One subscriber. `key` is that of a record, None for the whole table."""

    def __init__(
        self, shelf: Shelf, user: FakeUser | None, where: Filter | None, key: SqlValue
    ) -> None:
        self.shelf = shelf
        self.user = user
        self._where = where
        self._key = key
        self._waiting: deque[_Candidate] = deque()
        self._numbers = 0
        self._news = asyncio.Event()
        self._is_over = False

    def concerns(self, change: Change) -> bool:
        """Return whether a change is of this table, or of this record."""
        relation = self.shelf.relation
        is_ours = change.table == relation.name
        return is_ours and (self._key is None or change.row[relation.key] == self._key)

    def offer(self, change: Change, *, is_lost: bool) -> None:
        """Take a change, unless the channel is full or it is to be lost."""
        self._numbers += 1
        if is_lost or len(self._waiting) >= CHANNEL_MAX:
            return
        self._waiting.append(_Candidate(self._numbers, change))
        self._news.set()

    def end(self) -> None:
        """Let the stream end after what waits."""
        self._is_over = True
        self._news.set()

    async def frames(self, flow: asyncio.Event, keep_alive_s: float) -> AsyncGenerator[bytes, None]:
        """Yield the stream: a ping, then events; numbers count from the ping, which is 0."""
        yield b": ping\n\n"
        sent, expected = 0, 1
        while True:
            candidate = await self._next(flow, keep_alive_s)
            if candidate is None:
                if self._is_over:
                    return
                yield b":\n\n"
                continue
            if candidate.number != expected:
                sent += 1
                yield _frame({"Error": {"status": LOSS, "message": "Event lost"}, "seq": sent})
            expected = candidate.number + 1
            event = self._event(candidate.change)
            if event is None:
                continue
            sent += 1
            yield _frame(event | {"seq": sent})
            if "Error" in event:
                return

    async def _next(self, flow: asyncio.Event, keep_alive_s: float) -> _Candidate | None:
        await flow.wait()
        if not self._waiting and not self._is_over:
            self._news.clear()
            try:
                async with asyncio.timeout(keep_alive_s):
                    await self._news.wait()
            except TimeoutError:
                return None
            await flow.wait()
        return self._waiting.popleft() if self._waiting else None

    def _event(self, change: Change) -> dict[str, object] | None:
        try:
            self.shelf.access.check_event(change.row, self.user.key if self.user else None)
        except Refusal:
            # Of a table, rows that one may not see are passed over in silence.
            return None if self._key is None else {"Error": {"status": FORBIDDEN}}
        if not matches(self._where, change.row):
            return None
        return {change.verb: {name: to_json(value) for name, value in change.row.items()}}


class Exchange:
    """All subscriptions of a server."""

    def __init__(self) -> None:
        self._open: set[Subscription] = set()
        self._flow = asyncio.Event()
        self._flow.set()
        self.keep_alive_s = KEEP_ALIVE_S
        self._to_lose = 0

    @property
    def count(self) -> int:
        """How many subscribers there are."""
        return len(self._open)

    def subscribe(
        self, shelf: Shelf, record: str, request: Request, user: FakeUser | None
    ) -> Response:
        """Return a stream.

        Raises:
            Refusal: 400, 403, or 404 where a record is not there.
        """
        if not shelf.api.has_subscriptions:
            raise Refusal(403)
        pairs = parse_pairs(request.query)
        if dict(pairs).get("ws") == "true":
            raise Refusal(400, "ws unsupported")
        person = user.key if user else None
        where, key = None, None
        if record == "*":
            shelf.access.check_table(Permission.READ, person)
            where = parse_filter(pairs, shelf.relation.columns)
        else:
            key = shelf.record_id(record)
            shelf.access.check(Permission.READ, person, record=key)
        subscription = Subscription(shelf, user, where, key)
        self._open.add(subscription)
        return Response(
            content_type="text/event-stream",
            headers=(("cache-control", "no-cache"),),
            stream=self._stream(subscription),
        )

    def publish(self, changes: list[Change]) -> None:
        """Tell every subscriber what was committed."""
        for change in changes:
            concerned = [one for one in self._open if one.concerns(change)]
            is_lost = bool(concerned) and self._to_lose > 0
            self._to_lose -= is_lost
            for subscription in concerned:
                subscription.offer(change, is_lost=is_lost)

    def lose(self, count: int) -> None:
        """Have no subscriber hear of the next changes that concern one."""
        self._to_lose += count

    def stall(self, *, is_stalled: bool) -> None:
        """Have streams stand still, as with a reader who is slow, or go on."""
        if is_stalled:
            self._flow.clear()
        else:
            self._flow.set()

    async def _stream(self, subscription: Subscription) -> AsyncGenerator[bytes, None]:
        try:
            async for frame in subscription.frames(self._flow, self.keep_alive_s):
                yield frame
        finally:
            self._open.discard(subscription)


def _frame(event: dict[str, object]) -> bytes:
    return b"data: " + json.dumps(event, separators=(",", ":")).encode() + b"\n\n"
