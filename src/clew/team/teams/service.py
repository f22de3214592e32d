"""Teams over the ledger, and the servers behind it: the one place that every surface asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from clew.access.caller import LOCAL
from clew.base.errors import ClewError, ErrorCode
from clew.base.ids import new_uuid
from clew.base.times import NS_PER_S, parse_duration_ns, parse_time
from clew.team.entities.comment import SharedComment, Subject
from clew.team.entities.entity import SyncableEntity
from clew.team.entities.member import Member, Role
from clew.team.entities.query import QueryLanguage, SavedQuery
from clew.team.entities.session import SharedSession
from clew.team.entities.team import Team
from clew.team.errors import NotFoundError
from clew.team.ledger.queue import LocalWrite
from clew.team.ledger.rows import datetime_of
from clew.team.merging.operation import SyncOperationType
from clew.team.syncing.course import durable, reading
from clew.team.teams import documents as doc
from clew.team.teams.accounts import CONNECT_HINT
from clew.team.teams.parameters import TYPES_OF
from clew.team.teams.sharing import check_owner, copy_session
from clew.team.teams.standing import KIND_OF, NOT_CONNECTED, read_status, read_teams
from clew.team.teams.telling import (
    names_of,
    tell_activity,
    tell_invite,
    tell_members,
    tell_query,
    tell_session,
    tell_sessions,
)
from clew.team.teams.tending import SyncTending, checked_limit
from clew.team.trailbase import membership
from clew.team.trailbase.contract import Sending
from clew.team.trailbase.login import Credentials

if TYPE_CHECKING:
    from collections.abc import Callable

    from clew.access.caller import Caller
    from clew.team.comments.contract import Comments
    from clew.team.ledger.rows import Account, EntityRow
    from clew.team.sessions.contract import Sessions
    from clew.team.teams import parameters as ask
    from clew.team.teams.accounts import Accounts

Entity = TypeVar("Entity", bound=SyncableEntity)

_CREATE, _UPDATE, _DELETE = (
    SyncOperationType.CREATE,
    SyncOperationType.UPDATE,
    SyncOperationType.DELETE,
)


class TeamService(SyncTending):
    """Implements `clew.team.teams.contract.Teams`, which says what each call does."""

    def __init__(
        self,
        accounts: Accounts,
        sessions: Sessions,
        comments: Comments,
        now: Callable[[], int],
    ) -> None:
        super().__init__(accounts)
        self._sessions = sessions
        self._comments = comments
        self._now = now

    # Who we are.

    async def connect(self, new: ask.NewConnection) -> doc.Connection:
        """Become known to a team's server."""
        credentials = Credentials(new.email, new.password, new.totp)
        account, expires_in_s = await self._accounts.login(new.server_url, credentials)
        # Whoever connects wants to see their teams; that there is no answer now is told by status.
        await self._accounts.engine.sync(account.account_id)
        vault = await self._accounts.vault()
        return doc.Connection(
            account=account.account_id,
            server=account.server_url,
            api=account.api,
            user_id=account.user_id,
            email=account.email,
            expires_in_seconds=expires_in_s,
            tokens=vault.kind.value,
        )

    async def disconnect(self, asked: ask.Disconnection) -> doc.TeamStatus:
        """Wipe an account."""
        account = await self._account(asked.account)
        stats = await reading(lambda: self._ledger.stats(account.account_id))
        waiting = stats.pending + stats.failed
        if waiting and not asked.force:
            raise ClewError(
                ErrorCode.CONFLICT,
                f"{waiting} operations were not sent yet, and would be lost",
                hint="send them with: clew team sync; or give them up with --force",
            )
        await self._accounts.logout(account)
        return await self.status()

    async def choose(self, choice: ask.AccountChoice) -> doc.TeamStatus:
        """Choose the account and the team that are meant."""
        account = await self._account(choice.account)
        if choice.account is not None:
            await durable(self._ledger.choose_account(account.account_id))
        if choice.team_id is not None:
            team_id = await self._team(account, choice.team_id)
            await durable(self._ledger.choose_team(account.account_id, team_id))
        return await self.status()

    async def status(self) -> doc.TeamStatus:
        """Return how things stand."""
        accounts = await reading(self._ledger.find_accounts)
        if not accounts:
            return NOT_CONNECTED
        account = accounts[0]
        link = self._accounts.engine.link(account.account_id)
        vault = await self._accounts.vault()
        return await reading(lambda: read_status(self._ledger, account, link, vault.kind.value))

    # Teams.

    async def teams(self) -> doc.TeamList:
        """Return the teams that one belongs to."""
        account = await self._accounts.current()
        teams = await reading(lambda: read_teams(self._ledger, account))
        return doc.TeamList(teams=teams, count=len(teams))

    async def found(self, new: ask.NewTeam) -> doc.TeamHead:
        """Found a team."""
        account = await self._accounts.current()
        team = Team(
            local_id=new_uuid(self._now()), name=new.name.strip(), created_by=account.user_id
        )
        await self._write(account, team, _CREATE)
        if account.team_id is None:
            await durable(self._ledger.choose_team(account.account_id, team.local_id))
        return await self._team_head(account, team.local_id)

    async def join(self, new: ask.NewJoin) -> doc.Joined:
        """Come into a team."""
        account = await self._accounts.current()
        server = await self._accounts.records_of(account)
        joined = await membership.join_team(server, new.code, display_name=new.display_name)
        if account.team_id is None:
            await durable(self._ledger.choose_team(account.account_id, joined.team_id))
        await self._accounts.engine.sync(account.account_id)
        row = await reading(
            lambda: self._ledger.find_entity(account.account_id, Team.entity_type(), joined.team_id)
        )
        name = None if row is None else str(row.document.get("name", ""))
        return doc.Joined(team_id=joined.team_id, name=name)

    async def leave(self, asked: ask.TeamQuery) -> doc.Changed:
        """Leave a team."""
        account, team_id = await self._known(asked.team_id)
        await self._bury_member(account, team_id, account.user_id)
        return doc.Changed(count=1)

    async def members(self, asked: ask.TeamQuery) -> doc.MemberList:
        """Return who is in a team."""
        account, team_id = await self._meant(asked.team_id)
        is_old = False
        try:
            done = await self._accounts.engine.sync(account.account_id)
            is_old = done.error is not None
        except ClewError:
            is_old = True
        members = tell_members(await reading(lambda: self._rows(account, Member, team_id)))
        return doc.MemberList(
            team_id=team_id, members=members, count=len(members), as_of_last_sync=is_old
        )

    async def change_role(self, user_id: str, change: ask.RoleChange) -> doc.MemberHead:
        """Give a member another role."""
        account, team_id = await self._known(change.team_id)
        row = await self._member(account, team_id, user_id)
        document = {**row.document, "role": Role(change.role).value}
        await self._tell_server(account, row, _UPDATE, document)
        return await self._member_head(account, team_id, user_id)

    async def remove_member(self, user_id: str, asked: ask.TeamQuery) -> doc.MemberHead:
        """Take a member out of a team."""
        account, team_id = await self._known(asked.team_id)
        head = await self._member_head(account, team_id, user_id)
        await self._bury_member(account, team_id, user_id)
        return head

    async def invite(self, new: ask.NewInvite) -> doc.InviteHead:
        """Make a way into a team."""
        account, team_id = await self._known(new.team_id)
        seconds = parse_duration_ns(new.expires_in, bare=NS_PER_S) // NS_PER_S
        server = await self._accounts.records_of(account)
        made = await membership.create_invite(
            server,
            team_id,
            role=Role(new.role),
            expires_in_s=seconds,
            uses_max=new.uses,
        )
        return tell_invite(made, with_code=True)

    async def invites(self, asked: ask.TeamQuery) -> doc.InviteList:
        """Return the invites of a team."""
        account, team_id = await self._known(asked.team_id)
        server = await self._accounts.records_of(account)
        found = [tell_invite(each) for each in await membership.read_invites(server, team_id)]
        return doc.InviteList(invites=found, count=len(found))

    async def revoke_invite(self, invite_id: str) -> doc.Changed:
        """Take an invite back."""
        account = await self._accounts.current()
        await membership.revoke_invite(await self._accounts.records_of(account), invite_id)
        return doc.Changed(count=1)

    async def activity(self, asked: ask.TeamQuery) -> doc.TeamActivity:
        """Return what a team did."""
        account, team_id = await self._meant(asked.team_id)

        def read() -> doc.TeamActivity:
            members = tell_members(self._rows(account, Member, team_id))
            return tell_activity(team_id, self._rows(account, SharedSession, team_id), members)

        return await reading(read)

    # Sharing.

    async def consent(self, change: ask.ConsentChange) -> doc.TeamHead:
        """Agree, or not any more."""
        account, team_id = await self._meant(change.team_id)
        for kind in change.withdraw:
            await durable(
                self._ledger.withdraw_consent(account.account_id, team_id, TYPES_OF[kind])
            )
        for kind in change.give:
            await durable(self._ledger.give_consent(account.account_id, team_id, TYPES_OF[kind]))
        return await self._team_head(account, team_id)

    async def share_session(
        self, session_id: str, new: ask.NewShare, by: Caller = LOCAL
    ) -> doc.Shared:
        """Share a session."""
        account, team_id = await self._meant(new.team_id)
        session = await reading(lambda: self._sessions.get(session_id))
        check_owner(session.owner, by, "a session")
        before = await reading(lambda: self._shared_copy(account, team_id, session.id))
        local_id = new_uuid(self._now()) if before is None else before.local_id
        copy = copy_session(session, local_id, team_id, account.user_id)
        await self._write(account, copy, _CREATE if before is None else _UPDATE)
        return await self._shared(account, SharedSession, copy.local_id)

    async def unshare_session(
        self, session_id: str, asked: ask.TeamQuery, by: Caller = LOCAL
    ) -> doc.Changed:
        """Take a session back."""
        account, team_id = await self._meant(asked.team_id)
        session = await reading(lambda: self._sessions.get(session_id))
        check_owner(session.owner, by, "a session")
        row = await reading(lambda: self._shared_copy(account, team_id, session_id))
        if row is None:
            raise ClewError(
                ErrorCode.NOT_FOUND,
                f"session {session_id} is not shared with this team",
                hint="clew session list shows which are",
            )
        await self._erase(account, row.as_entity(SharedSession))
        return doc.Changed(count=1)

    async def shared_sessions(self, asked: ask.TeamSessionQuery) -> doc.TeamSessionList:
        """Return the sessions that were shared with a team."""
        limit = checked_limit(asked.limit)
        account, team_id = await self._meant(asked.team_id)

        def read() -> doc.TeamSessionList:
            rows = self._rows(account, SharedSession, team_id)
            names = names_of(tell_members(self._rows(account, Member, team_id)))
            return tell_sessions(rows, names, account.user_id, limit)

        return await reading(read)

    async def shared_session(self, session_id: str) -> doc.TeamSession:
        """Return one of them."""
        account = await self._accounts.current()

        def read() -> doc.TeamSession | None:
            row = self._shared_copy(account, None, session_id)
            if row is None:
                return None
            names = names_of(tell_members(self._rows(account, Member, row.team_id)))
            return tell_session(row, names, account.user_id)

        found = await reading(read)
        if found is None:
            raise ClewError(
                ErrorCode.NOT_FOUND,
                f"no team shared a session {session_id[:64]}",
                hint="list them with: clew session list --team",
            )
        return found

    async def share_comment(
        self, comment_id: str, new: ask.NewShare, by: Caller = LOCAL
    ) -> doc.Shared:
        """Share a comment."""
        account, team_id = await self._meant(new.team_id)
        said = await reading(lambda: self._comments.get(comment_id))
        check_owner(said.owner, by, "a comment")
        created_at = datetime_of(parse_time(said.created_at, now=0))
        shared = SharedComment(
            # Its own id, so that it is the same comment on every machine.
            local_id=said.id,
            team_id=team_id,
            author=said.author,
            body=said.body,
            subject=Subject.TRACE if said.span_id is None else Subject.SPAN,
            trace_id=said.trace_id,
            span_id=said.span_id,
            created_at=created_at,
        )
        await self._write(account, shared, _CREATE)
        return await self._shared(account, SharedComment, shared.local_id)

    async def unshare_comment(
        self, comment_id: str, asked: ask.TeamQuery, by: Caller = LOCAL
    ) -> doc.Changed:
        """Take a comment back."""
        said = await reading(lambda: self._comments.get(comment_id))
        check_owner(said.owner, by, "a comment")
        account, _ = await self._meant(asked.team_id)
        await self._erase(account, await self._entity(account, SharedComment, comment_id))
        return doc.Changed(count=1)

    async def save_query(self, new: ask.NewQuery) -> doc.QueryHead:
        """Keep a query."""
        account, team_id = await self._meant(new.team_id)
        query = SavedQuery(
            local_id=new_uuid(self._now()),
            team_id=team_id,
            name=new.name.strip(),
            query=new.query,
            language=_language(new.language),
            description=new.description,
        )
        named = [
            row
            for row in await reading(lambda: self._rows(account, SavedQuery, team_id))
            if row.document.get("name") == query.name
        ]
        if named:
            before = named[0].as_entity(SavedQuery)
            query.local_id, query.remote_id = before.local_id, before.remote_id
            query.created_at = before.created_at
        await self._write(account, query, _UPDATE if named else _CREATE)
        row = await self._row(account, SavedQuery, query.local_id)
        return tell_query(row)

    async def queries(self, asked: ask.TeamQuery) -> doc.QueryList:
        """Return the saved queries of a team."""
        account, team_id = await self._meant(asked.team_id)
        rows = await reading(lambda: self._rows(account, SavedQuery, team_id))
        found = sorted(map(tell_query, rows), key=lambda each: (each.name, each.id))
        return doc.QueryList(queries=found, count=len(found))

    async def delete_query(self, query_id: str) -> doc.Changed:
        """Delete a saved query."""
        account = await self._accounts.current()
        await self._erase(account, await self._entity(account, SavedQuery, query_id))
        return doc.Changed(count=1)

    # What the calls above are made of.

    async def _account(self, account_id: str | None) -> Account:
        if account_id is None:
            return await self._accounts.current()
        found = await reading(lambda: self._ledger.find_account(account_id))
        if found is None:
            raise ClewError(
                ErrorCode.NOT_FOUND, f"there is no account {account_id}", hint=CONNECT_HINT
            )
        return found

    async def _meant(self, team_id: str | None) -> tuple[Account, str]:
        account = await self._accounts.current()
        return account, await self._team(account, team_id)

    async def _known(self, team_id: str | None) -> tuple[Account, str]:
        """Return what is meant, once the server has heard of it: a team that was just founded."""
        account, team_id = await self._meant(team_id)
        if not (await self._row(account, Team, team_id)).version:
            done = await self._accounts.engine.sync(account.account_id)
            if not (await self._row(account, Team, team_id)).version:
                raise ClewError(
                    ErrorCode.UNAVAILABLE,
                    f"the team has not reached its server yet: {done.error or done.outcome.value}",
                    hint="it goes out by itself; what waits, and why: clew team queue",
                )
        return account, team_id

    async def _team(self, account: Account, named: str | None) -> str:
        """Return the id of the team that is meant: by its id or name, the chosen, or the only."""
        rows = await reading(lambda: self._rows(account, Team))
        if named is None and account.team_id is not None:
            named = account.team_id
        if named is None and len(rows) == 1:
            return rows[0].local_id
        meant = [row for row in rows if named in (row.local_id, row.document.get("name"))]
        if len(meant) == 1:
            return meant[0].local_id
        if not rows:
            raise ClewError(
                ErrorCode.NOT_FOUND,
                "you are in no team yet",
                hint="found one with: clew team create NAME; or join: clew team join CODE",
            )
        names = ", ".join(sorted(str(row.document.get("name")) for row in rows))
        told = "which team is not said" if named is None else f"there is no one team {named!r}"
        code = ErrorCode.INVALID_ARGUMENT if named is None or meant else ErrorCode.NOT_FOUND
        raise ClewError(code, told, hint=f"name one with --team-id; there are: {names}")

    async def _write(
        self,
        account: Account,
        entity: SyncableEntity,
        operation: SyncOperationType,
        *,
        erase: bool = False,
    ) -> None:
        at = self._now() + account.clock_offset_ns
        entity.set_last_modified(datetime_of(at))
        write = LocalWrite(account.account_id, entity, operation, at, erase)
        await durable(self._ledger.write(write))
        self._accounts.wake(account.account_id)

    async def _erase(self, account: Account, entity: SyncableEntity) -> None:
        await self._write(account, entity, _DELETE, erase=True)

    async def _tell_server(
        self,
        account: Account,
        row: EntityRow,
        operation: SyncOperationType,
        document: dict[str, object],
    ) -> None:
        """Ask the server at once: roles are its authority, and no queue decides them."""
        server = await self._accounts.server_of(account)
        current = await server.get(row.entity_type, row.remote_id)
        await server.send(
            Sending(
                op_id=new_uuid(self._now()),
                entity_type=row.entity_type,
                remote_id=row.remote_id,
                team_id=row.team_id,
                operation=operation,
                document=document,
                version=current.version,
            )
        )
        await self._accounts.engine.sync(account.account_id)

    async def _bury_member(self, account: Account, team_id: str, user_id: str) -> None:
        row = await self._member(account, team_id, user_id)
        await self._tell_server(account, row, _DELETE, dict(row.document))

    async def _member(self, account: Account, team_id: str, user_id: str) -> EntityRow:
        """Return a member by the user's id, or by the address."""
        rows = await reading(lambda: self._rows(account, Member, team_id))
        for row in rows:
            if user_id in (row.document.get("user_id"), row.document.get("email"), row.local_id):
                return row
        raise NotFoundError(
            f"nobody in this team is {user_id}", hint="clew team members lists who is"
        )

    async def _member_head(self, account: Account, team_id: str, user_id: str) -> doc.MemberHead:
        (head,) = tell_members([await self._member(account, team_id, user_id)])
        return head

    async def _team_head(self, account: Account, team_id: str) -> doc.TeamHead:
        account = await self._account(account.account_id)
        teams = await reading(lambda: read_teams(self._ledger, account))
        return next(each for each in teams if each.id == team_id)

    async def _row(self, account: Account, kind: type[SyncableEntity], local_id: str) -> EntityRow:
        row = await reading(
            lambda: self._ledger.find_entity(account.account_id, kind.entity_type(), local_id)
        )
        if row is None or row.deleted:
            what = KIND_OF.get(kind.entity_type(), kind.entity_type())
            raise ClewError(
                ErrorCode.NOT_FOUND,
                f"{local_id} is none of the {what} that are shared",
                hint="share it first, or sync: clew team sync",
            )
        return row

    async def _entity(self, account: Account, kind: type[Entity], local_id: str) -> Entity:
        return (await self._row(account, kind, local_id)).as_entity(kind)

    async def _shared(
        self, account: Account, kind: type[SyncableEntity], local_id: str
    ) -> doc.Shared:
        row = await self._row(account, kind, local_id)
        return doc.Shared(
            id=row.local_id,
            team_id=row.team_id,
            kind=KIND_OF[kind.entity_type()],
            sync_status=row.status.value,
        )

    def _rows(
        self, account: Account, kind: type[SyncableEntity], team_id: str | None = None
    ) -> list[EntityRow]:
        return self._ledger.find_entities(account.account_id, kind.entity_type(), team_id)

    def _shared_copy(
        self, account: Account, team_id: str | None, session_id: str
    ) -> EntityRow | None:
        for row in self._rows(account, SharedSession, team_id):
            if session_id in (row.document.get("session_id"), row.local_id):
                return row
        return None


def _language(text: str) -> QueryLanguage:
    try:
        return QueryLanguage(text)
    except ValueError:
        known = ", ".join(each.value for each in QueryLanguage)
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT, f"no such language: {text[:64]!r}", hint=f"one of {known}"
        ) from None
