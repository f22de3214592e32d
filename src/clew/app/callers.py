"""What access and the tree need of each other: the keys of apps, and what has been granted."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from clew.access.signing import AppKey
from clew.tree.machine.app import Tier
from clew.tree.registry.questions import get_app

if TYPE_CHECKING:
    from collections.abc import Callable

    from clew.access.registry import AccessRegistry
    from clew.store.database.contract import Database
    from clew.surfaces.ws.door import TrailsDoor
    from clew.tree.keeper.keeper import TreeKeeper


class TreeCallers:
    """Implements `clew.access.signing.AppKeys`. Belongs to one event loop."""

    def __init__(self, keeper: TreeKeeper, database: Database) -> None:
        self._keeper = keeper
        self._database = database

    async def find_key(self, app_id: str) -> AppKey | None:
        """Return what is known of an app; most of those that call are live, and held in memory."""
        app = self._keeper.find(app_id)
        if app is None:
            app = await asyncio.to_thread(
                self._database.read, lambda reading: get_app(reading, app_id)
            )
        if app is None:
            return None
        return AppKey(app.pub_key, must_sign=app.tier is not Tier.OPEN)


def keep_permitted(keeper: TreeKeeper, access: AccessRegistry) -> None:
    """Tell the tree what has been granted, now and whenever that changes."""
    loop = asyncio.get_running_loop()

    def tell() -> None:
        grants, role_refs = access.in_force()
        keeper.permit(grants, role_refs)

    def hear() -> None:
        # From the registry's writer, which may end a moment after the loop.
        if not loop.is_closed():
            loop.call_soon_threadsafe(tell)

    access.listen(hear)
    tell()


def keep_out_revoked(find_door: Callable[[], TrailsDoor | None], access: AccessRegistry) -> None:
    """Have sockets closed on which apps speak whose keys have been revoked, as they are."""
    loop = asyncio.get_running_loop()

    def tell() -> None:
        door = find_door()
        if door is not None:
            door.hang_up_revoked()

    def hear() -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(tell)

    access.revoked_keys.listen(hear)
