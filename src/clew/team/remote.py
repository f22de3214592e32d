"""The team strand's clients: comments and work sessions of another server. Light install."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from clew.remote.http import quoted
from clew.remote.reply import BASE, Reply, to_pairs
from clew.team.comments import documents as doc
from clew.team.sessions import documents as session_doc

if TYPE_CHECKING:
    from clew.remote.http import Server
    from clew.team.comments import parameters as ask
    from clew.team.sessions import parameters as session_ask

_JSON: Final = "application/json"

Document = TypeVar("Document")


class CommentClient:
    """Asks one server. Every method raises what the server says, as a ClewError."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def add(self, trace_id: str, comment: ask.NewComment) -> Reply[doc.CommentAnswer]:
        """Keep a comment; it is durable when this returns.

        With an id of the caller's own it may be sent again without being kept twice.
        """
        body = msgspec.json.encode(comment)
        answer = self.server.post(f"{BASE}/traces/{quoted(trace_id)}/comments", body, _JSON)
        return Reply(answer, doc.CommentAnswer)

    def edit(self, comment_id: str, edit: ask.CommentEdit) -> Reply[doc.CommentAnswer]:
        """Change what a comment says."""
        path = f"{BASE}/comments/{quoted(comment_id)}"
        answer = self.server.patch(path, msgspec.json.encode(edit), _JSON)
        return Reply(answer, doc.CommentAnswer)

    def delete(self, comment_id: str) -> Reply[doc.CommentAnswer]:
        """Remove a comment and return what it was."""
        answer = self.server.delete(f"{BASE}/comments/{quoted(comment_id)}")
        return Reply(answer, doc.CommentAnswer)

    def get(self, comment_id: str) -> Reply[doc.CommentAnswer]:
        """Return one comment."""
        answer = self.server.get(f"{BASE}/comments/{quoted(comment_id)}")
        return Reply(answer, doc.CommentAnswer)

    def find(self, query: ask.CommentQuery) -> Reply[doc.CommentList]:
        """Return one page of matching comments, of one trace or of all."""
        return Reply(self.server.get(f"{BASE}/comments", to_pairs(query)), doc.CommentList)


class SessionClient:
    """Asks one server for work sessions. Every method raises what the server says.

    A session is named by its id, or ``current`` for the one of whoever asks that is open.
    """

    def __init__(self, server: Server) -> None:
        self.server = server

    def start(self, new: session_ask.NewSession) -> Reply[session_doc.Session]:
        """Start a session; with an id of the caller's own it may be sent again."""
        answer = self.server.post(f"{BASE}/sessions", msgspec.json.encode(new), _JSON)
        return Reply(answer, session_doc.Session)

    def stop(self, session_id: str) -> Reply[session_doc.Session]:
        """End a session."""
        answer = self.server.post(f"{_session(session_id)}/stop", b"", _JSON)
        return Reply(answer, session_doc.Session)

    def change(
        self, session_id: str, change: session_ask.SessionChange
    ) -> Reply[session_doc.Session]:
        """Give a session another title or plan."""
        answer = self.server.patch(_session(session_id), msgspec.json.encode(change), _JSON)
        return Reply(answer, session_doc.Session)

    def delete(self, session_id: str) -> Reply[session_doc.Session]:
        """Remove a session and return what it was."""
        return Reply(self.server.delete(_session(session_id)), session_doc.Session)

    def note(self, session_id: str, note: session_ask.NewNote) -> Reply[session_doc.Note]:
        """Keep what was found out."""
        path = f"{_session(session_id)}/notes"
        return Reply(self.server.post(path, msgspec.json.encode(note), _JSON), session_doc.Note)

    def delete_note(self, session_id: str, note_id: str) -> Reply[session_doc.Note]:
        """Remove a note and return what it was."""
        path = f"{_session(session_id)}/notes/{quoted(note_id)}"
        return Reply(self.server.delete(path), session_doc.Note)

    def link(self, session_id: str, target: session_ask.Target) -> Reply[session_doc.Link]:
        """Link something by hand."""
        path = f"{_session(session_id)}/links"
        return Reply(self.server.post(path, msgspec.json.encode(target), _JSON), session_doc.Link)

    def delete_link(self, session_id: str, target: session_ask.Target) -> Reply[session_doc.Link]:
        """Remove a link and return what it was."""
        path = f"{_session(session_id)}/links/{target.kind}/{quoted(target.id)}"
        return Reply(self.server.delete(path), session_doc.Link)

    def get(self, session_id: str) -> Reply[session_doc.Session]:
        """Return one session with its notes and links."""
        return Reply(self.server.get(_session(session_id)), session_doc.Session)

    def find(self, query: session_ask.SessionQuery) -> Reply[session_doc.SessionList]:
        """Return one page of matching sessions."""
        answer = self.server.get(f"{BASE}/sessions", to_pairs(query))
        return Reply(answer, session_doc.SessionList)

    def activity(self, query: session_ask.ActivityQuery) -> Reply[session_doc.ActivityReport]:
        """Return what everybody did in a time range."""
        answer = self.server.get(f"{BASE}/sessions/activity", to_pairs(query))
        return Reply(answer, session_doc.ActivityReport)


def _session(session_id: str) -> str:
    return f"{BASE}/sessions/{quoted(session_id)}"
