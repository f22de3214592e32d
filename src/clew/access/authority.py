"""The one authority function: may this caller do that to this node of the tree?

A pure function over values, so that every door, and the state machine of the tree itself, asks the
same one. An app has authority over its descendants at any depth and never upward or sideways;
about itself it may be asked and may speak. Keys act within their scope by their role. A grant
(inline, or through a role ref) adds verbs to a subject for one node, or for the subtree below it.

Telemetry has no place in the tree: it is the server's as a whole, so that whoever is bound to a
subtree reads none of it, but may add to it, as the programs there must.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from clew.access.caller import CallerKind, Verb

if TYPE_CHECKING:
    from collections.abc import Collection

    from clew.access.caller import Caller


@dataclass(frozen=True, slots=True)
class Grant:
    """Verbs that a subject has for the app `app_id`, and below it when `cascade` is set.

    Nothing after `expires_at` (Unix nanoseconds; None is never).
    """

    subject: str
    app_id: str
    verbs: frozenset[Verb]
    cascade: bool = True
    expires_at: int | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether it may be done, and why. What is not `visible` is to be answered as not found."""

    is_allowed: bool
    is_visible: bool
    reason: str


_SELF_VERBS = frozenset({Verb.OBSERVE, Verb.MESSAGE, Verb.SPAWN})
_DESCENDANT_VERBS = frozenset({Verb.OBSERVE, Verb.COMMAND, Verb.SPAWN, Verb.CANCEL})
_BOUND_VERBS = frozenset({Verb.INGEST})
"""What whoever is bound to a part of the tree may do to the server as a whole."""


def decide(
    caller: Caller,
    verb: Verb,
    path: tuple[str, ...],
    *,
    grants: Collection[Grant] = (),
    now: int = 0,
) -> Decision:
    """Decide over the node at the end of `path` (ids from the root down to the node itself).

    An empty path stands for the server as a whole: a new root, keys, role refs. `grants` are those
    of the nodes on the path; only the caller's own count. `now` is in Unix nanoseconds.
    """
    verbs = _verbs(caller, path) | _granted(caller, path, grants, now)
    if caller.at_most is not None:
        verbs &= caller.at_most
    is_visible = Verb.OBSERVE in verbs or not path
    if verb in verbs:
        return Decision(is_allowed=True, is_visible=True, reason="")
    where = "here" if path else "on this server"
    return Decision(
        is_allowed=False,
        is_visible=is_visible,
        reason=f"{_told(caller)} may not {verb} {where}",
    )


def _verbs(caller: Caller, path: tuple[str, ...]) -> frozenset[Verb]:
    """Return what the caller may do by what it is and where it stands."""
    if caller.scope is not None and path and caller.scope not in path:
        return frozenset()
    if caller.kind is not CallerKind.APP:
        return caller.verbs if path or caller.scope is None else caller.verbs & _BOUND_VERBS
    if not path:
        return _BOUND_VERBS
    if path[-1] == caller.name:
        return _SELF_VERBS
    return _DESCENDANT_VERBS if caller.name in path else frozenset()


def _told(caller: Caller) -> str:
    """Return the caller in words; an id or a name comes last, as it is of somebody's choosing."""
    match caller.kind:
        case CallerKind.KEY:
            return f"the key {caller.name}"
        case CallerKind.APP:
            return f"the app {caller.name}"
        case _:
            return caller.name


def _granted(
    caller: Caller, path: tuple[str, ...], grants: Collection[Grant], now: int
) -> frozenset[Verb]:
    verbs: frozenset[Verb] = frozenset()
    for grant in grants:
        reaches = path and (grant.app_id == path[-1] or (grant.cascade and grant.app_id in path))
        is_valid = grant.expires_at is None or now < grant.expires_at
        if reaches and is_valid and grant.subject in caller.subjects:
            verbs |= grant.verbs
    return verbs
