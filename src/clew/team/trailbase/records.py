"""Records of a TrailBase server: one table or view behind ``/api/records/v1/{name}``. Light.

Ids travel out as UUIDs and come back as URL-safe base64 with padding; filters take base64 alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from clew.team.errors import AuthError, DeniedError, ServerError, ValidationError
from clew.team.trailbase.filters import (
    LIMIT_MAX,
    ORDER_COLUMNS_MAX,
    checked_column,
    filter_pairs,
    order_pair,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from clew.team.trailbase.answers import Reply
    from clew.team.trailbase.filters import Filter
    from clew.team.trailbase.session import Session
    from clew.team.trailbase.transport import Pairs, Transport

RECORDS: Final = "/api/records/v1"
TRANSACTION: Final = "/api/transaction/v1/execute"

CREATES_MAX: Final = 1024
"""Records of one POST: the server refuses more."""

Record = dict[str, Any]


class Door:
    """A server, asked in the name of one session."""

    def __init__(self, transport: Transport, session: Session) -> None:
        self.transport: Final = transport
        self.session: Final = session

    async def ask(
        self, method: str, path: str, *, pairs: Pairs | None = None, body: object = None
    ) -> Reply:
        """Ask as who we are; once more where a refusal came from a bearer that was nobody's.

        Raises:
            TeamError: as of `Transport.ask` and `Session.headers`.
        """
        headers = await self.session.headers(self.transport)
        try:
            return await self.transport.ask(method, path, pairs=pairs, body=body, headers=headers)
        except (AuthError, DeniedError):
            if not await self.session.doubt(self.transport, headers):
                raise
        headers = await self.session.headers(self.transport)
        return await self.transport.ask(method, path, pairs=pairs, body=body, headers=headers)


@dataclass(frozen=True, slots=True)
class RecordList:
    """A page of records. `total` is given where it was asked for."""

    records: list[Record]
    cursor: str | None = None
    total: int | None = None


class RecordApi:
    """One API of records. Every method raises the classes of `clew.team.errors`."""

    def __init__(self, door: Door, name: str) -> None:
        self.name: Final = checked_column(name)
        self._door = door
        self._path = f"{RECORDS}/{self.name}"

    async def list(
        self,
        *filters: Filter,
        order: Sequence[str] = (),
        limit: int | None = None,
        offset: int | None = None,
        cursor: str | None = None,
        count: bool = False,
        expand: Sequence[str] = (),
    ) -> RecordList:
        """Return a page of records.

        Order:  of `order`, each column with ``-`` from the greatest; else the newest id first.
        Bounds: `limit` is 50 where it is left out, 1024 at the most. A `cursor` is good until the
                server restarts, and only without `order`; pages by a column of one's own are not
                bound to either.

        Raises:
            ValidationError: what the server would refuse; also a cursor that it no longer knows.
        """
        if limit is not None and not 0 <= limit <= LIMIT_MAX:
            raise ValidationError(f"a list has {LIMIT_MAX} records at the most")
        if cursor is not None and order:
            raise ValidationError("a cursor goes without an order")
        pairs = [*filter_pairs(filters), *order_pair(tuple(order)), *_expanded(expand)]
        named = {"limit": limit, "offset": offset, "cursor": cursor, "count": count or None}
        for name, value in named.items():
            if value is not None:
                pairs.append((name, "true" if value is True else str(value)))
        document = (await self._door.ask("GET", self._path, pairs=pairs)).object()
        records = document.get("records")
        if not isinstance(records, list) or not all(isinstance(each, dict) for each in records):
            raise ServerError("the server answered with something that is no list of records")
        found, total = document.get("cursor"), document.get("total_count")
        return RecordList(
            records,
            found if isinstance(found, str) else None,
            total if isinstance(total, int) else None,
        )

    async def get(self, record_id: str | int, *, expand: Sequence[str] = ()) -> Record:
        """Return one record.

        Raises:
            NotFoundError: there is none.
            DeniedError: there is none that we may read, or none at all.
        """
        path = self._path_of(record_id)
        return (await self._door.ask("GET", path, pairs=_expanded(expand))).object()

    async def create(self, record: Mapping[str, Any]) -> str:
        """Make one record and return its id as the server writes it.

        Raises:
            ConflictError: there is one with this id, or with another value that is unique.
        """
        return (await self._create(record))[0]

    async def create_many(self, records: Sequence[Mapping[str, Any]]) -> Sequence[str]:
        """Make all of these records or none, and return their ids.

        Raises:
            ConflictError: as of `create`.
        """
        if not 0 < len(records) <= CREATES_MAX:
            raise ValidationError(f"1 to {CREATES_MAX} records are made at once")
        ids = await self._create(list(records))
        if len(ids) != len(records):
            raise ServerError("the server answered with another number of ids than records")
        return ids

    async def update(self, record_id: str | int, changes: Mapping[str, Any]) -> None:
        """Change some columns of a record.

        Raises:
            DeniedError: it is not ours to change, the rule of the API refuses, or it is not there.
            ServerError: also what breaks a constraint: read the record to learn which it was.
        """
        await self._door.ask("PATCH", self._path_of(record_id), body=dict(changes))

    async def delete(self, record_id: str | int) -> None:
        """Take a record away for good; clew's own APIs make tombstones instead, with `update`."""
        await self._door.ask("DELETE", self._path_of(record_id))

    async def schema(self) -> Record:
        """Return the JSON schema of the records."""
        return (await self._door.ask("GET", f"{self._path}/schema")).object()

    def _path_of(self, record_id: str | int) -> str:
        return f"{self._path}/{quote(str(record_id), safe='')}"

    async def _create(self, body: object) -> Sequence[str]:
        document = (await self._door.ask("POST", self._path, body=body)).object()
        ids = document.get("ids")
        if not isinstance(ids, list) or not ids or not all(isinstance(i, str | int) for i in ids):
            raise ServerError("the server did not say which records it made")
        return [str(each) for each in ids]


async def execute(door: Door, operations: Sequence[Mapping[str, Any]]) -> None:
    """Carry out several writes as one: all of them, or none.

    Each is ``{"Create": {"api_name", "value"}}``, ``{"Update": {"api_name", "record_id",
    "value"}}`` or ``{"Delete": {"api_name", "record_id"}}``. What the answer says of each is not
    looked at: its form changed between versions, and what was written can be read.

    Raises:
        TeamError: none was carried out, but after a NetworkError or ServerError, where it is open.
    """
    body = {"operations": list(operations), "transaction": True}
    await door.ask("POST", TRANSACTION, body=body)


def _expanded(columns: Sequence[str]) -> Pairs:
    if len(columns) > ORDER_COLUMNS_MAX:
        raise ValidationError(f"{ORDER_COLUMNS_MAX} columns are expanded at the most")
    return [("expand", ",".join(checked_column(name) for name in columns))] if columns else []
