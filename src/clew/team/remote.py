"""The team strand's client: the questions of `Comments`, asked of another server. Light install."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from clew.remote.http import quoted
from clew.remote.reply import BASE, Reply, to_pairs
from clew.team.comments import documents as doc

if TYPE_CHECKING:
    from clew.remote.http import Server
    from clew.team.comments import parameters as ask

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
