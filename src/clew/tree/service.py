"""The one service of the tree: what is read, from the registry; what is done, by the keeper."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

import msgspec

from clew.access.authority import decide
from clew.access.caller import ROLE_NAMES, Verb
from clew.access.role_refs import check_subject, verbs_of
from clew.base.errors import ClewError, ErrorCode
from clew.base.ids import new_uuid, parse_uuid
from clew.base.times import NS_PER_MS, format_time, parse_time
from clew.tree import documents as doc
from clew.tree.descriptions import describe_apps
from clew.tree.frames.codec import DEPTH_MAX, depth_exceeds, parse
from clew.tree.frames.fields import CORRELATION_CHARS_MAX
from clew.tree.frames.info import InlineGrant, TrailsConfig, new_join_token
from clew.tree.lookups import Lookups
from clew.tree.machine import events
from clew.tree.machine.outcomes import Issued, Scheduled, Unscheduled
from clew.tree.parameters import ANNOTATION_BYTES_MAX
from clew.tree.registry.questions import get_apps
from clew.tree.sight import Sight
from clew.tree.watch.feed import WatchFeed
from clew.tree.watch.filter import WatchFilter

if TYPE_CHECKING:
    from collections.abc import Callable

    from clew.access.caller import Caller
    from clew.access.registry import AccessRegistry
    from clew.store.database.contract import Database, Reading
    from clew.tree import parameters as ask
    from clew.tree.contract import Endpoint
    from clew.tree.keeper.keeper import TreeKeeper
    from clew.tree.machine.app import App
    from clew.tree.machine.outcomes import Outcome

READ_THREADS: Final = 2
"""Threads that read what an answer tells after a write, and what watchers missed. They are this
service's own: whatever else the server is asked, a cancel is answered."""

WAIT_S_MAX: Final = 600.0
"""How long one request may wait for an end; who wants more asks again, or watches."""

PAYLOAD_BYTES_MAX: Final = 192 << 10
"""Of a command: it travels in a frame, which has 256 KiB."""

_UNHELD: Final = frozenset({Verb.MESSAGE, Verb.INGEST})
"""What a grant on an app gives nobody: only the app itself speaks for itself."""


