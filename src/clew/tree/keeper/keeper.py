"""The one task that decides for the tree: events in, commits, effects out.

Theory of operation. Events wait in a queue. While a commit is under way they gather; the next round
takes what there is, shows the machine what it must see of the registry, lets it decide over each
event in turn, and hands all changes to the database as one write. Only when that is durable are the
effects carried out, in order: an ack, a command, an answer. Rounds follow one another, so what one
socket sent is answered in the order in which it came, and a reading always sees every round before.

When a round cannot be kept, nothing of it has happened, but the machine has gone ahead: it is
thrown away and loaded anew from the registry. Whoever waits is refused, every socket is closed as
overloaded, and clients come back and send again what was not acknowledged. Loading is tried until
it succeeds; until then everybody is turned away. The same happens when the machine itself fails:
what it holds can no longer be trusted.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import NS_PER_MS
from clew.tree.frames.codes import CloseCode
from clew.tree.frames.outbound import Error
from clew.tree.keeper.hub import Hub
from clew.tree.machine import events as happened
from clew.tree.machine.changes import AuditAdded
from clew.tree.machine.effects import Answered, Close, Refused, Send
from clew.tree.registry.keeping import audit_entry, keep
from clew.tree.registry.loading import load, load_commands
from clew.tree.registry.questions import get_apps, get_outbox_bounds

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from clew.access.audit import Entry
    from clew.access.authority import Grant
    from clew.store.database.contract import Database, Reading
    from clew.tree.frames.outbound import Outbound
    from clew.tree.keeper.clock import Clock
    from clew.tree.machine.app import App
    from clew.tree.machine.changes import Change
    from clew.tree.machine.effects import Effect
    from clew.tree.machine.events import Event
    from clew.tree.machine.machine import TreeMachine
    from clew.tree.machine.options import TreeOptions
    from clew.tree.machine.outcomes import Outcome

logger = logging.getLogger(__name__)

EVENTS_PER_ROUND_MAX: Final = 256
"""Events decided in one go: some 5 ms, in which the loop does nothing else."""

WAITING_MAX: Final = 20_000
"""Events in the queue before sockets are read no further: two seconds of a busy tree."""

WAITING_MS_MAX: Final = 500
"""How old the oldest event may be before sockets are read no further: a disk that stalls."""

TICKETS_MAX: Final = 10_000
"""Callers that wait for an answer, a command of theirs among them."""

RETRY_AFTER_MS: Final = 1000
"""Told to whoever is turned away: a queue that is full empties within seconds."""

RELOAD_SECONDS: Final = 1.0
"""Between two tries to load the machine: a full disk or a lost database lasts for seconds."""

SHOWINGS_MAX: Final = 40
"""Rounds of showing the machine what it asks for: an app leads to its parent, 32 levels deep."""

RETURNS_PER_SECOND: Final = 2_000
"""How many clients are told to come back in each second: each return costs two commits' share."""


class LinkDoor(Protocol):
    """A socket, as the keeper uses it. Every method returns at once and never raises."""

    def send(self, frame: Outbound) -> None:
        """Send a frame; nothing when the socket is gone."""
        ...

    def close(self, code: int, reason: str) -> None:
        """Close it after what was sent before. It tells the keeper by `drop` when it is gone."""
        ...

    def resume(self) -> None:
        """Read on: the keeper has room again."""
        ...


@dataclass(slots=True)
class KeeperCounters:
    """What the keeper has done since the start."""

    events: int = 0
    rounds: int = 0
    commits: int = 0
    changes: int = 0
    failures: int = 0


