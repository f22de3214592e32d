"""Who may do what: the rules of the configuration, evaluated by SQLite as the server does it."""

# Names come from the files of the server, values are bound.
# ruff: noqa: S608

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING

from clew.testing.trailbase.configuration import Permission
from clew.testing.trailbase.database import placeholders, quoted
from clew.testing.trailbase.values import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clew.testing.trailbase.configuration import RecordApi
    from clew.testing.trailbase.database import Database, Relation
    from clew.testing.trailbase.values import SqlValue

_USER = "(SELECT :__user_id AS id) AS _USER_"


class Access:
    """The rules of one record API."""

    def __init__(self, database: Database, api: RecordApi, relation: Relation) -> None:
        """Prepare every rule.

        Raises:
            ValueError: one is no expression of SQL over what it may name.
        """
        self._database = database
        self._api = api
        self._relation = relation
        self.problems: list[str] = []
        """Rules that failed as they were evaluated. The server takes that for a no."""
        for permission in api.rules:
            self._try_out(permission)

    @property
    def read_rule(self) -> str:
        """The condition under which a list shows a row."""
        return self._api.rules.get(Permission.READ, "TRUE")

    def check_table(self, permission: Permission, user: bytes | None) -> None:
        """Accept what the lists of the configuration allow.

        Raises:
            Refusal: 403.
        """
        is_allowed = permission in self._api.world or (
            user is not None and permission in self._api.authenticated
        )
        if not is_allowed:
            raise Refusal(403)

    def check(
        self,
        permission: Permission,
        user: bytes | None,
        *,
        record: SqlValue = None,
        request: Mapping[str, SqlValue] | None = None,
    ) -> None:
        """Accept what both the lists and the rule allow.

        Raises:
            Refusal: 403. A row that is not there is refused like one that is another's.
        """
        self.check_table(permission, user)
        if permission not in self._api.rules:
            return
        values: dict[str, SqlValue] = {"__user_id": user, "__record_id": record}
        if request is not None:
            values |= dict.fromkeys(self._relation.columns) | dict(request)
            values["__fields"] = json.dumps(list(request))
        self._evaluate(permission, self._query(permission), values)

    def check_event(self, row: Mapping[str, SqlValue], user: bytes | None) -> None:
        """Accept that somebody hears of a row.

        Raises:
            Refusal: 403.
        """
        self.check_table(Permission.READ, user)
        if Permission.READ in self._api.rules:
            rule = self._api.rules[Permission.READ]
            query = f"SELECT CAST(({rule}) AS INTEGER) FROM {_USER}, {self._row('_ROW_')}"
            self._evaluate(Permission.READ, query, {**row, "__user_id": user})

    def _query(self, permission: Permission) -> str:
        rule = self._api.rules[permission]
        fields = "WITH _REQ_FIELDS_(_) AS (SELECT value FROM json_each(:__fields)) "
        stored = (
            f"(SELECT * FROM {quoted(self._relation.name)}"
            f" WHERE {quoted(self._relation.key)} = :__record_id) AS _ROW_"
        )
        match permission:
            case Permission.CREATE:
                head, sources = fields, [_USER, self._row("_REQ_")]
            case Permission.UPDATE:
                head, sources = fields, [_USER, stored, self._row("_REQ_")]
            case _:
                head, sources = "", [_USER, stored]
        return f"{head}SELECT CAST(({rule}) AS INTEGER) FROM {', '.join(sources)}"

    def _row(self, name: str) -> str:
        return f"(SELECT {', '.join(placeholders(self._relation.columns))}) AS {name}"

    def _evaluate(self, permission: Permission, query: str, values: Mapping[str, SqlValue]) -> None:
        try:
            rows = self._database.read(query, values)
        except sqlite3.Error as error:
            self.problems.append(f"{self._api.name}: {permission}: {error}")
            raise Refusal(403) from error
        if not rows or not rows[0][0]:
            raise Refusal(403)

    def _try_out(self, permission: Permission) -> None:
        if permission is Permission.SCHEMA:
            return
        values: dict[str, SqlValue] = dict.fromkeys(self._relation.columns)
        values |= {"__user_id": None, "__record_id": None, "__fields": "[]"}
        try:
            self._database.read(self._query(permission), values)
        except sqlite3.Error as error:
            raise ValueError(f"{self._api.name}: the rule of {permission}: {error}") from error
