"""Lost connections, the windows in which they may come back, and crashes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clew.tree.machine import changes
from clew.tree.machine.app import Status
from clew.tree.machine.happenings import CrashDocument, tell
from clew.tree.machine.lifecycle import DROPS, Reason
from clew.tree.machine.options import MASS_DROP_FACTOR, MASS_DROP_WITHIN, MS
from clew.tree.machine.state import SERVER_ACTOR

if TYPE_CHECKING:
    from typing import Any

    from clew.tree.machine.app import App
    from clew.tree.machine.events import Dropped
    from clew.tree.machine.state import Draft

_UP = frozenset({Status.CONNECTED, Status.RUNNING})


def drop(draft: Draft, event: Dropped) -> None:
    """Take note that a socket is gone: whoever spoke on it is out of reach for a while."""
    tree = draft.tree
    bound = tree.links.drop(event.link)
    if not bound.apps and not bound.agents:
        return
    cause = Reason(event.cause) if event.cause in DROPS else Reason.CONNECTION_DROP
    is_mass, is_first = tree.links.note_drop(draft.now)
    factor = MASS_DROP_FACTOR if is_mass else 1
    if is_first:
        _extend(draft)
    for app_id in bound.apps:
        app = tree.forest.find(app_id)
        if app is not None:
            lose(draft, app, cause, factor)
    for app_id in bound.agents:
        # An app that speaks for itself does not need its agent to be in reach.
        app = tree.forest.find(app_id)
        if app is not None and tree.links.of_app(app_id) is None:
            lose(draft, app, cause, factor)


def _extend(draft: Draft) -> None:
    """Give the longer window to those as well who were lost before it was clear how many it are."""
    tree = draft.tree
    for app in list(tree.forest.live()):
        since = app.disconnected_at
        if app.status is not Status.RECONNECTING or app.deadline is None or since is None:
            continue
        window = tree.resume_window(app)
        if since >= draft.now - MASS_DROP_WITHIN and app.deadline == since + window:
            draft.change(app, deadline=since + MASS_DROP_FACTOR * window)


def lose(draft: Draft, app: App, cause: Reason, factor: int = 1) -> None:
    """Let an app that was up be out of reach; one that has said its end already is not missed."""
    if app.status not in _UP or app.is_over:
        return
    draft.move(
        app,
        Status.RECONNECTING,
        cause,
        SERVER_ACTOR,
        before=app.status,
        disconnected_at=draft.now,
        deadline=draft.now + factor * draft.tree.resume_window(app),
    )


def keep_crash(draft: Draft, app: App, reason: Reason, gap_ms: int, details: bytes = b"{}") -> None:
    """Keep that an app crashed, and tell watchers."""
    draft.keep(
        changes.CrashAdded(
            app_id=app.app_id,
            epoch=app.epoch,
            at=draft.now,
            crash_type=reason,
            gap_ms=gap_ms,
            details=details,
        )
    )
    document = CrashDocument(crash_type=reason, epoch=app.epoch, gap_ms=gap_ms)
    draft.keep(tell(app, draft.now, "crash", document))


def crash(draft: Draft, app: App, reason: Reason, details: bytes = b"{}", **fields: Any) -> App:
    """End an app as crashed, with a row that tells how."""
    since = app.disconnected_at if reason is not Reason.EXIT else None
    gap_ms = (draft.now - since) // MS if since is not None else 0
    keep_crash(draft, app, reason, gap_ms, details)
    return draft.end(app, Status.CRASHED, reason, SERVER_ACTOR, before=app.before, **fields)


def recover(draft: Draft, app: App) -> dict[str, Any]:
    """Take back the newest crash of an app; return what else changes when it lives again."""
    draft.recovered.append(app.app_id)
    draft.keep(changes.CrashRecovered(app_id=app.app_id, epoch=app.epoch, at=draft.now))
    document = CrashDocument(crash_type=app.reason, epoch=app.epoch, is_recovered=True)
    draft.keep(tell(app, draft.now, "crash", document))
    return {"ended_at": None, "path": draft.tree.forest.current_path(app)}
