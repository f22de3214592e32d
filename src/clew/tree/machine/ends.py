"""How an app says its own end, and what its agent saw of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from clew.tree.frames.codes import FrameError
from clew.tree.machine.app import OrphanPolicy, Status
from clew.tree.machine.crashes import crash
from clew.tree.machine.lifecycle import Reason
from clew.tree.machine.options import SECOND
from clew.tree.machine.state import AGENT_ACTOR

if TYPE_CHECKING:
    from typing import Any

    from clew.tree.machine.app import App
    from clew.tree.machine.events import Exited, Left
    from clew.tree.machine.orders import Order
    from clew.tree.machine.state import Draft

_FAILED_WORDS = frozenset({"error", "failed"})


def finish(draft: Draft, app: App, to: Status, reason: Reason, actor: str, **fields: Any) -> App:
    """End an app as it said itself, which counts as a witnessed end.

    An end that comes while the app is being cancelled is the end by that cancel. A `done` is held
    back while there are children that want their parent to wait for them.
    """
    cancels = draft.tree.orders.cancels_of(app.app_id)
    if cancels:
        return finish_cancelled(draft, app, cancels[0], confirmed=True, **fields)
    if to is Status.DONE and has_waiting(draft, app):
        hold = draft.now + draft.tree.options.hold_s * SECOND
        return draft.change(app, held=Status.DONE, deadline=hold, confirmed=True, **fields)
    return draft.end(app, to, reason, actor, confirmed=True, **fields)


def finish_cancelled(
    draft: Draft, app: App, order: Order, *, confirmed: bool, **fields: Any
) -> App:
    """End an app by a cancel; `confirmed` tells whether anybody witnessed it."""
    return draft.end(
        app,
        Status.CANCELLED,
        Reason.CANCEL,
        order.requested_by,
        confirmed=confirmed,
        cancel_id=order.correlation_id,
        **fields,
    )


def has_waiting(draft: Draft, app: App) -> bool:
    """Whether a live child wants the app to wait for it before it is done."""
    forest = draft.tree.forest
    for child_id in forest.child_ids(app.app_id):
        child = forest.find(child_id)
        if child is None or child.is_terminal:
            continue
        if child.orphans.done is OrphanPolicy.WAIT:
            return True
    return False


def leave(draft: Draft, event: Left) -> None:
    """Take an app's goodbye: it is done, or failed by its own word."""
    links = draft.tree.links
    if links.of_app(event.app_id) != event.link:
        refuse_stranger(draft, event.link, event.app_id)
        return
    links.unbind(event.app_id)
    app = draft.tree.forest.find(event.app_id)
    if app is None or app.is_over:
        return
    to = Status.ERROR if event.reason.strip().lower() in _FAILED_WORDS else Status.DONE
    finish(draft, app, to, Reason.DISCONNECT, app.app_id)


def see_exit(draft: Draft, event: Exited) -> None:
    """Take what an agent saw: the process has ended, so the app has."""
    links = draft.tree.links
    if links.of_agent(event.app_id) != event.link:
        refuse_stranger(draft, event.link, event.app_id)
        return
    links.detach(event.app_id)
    app = draft.tree.forest.find(event.app_id)
    if app is None:
        return
    code = event.exit_code if event.signal is None else -event.signal
    if app.is_over:
        if app.exit_code != code or not app.confirmed:
            draft.change(app, exit_code=code, confirmed=True)
            draft.final.append(app.app_id)
        return
    if code == 0:
        finish(draft, app, Status.DONE, Reason.EXIT, AGENT_ACTOR, exit_code=code)
    elif event.signal is None or draft.tree.orders.is_cancelled(app.app_id):
        finish(draft, app, Status.ERROR, Reason.EXIT, AGENT_ACTOR, exit_code=code)
    else:
        details = msgspec.json.encode({"signal": event.signal})
        crash(draft, app, Reason.EXIT, details, exit_code=code, confirmed=True)


def refuse_stranger(draft: Draft, link: int, app_id: str, seq: int | None = None) -> None:
    """Refuse a frame on a socket that does not speak for the app that it names."""
    draft.refuse_frame(
        link,
        app_id,
        FrameError.NOT_REGISTERED,
        "this socket does not speak for that app",
        seq=seq,
        hint="register or resume it on this socket first",
    )
