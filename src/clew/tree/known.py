"""Apps by their ids, whatever became of them, for whoever met an id elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clew.tree.registry.questions import get_apps

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from clew.store.database.contract import Database
    from clew.tree.machine.app import App


class KnownApps:
    """Finds apps in a registry, for callers that may see the whole server. From any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find_known(self, app_ids: Collection[str]) -> Mapping[str, App]:
        """Return those of these apps that are kept, by id. Blocks."""
        wanted = {each for each in app_ids if "\0" not in each}
        return self._database.read(lambda reading: get_apps(reading, wanted))
