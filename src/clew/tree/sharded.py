"""The tree of several servers: each app is on one of them, and everybody is asked.

A process joins the server that it was told of, so a subtree lies on one shard as a rule; nothing
here counts on it. Lists are merged, and every app says which shard it is on; what is said to an app
goes to the shard that has it.
"""

from __future__ import annotations

import asyncio
import functools
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from clew.base.errors import ClewError, NotOfferedError
from clew.base.ids import parse_uuid
from clew.base.times import parse_duration_ns
from clew.remote.finding import find_keeper, none_if_absent
from clew.remote.merging import Asked, Listing, Merged, Part, merge_lists
from clew.store.page import check_limit, digest_question
from clew.tree import documents as doc
from clew.tree.machine.app import Status
from clew.tree.parameters import LIMIT_MAX, AppQuery, CrashQuery
from clew.tree.remote import TreeClient
from clew.tree.service import WAIT_S_MAX

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from clew.access.caller import Caller
    from clew.base.gathering import Shard
    from clew.remote.http import Server
    from clew.remote.reply import Reply
    from clew.remote.shards import Shards
    from clew.tree import parameters as ask
    from clew.tree.contract import Endpoint
    from clew.tree.watch.feed import WatchFeed

APP_HINT: Final = "list apps with: clew apps"

KNOWN_MAX: Final = 100
"""Apps that are looked up for other strands at once: those of one trace."""

LOOK_SHARE: Final = 0.2
LOOK_S_MIN: Final = 0.02
LOOK_S_MAX: Final = 1.0
"""An order that is waited for is looked at after a fifth of the time that it has taken so far,
within these bounds: a few milliseconds of a shard each."""

Row = TypeVar("Row")
Document = TypeVar("Document")
Query = TypeVar("Query", AppQuery, CrashQuery)


@dataclass(frozen=True, slots=True)
class ShardApp:
    """As much of an app as other strands tell."""

    app_name: str
    status: Status
    parent_id: str | None
    path: tuple[str, ...]


