"""The feeds of all shards of a query tier as one, in the order in which they arrive.

What the shards say comes word for word; who hands it on gives it ids of this feed's own. Such an id
holds the place in each shard's feed, so that a client which comes back goes on everywhere where it
was.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from clew.base.errors import ClewError, ErrorCode
from clew.base.gathering import note_missing, note_standby
from clew.remote.events import SILENCE_S_MAX
from clew.remote.feeds import ShardFeeds, write_event_id

if TYPE_CHECKING:
    from clew.remote.feeds import Heard
    from clew.remote.pairs import Pairs
    from clew.remote.shards import Shards

BEGIN_SECONDS_MAX: Final = 5.0
"""How long the beginning waits for shards to say where they are; who does not is missing so far."""


class MergedFeed:
    """What the shards' feeds of one address say. Belongs to one event loop; `close` it.

    `places` is how far whoever is told this has come, by shard, which its user keeps; `missing` are
    the shards that cannot be heard for now, `standbys` those that a standby tells of.
    """

    def __init__(
        self,
        shards: Shards,
        path: str,
        pairs: Pairs,
        after: str | None,
        *,
        silence_s: float = SILENCE_S_MAX,
    ) -> None:
        """Prepare; `after` is the id of the last event that was told.

        A shard that says nothing for `silence_s` seconds is missing until it is heard again.
        """
        self.places: dict[str, str] = {}
        self.missing: set[str] = set()
        self.standbys: set[str] = set()
        self._shards = shards
        self._asked = (path, pairs)
        self._after = after
        self._silence_s = silence_s
        self._refused: set[str] = set()
        self._waiting: list[Heard] = []
        self._news = asyncio.Event()
        self._feeds: ShardFeeds | None = None

    async def begin(self) -> None:
        """Begin with every shard, and hear of each where it is, as far as they answer in time.

        Raises:
            ClewError: INVALID_ARGUMENT for an id that is none of these shards; what a shard says to
                the question.
        """
        loop = asyncio.get_running_loop()
        path, pairs = self._asked
        # It begins threads, and does it here and at once: whoever waits for that may be cancelled,
        # and `close` has to know of them.
        self._feeds = ShardFeeds(
            self._shards,
            path,
            pairs,
            after=self._after,
            wake=lambda: loop.call_soon_threadsafe(self._news.set),
            silence_s=self._silence_s,
        )
        self.places = dict(self._feeds.places)
        unheard = {shard.name for shard in self._shards.shards}
        limit = min(BEGIN_SECONDS_MAX, self._shards.timeout_s)
        try:
            async with asyncio.timeout(limit):
                while unheard:
                    unheard.discard((await self.hear()).shard)
        except TimeoutError:
            self.missing |= unheard
        for name in sorted(self.missing):
            note_missing(name, "its feed cannot be heard")
        for name in self.standbys:
            note_standby(name)

    async def hear(self) -> Heard:
        """Return what comes of a shard next, and keep its events for `take_waiting`.

        Raises:
            ClewError: a shard refuses the question.
        """
        assert self._feeds is not None, "the feed has begun"
        while (heard := self._feeds.take()) is None:
            self._news.clear()
            # Between the two lines nothing can have been lost: whoever puts sets the event after.
            if (heard := self._feeds.take()) is not None:
                break
            await self._news.wait()
        if heard.failure is not None:
            self._refused.add(heard.shard)
            why = heard.failure
            # An app is on one shard, and the others do not know it.
            is_elsewhere = why.code is ErrorCode.NOT_FOUND
            if not is_elsewhere or len(self._refused) == len(self._shards.shards):
                raise ClewError(why.code, f"shard {heard.shard}: {why.message}", hint=why.hint)
            return heard
        if heard.lost is not None:
            self.missing.add(heard.shard)
            self.standbys.discard(heard.shard)
        else:
            self.missing.discard(heard.shard)
            if heard.is_of_standby:
                self.standbys.add(heard.shard)
            else:
                self.standbys.discard(heard.shard)
            self._waiting.append(heard)
        return heard

    def take_waiting(self) -> list[Heard]:
        """Return what was heard and not taken yet."""
        waiting, self._waiting = self._waiting, []
        return waiting

    def tell_whose(self) -> dict[str, object]:
        """Return what is said of the shards where that changes."""
        whose: dict[str, object] = {
            "partial": bool(self.missing),
            "missing_shards": sorted(self.missing),
        }
        return whose | ({"standby_shards": sorted(self.standbys)} if self.standbys else {})

    @property
    def event_id(self) -> str:
        """The id that says how far this has come on every shard."""
        return write_event_id(self.places)

    def close(self) -> None:
        """Let go of the shards; idempotent."""
        if self._feeds is not None:
            self._feeds.close()


def unreadable(shard: str) -> ClewError:
    """Return the error for what a shard's feed says that no feed of ours would."""
    return ClewError(
        ErrorCode.UNAVAILABLE,
        f"shard {shard}: what its feed says cannot be read",
        hint="do all servers run the same version of clew?",
    )
