"""Records of the tree as documents: what is kept, in the words of the answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from clew.base.times import format_time
from clew.tree import documents as doc
from clew.tree.machine.orders import OrderStatus, Phase
from clew.tree.registry import questions

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from clew.store.database.contract import Reading
    from clew.tree.machine.app import App
    from clew.tree.registry.questions import (
        KeptCommand,
        KeptCrash,
        KeptMessage,
        OutboxEntry,
    )

_OPEN: Final = frozenset({OrderStatus.ACCEPTED.value, OrderStatus.SENT.value})

_ACKS: Final = {OrderStatus.DONE.value: True, OrderStatus.FAILED.value: False}


def describe_apps(reading: Reading, apps: Sequence[App], *, whole: bool = False) -> list[doc.App]:
    """Return apps with what they said last and how they crashed; with `whole`, large payloads."""
    ids = [app.app_id for app in apps]
    snapshots = questions.get_last_snapshots(reading, ids)
    results = questions.get_last_answers(reading, [app.app_id for app in apps if app.is_over])
    crashes = questions.get_last_crashes(reading, ids)
    return [
        describe_app(
            app,
            _said(snapshots.get(app.app_id), whole=whole),
            _said(results.get(app.app_id), whole=whole),
            crashes.get(app.app_id),
        )
        for app in apps
    ]


def describe_app(
    app: App, snapshot: doc.Said | None, result: doc.Said | None, crash: KeptCrash | None
) -> doc.App:
    """Return one app."""
    # What the process says of itself, else what the agent says that started it.
    agent = _table(app.agent)
    process = _table(app.process) or agent
    if "containment" in agent:
        # Of that the process itself knows nothing.
        process = process | {"containment": agent["containment"]}
    return doc.App(
        app_id=app.app_id,
        parent_id=app.parent_id,
        app_name=app.app_name,
        status=app.status.value,
        epoch=app.epoch,
        path=list(app.path),
        namespace=namespace_of(app),
        reason=app.reason,
        actor=app.actor,
        confirmed=app.confirmed,
        held=None if app.held is None else app.held.value,
        exit_code=app.exit_code,
        sec_level=app.tier.value,
        role_refs=list(app.role_refs),
        detached=app.orphans.detached,
        originator=app.originator,
        tags=app.tags,
        scheduled_at=format_time(app.scheduled_at),
        connected_at=_time(app.connected_at),
        started_at=_time(app.started_at),
        disconnected_at=_time(app.disconnected_at),
        ended_at=_time(app.ended_at),
        deadline=_time(app.deadline),
        last_snapshot=snapshot,
        result=result,
        process=process,
        has_agent=app.agent is not None,
        crash=None if crash is None else _app_crash(crash),
    )


def namespace_of(app: App) -> str | None:
    """Return the namespace that an app's process told of, if it did."""
    namespace = (_table(app.process) or _table(app.agent)).get("namespace")
    return namespace if isinstance(namespace, str) else None


def describe_message(message: KeptMessage) -> doc.Message:
    """Return one message."""
    return doc.Message(
        id=message.id,
        app_id=message.app_id,
        epoch=message.epoch,
        source=message.source,
        seq=message.seq,
        msg_type=message.msg_type,
        correlation_id=message.correlation_id,
        payload=_raw(message.payload),
        late=message.is_late,
        sent_at=_time(message.sent_at),
        received_at=format_time(message.created_at),
    )


def describe_snapshot(message: KeptMessage) -> doc.Snapshot:
    """Return one snapshot."""
    return doc.Snapshot(
        id=message.id,
        app_id=message.app_id,
        epoch=message.epoch,
        seq=message.seq,
        at=format_time(message.created_at),
        payload=_raw(message.payload),
    )


def describe_crash(crash: KeptCrash, app: App) -> doc.Crash:
    """Return one crash of an app."""
    return doc.Crash(
        id=crash.id,
        app_id=crash.app_id,
        app_name=app.app_name,
        path=list(app.path),
        epoch=crash.epoch,
        crash_type=crash.crash_type,
        at=format_time(crash.detected_at),
        gap_ms=crash.gap_ms,
        details=_raw(crash.details),
        recovered_at=_time(crash.recovered_at),
    )


