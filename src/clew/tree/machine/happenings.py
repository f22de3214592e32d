"""What watchers and the journal read of each happening: the documents of `changes.Happened`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from clew.tree.machine.changes import Happened

if TYPE_CHECKING:
    from clew.tree.machine.app import App

# A payload up to this many bytes travels with the happening, so that progress can be shown without
# another question; a longer one is read from the app's messages.
PAYLOAD_BYTES_MAX: Final = 4_096


class _Document(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    pass


class TransitionDocument(_Document, frozen=True, kw_only=True):
    """An app went from one status to another; `from` is None for one that is new."""

    app_name: str
    parent_id: str | None
    from_: str | None = msgspec.field(name="from")
    to: str
    reason: str
    actor: str
    epoch: int
    version: int
    confirmed: bool = False
    exit_code: int | None = None


class MessageDocument(_Document, frozen=True, kw_only=True):
    """A message was kept. `payload` is left out where it is longer than `PAYLOAD_BYTES_MAX`."""

    app_name: str
    msg_type: str
    seq: int
    epoch: int
    source: str
    payload_bytes: int
    payload: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    correlation_id: str | None = None
    is_late: bool = False


class CommandDocument(_Document, frozen=True, kw_only=True):
    """A command or a cancel went on for one app."""

    correlation_id: str
    root_id: str
    kind: str
    action: str
    status: str
    requested_by: str
    phase: str | None = None
    confirmed: bool = False
    error: str | None = None


class CrashDocument(_Document, frozen=True, kw_only=True):
    """An app crashed, or with `is_recovered` turned out not to have."""

    crash_type: str
    epoch: int
    gap_ms: int = 0
    is_recovered: bool = False


class DeniedDocument(_Document, frozen=True, kw_only=True):
    """Somebody wanted what they may not.

    With a `count` it stands for so many that were not told one by one, and tells of the last.
    """

    action: str
    caller_kind: str
    caller: str
    detail: str
    count: int = 1


_encode = msgspec.json.Encoder().encode


def tell(app: App, at: int, kind: str, document: _Document) -> Happened:
    """Return the entry of the outbox for something that happened to an app."""
    return Happened(at=at, app_id=app.app_id, path=app.path, kind=kind, document=_encode(document))


def message_payload(payload: bytes) -> msgspec.Raw | msgspec.UnsetType:
    """Return the payload as a document shows it."""
    return msgspec.Raw(payload) if len(payload) <= PAYLOAD_BYTES_MAX else msgspec.UNSET