class ShardedTree:
    """Implements `clew.tree.contract.Tree` over the shards of a query tier.

    The shards know whoever asks by the key of the tier, and by no other.
    """

    def __init__(self, shards: Shards, now: Callable[[], int]) -> None:
        """Ask these shards; `now` gives Unix nanoseconds."""
        self._shards = shards
        self._now = now

    def find_apps(self, caller: Caller, query: ask.AppQuery) -> doc.AppList:
        """Return one page of apps of all shards."""
        del caller
        for app_id in (query.within, query.parent_id):
            if app_id is not None:
                self._find(app_id)
        if query.active is not None:
            # Checked here, so that what is wrong is said once; each shard has a clock of its own.
            parse_duration_ns(query.active)
        merged = self._merge(
            query,
            lambda server, page: _apps(lambda: TreeClient(server).find_apps(page)),
            key=_path if query.order == "tree" else _scheduled,
            name=lambda app: app.app_id,
            reverse=query.order == "newest",
        )
        apps = [_marked(name, app) for name, app in merged.rows]
        return doc.AppList(apps=apps, count=len(apps), **_completeness(merged))

    def get_app(self, caller: Caller, app_id: str) -> doc.App:
        """Return one app, with what it said last in full."""
        del caller
        shard, app = self._find(app_id)
        return _marked(shard.name, app)

    def find_children(self, caller: Caller, app_id: str, query: ask.ChildQuery) -> doc.AppList:
        """Return one page of an app's children; a server has an app with all that is below it."""
        del caller
        name, found = self._of_app(app_id, lambda client: client.find_children(app_id, query))
        return msgspec.structs.replace(found, apps=[_marked(name, app) for app in found.apps])

    def find_messages(
        self, caller: Caller, app_id: str, query: ask.MessageQuery
    ) -> doc.MessageList:
        """Return one page of an app's messages."""
        del caller
        return self._of_app(app_id, lambda client: client.find_messages(app_id, query))[1]

    def find_snapshots(
        self, caller: Caller, app_id: str, query: ask.PageParameters
    ) -> doc.SnapshotList:
        """Return one page of an app's snapshots."""
        del caller
        return self._of_app(app_id, lambda client: client.find_snapshots(app_id, query))[1]

    def get_last_snapshot(self, caller: Caller, app_id: str) -> doc.Snapshot:
        """Return what an app said of its state last; NOT_FOUND when it said nothing."""
        del caller
        return self._of_app(app_id, lambda client: client.get_last_snapshot(app_id))[1]

    def find_crashes(self, caller: Caller, query: ask.CrashQuery) -> doc.CrashList:
        """Return one page of crashes of all shards."""
        del caller
        for app_id in (query.within, query.app_id):
            if app_id is not None:
                self._find(app_id)
        merged = self._merge(
            query,
            lambda server, page: _crashes(lambda: TreeClient(server).find_crashes(page)),
            key=lambda crash: crash.at,
            name=lambda crash: str(crash.id),
            reverse=True,
        )
        crashes = [crash for _, crash in merged.rows]
        return doc.CrashList(crashes=crashes, count=len(crashes), **_completeness(merged))

    def get_command(self, caller: Caller, correlation_id: str) -> doc.Command:
        """Return a command or a cancel and what came of it."""
        del caller
        return find_keeper(
            self._shards,
            lambda server: TreeClient(server).get_command(correlation_id).document(),
            f"command {correlation_id[:80]}",
        )[1]

    def find_known(self, app_ids: Collection[str]) -> Mapping[str, ShardApp]:
        """Return those of these apps that are known, by id, for other strands. Blocks."""
        wanted = sorted(app_ids)[:KNOWN_MAX]

        def look(server: Server) -> list[doc.App | None]:
            return [none_if_absent(functools.partial(_get(each), server)) for each in wanted]

        gathered = self._shards.ask(look)
        return {
            app.app_id: ShardApp(app.app_name, Status(app.status), app.parent_id, tuple(app.path))
            for _, found in gathered.answers
            for app in found
            if app is not None
        }

    async def schedule(
        self, caller: Caller, child: ask.NewChild, endpoint: Endpoint | None
    ) -> doc.ChildScheduled:
        """Announce a child to the shard that has its parent.

        Raises:
            ClewError: UNSUPPORTED for a root: where it is to be, the caller says by asking there.
        """
        del caller, endpoint
        if child.parent_id is None:
            raise self._refused("the root of a new tree is announced to one of the shards")
        return (await self._order(child.parent_id, lambda client: client.schedule(child)))[1]

    async def unschedule(self, caller: Caller, app_id: str) -> doc.ChildCancelled:
        """Take back a child that has not started."""
        del caller
        return (await self._order(app_id, lambda client: client.unschedule(app_id)))[1]

    async def command(
        self, caller: Caller, app_id: str, command: ask.NewCommand, wait_s: float
    ) -> doc.Command:
        """Give a command at the shard that has the app, and wait for its end if wished."""
        del caller
        name, told = await self._order(app_id, lambda client: client.command(app_id, command))
        if told.over or wait_s <= 0:
            return told
        return await self._wait_over(name, told.correlation_id, wait_s) or told

    async def cancel(
        self,
        caller: Caller,
        app_id: str,
        asked: ask.CancelParameters,
        wait_s: float,
        correlation_id: str | None = None,
    ) -> doc.Cancelled:
        """Cancel an app at the shard that has it, and wait for the end if wished."""
        del caller
        asked = msgspec.structs.replace(asked, wait=None)

        def send(client: TreeClient) -> Reply[doc.Cancelled]:
            return client.cancel(app_id, asked, correlation_id=correlation_id)

        name, told = await self._order(app_id, send)
        correlation_id = told.correlation_id
        if told.over or wait_s <= 0:
            return told
        if await self._wait_over(name, correlation_id, wait_s) is None:
            return told
        # The same order again is no second one; it is answered with what became of it.
        return (await self._order(app_id, send))[1]

    async def watch(self, caller: Caller, asked: ask.WatchParameters) -> WatchFeed:
        """Refuse: the doors merge the feeds of the shards themselves.

        Raises:
            ClewError: UNSUPPORTED.
        """
        del caller, asked
        raise self._refused("what happens in the tree is followed at its own server")

    def _find(self, app_id: str) -> tuple[Shard, doc.App]:
        wanted = parse_uuid(app_id)
        return find_keeper(self._shards, _get(wanted), f"app {wanted}", hint=APP_HINT)

    def _of_app(
        self, app_id: str, call: Callable[[TreeClient], Reply[Document]]
    ) -> tuple[str, Document]:
        shard, _ = self._find(app_id)
        gathered = self._shards.ask(
            lambda server: call(TreeClient(server)).document(), only={shard.name}
        )
        return shard.name, gathered.answers[0][1]

    async def _order(
        self, app_id: str, call: Callable[[TreeClient], Reply[Document]]
    ) -> tuple[str, Document]:
        """Return what the shard that has an app answers, and its name."""

        def work() -> tuple[str, Document]:
            name = self._find(app_id)[0].name
            return name, self._shards.one(name, lambda server: call(TreeClient(server)).document())

        return await asyncio.to_thread(work)

    async def _wait_over(self, name: str, correlation_id: str, wait_s: float) -> doc.Command | None:
        """Return an order of a shard once it is over, None when it is not in time.

        It is looked at again and again: a request that waited would keep a thread, and end with the
        time that a shard has to answer. Where the shard is lost meanwhile, nobody can tell; the
        order is kept.
        """
        began = time.monotonic()
        until = began + min(wait_s, WAIT_S_MAX)

        def look(server: Server) -> doc.Command:
            return TreeClient(server).get_command(correlation_id).document()

        while (now := time.monotonic()) < until:
            pause = min(max((now - began) * LOOK_SHARE, LOOK_S_MIN), LOOK_S_MAX)
            await asyncio.sleep(min(pause, until - now))
            try:
                told = await asyncio.to_thread(self._shards.one, name, look)
            except ClewError:
                return None
            if told.over:
                return told
        return None

    def _merge(
        self,
        query: Query,
        ask_one: Callable[[Server, Query], Part[Row]],
        *,
        key: Callable[[Row], str],
        name: Callable[[Row], str],
        reverse: bool,
    ) -> Merged[Row]:
        check_limit(query.limit, LIMIT_MAX)

        def ask_shard(server: Server, asked: Asked) -> Part[Row]:
            page = msgspec.structs.replace(query, limit=asked.limit, next=asked.next)
            return ask_one(server, page)

        listing = Listing(
            ask=ask_shard,
            key=key,
            name=name,
            reverse=reverse,
            most=LIMIT_MAX,
            digest=digest_question(f"{type(query).__name__} of shards", query),
        )
        return merge_lists(
            self._shards, listing, limit=query.limit, following=query.next, now=self._now()
        )

    def _refused(self, why: str) -> ClewError:
        addresses = ", ".join(shard.where for shard in self._shards.shards)
        return NotOfferedError(why, hint=f"ask the server itself: {addresses}")


