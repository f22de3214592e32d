"""How apps come into the tree, return to it, and how agents come to speak for them."""

from __future__ import annotations

from hmac import compare_digest
from typing import TYPE_CHECKING

from clew.access.caller import Caller, CallerKind
from clew.tree.frames.codes import FrameError
from clew.tree.frames.outbound import Attached, Registered
from clew.tree.machine.app import App, Status, Tier
from clew.tree.machine.crashes import recover
from clew.tree.machine.delivery import deliver, deliver_signal
from clew.tree.machine.lifecycle import Reason
from clew.tree.machine.scheduling import (
    find_quota,
    hash_token,
    inherit_refs,
    is_frozen,
    stricter,
)
from clew.tree.machine.state import AGENT_ACTOR

if TYPE_CHECKING:
    from typing import Any

    from clew.tree.machine.events import Attach, Register, Resume
    from clew.tree.machine.state import Draft, Tree

_AWAY = frozenset({Status.RECONNECTING, Status.LOST_CONTACT})


def register(draft: Draft, event: Register) -> None:
    """Let an app join: one that was announced, one that is new, or a known one in a new epoch."""
    app = draft.tree.forest.find(event.app_id)
    if app is None:
        _join_unannounced(draft, event)
        return
    if app.held is not None and not app.is_terminal:
        # It has said its end already; as what it was it may return, but not begin anew.
        _turn_away_terminal(draft, event.link, app)
        return
    if app.status is Status.SCHEDULED or (app.pub_key is None and not app.is_terminal):
        _join_announced(draft, event, app)
        return
    if app.is_terminal and not draft.tree.is_recoverable(app, draft.now):
        _turn_away_ended(draft, event.link, app, event.capabilities, event.pub_key, event.is_proved)
        return
    if not _is_same(draft, app, event.pub_key, is_proved=event.is_proved):
        _turn_away_unproved(draft, event, app, "register")
        return
    if app.is_terminal and _is_barred(draft.tree, app):
        _turn_away_frozen(draft, event.link, app.app_id)
        return
    _join_again(draft, event, app)


def _join_unannounced(draft: Draft, event: Register) -> None:
    """Take in an app that nobody announced: where no proof is asked for, as TRAILS does."""
    tree = draft.tree
    if tree.options.tier is not Tier.OPEN:
        stranger = Caller(CallerKind.APP, event.app_id, origin=event.origin)
        draft.audit(stranger, "register", None, "unannounced", is_allowed=False)
        draft.turn_away(
            event.link,
            event.app_id,
            FrameError.UNAUTHORISED,
            "nobody announced this app",
            hint="let its parent spawn it, and start it with the token that this gives",
        )
        return
    parent = tree.forest.find(event.parent_id) if event.parent_id is not None else None
    if event.parent_id is not None and parent is None:
        message = f"there is no app {event.parent_id}"
        draft.turn_away(event.link, event.app_id, FrameError.UNKNOWN_PARENT, message)
        return
    above = tree.forest.current_path(parent) if parent is not None else ()
    if event.app_id in above:
        message = "an app is not its own ancestor"
        draft.turn_away(event.link, event.app_id, FrameError.REGISTRATION_FAILED, message)
        return
    if parent is not None and is_frozen(tree, parent):
        _turn_away_frozen(draft, event.link, event.app_id)
        return
    quota = find_quota(tree, parent)
    if quota is not None:
        draft.turn_away(event.link, event.app_id, FrameError.QUOTA_EXCEEDED, quota)
        return
    app = draft.add(
        App(
            app_id=event.app_id,
            parent_id=event.parent_id,
            app_name=event.app_name,
            path=(*above, event.app_id),
            status=Status.SCHEDULED,
            reason=Reason.REGISTERED.value,
            actor=event.app_id,
            start_deadline_s=tree.options.start_deadline_s,
            role_refs=inherit_refs(parent, event.role_refs or None, is_free=False),
            originator=parent.originator if parent is not None else None,
            scheduled_at=draft.now,
        )
    )
    _join(draft, event, app)


def _join_announced(draft: Draft, event: Register, app: App) -> None:
    """Take in an app that was announced, or whose agent came before it."""
    tree = draft.tree
    if event.parent_id not in (app.parent_id, app.adopted_from):
        message = "another parent announced this app"
        draft.turn_away(event.link, app.app_id, FrameError.REGISTRATION_FAILED, message)
        return
    if app.status is Status.SCHEDULED and _is_barred(tree, app):
        _turn_away_frozen(draft, event.link, app.app_id)
        return
    if stricter(app.tier, tree.options.tier) is not Tier.OPEN:
        has_token = _is_token(app, event.token) and (
            app.token_expires_at is None or draft.now <= app.token_expires_at
        )
        if not (has_token and event.is_proved):
            _turn_away_unproved(draft, event, app, "register")
            return
    elif event.token is not None and app.token_hash and not _is_token(app, event.token):
        # Clients of upstream show none, and may come; who shows another one guesses.
        _turn_away_unproved(draft, event, app, "register")
        return
    _join(draft, event, app)