class TreeService(Lookups):
    """`clew.tree.contract.Tree` over a registry and its keeper. `now` gives Unix nanoseconds."""

    def __init__(
        self,
        database: Database,
        keeper: TreeKeeper,
        access: AccessRegistry,
        now: Callable[[], int] = time.time_ns,
    ) -> None:
        sight = Sight(access)
        super().__init__(database, sight, now)
        self._keeper = keeper
        self._access = access
        self._readers = ThreadPoolExecutor(READ_THREADS, thread_name_prefix="clew-tree-read")

    def close(self) -> None:
        """Let the threads go; idempotent."""
        self._readers.shutdown(wait=False, cancel_futures=True)

    async def schedule(
        self, caller: Caller, child: ask.NewChild, endpoint: Endpoint | None
    ) -> doc.ChildScheduled:
        """Announce a child; durable when this returns."""
        now = self._now()
        for name, value in (("tags", child.tags), ("originator", child.originator)):
            _check_annotation(name, value)
        app_id = new_uuid(now) if child.app_id is None else parse_uuid(child.app_id)
        parent_id = None if child.parent_id is None else parse_uuid(child.parent_id)
        grants = [self._read_grant(each, now) for each in child.grants]
        if grants:
            await self._check_grants(caller, parent_id, child)
        outcome = await self._keeper.ask(
            events.Schedule(
                ticket=0,
                caller=caller,
                app_id=app_id,
                parent_id=parent_id,
                app_name=child.app_name,
                tier=child.sec_level,
                token=child.join_token or new_join_token(),
                start_deadline_s=child.start_deadline,
                resume_window_ms=child.resume_window_ms,
                orphans=child.orphans,
                role_refs=child.role_refs,
                originator=child.originator,
                tags=child.tags,
            )
        )
        assert isinstance(outcome, Scheduled)
        await self._grant(caller, app_id, grants)
        return doc.ChildScheduled(
            app=await self._describe(outcome.app),
            created=outcome.is_new,
            join_token=outcome.token,
            trails_info=_trails_info(outcome, endpoint, grants),
        )

    async def unschedule(self, caller: Caller, app_id: str) -> doc.ChildCancelled:
        """Take back a child that has not started."""
        event = events.Unschedule(ticket=0, caller=caller, app_id=parse_uuid(app_id))
        outcome = await self._keeper.ask(event)
        assert isinstance(outcome, Unscheduled)
        return doc.ChildCancelled(app=await self._describe(outcome.app))

    async def command(
        self, caller: Caller, app_id: str, command: ask.NewCommand, wait_s: float
    ) -> doc.Command:
        """Give a command, and wait for its end if wished."""
        now = self._now()
        payload = bytes(command.payload)
        if len(payload) > PAYLOAD_BYTES_MAX:
            raise ClewError(
                ErrorCode.TOO_LARGE,
                f"the payload is larger than {PAYLOAD_BYTES_MAX} bytes",
                hint="put what is large into a file and its name into the payload",
            )
        _check_payload(payload)
        event = events.Command(
            ticket=0,
            caller=caller,
            correlation_id=read_correlation_id(command.correlation_id, now),
            app_id=parse_uuid(app_id),
            action=command.action,
            payload=payload,
            ttl_ms=command.ttl_ms,
            cascade=command.cascade,
            name_filter=command.name_filter,
            status_filter=command.status_filter,
        )
        outcome = await self._issue(event, caller, wait_s)
        if outcome.targets:
            told: doc.Command = await self._read(
                lambda: self.get_command(caller, event.correlation_id)
            )
            return told
        return doc.Command(
            correlation_id=event.correlation_id,
            kind="command",
            action=command.action,
            app_id=event.app_id,
            over=True,
            cascade=command.cascade,
            requested_by=caller.name,
            payload=command.payload,
            created_at=format_time(now),
            expires_at=format_time(now + command.ttl_ms * NS_PER_MS),
            targets=[],
        )

    async def cancel(
        self,
        caller: Caller,
        app_id: str,
        asked: ask.CancelParameters,
        wait_s: float,
        correlation_id: str | None = None,
    ) -> doc.Cancelled:
        """Cancel an app, and wait for the end if wished."""
        event = events.Cancel(
            ticket=0,
            caller=caller,
            correlation_id=read_correlation_id(correlation_id, self._now()),
            app_id=parse_uuid(app_id),
            reason=asked.reason,
            cascade=asked.cascade,
            grace_ms=asked.grace_ms,
            kill_after_ms=asked.kill_after_ms,
            include_detached=asked.include_detached,
        )
        await self._issue(event, caller, wait_s)
        told: doc.Cancelled = await self._read(
            lambda: self.get_cancel(caller, event.correlation_id)
        )
        return told

    async def watch(self, caller: Caller, asked: ask.WatchParameters) -> WatchFeed:
        """Open a feed of what happens."""
        selection = WatchFilter(caller, asked, self._sight, self._keeper)
        await self._read(lambda: self._database.read(selection.check))
        return await WatchFeed.open(
            self._keeper.hub, self._database, selection, after=asked.after, read=self._read
        )

    async def _issue(
        self, event: events.Command | events.Cancel, caller: Caller, wait_s: float
    ) -> Issued:
        """Have an order kept, and wait for its end; it is durable however the waiting ends."""
        outcome = await self._keeper.ask(event)
        assert isinstance(outcome, Issued)
        if outcome.is_over or wait_s <= 0:
            return outcome
        waiting = events.Await(ticket=0, caller=caller, correlation_id=event.correlation_id)
        over: Outcome = outcome
        try:
            async with asyncio.timeout(min(wait_s, WAIT_S_MAX)):
                over = await self._keeper.ask(waiting)
        except (TimeoutError, ClewError):
            # Not over yet, or nobody can tell at present: what was asked is kept all the same.
            return outcome
        assert isinstance(over, Issued)
        return over

    async def _check_grants(
        self, caller: Caller, parent_id: str | None, child: ask.NewChild
    ) -> None:
        """Raise unless the caller has itself what it wants to give to others.

        Raises:
            ClewError: FORBIDDEN; NOT_FOUND for a parent that the caller does not see.
        """
        wanted = frozenset[Verb]().union(
            *(ROLE_NAMES[role] for grant in child.grants for role in grant.roles)
        )

        def held(reading: Reading) -> bool:
            if parent_id is None:
                return all(decide(caller, verb, ()).is_allowed for verb in wanted - _UNHELD)
            parent = self._sight.require(reading, caller, parent_id)
            ancestors = get_apps(reading, parent.path)
            # The child will be below its parent, so whoever is the parent stands above it.
            below = (*parent.path, "")
            return all(
                decide(caller, verb, below).is_allowed
                or self._sight.decide(caller, verb, parent, ancestors).is_allowed
                for verb in wanted - _UNHELD
            )

        if not await self._read(lambda: self._database.read(held)):
            raise ClewError(
                ErrorCode.FORBIDDEN,
                "nobody can grant what they may not do themselves",
                hint="leave the roles out that you have not, or ask an admin",
            )

    def _read_grant(self, grant: ask.ChildGrant, now: int) -> InlineGrant:
        verbs_of(grant.roles)
        expires_at = None
        if grant.expires_at is not None:
            expires_at = parse_time(str(grant.expires_at), now=now) // NS_PER_MS
        return InlineGrant(
            sub=check_subject(grant.sub), roles=tuple(grant.roles), expires_at=expires_at
        )

    async def _grant(self, caller: Caller, app_id: str, grants: list[InlineGrant]) -> None:
        """Keep grants of an app that are not kept yet: who asks again gets them once."""
        kept = {(grant.subject, grant.verbs) for grant in self._access.grants.of([app_id])}
        for grant in grants:
            if (grant.sub, verbs_of(grant.roles)) in kept:
                continue
            expires_at = None if grant.expires_at is None else grant.expires_at * NS_PER_MS
            adding = self._access.grants.add(
                app_id, grant.sub, grant.roles, caller, expires_at=expires_at
            )
            await asyncio.wrap_future(adding)

    async def _describe(self, app: App) -> doc.App:
        described: doc.App = await self._read(
            lambda: self._database.read(lambda reading: describe_apps(reading, [app])[0])
        )
        return described

    async def _read(self, work: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._readers, work)


