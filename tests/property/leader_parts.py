"""A server of a group without threads, disk and network: steps of a loop by a clock of its own.

What runs is what decides who leads and what is acknowledged: `Course` with its turns, `Claims`,
`Peers`, `Resuming`, `Promotions`, `Candidacy` with its `Lease`, `Parts`, `Standing`, `Leader` with
each `Peer`, and `Follower`. Doors and stores are not there. A log is a list of frames, of which a
crash leaves those that were synced, and as many of the others as it likes. What is done in threads
is a step of the loop, and the network is a call that may come to nothing, twice, late, or to one
side only. So a seed is one run, always the same.
"""

from __future__ import annotations

import asyncio
import selectors
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Self

import msgspec

from clew.app.configuration.group import find_url
from clew.app.configuration.load import load
from clew.app.group.peers import STANDBY, Peers, Told
from clew.app.group.roles import Course, count_required
from clew.app.group.turn import Change, Turn
from clew.app.group.whereabouts import Whereabouts
from clew.base.errors import ClewError, ErrorCode
from clew.store.log.frame import LEADERSHIP
from clew.store.log.receipt import Group
from clew.store.replication.follower import Follower
from clew.store.replication.leader import Leader
from clew.store.replication.part import Inside
from clew.store.replication.peer import Peer, PeerState
from clew.store.replication.position import Position
from clew.store.replication.said import Shipment
from clew.store.replication.wire import Record
from tests.property.leader_disk import KeptStanding, KilledError, Life, MemoryLog

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from clew.app.group.parts import Parts
    from clew.app.group.peers import Heard
    from clew.app.group.place import Place
    from clew.app.group.turn import Stopwatch
    from clew.store.replication.said import Extent
    from clew.store.replication.standing import Standing
    from clew.telemetry.group import GroupStatus
    from tests.property.leader_town import LeaderTown

NUMBERS_KIND = 20

LEASE_SECONDS = 2.0

HELD_S_MAX = 15.0
"""A request that is held up somewhere arrives within this time, whoever leads by then."""


class WaitingError(BaseException):
    """A thread would wait here; what it does comes in steps."""


class Inline:
    """A condition, or a lock, of the only thread."""

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...

    def acquire(self, timeout: float = 0) -> bool:
        return timeout >= 0

    def release(self) -> None: ...

    def notify_all(self) -> None: ...

    def wait_for(self, condition: Callable[[], bool], _timeout: float | None = None) -> bool:
        return condition()

    def wait(self) -> None:
        raise WaitingError


class NoThread:
    """A thread whose work is done in steps of the loop."""

    def __init__(self, **_: object) -> None: ...

    def start(self) -> None: ...

    def is_alive(self) -> bool:
        return False


ONE_THREAD = SimpleNamespace(Thread=NoThread, Condition=Inline, Lock=Inline)