def _join(draft: Draft, event: Register, app: App) -> None:
    """Let an app that joins for the first time be connected."""
    fields: dict[str, Any] = {
        "pub_key": event.pub_key,
        "process": event.process if event.process is not None else app.process,
        "connected_at": draft.now,
        "disconnected_at": None,
    }
    if app.status is Status.SCHEDULED:
        joined = draft.move(
            app,
            Status.CONNECTED,
            Reason.REGISTERED,
            app.app_id,
            epoch=app.epoch + 1,
            seq=0,
            agent_seq=0,
            **fields,
        )
    elif app.status in _AWAY:
        joined = draft.move(
            app, app.before or Status.CONNECTED, Reason.RETURNED, app.app_id, **fields
        )
    else:
        joined = draft.change(app, **fields)
    _welcome(draft, event.link, joined, event.capabilities)


def _join_again(draft: Draft, event: Register, app: App) -> None:
    """Let an app that proved to be itself begin anew: what its old epoch still sends is void."""
    tree = draft.tree
    tree.gaps.pop((app.app_id, False), None)
    tree.floors.pop((app.app_id, False), None)
    fields: dict[str, Any] = {
        "epoch": app.epoch + 1,
        "seq": 0,
        "process": event.process if event.process is not None else app.process,
        "connected_at": draft.now,
        "disconnected_at": None,
    }
    if app.is_terminal:
        fields |= recover(draft, app)
    if app.status is Status.CONNECTED:
        joined = draft.change(app, **fields)
    else:
        reason = Reason.RETURNED if app.is_terminal else Reason.REGISTERED
        joined = draft.move(app, Status.CONNECTED, reason, app.app_id, **fields)
    _welcome(draft, event.link, joined, event.capabilities, is_recovered=app.is_terminal)


def resume(draft: Draft, event: Resume) -> None:
    """Let an app come back whose connection was lost: where it was, with what waits for it."""
    app = draft.tree.forest.find(event.app_id)
    if app is None or app.status is Status.SCHEDULED or app.pub_key is None:
        message = "this app never registered"
        draft.turn_away(
            event.link,
            event.app_id,
            FrameError.REGISTRATION_FAILED,
            message,
            hint="register it",
        )
        return
    if app.is_terminal and not draft.tree.is_recoverable(app, draft.now):
        _turn_away_ended(draft, event.link, app, event.capabilities, event.pub_key, event.is_proved)
        return
    if not _is_same(draft, app, event.pub_key, is_proved=event.is_proved):
        _turn_away_unproved(draft, event, app, "re_register")
        return
    if event.epoch is not None and event.epoch != app.epoch:
        message = f"the app is in epoch {app.epoch} by now"
        draft.turn_away(event.link, app.app_id, FrameError.SUPERSEDED, message)
        return
    if app.is_terminal and _is_barred(draft.tree, app):
        _turn_away_frozen(draft, event.link, app.app_id)
        return
    is_recovered = app.is_terminal
    returned = _bring_back(draft, app)
    _welcome(draft, event.link, returned, event.capabilities, is_recovered=is_recovered)


def _bring_back(draft: Draft, app: App) -> App:
    """Put an app that was out of reach, or taken for crashed, back to where it was."""
    fields: dict[str, Any] = {"connected_at": draft.now, "disconnected_at": None}
    if app.is_terminal:
        fields |= recover(draft, app)
    elif app.status not in _AWAY or app.held is not None:
        return app
    to = app.before or Status.RUNNING
    return draft.move(app, to, Reason.RETURNED, app.app_id, **fields)


def attach(draft: Draft, event: Attach) -> None:
    """Let an agent speak for an app's process; an app that was only announced has started then."""
    tree = draft.tree
    app = tree.forest.find(event.app_id)
    if app is None:
        message = "there is no such app"
        draft.turn_away(event.link, event.app_id, FrameError.NOT_FOUND, message)
        return
    # In every tier: what an agent says ends an app, and confirms its end. Who was not announced has
    # no token, and so no agent.
    if not _is_token(app, event.token):
        _turn_away_unproved(draft, event, app, "attach")
        return
    if app.is_terminal and not tree.is_recoverable(app, draft.now):
        if app.status is Status.CANCELLED and not app.confirmed:
            _attach_to_cancelled(draft, event.link, app)
        else:
            _turn_away_terminal(draft, event.link, app)
        return
    is_new = app.is_terminal or app.status is Status.SCHEDULED
    if is_new and _is_barred(tree, app):
        _turn_away_frozen(draft, event.link, app.app_id)
        return
    tree.links.attach(event.link, app.app_id)
    draft.send(event.link, Attached(app_id=app.app_id))
    if app.status is Status.SCHEDULED:
        app = draft.move(
            app,
            Status.CONNECTED,
            Reason.ATTACHED,
            AGENT_ACTOR,
            epoch=app.epoch + 1,
            seq=0,
            agent_seq=0,
            agent=event.process,
            connected_at=draft.now,
        )
    elif app.pub_key is None:
        app = _bring_back(draft, app)
    deliver_signal(draft, app)


