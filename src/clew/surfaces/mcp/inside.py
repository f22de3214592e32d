"""The questions of the tools, asked of the routes of this very process."""

from __future__ import annotations

import asyncio
import functools
import re
import time
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import quote

from starlette.requests import Request

from clew.access.caller import Caller, Verb
from clew.base.errors import ClewError
from clew.base.gathering import note_copies
from clew.remote.pairs import to_pairs
from clew.surfaces.errors import http_status
from clew.surfaces.health.questions import STATEMENT_KEY, describe_request, hide_secrets
from clew.surfaces.identity import NOBODY
from clew.surfaces.rest.parameters import check_bounds
from clew.surfaces.rest.route import BASE, Asked, QueryRoute
from clew.surfaces.rest.routes.table import ROUTES
from clew.surfaces.rest.visits import see, see_statement
from clew.team.sessions.parameters import AGENT, CURRENT
from clew.team.teams.parameters import NewShare, TeamQuery
from clew.telemetry.documents import SqlAnswer

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator, Mapping

    import msgspec

    from clew.surfaces.rest.desk import Desk
    from clew.team.comments.documents import Comment
    from clew.team.comments.parameters import NewComment
    from clew.team.sessions.documents import Note, Session
    from clew.team.sessions.parameters import NewNote, NewSession
    from clew.team.teams.documents import TeamActivity, TeamStatus
    from clew.tree.documents import Cancelled, Command
    from clew.tree.parameters import CancelParameters, NewCommand

Document = TypeVar("Document")


CALLER: ContextVar[Caller] = ContextVar("clew.caller", default=NOBODY)
"""Who called the tool that is at work: a request sets it, and its tasks and threads have it."""

OK: Final = 200

CHOICE: ContextVar[str] = ContextVar("clew.session", default=AGENT)
"""Which work session the call belongs to: that of the caller's agent unless it says so."""


