"""The questions of the tools, asked of the routes of this very process."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any, TypeVar

from starlette.requests import Request

from clew.access.caller import LOCAL
from clew.surfaces.rest.routes import BASE, Asked, QueryRoute
from clew.surfaces.rest.table import ROUTES
from clew.telemetry.documents import SqlAnswer

if TYPE_CHECKING:
    from collections.abc import Mapping

    import msgspec

    from clew.surfaces.rest.desk import Desk
    from clew.team.comments.documents import Comment
    from clew.team.comments.parameters import NewComment

Document = TypeVar("Document")


class InsideQuestions:
    """Asks the routes themselves. Blocks, so it is used on a query thread only."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def ask(
        self,
        path: str,
        kind: type[Document],
        query: msgspec.Struct | None = None,
        parts: Mapping[str, str] | None = None,
    ) -> Document:
        """Return the document of a GET route."""
        route = _routes()[BASE + path]
        parameters = route.parameters() if query is None else query
        # Routes that answer with a document look at their parameters only, never at the request.
        request = Request({"type": "http", "method": "GET", "path": route.path, "headers": []})
        document: Any = route.ask(self._desk, Asked(parameters, parts or {}, request, LOCAL))
        assert isinstance(document, kind), f"{path} answers with another document"
        return document

    def run_sql(self, statement: str, limit: int) -> SqlAnswer:
        """Return the answer of a statement."""
        return self._desk.service.run_sql(statement, limit=limit)

    def add_comment(self, trace_id: str, comment: NewComment) -> Comment:
        """Keep a comment; waits for the commit that makes it durable."""
        return self._desk.comments.add(trace_id, comment).result()


@functools.cache
def _routes() -> dict[str, QueryRoute]:
    """Return the routes that answer with one document, by path without the kinds of its parts."""
    return {
        re.sub(r"\{(\w+):\w+\}", r"{\1}", route.path): route
        for route in ROUTES
        if isinstance(route, QueryRoute) and route.method == "GET"
    }