def _get(app_id: str) -> Callable[[Server], doc.App]:
    return lambda server: TreeClient(server).get_app(app_id).document()


def _marked(name: str, app: doc.App) -> doc.App:
    return msgspec.structs.replace(app, shard=name)


def _scheduled(app: doc.App) -> str:
    return app.scheduled_at


def _path(app: doc.App) -> str:
    return "/".join(app.path)


def _apps(call: Callable[[], Reply[doc.AppList]]) -> Part[doc.App]:
    found = none_if_absent(lambda: call().document())
    if found is None:
        return Part([], None, 0)
    return Part(found.apps, found.next, *_counted(found))


def _crashes(call: Callable[[], Reply[doc.CrashList]]) -> Part[doc.Crash]:
    found = none_if_absent(lambda: call().document())
    if found is None:
        return Part([], None, 0)
    return Part(found.crashes, found.next, *_counted(found))


def _counted(found: doc.AppList | doc.CrashList) -> tuple[int, bool]:
    if found.total is not None:
        return found.total, True
    return found.at_least or 0, False


def _completeness(merged: Merged[Row]) -> dict[str, Any]:
    counted = "total" if merged.is_total_exact else "at_least"
    return {
        "truncated": merged.next is not None,
        "next": merged.next,
        counted: merged.total,
    }
