"""Cancel: kept and frozen, a notice to all at once, grace, TERM, KILL, and then it is over.

Theory of operation. A cancel is an order whose targets are all live apps below the one that was
named. While it is open nothing may start below any of them. Each hears of it at once, on its own
socket or, when it is no client, by a SIGTERM from its agent; those out of reach hear of it first
when they return. When the grace is over, whoever still lives is signalled by its agent, leaves
first: TERM, then KILL. An app without an agent cannot be signalled, so nobody waits for that: it
counts as cancelled, unconfirmed. Several cancels of one app each keep their own time, and the
first that runs out ends it for all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from clew.access.caller import Verb
from clew.tree.frames.fields import CANCEL_ACTION
from clew.tree.frames.outbound import CancelPayload
from clew.tree.machine.app import Status
from clew.tree.machine.delivery import control_frame, find_signal, signal_frame
from clew.tree.machine.ends import finish_cancelled
from clew.tree.machine.issuing import (
    auth_domain,
    find_target,
    is_repeated,
    keep_changed,
    keep_new,
    report,
)
from clew.tree.machine.lifecycle import Reason
from clew.tree.machine.options import KILL_AFTER_MS, KILL_GRACE, MS
from clew.tree.machine.orders import (
    Item,
    Kind,
    Order,
    OrderStatus,
    Phase,
)

if TYPE_CHECKING:
    from clew.access.caller import Caller
    from clew.tree.machine.app import App
    from clew.tree.machine.events import Cancel
    from clew.tree.machine.state import Draft

_NEXT_PHASE: Final = {Phase.COOPERATIVE: Phase.TERM, Phase.TERM: Phase.KILL}


def cancel(draft: Draft, event: Cancel) -> None:
    """Take a cancel of one app, or with `cascade` of everything below it as well."""
    app = find_target(draft, event, Verb.CANCEL)
    if app is None:
        return
    order = plan_cancel(
        draft,
        app,
        event.caller,
        event.correlation_id,
        reason=event.reason,
        cascade=event.cascade,
        grace_ms=event.grace_ms,
        kill_after_ms=event.kill_after_ms,
    )
    if is_repeated(draft, event, order):
        return
    begin(draft, app, order, event.caller, include_detached=event.include_detached)
    draft.answer(event.ticket, report(draft.tree, order))


def plan_cancel(
    draft: Draft,
    app: App,
    caller: Caller,
    correlation_id: str,
    *,
    reason: str,
    cascade: bool,
    grace_ms: int,
    kill_after_ms: int = KILL_AFTER_MS,
) -> Order:
    """Return a cancel that is not begun yet."""
    payload = CancelPayload(
        reason=reason,
        cascade=cascade,
        initiated_by=caller.name,
        grace_ms=grace_ms,
        kill_after_ms=None if kill_after_ms == KILL_AFTER_MS else kill_after_ms,
    )
    deadline = draft.now + grace_ms * MS
    return Order(
        correlation_id=correlation_id,
        root_id=app.app_id,
        kind=Kind.CANCEL,
        action=CANCEL_ACTION,
        payload=msgspec.json.encode(payload),
        requested_by=caller.name,
        auth_domain=auth_domain(caller),
        at=draft.now,
        expires_at=deadline + kill_after_ms * MS + KILL_GRACE,
        cascade=cascade,
        deadline=deadline,
        grace_ms=grace_ms,
        kill_after_ms=kill_after_ms,
        phase=Phase.COOPERATIVE,
    )


def begin(
    draft: Draft, app: App, order: Order, caller: Caller, *, include_detached: bool = False
) -> None:
    """Freeze what is to be cancelled and tell everybody in it; without grace, go on at once."""
    tree = draft.tree
    targets = tree.forest.subtree(app, with_detached=include_detached) if order.cascade else [app]
    for target in targets:
        order.items[target.app_id] = _new_item(draft, target)
    tree.orders.add(order)
    for target in targets:
        keep_new(draft, order, target)
        item = order.items[target.app_id]
        if item.is_open:
            _notify(draft, order, target)
        elif draft.tree.is_recoverable(target, draft.now):
            # Should it turn out to live, it hears of this instead of living on.
            draft.change(target, cancel_id=order.correlation_id)
            draft.final.append(target.app_id)
        elif target.held is not None:
            draft.end(target, target.held, Reason.RESULT, target.app_id, confirmed=True)
        elif item.phase is Phase.SCHEDULED:
            finish_cancelled(draft, target, order, confirmed=False)
    draft.audit(
        caller,
        Verb.CANCEL,
        app,
        cascade=order.cascade,
        correlation_id=order.correlation_id,
    )
    if order.is_over:
        return
    if order.deadline <= draft.now:
        advance(draft, order)
    else:
        tree.timers.put(order.deadline, order.correlation_id, is_order=True)


def _new_item(draft: Draft, app: App) -> Item:
    """Return what a cancel comes to at once for an app."""
    if app.is_over:
        return Item(OrderStatus.DONE, Phase.ALREADY_TERMINAL, confirmed=app.confirmed)
    if app.status is Status.SCHEDULED:
        return Item(OrderStatus.DONE, Phase.SCHEDULED)
    links = draft.tree.links
    is_reached = links.of_app(app.app_id) is not None or (
        app.pub_key is None and links.of_agent(app.app_id) is not None
    )
    return Item(OrderStatus.SENT if is_reached else OrderStatus.ACCEPTED, Phase.COOPERATIVE)


def _notify(draft: Draft, order: Order, app: App) -> None:
    """Tell an app of its cancel, if it can be reached; who never registered by a signal."""
    links = draft.tree.links
    link = links.of_app(app.app_id)
    if link is not None:
        draft.send(link, control_frame(draft, order, app.app_id))
        return
    agent = links.of_agent(app.app_id)
    signal = find_signal(order, app)
    if agent is not None and signal is not None:
        draft.send(agent, signal_frame(order, app.app_id, signal))


def advance(draft: Draft, order: Order) -> None:
    """Go on to the next phase: signal who has an agent, give up who has none, leaves first."""
    tree = draft.tree
    apps = [
        app
        for app_id, item in order.items.items()
        if item.is_open and (app := tree.forest.find(app_id)) is not None
    ]
    apps.sort(key=lambda app: -len(app.path))
    following = _NEXT_PHASE.get(order.phase or Phase.KILL)
    left: list[App] = []
    for app in apps:
        if following is None or tree.links.of_agent(app.app_id) is None:
            finish_cancelled(draft, app, order, confirmed=False)
        else:
            left.append(app)
    if following is None or not left:
        return
    order.phase = following
    order.deadline = draft.now + order.length_of(following)
    tree.timers.put(order.deadline, order.correlation_id, is_order=True)
    for app in left:
        order.items[app.app_id].phase = following
        keep_changed(draft, order, app.app_id)
        signal = find_signal(order, app)
        assert signal is not None
        draft.send(tree.links.of_agent(app.app_id), signal_frame(order, app.app_id, signal))