def _attach_to_cancelled(draft: Draft, link: int, app: App) -> None:
    """Let an agent that was not there during a cancel end the process, and tell when it has ended.

    It was away, or had started the process and not said so yet. The phases of the cancel are over:
    how much time the process has left is the agent's to say.
    """
    draft.tree.links.attach(link, app.app_id)
    draft.send(link, Attached(app_id=app.app_id))
    message = "this app was cancelled before its agent was there"
    draft.refuse_frame(link, app.app_id, FrameError.ANCESTOR_CANCELLED, message)


def _welcome(
    draft: Draft,
    link: int,
    app: App,
    capabilities: frozenset[str],
    *,
    is_recovered: bool = False,
) -> None:
    """Let an app speak on a socket, in place of one before, and send what waits for it."""
    tree = draft.tree
    before = tree.links.bind(link, app.app_id, capabilities)
    if before is not None:
        message = "a newer connection speaks for this app"
        draft.turn_away(before, app.app_id, FrameError.SUPERSEDED, message)
    draft.send(
        link,
        Registered(
            app_id=app.app_id,
            server_pub_key=tree.options.server_pub_key,
            epoch=app.epoch,
            session=str(link),
            durable_seq=app.seq,
            credit=tree.options.credit,
            recovered=is_recovered,
        ),
    )
    deliver(draft, app)


def _is_same(draft: Draft, app: App, pub_key: str, *, is_proved: bool) -> bool:
    """Whether somebody is who registered: in the tier open an equal key is the proof."""
    # As bytes: whatever else than ASCII somebody sends as a key is no reason to fail.
    if app.pub_key is None or not compare_digest(app.pub_key.encode(), pub_key.encode()):
        return False
    return is_proved or stricter(app.tier, draft.tree.options.tier) is Tier.OPEN


def _is_barred(tree: Tree, app: App) -> bool:
    """Whether an app may not come, or come back, because what is above it is being cancelled.

    Those that are detached are no part of that; had the cancel reached them, they had ended.
    """
    parent = tree.forest.find(app.parent_id) if app.parent_id is not None else None
    return parent is not None and not app.orphans.detached and is_frozen(tree, parent)


def _is_token(app: App, token: str | None) -> bool:
    if token is None or app.token_hash is None:
        return False
    return compare_digest(app.token_hash, hash_token(token))


def _turn_away_unproved(
    draft: Draft, event: Register | Resume | Attach, app: App, action: str
) -> None:
    caller = Caller(CallerKind.APP, app.app_id, origin=event.origin)
    draft.audit(caller, action, app, "the proof is missing or wrong", is_allowed=False)
    message = "the join token, the key or its proof is missing or wrong"
    draft.turn_away(event.link, app.app_id, FrameError.UNAUTHORISED, message)


def _turn_away_frozen(draft: Draft, link: int, app_id: str) -> None:
    message = "an ancestor of this app was cancelled, or is being"
    draft.turn_away(link, app_id, FrameError.ANCESTOR_CANCELLED, message)


def _turn_away_ended(
    draft: Draft,
    link: int,
    app: App,
    capabilities: frozenset[str],
    pub_key: str,
    is_proved: bool,
) -> None:
    """Tell an app that it has ended; one that was cancelled out of reach gets its cancel first."""
    is_unaware = not app.confirmed and app.cancel_id is not None
    if is_unaware and _is_same(draft, app, pub_key, is_proved=is_proved):
        _welcome(draft, link, app, capabilities)
        return
    _turn_away_terminal(draft, link, app)


def _turn_away_terminal(draft: Draft, link: int, app: App) -> None:
    """Tell an app that it has ended; `seq` is the highest number that was kept of it."""
    if app.status is Status.CANCELLED and _is_barred(draft.tree, app):
        _turn_away_frozen(draft, link, app.app_id)
        return
    message = f"this app has ended: {app.held or app.status} ({app.reason})"
    draft.turn_away(link, app.app_id, FrameError.TERMINAL, message, seq=app.seq)
