"""What the server does by itself: when it is started, and when time is up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clew.tree.machine.app import Status
from clew.tree.machine.cancelling import advance
from clew.tree.machine.consequences import settle
from clew.tree.machine.crashes import crash
from clew.tree.machine.ends import finish_cancelled
from clew.tree.machine.issuing import expire_command
from clew.tree.machine.lifecycle import RECOVERABLE, Reason
from clew.tree.machine.options import MS
from clew.tree.machine.orders import Kind
from clew.tree.machine.scheduling import fail_start
from clew.tree.machine.state import SERVER_ACTOR

if TYPE_CHECKING:
    from clew.tree.machine.app import App
    from clew.tree.machine.events import Started, Tick
    from clew.tree.machine.orders import Order
    from clew.tree.machine.state import Draft

_UP = frozenset({Status.CONNECTED, Status.RUNNING})


def restart(draft: Draft, event: Started) -> None:
    """Let every app that was up, or about to come back, have time to come back to a new server."""
    tree = draft.tree
    deadline = draft.now + tree.options.restart_window_ms * MS
    for app in list(tree.forest.live()):
        if app.is_over:
            continue
        if app.status in _UP:
            draft.move(
                app,
                Status.RECONNECTING,
                Reason.SERVER_RESTART,
                SERVER_ACTOR,
                before=app.status,
                disconnected_at=draft.now,
                deadline=deadline,
            )
        elif app.status is Status.RECONNECTING:
            reason = Reason.SERVER_RESTART.value
            draft.change(app, reason=reason, actor=SERVER_ACTOR, deadline=deadline)
        elif app.status is Status.SCHEDULED and (app.deadline or 0) < deadline:
            # It may have started, and found no server to say so to.
            draft.change(app, deadline=deadline, token_expires_at=deadline)
    for order in tree.orders.open_orders():
        if order.phase is not None:
            length = order.length_of(order.phase)
            _put_off(draft, order, min(length, tree.options.restart_window_ms * MS))


def _put_off(draft: Draft, order: Order, length: int) -> None:
    """Let the phase of a cancel last anew: nobody could hear of it while no server was there."""
    deadline = draft.now + length
    if deadline > order.deadline:
        order.deadline = deadline
        draft.tree.timers.put(deadline, order.correlation_id, is_order=True)


def expire(draft: Draft, event: Tick) -> None:
    """Do everything whose time has come, in the order of time."""
    tree = draft.tree
    while (timer := tree.timers.pop_due(draft.now)) is not None:
        if timer.is_order:
            order = tree.orders.find(timer.key)
            assert order is not None
            if order.kind is Kind.CANCEL:
                advance(draft, order)
            else:
                expire_command(draft, order)
        else:
            app = tree.forest.find(timer.key)
            assert app is not None
            _expire_app(draft, app)
        # A timer after this one may be about something that this one ends.
        settle(draft)
    for entry in tree.denials.take_due(draft.now):
        draft.keep(entry)


def _expire_app(draft: Draft, app: App) -> None:
    cancels = draft.tree.orders.cancels_of(app.app_id)
    if app.is_terminal:
        draft.final.append(app.app_id)
    elif app.held is not None:
        draft.end(app, app.held, Reason.RESULT, app.app_id, confirmed=True)
    elif app.status is Status.SCHEDULED:
        fail_start(draft, app)
    elif app.reason == Reason.SERVER_RESTART:
        draft.move(app, Status.LOST_CONTACT, Reason.SERVER_RESTART, SERVER_ACTOR, before=app.before)
    elif not cancels:
        cause = Reason(app.reason)
        crash(draft, app, cause if cause in RECOVERABLE else Reason.CONNECTION_DROP)
    elif draft.tree.links.of_agent(app.app_id) is None:
        # It went away while it was being cancelled, which is what was wanted of it.
        finish_cancelled(draft, app, cancels[0], confirmed=False)
    else:
        # Its agent knows whether its process has ended, and the cancel goes on by its own time.
        draft.change(app, deadline=None)
