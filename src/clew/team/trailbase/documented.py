"""`TeamServer` on the API as the integration documents it: one address for each kind of entity.

It has neither versions nor numbers nor tombstones. Changes are asked for by time, and nothing keeps
a create whose answer was lost from happening twice but the key that is sent with it, for servers
that look at it. A change that meets a newer one overwrites it, but where the server says 409.
Light install.
"""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from clew.base.errors import ClewError
from clew.base.times import NS_PER_S, NS_PER_US, parse_time
from clew.team.errors import (
    AuthError,
    NetworkError,
    NotFoundError,
    RateLimitError,
    SyncError,
    TeamError,
    ValidationError,
)
from clew.team.merging.operation import SyncOperationType
from clew.team.trailbase.contract import BATCH_MAX, Capabilities, Page, Remote
from clew.team.trailbase.filters import checked_column

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence

    from clew.team.trailbase.answers import Reply
    from clew.team.trailbase.contract import Hint, Sending
    from clew.team.trailbase.session import Session
    from clew.team.trailbase.transport import Pairs, Transport

LISTS: Final = {"members": "/api/team/members"}
"""Kinds that are listed elsewhere than they are written; all others are at ``/api/{type}``."""

ACTIVITY: Final = "/api/team/activity"

RECORDS_MAX: Final = 50_000
"""Of one list, which comes as a whole: past this it is no team's."""

LIST_BYTES_MAX: Final = 64 * 1024 * 1024
"""Of one such list: it cannot be asked for in parts."""

OVERLAP_NS: Final = 2 * NS_PER_S
"""How much earlier than the last change is asked from: times of documents have whole milliseconds
at best, and two machines' clocks do not agree to more than about this."""

_IDENTITY: Final = frozenset({"id", "local_id", "remote_id"})