def describe_command(
    root_id: str, targets: Sequence[KeptCommand], apps: Mapping[str, App]
) -> doc.Command:
    """Return a command; there is one target at least."""
    first = targets[0]
    return doc.Command(
        correlation_id=first.correlation_id,
        kind=first.kind,
        action=first.action,
        app_id=root_id,
        over=not any(target.status in _OPEN for target in targets),
        cascade=first.cascade,
        requested_by=first.requested_by,
        payload=_raw(first.payload),
        created_at=format_time(first.created_at),
        expires_at=format_time(max(target.expires_at for target in targets)),
        targets=[_target(target, apps.get(target.app_id)) for target in targets],
    )


def describe_cancel(command: doc.Command, ended: Sequence[App], ended_before: int) -> doc.Cancelled:
    """Return a cancel as its outcomes.

    `ended` are apps below that had ended before it, of `ended_before` in all.
    """
    return doc.Cancelled(
        correlation_id=command.correlation_id,
        over=command.over,
        ended_before=ended_before,
        left_out=ended_before - len(ended),
        outcomes=[
            doc.CancelOutcome(
                app_id=target.app_id,
                app_name=target.app_name,
                status=target.app_status,
                phase=target.phase or "",
                confirmed=bool(target.confirmed),
            )
            for target in command.targets
        ]
        + [
            doc.CancelOutcome(
                app_id=app.app_id,
                app_name=app.app_name,
                status=app.status.value,
                phase=Phase.ALREADY_TERMINAL.value,
                confirmed=app.confirmed,
            )
            for app in ended
        ],
    )


def describe_event(entry: OutboxEntry, path: Collection[str]) -> doc.WatchEvent:
    """Return an entry of the outbox as those who watch hear of it."""
    return doc.WatchEvent(
        id=entry.id,
        at=format_time(entry.at),
        kind=entry.kind,
        app_id=entry.app_id,
        path=list(path),
        document=_raw(entry.document),
    )


def _target(target: KeptCommand, app: App | None) -> doc.CommandTarget:
    is_cancel = target.kind == "cancel"
    return doc.CommandTarget(
        app_id=target.app_id,
        app_name=app.app_name if app is not None else "",
        status=target.status,
        app_status=app.status.value if app is not None else "",
        ack=_ack(target),
        result=_raw(target.result or "null"),
        error=target.error,
        sent_at=_time(target.sent_at),
        acked_at=_time(target.acked_at),
        phase=target.phase,
        confirmed=target.confirmed if is_cancel else None,
    )


def _ack(target: KeptCommand) -> bool | None:
    """Return what the app answered itself; a cancel may be over without that."""
    if target.kind == "cancel":
        return None
    return _ACKS.get(target.status)


def _said(message: KeptMessage | None, *, whole: bool) -> doc.Said | None:
    if message is None:
        return None
    size = len(message.payload.encode())
    is_shown = whole or size <= doc.PAYLOAD_BYTES_MAX
    return doc.Said(
        msg_type=message.msg_type,
        seq=message.seq,
        epoch=message.epoch,
        at=format_time(message.created_at),
        payload_bytes=size,
        payload=_raw(message.payload) if is_shown else msgspec.UNSET,
    )


def _app_crash(crash: KeptCrash) -> doc.AppCrash:
    return doc.AppCrash(
        crash_type=crash.crash_type,
        epoch=crash.epoch,
        at=format_time(crash.detected_at),
        gap_ms=crash.gap_ms,
        recovered_at=_time(crash.recovered_at),
    )


def _table(value: Any) -> dict[str, Any]:
    plain = msgspec.to_builtins(value) if isinstance(value, msgspec.Struct) else value
    return plain if isinstance(plain, dict) else {}


def _raw(text: str) -> msgspec.Raw:
    return msgspec.Raw(text.encode())


def _time(at: int | None) -> str | None:
    return None if at is None else format_time(at)
