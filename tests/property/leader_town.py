"""Servers of a group in one thread, that lead in turn; and an oracle.

A seed is one run, always the same: see `leader_parts` for what of a server is real.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import pytest

from clew.app.group import claims as claims_module
from clew.app.group import peers as peers_module
from clew.base.errors import ClewError, ErrorCode
from clew.store.replication import follower as follower_module
from clew.store.replication import leader as leader_module
from clew.store.replication import peer as peer_module
from clew.store.replication.leader import Leader
from tests.property.leader_disk import Disk, KilledError, Life, MemoryReader
from tests.property.leader_lease import Register, patch_lease
from tests.property.leader_parts import HELD_S_MAX, ONE_THREAD, Loop, Process, Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Mapping

    from clew.store.log.receipt import Group
    from clew.store.replication.wire import Record

Answered = TypeVar("Answered")


class LeaderTown:
    """The servers, the ways between them, and what was acknowledged to anybody."""

    def __init__(
        self,
        seed: int,
        required: Mapping[str, int],
        *,
        leap_max: int | None = None,
        is_leased: bool = False,
    ) -> None:
        """`leap_max` is how many epochs are left out at most, None for as many as really are."""
        self.chance = random.Random(seed)
        self.required = dict(required)
        self.leap_max = leap_max
        self.loop = Loop(self)
        self.disks = {name: Disk() for name in required}
        self.processes: dict[str, Process] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self.cuts: set[tuple[str, str]] = set()
        self.paused: dict[str, float] = {}
        self.register = Register() if is_leased else None
        self.trouble = 0.0
        self.pace = 0.005
        """How many seconds each way takes, and what is done in a thread, where nothing is wrong."""
        self.falling: str | None = None
        self.fallen: str | None = None
        self.held: list[tuple[str, Callable[[Process], Any]]] = []
        self.written = 0
        self.acked: dict[int, dict[Record, int]] = {}
        self.leaders: dict[int, set[str]] = {}
        self.forced: list[tuple[int, set[Record]]] = []
        self.opened: list[tuple[float, str, bool, int]] = []
        self.wrong: list[str] = []
        self.log: list[str] = []
        self.loop.set_exception_handler(self._hear_trouble)

    def _hear_trouble(self, _loop: Any, context: dict[str, Any]) -> None:
        # What waits for a process that was killed is never told.
        if (error := context.get("exception")) is not None:
            self.wrong.append(f"{context['message']}: {error!r}")

    # The loop and the network.

    def delay(self) -> float:
        """Return how long something takes, in seconds."""
        if not self.trouble:
            return self.pace
        draw = self.chance.random()
        return 0.01 * draw if draw < 0.8 else 0.3 * draw if draw < 0.97 else 3.0 * draw

    def later(self, call: Callable[[], None], seconds: float = 0.01) -> None:
        self.loop.call_later(seconds, self._step, call)

    def _step(self, call: Callable[[], None]) -> None:
        try:
            call()
        except KilledError:
            self.bury()

    def is_paused(self, name: str) -> bool:
        return self.paused.get(name, 0.0) > self.loop.time()

    def is_unlucky(self, share: float) -> bool:
        return self.chance.random() < share * self.trouble

    def exchange(self, life: Life, url: str, call: Callable[[Process], Any]) -> Any:
        """Have another server do something, and return what it answers."""
        target = url.removeprefix("http://").removesuffix(":7701")
        if life.is_over:
            raise KilledError
        if self.is_paused(target) or self.is_paused(life.name):
            wait = self.paused.get(target, 0.0) - self.loop.time()
            if wait > 0:
                # It is in the socket, and is answered to nobody.
                self.later(lambda: self._arrive(target, call), wait)
            raise ClewError(ErrorCode.TIMEOUT, f"{url} did not answer")
        if self.is_unlucky(0.1):
            # It arrives some time, and its answer nowhere.
            self.held = [*self.held[-9:], (target, call)]
            wait = self.chance.random() * HELD_S_MAX
            self.later(lambda: self._arrive(target, call), wait)
            raise ClewError(ErrorCode.TIMEOUT, f"{url} did not answer")
        if (life.name, target) in self.cuts or self.is_unlucky(0.05):
            raise ClewError(ErrorCode.UNAVAILABLE, f"nobody answers at {url}")
        self._meddle()
        said = self._ask(target, call)
        self._meddle()
        if life.is_over:
            raise KilledError
        if (target, life.name) in self.cuts or self.is_unlucky(0.07):
            raise ClewError(ErrorCode.TIMEOUT, f"{url} did not answer")
        return said

    def _ask(self, target: str, call: Callable[[Process], Any]) -> Any:
        process = self.processes.get(target)
        if process is None or process.life.is_over or process.course is None:
            raise ClewError(ErrorCode.UNAVAILABLE, f"nobody answers at {target}")
        try:
            return call(process)
        except KilledError:
            self.bury()
            raise ClewError(ErrorCode.UNAVAILABLE, f"{target} hung up") from None

    def _arrive(self, target: str, call: Callable[[Process], Any]) -> None:
        if self.is_paused(target):
            self.later(lambda: self._arrive(target, call), 0.3)
            return
        try:
            self._ask(target, call)
        except ClewError:
            return

    def _meddle(self) -> None:
        """Let something else happen between a request and its answer."""
        if self.held and self.is_unlucky(0.1):
            self._arrive(*self.chance.choice(self.held))
        if self.processes and self.is_unlucky(0.1):
            process = self.chance.choice([*self.processes.values()])
            if process.is_open:
                process.log.sync()

    def play(self, story: Coroutine[Any, Any, Answered]) -> Answered:
        """Run a story here, from its beginning to its end."""
        with one_thread(self):
            try:
                return self.loop.run_until_complete(story)
            finally:
                for process in self.processes.values():
                    process.life.is_over = True
                self.bury()
                for task in asyncio.all_tasks(self.loop):
                    task.cancel()
                self.loop.run_until_complete(asyncio.sleep(1))
                self.loop.close()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something, for half a minute of this town's."""
        for _ in range(30_000):
            if condition():
                return
            await asyncio.sleep(0.001)
        raise AssertionError(self.describe())

    # Processes.

    def start(self, name: str, fuse: int | None = None) -> None:
        life = Life(name, self.disks[name], fuse, self.wrong)
        process = self.processes[name] = Process(self, life)
        self.tasks[name] = self.loop.create_task(process.run())
        self.tasks[name].add_done_callback(lambda task: self._hear_end(process, task))

    def kill(self, name: str) -> None:
        if name in self.processes:
            self.processes[name].life.is_over = True
            self.bury()

    def bury(self) -> None:
        """Take away the processes that ended; of what was not synced some of the first is there."""
        for name, process in list(self.processes.items()):
            if not process.life.is_over:
                continue
            del self.processes[name]
            self.tasks[name].cancel()
            log = getattr(process, "log", None)
            if process.part is not None and log is not None and not log.is_closed:
                log.is_closed = True
                kept = self.chance.randint(0, len(log.unsynced))
                process.life.disk.frames = [*process.life.disk.frames, *log.unsynced[:kept]]

    def _hear_end(self, process: Process, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None and not process.life.is_over:
            self.wrong.append(f"{process.life.name} ended: {task.exception()!r}")
        process.life.is_over = True
        self.bury()

    def is_let(self, name: str) -> bool:
        """Return whether others let a server lead that does not know yet that it will."""
        known = {each: msgspec.json.decode(d.standing) for each, d in self.disks.items()}
        epoch = known.pop(name)["epoch"]
        let = [each for each in known.values() if each["leader"] == f"node {name}"]
        return any(each["epoch"] > epoch for each in let)

    def hear_let(self, process: Process) -> None:
        """End a server that is to fall, now that another let it lead."""
        name = self.falling
        if name is not None and process.standing.leader == f"node {name}" and self.is_let(name):
            self.fallen, self.falling = name, None
            self.later(lambda: self.kill(name), self.delay())

    # The oracle.

    def hear_settled(self, process: Process, group: Group) -> None:
        part = process.part
        frames = [f for f in process.life.disk.frames if group.first <= f.number <= group.last]
        if isinstance(part, Leader):
            lease = self.register
            if lease is not None and not lease.is_of(process.standing.node_id, self.loop.time()):
                self.wrong.append(f"{process.life.name} acknowledged without the lease")
            self.leaders.setdefault(part.epoch, set()).add(process.life.name)
            if len(self.leaders[part.epoch]) > 1:
                self.wrong.append(f"two acknowledged under epoch {part.epoch}")
            for frame in frames:
                others = self.acked.setdefault(frame.number, {})
                for other, epoch in others.items():
                    if other == frame or self._may_be_lost(other, epoch):
                        continue
                    # What one acknowledges that somebody was forced over meanwhile may be lost too.
                    if not any(forced > part.epoch for forced, _ in self.forced):
                        self.wrong.append(f"{other} and {frame} were acknowledged")
                others[frame] = max(others.get(frame, 0), part.epoch)
        else:
            for frame in frames:
                if frame not in self.acked.get(frame.number, {}):
                    self.wrong.append(f"{process.life.name} showed {frame}, not acknowledged")

    def _may_be_lost(self, frame: Record, epoch: int) -> bool:
        """Return whether somebody led by force who had not this, acknowledged before."""
        return any(forced > epoch and frame not in held for forced, held in self.forced)

    def check(self) -> None:
        begun = [(p.life.name, p.course) for p in self.processes.values() if p.course is not None]
        candidacies = [(name, course._candidacy) for name, course in begun]
        holders = [name for name, each in candidacies if each is not None and each.is_held()]
        if len(holders) > 1:
            self.wrong.append(f"{holders} hold the lease at once")
        assert not self.wrong, self.wrong

    def leading(self) -> list[Process]:
        return [process for process in self.processes.values() if process.leads]

    async def manage_without(self, name: str) -> bool:
        """Let all be well but for one server that is gone; return whether somebody had to lead.

        That is so where whoever led last is there, hears as many as it takes, and none has more;
        with a lease it may be any.
        """
        self._mend()
        self.kill(name)
        self.start_all(but=name)
        await asyncio.sleep(HELD_S_MAX)
        is_led = await self._is_led(90, but=name)
        known = {each: msgspec.json.decode(d.standing) for each, d in self.disks.items()}
        last = max(known.values(), key=lambda each: each.get("led_epoch") or 0).get("led_by")
        there = list(self.processes.values())
        most = max((process.extent() for process in there), default=None)
        able = [
            process
            for process in there
            if process.extent() == most and len(there) >= process.count_needed()
        ]
        if self.register is None:
            able = [p for p in able if p.standing.node_id == last and len(there) > p.required]
        if not able or len(there) < len(self.disks) - 1:
            return False
        assert is_led, ("nobody leads without one", name, self.describe())
        return True

    async def settle(self) -> None:
        """Let all be well again: one leads, without being told to, and goes on leading."""
        self._mend()
        self.start_all()
        # What was held up is on its way yet, and may end a leader.
        await asyncio.sleep(HELD_S_MAX)
        assert await self._is_led(90), ("nobody leads", self.describe())
        count = sum(leads for _, _, leads, _ in self.opened)
        (leader,) = self.leading()
        is_written = False
        for _ in range(600):
            is_written = is_written or leader.write()
            await asyncio.sleep(0.5)
            if is_written and self._is_level():
                break
        self.check()
        assert self._is_level(), ("not level", self.describe())
        assert count == sum(leads for _, _, leads, _ in self.opened), "it went on changing"
        final = set(leader.life.disk.frames)
        for frames in self.acked.values():
            for frame, epoch in frames.items():
                assert frame in final or self._may_be_lost(frame, epoch), (
                    f"{frame} was acknowledged under epoch {epoch} and is lost",
                    self.describe(),
                )

    def _mend(self) -> None:
        self.trouble = 0.0
        self.cuts.clear()
        self.paused.clear()
        if self.register is not None:
            self.register.cuts.clear()

    def start_all(self, but: str = "") -> None:
        for name in self.disks:
            if name in self.processes:
                self.processes[name].life.fuse = None
            elif name != but:
                self.start(name)

    async def _is_led(self, seconds: float, but: str = "") -> bool:
        """Wait until one server has led for some seconds; return False if that does not come."""
        since, last = 0, None
        for _ in range(int(2 * seconds)):
            await asyncio.sleep(0.5)
            # One that was told to end may have done so only now.
            self.start_all(but)
            self.check()
            leaders = self.leading()
            now = leaders[0].part if len(leaders) == 1 else None
            since = since + 1 if now is not None and now is last else 0
            last = now
            if since > 10:
                return True
        return False

    def _is_level(self) -> bool:
        frames = [disk.frames for disk in self.disks.values()]
        parts = [process.part for process in self.processes.values() if process.is_open]
        done = [p.settled if isinstance(p, Leader) else p._done for p in parts if p is not None]
        return (
            len(done) == len(frames)
            and all(each == frames[0] for each in frames)
            and set(done) == {frames[0][-1].number}
        )

    def describe(self) -> str:
        lines = [f"required {self.required}"]
        for name, disk in self.disks.items():
            process = self.processes.get(name)
            what = "gone"
            if process is not None:
                what = (
                    f"{type(process.part).__name__} open={process.is_open} "
                    f"detail={process.describe(leads=process.leads).detail}"
                )
            lines.append(f"{name}: {what} {disk.standing!r} last={disk.last} {disk.oldest}")
        return "\n".join(lines)


@contextmanager
def one_thread(town: LeaderTown) -> Iterator[None]:
    """Have what servers do in threads, on disks and over sockets happen in a town instead."""

    def connect(url: str, *, api_key: str, **_: object) -> Wire:
        lives = [process.life for process in town.processes.values()]
        found = [life for life in lives if f"{id(life)}" == api_key]
        if not found:
            raise KilledError
        return Wire(found[0], town, url)

    with pytest.MonkeyPatch.context() as patch:
        for module in (leader_module, peer_module, follower_module):
            patch.setattr(module, "threading", ONE_THREAD)
        patch.setattr(peer_module, "LogReader", MemoryReader)
        patch.setattr(peer_module, "REQUEST_BYTES_MAX", 500)
        patch.setattr(leader_module, "oldest_after", lambda disk: disk.oldest)
        patch.setattr(peers_module, "Server", connect)
        patch.setattr(follower_module, "time", SimpleNamespace(monotonic=town.loop.time))
        patch.setattr(peers_module, "time", SimpleNamespace(monotonic=town.loop.time))
        draw = town.chance.randrange
        leap = SimpleNamespace(randbelow=lambda most: draw(town.leap_max or most))
        patch.setattr(claims_module, "secrets", leap)
        if town.register is not None:
            patch_lease(town, patch)
        yield
