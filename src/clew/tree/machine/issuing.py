"""Commands: kept before they are sent, waiting for who is away, over when answered or too old."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from clew.access.caller import Caller, CallerKind, Verb
from clew.base.errors import ErrorCode
from clew.tree.frames.fields import CANCEL_ACTION, SYSTEM_ACTIONS
from clew.tree.machine import changes
from clew.tree.machine.app import Status
from clew.tree.machine.delivery import control_frame, tell_order
from clew.tree.machine.ends import finish_cancelled, refuse_stranger
from clew.tree.machine.options import MS
from clew.tree.machine.orders import (
    SERVER_PREFIX,
    Item,
    Kind,
    Order,
    OrderStatus,
    Phase,
)
from clew.tree.machine.outcomes import Issued, Target
from clew.tree.machine.scheduling import deny

if TYPE_CHECKING:
    from clew.tree.machine.app import App
    from clew.tree.machine.events import Acked, Await, Cancel, Command, Forget
    from clew.tree.machine.state import Draft, Tree

_DOMAINS = {CallerKind.APP: "tree", CallerKind.SERVER: "server"}
"""By which authority somebody acts; keys, and whoever is on this machine, from outside."""


def auth_domain(caller: Caller) -> str:
    """Return the name of the authority by which a caller acts."""
    return _DOMAINS.get(caller.kind, "external")


def find_target(draft: Draft, event: Command | Cancel, verb: Verb) -> App | None:
    """Return the app that a caller names, if there is one and it may; refuse it otherwise."""
    if event.correlation_id.startswith(SERVER_PREFIX):
        draft.refuse(
            event.ticket,
            ErrorCode.INVALID_ARGUMENT,
            f"correlation ids that begin with {SERVER_PREFIX} are the server's own",
            "give a UUID",
        )
        return None
    app = draft.tree.forest.find(event.app_id)
    if app is None:
        draft.refuse(event.ticket, ErrorCode.NOT_FOUND, f"there is no app {event.app_id}")
        return None
    decision = draft.decide(event.caller, verb, app.path)
    if not decision.is_allowed:
        deny(
            draft,
            event.ticket,
            event.caller,
            verb,
            app,
            decision,
            correlation_id=event.correlation_id,
            cascade=event.cascade,
        )
        return None
    return app


def is_repeated(draft: Draft, event: Command | Cancel, order: Order) -> bool:
    """Answer an order whose correlation id is taken; return False where it is not."""
    known = draft.tree.orders.find(order.correlation_id)
    if known is None:
        return False
    if known.says(order):
        draft.answer(event.ticket, report(draft.tree, known))
    else:
        draft.refuse(
            event.ticket,
            ErrorCode.ALREADY_EXISTS,
            f"the correlation id {order.correlation_id} was used for something else",
        )
    return True


def issue(draft: Draft, event: Command) -> None:
    """Take a command: keep it for each target, send it to those that are there."""
    tree = draft.tree
    app = find_target(draft, event, Verb.COMMAND)
    if app is None:
        return
    if event.action in SYSTEM_ACTIONS:
        is_cancel = event.action == CANCEL_ACTION
        draft.refuse(
            event.ticket,
            ErrorCode.INVALID_ARGUMENT,
            f"{event.action} is the system's own word, no command of an app",
            "cancel the app itself" if is_cancel else "choose another word for it",
        )
        return
    expires_at = draft.now + event.ttl_ms * MS
    order = Order(
        correlation_id=event.correlation_id,
        root_id=app.app_id,
        kind=Kind.COMMAND,
        action=event.action,
        payload=event.payload,
        requested_by=event.caller.name,
        auth_domain=auth_domain(event.caller),
        at=draft.now,
        expires_at=expires_at,
        cascade=event.cascade,
        deadline=expires_at,
    )
    if is_repeated(draft, event, order):
        return
    if app.is_over and not event.cascade:
        draft.refuse(
            event.ticket, ErrorCode.CONFLICT, f"the app has ended: {app.held or app.status}"
        )
        return
    targets = _targets(tree, app, event)
    for target in targets:
        is_reached = tree.links.of_app(target.app_id) is not None
        status = OrderStatus.SENT if is_reached else OrderStatus.ACCEPTED
        order.items[target.app_id] = Item(status)
    tree.orders.add(order)
    for target in targets:
        keep_new(draft, order, target)
        link = tree.links.of_app(target.app_id)
        if link is not None:
            draft.send(link, control_frame(draft, order, target.app_id))
    tree.timers.put(order.deadline, order.correlation_id, is_order=True)
    draft.audit(
        event.caller,
        Verb.COMMAND,
        app,
        event.action,
        cascade=event.cascade,
        correlation_id=order.correlation_id,
    )
    draft.answer(event.ticket, report(tree, order))


def _targets(tree: Tree, app: App, event: Command) -> list[App]:
    """Return whom a command is for, parents before children."""
    if not event.cascade:
        return [app]
    name, status = event.name_filter, event.status_filter
    return [
        each
        for each in tree.forest.subtree(app)
        if not each.is_over
        and (name is None or fnmatchcase(each.app_name, name))
        and (status is None or each.status == status)
    ]


def keep_new(draft: Draft, order: Order, app: App) -> None:
    """Keep a command for one of its targets, as it stands there."""
    item = order.items[app.app_id]
    draft.keep(
        changes.CommandAdded(
            correlation_id=order.correlation_id,
            app_id=app.app_id,
            root_id=order.root_id,
            kind=order.kind.value,
            action=order.action,
            payload=order.payload,
            requested_by=order.requested_by,
            auth_domain=order.auth_domain,
            at=order.at,
            expires_at=order.expires_at,
            status=item.status.value,
            grace_ms=order.grace_ms,
            phase=item.phase.value if item.phase is not None else None,
            confirmed=item.confirmed,
            cascade=order.cascade,
        )
    )
    tell_order(draft, app, order, item)


def keep_changed(draft: Draft, order: Order, app_id: str) -> None:
    """Keep how far a command has got with one of its targets."""
    item = order.items[app_id]
    draft.keep(
        changes.CommandChanged(
            correlation_id=order.correlation_id,
            app_id=app_id,
            status=item.status.value,
            at=draft.now,
            result=item.result,
            error=item.error,
            phase=item.phase.value if item.phase is not None else None,
            confirmed=item.confirmed,
        )
    )
    app = draft.tree.forest.find(app_id)
    if app is not None:
        tell_order(draft, app, order, item)


def close_item(draft: Draft, order: Order, app_id: str, status: OrderStatus) -> None:
    """Let nothing more come of a command for a target; answer who waits if that was the last."""
    order.items[app_id].status = status
    keep_changed(draft, order, app_id)
    if draft.tree.orders.close_item(order, app_id):
        tickets = draft.tree.orders.take_waiting(order)
        outcome = report(draft.tree, order) if tickets else None
        for ticket in tickets:
            assert outcome is not None
            draft.answer(ticket, outcome)


def report(tree: Tree, order: Order) -> Issued:
    """Return what a command came to so far, the app that was named first."""
    return Issued(
        correlation_id=order.correlation_id,
        kind=order.kind.value,
        action=order.action,
        is_over=order.is_over,
        targets=tuple(
            _target(tree, order, app_id)
            for app_id in sorted(order.items, key=lambda each: each != order.root_id)
        ),
    )


def _target(tree: Tree, order: Order, app_id: str) -> Target:
    item = order.items[app_id]
    app = tree.forest.find(app_id)
    return Target(
        app_id=app_id,
        status=item.status.value,
        app_status=app.status.value if app is not None else "",
        phase=item.phase.value if item.phase is not None else None,
        confirmed=item.confirmed,
        result=item.result,
        error=item.error,
    )


def acknowledge(draft: Draft, event: Acked) -> None:
    """Take an app's answer to a command; a yes to a cancel is the app's witnessed end."""
    tree = draft.tree
    app = tree.forest.find(event.app_id)
    if tree.links.of_app(event.app_id) != event.link or app is None:
        refuse_stranger(draft, event.link, event.app_id)
        return
    order = tree.orders.find(event.correlation_id)
    item = order.items.get(event.app_id) if order is not None else None
    if order is None or item is None or not item.is_open:
        if event.ack and app.cancel_id == event.correlation_id and not app.confirmed:
            _confirm_late(draft, app, event.correlation_id, item)
        return
    if order.kind is Kind.COMMAND:
        item.result = event.result
        item.error = None if event.ack else event.error or "refused"
        status = OrderStatus.DONE if event.ack else OrderStatus.FAILED
        close_item(draft, order, app.app_id, status)
    elif event.ack:
        item.result = event.result
        finish_cancelled(draft, app, order, confirmed=True)
    elif order.phase is Phase.COOPERATIVE:
        item.error = event.error or "refused"
        keep_changed(draft, order, app.app_id)


def _confirm_late(draft: Draft, app: App, correlation_id: str, item: Item | None) -> None:
    """Take it from an app that was cancelled out of reach that it has stopped."""
    if app.status is not Status.CANCELLED:
        return
    draft.change(app, confirmed=True)
    if item is not None:
        item.status, item.confirmed = OrderStatus.DONE, True
    draft.keep(
        changes.CommandChanged(
            correlation_id=correlation_id,
            app_id=app.app_id,
            status=OrderStatus.DONE.value,
            at=draft.now,
            confirmed=True,
        )
    )


def wait(draft: Draft, event: Await) -> None:
    """Answer when a command is over: at once if it is."""
    tree = draft.tree
    order = tree.orders.find(event.correlation_id)
    root = tree.forest.find(order.root_id) if order is not None else None
    path = root.path if root is not None else ()
    if order is None or not (
        _is_own(order, event.caller)
        or (path and draft.decide(event.caller, Verb.OBSERVE, path).is_allowed)
    ):
        draft.refuse(
            event.ticket, ErrorCode.NOT_FOUND, f"there is no command {event.correlation_id}"
        )
    elif order.is_over:
        draft.answer(event.ticket, report(tree, order))
    else:
        tree.orders.wait(order, event.ticket)


def _is_own(order: Order, caller: Caller) -> bool:
    """Whether it was this caller who asked for it."""
    return (order.auth_domain, order.requested_by) == (auth_domain(caller), caller.name)


def forget(draft: Draft, event: Forget) -> None:
    """Answer a ticket no more."""
    draft.tree.orders.forget(event.ticket)


def expire_command(draft: Draft, order: Order) -> None:
    """Give up a command for every target that has not answered it in time."""
    for app_id in [app_id for app_id, item in order.items.items() if item.is_open]:
        close_item(draft, order, app_id, OrderStatus.EXPIRED)