class Clock(selectors.DefaultSelector):
    """Waits for nothing: the time of the next step is now."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        assert timeout is not None, "nothing would ever happen again"
        self.now += max(0.0, timeout)
        return []


class Loop(asyncio.SelectorEventLoop):
    """An event loop whose threads are steps of its own, by a clock that jumps."""

    def __init__(self, town: LeaderTown) -> None:
        self.clock = Clock()
        self.town = town
        super().__init__(self.clock)

    def time(self) -> float:
        return self.clock.now

    def run_in_executor(self, _pool: Any, call: Any, *args: Any) -> Any:  # type: ignore[override]
        done = self.create_future()
        self.call_later(self.town.delay(), self._run, done, call, args)
        return done

    def _run(self, done: asyncio.Future[Any], call: Callable[..., Any], args: Any) -> None:
        def tell() -> None:
            if not done.done():
                done.set_result(result) if error is None else done.set_exception(error)

        result, error = None, None
        try:
            result = call(*args)
        except KilledError:
            self.town.bury()
            return
        except Exception as raised:  # noqa: BLE001
            error = raised
        self.call_later(self.town.delay(), tell)


@dataclass
class Answer:
    body: bytes


class Wire:
    """A connection of one process to another server."""

    def __init__(self, life: Life, town: LeaderTown, url: str) -> None:
        self._life = life
        self._town = town
        self._url = url

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def get(self, _path: str) -> Answer:
        return Answer(self._town.exchange(self._life, self._url, Process.tell))

    def post(self, _path: str, body: bytes, _type: str, *, headers: Mapping[str, str]) -> Answer:
        said = dict(headers)
        return Answer(
            self._town.exchange(self._life, self._url, lambda other: other.take(said, body))
        )

    def close(self) -> None: ...

    def abort(self) -> None: ...


@cache
def _configure(name: str, others: str, required: int, is_leased: bool) -> Any:
    values: dict[str, Any] = {
        "standby": [f"http://{other}:7701" for other in others],
        "http": f"{name}:7701",
        "advertise": f"http://{name}:7701",
        "allow_open": True,
        "required_acks": required,
        "role": "leader" if name == "a" else "standby",
    }
    if is_leased:
        values |= {"role": "auto", "lease": "etcd://lease", "lease_seconds": LEASE_SECONDS}
    return load(values, environ={}, folder=Path("/nonexistent")).configuration


class NotingPeers(Peers):
    """The other servers, how often they were asked, and for which epoch last."""

    asks = 0
    claimed = 0

    async def ask(self, enough: int | None = None) -> list[Heard]:
        self.asks += 1
        return await super().ask(enough)

    async def claim(
        self, epoch: int, node_id: str, extent: Extent | None, enough: int | None = None
    ) -> list[Heard]:
        self.claimed = epoch
        return await super().claim(epoch, node_id, extent, enough)


class NotingCourse(Course):
    """The course of a process, of which it is seen that it leads what it was let lead."""

    process: Process

    async def _prepare(self, change: Change) -> Turn:
        turn = await super()._prepare(change)
        process = self.process
        if turn is Turn.LEAD and process.standing.epoch != process.peers.claimed:
            process.life.wrong.append(f"{process.life.name} leads what nobody let it lead")
        if turn is Turn.LEAD and change.force:
            forced = (process.standing.epoch, set(process.life.disk.frames))
            process.town.forced.append(forced)
        return turn


class MemoryFolder:
    """What is on a server's disk while nothing is open: how much of the log, and filling it."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def read_extent(self) -> Extent:
        life, standing = self._process.life, self._process.standing
        life.step()
        disk = life.disk
        if not disk.is_whole:
            disk.clear()
            disk.is_whole = True
        return (Position(standing.starts, disk.last).epoch_at(disk.last) or 0, disk.last)

    async def begin_anew(self, _need: object, _own: Extent) -> None:
        process = self._process
        url = process.standing.leader_url
        if url is None or process.standing.is_leading:
            return
        for _ in range(2):
            await asyncio.sleep(process.town.delay())
            if await asyncio.to_thread(self._copy, url):
                return

    def _copy(self, url: str) -> bool:
        life, town = self._process.life, self._process.town
        try:
            given = town.exchange(life, url, Process.give)
        except ClewError:
            return False
        through, frames, starts, group = given
        disk = life.disk
        life.step()
        disk.is_whole = False
        disk.clear()
        life.step()
        if town.is_unlucky(0.2):
            return False
        disk.frames, disk.oldest = frames, through
        disk.acked = disk.flushed = through
        life.step()
        self._process.standing.begin(starts, group)
        disk.is_whole = True
        life.step()
        return True


