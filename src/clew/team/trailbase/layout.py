"""How entities stand in the tables of a TrailBase server that is set up for clew. Light install.

`deploy/trailbase/` makes the tables and ``docs/internals/team.md`` says what may be done to them.
A document is spread over columns; what has none goes into `more`, so that fields of a later version
are kept by an earlier one. Kinds that clew does not know stand in `synced_entities`, whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from clew.base.times import NS_PER_MS
from clew.team.errors import ServerError, SyncError, ValidationError
from clew.team.trailbase.answers import BOOTSTRAP_HINT, decode_json, encode_json
from clew.team.trailbase.contract import Remote
from clew.team.trailbase.packing import pack, unpack
from clew.team.trailbase.tokens import base64_of, uuid_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clew.team.trailbase.contract import Sending


@dataclass(frozen=True, slots=True)
class Table:
    """Where a kind of entity stands.

    `columns` are those of its own; of them `flags` hold 0 and 1, `lists` JSON as text, `ids` a
    user's id. `owned_as` is the document's field for the user whose row it is, which is the column
    `owner`. `fixed` are set by the server or at the create, and never sent with a change.
    """

    api: str
    columns: frozenset[str]
    flags: frozenset[str] = frozenset()
    lists: frozenset[str] = frozenset()
    ids: frozenset[str] = frozenset()
    owned_as: str | None = None
    has_team: bool = True
    fixed: frozenset[str] = frozenset()


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


TABLES: Final[dict[str, Table]] = {
    "teams": Table(
        "teams",
        _names("name created_at last_modified"),
        owned_as="created_by",
        has_team=False,
    ),
    "members": Table(
        "team_members",
        _names("user_id email display_name role joined_at last_modified"),
        ids=_names("user_id"),
        # Whose membership it is, and since when, is the server's alone to say.
        fixed=_names("user_id email joined_at"),
    ),
    "shared_sessions": Table(
        "shared_sessions",
        _names(
            "session_id title start_time end_time planned_duration_minutes"
            " actual_duration_seconds completed shared_at notes links last_modified"
        ),
        flags=_names("completed"),
        lists=_names("notes links"),
        owned_as="user_id",
    ),
    "comments": Table(
        "team_comments",
        _names("trace_id span_id author body created_at last_modified"),
    ),
    "saved_queries": Table(
        "saved_queries",
        _names("name description language query created_at last_modified"),
    ),
}

ANY_API: Final = "synced_entities"
"""Of every other kind."""


def api_of(entity_type: str) -> str:
    """Return the API that entities of a type are behind."""
    table = TABLES.get(entity_type)
    return ANY_API if table is None else table.api


def created(sending: Sending, owner: str) -> dict[str, Any]:
    """Return the record that makes an entity. `owner` is our own user's id.

    Raises:
        ValidationError: an id is none, or a field cannot stand in its column.
    """
    record = {
        "id": uuid_of(sending.remote_id),
        **_columns(sending, is_new=True),
        "version": 1,
        "op_id": sending.op_id,
    }
    table = TABLES.get(sending.entity_type)
    if table is None or table.has_team:
        record["team_id"] = uuid_of(sending.team_id)
    record["owner"] = uuid_of(owner)
    return record


def changed(sending: Sending) -> dict[str, Any]:
    """Return the columns that a change sets.

    Raises:
        ValidationError: a field cannot stand in its column.
    """
    return {
        **_columns(sending, is_new=False),
        "deleted": 0,
        "version": sending.version + 1,
        "op_id": sending.op_id,
    }


def buried(sending: Sending) -> dict[str, Any]:
    """Return the columns that make a tombstone of a record."""
    stone = {"deleted": 1, "version": sending.version + 1, "op_id": sending.op_id}
    return {**stone, "erase": 1} if sending.erase else stone


def remote_of(entity_type: str, record: Mapping[str, Any]) -> Remote:
    """Return what a record says.

    Raises:
        SyncError: it is not as clew's tables have it.
    """
    try:
        deleted = bool(_number(record.get("deleted", 0)))
        return Remote(
            remote_id=uuid_of(_string(record.get("id"))),
            document=_document(entity_type, record, is_whole=not deleted),
            version=_number(record.get("version")),
            seq=_number(record.get("server_seq")),
            updated_at=moment_ns(record.get("updated_at")),
            op_id=op_id if isinstance(op_id := record.get("op_id"), str) else None,
            deleted=deleted,
            erased=deleted and bool(_number(record.get("erase", 0))),
        )
    except (TypeError, ValueError, ServerError, ValidationError) as error:
        raise SyncError(
            f"a record of {api_of(entity_type)} is not as clew's tables have it",
            hint=BOOTSTRAP_HINT,
        ) from error


def _columns(sending: Sending, *, is_new: bool) -> dict[str, Any]:
    table = TABLES.get(sending.entity_type)
    if table is None:
        whole = {k: v for k, v in sending.document.items() if k != "team_id"}
        modified = {"last_modified": whole.get("last_modified")}
        kind = {"entity_type": sending.entity_type} if is_new else {}
        return {**kind, "document": pack(_json(whole)), **modified}
    columns: dict[str, Any] = {}
    more: dict[str, Any] = {}
    for name, value in sending.document.items():
        if name in table.fixed and not is_new:
            continue
        if name in {"team_id", table.owned_as}:
            continue
        if name not in table.columns:
            more[name] = value
        elif name in table.flags:
            columns[name] = int(bool(value))
        elif name in table.lists:
            columns[name] = pack(_json(value or []))
        elif isinstance(value, dict | list):
            raise ValidationError(f"{name} of {sending.entity_type} is a list or an object")
        else:
            columns[name] = value
    columns["more"] = pack(_json(more))
    return columns


def _document(entity_type: str, record: Mapping[str, Any], *, is_whole: bool) -> dict[str, Any]:
    """Return the document of a record; of a tombstone whatever of it is left."""
    table = TABLES.get(entity_type)
    team: dict[str, Any] = {}
    if table is None or table.has_team:
        team = {"team_id": uuid_of(_string(record.get("team_id")))}
    if table is None:
        document = {**_object(record.get("document"), is_whole=is_whole), **team}
        return _stamped(document, record) if is_whole else document
    # What is in `more` never stands for a column: the rules of the server look at those.
    document = {
        name: value
        for name, value in _object(record.get("more"), is_whole=False).items()
        if name not in table.columns
    }
    for name in table.columns & record.keys():
        value = record[name]
        if isinstance(value, dict | list):
            raise TypeError(name)
        if name in table.flags:
            value = bool(value)
        elif name in table.lists:
            value = decode_json(unpack(_string(value))) if value else []
        elif name in table.ids and value is not None:
            value = uuid_of(_string(value))
        document[name] = value
    if table.owned_as is not None:
        owner = record.get("owner")
        # Of an account that is gone nothing is left but the row.
        document[table.owned_as] = "" if owner is None else uuid_of(_string(owner))
    document |= team
    return _stamped(document, record) if is_whole else document


def _stamped(document: dict[str, Any], record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document that says when it was changed.

    What a trigger wrote (a member who joined) nobody's clock has a time for but the server's.
    """
    if document.get("last_modified") is None:
        document["last_modified"] = _rfc3339(_number(record.get("updated_at")))
    return document


def _rfc3339(at_ms: int) -> str:
    try:
        moment = datetime.fromtimestamp(at_ms / 1000, UTC)
    except (OverflowError, OSError) as error:
        raise ValueError(at_ms) from error
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _object(text: object, *, is_whole: bool) -> dict[str, Any]:
    if text is None or text == "":
        if is_whole:
            raise TypeError("document")
        return {}
    if text == "{}":
        return {}
    document = decode_json(unpack(_string(text)))
    if not isinstance(document, dict):
        raise TypeError("document")
    return document


def _json(value: object) -> str:
    return encode_json(value).decode()


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value


def moment_ns(at_ms: object) -> int:
    """Return Unix milliseconds of the server's in nanoseconds.

    Raises:
        TypeError: they are none, or later than a database keeps.
    """
    at = _number(at_ms) * NS_PER_MS
    if at >= 2**63:
        raise TypeError("no time")
    return at


def _number(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
        raise TypeError("no number")
    return value


def filter_id(uuid: str) -> str:
    """Return an id as a filter takes it."""
    return base64_of(uuid)
