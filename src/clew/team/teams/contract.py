"""What every surface may ask of teams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from clew.access.caller import LOCAL

if TYPE_CHECKING:
    from clew.access.caller import Caller
    from clew.team.teams import documents as doc
    from clew.team.teams import parameters as ask


class Teams(Protocol):
    """Teams and what is shared with them. On the event loop; nothing here blocks it.

    What is only asked of the ledger works without a network; what the server alone can do (connect,
    join, invite) raises what `clew.team.errors` has. Every method raises ClewError: NOT_FOUND where
    nobody is connected or there is no such thing, INVALID_ARGUMENT for what does not parse or where
    it is not clear which team is meant.
    """

    async def connect(self, new: ask.NewConnection) -> doc.Connection:
        """Become known to a team's server, and keep in step with it from now on.

        Raises:
            AuthError: wrong credentials.
            MfaRequiredError: ask again with `totp`.
        """
        ...

    async def disconnect(self, asked: ask.Disconnection) -> doc.TeamStatus:
        """Wipe tokens, queue and copies of an account.

        Raises:
            ClewError: CONFLICT when something waits to be sent and it is not forced.
        """
        ...

    async def choose(self, choice: ask.AccountChoice) -> doc.TeamStatus:
        """Choose the account and the team that are meant where none is named."""
        ...

    async def status(self) -> doc.TeamStatus:
        """Return how things stand. Never raises for want of a connection."""
        ...

    async def teams(self) -> doc.TeamList:
        """Return the teams that one belongs to."""
        ...

    async def found(self, new: ask.NewTeam) -> doc.TeamHead:
        """Found a team, also without a network."""
        ...

    async def join(self, new: ask.NewJoin) -> doc.Joined:
        """Come into a team by an invite."""
        ...

    async def leave(self, asked: ask.TeamQuery) -> doc.Changed:
        """Leave a team; its server decides whether that may be."""
        ...

    async def members(self, asked: ask.TeamQuery) -> doc.MemberList:
        """Return who is in a team."""
        ...

    async def change_role(self, user_id: str, change: ask.RoleChange) -> doc.MemberHead:
        """Give a member another role: asked of the server, whose word it is."""
        ...

    async def remove_member(self, user_id: str, asked: ask.TeamQuery) -> doc.MemberHead:
        """Take a member out of a team."""
        ...

    async def invite(self, new: ask.NewInvite) -> doc.InviteHead:
        """Make a way into a team; this answer alone has its code."""
        ...

    async def invites(self, asked: ask.TeamQuery) -> doc.InviteList:
        """Return the invites of a team."""
        ...

    async def revoke_invite(self, invite_id: str) -> doc.Changed:
        """Take an invite back."""
        ...

    async def activity(self, asked: ask.TeamQuery) -> doc.TeamActivity:
        """Return what a team did, by what was shared with it."""
        ...

    async def consent(self, change: ask.ConsentChange) -> doc.TeamHead:
        """Agree, or not any more, that kinds of things may be shared with a team."""
        ...

    async def share_session(
        self, session_id: str, new: ask.NewShare, by: Caller = LOCAL
    ) -> doc.Shared:
        """Share a session with a team, and keep the copy in step from then on.

        Raises:
            ClewError: FORBIDDEN without consent, and to all but its owner and admins.
        """
        ...

    async def unshare_session(
        self, session_id: str, asked: ask.TeamQuery, by: Caller = LOCAL
    ) -> doc.Changed:
        """Take a session back: what the server has of it is erased."""
        ...

    async def shared_sessions(self, asked: ask.TeamSessionQuery) -> doc.TeamSessionList:
        """Return the sessions that were shared with a team, one's own among them."""
        ...

    async def shared_session(self, session_id: str) -> doc.TeamSession:
        """Return one of them, by its own id or that of where it was worked."""
        ...

    async def share_comment(
        self, comment_id: str, new: ask.NewShare, by: Caller = LOCAL
    ) -> doc.Shared:
        """Share a comment with a team."""
        ...

    async def unshare_comment(
        self, comment_id: str, asked: ask.TeamQuery, by: Caller = LOCAL
    ) -> doc.Changed:
        """Take a comment back: what the server has of it is erased."""
        ...

    async def save_query(self, new: ask.NewQuery) -> doc.QueryHead:
        """Keep a query for a team; one of the same name becomes this one."""
        ...

    async def queries(self, asked: ask.TeamQuery) -> doc.QueryList:
        """Return the saved queries of a team."""
        ...

    async def delete_query(self, query_id: str) -> doc.Changed:
        """Delete a saved query."""
        ...

    async def sync(self) -> doc.SyncReport:
        """Send and pull now, and return what came of it."""
        ...

    async def queue(self, query: ask.QueueQuery) -> doc.OperationList:
        """Return what waits, or what was set aside."""
        ...

    async def retry(self, choice: ask.OperationChoice) -> doc.Changed:
        """Let what was set aside begin anew."""
        ...

    async def clear(self, choice: ask.OperationChoice) -> doc.Changed:
        """Give up what was set aside."""
        ...

    async def rounds(self, query: ask.RoundQuery) -> doc.RoundList:
        """Return what rounds of the sync did."""
        ...

    async def conflicts(self, query: ask.ConflictQuery) -> doc.ConflictList:
        """Return versions that met."""
        ...

    async def get_conflict(self, conflict_id: str) -> doc.ConflictHead:
        """Return one conflict."""
        ...

    async def resolve(self, conflict_id: str, asked: ask.ConflictResolution) -> doc.ConflictHead:
        """Decide a conflict."""
        ...
