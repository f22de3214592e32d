"""Keeping what the machine decided: all changes of a batch, or none of them.

Theory of operation. A batch holds the changes of many events, in the order in which the machine
made them. Rows of one kind are written together, which costs a third of writing them one by one;
an app that changed several times is written once, over the version that the first of its changes
was made from. Where that version is no longer the kept one, somebody else wrote the app in
between: nothing of the batch may stand then, because every decision after it was made from a
record that was not true. `StaleError` undoes the transaction, and whoever decided reads anew.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Final

from clew.access.audit import Entry, write_entries
from clew.access.caller import CallerKind
from clew.base.errors import ClewError, ErrorCode
from clew.tree.machine import changes as made
from clew.tree.registry.bulk import change_rows, insert_rows
from clew.tree.registry.retention import remove_apps
from clew.tree.registry.rows import COLUMNS, clean, encode_app, join_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from clew.store.database.contract import Transaction, Value
    from clew.tree.machine.app import App

    Row = Mapping[str, Value]

_CHANGED_COLUMNS: Final = tuple(name for name in COLUMNS if name != "app_id")

COUNTED: Final = frozenset({"seq", "agent_seq", "snapshot_seq"})
"""What a message changes of its app: no index knows of it, and it needs no whole record."""

_COUNTED_COLUMNS: Final = ("version", "seq", "agent_seq", "snapshot_seq")
_MESSAGE_COLUMNS: Final = (
    "id",
    "app_id",
    "epoch",
    "source",
    "seq",
    "msg_type",
    "correlation_id",
    "payload_json",
    "is_late",
    "sent_at",
    "created_at",
)
_OUTBOX_COLUMNS: Final = ("id", "at", "app_id", "path", "kind", "document")

_ADD_CRASH: Final = (
    "INSERT INTO crashes (id, app_id, epoch, detected_at, crash_type, gap_ms, metadata_json)"
    " VALUES (:id, :app_id, :epoch, :detected_at, :crash_type, :gap_ms, :metadata_json)"
)
_RECOVER_CRASH: Final = (
    "UPDATE crashes SET recovered_at = :at WHERE recovered_at IS NULL AND id ="
    " (SELECT max(id) FROM crashes WHERE app_id = :app_id AND epoch = :epoch)"
)
_COMMAND_COLUMNS: Final = (
    "correlation_id",
    "app_id",
    "id",
    "root_id",
    "kind",
    "action",
    "payload_json",
    "requested_by",
    "auth_domain",
    "status",
    "phase",
    "confirmed",
    "is_cascade",
    "is_late",
    "grace_ms",
    "created_at",
    "expires_at",
    "sent_at",
    "updated_at",
)
# A field that a change does not speak of stays as it was.
_CHANGE_COMMAND: Final = (
    "UPDATE control_queue SET status = :status, updated_at = :at,"
    " phase = COALESCE(CAST(:phase AS TEXT), phase),"
    " confirmed = COALESCE(CAST(:confirmed AS BIGINT), confirmed),"
    " sent_at = COALESCE(sent_at, CAST(:sent_at AS BIGINT)),"
    " acked_at = COALESCE(acked_at, CAST(:acked_at AS BIGINT)),"
    " ack_result_json = COALESCE(CAST(:result AS TEXT), ack_result_json),"
    " ack_error = COALESCE(CAST(:error AS TEXT), ack_error)"
    " WHERE correlation_id = :correlation_id AND app_id = :app_id"
)
# Asked at once: a server that is elsewhere is asked once.
_NEWEST_IDS: Final = (
    "SELECT (SELECT max(id) FROM messages) AS messages, (SELECT max(id) FROM crashes) AS crashes,"
    " (SELECT max(id) FROM control_queue) AS control_queue, (SELECT max(id) FROM outbox) AS outbox"
)

_ADDED_MESSAGES: Final = "SELECT app_id, epoch, source, seq FROM messages WHERE id >= :first"

_ANSWERED: Final = frozenset({"done", "failed"})
"""Statuses of a command that an app's own answer brings."""


class StaleError(ClewError):
    """What was decided came from a record that is no longer the kept one; nothing was kept."""

    def __init__(self, what: str) -> None:
        super().__init__(ErrorCode.CONFLICT, f"{what} was changed by somebody else")


@dataclass(frozen=True, slots=True)
class Kept:
    """What a batch came to. `happened` are its entries of the outbox, with their ids, in order."""

    happened: tuple[tuple[int, made.Happened], ...] = ()


