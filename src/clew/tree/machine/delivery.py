"""What is sent to an app, or to its agent, when it can be reached."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from clew.tree.frames.fields import CANCEL_ACTION
from clew.tree.frames.outbound import CancelPayload, Control, ProcessSignal, Signal
from clew.tree.machine import changes
from clew.tree.machine.happenings import CommandDocument, tell
from clew.tree.machine.options import MS
from clew.tree.machine.orders import Kind, OrderStatus, Phase

if TYPE_CHECKING:
    from clew.tree.machine.app import App
    from clew.tree.machine.orders import Item, Order
    from clew.tree.machine.state import Draft


_NOTED_PHASES: Final = (None, Phase.COOPERATIVE)


def deliver(draft: Draft, app: App) -> None:
    """Send an app that has come what waits for it: cancels first, then in the order of issue.

    What was sent on a connection before and is not answered is sent again: the app knows it by its
    correlation id.
    """
    tree = draft.tree
    link = tree.links.of_app(app.app_id)
    if app.is_terminal:
        if app.cancel_id is not None and not app.confirmed:
            draft.send(link, _cancel_of_ended(draft, app, app.cancel_id))
        return
    orders = tree.orders.open_of(app.app_id)
    for order in sorted(orders, key=lambda each: each.kind is not Kind.CANCEL):
        draft.send(link, control_frame(draft, order, app.app_id))
        item = order.items[app.app_id]
        # Since when a cancel is in a later phase is told by the last change that is kept of it.
        if item.status is OrderStatus.ACCEPTED and order.phase in _NOTED_PHASES:
            note_sent(draft, app, order, item)


def note_sent(draft: Draft, app: App, order: Order, item: Item) -> None:
    """Keep that a command was sent to a target."""
    item.status = OrderStatus.SENT
    draft.keep(
        changes.CommandChanged(
            correlation_id=order.correlation_id,
            app_id=app.app_id,
            status=OrderStatus.SENT,
            at=draft.now,
        )
    )
    tell_order(draft, app, order, item)


def deliver_signal(draft: Draft, app: App) -> None:
    """Let an agent that has come end the process, if a cancel has come to that."""
    agent = draft.tree.links.of_agent(app.app_id)
    for order in draft.tree.orders.cancels_of(app.app_id):
        signal = find_signal(order, app)
        if signal is not None:
            draft.send(agent, signal_frame(order, app.app_id, signal))


def find_signal(order: Order, app: App) -> ProcessSignal | None:
    """Return the signal that a process gets in the phase that a cancel has reached.

    A process that never registered hears nothing else than a signal, so TERM is the notice to it.
    """
    if order.phase is Phase.KILL:
        return ProcessSignal.KILL
    if order.phase is Phase.TERM or app.pub_key is None:
        return ProcessSignal.TERM
    return None


def signal_frame(order: Order, app_id: str, signal: ProcessSignal) -> Signal:
    """Return what tells an agent to signal the process group of an app."""
    return Signal(app_id=app_id, correlation_id=order.correlation_id, signal=signal)


def control_frame(draft: Draft, order: Order, app_id: str) -> Control:
    """Return a command as it goes to a target, with the time that is left for it."""
    left_ms = max(0, order.deadline - draft.now) // MS
    return Control(
        action=order.action,
        correlation_id=order.correlation_id,
        payload=msgspec.Raw(order.payload),
        app_id=app_id,
        issued_at=order.at // MS,
        deadline_ms=order.deadline // MS,
        deadline_in_ms=left_ms,
    )


def _cancel_of_ended(draft: Draft, app: App, cancel_id: str) -> Control:
    """Return the cancel for an app that was out of reach when it was cancelled."""
    payload = CancelPayload(reason="cancelled while away", initiated_by=app.actor, grace_ms=0)
    return Control(
        action=CANCEL_ACTION,
        correlation_id=cancel_id,
        payload=msgspec.Raw(msgspec.json.encode(payload)),
        app_id=app.app_id,
        issued_at=(app.ended_at or draft.now) // MS,
        deadline_ms=draft.now // MS,
        deadline_in_ms=0,
    )


def tell_order(draft: Draft, app: App, order: Order, item: Item) -> None:
    """Tell watchers how far a command got with a target."""
    document = CommandDocument(
        correlation_id=order.correlation_id,
        root_id=order.root_id,
        kind=order.kind,
        action=order.action,
        status=item.status,
        requested_by=order.requested_by,
        phase=item.phase,
        confirmed=item.confirmed,
        error=item.error,
    )
    draft.keep(tell(app, draft.now, "command", document))
