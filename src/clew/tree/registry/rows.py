"""An app as a row, and back."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, overload

import msgspec

from clew.tree.machine.app import App, Orphans, Status, Tier

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from clew.store.database.contract import Value

PATH_SEPARATOR: Final = "/"

COLUMNS: Final = (
    "app_id",
    "parent_id",
    "app_name",
    "path",
    "status",
    "version",
    "epoch",
    "seq",
    "agent_seq",
    "tier",
    "pub_key",
    "token_hash",
    "token_expires_at",
    "reason",
    "actor",
    "status_before",
    "status_held",
    "adopted_from",
    "cancel_id",
    "deadline",
    "confirmed",
    "start_deadline",
    "resume_window_ms",
    "orphans_json",
    "role_refs_json",
    "originator_json",
    "originator_sub",
    "metadata_json",
    "process_json",
    "namespace",
    "pod_name",
    "node_name",
    "pid",
    "executable",
    "agent_json",
    "exit_code",
    "snapshot_seq",
    "created_at",
    "connected_at",
    "start_time",
    "disconnected_at",
    "ended_at",
)
"""Every column of `apps`, in the order of the table."""

_PLAIN: Final = (
    "app_id",
    "parent_id",
    "app_name",
    "version",
    "epoch",
    "seq",
    "agent_seq",
    "pub_key",
    "token_hash",
    "token_expires_at",
    "reason",
    "actor",
    "adopted_from",
    "cancel_id",
    "deadline",
    "resume_window_ms",
    "exit_code",
    "snapshot_seq",
    "connected_at",
    "disconnected_at",
    "ended_at",
)
"""Columns that hold the field of their own name as it is."""

_CHOSEN: Final = ("app_name", "pub_key", "actor", "cancel_id")
"""Those of them whose text somebody else chose."""

_PATHS_CACHED: Final = 4096
"""Paths that are remembered as text, some 200 bytes each: of the apps that speak at a time."""

_INT64_MAX: Final = (1 << 63) - 1
_encode = msgspec.json.Encoder().encode


def join_path(ids: Iterable[str]) -> str:
    """Return ids from the root down as they stand in the column: ``/a/b/``."""
    return _join(ids if type(ids) is tuple else tuple(ids))


@lru_cache(_PATHS_CACHED)
def _join(ids: tuple[str, ...]) -> str:
    return PATH_SEPARATOR + "".join(f"{each}{PATH_SEPARATOR}" for each in ids)


def split_path(path: str) -> tuple[str, ...]:
    """Return the ids of a path of `join_path`."""
    return tuple(path.strip(PATH_SEPARATOR).split(PATH_SEPARATOR))


@overload
def clean(text: str) -> str: ...
@overload
def clean(text: None) -> None: ...
@overload
def clean(text: str | None) -> str | None: ...
def clean(text: str | None) -> str | None:
    """Return a text as both databases keep it: PostgreSQL knows no NUL.

    Apps name themselves, and a name that one database refuses would undo a whole batch.
    """
    return text.replace("\0", "\ufffd") if text is not None and "\0" in text else text


def encode_app(app: App) -> dict[str, Value]:
    """Return an app as the parameters of its row, by the names of the columns."""
    process = _table(app.process)
    originator = _table(app.originator)
    row: dict[str, Value] = {name: getattr(app, name) for name in _PLAIN}
    for name in _CHOSEN:
        row[name] = clean(getattr(app, name))
    row |= {
        "path": join_path(app.path),
        "status": app.status.value,
        "tier": app.tier.value,
        "status_before": _status_word(app.before),
        "status_held": _status_word(app.held),
        "confirmed": int(app.confirmed),
        "start_deadline": app.start_deadline_s,
        "orphans_json": _text(app.orphans),
        "role_refs_json": _text(app.role_refs),
        "originator_json": _text_or_none(app.originator),
        "originator_sub": _word(originator.get("sub")),
        "metadata_json": _text_or_none(app.tags),
        "process_json": _text_or_none(app.process),
        "namespace": _word(process.get("namespace")),
        "pod_name": _word(process.get("hostname")),
        "node_name": _word(process.get("node_name")),
        "pid": _number(process.get("pid")),
        "executable": _word(process.get("executable")),
        "agent_json": _text_or_none(app.agent),
        "created_at": app.scheduled_at,
        "start_time": app.started_at,
    }
    return row


def decode_app(row: Mapping[str, Any]) -> App:
    """Return the app that a row of all columns tells of."""
    return App(
        **{name: row[name] for name in _PLAIN},
        path=split_path(row["path"]),
        status=Status(row["status"]),
        tier=Tier(row["tier"]),
        before=_status(row["status_before"]),
        held=_status(row["status_held"]),
        confirmed=bool(row["confirmed"]),
        start_deadline_s=row["start_deadline"],
        orphans=msgspec.json.decode(row["orphans_json"], type=Orphans),
        role_refs=msgspec.json.decode(row["role_refs_json"], type=tuple[str, ...]),
        originator=_value(row["originator_json"]),
        tags=_value(row["metadata_json"]),
        process=_value(row["process_json"]),
        agent=_value(row["agent_json"]),
        scheduled_at=row["created_at"],
        started_at=row["start_time"],
    )


def _status_word(status: Status | None) -> str | None:
    return None if status is None else status.value


def _status(word: str | None) -> Status | None:
    return None if word is None else Status(word)


def _text(value: object) -> str:
    return _encode(value).decode()


def _text_or_none(value: object) -> str | None:
    return None if value is None else _text(value)


def _value(text: str | None) -> Any:
    return None if text is None else msgspec.json.decode(text)


def _table(value: object) -> Mapping[str, object]:
    """Return what an app said of itself as a table, an empty one where it is none."""
    plain = msgspec.to_builtins(value) if isinstance(value, msgspec.Struct) else value
    return plain if isinstance(plain, dict) else {}


def _word(value: object) -> str | None:
    return clean(value) if isinstance(value, str) else None


def _number(value: object) -> int | None:
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > _INT64_MAX:
        return None
    return value