@dataclass(slots=True)
class _Batch:
    """Changes by kind, each kind in the order in which it was made."""

    added: dict[str, made.AppAdded] = field(default_factory=dict)
    changed: dict[str, made.AppChanged] = field(default_factory=dict)
    removed: list[tuple[str, int]] = field(default_factory=list)
    messages: list[made.MessageAdded] = field(default_factory=list)
    crashes: list[made.CrashAdded | made.CrashRecovered] = field(default_factory=list)
    commands: list[made.CommandAdded] = field(default_factory=list)
    answers: list[made.CommandChanged] = field(default_factory=list)
    audits: list[made.AuditAdded] = field(default_factory=list)
    happened: list[made.Happened] = field(default_factory=list)

    def put(self, change: made.Change) -> None:
        match change:
            case made.AppAdded():
                self.added[change.app.app_id] = change
            case made.AppChanged():
                self._put_changed(change)
            case made.AppRemoved():
                self.removed.append((change.app_id, change.over))
            case made.MessageAdded():
                self.messages.append(change)
            case made.CrashAdded() | made.CrashRecovered():
                self.crashes.append(change)
            case made.CommandAdded():
                self.commands.append(change)
            case made.CommandChanged():
                self.answers.append(change)
            case made.AuditAdded():
                self.audits.append(change)
            case made.Happened():
                self.happened.append(change)
            case _:
                raise AssertionError(f"nobody keeps {type(change).__name__}")

    def _put_changed(self, change: made.AppChanged) -> None:
        app_id = change.app.app_id
        if app_id in self.added:
            self.added[app_id] = made.AppAdded(app=change.app)
            return
        first = self.changed.get(app_id)
        if first is None:
            self.changed[app_id] = change
            return
        is_told = first.fields and change.fields
        fields = (*first.fields, *change.fields) if is_told else ()
        self.changed[app_id] = made.AppChanged(over=first.over, app=change.app, fields=fields)


def keep(
    transaction: Transaction,
    changes: Iterable[made.Change],
) -> Kept:
    """Keep a batch within a transaction.

    Denials are not written here: nothing hangs on them, and how fast they are written has a bound
    of its own (`clew.access.audit`).

    Raises:
        StaleError: an app is there already, or its kept version is not the one that was changed;
            a command is there already, or is not there. The transaction must be undone.
    """
    batch = _Batch()
    for change in changes:
        # Most are of these two kinds, and to match asks for every kind before them.
        if type(change) is made.MessageAdded:
            batch.messages.append(change)
        elif type(change) is made.Happened:
            batch.happened.append(change)
        else:
            batch.put(change)
    next_ids = _next_ids(transaction)
    _keep_apps(transaction, batch)
    first = next_ids["messages"]
    if _keep_messages(transaction, batch.messages, first) != len(batch.messages):
        _leave_out_told(transaction, batch, first)
    _keep_crashes(transaction, batch.crashes, next_ids["crashes"])
    _keep_commands(transaction, batch, next_ids["control_queue"])
    write_entries(transaction, [audit_entry(each) for each in batch.audits if each.is_allowed])
    if batch.removed and remove_apps(transaction, batch.removed) != len(batch.removed):
        raise StaleError("an app that was to be removed")
    return Kept(_keep_happened(transaction, batch.happened, next_ids["outbox"]))


def audit_entry(change: made.AuditAdded) -> Entry:
    """Return what the audit log says of something that was asked."""
    return Entry(
        at=change.at,
        action=change.action,
        caller_kind=CallerKind(change.caller_kind),
        caller=change.caller,
        is_allowed=change.is_allowed,
        detail=change.detail,
        app_id=change.app_id,
        is_cascade=change.cascade,
        correlation_id=change.correlation_id,
        source_ip=change.source_ip,
        user_agent=change.user_agent,
    )


def _keep_apps(transaction: Transaction, batch: _Batch) -> None:
    added = [_values_of(change.app, COLUMNS) for change in batch.added.values()]
    if insert_rows(transaction, "apps", COLUMNS, added) != len(added):
        raise StaleError("an app that was to be added")
    counted: list[tuple[Value, ...]] = []
    changed: list[tuple[Value, ...]] = []
    for change in batch.changed.values():
        app, over = change.app, change.over
        if change.fields and COUNTED.issuperset(change.fields):
            counts = (app.seq, app.agent_seq, app.snapshot_seq)
            counted.append((app.app_id, over, app.version, *counts))
        else:
            changed.append((app.app_id, over, *_values_of(app, _CHANGED_COLUMNS)))
    kept = change_rows(transaction, "apps", "app_id", _CHANGED_COLUMNS, changed)
    kept += change_rows(transaction, "apps", "app_id", _COUNTED_COLUMNS, counted)
    if kept != len(batch.changed):
        raise StaleError("an app")