class Process:
    """A server from its start to its end: the real course, over no store and no doors."""

    def __init__(self, town: LeaderTown, life: Life) -> None:
        others = "".join(name for name in town.disks if name != life.name)
        is_leased = town.register is not None
        self.configuration = _configure(life.name, others, town.required[life.name], is_leased)
        self.url = find_url(self.configuration)
        self.required = count_required(self.configuration)
        self.town = town
        self.life = life
        self.part: Leader | Follower | None = None
        self.is_open = False
        self.peers = NotingPeers(
            self.configuration.standby,
            own_url=self.url,
            key=f"{id(life)}",
            required=self.required,
        )
        self.course: NotingCourse | None = None
        self._where: Whereabouts | None = None
        self._stop = asyncio.Event()

    async def run(self) -> None:
        standing = await asyncio.to_thread(KeptStanding, self.life)
        self._where = Whereabouts(standing, self.url)
        folder: Any = MemoryFolder(self)
        self.course = NotingCourse(self.configuration, self._where, folder, self.peers, self._stop)
        self.course.process = self
        self._where.settle(await asyncio.to_thread(folder.read_extent))
        premises: Any = self
        await self.course.run(premises, lambda *_: None)
        self.life.is_over = True

    @property
    def where(self) -> Whereabouts:
        assert self._where is not None, "it has begun"
        return self._where

    @property
    def standing(self) -> Standing:
        return self.where.standing

    @property
    def posture(self) -> str:
        return STANDBY if self._where is None else self._where.posture

    async def promote(self, *, leads: bool, force: bool) -> None:
        assert self.course is not None, "it has begun"
        await self.course._promotions.ask(leads=leads, force=force)

    def count_needed(self) -> int:
        assert self.course is not None, "it has begun"
        return self.course._claims.count_needed()

    def describe(self, *, leads: bool) -> GroupStatus:
        assert self.course is not None, "it has begun"
        return self.course._describe(self.part, leads=leads)

    def extent(self) -> Extent:
        return self.where.own_extent()

    def end(self) -> None:
        """End as a process that is told to."""
        self._stop.set()

    @property
    def leads(self) -> bool:
        return self.is_open and isinstance(self.part, Leader) and not self.part.is_fenced

    # What a course has of its premises.

    async def open(self, place: Place, parts: Parts, _watch: Stopwatch) -> Any:
        await asyncio.to_thread(self._build, parts, place.leads)
        return SimpleNamespace(store=None, addresses=None, troubles=[])

    def _build(self, parts: Parts, leads: bool) -> None:
        self.life.step()
        disk = self.life.disk
        self.part = part = parts.make(lambda: "", leads=leads)
        last, acked = disk.last, max(disk.acked, disk.flushed)
        history: Any = SimpleNamespace(epoch=disk.epoch)
        epoch = part.begin(history, last + 1)
        disk.epoch = max(disk.epoch, epoch)
        self.life.step()
        log: Any = MemoryLog(self, epoch)
        self.log: MemoryLog = log
        part.connect(
            Inside(
                log=log,
                acked=acked,
                pending=[f for f in disk.frames if f.number > acked],  # type: ignore[misc]
                settle=self._settle,
                take_in=lambda _records: None,
                expire=lambda _now, _why: None,
                flushed=lambda: disk.flushed,
                check_room=lambda: None,
            )
        )
        self.where.open(part)
        self.is_open = True
        self.town.opened.append((self.town.loop.time(), self.life.name, leads, epoch))
        if isinstance(part, Leader):
            if last > acked:
                self.write(LEADERSHIP, b"")
            self._tick(part)
            for peer in part._peers:
                self.town.later(partial(self._ship, peer, has_met=False))
        else:
            self.town.later(self._take_in)

    async def close(self, _opening: Any, change: Change | None, _watch: Stopwatch) -> None:
        self.where.shut()
        part = self.part
        if self.life.is_over:
            return
        # Requests that are inside are answered yet.
        await asyncio.sleep(self.town.delay())
        self.is_open = False
        assert part is not None
        part.close()
        if self.life.is_over:
            return
        self.log.sync()
        self.log.is_closed = True
        await asyncio.sleep(self.town.delay())
        if change is not None:
            self.where.settle(part.tell().extent)

    # What others ask.

    def _inside(self) -> Leader | Follower:
        if not self.is_open:
            raise ClewError(ErrorCode.OVERLOADED, "about to open its doors")
        assert self.part is not None
        return self.part

    def tell(self) -> bytes:
        if not self.is_open:
            told = self.where.tell_position()
            if told is None:
                raise ClewError(ErrorCode.OVERLOADED, "about to open its doors")
            return msgspec.json.encode(told)
        part = self._inside()
        said, standing = part.tell(), self.standing
        return msgspec.json.encode(
            Told(
                epoch=said.epoch,
                node_id=said.node_id,
                leader=standing.leader,
                leader_url=standing.leader_url,
                led_epoch=standing.led[0],
                led_by=standing.led[1],
                role="leader" if part.is_leader else "standby",
                group=standing.group,
                last=said.last,
                last_epoch=said.last_epoch,
            )
        )

    def take(self, headers: Mapping[str, str], body: bytes) -> bytes:
        part = self._inside()
        try:
            return msgspec.json.encode(part.take(Shipment.parse(headers), body))
        finally:
            self.town.hear_let(self)
            self.town.later(self._take_in)

    def give(self) -> Any:
        """Give a snapshot."""
        part = self._inside()
        disk = self.life.disk
        through = part.settled if isinstance(part, Leader) else part._done
        disk.flushed = max(disk.flushed, through)
        starts = tuple(start for start in self.standing.starts if start[1] <= through)
        frames = [each for each in disk.frames if each.number <= through]
        return through, frames, starts, self.standing.group

    # What its threads do, and its clients.

    def _settle(self, group: Group) -> None:
        if group.failure is None and not self.life.is_over:
            self.town.hear_settled(self, group)

    def _take_in(self) -> None:
        if self.is_open and isinstance(self.part, Follower) and not self.life.is_over:
            try:
                self.part._run()
            except WaitingError:
                return

    def _ship(self, peer: Peer, *, has_met: bool) -> None:
        leader = peer._leader
        if self.life.is_over or leader.is_closing or leader.is_fenced or leader is not self.part:
            return
        pause = 0.0
        try:
            if has_met and peer.state is not PeerState.NEEDS_SNAPSHOT:
                peer._send_next()
            else:
                peer._say_hello()
            has_met = True
        except KilledError:
            self.town.bury()
            return
        except (ClewError, msgspec.DecodeError) as error:
            peer._note_trouble(error)
            has_met, pause = False, 0.3
        self.town.later(
            lambda: self._ship(peer, has_met=has_met), pause + self.town.chance.choice((0.05, 0.5))
        )

    def _tick(self, part: Leader) -> None:
        """Acknowledge what had to wait for the lease."""
        if part is self.part and self.town.register is not None and not self.life.is_over:
            if not self.town.is_paused(self.life.name):
                part._advance()
            self.town.later(lambda: self._tick(part), 0.25)

    def write(self, kind: int = NUMBERS_KIND, payload: bytes | None = None) -> bool:
        """Take a record in, as a pipeline does; return False where it is refused."""
        if not (self.is_open and isinstance(self.part, Leader)):
            return False
        if payload is None:
            try:
                self.part.check()
            except ClewError:
                return False
            self.town.written += 1
            payload = b"%d" % self.town.written
        record = Record(self.log.next_number, self.log.epoch, kind, 0, 0, payload)
        self.part.offer(record)
        self.log.append(
            kind, payload, received=0, oldest=0, number=record.number, epoch=record.epoch
        )
        return True

    def flush(self) -> None:
        """Have the engine hold some of what is acknowledged."""
        if self.is_open:
            part, disk = self.part, self.life.disk
            done = part.settled if isinstance(part, Leader) else part._done  # type: ignore[union-attr]
            disk.flushed = max(disk.flushed, self.town.chance.randint(0, max(0, done)))

    def forget(self) -> None:
        """Have the log reach back less far."""
        disk = self.life.disk
        disk.oldest = max(disk.oldest, self.town.chance.randint(0, max(0, disk.flushed)))
