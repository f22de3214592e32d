"""What the tree answers and does: the one contract that every door and window speaks to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from clew.access.caller import Caller
    from clew.tree import documents as doc
    from clew.tree import parameters as ask
    from clew.tree.watch.feed import WatchFeed


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where apps find the server, and the key by which they know it."""

    server_ep: str
    pub_key: str | None


class Tree(Protocol):
    """The tree as one caller sees it: what a caller may not see is as if it were not there.

    What reads blocks and may be called from any thread; what is awaited belongs to the server's
    event loop. Every method raises ClewError: INVALID_ARGUMENT, NOT_FOUND, FORBIDDEN for what may
    be seen but not done, CONFLICT where the state of an app does not allow it.

    Whoever calls has found the values of parameters within the bounds of their types.
    """

    def find_apps(self, caller: Caller, query: ask.AppQuery) -> doc.AppList:
        """Return one page of apps."""
        ...

    def get_app(self, caller: Caller, app_id: str) -> doc.App:
        """Return one app, with what it said last in full."""
        ...

    def find_children(self, caller: Caller, app_id: str, query: ask.ChildQuery) -> doc.AppList:
        """Return one page of an app's children, or of everything below it."""
        ...

    def find_messages(
        self, caller: Caller, app_id: str, query: ask.MessageQuery
    ) -> doc.MessageList:
        """Return one page of an app's messages."""
        ...

    def find_snapshots(
        self, caller: Caller, app_id: str, query: ask.PageParameters
    ) -> doc.SnapshotList:
        """Return one page of an app's snapshots."""
        ...

    def get_last_snapshot(self, caller: Caller, app_id: str) -> doc.Snapshot:
        """Return what an app said of its state last; NOT_FOUND when it said nothing."""
        ...

    def find_crashes(self, caller: Caller, query: ask.CrashQuery) -> doc.CrashList:
        """Return one page of crashes."""
        ...

    def get_command(self, caller: Caller, correlation_id: str) -> doc.Command:
        """Return a command or a cancel, to whoever asked for it or may see its target."""
        ...

    async def schedule(
        self, caller: Caller, child: ask.NewChild, endpoint: Endpoint | None
    ) -> doc.ChildScheduled:
        """Announce a child; durable when this returns. The same once more is no error.

        ALREADY_EXISTS when there is another app of that id.
        """
        ...

    async def unschedule(self, caller: Caller, app_id: str) -> doc.ChildCancelled:
        """Take back a child that has not started."""
        ...

    async def command(
        self, caller: Caller, app_id: str, command: ask.NewCommand, wait_s: float
    ) -> doc.Command:
        """Give a command; it is durable when this returns, which waits for its end if wished."""
        ...

    async def cancel(
        self,
        caller: Caller,
        app_id: str,
        asked: ask.CancelParameters,
        wait_s: float,
        correlation_id: str | None = None,
    ) -> doc.Cancelled:
        """Cancel an app; the intent is durable when this returns, which waits if wished."""
        ...

    async def watch(self, caller: Caller, asked: ask.WatchParameters) -> WatchFeed:
        """Open a feed of what happens; it must be closed."""
        ...