def _values_of(app: App, columns: tuple[str, ...]) -> tuple[Value, ...]:
    row = encode_app(app)
    return tuple(row[name] for name in columns)


def _keep_messages(
    transaction: Transaction, messages: Sequence[made.MessageAdded], first: int
) -> int:
    """Keep messages that are not kept yet; return how many these were."""
    rows = [
        (
            number,
            each.app_id,
            each.epoch,
            "agent" if each.is_agent else "app",
            each.seq,
            each.msg_type,
            clean(each.correlation_id),
            each.payload.decode(),
            int(each.is_late),
            each.sent_at,
            each.at,
        )
        for number, each in enumerate(messages, first)
    ]
    return insert_rows(transaction, "messages", _MESSAGE_COLUMNS, rows)


def _leave_out_told(transaction: Transaction, batch: _Batch, first: int) -> None:
    """Tell nobody of messages that were kept before this batch, as far as that was in doubt."""
    added = {
        (row["app_id"], row["epoch"], row["source"] == "agent", row["seq"])
        for row in transaction.rows(_ADDED_MESSAGES, {"first": first})
    }
    happened = []
    for each in batch.happened:
        if each.message is not None:
            key = (each.app_id, *each.message)
            if key not in added:
                continue
            # It may have come twice in this batch as well.
            added.remove(key)
        happened.append(each)
    batch.happened = happened


def _keep_crashes(
    transaction: Transaction,
    crashes: Sequence[made.CrashAdded | made.CrashRecovered],
    next_id: int,
) -> None:
    # An app may crash, return and crash again within a batch, so their order matters.
    for kind, group in groupby(crashes, key=type):
        if kind is made.CrashRecovered:
            transaction.run_many(
                _RECOVER_CRASH,
                [{"at": each.at, "app_id": each.app_id, "epoch": each.epoch} for each in group],
            )
            continue
        rows: list[Row] = []
        for each in group:
            assert isinstance(each, made.CrashAdded)
            rows.append(
                {
                    "id": next_id,
                    "app_id": each.app_id,
                    "epoch": each.epoch,
                    "detected_at": each.at,
                    "crash_type": each.crash_type,
                    "gap_ms": each.gap_ms,
                    "metadata_json": each.details.decode(),
                }
            )
            next_id += 1
        transaction.run_many(_ADD_CRASH, rows)


def _keep_commands(transaction: Transaction, batch: _Batch, first: int) -> None:
    added = [
        (
            clean(each.correlation_id),
            each.app_id,
            number,
            each.root_id,
            each.kind,
            clean(each.action),
            each.payload.decode(),
            clean(each.requested_by),
            each.auth_domain,
            each.status,
            each.phase,
            int(each.confirmed),
            int(each.cascade),
            int(each.is_late),
            each.grace_ms,
            each.at,
            each.expires_at,
            each.at if each.status == "sent" else None,
            each.at,
        )
        for number, each in enumerate(batch.commands, first)
    ]
    if insert_rows(transaction, "control_queue", _COMMAND_COLUMNS, added) != len(added):
        raise StaleError("a command that was to be added")
    changed: list[Row] = [
        {
            "correlation_id": clean(each.correlation_id),
            "app_id": each.app_id,
            "status": each.status,
            "at": each.at,
            "phase": each.phase,
            "confirmed": None if each.confirmed is None else int(each.confirmed),
            "sent_at": each.at if each.status == "sent" else None,
            "acked_at": each.at if each.status in _ANSWERED else None,
            "result": None if each.result is None else each.result.decode(),
            "error": clean(each.error),
        }
        for each in batch.answers
    ]
    if transaction.run_many(_CHANGE_COMMAND, changed) != len(changed):
        raise StaleError("a command")


def _keep_happened(
    transaction: Transaction, happened: Sequence[made.Happened], first: int
) -> tuple[tuple[int, made.Happened], ...]:
    numbered = tuple(enumerate(happened, first))
    rows = [
        (number, each.at, each.app_id, join_path(each.path), each.kind, each.document.decode())
        for number, each in numbered
    ]
    insert_rows(transaction, "outbox", _OUTBOX_COLUMNS, rows)
    return numbered


def _next_ids(transaction: Transaction) -> dict[str, int]:
    """Return the number of the next row of each table; nobody else writes while a batch is kept."""
    (newest,) = transaction.rows(_NEWEST_IDS)
    return {table: int(number or 0) + 1 for table, number in newest.items()}
