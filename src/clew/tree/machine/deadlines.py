"""What the server does by itself: when it is started, and when time is up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clew.tree.machine.app import Status
from clew.tree.machine.crashes import crash
from clew.tree.machine.lifecycle import RECOVERABLE, Reason
from clew.tree.machine.options import SECOND
from clew.tree.machine.scheduling import fail_start
from clew.tree.machine.state import SERVER_ACTOR

if TYPE_CHECKING:
    from clew.tree.machine.app import App
    from clew.tree.machine.events import Started, Tick
    from clew.tree.machine.state import Draft

_UP = frozenset({Status.CONNECTED, Status.RUNNING})


def restart(draft: Draft, event: Started) -> None:
    """Let every app that was up, or about to come back, have time to come back to a new server."""
    tree = draft.tree
    deadline = draft.now + tree.options.restart_window_s * SECOND
    for app in list(tree.forest.live()):
        if app.held is not None:
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
            draft.change(app, reason=Reason.SERVER_RESTART, actor=SERVER_ACTOR, deadline=deadline)


def expire(draft: Draft, event: Tick) -> None:
    """Do everything whose time has come, in the order of time."""
    tree = draft.tree
    while (timer := tree.timers.pop_due(draft.now)) is not None:
        app = tree.forest.find(timer.key)
        assert app is not None
        _expire_app(draft, app)


def _expire_app(draft: Draft, app: App) -> None:
    if app.status is Status.SCHEDULED:
        fail_start(draft, app)
    elif app.reason == Reason.SERVER_RESTART:
        draft.move(app, Status.LOST_CONTACT, Reason.SERVER_RESTART, SERVER_ACTOR, before=app.before)
    else:
        cause = Reason(app.reason)
        crash(draft, app, cause if cause in RECOVERABLE else Reason.CONNECTION_DROP)
