"""`/api/records/v1` and `/api/transaction/v1`: reading, listing and writing records."""

# Names come from the files of the server, values are bound.
# ruff: noqa: S608

from __future__ import annotations

import secrets
import sqlite3
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from clew.testing.trailbase.access import Access
from clew.testing.trailbase.configuration import Permission
from clew.testing.trailbase.database import quoted, refusal_of
from clew.testing.trailbase.filters import parse_list, to_sql
from clew.testing.trailbase.http import of_json, of_text
from clew.testing.trailbase.values import (
    Json,
    Refusal,
    SqlValue,
    decode_base64,
    decode_id,
    encode_id,
    from_json,
    to_document,
    to_json,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clew.testing.trailbase.configuration import Configuration, RecordApi
    from clew.testing.trailbase.database import Database, Relation
    from clew.testing.trailbase.filters import ListQuery
    from clew.testing.trailbase.http import Request, Response

RECORDS_MAX: Final = 1024
"""Of one create."""

OPERATIONS_MAX: Final = 128
"""Of one transaction."""

_NONCE_BYTES: Final = 12


class Cursors:
    """Cursors of lists: sealed numbers of rows, with a key that a restart forgets."""

    def __init__(self) -> None:
        self._key = AESGCM(AESGCM.generate_key(256))

    def seal(self, api: str, row: int) -> str:
        """Return a cursor."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return encode_id(nonce + self._key.encrypt(nonce, str(row).encode(), api.encode()))

    def open(self, api: str, cursor: str) -> int:
        """Return the number of a row.

        Raises:
            Refusal: 400: it is none, or one of before a restart.
        """
        sealed = decode_base64(cursor)
        try:
            return int(
                self._key.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], api.encode())
            )
        except (InvalidTag, ValueError):
            raise Refusal(400, "Bad cursor") from None


class Shelf:
    """One record API: its configuration, its table or view, and its rules."""

    def __init__(self, database: Database, api: RecordApi) -> None:
        self.api = api
        self.relation: Relation = database.relation(api.table)
        self.access = Access(database, api, self.relation)
        self._database = database

    def record_id(self, text: str) -> SqlValue:
        """Return the key that a path names.

        Raises:
            Refusal: 400.
        """
        if self.relation.columns[self.relation.key].type == "BLOB":
            return decode_id(text)
        if not text.removeprefix("-").isdigit():
            raise Refusal(400, "Invalid id")
        return int(text)

    def values(self, record: Json) -> dict[str, SqlValue]:
        """Return what a record of a body says of columns; anything else in it is passed over.

        Raises:
            Refusal: 400: no record, or a value that does not fit its column.
        """
        if not isinstance(record, dict):
            raise Refusal(400, "Not a record")
        columns = self.relation.columns
        return {
            name: from_json(columns[name], value)
            for name, value in record.items()
            if name in columns
        }

    def create(self, record: Json, user: bytes | None) -> str:
        """Write a new row and return its id as answers have it.

        Raises:
            Refusal: 400, 403 or 405.
            sqlite3.Error: the database refuses it.
        """
        self._check_table()
        values = self.values(record)
        self.access.check(Permission.CREATE, user, request=values)
        names = ", ".join(map(quoted, values))
        given = f"({names}) VALUES ({', '.join(f':{name}' for name in values)})"
        rows = self._database.write(
            f"INSERT INTO {quoted(self.relation.name)} {given if values else 'DEFAULT VALUES'}"
            f" RETURNING {quoted(self.relation.key)}",
            values,
        )
        return str(to_json(rows[0][0]))

    def update(self, text: str, record: Json, user: bytes | None) -> None:
        """Change columns of a row.

        Raises:
            Refusal: 400, 403 or 405.
            sqlite3.Error: the database refuses it.
        """
        self._check_table()
        key, values = self.record_id(text), self.values(record)
        if values.get(self.relation.key, key) != key:
            raise Refusal(400, "Invalid Parameters")
        self.access.check(Permission.UPDATE, user, record=key, request=values)
        changes = ", ".join(f"{quoted(name)} = :{name}" for name in values)
        rows = self._database.write(
            f"UPDATE {quoted(self.relation.name)} SET {changes}"
            f" WHERE {quoted(self.relation.key)} = :__key RETURNING _rowid_",
            {**values, "__key": key},
        )
        if not rows:
            raise Refusal(500)

    def delete(self, text: str, user: bytes | None) -> None:
        """Remove a row.

        Raises:
            Refusal: 400, 403, 405, or 404 where there is no rule and no row.
            sqlite3.Error: the database refuses it.
        """
        self._check_table()
        key = self.record_id(text)
        self.access.check(Permission.DELETE, user, record=key)
        rows = self._database.write(
            f"DELETE FROM {quoted(self.relation.name)}"
            f" WHERE {quoted(self.relation.key)} = :__key RETURNING _rowid_",
            {"__key": key},
        )
        if not rows:
            raise Refusal(404)

    def _check_table(self) -> None:
        if not self.relation.is_table:
            raise Refusal(405)


class RecordDesk:
    """Answers the calls under both bases."""

    def __init__(self, database: Database, configuration: Configuration) -> None:
        self._database = database
        self._has_transactions = configuration.has_transactions
        self._cursors = Cursors()
        self.shelves = {name: Shelf(database, api) for name, api in configuration.apis.items()}
        self.answers_ids = False
        """Whether a transaction is answered as servers before version 0.30 did: ``{ids: […]}``."""

    def forget_cursors(self) -> None:
        """Do what a restart does to cursors."""
        self._cursors = Cursors()

    def shelf(self, name: str) -> Shelf:
        """Return a record API.

        Raises:
            Refusal: 405: there is none of this name. The server says that the method is wrong.
        """
        if name not in self.shelves:
            raise Refusal(405)
        return self.shelves[name]

    def answer(self, request: Request, parts: list[str], user: bytes | None) -> Response:
        """Return the answer to a call; `parts` is the path behind the base.

        Raises:
            Refusal: an answer that is no success.
        """
        shelf = self.shelf(parts[0])
        match request.method, parts[1:]:
            case "GET", []:
                return self._list(shelf, request.query, user)
            case "POST", []:
                return self._create(shelf, request.json(), user)
            case "GET", ["schema"]:
                return self._schema(shelf, user)
            case "GET", [text]:
                return self._get(shelf, text, user)
            case "PATCH", [text]:
                return self._update(shelf, text, request.json(), user)
            case "DELETE", [text]:
                return self._delete(shelf, text, user)
            case _:
                raise Refusal(405)

    def execute(self, request: Request, user: bytes | None) -> Response:
        """Return the answer to a batch. What fails fails it whole, and undoes nothing by default.

        Raises:
            Refusal: 400, 404 where it is switched off, else 500 whatever went wrong.
        """
        if not self._has_transactions:
            raise Refusal(404)
        body = request.json()
        operations = body.get("operations") if isinstance(body, dict) else None
        if not isinstance(body, dict) or not isinstance(operations, list):
            raise Refusal(400, "Failed to deserialize the JSON body")
        if len(operations) > OPERATIONS_MAX:
            raise Refusal(400, f"Batch size exceeds limit: {OPERATIONS_MAX}")
        try:
            if body.get("transaction"):
                with self._database.transaction():
                    results = [self._operate(one, user) for one in operations]
            else:
                results = [self._operate(one, user) for one in operations]
        except (Refusal, sqlite3.Error) as error:
            raise Refusal(500) from error
        if self.answers_ids:
            created = [
                text for one, text in zip(operations, results, strict=True) if "Create" in one
            ]
            return of_json({"ids": created})
        return of_json({"results": [{"Id": text} for text in results]})

    def _operate(self, operation: Json, user: bytes | None) -> str:
        match operation:
            case {"Create": {"api_name": str(name), "value": value}}:
                return self.shelf(name).create(value, user)
            case {"Update": {"api_name": str(name), "record_id": str(text), "value": value}}:
                self.shelf(name).update(text, value, user)
                return text
            case {"Delete": {"api_name": str(name), "record_id": str(text)}}:
                self.shelf(name).delete(text, user)
                return text
            case _:
                raise Refusal(400, "Not an operation")

    def _create(self, shelf: Shelf, body: Json, user: bytes | None) -> Response:
        records = body if isinstance(body, list) else [body]
        if len(records) > RECORDS_MAX:
            raise Refusal(400, "Bulk creation exceeds limit: 1024")
        try:
            with self._database.transaction():
                ids = [shelf.create(record, user) for record in records]
        except sqlite3.Error as error:
            raise refusal_of(error) from error
        return of_json({"ids": ids})

    def _update(self, shelf: Shelf, text: str, body: Json, user: bytes | None) -> Response:
        try:
            shelf.update(text, body, user)
        except sqlite3.Error as error:
            # Whatever the database says: a constraint too is 500 here.
            raise Refusal(500) from error
        return of_text("")

    def _delete(self, shelf: Shelf, text: str, user: bytes | None) -> Response:
        try:
            shelf.delete(text, user)
        except sqlite3.Error as error:
            raise refusal_of(error) from error
        return of_text("deleted")

    def _get(self, shelf: Shelf, text: str, user: bytes | None) -> Response:
        key = shelf.record_id(text)
        shelf.access.check(Permission.READ, user, record=key)
        rows = self._database.read(
            f"SELECT * FROM {quoted(shelf.relation.name)} WHERE {quoted(shelf.relation.key)} = ?",
            (key,),
        )
        if not rows:
            raise Refusal(404)
        return of_json(to_document(shelf.relation.columns, _row(rows[0])))

    def _schema(self, shelf: Shelf, user: bytes | None) -> Response:
        shelf.access.check_table(Permission.SCHEMA, user)
        kinds = {"INTEGER": "integer", "REAL": "number"}
        columns = [one for one in shelf.relation.columns.values() if not one.is_hidden]
        return of_json(
            {
                "title": shelf.api.name,
                "type": "object",
                "properties": {
                    column.name: {"type": kinds.get(column.type, "string")} for column in columns
                },
                "required": [column.name for column in columns if column.is_required],
            }
        )

    def _list(self, shelf: Shelf, query: str, user: bytes | None) -> Response:
        shelf.access.check_table(Permission.READ, user)
        asked = parse_list(query, shelf.relation.columns, shelf.api.listing_max)
        takes_cursor = shelf.relation.is_table and (
            not asked.order or asked.order[0][0] == shelf.relation.key
        )
        values: dict[str, SqlValue] = {}
        sql = self._list_sql(shelf, asked, values, takes_cursor=takes_cursor)
        values |= {"__user_id": user, "__limit": max(asked.limit, 1), "__offset": asked.offset or 0}
        try:
            rows = self._database.read(sql, values)
        except sqlite3.Error as error:
            raise refusal_of(error) from error
        if not rows:
            return of_json({"total_count": 0, "records": []})
        answer: dict[str, Json] = {}
        if takes_cursor and asked.has_cursor and asked.limit:
            answer["cursor"] = self._cursors.seal(shelf.api.name, rows[-1]["__row"])
        if asked.is_counted:
            answer["total_count"] = rows[0]["__total"]
        shown = rows if asked.limit else []
        answer["records"] = [to_document(shelf.relation.columns, _row(row)) for row in shown]
        return of_json(answer)

    def _list_sql(
        self, shelf: Shelf, asked: ListQuery, values: dict[str, SqlValue], *, takes_cursor: bool
    ) -> str:
        relation = shelf.relation
        where = f"({shelf.access.read_rule}) AND ({to_sql(asked.where, values)})"
        source = f"(SELECT :__user_id AS id) AS _USER_, {quoted(relation.name)} AS _ROW_"
        counted = f"(SELECT COUNT(*) FROM {source} WHERE {where})" if asked.is_counted else "NULL"
        if asked.cursor is not None:
            if not takes_cursor:
                raise Refusal(400, "Only TABLEs with PK primary order support cursors")
            goes_up = bool(asked.order) and not asked.order[0][1]
            values["__cursor"] = self._cursors.open(shelf.api.name, asked.cursor)
            where += f" AND _ROW_._rowid_ {'>' if goes_up else '<'} :__cursor"
        # The newest come first unless an order is asked for.
        order = asked.order or ((relation.key, True),)
        ordered = ", ".join(
            f"_ROW_.{quoted(name)} {'DESC' if goes_down else 'ASC'}" for name, goes_down in order
        )
        row = "_ROW_._rowid_" if relation.is_table else "NULL"
        return (
            f"SELECT _ROW_.*, {row} AS __row, {counted} AS __total FROM {source} WHERE {where}"
            f" ORDER BY {ordered} LIMIT :__limit OFFSET :__offset"
        )


def _row(row: sqlite3.Row) -> Mapping[str, SqlValue]:
    return dict(zip(row.keys(), tuple(row), strict=True))
