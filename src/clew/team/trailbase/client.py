"""`AsyncTrailBaseClient`: a team's server, whichever API it speaks, for a program of one's own.

It finds out by itself what the server speaks, keeps the session alive, and sends entities. It has
no queue: what is to survive a night without network goes through `clew.team.SyncQueue`. One client
belongs to one event loop; `TrailBaseClient` in `blocking.py` is the same without one. Light
install.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar
from uuid import UUID

from clew.base.ids import new_uuid
from clew.team.entities.codec import decode_entity, encode_entity, update_document
from clew.team.entities.entity import SyncableEntity
from clew.team.errors import (
    ConflictError,
    NotFoundError,
    SyncError,
    TeamError,
    ValidationError,
)
from clew.team.merging.operation import SyncOperationType
from clew.team.trailbase import membership
from clew.team.trailbase.contract import Sending
from clew.team.trailbase.login import Credentials, RecordsAuth
from clew.team.trailbase.probe import Api, auth_of, find_api, server_of
from clew.team.trailbase.records import Door
from clew.team.trailbase.server import RecordsServer
from clew.team.trailbase.session import Session
from clew.team.trailbase.tokens import Tokens, make_tokens, uuid_of
from clew.team.trailbase.transport import Transport

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from clew.team.entities.member import Member
    from clew.team.entities.team import Team
    from clew.team.ledger.rows import Round
    from clew.team.ledger.syncqueue import SyncQueue
    from clew.team.trailbase.contract import Remote
    from clew.team.trailbase.documented import DocumentedServer
    from clew.team.trailbase.transport import Pairs

Entity = TypeVar("Entity", bound=SyncableEntity)


class SyncState(StrEnum):
    """What became of an entity that was sent."""

    SUCCESS = "success"
    CONFLICT = "conflict"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class SyncResult(Generic[Entity]):
    """What became of an entity: `entity` is what the server has now, where it is known."""

    state: SyncState
    entity: Entity
    error: TeamError | None = None


@dataclass(frozen=True, slots=True)
class Authentication:
    """Who the server says we are. The tokens are there for who must keep them, and never shown."""

    user_id: str | None
    email: str | None
    expires_in_s: float | None
    tokens: Tokens = field(repr=False)


class AsyncTrailBaseClient:
    """A client of one team's server, in the name of one account.

    `tokens` go on with an earlier session; `api` spares the probe; `on_tokens` is told of new
    tokens, None after a logout, so that a vault can keep them.
    """

    def __init__(
        self,
        url: str,
        *,
        tokens: Tokens | None = None,
        api: Api | None = None,
        on_tokens: Callable[[Tokens | None], None] | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Raises ValidationError for an address that is none, or is not https."""
        self.transport: Final = Transport(url, tls=tls)
        self.session: Final = Session(auth_of(api or Api.TRAILBASE), tokens, on_change=on_tokens)
        self._api = api
        self._server: RecordsServer | DocumentedServer | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.transport.url!r})"

    async def __aenter__(self) -> AsyncTrailBaseClient:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of the connections. The session goes on."""
        await self.transport.close()

    async def api(self) -> Api:
        """Return what the server speaks, found out once.

        Raises:
            SyncError: nothing that we know.
        """
        if self._api is None:
            self._api = await find_api(self.transport)
            self.session.auth = auth_of(self._api)
        return self._api

    async def server(self) -> RecordsServer | DocumentedServer:
        """Return the server as the sync asks it."""
        if self._server is None:
            self._server = server_of(await self.api(), self.transport, self.session)
        return self._server

    # Who we are.

    async def authenticate(self, credentials: Credentials | Mapping[str, str]) -> Authentication:
        """Become known by an address and a password, and a one-time code where one is asked for.

        Raises:
            AuthError: the server does not know them.
            MfaRequiredError: give it, with a code, to `login_mfa`, or `totp` in the credentials.
        """
        await self.api()
        tokens = await self.session.login(self.transport, _credentials(credentials))
        return _authentication(tokens)

    async def login_mfa(self, mfa_token: str, totp: str) -> Authentication:
        """Give the one-time code that `authenticate` was asked for."""
        tokens = await (await self._own_auth()).login_mfa(self.transport, mfa_token, totp)
        self.session.set_tokens(tokens)
        return _authentication(tokens)

    async def request_otp(self, email: str) -> None:
        """Have a code sent by mail, for a login without a password, where the server offers it."""
        await (await self._own_auth()).request_otp(self.transport, email)

    async def login_otp(self, email: str, code: str) -> Authentication:
        """Become known by a code that came by mail."""
        tokens = await (await self._own_auth()).login_otp(self.transport, email, code)
        self.session.set_tokens(tokens)
        return _authentication(tokens)

    async def register(self, credentials: Credentials | Mapping[str, str]) -> Authentication | None:
        """Ask for an account. None where a mail must be answered before one can log in."""
        await self.api()
        tokens = await self.session.auth.register(self.transport, _credentials(credentials))
        if tokens is None:
            return None
        self.session.set_tokens(tokens)
        return _authentication(tokens)

    async def refresh(self) -> None:
        """Make sure of a bearer that is good for a while.

        Raises:
            AuthError: nobody is logged in, or the session has ended.
        """
        await self.api()
        await self.session.headers(self.transport)

    async def status(self) -> Authentication | None:
        """Return who the server takes us for, with a bearer that it made anew; None for nobody.

        Raises:
            SyncError: the server has no such question.
        """
        auth, tokens = await self._own_auth(), self.session.tokens
        if tokens is None:
            return None
        found = await auth.status(self.transport, tokens)
        if found is None:
            return None
        self.session.set_tokens(found)
        return _authentication(found)

    async def logout(self) -> None:
        """End the session here and at the server.

        Raises:
            TeamError: the server could not be told. Here it has ended all the same.
        """
        await self.api()
        await self.session.logout(self.transport)

    def set_api_key(self, key: str) -> None:
        """Speak with a bearer that was given out elsewhere; it is never renewed."""
        self.session.set_tokens(make_tokens(key))

    def clear_api_key(self) -> None:
        """Speak for nobody any more."""
        self.session.set_tokens(None)

    @property
    def is_authenticated(self) -> bool:
        """Whether we have something to speak with; the server may see it otherwise."""
        return self.session.tokens is not None

    # Anything that the server has.

    async def get(self, path: str, pairs: Pairs | None = None) -> Any:
        """Return the document at an address of the server, `path` from its root."""
        return (await (await self._door()).ask("GET", path, pairs=pairs)).document()

    async def post(self, path: str, body: object) -> Any:
        """Send a document with POST; return what comes back, None where that is nothing."""
        return await self._write("POST", path, body)

    async def put(self, path: str, body: object) -> Any:
        """Send a document with PUT, which TrailBase's own records do not know."""
        return await self._write("PUT", path, body)

    async def patch(self, path: str, body: object) -> Any:
        """Send changes with PATCH."""
        return await self._write("PATCH", path, body)

    async def delete(self, path: str) -> Any:
        """Take away what is at an address."""
        return await self._write("DELETE", path, None)

    # Entities.

    async def sync_entity(
        self, entity: Entity, *, team_id: str | None = None
    ) -> SyncResult[Entity]:
        """Bring one entity to the server: made where it has no remote id, else changed.

        What the server has meanwhile is merged by the entity's own `merge_with`. The entity learns
        its remote id; `SyncResult.entity` is what stands on the server.
        """
        server = await self.server()
        try:
            remote = await self._sync(server, entity, team_id)
        except ConflictError as error:
            return SyncResult(SyncState.CONFLICT, entity, error)
        except TeamError as error:
            return SyncResult(SyncState.FAILED, entity, error)
        entity.set_remote_id(remote.remote_id)
        return SyncResult(SyncState.SUCCESS, _entity_of(entity, remote))

    async def delete_entity(
        self, entity: SyncableEntity, *, erase: bool = False, team_id: str | None = None
    ) -> None:
        """Delete what an entity is on the server; `erase` leaves nothing of its content there.

        Raises:
            NotFoundError: it was never there.
        """
        if entity.remote_id is None:
            raise NotFoundError("this entity was never on the server")
        server = await self.server()
        version = 0
        if server.capabilities.versions:
            version = (await server.get(entity.entity_type(), entity.remote_id)).version
        await server.send(_sending(entity, team_id, SyncOperationType.DELETE, {}, version, erase))

    async def sync_queue(self, queue: SyncQueue) -> Round:
        """Send what waits in a queue, and pull what changed, in the name of who is logged in.

        What was queued before anybody had connected becomes theirs. What did not go is in the
        outcome, and waits on.

        Raises:
            AuthError: nobody is logged in.
            ValidationError: the queue is another account's.
        """
        from clew.team.syncing.program import sync_queue

        return await sync_queue(self, queue)

    async def teams(self) -> list[Team]:
        """Return the teams that we belong to, by name."""
        return await membership.read_teams(await self.server())

    async def members(self, team_id: str) -> list[Member]:
        """Return who is in a team: owners, admins, then who joined first."""
        return await membership.read_members(await self.server(), team_id)

    async def activity(self, team_id: str) -> membership.Activity:
        """Return what a team did, by the sessions shared with it."""
        return await membership.read_activity(await self.server(), team_id)

    async def _sync(
        self, server: RecordsServer | DocumentedServer, entity: Entity, team_id: str | None
    ) -> Remote:
        entity.validate()
        document: Mapping[str, Any] = encode_entity(entity)
        if entity.remote_id is None:
            sending = _sending(entity, team_id, SyncOperationType.CREATE, document, 0)
            if server.capabilities.versions:
                sending = replace(sending, remote_id=_made_id(entity))
            return await server.send(sending)
        version = 0
        if server.capabilities.versions:
            before = await server.get(entity.entity_type(), entity.remote_id)
            if before.deleted:
                raise ConflictError("the server's version was deleted")
            version = before.version
            merged = entity.merge_with(_entity_of(entity, before))
            document = update_document(merged, before.document)
            if document == before.document:
                return before
        change = _sending(entity, team_id, SyncOperationType.UPDATE, document, version)
        return await server.send(change)

    async def _write(self, method: str, path: str, body: object) -> Any:
        reply = await (await self._door()).ask(method, path, body=body)
        is_json = "json" in reply.headers.get("content-type", "")
        return reply.document() if is_json and reply.body else None

    async def _door(self) -> Door:
        await self.api()  # Where a session is renewed depends on it.
        return Door(self.transport, self.session)

    async def _own_auth(self) -> RecordsAuth:
        await self.api()
        if isinstance(self.session.auth, RecordsAuth):
            return self.session.auth
        raise SyncError("this team's server does not speak TrailBase's own API")


