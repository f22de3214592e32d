"""What has been granted, and who may do what with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clew.access.authority import Grant, decide

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from clew.access.authority import Decision
    from clew.access.caller import Caller, Verb
    from clew.tree.machine.forest import Forest


class Permissions:
    """The grants in force, by app, and those that role refs give wherever they are listed."""

    def __init__(self) -> None:
        self._grants: dict[str, list[Grant]] = {}
        self._role_refs: dict[str, tuple[Grant, ...]] = {}

    def replace(self, grants: Iterable[Grant], role_refs: Mapping[str, Collection[Grant]]) -> None:
        """Take these in place of those before."""
        self._grants = {}
        for grant in grants:
            self._grants.setdefault(grant.app_id, []).append(grant)
        self._role_refs = {name: tuple(given) for name, given in role_refs.items()}

    def decide(
        self, forest: Forest, caller: Caller, verb: Verb, path: tuple[str, ...], now: int
    ) -> Decision:
        """Ask the one authority function, with what was granted on the path."""
        return decide(caller, verb, path, grants=self._on(forest, path), now=now)

    def _on(self, forest: Forest, path: tuple[str, ...]) -> list[Grant]:
        if not self._grants and not self._role_refs:
            return []
        found: list[Grant] = []
        for app_id in path:
            found += self._grants.get(app_id, ())
            app = forest.find(app_id) if self._role_refs else None
            for name in app.role_refs if app is not None else ():
                found += (
                    Grant(each.subject, app_id, each.verbs, each.cascade, each.expires_at)
                    for each in self._role_refs.get(name, ())
                )
        return found