class DocumentedServer:
    """A team's server behind the documented API."""

    def __init__(self, transport: Transport, session: Session) -> None:
        self.transport: Final = transport
        self.session: Final = session

    @property
    def capabilities(self) -> Capabilities:
        """What it can do, which is little."""
        return Capabilities(
            api="documented", versions=False, sequence=False, batches=False, live=False
        )

    @property
    def clock_offset_ns(self) -> int:
        """See `TeamServer`."""
        return self.transport.clock_offset_ns

    async def ask(
        self,
        method: str,
        path: str,
        *,
        pairs: Pairs | None = None,
        body: object = None,
        key: str | None = None,
        bytes_max: int | None = None,
    ) -> Reply:
        """Ask as who we are; once more after a 401, with a bearer that is renewed."""
        headers = await self.session.headers(self.transport)
        own = {"idempotency-key": key} if key else {}
        try:
            return await self.transport.ask(
                method,
                path,
                pairs=pairs,
                body=body,
                headers={**headers, **own},
                bytes_max=bytes_max,
            )
        except AuthError:
            if not await self.session.doubt(self.transport, headers):
                raise
        headers = await self.session.headers(self.transport)
        return await self.transport.ask(
            method,
            path,
            pairs=pairs,
            body=body,
            headers={**headers, **own},
            bytes_max=bytes_max,
        )

    async def send(self, sending: Sending) -> Remote:
        """See `TeamServer`. The server may give a create an id of its own."""
        path = _path(sending.entity_type)
        one = f"{path}/{quote(sending.remote_id, safe='')}"
        match sending.operation:
            case SyncOperationType.CREATE:
                body = {**sending.document, "local_id": sending.remote_id, "remote_id": None}
                reply = await self.ask("POST", path, body=body, key=sending.op_id)
            case SyncOperationType.UPDATE:
                body = {**sending.document, "remote_id": sending.remote_id}
                reply = await self.ask("PUT", one, body=body, key=sending.op_id)
            case SyncOperationType.DELETE:
                return await self._delete(one, sending)
        return self._remote(reply.document(), op_id=sending.op_id)

    async def send_all(self, sendings: Sequence[Sending]) -> list[Remote | Exception]:
        """See `TeamServer`: one by one, until one of them finds nobody there."""
        if len(sendings) > BATCH_MAX:
            raise ValueError(f"more than {BATCH_MAX} operations at once")
        outcomes: list[Remote | Exception] = []
        for sending in sendings:
            try:
                outcomes.append(await self.send(sending))
            except (AuthError, NetworkError, RateLimitError) as error:
                rest: TeamError = error
                if isinstance(error, NetworkError):
                    rest = NetworkError(str(error), hint=error.hint, may_have_happened=False)
                return [*outcomes, error, *([rest] * (len(sendings) - len(outcomes) - 1))]
            except TeamError as error:
                outcomes.append(error)
        return outcomes

    async def get(self, entity_type: str, remote_id: str) -> Remote:
        """See `TeamServer`. Looked for in the list where a record has no address of its own."""
        path = f"{_path(entity_type)}/{quote(remote_id, safe='')}"
        try:
            return self._remote((await self.ask("GET", path)).document())
        except (NotFoundError, SyncError):
            for each in (await self.changes(entity_type, "", 0)).records:
                # A create whose answer was lost is known by the id that it was sent with.
                if remote_id in (each.remote_id, each.document.get("local_id")):
                    return each
            raise NotFoundError(f"{self.transport.host} has no such record") from None

    async def changes(self, entity_type: str, team_id: str, since: int) -> Page:
        """See `TeamServer`. The page is whole, and may hold what was there before."""
        pairs = [("since", _rfc3339(max(since - OVERLAP_NS, 0)))] if since else []
        path = LISTS.get(entity_type, _path(entity_type))
        reply = await self.ask("GET", path, pairs=pairs, bytes_max=LIST_BYTES_MAX)
        document = reply.document()
        if isinstance(document, dict):
            document = document.get(entity_type, document.get("records"))
        if not isinstance(document, list) or len(document) > RECORDS_MAX:
            raise SyncError(f"{self.transport.host} answered with something that is no list")
        remotes = [self._remote(each) for each in document]
        ours = (each for each in remotes if team_id in ("", each.document.get("team_id", team_id)))
        return Page(tuple(sorted(ours, key=lambda each: each.updated_at)), has_more=False)

    async def hints(self, entity_types: Sequence[str]) -> AsyncGenerator[Hint, None]:
        """See `TeamServer`.

        Raises:
            SyncError: always: this API tells nothing by itself.
        """
        raise SyncError(
            "this team's server tells of nothing by itself", hint="changes are asked for instead"
        )
        yield  # What makes this a generator.

    async def check(self) -> None:
        """See `TeamServer`."""
        await self.ask("GET", "/api/teams")

    async def close(self) -> None:
        """See `TeamServer`."""
        await self.transport.close()

    async def _delete(self, path: str, sending: Sending) -> Remote:
        with suppress(NotFoundError):  # It is gone, whoever did it.
            await self.ask("DELETE", path, key=sending.op_id)
        now = time.time_ns() + self.clock_offset_ns
        return Remote(sending.remote_id, {}, 0, 0, now, sending.op_id, deleted=True, erased=True)

    def _remote(self, document: object, *, op_id: str | None = None) -> Remote:
        if not isinstance(document, dict):
            raise SyncError(f"{self.transport.host} answered with something that is no entity")
        remote_id = document.get("remote_id") or document.get("id")
        if not isinstance(remote_id, str) or not remote_id or len(remote_id) > 256:
            raise SyncError(f"{self.transport.host} answered with an entity that has no remote_id")
        own = {name: value for name, value in document.items() if name not in _IDENTITY}
        if isinstance(document.get("local_id"), str):
            own["local_id"] = document["local_id"]
        return Remote(
            remote_id=remote_id,
            document=own,
            version=0,
            seq=0,
            updated_at=self._changed_at(document),
            op_id=op_id,
            deleted=bool(document.get("deleted") or document.get("deleted_at")),
        )

    def _changed_at(self, document: Mapping[str, Any]) -> int:
        # Times of documents are those of somebody's machine. One ahead of the server's clock would
        # be asked on from, and hide what others change until then.
        now = time.time_ns() + self.clock_offset_ns
        for name in ("updated_at", "last_modified"):
            text = document.get(name)
            if isinstance(text, str):
                try:
                    return min(parse_time(text, now=0), now)
                except ClewError as error:
                    raise SyncError(f"{self.transport.host} has a time that is none") from error
        return now


def _path(entity_type: str) -> str:
    try:
        return f"/api/{checked_column(entity_type)}"
    except ValidationError:
        raise ValidationError(f"not a type of entity: {entity_type[:64]!r}") from None


def _rfc3339(at: int) -> str:
    moment = datetime.fromtimestamp(at // NS_PER_S, UTC)
    # With Z and never +00:00: read carelessly, a plus in an address is a blank.
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{at % NS_PER_S // NS_PER_US:06d}Z"
