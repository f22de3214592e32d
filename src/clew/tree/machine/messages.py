"""Messages of apps and their agents: kept once, acknowledged each time.

Theory of operation. Messages of one app come in the order of their numbers, from which some may be
missing. So the highest number tells of nearly every message whether it was kept; numbers that were
skipped are remembered, should one of them come late. What is lost with a restart of the server is
which ones these were: up to the number that was found then, a message is handed to the registry
once more, which keeps it or knows it already.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from clew.tree.frames.codes import FrameError
from clew.tree.frames.fields import MessageKind, Source
from clew.tree.frames.outbound import Ack
from clew.tree.machine import changes
from clew.tree.machine.app import Status
from clew.tree.machine.ends import finish, refuse_stranger
from clew.tree.machine.happenings import MessageDocument, message_payload, tell
from clew.tree.machine.lifecycle import Reason
from clew.tree.machine.options import MS
from clew.tree.machine.state import AGENT_ACTOR

if TYPE_CHECKING:
    from clew.tree.machine.app import App
    from clew.tree.machine.events import Received
    from clew.tree.machine.state import Draft, Tree

# Clients skip numbers where their queue ran over; so many places of that in one epoch are
# remembered; whether an older one is kept, the registry is asked.
GAPS_MAX: Final = 64

_KINDS: Final = frozenset(MessageKind)

# Plain texts, which are encoded and compared for less.
_STATUS: Final = MessageKind.STATUS.value
_RESULT: Final = MessageKind.RESULT.value
_ERROR: Final = MessageKind.ERROR.value
_APP: Final = Source.APP.value
_AGENT: Final = Source.AGENT.value


def receive(draft: Draft, event: Received) -> None:
    """Keep a message, let it change the app, and acknowledge it."""
    links = draft.tree.links
    bound = links.of_agent(event.app_id) if event.is_agent else links.of_app(event.app_id)
    app = draft.tree.forest.find(event.app_id)
    if bound != event.link or app is None:
        refuse_stranger(draft, event.link, event.app_id, event.seq)
        return
    if event.msg_type not in _KINDS:
        draft.refuse_frame(
            event.link,
            event.app_id,
            FrameError.MESSAGE_ERROR,
            f"an app does not send {event.msg_type}",
            seq=event.seq,
        )
        return
    is_new = _is_new(draft.tree, app, event)
    if is_new is not False:
        _keep(draft, app, event, is_doubtful=is_new is None)
    ack = Ack(seq=event.seq, app_id=event.app_id)
    if event.is_agent:
        ack = Ack(seq=event.seq, app_id=event.app_id, source=Source.AGENT)
    draft.send(event.link, ack)


def _keep(draft: Draft, app: App, event: Received, *, is_doubtful: bool) -> None:
    is_late = app.is_over
    draft.keep(
        changes.MessageAdded(
            app_id=app.app_id,
            epoch=app.epoch,
            is_agent=event.is_agent,
            seq=event.seq,
            msg_type=event.msg_type,
            payload=event.payload,
            at=draft.now,
            sent_at=event.sent_at,
            correlation_id=event.correlation_id,
            is_late=is_late,
        )
    )
    document = MessageDocument(
        app_name=app.app_name,
        msg_type=event.msg_type,
        seq=event.seq,
        epoch=app.epoch,
        source=_AGENT if event.is_agent else _APP,
        payload_bytes=len(event.payload),
        payload=message_payload(event.payload),
        correlation_id=event.correlation_id,
        is_late=is_late,
    )
    happened = tell(app, draft.now, "message", document)
    if is_doubtful:
        key = (app.epoch, event.is_agent, event.seq)
        happened = msgspec.structs.replace(happened, message=key)
    draft.keep(happened)
    if draft.has_listener(app):
        draft.notice(
            app,
            "message",
            at=draft.now // MS,
            msg_type=event.msg_type,
            seq=event.seq,
            payload=msgspec.Raw(event.payload),
        )
    fields: dict[str, int]
    if event.is_agent:
        fields = {"agent_seq": max(event.seq, app.agent_seq)}
    else:
        fields = {"seq": max(event.seq, app.seq)}
    if event.msg_type == _STATUS and not is_late:
        fields["snapshot_seq"] = max(event.seq, app.snapshot_seq or 0)
    actor = AGENT_ACTOR if event.is_agent else app.app_id
    if is_late:
        draft.change(app, **fields)
    elif event.msg_type == _RESULT:
        finish(draft, app, Status.DONE, Reason.RESULT, actor, **fields)
    elif event.msg_type == _ERROR:
        finish(draft, app, Status.ERROR, Reason.ERROR, actor, **fields)
    elif app.status is Status.CONNECTED:
        started = {"started_at": draft.now if app.started_at is None else app.started_at}
        draft.move(app, Status.RUNNING, Reason.STATUS, actor, **fields, **started)
    else:
        draft.change(app, **fields)


def _is_new(tree: Tree, app: App, event: Received) -> bool | None:
    """Whether a message is not kept yet, None where the registry alone knows.

    Take note of the numbers that it leaves out.
    """
    highest = app.agent_seq if event.is_agent else app.seq
    key = (app.app_id, event.is_agent)
    if event.seq > highest:
        if event.seq > highest + 1:
            gaps = tree.gaps.setdefault(key, [])
            gaps.append((highest + 1, event.seq - 1))
            _bound(tree, key, gaps)
        return True
    gaps = tree.gaps.get(key, [])
    for index, (first, last) in enumerate(gaps):
        if first <= event.seq <= last:
            rest = [(first, event.seq - 1), (event.seq + 1, last)]
            gaps[index : index + 1] = [each for each in rest if each[0] <= each[1]]
            _bound(tree, key, gaps)
            return True
    # Numbers count from 1; of a client that begins with 0 nothing tells whether it was kept.
    return None if event.seq <= tree.floors.get(key, 0) else False


def _bound(tree: Tree, key: tuple[str, bool], gaps: list[tuple[int, int]]) -> None:
    """Remember no more than fits. What is acknowledged is kept all the same: see `Tree.floors`."""
    while len(gaps) > GAPS_MAX:
        tree.floors[key] = max(gaps.pop(0)[1], tree.floors.get(key, 0))
