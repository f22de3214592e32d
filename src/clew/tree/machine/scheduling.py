"""Announcing children before they start, taking them back, and starts that never came."""

from __future__ import annotations

import hashlib
from hmac import compare_digest
from typing import TYPE_CHECKING

from clew.access.caller import CallerKind, Verb
from clew.base.errors import ErrorCode
from clew.tree.machine.app import App, Orphans, Status, Tier
from clew.tree.machine.crashes import keep_crash
from clew.tree.machine.lifecycle import Reason
from clew.tree.machine.options import MS, SECOND
from clew.tree.machine.outcomes import Scheduled, Unscheduled
from clew.tree.machine.state import SERVER_ACTOR

if TYPE_CHECKING:
    from clew.access.authority import Decision
    from clew.access.caller import Caller
    from clew.tree.machine.events import Schedule, Unschedule
    from clew.tree.machine.state import Draft, Tree

_TIERS = tuple(Tier)


def hash_token(token: str) -> str:
    """Return what is kept of a join token."""
    return hashlib.sha256(token.encode()).hexdigest()


def stricter(one: Tier, other: Tier) -> Tier:
    """Return the tier that asks for more."""
    return max(one, other, key=_TIERS.index)


def is_frozen(tree: Tree, app: App) -> bool:
    """Whether nothing may start below an app: it was cancelled or is being, or one above it was.

    A live app that no cancel reaches is where freezing ends: it was left out as detached.
    """
    node: App | None = app
    while node is not None:
        if node.status is Status.CANCELLED or tree.orders.is_cancelled(node.app_id):
            return True
        if not node.is_terminal:
            return False
        node = tree.forest.find(node.parent_id) if node.parent_id is not None else None
    return False


def find_quota(tree: Tree, parent: App | None) -> str | None:
    """Return which limit one more app below a parent would break, None for none."""
    options = tree.options
    if tree.forest.live_count >= options.apps_max:
        return f"the tree has {options.apps_max} live apps already"
    if parent is None:
        return None
    if parent.depth >= options.depth_max:
        return f"the tree is {options.depth_max} apps deep here already"
    if tree.forest.child_count(parent.app_id) >= options.children_max:
        return f"the parent has {options.children_max} children already"
    return None


def inherit_refs(
    parent: App | None, refs: tuple[str, ...] | None, *, is_free: bool
) -> tuple[str, ...]:
    """Return the role refs of a new app: its parent's, or those it names as far as it may.

    An app cannot give its child what it has not; whoever `is_free` may.
    """
    inherited = parent.role_refs if parent is not None else ()
    if refs is None:
        return inherited
    return tuple(ref for ref in refs if is_free or ref in inherited)


def schedule(draft: Draft, event: Schedule) -> None:
    """Announce a child; the very same announcement again is answered without a token."""
    tree = draft.tree
    parent = tree.forest.find(event.parent_id) if event.parent_id is not None else None
    if event.parent_id is not None and parent is None:
        draft.refuse(event.ticket, ErrorCode.NOT_FOUND, f"there is no app {event.parent_id}")
        return
    path = parent.path if parent is not None else ()
    decision = draft.decide(event.caller, Verb.SPAWN, path)
    if not decision.is_allowed:
        # As a refused frame names it: by the child that was wanted.
        wanted = event.app_id
        deny(draft, event.ticket, event.caller, "spawn", parent, decision, correlation_id=wanted)
        return
    app = _scheduled(draft, event, parent)
    known = tree.forest.find(event.app_id)
    if known is not None:
        _schedule_again(draft, event, known, app)
        return
    if event.app_id in path:
        draft.refuse(event.ticket, ErrorCode.INVALID_ARGUMENT, "an app is not its own ancestor")
        return
    if parent is not None and is_frozen(tree, parent):
        draft.refuse(event.ticket, ErrorCode.CONFLICT, "an ancestor is cancelled, or is being")
        return
    if parent is not None and parent.is_over:
        draft.refuse(
            event.ticket,
            ErrorCode.CONFLICT,
            f"the parent has ended: {parent.held or parent.status}",
        )
        return
    quota = find_quota(tree, parent)
    if quota is not None:
        draft.refuse(event.ticket, ErrorCode.TOO_LARGE, quota)
        return
    draft.add(app)
    draft.answer(event.ticket, Scheduled(app=app, token=event.token, is_new=True))