def _credentials(given: Credentials | Mapping[str, str]) -> Credentials:
    if isinstance(given, Credentials):
        return given
    try:
        return Credentials(given["email"], given["password"], given.get("totp"))
    except KeyError as error:
        raise ValidationError("credentials are an email and a password") from error


def _authentication(tokens: Tokens) -> Authentication:
    left = None if tokens.expires_at is None else (tokens.expires_at - time.time_ns()) / 1e9
    return Authentication(tokens.user_id, tokens.email, left, tokens)


def _sending(
    entity: SyncableEntity,
    team_id: str | None,
    operation: SyncOperationType,
    document: Mapping[str, Any],
    version: int,
    erase: bool = False,
) -> Sending:
    own_team = getattr(entity, "team_id", None)
    return Sending(
        op_id=new_uuid(time.time_ns()),
        entity_type=entity.entity_type(),
        remote_id=entity.remote_id or entity.local_id,
        team_id=team_id or (own_team if isinstance(own_team, str) else ""),
        operation=operation,
        document=document,
        version=version,
        erase=erase,
    )


def _made_id(entity: SyncableEntity) -> str:
    """Return the id that an entity gets: its own, where it is a UUID of version 7, else a new one.

    Clew's tables take no other: ids that begin with the time keep the newest rows together.
    """
    try:
        if UUID(entity.local_id).version == 7:
            return uuid_of(entity.local_id)
    except ValueError:
        return new_uuid(time.time_ns())
    return new_uuid(time.time_ns())


def _entity_of(entity: Entity, remote: Remote) -> Entity:
    """Return an entity as the server has it; what the server left out is as it was here."""
    document = {**encode_entity(entity), **remote.document}
    found = decode_entity(
        type(entity), document, local_id=entity.local_id, remote_id=remote.remote_id
    )
    found.set_remote_id(remote.remote_id)  # Kinds may have more to say to this.
    return found
