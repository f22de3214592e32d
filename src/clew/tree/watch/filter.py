"""Which happenings one watcher hears of: what it asked for, as far as it may see it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clew.access.caller import Verb
from clew.base.errors import ClewError, ErrorCode
from clew.base.ids import parse_uuid
from clew.tree.descriptions import namespace_of
from clew.tree.registry.questions import get_apps
from clew.tree.registry.rows import split_path

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from clew.access.caller import Caller
    from clew.store.database.contract import Reading
    from clew.tree.keeper.keeper import TreeKeeper
    from clew.tree.machine.app import App
    from clew.tree.parameters import WatchParameters
    from clew.tree.registry.questions import OutboxEntry
    from clew.tree.sight import Sight

APPS_MAX = 1000
"""Single apps that one feed can name."""


class WatchFilter:
    """Chooses entries of the outbox.

    What needs no look at any app is decided at once, which is nearly everything. A namespace, and
    what a bound caller may see through grants, is told by the apps on the path; those that the
    tree does not hold any more are read.
    """

    def __init__(
        self, caller: Caller, asked: WatchParameters, sight: Sight, keeper: TreeKeeper
    ) -> None:
        if len(asked.app_id) > APPS_MAX:
            raise ClewError(
                ErrorCode.INVALID_ARGUMENT,
                f"more than {APPS_MAX} apps are named",
                hint="name what they are below with within or parent_id",
            )
        self._caller = caller
        self._sight = sight
        self._keeper = keeper
        self._is_whole = sight.is_whole(caller)
        self._app_ids = frozenset(map(parse_uuid, asked.app_id))
        self._parent_id = None if asked.parent_id is None else parse_uuid(asked.parent_id)
        self._within = None if asked.within is None else parse_uuid(asked.within)
        self._namespace = asked.namespace
        self._kinds = frozenset(asked.kind)

    @property
    def needs_apps(self) -> bool:
        """Whether an entry alone does not say if it is to be heard of."""
        return self._namespace is not None or not self._is_whole

    def check(self, reading: Reading) -> None:
        """Raise unless every app that is named is there and may be seen.

        Raises:
            ClewError: NOT_FOUND.
        """
        named = set(self._app_ids)
        named |= {each for each in (self._parent_id, self._within) if each is not None}
        for app_id in sorted(named):
            self._sight.require(reading, self._caller, app_id)

    def matches(self, entry: OutboxEntry, path: Sequence[str]) -> bool:
        """Whether an entry is asked for, as far as it says so itself."""
        if self._kinds and entry.kind not in self._kinds:
            return False
        if self._app_ids and entry.app_id not in self._app_ids:
            return False
        if self._parent_id is not None and (len(path) < 2 or path[-2] != self._parent_id):
            return False
        return self._within is None or self._within in path

    def unknown(self, path: Sequence[str]) -> set[str]:
        """Return the apps on a path that the tree does not hold."""
        return {app_id for app_id in path if self._keeper.find(app_id) is None}

    def sees(self, path: Sequence[str], read: Mapping[str, App]) -> bool:
        """Whether the app at the end of a path may be seen, and is of the namespace asked for."""
        apps = {app_id: self._keeper.find(app_id) or read.get(app_id) for app_id in path}
        app = apps[path[-1]]
        if app is None or (self._namespace is not None and namespace_of(app) != self._namespace):
            return False
        known = {app_id: each for app_id, each in apps.items() if each is not None}
        return (
            self._is_whole or self._sight.decide(self._caller, Verb.OBSERVE, app, known).is_allowed
        )


def read_apps(reading: Reading, app_ids: set[str]) -> dict[str, App]:
    """Return apps by id, for `WatchFilter.sees`."""
    return get_apps(reading, app_ids)


def path_of(entry: OutboxEntry) -> tuple[str, ...]:
    """Return the ids from the root down to the app of an entry."""
    return split_path(entry.path)