class TreeKeeper:
    """Owns the machine. Everything but `open` belongs to one event loop.

    `deny` hears of everything that was refused for lack of authority.
    """

    def __init__(
        self,
        database: Database,
        options: TreeOptions,
        clock: Clock,
        *,
        deny: Callable[[Entry], None],
    ) -> None:
        self.hub = Hub()
        self.counters = KeeperCounters()
        self._database = database
        self.options = options
        """How the tree behaves, its windows among it."""
        self._clock = clock
        self._deny = deny
        self._machine: TreeMachine | None = None
        self._grants: tuple[Collection[Grant], Mapping[str, Collection[Grant]] | None] = ((), None)
        self._links: dict[int, LinkDoor] = {}
        self._link_numbers = itertools.count(1)
        self._paused: dict[int, None] = {}
        self._queue: deque[tuple[int, Event]] = deque()
        self._tickets: dict[int, Callable[[Outcome | ClewError], None]] = {}
        self._ticket_numbers = itertools.count(1)
        self._is_tick_due = False
        self._is_recovering = False
        self._is_closing = False
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        # Reading blocks; one thread of our own, so that nobody else's work is in front of it.
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="clew-tree")

    async def open(self) -> None:
        """Load what is kept and begin to decide; before the first socket is let in.

        Raises:
            ClewError: the registry cannot be read or written.
        """
        await self._load()
        await self._keep_round([happened.Started()])
        self._task = asyncio.create_task(self._run(), name="tree-keeper")

    # Sockets.

    @property
    def links(self) -> int:
        """How many sockets are open."""
        return len(self._links)

    @property
    def waiting(self) -> int:
        """How many events are in the queue."""
        return len(self._queue)

    @property
    def callers(self) -> int:
        """How many wait for an answer."""
        return len(self._tickets)

    @property
    def is_well(self) -> bool:
        """Whether events are decided; not while the machine cannot be loaded, nor at the end."""
        is_running = self._task is not None and not self._task.done()
        return is_running and not (self._is_recovering or self._is_closing)

    @property
    def is_busy(self) -> bool:
        """Whether so much waits that sockets should not be read."""
        if not self._queue:
            return False
        age = self._clock.now() - self._queue[0][0]
        return len(self._queue) >= WAITING_MAX or age > WAITING_MS_MAX * NS_PER_MS

    def add_link(self, door: LinkDoor) -> int:
        """Take in a socket; return its number, which no other socket ever has."""
        number = next(self._link_numbers)
        self._links[number] = door
        return number

    def drop_link(self, number: int, cause: str) -> None:
        """Let a socket go that is gone; `cause` as in `events.Dropped`. Idempotent."""
        if self._links.pop(number, None) is None:
            return
        self._paused.pop(number, None)
        self._put(happened.Dropped(link=number, cause=cause))

    def post(self, event: Event) -> None:
        """Take an event of a socket. Its door does not read on while `is_busy`."""
        self._put(event)

    def pause_link(self, number: int) -> None:
        """Have a socket's `resume` called once there is room again."""
        self._paused[number] = None

    # Callers that wait.

    def take_ticket(
        self, answer: Callable[[Outcome | ClewError], None], *, is_new: bool = True
    ) -> int:
        """Return a ticket whose answer is handed to `answer`, once, in the event loop.

        Who only waits for the end of what was accepted before is not `is_new`, and has a place
        however busy the tree is: that was promised.

        Raises:
            ClewError: OVERLOADED when too many wait, UNAVAILABLE while nothing can be decided.
        """
        if not self.is_well:
            raise _unavailable()
        if is_new and (self.is_busy or len(self._tickets) >= TICKETS_MAX):
            raise ClewError(
                ErrorCode.OVERLOADED,
                "more is asked of the tree than it can keep up with",
                hint="ask again after the time given",
                retry_after_ms=RETRY_AFTER_MS,
            )
        ticket = next(self._ticket_numbers)
        self._tickets[ticket] = answer
        return ticket

    def forget(self, ticket: int) -> None:
        """Give a ticket back unanswered; idempotent."""
        if self._tickets.pop(ticket, None) is not None:
            self._put(happened.Forget(ticket=ticket))

    async def ask(self, event: Event) -> Outcome:
        """Have an event decided that carries a ticket (any number stands for it), and its answer.

        Whoever is cancelled is forgotten.

        Raises:
            ClewError: what the machine refused, OVERLOADED, or UNAVAILABLE.
        """
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

        def answer(outcome: Outcome | ClewError) -> None:
            if future.done():
                return
            if isinstance(outcome, ClewError):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

        ticket = self.take_ticket(answer)
        self._put(msgspec.structs.replace(event, ticket=ticket))
        try:
            return await future
        finally:
            self.forget(ticket)

    def permit(
        self,
        grants: Collection[Grant],
        role_refs: Mapping[str, Collection[Grant]] | None = None,
    ) -> None:
        """Take all grants that are in force, in place of those before."""
        self._grants = (grants, role_refs)
        if self._machine is not None:
            self._machine.permit(grants, role_refs)

    def find(self, app_id: str) -> App | None:
        """Return an app that the machine holds, as it was decided last; None for any other."""
        return self._machine.find(app_id) if self._machine is not None else None

    # The end.

    async def close(self) -> None:
        """Decide over what has come, then close every socket; idempotent.

        What the sockets' end would do to their apps is not decided any more: the next start does,
        and gives them its restart window.
        """
        if self._is_closing:
            return
        self._is_closing = True
        self._changed.set()
        if self._task is not None:
            await self._task
        self._clock.ring_at(None, self._ring)
        self._refuse_all(_unavailable())
        self._close_links(CloseCode.RESTART, "the server is restarting")
        self._links.clear()
        self.hub.close()
        self._reader.shutdown(wait=False)

    # Rounds.

    def _put(self, event: Event) -> None:
        if not self.is_well:
            # Whoever sent it was refused, or is turned away with every other socket.
            return
        self._queue.append((self._clock.now(), event))
        self._changed.set()

    def _ring(self) -> None:
        self._is_tick_due = True
        self._changed.set()

    async def _run(self) -> None:
        while True:
            events = self._take()
            if not events:
                if self._is_closing:
                    return
                self._changed.clear()
                await self._changed.wait()
                continue
            try:
                await self._keep_round(events)
            # The boundary around the machine and the registry: whatever goes wrong in a round,
            # nothing of it was kept, and everything goes on from what was.
            except Exception as error:  # noqa: BLE001
                self.counters.failures += 1
                _tell_failure(error)
                await self._recover()

    def _take(self) -> list[Event]:
        count = min(len(self._queue), EVENTS_PER_ROUND_MAX)
        events = [self._queue.popleft()[1] for _ in range(count)]
        if self._is_tick_due:
            self._is_tick_due = False
            events.insert(0, happened.Tick())
        return events

    async def _keep_round(self, events: list[Event]) -> None:
        """Decide over events, keep what was decided, and carry out what follows."""
        machine = self._machine
        assert machine is not None
        changes: list[Change] = []
        effects: list[Effect] = []
        now = self._clock.now()
        decided = 0
        for event in events:
            if not machine.is_ready(event):
                if decided:
                    # The next round begins with it, and shows what all the events after it need.
                    break
                await self._show(machine, events)
                # Alone, in case that all of them need more than the machine holds at a time.
                await self._show(machine, [event])
            step = machine.handle(event, now)
            changes += step.changes
            effects += step.effects
            decided += 1
        for event in reversed(events[decided:]):
            self._queue.appendleft((now, event))
        self.counters.events += decided
        self.counters.rounds += 1
        if changes:
            await self._commit(changes)
        self._clock.ring_at(machine.next_deadline(), self._ring)
        for effect in effects:
            self._carry_out(effect)
        self._let_read()

    async def _show(self, machine: TreeMachine, events: Sequence[Event]) -> None:
        """Show the machine what it must see before it can decide over these events."""
        for _ in range(SHOWINGS_MAX):
            app_ids = {app_id for event in events for app_id in machine.unknown(event)}
            commands = {each for event in events for each in machine.unknown_commands(event)}
            if not (app_ids or commands):
                return
            apps, records = await self._read(
                lambda reading, app_ids=app_ids, commands=commands: (  # type: ignore[misc]
                    get_apps(reading, app_ids),
                    load_commands(reading, commands),
                )
            )
            for app_id in sorted(app_ids):
                app = apps.get(app_id)
                if app is None:
                    machine.learn_absent(app_id)
                else:
                    machine.learn(app)
            for correlation_id, targets in records.items():
                machine.learn_command(correlation_id, targets)
        if len(events) == 1:
            raise ClewError(
                ErrorCode.INTERNAL, f"{type(events[0]).__name__} asks for more than there is"
            )

    async def _read(self, work: Callable[[Reading], Any]) -> Any:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._reader, self._database.read, work)

    async def _commit(self, changes: Sequence[Change]) -> None:
        future = self._database.submit(lambda transaction: keep(transaction, changes))
        kept = await asyncio.wrap_future(future)
        self.counters.commits += 1
        self.counters.changes += len(changes)
        for change in changes:
            if type(change) is AuditAdded and not change.is_allowed:
                self._deny(audit_entry(change))
        self.hub.publish(kept.happened)

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case Send():
                door = self._links.get(effect.link)
                if door is not None:
                    door.send(effect.frame)
            case Close():
                door = self._links.get(effect.link)
                if door is not None:
                    door.close(effect.code, effect.reason)
            case Answered():
                self._answer(effect.ticket, effect.outcome)
            case Refused():
                self._answer(
                    effect.ticket, ClewError(effect.code, effect.message, hint=effect.hint)
                )
            case _:
                raise AssertionError(f"nobody carries out {type(effect).__name__}")

    def _answer(self, ticket: int, outcome: Outcome | ClewError) -> None:
        answer = self._tickets.pop(ticket, None)
        if answer is not None:
            answer(outcome)

    def _let_read(self) -> None:
        """Have sockets read on that stopped because too much waited."""
        while self._paused and not self.is_busy:
            number = next(iter(self._paused))
            del self._paused[number]
            self._links[number].resume()

    # When it fails.

    async def _load(self) -> None:
        # What the log has and the registry has not yet comes in before the next write, not before a
        # reading: what is decided over rows from before it would be refused.
        await asyncio.wrap_future(self._database.submit(lambda _transaction: None))
        loaded = await self._read(
            lambda reading: (
                load(reading, self.options, self._clock.now()),
                get_outbox_bounds(reading)[1],
            )
        )
        self._machine, self.hub.newest = loaded
        self._machine.permit(*self._grants)

    async def _recover(self) -> None:
        """Turn everybody away and begin again from what is kept, as after a start."""
        self._is_recovering = True
        self._machine = None
        self._queue.clear()
        self._is_tick_due = False
        self._clock.ring_at(None, self._ring)
        self._refuse_all(_unavailable())
        self._close_links(CloseCode.OVERLOADED, "the tree could not be kept")
        # From now on these sockets are nobody's: the machine to come knows none of them.
        self._links.clear()
        self._paused.clear()
        last_told = None
        while not self._is_closing:
            try:
                await self._load()
                await self._keep_round([happened.Started()])
            # The same boundary: what is kept may be such that it cannot be read, or decided over,
            # until somebody has put it right.
            except Exception as error:  # noqa: BLE001
                self._machine = None
                told = error.message if isinstance(error, ClewError) else repr(error)
                if told != last_told:
                    # Once: it may be tried every second for as long as a standby is away.
                    logger.warning("the tree cannot be loaded: %s", told)
                last_told = told
                await self._wait_for_end(RELOAD_SECONDS)
            else:
                # Those that came meanwhile were not heard either.
                self._close_links(CloseCode.OVERLOADED, "the tree could not be kept")
                self._links.clear()
                self._paused.clear()
                self._is_recovering = False
                logger.info("the tree goes on")
                return

    async def _wait_for_end(self, seconds: float) -> None:
        """Wait, but not beyond the beginning of the end."""
        try:
            async with asyncio.timeout(seconds):
                while not self._is_closing:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return

    def _refuse_all(self, error: ClewError) -> None:
        tickets, self._tickets = self._tickets, {}
        for answer in tickets.values():
            # One error each: a raised exception carries the traceback of who raised it.
            waiting_ms = error.retry_after_ms
            answer(ClewError(error.code, error.message, hint=error.hint, retry_after_ms=waiting_ms))

    def _close_links(self, code: CloseCode, reason: str) -> None:
        spread = max(RETRY_AFTER_MS, 1000 * len(self._links) // RETURNS_PER_SECOND)
        for door in tuple(self._links.values()):
            retry_after_ms = random.randint(0, spread)  # noqa: S311 - no secret, only apart
            door.send(Error(code="unavailable", message=reason, retry_after_ms=retry_after_ms))
            door.close(code, f"{reason}; retry_after_ms={retry_after_ms}")


def _tell_failure(error: Exception) -> None:
    if isinstance(error, ClewError):
        logger.error("the tree could not be kept: %s", error.message)
    else:
        logger.error("the tree could not decide", exc_info=error)


def _unavailable() -> ClewError:
    return ClewError(
        ErrorCode.UNAVAILABLE,
        "the tree cannot be kept at present",
        hint="ask again after the time given; see the server's own output",
        retry_after_ms=RETRY_AFTER_MS,
    )