def _check_annotation(name: str, value: object) -> None:
    """Raise for tags or an originator that take too much memory, or are too deep for a frame."""
    octets = msgspec.json.encode(value)
    if len(octets) > ANNOTATION_BYTES_MAX or depth_exceeds(octets, DEPTH_MAX):
        raise ClewError(
            ErrorCode.TOO_LARGE,
            f"{name} have {ANNOTATION_BYTES_MAX} bytes and {DEPTH_MAX} levels at the most",
            hint="put what is large into a file and its name into the tags",
        )


def _check_payload(payload: bytes) -> None:
    """Raise for a payload that does not mean the same to every reader, as the agent plane does.

    Nobody else has read it before: it is kept, and sent, as the text that it is.
    """
    try:
        # The levels of the frame that it will travel in count as well.
        parse(b"[%b]" % payload)
    except ClewError as error:
        raise ClewError(
            error.code,
            "the payload is no JSON that every program reads",
            hint="send UTF-8 without a key twice, numbers that a double holds, at most"
            f" {DEPTH_MAX - 1} levels",
        ) from error


def read_correlation_id(text: str | None, now: int) -> str:
    """Return the id of a command: the caller's own, or a fresh one.

    Raises:
        ClewError: INVALID_ARGUMENT.
    """
    if text is None:
        return new_uuid(now)
    if 0 < len(text) <= CORRELATION_CHARS_MAX and text.isprintable():
        return text
    raise ClewError(
        ErrorCode.INVALID_ARGUMENT,
        "the correlation id is none",
        hint=f"give 1 to {CORRELATION_CHARS_MAX} printable characters, such as a UUID",
    )


def _trails_info(
    outcome: Scheduled, endpoint: Endpoint | None, grants: list[InlineGrant]
) -> str | None:
    if outcome.token is None or endpoint is None:
        return None
    app = outcome.app
    return TrailsConfig(
        app_id=app.app_id,
        app_name=app.app_name,
        server_ep=endpoint.server_ep,
        parent_id=app.parent_id,
        server_pub_key=endpoint.pub_key,
        sec_level=app.tier.value,
        scheduled_at=app.scheduled_at // NS_PER_MS,
        start_deadline=app.start_deadline_s,
        originator=app.originator,
        role_refs=app.role_refs,
        tags=app.tags,
        grants=tuple(grants),
        join_token=outcome.token,
        path=app.path,
    ).encode()
