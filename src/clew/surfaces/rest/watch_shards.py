"""What happens in the trees of all shards of a query tier, over one web socket.

Each message is what a shard's feed says, with two things of this feed's own: `shard` names the
shard, and `id` is a text that holds the place in every shard's feed, so that a client which comes
back with it goes on everywhere where it was. Which shards cannot be heard is a message as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from clew.remote.feeds import write_event_id
from clew.remote.pairs import to_pairs
from clew.surfaces.rest.feeds import Messages
from clew.surfaces.rest.merged_feed import MergedFeed, unreadable

if TYPE_CHECKING:
    from clew.remote.feeds import Heard
    from clew.remote.shards import Shards
    from clew.tree.parameters import WatchParameters

EVERYTHING: Final = "0"
"""As `after`: all that is kept, on every shard."""


def place_after(after: str | None, shards: Shards) -> str | None:
    """Return the id of a merged feed that an `after` means."""
    if after != EVERYTHING:
        return after
    return write_event_id({shard.name: EVERYTHING for shard in shards.shards})


class ShardedMessages:
    """The messages of one web socket. Belongs to one event loop; `close` it."""

    def __init__(self, shards: Shards, path: str, asked: WatchParameters) -> None:
        """Prepare; `path` is that of the feed at every shard."""
        pairs = to_pairs(asked, without=frozenset({"after"}))
        self._feed = MergedFeed(shards, path, pairs, place_after(asked.after, shards))
        self._told = self._feed.tell_whose()

    async def begin(self) -> None:
        """Begin with every shard.

        Raises:
            ClewError: as `MergedFeed.begin`.
        """
        await self._feed.begin()

    def ready(self) -> bytes:
        """Return the message that says how far the feed has come."""
        return _encode({"kind": "ready", "id": self._feed.event_id})

    async def take(self) -> Messages:
        """Return what comes next; waits while nothing has happened.

        Raises:
            ClewError: a shard refuses to go on.
        """
        while True:
            texts = [text for heard in self._feed.take_waiting() for text in self._write(heard)]
            if self._told != (whose := self._feed.tell_whose()):
                self._told = whose
                texts.append(_encode({"kind": "shards", **whose}))
            if texts:
                return Messages(texts)
            await self._feed.hear()

    def close(self) -> None:
        """Let go of the shards; idempotent."""
        self._feed.close()

    def _write(self, heard: Heard) -> list[bytes]:
        texts = []
        for event in heard.events:
            if event.name not in {"message", "lagged"}:
                # That a shard is ready, or that its feed broke off, is this feed's own to say.
                continue
            try:
                said = msgspec.json.decode(event.data, type=list[_Said] | _Said)
                each_said = [said] if isinstance(said, dict) else said
                ids = [bytes(each["id"]).decode() for each in each_said]
            except (msgspec.DecodeError, KeyError) as error:
                raise unreadable(heard.shard) from error
            for own_id, each in zip(ids, each_said, strict=True):
                self._feed.places[heard.shard] = own_id
                own = {"id": self._feed.event_id, "shard": heard.shard}
                texts.append(_encode({**each, **own}))
        self._feed.places[heard.shard] = heard.last_id
        return texts


_Said = dict[str, msgspec.Raw]


def _encode(document: dict[str, Any]) -> bytes:
    return msgspec.json.encode(document)