class InsideQuestions:
    """Asks the routes themselves. Blocks, so it is used on a query thread only."""

    def __init__(self, desk: Desk, loop: asyncio.AbstractEventLoop) -> None:
        self._desk = desk
        self._loop = loop

    def ask(
        self,
        path: str,
        kind: type[Document],
        query: msgspec.Struct | None = None,
        parts: Mapping[str, str] | None = None,
    ) -> Document:
        """Return the document of a GET route."""
        route = _routes()[BASE + path]
        parameters = route.parameters() if query is None else check_bounds(query)
        # Routes that answer with a document look at their parameters only, never at the request.
        request = Request({"type": "http", "method": "GET", "path": route.path, "headers": []})
        caller = CALLER.get() if route.decides_itself else self._allow(route.verb, route.path)
        with self._watch(path, caller, parameters, parts or {}):
            document: Any = route.ask(self._desk, Asked(parameters, parts or {}, request, caller))
        assert isinstance(document, kind), f"{path} answers with another document"
        see(self._desk, caller, CHOICE.get(), path, parts or {}, parameters)
        return document

    def run_sql(self, statement: str, limit: int) -> SqlAnswer:
        """Return the answer of a statement."""
        caller = self._allow(Verb.OBSERVE, f"{BASE}/sql")
        with self._watch("/sql", caller, statement, {}):
            answer = self._desk.service.run_sql(statement, limit=limit)
        see_statement(self._desk, caller, CHOICE.get(), statement)
        return answer

    def add_comment(self, trace_id: str, comment: NewComment) -> Comment:
        """Keep a comment; waits for the commit that makes it durable."""
        caller = self._allow(Verb.MESSAGE, f"{BASE}/traces/{{trace_id}}/comments")
        session_id = self._desk.sessions.find_open(caller, CHOICE.get())
        return self._kept(self._desk.comments.add(trace_id, comment, caller, session_id).result())

    def start_session(self, new: NewSession) -> Session:
        """Start a work session."""
        caller = self._allow(Verb.MESSAGE, f"{BASE}/sessions")
        return self._kept(self._desk.sessions.start(new, caller).result())

    def add_note(self, note: NewNote) -> Note:
        """Keep what was found in the session that is open."""
        caller = self._allow(Verb.MESSAGE, f"{BASE}/sessions/{{session_id}}/notes")
        noting = self._desk.sessions.note(self._current(caller), note, caller)
        return self._kept(noting.result())

    def stop_session(self, *, share: bool = False) -> Session:
        """End the session that is open."""
        caller = self._allow(Verb.MESSAGE, f"{BASE}/sessions/{{session_id}}/stop")
        session_id = self._current(caller)
        if share:
            self._wait(self._desk.teams.share_session(session_id, NewShare(), caller))
        return self._kept(self._desk.sessions.stop(session_id, caller).result())

    def read_team(self, team: str | None) -> tuple[TeamStatus, TeamActivity | None]:
        """Return how things stand, and what a team did."""
        self._allow(Verb.OBSERVE, f"{BASE}/team")
        return self._wait(self._read_team(team))

    async def _read_team(self, team: str | None) -> tuple[TeamStatus, TeamActivity | None]:
        teams = self._desk.teams
        status = await teams.status()
        if not status.connected or not (await teams.teams()).teams:
            return status, None
        return status, await teams.activity(TeamQuery(team_id=team))

    def send_command(self, app_id: str, command: NewCommand, wait_s: int) -> Command:
        """Give an app a command; the tree decides whether the caller may."""
        self._desk.check_leads()
        asking = self._desk.tree.command(CALLER.get(), app_id, check_bounds(command), wait_s)
        return self._kept(self._wait(asking))

    def cancel_app(self, app_id: str, asked: CancelParameters, wait_s: int) -> Cancelled:
        """Cancel an app; the tree decides whether the caller may."""
        self._desk.check_leads()
        asking = self._desk.tree.cancel(CALLER.get(), app_id, check_bounds(asked), wait_s)
        return self._kept(self._wait(asking))

    @contextmanager
    def _watch(
        self, route: str, caller: Caller, asked: msgspec.Struct | str, parts: Mapping[str, str]
    ) -> Iterator[None]:
        """Note a question that takes long or fails, as the door does with those that come to it."""
        questions = self._desk.vitals.questions
        started = time.perf_counter()
        status = OK
        try:
            yield
        except ClewError as error:
            status = http_status(error.code)
            raise
        finally:
            seconds = time.perf_counter() - started
            if questions.is_worth_it(seconds, status):
                scope = {
                    "method": "MCP",
                    "route_path_format": BASE + route,
                    "path": BASE + re.sub(r"\{(\w+)\}", lambda name: parts[name[1]], route),
                    STATEMENT_KEY: asked if isinstance(asked, str) else _write(asked),
                }
                subject = caller.subject
                questions.note(
                    describe_request(scope, subject=subject, status=status, seconds=seconds)
                )

    def _kept(self, document: Document) -> Document:
        """Return what was just written, once it is noted how many servers have it."""
        if self._desk.group is not None:
            note_copies(self._desk.group.count_copies())
        return document

    def _current(self, caller: Caller) -> str:
        return self._desk.sessions.resolve(CURRENT, caller, CHOICE.get())

    def _wait(self, asking: Coroutine[Any, Any, Document]) -> Document:
        """Have the event loop do what is its own to do."""
        return asyncio.run_coroutine_threadsafe(asking, self._loop).result()

    def _allow(self, verb: Verb, path: str) -> Caller:
        """Return who asks, if they may, and if it is done at this server."""
        if verb is not Verb.OBSERVE:
            self._desk.check_leads()
        caller = CALLER.get()
        self._desk.identity.authorize(caller, verb, {"method": "MCP", "path": path})
        return caller


def _write(asked: msgspec.Struct) -> str:
    """Return parameters as a query string has them."""
    return hide_secrets("&".join(f"{name}={quote(text)}" for name, text in to_pairs(asked)))


@functools.cache
def _routes() -> dict[str, QueryRoute]:
    """Return the routes that answer with one document, by path without the kinds of its parts."""
    return {
        re.sub(r"\{(\w+):\w+\}", r"{\1}", route.path): route
        for route in ROUTES
        if isinstance(route, QueryRoute) and route.method == "GET"
    }
