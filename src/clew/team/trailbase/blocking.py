"""`TrailBaseClient`: the client of a team's server for programs without an event loop.

It has a thread with a loop of its own, in which an `AsyncTrailBaseClient` lives; every call waits
for what it does there. So it may be called from any number of threads, and a session that ends soon
is renewed once for all of them. Light install.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any, TypeVar

from clew.team.entities.entity import SyncableEntity
from clew.team.errors import NetworkError
from clew.team.trailbase.client import AsyncTrailBaseClient, Authentication, SyncResult

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Coroutine, Mapping
    from types import TracebackType

    from clew.team.entities.member import Member
    from clew.team.entities.team import Team
    from clew.team.ledger.rows import Round
    from clew.team.ledger.syncqueue import SyncQueue
    from clew.team.trailbase.login import Credentials
    from clew.team.trailbase.membership import Activity
    from clew.team.trailbase.probe import Api
    from clew.team.trailbase.tokens import Tokens
    from clew.team.trailbase.transport import Pairs

Entity = TypeVar("Entity", bound=SyncableEntity)
Result = TypeVar("Result")


class TrailBaseClient:
    """A client of one team's server, in the name of one account; see `AsyncTrailBaseClient`.

    It is used so::

        with TrailBaseClient("https://team.example.com") as client:
            client.authenticate({"email": "ann@example.com", "password": password})
            result = client.sync_entity(shared_session)
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
        self._client = AsyncTrailBaseClient(
            url, tokens=tokens, api=api, on_tokens=on_tokens, tls=tls
        )
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._client.transport.url!r})"

    def __enter__(self) -> TrailBaseClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections and the thread. The next call begins anew."""
        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is not None and thread is not None:
            asyncio.run_coroutine_threadsafe(self._end(), loop).result()
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    def authenticate(self, credentials: Credentials | Mapping[str, str]) -> Authentication:
        """See `AsyncTrailBaseClient.authenticate`."""
        return self._wait(self._client.authenticate(credentials))

    def login_mfa(self, mfa_token: str, totp: str) -> Authentication:
        """See `AsyncTrailBaseClient.login_mfa`."""
        return self._wait(self._client.login_mfa(mfa_token, totp))

    def request_otp(self, email: str) -> None:
        """See `AsyncTrailBaseClient.request_otp`."""
        self._wait(self._client.request_otp(email))

    def login_otp(self, email: str, code: str) -> Authentication:
        """See `AsyncTrailBaseClient.login_otp`."""
        return self._wait(self._client.login_otp(email, code))

    def register(self, credentials: Credentials | Mapping[str, str]) -> Authentication | None:
        """See `AsyncTrailBaseClient.register`."""
        return self._wait(self._client.register(credentials))

    def refresh(self) -> None:
        """See `AsyncTrailBaseClient.refresh`."""
        self._wait(self._client.refresh())

    def status(self) -> Authentication | None:
        """See `AsyncTrailBaseClient.status`."""
        return self._wait(self._client.status())

    def logout(self) -> None:
        """See `AsyncTrailBaseClient.logout`."""
        self._wait(self._client.logout())

    def set_api_key(self, key: str) -> None:
        """See `AsyncTrailBaseClient.set_api_key`."""
        self._client.set_api_key(key)

    def clear_api_key(self) -> None:
        """See `AsyncTrailBaseClient.clear_api_key`."""
        self._client.clear_api_key()

    @property
    def is_authenticated(self) -> bool:
        """See `AsyncTrailBaseClient.is_authenticated`."""
        return self._client.is_authenticated

    def get(self, path: str, pairs: Pairs | None = None) -> Any:
        """See `AsyncTrailBaseClient.get`."""
        return self._wait(self._client.get(path, pairs))

    def post(self, path: str, body: object) -> Any:
        """See `AsyncTrailBaseClient.post`."""
        return self._wait(self._client.post(path, body))

    def put(self, path: str, body: object) -> Any:
        """See `AsyncTrailBaseClient.put`."""
        return self._wait(self._client.put(path, body))

    def patch(self, path: str, body: object) -> Any:
        """See `AsyncTrailBaseClient.patch`."""
        return self._wait(self._client.patch(path, body))

    def delete(self, path: str) -> Any:
        """See `AsyncTrailBaseClient.delete`."""
        return self._wait(self._client.delete(path))

    def sync_entity(self, entity: Entity, *, team_id: str | None = None) -> SyncResult[Entity]:
        """See `AsyncTrailBaseClient.sync_entity`."""
        return self._wait(self._client.sync_entity(entity, team_id=team_id))

    def delete_entity(
        self, entity: SyncableEntity, *, erase: bool = False, team_id: str | None = None
    ) -> None:
        """See `AsyncTrailBaseClient.delete_entity`."""
        self._wait(self._client.delete_entity(entity, erase=erase, team_id=team_id))

    def sync_queue(self, queue: SyncQueue) -> Round:
        """See `AsyncTrailBaseClient.sync_queue`."""
        return self._wait(self._client.sync_queue(queue))

    def teams(self) -> list[Team]:
        """See `AsyncTrailBaseClient.teams`."""
        return self._wait(self._client.teams())

    def members(self, team_id: str) -> list[Member]:
        """See `AsyncTrailBaseClient.members`."""
        return self._wait(self._client.members(team_id))

    def activity(self, team_id: str) -> Activity:
        """See `AsyncTrailBaseClient.activity`."""
        return self._wait(self._client.activity(team_id))

    def _wait(self, work: Coroutine[Any, Any, Result]) -> Result:
        future = asyncio.run_coroutine_threadsafe(work, self._running_loop())
        try:
            return future.result()
        except CancelledError:
            raise NetworkError("the client was closed while it waited") from None
        except KeyboardInterrupt:
            future.cancel()
            raise

    async def _end(self) -> None:
        # Whoever still waits in another thread must not wait for ever.
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._client.close()

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                loop = asyncio.new_event_loop()
                # A daemon: a program that forgets to close must still be able to end.
                thread = threading.Thread(target=loop.run_forever, name="clew-team", daemon=True)
                thread.start()
                self._loop, self._thread = loop, thread
            return self._loop
