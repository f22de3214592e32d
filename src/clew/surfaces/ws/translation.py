"""Frames as events of the tree, and its answers as frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from clew.access.caller import Caller, CallerKind
from clew.tree.frames import inbound, outbound
from clew.tree.frames.fields import CANCEL_ACTION, MessageKind, Source
from clew.tree.frames.info import new_join_token
from clew.tree.frames.outbound import ISSUED_TARGETS_MAX
from clew.tree.machine import events
from clew.tree.machine.options import GRACE_MS, KILL_AFTER_MS, MS
from clew.tree.parameters import (
    ANNOTATION_BYTES_MAX,
    GRACE_MS_MAX,
    RESUME_WINDOW_MS_MAX,
    START_DEADLINE_S_MAX,
    TTL_MS_DEFAULT,
    TTL_MS_MAX,
)

if TYPE_CHECKING:
    from clew.access.caller import Origin
    from clew.tree.frames.inbound import AnyInbound
    from clew.tree.machine import outcomes
    from clew.tree.machine.app import Tier

EXIT_CODE_MAX: Final = (1 << 31) - 1
"""What a process can end with on any system."""

TIMESTAMP_MS_MAX: Final = (1 << 63) // MS - 1
"""The last moment that Unix nanoseconds can tell, in the year 2262."""

_NULL: Final = b"null"
_STATUS: Final = MessageKind.STATUS.value


def find_wrong(frame: AnyInbound) -> str | None:
    """Return what is wrong with a frame that its form alone does not say, None for nothing.

    What is kept must fit the columns of both databases, and nothing waits for ever.
    """
    for name in frame.__struct_fields__:
        value = getattr(frame, name)
        if isinstance(value, str) and "\0" in value:
            return f"{name} has a NUL character"
    match frame:
        case inbound.Issue(ttl_ms=int(ttl_ms)) if ttl_ms > TTL_MS_MAX:
            return f"ttl_ms is {TTL_MS_MAX} at the most"
        case inbound.Issue(grace_ms=int(grace_ms)) if grace_ms > GRACE_MS_MAX:
            return f"grace_ms is {GRACE_MS_MAX} at the most"
        case inbound.Issue(kill_after_ms=int(after_ms)) if after_ms > GRACE_MS_MAX:
            return f"kill_after_ms is {GRACE_MS_MAX} at the most"
        case inbound.Spawn(start_deadline_s=int(seconds)) if seconds > START_DEADLINE_S_MAX:
            return f"start_deadline_s is {START_DEADLINE_S_MAX} at the most"
        case inbound.Spawn(resume_window_ms=int(window)) if window > RESUME_WINDOW_MS_MAX:
            return f"resume_window_ms is {RESUME_WINDOW_MS_MAX} at the most"
        case inbound.Spawn():
            for name in ("tags", "originator"):
                if len(msgspec.json.encode(getattr(frame, name))) > ANNOTATION_BYTES_MAX:
                    return f"{name} have {ANNOTATION_BYTES_MAX} bytes at the most"
        case inbound.Exited(exit_code=int(code)) if abs(code) > EXIT_CODE_MAX:
            return "no process ends with such an exit_code"
    return None


def correlation_of(frame: AnyInbound) -> str | None:
    """Return what a refusal of the frame refers to."""
    match frame:
        case inbound.Issue() | inbound.ControlAck():
            return frame.correlation_id
        case inbound.Spawn():
            return frame.child_id
        case inbound.Message():
            return frame.header.correlation_id
    return None


def process_of(process: inbound.ProcessInfo | None) -> object:
    """Return what a process says of itself as a plain table."""
    return None if process is None else msgspec.to_builtins(process)


def received(link: int, frame: inbound.Message) -> events.Received:
    """Return the event of a `message`."""
    header = frame.header
    kind, sent_at = header.msg_type, header.timestamp
    return events.Received(
        link=link,
        app_id=frame.app_id,
        # Nearly all are statuses, and to ask an enumeration costs as much as all else here.
        msg_type=_STATUS if kind is MessageKind.STATUS else kind.value,
        seq=header.seq,
        payload=bytes(frame.payload),
        sent_at=min(sent_at, TIMESTAMP_MS_MAX) * MS,
        correlation_id=header.correlation_id,
        is_agent=frame.source is Source.AGENT,
    )


def acked(link: int, frame: inbound.ControlAck) -> events.Acked:
    """Return the event of a `control_ack`."""
    result = bytes(frame.result)
    return events.Acked(
        link=link,
        app_id=frame.app_id,
        correlation_id=frame.correlation_id,
        action=frame.action,
        ack=frame.ack,
        result=None if result == _NULL else result,
        error=frame.error,
    )


def register(
    link: int, frame: inbound.Register, *, is_proved: bool, origin: Origin
) -> events.Register:
    """Return the event of a `register`."""
    return events.Register(
        link=link,
        app_id=frame.app_id,
        parent_id=frame.parent_id,
        app_name=frame.app_name,
        pub_key=frame.child_pub_key,
        is_proved=is_proved,
        token=frame.join_token,
        process=process_of(frame.process_info),
        role_refs=frame.role_refs,
        capabilities=frozenset(frame.capabilities),
        origin=origin,
    )


def resume(
    link: int, frame: inbound.ReRegister, *, is_proved: bool, origin: Origin
) -> events.Resume:
    """Return the event of a `re_register`."""
    return events.Resume(
        link=link,
        app_id=frame.app_id,
        last_seq=frame.last_seq,
        pub_key=frame.pub_key,
        is_proved=is_proved,
        epoch=frame.epoch,
        capabilities=frozenset(frame.capabilities),
        origin=origin,
    )


def issued(app_id: str, outcome: outcomes.Issued) -> outbound.Issued:
    """Return the frame that answers an `issue`; the list of targets has a bound."""
    reports = tuple(
        outbound.TargetReport(
            app_id=target.app_id,
            status=target.status,
            app_status=target.app_status,
            phase=target.phase,
            confirmed=target.confirmed,
            result=msgspec.Raw(target.result or _NULL),
            error=target.error,
        )
        for target in outcome.targets[:ISSUED_TARGETS_MAX]
    )
    return outbound.Issued(
        app_id=app_id,
        correlation_id=outcome.correlation_id,
        kind=outcome.kind,
        action=outcome.action,
        is_over=outcome.is_over,
        targets=reports,
        targets_total=len(outcome.targets),
    )


def caller_of(frame: AnyInbound, origin: Origin) -> Caller:
    """Return the app that a frame is from, as one that asks for something."""
    return Caller(CallerKind.APP, frame.app_id, origin=origin)


def command_of(frame: inbound.Issue, caller: Caller) -> events.Command | events.Cancel:
    """Return the event of an `issue`, with no ticket yet."""
    if frame.action == CANCEL_ACTION:
        return events.Cancel(
            ticket=0,
            caller=caller,
            correlation_id=frame.correlation_id,
            app_id=frame.target_id,
            reason=frame.reason,
            cascade=frame.cascade,
            grace_ms=GRACE_MS if frame.grace_ms is None else frame.grace_ms,
            kill_after_ms=KILL_AFTER_MS if frame.kill_after_ms is None else frame.kill_after_ms,
            include_detached=frame.include_detached,
        )
    return events.Command(
        ticket=0,
        caller=caller,
        correlation_id=frame.correlation_id,
        app_id=frame.target_id,
        action=frame.action,
        payload=bytes(frame.payload),
        ttl_ms=TTL_MS_DEFAULT if frame.ttl_ms is None else frame.ttl_ms,
        cascade=frame.cascade,
        name_filter=frame.name_filter,
        status_filter=frame.status_filter,
    )


def schedule_of(frame: inbound.Spawn, caller: Caller, tier: Tier) -> events.Schedule:
    """Return the event of a `spawn`, with no ticket yet and a fresh token; `tier` is the door's."""
    return events.Schedule(
        ticket=0,
        caller=caller,
        app_id=frame.child_id,
        parent_id=frame.app_id,
        app_name=frame.app_name,
        tier=tier if frame.tier is None else frame.tier,
        token=new_join_token(),
        start_deadline_s=frame.start_deadline_s,
        resume_window_ms=frame.resume_window_ms,
        orphans=frame.orphans,
        role_refs=frame.role_refs,
        originator=frame.originator,
        tags=frame.tags,
    )
