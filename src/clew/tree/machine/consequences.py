"""What the end of an app means for others: commands, cancels, its children, a parent that waits.

Theory of operation. When a parent has crashed because its connection was lost, and a child is in
reach, the parent is gone and the child fares by its policy at once. But where the child is out of
reach as well, it is as likely the network: both may be back in a moment, and a whole tree must not
be cancelled for that. So such children are left alone until the crash is final.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Final

from clew.access.caller import SERVER
from clew.tree.machine.app import OrphanPolicy, Status
from clew.tree.machine.cancelling import begin, plan_cancel
from clew.tree.machine.ends import has_waiting
from clew.tree.machine.issuing import close_item
from clew.tree.machine.lifecycle import Reason
from clew.tree.machine.orders import SERVER_PREFIX, Kind, OrderStatus

if TYPE_CHECKING:
    from clew.tree.machine.app import App
    from clew.tree.machine.state import Draft

# Names the cancels that the server begins by itself; any fixed UUID does.
_NAMESPACE: Final = uuid.UUID("5b0a9f0e-6a57-4c6e-9d5c-2f6f3f8f6d11")


def settle(draft: Draft) -> None:
    """Draw all consequences of every end in the step, and of the ends that these bring."""
    forest = draft.tree.forest
    while draft.recovered:
        _place(draft, draft.recovered.popleft())
    while draft.ended or draft.final:
        if draft.ended:
            ended = draft.ended.popleft()
            app = forest.find(ended.app_id) or ended
            _close_orders(draft, app)
            _provide_all(draft, app)
            _release(draft, app)
        else:
            final = forest.find(draft.final.popleft())
            if final is not None and final.is_terminal and final.deadline is not None:
                _provide_all(draft, draft.change(final, deadline=None))


def _place(draft: Draft, app_id: str) -> None:
    """Do with an app that is back what it missed: its parent may have ended while it was away."""
    app = draft.tree.forest.find(app_id)
    if app is None or app.parent_id is None or app.is_terminal:
        return
    parent = draft.tree.forest.find(app.parent_id)
    if parent is None or not parent.is_terminal:
        return
    if draft.tree.is_recoverable(parent, draft.now):
        _put_off(draft, parent)
    else:
        _provide(draft, parent, app)


def _provide_all(draft: Draft, parent: App) -> None:
    """Do with the children of an ended app what each wants, or put it off until the end is sure."""
    tree = draft.tree
    may_return = tree.is_recoverable(parent, draft.now)
    is_put_off = False
    for child_id in tree.forest.child_ids(parent.app_id):
        child = tree.forest.find(child_id)
        if child is None or child.is_terminal:
            continue
        if may_return and not tree.links.is_reached(child_id):
            is_put_off = True
        else:
            _provide(draft, parent, child)
    if is_put_off:
        _put_off(draft, parent)


def _put_off(draft: Draft, parent: App) -> None:
    """Come back to the children of a crashed app when its crash is final."""
    if parent.deadline is None:
        draft.change(parent, deadline=draft.tree.recovery_end(parent))


def _close_orders(draft: Draft, app: App) -> None:
    """Let nothing more come of what was asked of an app; a crash may still turn out to be none."""
    for order in draft.tree.orders.open_of(app.app_id):
        item = order.items[app.app_id]
        if order.kind is Kind.CANCEL:
            item.phase, item.confirmed = order.phase, app.confirmed
            status = OrderStatus.DONE if app.confirmed else OrderStatus.EXPIRED
            close_item(draft, order, app.app_id, status)
        elif not draft.tree.is_recoverable(app, draft.now):
            item.error = f"the app has ended: {app.status}"
            close_item(draft, order, app.app_id, OrderStatus.FAILED)


def _provide(draft: Draft, parent: App, child: App) -> None:
    """Do with a child what it wants for the case that its parent ends like this."""
    if draft.tree.orders.is_cancelled(child.app_id):
        return
    match _find_policy(parent, child):
        case OrphanPolicy.REQUEST_CANCEL:
            _cancel_orphan(draft, parent, child, draft.tree.options.grace_ms)
        case OrphanPolicy.TERMINATE:
            _cancel_orphan(draft, parent, child, 0)
        case OrphanPolicy.ADOPT | OrphanPolicy.WAIT:
            # Who still waits here has done so until the hold was over.
            _adopt(draft, child)


def _find_policy(parent: App, child: App) -> OrphanPolicy:
    """Return the policy by the cause.

    A child that a cancel of its parent has left out, by its own wish or by that of whoever
    cancelled, goes on as after an orderly end; but it cannot hold back a cancel.
    """
    match parent.status:
        case Status.ERROR:
            return child.orphans.error
        case Status.CRASHED | Status.START_FAILED:
            return child.orphans.crashed
        case Status.CANCELLED if child.orphans.detached:
            return OrphanPolicy.ADOPT
        case _:
            return child.orphans.done


def _cancel_orphan(draft: Draft, parent: App, child: App, grace_ms: int) -> None:
    """Cancel a child and everything below it, in the server's own name."""
    name = f"{child.app_id}/{child.version}/{parent.app_id}/{parent.version}"
    order = plan_cancel(
        draft,
        child,
        SERVER,
        f"{SERVER_PREFIX}{uuid.uuid5(_NAMESPACE, name)}",
        reason=f"its parent has ended: {parent.status}",
        cascade=True,
        grace_ms=grace_ms,
    )
    begin(draft, child, order, SERVER)


def _adopt(draft: Draft, child: App) -> None:
    """Hang a child, with all below it, under its nearest ancestor that lives on.

    Authority never widens: the new path holds only ids that the old one held.
    """
    forest, orders = draft.tree.forest, draft.tree.orders
    heir: App | None = None
    for app_id in reversed(child.path[:-2]):
        app = forest.find(app_id)
        if app is not None and not app.is_over and not orders.is_cancelled(app_id):
            heir = app
            break
    above = heir.path if heir is not None else ()
    for app in forest.subtree(child):
        below = app.path[app.path.index(child.app_id) :]
        fields: dict[str, object] = {"path": (*above, *below)}
        if app.app_id == child.app_id:
            fields["parent_id"] = heir.app_id if heir is not None else None
            fields["adopted_from"] = child.adopted_from or child.parent_id
        adopted = draft.change(app, **fields)
        draft.tell_adopted(adopted)


def _release(draft: Draft, app: App) -> None:
    """Let a parent be done that only waited for this child."""
    parent = draft.tree.forest.find(app.parent_id) if app.parent_id is not None else None
    if parent is None or parent.held is None or parent.is_terminal:
        return
    if not has_waiting(draft, parent):
        draft.end(parent, parent.held, Reason.RESULT, parent.app_id, confirmed=True)
