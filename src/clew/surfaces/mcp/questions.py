"""What the tools ask: the routes of the REST door, of this process or of another one.

A tool names a route by its path below ``/api/v1`` and gives the struct of its parameters, so the
questions, their checks and their documents are those of REST, and a tool is written once for both
sides. `clew mcp` asks a running server over HTTP; the ``/mcp`` address of a server calls the same
routes without a socket (`clew.surfaces.mcp.inside`).
"""

from __future__ import annotations

import os
import re
import threading
from typing import TYPE_CHECKING, Protocol, TypeVar

import msgspec

from clew.remote.asker import SESSION_VARIABLE
from clew.remote.http import Server
from clew.remote.pairs import quoted
from clew.team.comments.documents import CommentAnswer
from clew.team.remote import SessionClient, TeamClient
from clew.team.sessions.parameters import AGENT, CURRENT
from clew.team.teams.parameters import NewShare, TeamQuery
from clew.telemetry.documents import SqlAnswer
from clew.telemetry.remote import BASE, decode, to_pairs
from clew.tree.remote import TreeClient

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clew.team.comments.documents import Comment
    from clew.team.comments.parameters import NewComment
    from clew.team.sessions.documents import Note, Session
    from clew.team.sessions.parameters import NewNote, NewSession
    from clew.team.teams.documents import TeamActivity, TeamStatus
    from clew.tree.documents import Cancelled, Command
    from clew.tree.parameters import CancelParameters, NewCommand

Document = TypeVar("Document")

_PART = re.compile(r"\{(\w+)\}")


class Questions(Protocol):
    """Asks one server. Calls block; every method raises ClewError as the server says it."""

    def ask(
        self,
        path: str,
        kind: type[Document],
        query: msgspec.Struct | None = None,
        parts: Mapping[str, str] | None = None,
    ) -> Document:
        """Return the document of a GET route: ``/traces/{trace_id}`` with its `parts` filled in."""
        ...

    def run_sql(self, statement: str, limit: int) -> SqlAnswer:
        """Return the answer of a statement of a user."""
        ...

    def add_comment(self, trace_id: str, comment: NewComment) -> Comment:
        """Keep a comment; it is durable when this returns."""
        ...

    def start_session(self, new: NewSession) -> Session:
        """Start a work session; it is durable when this returns."""
        ...

    def add_note(self, note: NewNote) -> Note:
        """Keep what was found in the session that is open; it is durable when this returns."""
        ...

    def stop_session(self, *, share: bool = False) -> Session:
        """End the session that is open; shared with the team before, if it is to be.

        Raises:
            ClewError: FORBIDDEN where nobody agreed to share sessions; then it stays open.
        """
        ...

    def read_team(self, team: str | None) -> tuple[TeamStatus, TeamActivity | None]:
        """Return how the team's server and its queue stand, and what a team did.

        None where one belongs to no team.
        """
        ...

    def send_command(self, app_id: str, command: NewCommand, wait_s: int) -> Command:
        """Give an app a command; it is durable when this returns, which waits for its end."""
        ...

    def cancel_app(self, app_id: str, asked: CancelParameters, wait_s: int) -> Cancelled:
        """Cancel an app; it is durable when this returns, which waits for its end."""
        ...


class RemoteQuestions:
    """Asks a server over HTTP, one kept connection for each thread that asks."""

    def __init__(self, url: str, api_key: str | None = None) -> None:
        self.url = url
        self._api_key = api_key
        # What an agent asks belongs to its own work session, unless it was started within one.
        self._session = os.environ.get(SESSION_VARIABLE) or AGENT
        # Fails here and not in the first tool when the address is none, or the key.
        self._open()
        self._local = threading.local()

    def ask(
        self,
        path: str,
        kind: type[Document],
        query: msgspec.Struct | None = None,
        parts: Mapping[str, str] | None = None,
    ) -> Document:
        """Return the document of a GET route."""
        pairs = to_pairs(query) if query is not None else []
        return decode(self._server().get(BASE + _fill(path, parts or {}), pairs).body, kind)

    def run_sql(self, statement: str, limit: int) -> SqlAnswer:
        """Return the answer of a statement; sent as a body, so its length is no matter."""
        return self._post("/sql", {"q": statement, "limit": limit}, SqlAnswer)

    def add_comment(self, trace_id: str, comment: NewComment) -> Comment:
        """Keep a comment."""
        path = f"/traces/{quoted(trace_id)}/comments"
        return self._post(path, comment, CommentAnswer).comment

    def start_session(self, new: NewSession) -> Session:
        """Start a work session."""
        return SessionClient(self._server()).start(new).document()

    def add_note(self, note: NewNote) -> Note:
        """Keep what was found in the session that is open."""
        return SessionClient(self._server()).note(CURRENT, note).document()

    def stop_session(self, *, share: bool = False) -> Session:
        """End the session that is open."""
        server = self._server()
        client = SessionClient(server)
        if share:
            session_id = client.get(CURRENT).document().id
            TeamClient(server).share_session(session_id, NewShare())
        return client.stop(CURRENT).document()

    def read_team(self, team: str | None) -> tuple[TeamStatus, TeamActivity | None]:
        """Return how things stand, and what a team did."""
        client = TeamClient(self._server())
        status = client.status().document()
        if not status.connected or not client.teams().document().teams:
            return status, None
        return status, client.activity(TeamQuery(team_id=team)).document()

    def send_command(self, app_id: str, command: NewCommand, wait_s: int) -> Command:
        """Give an app a command."""
        return TreeClient(self._server()).command(app_id, command, wait=str(wait_s)).document()

    def cancel_app(self, app_id: str, asked: CancelParameters, wait_s: int) -> Cancelled:
        """Cancel an app."""
        waiting = msgspec.structs.replace(asked, wait=str(wait_s))
        return TreeClient(self._server()).cancel(app_id, waiting).document()

    def _post(self, path: str, body: object, kind: type[Document]) -> Document:
        encoded = msgspec.json.encode(body)
        return decode(self._server().post(BASE + path, encoded, "application/json").body, kind)

    def _server(self) -> Server:
        if not hasattr(self._local, "server"):
            self._local.server = self._open()
        server: Server = self._local.server
        return server

    def _open(self) -> Server:
        return Server(self.url, api_key=self._api_key, session=self._session)


def _fill(path: str, parts: Mapping[str, str]) -> str:
    return _PART.sub(lambda found: quoted(parts[found.group(1)]), path)