def _scheduled(draft: Draft, event: Schedule, parent: App | None) -> App:
    deadline_s = event.start_deadline_s
    if deadline_s is None:
        deadline_s = draft.tree.options.start_deadline_s
    deadline = draft.now + deadline_s * SECOND
    inherited = parent.originator if parent is not None else None
    return App(
        app_id=event.app_id,
        parent_id=event.parent_id,
        app_name=event.app_name,
        path=(*(parent.path if parent is not None else ()), event.app_id),
        status=Status.SCHEDULED,
        tier=stricter(event.tier, draft.tree.options.tier),
        token_hash=hash_token(event.token),
        token_expires_at=deadline,
        reason=Reason.SCHEDULED.value,
        actor=event.caller.name,
        deadline=deadline,
        start_deadline_s=deadline_s,
        resume_window_ms=event.resume_window_ms,
        orphans=event.orphans or Orphans(),
        role_refs=inherit_refs(
            parent, event.role_refs, is_free=event.caller.kind is not CallerKind.APP
        ),
        originator=inherited if inherited is not None else event.originator,
        tags=event.tags,
        scheduled_at=draft.now,
    )


def _schedule_again(draft: Draft, event: Schedule, known: App, app: App) -> None:
    """Answer the announcement of an app that is known: it was announced, or it has come without."""
    is_of_same = (known.adopted_from or known.parent_id, known.app_name) == (
        app.parent_id,
        app.app_name,
    )
    if is_of_same and known.token_hash is None and not known.is_over:
        # It found the server before whoever started it: from now on it is what that one says of it.
        announced = draft.change(
            known,
            token_hash=app.token_hash,
            token_expires_at=app.token_expires_at,
            resume_window_ms=app.resume_window_ms,
            orphans=app.orphans,
            tags=app.tags,
        )
        draft.answer(event.ticket, Scheduled(app=announced, token=event.token, is_new=False))
        return
    is_same = (
        is_of_same
        and known.tier == app.tier
        and known.start_deadline_s == app.start_deadline_s
        and known.resume_window_ms == app.resume_window_ms
        and known.orphans == app.orphans
        and known.tags == app.tags
    )
    if is_same:
        is_known = compare_digest(known.token_hash or "", hash_token(event.token))
        token = event.token if is_known else None
        draft.answer(event.ticket, Scheduled(app=known, token=token, is_new=False))
    else:
        draft.refuse(
            event.ticket, ErrorCode.ALREADY_EXISTS, f"there is an app {known.app_id} already"
        )


def unschedule(draft: Draft, event: Unschedule) -> None:
    """Take back a child that has not started."""
    app = draft.tree.forest.find(event.app_id)
    if app is None:
        draft.refuse(event.ticket, ErrorCode.NOT_FOUND, f"there is no app {event.app_id}")
        return
    decision = draft.decide(event.caller, Verb.CANCEL, app.path)
    if not decision.is_allowed:
        deny(draft, event.ticket, event.caller, "unschedule", app, decision)
        return
    if app.status is Status.CANCELLED and app.reason == Reason.UNSCHEDULED:
        draft.answer(event.ticket, Unscheduled(app=app))
        return
    if app.status is not Status.SCHEDULED:
        draft.refuse(
            event.ticket,
            ErrorCode.CONFLICT,
            f"the app is {app.status}",
            "cancel it instead" if not app.is_terminal else None,
        )
        return
    ended = draft.end(app, Status.CANCELLED, Reason.UNSCHEDULED, event.caller.name)
    draft.audit(event.caller, "unschedule", ended)
    draft.answer(event.ticket, Unscheduled(app=ended))


def fail_start(draft: Draft, app: App) -> None:
    """End an app that did not join in time."""
    gap_ms = (draft.now - app.scheduled_at) // MS
    keep_crash(draft, app, Reason.NEVER_STARTED, gap_ms)
    draft.end(app, Status.START_FAILED, Reason.NEVER_STARTED, SERVER_ACTOR)


def deny(
    draft: Draft,
    ticket: int,
    caller: Caller,
    action: str,
    app: App | None,
    decision: Decision,
    *,
    correlation_id: str | None = None,
    cascade: bool = False,
) -> None:
    """Refuse what a caller may not, and keep that it was wanted.

    What the caller may not even see is answered as if it were not there.
    """
    draft.audit(
        caller,
        action,
        app,
        decision.reason,
        is_allowed=False,
        cascade=cascade,
        correlation_id=correlation_id,
    )
    if decision.is_visible or app is None:
        draft.refuse(ticket, ErrorCode.FORBIDDEN, decision.reason)
    else:
        draft.refuse(ticket, ErrorCode.NOT_FOUND, f"there is no app {app.app_id}")
