"""The team strand's clients: comments, work sessions and teams of another server. Light."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from clew.remote.pairs import quoted, to_pairs
from clew.remote.reply import BASE, Reply
from clew.team.comments import documents as doc
from clew.team.sessions import documents as session_doc
from clew.team.teams import documents as team_doc
from clew.team.teams import parameters as team_ask

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


class TeamClient:
    """Asks one server for its team. Every method raises what the server says.

    Where a team is left out, the chosen one is meant, or the only one.
    """

    def __init__(self, server: Server) -> None:
        self.server = server

    # Who we are.

    def status(self) -> Reply[team_doc.TeamStatus]:
        """Return how things stand; also when nobody is connected."""
        return Reply(self.server.get(f"{BASE}/team"), team_doc.TeamStatus)

    def connect(self, new: team_ask.NewConnection) -> Reply[team_doc.Connection]:
        """Become known to a team's server."""
        return self._send("team/connect", new, team_doc.Connection)

    def disconnect(self, asked: team_ask.Disconnection) -> Reply[team_doc.TeamStatus]:
        """Wipe tokens, queue and copies of an account."""
        return self._send("team/disconnect", asked, team_doc.TeamStatus)

    def choose(self, choice: team_ask.AccountChoice) -> Reply[team_doc.TeamStatus]:
        """Choose the account and the team that are meant where none is named."""
        return self._send("team/choose", choice, team_doc.TeamStatus)

    # Teams.

    def teams(self) -> Reply[team_doc.TeamList]:
        """Return the teams that one belongs to."""
        return Reply(self.server.get(f"{BASE}/team/teams"), team_doc.TeamList)

    def found(self, new: team_ask.NewTeam) -> Reply[team_doc.TeamHead]:
        """Found a team."""
        return self._send("team/teams", new, team_doc.TeamHead)

    def join(self, new: team_ask.NewJoin) -> Reply[team_doc.Joined]:
        """Come into a team by the code of an invite."""
        return self._send("team/join", new, team_doc.Joined)

    def leave(self, asked: team_ask.TeamQuery) -> Reply[team_doc.Changed]:
        """Leave a team."""
        return self._send("team/leave", asked, team_doc.Changed)

    def members(self, asked: team_ask.TeamQuery) -> Reply[team_doc.MemberList]:
        """Return who is in a team."""
        return self._find("team/members", asked, team_doc.MemberList)

    def change_role(self, user_id: str, change: team_ask.RoleChange) -> Reply[team_doc.MemberHead]:
        """Give a member, named by id or address, another role."""
        path = f"{BASE}/team/members/{quoted(user_id)}"
        answer = self.server.patch(path, msgspec.json.encode(change), _JSON)
        return Reply(answer, team_doc.MemberHead)

    def remove_member(self, user_id: str, asked: team_ask.TeamQuery) -> Reply[team_doc.MemberHead]:
        """Take a member out of a team."""
        return self._end(f"team/members/{quoted(user_id)}", asked, team_doc.MemberHead)

    def invite(self, new: team_ask.NewInvite) -> Reply[team_doc.InviteHead]:
        """Make a way into a team; this answer alone has its code."""
        return self._send("team/invites", new, team_doc.InviteHead)

    def invites(self, asked: team_ask.TeamQuery) -> Reply[team_doc.InviteList]:
        """Return the invites of a team."""
        return self._find("team/invites", asked, team_doc.InviteList)

    def revoke_invite(self, invite_id: str) -> Reply[team_doc.Changed]:
        """Take an invite back."""
        return self._end(f"team/invites/{quoted(invite_id)}", None, team_doc.Changed)

    def activity(self, asked: team_ask.TeamQuery) -> Reply[team_doc.TeamActivity]:
        """Return what a team did."""
        return self._find("team/activity", asked, team_doc.TeamActivity)

    # Sharing.

    def consent(self, change: team_ask.ConsentChange) -> Reply[team_doc.TeamHead]:
        """Agree, or not any more, that kinds of things may be shared."""
        return self._send("team/consent", change, team_doc.TeamHead)

    def share_session(self, session_id: str, new: team_ask.NewShare) -> Reply[team_doc.Shared]:
        """Share a session."""
        return self._send(f"sessions/{quoted(session_id)}/share", new, team_doc.Shared)

    def unshare_session(
        self, session_id: str, asked: team_ask.TeamQuery
    ) -> Reply[team_doc.Changed]:
        """Take a session back."""
        return self._end(f"sessions/{quoted(session_id)}/share", asked, team_doc.Changed)

    def sessions(self, query: team_ask.TeamSessionQuery) -> Reply[team_doc.TeamSessionList]:
        """Return the sessions that were shared with a team."""
        return self._find("team/sessions", query, team_doc.TeamSessionList)

    def get_session(self, session_id: str) -> Reply[team_doc.TeamSession]:
        """Return one of them."""
        answer = self.server.get(f"{BASE}/team/sessions/{quoted(session_id)}")
        return Reply(answer, team_doc.TeamSession)

    def share_comment(self, comment_id: str, new: team_ask.NewShare) -> Reply[team_doc.Shared]:
        """Share a comment."""
        return self._send(f"comments/{quoted(comment_id)}/share", new, team_doc.Shared)

    def unshare_comment(
        self, comment_id: str, asked: team_ask.TeamQuery
    ) -> Reply[team_doc.Changed]:
        """Take a comment back."""
        return self._end(f"comments/{quoted(comment_id)}/share", asked, team_doc.Changed)

    def queries(self, asked: team_ask.TeamQuery) -> Reply[team_doc.QueryList]:
        """Return the saved queries of a team."""
        return self._find("team/queries", asked, team_doc.QueryList)

    def save_query(self, new: team_ask.NewQuery) -> Reply[team_doc.QueryHead]:
        """Keep a query for a team."""
        return self._send("team/queries", new, team_doc.QueryHead)

    def delete_query(self, query_id: str) -> Reply[team_doc.Changed]:
        """Delete a saved query."""
        return self._end(f"team/queries/{quoted(query_id)}", None, team_doc.Changed)

    # The sync.

    def sync(self) -> Reply[team_doc.SyncReport]:
        """Send and pull now, and return what came of it."""
        return self._send("team/sync", team_ask.SyncAsked(), team_doc.SyncReport)

    def queue(self, query: team_ask.QueueQuery) -> Reply[team_doc.OperationList]:
        """Return what waits, or what was set aside."""
        return self._find("team/queue", query, team_doc.OperationList)

    def retry(self, choice: team_ask.OperationChoice) -> Reply[team_doc.Changed]:
        """Let what was set aside begin anew."""
        return self._send("team/queue/retry", choice, team_doc.Changed)

    def clear(self, choice: team_ask.OperationChoice) -> Reply[team_doc.Changed]:
        """Give up what was set aside."""
        return self._send("team/queue/clear", choice, team_doc.Changed)

    def rounds(self, query: team_ask.RoundQuery) -> Reply[team_doc.RoundList]:
        """Return what rounds of the sync did."""
        return self._find("team/rounds", query, team_doc.RoundList)

    def conflicts(self, query: team_ask.ConflictQuery) -> Reply[team_doc.ConflictList]:
        """Return versions that met."""
        return self._find("team/conflicts", query, team_doc.ConflictList)

    def get_conflict(self, conflict_id: str) -> Reply[team_doc.ConflictHead]:
        """Return one conflict with all its sides."""
        answer = self.server.get(f"{BASE}/team/conflicts/{quoted(conflict_id)}")
        return Reply(answer, team_doc.ConflictHead)

    def resolve(
        self, conflict_id: str, asked: team_ask.ConflictResolution
    ) -> Reply[team_doc.ConflictHead]:
        """Decide a conflict."""
        path = f"team/conflicts/{quoted(conflict_id)}/resolve"
        return self._send(path, asked, team_doc.ConflictHead)

    def _find(self, path: str, query: msgspec.Struct, kind: type[Document]) -> Reply[Document]:
        return Reply(self.server.get(f"{BASE}/{path}", to_pairs(query)), kind)

    def _send(self, path: str, body: msgspec.Struct, kind: type[Document]) -> Reply[Document]:
        answer = self.server.post(f"{BASE}/{path}", msgspec.json.encode(body), _JSON)
        return Reply(answer, kind)

    def _end(
        self, path: str, query: msgspec.Struct | None, kind: type[Document]
    ) -> Reply[Document]:
        pairs = [] if query is None else to_pairs(query)
        return Reply(self.server.delete(f"{BASE}/{path}", pairs), kind)
