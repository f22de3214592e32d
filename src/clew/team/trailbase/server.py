"""`TeamServer` on a real TrailBase server that is set up for clew (`deploy/trailbase`).

What is hard here is to learn what became of a change. The server says 403 both to whoever may not
and to whoever was overtaken, and 500 to whatever the database refused; an answer may get lost. So a
refusal is looked at: the record is read, and by its `op_id` and `version` it is ours, somebody
else's, or as it was. A create carries its own id, so it cannot happen twice. Light install.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from clew.team.errors import (
    AuthError,
    ConflictError,
    DeniedError,
    NetworkError,
    NotFoundError,
    RateLimitError,
    ServerError,
    SyncError,
    TeamError,
)
from clew.team.merging.operation import SyncOperationType
from clew.team.trailbase import layout
from clew.team.trailbase.answers import AnswerTooLargeError
from clew.team.trailbase.contract import BATCH_MAX, PAGE_MAX, Capabilities, Page
from clew.team.trailbase.events import listen
from clew.team.trailbase.filters import Either, Op, Where
from clew.team.trailbase.records import Door, RecordApi, execute

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence

    from clew.team.trailbase.contract import Hint, Remote, Sending
    from clew.team.trailbase.session import Session
    from clew.team.trailbase.transport import Transport

INFO_S: Final = 10 * 60.0
"""How long what the server says of its tombstones is taken for true: they are kept for months."""


class RecordsServer:
    """A team's server behind TrailBase's API of records."""

    def __init__(self, transport: Transport, session: Session) -> None:
        self.door: Final = Door(transport, session)
        self._batches = True
        self._purged: tuple[float, int] | None = None

    @property
    def capabilities(self) -> Capabilities:
        """What it can do; `batches` turns false when the server has them switched off."""
        return Capabilities(
            api="trailbase", versions=True, sequence=True, batches=self._batches, live=True
        )

    @property
    def clock_offset_ns(self) -> int:
        """See `TeamServer`. Good to half a second at first, to milliseconds after some answers."""
        return self.door.transport.clock_offset_ns

    def api(self, name: str) -> RecordApi:
        """Return one API of records, to be asked directly."""
        return RecordApi(self.door, name)

    async def send(self, sending: Sending) -> Remote:
        """See `TeamServer`."""
        api = self._api_of(sending.entity_type)
        try:
            if sending.operation is SyncOperationType.CREATE:
                await api.create(layout.created(sending, self._owner()))
            else:
                await api.update(sending.remote_id, _changes(sending))
        except (ConflictError, DeniedError, NotFoundError) as error:
            return await self._what_became(sending, error)
        except ServerError as error:
            # Any other 5xx is a server that is not well, and is not asked still more.
            if error.status != 500:
                raise
            return await self._what_became(sending, error)
        try:
            return await self.get(sending.entity_type, sending.remote_id)
        except (AuthError, RateLimitError) as error:
            raise _unread(error) from error

    async def send_all(self, sendings: Sequence[Sending]) -> list[Remote | Exception]:
        """See `TeamServer`."""
        if len(sendings) > BATCH_MAX:
            raise ValueError(f"more than {BATCH_MAX} operations at once")
        is_doubtful = False
        if len(sendings) > 1 and self._batches:
            try:
                await execute(self.door, [self._operation(each) for each in sendings])
            except (AuthError, NetworkError, RateLimitError) as error:
                return [error] * len(sendings)
            except (SyncError, NotFoundError) as error:
                # Switched off. Anything else that was refused is found among the single ones.
                self._batches = error.status not in {404, 405}
            except TeamError as error:
                if error.status is not None and error.status > 500:
                    return [error] * len(sendings)
                # Where a proxy sent it twice, this is the answer to the second time.
                is_doubtful = error.status == 500
            else:
                return await self._read_back(sendings)
        return await self._send_each(sendings, is_doubtful=is_doubtful)

    async def get(self, entity_type: str, remote_id: str) -> Remote:
        """See `TeamServer`."""
        try:
            record = await self._api_of(entity_type).get(remote_id)
        except DeniedError as error:
            # By the rule of reading: it is not there, or not for us. The two look the same.
            raise NotFoundError(
                f"{self.door.transport.host} has no such record for us", status=error.status
            ) from error
        return layout.remote_of(entity_type, record)

    async def changes(self, entity_type: str, team_id: str, since: int) -> Page:
        """See `TeamServer`. An empty `team_id` asks for all teams that we belong to."""
        filters = [Where("server_seq", Op.GT, since)]
        if team_id:
            column = "id" if entity_type == "teams" else "team_id"
            filters.append(Where(column, Op.EQ, layout.filter_id(team_id)))
        if entity_type not in layout.TABLES:
            filters.append(Where("entity_type", Op.EQ, entity_type))
        purged = await self._purged_seq()
        api, limit = self._api_of(entity_type), PAGE_MAX
        while True:
            try:
                found = await api.list(*filters, order=["server_seq"], limit=limit)
                break
            except AnswerTooLargeError:
                # Somebody shared much. Fewer are asked for, or this place is never passed.
                limit //= 4
                if not limit:
                    raise
        records = tuple(layout.remote_of(entity_type, each) for each in found.records)
        numbers = [since, *(each.seq for each in records)]
        if numbers != sorted(set(numbers)):
            raise SyncError("the server's changes are not in the order of their numbers")
        return Page(records, has_more=len(records) >= limit, purged_seq=purged)

    def hints(self, entity_types: Sequence[str]) -> AsyncGenerator[Hint, None]:
        """See `TeamServer`."""
        return listen(self.door, entity_types)

    async def check(self) -> None:
        """See `TeamServer`."""
        await self.door.transport.ask("GET", "/api/healthcheck")

    async def close(self) -> None:
        """See `TeamServer`."""
        await self.door.transport.close()

    def _api_of(self, entity_type: str) -> RecordApi:
        return self.api(layout.api_of(entity_type))

    def _owner(self) -> str:
        user_id = self.door.session.user_id
        if user_id is None:
            raise AuthError("the server did not say who we are", hint="clew team connect")
        return user_id

    def _operation(self, sending: Sending) -> Mapping[str, Any]:
        api = layout.api_of(sending.entity_type)
        if sending.operation is SyncOperationType.CREATE:
            return {"Create": {"api_name": api, "value": layout.created(sending, self._owner())}}
        change = {"api_name": api, "record_id": sending.remote_id, "value": _changes(sending)}
        return {"Update": change}

    async def _what_became(self, sending: Sending, refused: TeamError) -> Remote:
        """Read what a refused operation was about, and say whether it had been carried out before.

        Raises:
            ConflictError: the record is of another version.
            TeamError: `refused`, where it meant what it said.
        """
        try:
            found = await self.get(sending.entity_type, sending.remote_id)
        except NotFoundError:
            # Of a record that we may not see, a refusal is all that can be said; one that was
            # refused as a double of something else stays that.
            raise refused from None
        except (AuthError, RateLimitError) as error:
            # A proxy may have sent it twice, and the refusal be that of the second time.
            raise _unread(error) from error
        if found.op_id == sending.op_id:
            return found
        if sending.operation is SyncOperationType.DELETE and (
            found.erased or (found.deleted and not sending.erase)
        ):
            return found  # Somebody else did: both wanted the same.
        if sending.operation is SyncOperationType.CREATE or found.version != sending.version:
            raise ConflictError(
                f"the record at {self.door.transport.host} has changed", status=refused.status
            ) from refused
        raise refused

    async def _send_each(
        self, sendings: Sequence[Sending], *, is_doubtful: bool
    ) -> list[Remote | Exception]:
        """Send one by one. `is_doubtful` says that they may have been carried out together."""
        outcomes: list[Remote | Exception] = []
        for sending in sendings:
            try:
                outcomes.append(await self.send(sending))
            except (AuthError, NetworkError, RateLimitError) as error:
                # What stopped this one stops all; the rest is not even tried, which would cost a
                # connection's time each.
                untried = len(sendings) - len(outcomes) - 1
                if is_doubtful:
                    return [*outcomes, *([_unread(error)] * (untried + 1))]
                return [*outcomes, error, *([_untried(error)] * untried)]
            except TeamError as error:
                outcomes.append(error)
        return outcomes

    async def _read_back(self, sendings: Sequence[Sending]) -> list[Remote | Exception]:
        """Return what a transaction made, read in one question for each API."""
        found: dict[str, Remote] = {}
        try:
            for api in dict.fromkeys(layout.api_of(each.entity_type) for each in sendings):
                found |= await self._read_many(
                    api, [each for each in sendings if layout.api_of(each.entity_type) == api]
                )
        except (AuthError, RateLimitError) as error:
            return [_unread(error)] * len(sendings)
        except TeamError as error:
            return [error] * len(sendings)
        return [
            found.get(each.remote_id)
            or NotFoundError(f"{self.door.transport.host} has a record that it does not show us")
            for each in sendings
        ]

    async def _read_many(self, api: str, sendings: Sequence[Sending]) -> dict[str, Remote]:
        types = {each.remote_id: each.entity_type for each in sendings}
        ids = tuple(Where("id", Op.EQ, layout.filter_id(each)) for each in types)
        try:
            records = (await self.api(api).list(Either(ids), limit=len(ids))).records
        except AnswerTooLargeError:
            middle = len(sendings) // 2
            if not middle:
                raise
            first = await self._read_many(api, sendings[:middle])
            return first | await self._read_many(api, sendings[middle:])
        remotes = [layout.remote_of(_type_of(api, each), each) for each in records]
        return {each.remote_id: each for each in remotes}

    async def _purged_seq(self) -> int:
        now = time.monotonic()
        if self._purged is None or now - self._purged[0] >= INFO_S:
            info = await self.api("clew_info").get(1)
            number = info.get("purged_seq")
            self._purged = (now, number if isinstance(number, int) else 0)
        return self._purged[1]


def _changes(sending: Sending) -> dict[str, Any]:
    if sending.operation is SyncOperationType.DELETE:
        return layout.buried(sending)
    return layout.changed(sending)


def _untried(error: TeamError) -> TeamError:
    """Return the error of an operation that was not sent because another one met `error`."""
    if isinstance(error, NetworkError):
        return NetworkError(str(error), hint=error.hint, may_have_happened=False)
    return error


def _unread(error: TeamError) -> TeamError:
    """Return the error of what was, or may have been, carried out and could not be read back.

    Whoever is refused was not heard, and may change what they asked for. This may have been.
    """
    return NetworkError(f"what became of it could not be read: {error.message}")


def _type_of(api: str, record: Mapping[str, Any]) -> str:
    """Return which kind a record is of: several share one table."""
    if api == layout.ANY_API:
        return str(record.get("entity_type"))
    return next(name for name, table in layout.TABLES.items() if table.api == api)
