"""What a caller may see of the tree.

`clew.access.authority.decide` says it of one app. A list needs the same as a condition over rows:
the subtrees and single apps that a caller's place, its scope and its grants open to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clew.access.audit import Entry
from clew.access.authority import decide
from clew.access.caller import CallerKind, Verb
from clew.access.role_refs import Listing
from clew.base.errors import ClewError, ErrorCode
from clew.tree.descriptions import namespace_of
from clew.tree.registry.questions import Seen, find_listing, get_app, get_apps
from clew.tree.registry.rows import join_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from clew.access.authority import Decision
    from clew.access.caller import Caller
    from clew.access.registry import AccessRegistry
    from clew.store.database.contract import Reading
    from clew.tree.machine.app import App

PATHS_MAX: Final = 200
"""Subtrees that are told apart in one question; a caller has one, or those of a few grants."""

LISTING_MAX: Final = 10_000
"""Apps looked at that list a role ref of the caller's; those below another are one part with it."""


class Sight:
    """Finds what callers may see. From any thread."""

    def __init__(self, access: AccessRegistry) -> None:
        self._access = access

    def is_whole(self, caller: Caller) -> bool:
        """Whether a caller may see everything, whatever it is granted."""
        return (
            caller.kind is not CallerKind.APP
            and caller.scope is None
            and Verb.OBSERVE in caller.verbs
            and (caller.at_most is None or Verb.OBSERVE in caller.at_most)
        )

    def find_seen(self, reading: Reading, caller: Caller) -> Seen | None:
        """Return what a caller may see, None for everything.

        Raises:
            ClewError: TOO_LARGE when it is in more parts than one question can name.
        """
        if self.is_whole(caller):
            return None
        if caller.at_most is not None and Verb.OBSERVE not in caller.at_most:
            return Seen()
        paths = set(_own(reading, caller))
        single: set[str] = set()
        wide, narrow = self._granted(reading, caller)
        apps = get_apps(reading, wide | narrow)
        paths |= {join_path(app.path) for app_id, app in apps.items() if app_id in wide}
        single = {app_id for app_id in narrow if app_id in apps}
        topmost = list(_topmost(paths))
        if len(topmost) > PATHS_MAX:
            raise ClewError(
                ErrorCode.TOO_LARGE,
                f"what this caller may see is in more than {PATHS_MAX} parts",
                hint="name an app, or grant it something higher up",
            )
        return Seen(tuple(topmost), tuple(sorted(single)))

    def require(self, reading: Reading, caller: Caller, app_id: str) -> App:
        """Return an app that a caller may see.

        Raises:
            ClewError: NOT_FOUND; what is there but not to be seen is in the audit log.
        """
        app = get_app(reading, app_id)
        if app is None:
            raise missing(app_id)
        if self.is_whole(caller):
            return app
        decision = self.decide(caller, Verb.OBSERVE, app, get_apps(reading, app.path))
        if not decision.is_allowed:
            self.deny(caller, Verb.OBSERVE, app_id, decision.reason)
            raise missing(app_id)
        return app

    def decide(
        self, caller: Caller, verb: Verb, app: App, ancestors: Mapping[str, App]
    ) -> Decision:
        """Ask the one authority function about an app; `ancestors` are by id."""
        on_path = (ancestors.get(each) for each in app.path)
        listings = [
            Listing(each.app_id, each.role_refs, namespace_of(each))
            for each in on_path
            if each is not None
        ]
        grants = self._access.grants_on(listings)
        return decide(caller, verb, app.path, grants=grants, now=self._access.now())

    def deny(self, caller: Caller, verb: Verb, app_id: str, reason: str) -> None:
        """Write down that somebody wanted what they may not."""
        self._access.audit.deny(
            Entry(
                at=self._access.now(),
                action=verb,
                caller_kind=caller.kind,
                caller=caller.name,
                is_allowed=False,
                detail=reason,
                app_id=app_id,
                source_ip=caller.origin.address,
                user_agent=caller.origin.user_agent,
            )
        )

    def _granted(self, reading: Reading, caller: Caller) -> tuple[set[str], set[str]]:
        """Return the apps that grants let a caller see: with what is below them, and alone."""
        wide: set[str] = set()
        narrow: set[str] = set()
        if not caller.subjects:
            return wide, narrow
        now = self._access.now()
        for grant in self._access.grants.all():
            is_valid = grant.expires_at is None or now < grant.expires_at
            if is_valid and grant.subject in caller.subjects and Verb.OBSERVE in grant.verbs:
                (wide if grant.cascade else narrow).add(grant.app_id)
        refs = {
            ref.name: ref.namespace_scope
            for ref in self._access.role_refs.held.values()
            if any(Verb.OBSERVE in ref.verbs.get(each, ()) for each in caller.subjects)
        }
        for app in find_listing(reading, refs, limit=LISTING_MAX):
            scopes = {refs[name] for name in app.role_refs if name in refs}
            if None in scopes or namespace_of(app) in scopes:
                wide.add(app.app_id)
        return wide, narrow


def missing(app_id: str) -> ClewError:
    """Return the error for an app that is not there, or not to be seen."""
    return ClewError(
        ErrorCode.NOT_FOUND, f"there is no app {app_id}", hint="see what there is: clew apps"
    )


def _own(reading: Reading, caller: Caller) -> Iterator[str]:
    """Yield the subtree that a caller may see by what it is: an app's own, a key's scope."""
    place = caller.name if caller.kind is CallerKind.APP else caller.scope
    if place is None or (caller.kind is not CallerKind.APP and Verb.OBSERVE not in caller.verbs):
        return
    app = get_app(reading, place)
    if app is None:
        return
    if caller.kind is not CallerKind.APP or caller.scope is None or caller.scope in app.path:
        yield join_path(app.path)
        return
    scope = get_app(reading, caller.scope)
    if scope is not None and caller.name in scope.path:
        yield join_path(scope.path)


def _topmost(paths: Iterable[str]) -> Iterator[str]:
    """Yield the paths that are below none of the others, in order."""
    last = None
    for path in sorted(paths):
        if last is None or not path.startswith(last):
            last = path
            yield path
