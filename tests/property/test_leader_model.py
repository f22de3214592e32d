"""Whoever leads, and however it came to that: what was acknowledged is kept, and somebody leads.

A seed is one run: `CLEW_SEED` repeats it, `CLEW_GROUP_SCRIPTS` says how many there are.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import re
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from clew.app.group.peers import CANDIDATE
from clew.base.errors import ClewError, ErrorCode
from clew.store.replication.said import Shipment
from tests.property.leader_parts import Process
from tests.property.leader_town import LeaderTown

if TYPE_CHECKING:
    from collections.abc import Iterator

SCRIPTS = int(os.environ.get("CLEW_GROUP_SCRIPTS", "2")) * 30
STEPS = 40

SLOW_S = 0.25
"""So long a slow disk takes, and the way back: an answer comes after half a second."""

WEIGHTS = {
    "kill": 2, "kill_leader": 3, "fuse": 3, "start": 8, "end": 1, "cut": 3, "cut_off": 3, "heal": 4,
    "promote": 5, "promote_two": 2, "fall": 8, "rivals": 2, "force": 2, "rest": 2, "flush": 2,
    "forget": 1, "change": 3,
}  # fmt: skip
"""How often what happens, before each script leaves out some of it and has others more often."""


class LeaderScript:
    """A walk through what may happen to servers of which one leads."""

    def __init__(self, seed: int, *, is_leased: bool = False) -> None:
        chance = self.chance = random.Random(seed)
        names = chance.choice(("ab", "abc", "abc"))
        most = len(names) - 1
        same = chance.randint(0, most)
        is_mixed = chance.random() < (float(os.environ.get("CLEW_MIXED", "0.25")))
        required = {name: chance.randint(0, most) if is_mixed else same for name in names}
        self.names = names
        self.weights = {each: chance.choice((0, 1, 1, 3)) * w for each, w in WEIGHTS.items()}
        is_forced = chance.random() < 0.3 and len(set(required.values())) == 1 and not is_leased
        self.weights["force"] *= is_forced
        self.weights["change"] *= is_mixed and not is_forced
        self.weights["start"], self.weights["rest"] = 8, 1
        # Two that do not hear of one another take one epoch always or often, not once in 65,536. Of
        # two that were forced, and acknowledge alone, nothing else keeps the logs apart.
        leap_max = None if is_forced else chance.choice((1, 3))
        if is_leased:
            # It decides who leads; who is told to is refused.
            told = ("promote", "promote_two", "fall", "rivals")
            self.weights |= dict.fromkeys(told, 0) | {"pause": 4, "cut_lease": 3}
        self.town = LeaderTown(seed, required, leap_max=leap_max, is_leased=is_leased)
        # Disks of which a sync takes longer than those are waited for that are not needed.
        self.town.pace = chance.choice((0.005, 0.005, SLOW_S))
        # A lease that is not renewed ends after some seconds.
        self.pauses = (0.0, 0.2, 4.0, 8.0) if is_leased else (0.0, 0.02, 0.2, 1.0, 4.0)
        self.is_over = self.managed = False
        self.promotions: set[asyncio.Task[None]] = set()

    def one(self) -> str:
        return self.chance.choice(self.names)

    async def write(self) -> None:
        """Write to whoever leads, all the time."""
        every = self.chance.choice((0.05, 0.2, 1.0))
        while not self.is_over:
            for process in self.town.leading():
                if not self.town.is_paused(process.life.name):
                    process.write()
            await asyncio.sleep(every * self.chance.random())

    def kill(self) -> None:
        self.town.kill(self.one())

    def kill_leader(self) -> None:
        for process in self.town.leading():
            self.town.kill(process.life.name)

    def fuse(self) -> None:
        name = self.one()
        if name in self.town.processes:
            self.town.processes[name].life.fuse = self.chance.randint(0, 12)

    def start(self) -> None:
        for name in self.names:
            if name not in self.town.processes and self.chance.random() < 0.7:
                fuse = self.chance.randint(0, 20) if self.weights["fuse"] else None
                self.town.start(name, self.chance.choice((None, None, fuse)))

    def end(self) -> None:
        name = self.one()
        if name in self.town.processes:
            self.town.processes[name].end()

    def cut(self) -> None:
        one, other = self.chance.sample(self.names, 2)
        self.town.cuts.add((one, other))
        if self.chance.random() < 0.6:
            self.town.cuts.add((other, one))

    def cut_off(self) -> None:
        one = self.one()
        for other in self.names.replace(one, ""):
            self.town.cuts |= {(one, other), (other, one)}

    def heal(self) -> None:
        self.town.cuts.clear()
        if self.town.register is not None:
            self.town.register.cuts.clear()

    def cut_lease(self) -> None:
        assert self.town.register is not None
        self.town.register.cuts |= set(self.chance.sample(self.names, self.chance.randint(1, 2)))

    def pause(self) -> None:
        """Have a server, more often than not one that leads, do nothing for some seconds."""
        leading = [process.life.name for process in self.town.leading()]
        name = self.chance.choice(leading) if leading else self.one()
        self.town.paused[name] = self.town.loop.time() + 15.0 * self.chance.random()

    def promote(self) -> None:
        self._promote(self.one(), force=False)

    def promote_two(self) -> None:
        for name in self.chance.sample(self.names, 2):
            self._promote(name, force=False)

    def fall(self) -> None:
        """Have one that is promoted end after others let it, and before it leads."""
        name = self.one()
        for process in self.town.leading():
            if self.chance.random() < 0.7:
                self.town.kill(process.life.name)
        self.town.falling = name
        self._promote(name, force=False)

    def force(self) -> None:
        for name in self.chance.sample(self.names, self.chance.randint(1, 2)):
            self._promote(name, force=True)

    def rivals(self) -> None:
        """Have two lead that do not hear of one another, and that the others hear."""
        one, other = self.chance.sample(self.names, 2)
        self.town.cuts = {(one, other), (other, one)}
        for name in (one, other):
            self._promote(name, force=bool(self.weights["force"]))

    def rest(self) -> None: ...

    def change(self) -> None:
        """Have a server wait for another number of standbys from its next start on."""
        self.town.required[self.one()] = self.chance.randint(0, len(self.names) - 1)

    def flush(self) -> None:
        for process in self.town.processes.values():
            process.flush()

    def forget(self) -> None:
        for process in self.town.processes.values():
            process.forget()

    def _promote(self, name: str, *, force: bool) -> None:
        process = self.town.processes.get(name)
        if process is None or not process.is_open:
            return

        async def ask() -> None:
            try:
                await process.promote(leads=process.leads, force=force)
            except ClewError:
                return

        task = self.town.loop.create_task(ask())
        self.promotions.add(task)
        task.add_done_callback(self.promotions.discard)

    async def walk(self) -> None:
        town = self.town
        for name in self.names:
            town.start(name)
        await asyncio.sleep(3)
        town.trouble = self.chance.choice((0.1, 0.3, 1.0, 2.0))
        writing = asyncio.create_task(self.write())
        for name in self.chance.choices(
            list(self.weights), list(self.weights.values()), k=self.chance.randint(5, STEPS)
        ):
            town.log.append(f"{town.loop.time():.2f} {name}")
            getattr(self, name)()
            town.check()
            pause = 15.0 if name == "rest" else self.chance.choice(self.pauses)
            await asyncio.sleep(pause * self.chance.random())
            town.check()
        self.is_over = True
        await writing
        if self.chance.random() < 0.3:
            self.managed = await town.manage_without(town.fallen or self.one())
        await town.settle()


@pytest.fixture
def quiet() -> Iterator[None]:
    """Servers tell of all that goes wrong; here that is most of it."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


async def open_all(town: LeaderTown) -> list[Process]:
    """Start every server, and wait until the first leads the others."""
    for name in town.disks:
        town.start(name)
    await asyncio.sleep(3)
    assert [process.life.name for process in town.leading()] == ["a"]
    return list(town.processes.values())


@pytest.mark.usefixtures("quiet")
def test_a_leader_whose_own_earlier_claim_arrives_late_leads_on() -> None:
    town = LeaderTown(1, {"a": 1, "b": 1, "c": 1})

    async def story() -> None:
        a, b, c = await open_all(town)
        late = Shipment(9, "node a", a.url, extent=(9, 0)).headers()
        # The process that sent it was killed; the next one heard of no such epoch.
        b.take(late, b"")
        c.take(late, b"")
        await town.settle()
        assert (town.leading(), a.standing.epoch) == ([a], 10)

    town.play(story())


@pytest.mark.usefixtures("quiet")
def test_two_that_are_forced_as_they_cease_to_hear_of_one_another_take_two_epochs() -> None:
    town = LeaderTown(1, {"a": 0, "b": 0, "c": 0})

    async def story() -> None:
        _, b, c = await open_all(town)
        for each in (b, c):
            await each.promote(leads=False, force=True)
        await town.until(lambda: b.posture == c.posture == CANDIDATE)
        # Both hear everybody, and before either claims nobody hears anybody any more.
        await asyncio.sleep(0.012)
        town.cuts |= {(one, other) for one in "abc" for other in "abc"}
        await town.until(lambda: b.leads and c.leads)
        assert b.standing.epoch != c.standing.epoch
        await town.settle()

    town.play(story())


@pytest.mark.usefixtures("quiet")
def test_a_server_that_let_another_lead_knows_how_few_that_one_waits_for() -> None:
    town = LeaderTown(1, {"a": 1, "b": 1, "c": 0})

    async def story() -> None:
        a, b, _ = await open_all(town)
        assert b.standing.required == 1
        claim = Shipment(9, "node c", "http://c:7701", required=0, extent=(9, 0))
        for each in (a, b):
            each.take(claim.headers(), b"")
        # Whatever that one acknowledges alone may be missing at both.
        assert (a.standing.required, b.standing.required) == (0, 0)
        town.kill("c")
        await asyncio.sleep(1)
        with pytest.raises(ClewError, match="only 2 of the 3 servers"):
            await b.promote(leads=False, force=False)

    town.play(story())


@pytest.mark.usefixtures("quiet")
def test_whoever_led_last_goes_on_where_who_was_let_ends_before_it_leads() -> None:
    town = LeaderTown(1, {"a": 1, "b": 1, "c": 1})

    async def story() -> None:
        a, b, c = await open_all(town)
        town.kill("a")
        await b.promote(leads=False, force=False)
        await town.until(lambda: town.is_let("b"))
        town.kill("b")
        town.start("a")
        # It hears of it from the other alone, and what its owner made of it from nobody.
        await town.until(lambda: [p.life.name for p in town.leading()] == ["a"])
        (a,) = town.leading()
        late = Shipment(a.standing.epoch + 9, "node b", b.url, extent=(99, 0)).headers()
        for each in (a, c):
            each.take(late, b"")
        assert not town.leading()
        town.kill("a")
        town.start("a")
        await town.until(lambda: [p.life.name for p in town.leading()] == ["a"])
        await town.settle()

    town.play(story())


@pytest.mark.usefixtures("quiet")
def test_whoever_led_last_lets_another_go_on_that_it_does_not_hear() -> None:
    town = LeaderTown(1, {"a": 1, "b": 1, "c": 1})

    async def story() -> None:
        _, b, c = await open_all(town)
        town.kill("a")
        await b.promote(leads=False, force=False)
        await town.until(lambda: c.standing.led[1] == b.standing.node_id)
        town.cuts = {("a", "b"), ("b", "a")}
        town.start("a")
        await asyncio.sleep(60)
        assert town.leading() == [b]

    town.play(story())


@pytest.mark.usefixtures("quiet")
def test_where_all_are_there_and_none_leads_the_one_with_most_does() -> None:
    town = LeaderTown(1, {"a": 2, "b": 2, "c": 2})

    async def story() -> None:
        a, b, _ = await open_all(town)
        town.cuts = {(one, other) for one in "abc" for other in "abc"}
        # It came to its own disk alone: nobody acknowledged it.
        assert a.write()
        await b.promote(leads=False, force=True)
        await town.until(lambda: b.leads)
        for name in "abc":
            town.kill(name)
        town.cuts.clear()
        for name in "bc":
            town.start(name)
        await asyncio.sleep(60)
        # One that is not there may lead.
        assert not town.leading()
        town.start("a")
        await town.until(lambda: bool(town.leading()))
        await town.settle()

    town.play(story())


@pytest.mark.usefixtures("quiet")
def test_a_server_that_is_to_wait_for_fewer_than_when_it_led_hears_all_that_may_lead() -> None:
    town = LeaderTown(1, {"a": 2, "b": 2, "c": 2})

    async def story() -> None:
        a, b, _ = await open_all(town)
        # One that would have waited for fewer asked it, and came to nothing.
        a.take(Shipment(9, "node b", b.url, required=1, extent=(9, 0)).headers(), b"")
        for name in "ac":
            town.kill(name)
        town.required["a"] = 1
        town.start("a")
        await asyncio.sleep(60)
        # The third may have been promoted alone: with all to have a record none was lost.
        assert not town.leading()
        town.start("c")
        await town.settle()

    town.play(story())


@pytest.mark.usefixtures("quiet")
def test_who_would_wait_for_fewer_than_its_leader_did_hears_all_that_may_lead_unheard() -> None:
    town = LeaderTown(1, {"a": 2, "b": 1, "c": 1})

    async def story() -> None:
        _, b, _ = await open_all(town)
        town.kill("a")
        # Alone it may be told to lead again, since with it no record did without any of the others.
        with pytest.raises(ClewError, match="only 2 of the 3 servers") as refused:
            await b.promote(leads=False, force=False)
        assert "may lead by the larger number" in refused.value.message
        town.start("a")
        await town.settle()

    town.play(story())


@pytest.mark.usefixtures("quiet")
def test_of_four_servers_one_that_is_to_wait_for_fewer_hears_all_as_well() -> None:
    town = LeaderTown(1, dict.fromkeys("abcd", 2))

    async def story() -> None:
        a, *_ = await open_all(town)
        assert a.write()
        await asyncio.sleep(5)
        town.kill("a")
        town.cuts = {pair for one in "abc" for pair in ((one, "d"), ("d", one))}
        town.required["a"] = 1
        town.start("a")
        await asyncio.sleep(60)
        # Had it led, and only b what it acknowledged: d may lead with c alone, by what it knows.
        assert not town.leading()
        await town.settle()
        assert len(town.leading()) == 1

    town.play(story())


@pytest.mark.usefixtures("quiet")
def test_a_server_that_is_told_to_lead_twice_says_that_it_is_about_to() -> None:
    town = LeaderTown(1, {"a": 1, "b": 1})

    async def story() -> None:
        _, b = await open_all(town)
        town.kill("a")
        first = asyncio.create_task(b.promote(leads=False, force=False))
        await asyncio.sleep(0.008)
        with pytest.raises(ClewError, match="about to open its doors") as refused:
            await b.promote(leads=False, force=False)
        assert refused.value.code is ErrorCode.UNAVAILABLE
        await first
        town.start("a")
        await town.settle()
        assert town.leading() == [b]

    town.play(story())


@pytest.mark.usefixtures("quiet")
def test_whoever_led_last_goes_on_at_its_first_try_where_the_others_are_slow_to_answer() -> None:
    town = LeaderTown(1, {"a": 1, "b": 1})

    async def story() -> None:
        await open_all(town)
        town.pace = SLOW_S
        town.kill("a")
        town.kill("b")
        town.start("b")
        town.start("a")
        count = len(town.opened)
        await town.until(lambda: bool(town.leading()))
        # Each try shuts the doors and opens them again: as two standbys, and as the leader.
        assert len(town.opened) - count <= 3
        await town.settle()

    town.play(story())


@pytest.mark.usefixtures("quiet")
def test_whoever_is_promoted_claims_once_where_the_others_are_slow_to_answer() -> None:
    town = LeaderTown(1, {"a": 1, "b": 1})

    async def story() -> None:
        a, b = await open_all(town)
        town.pace = SLOW_S
        await b.promote(leads=False, force=True)
        await town.until(lambda: b.leads)
        # It was heard by all, so it leads under the next epoch and left none out.
        assert (a.standing.epoch, b.standing.epoch, b.peers.claimed) == (2, 2, 2)
        await town.settle()

    town.play(story())


@pytest.mark.usefixtures("quiet")
def test_what_a_server_tried_by_itself_is_not_told_as_if_somebody_had_asked_for_it() -> None:
    town = LeaderTown(1, {"a": 1, "b": 1})

    async def story() -> None:
        a, _ = await open_all(town)
        town.kill("a")
        town.start("a")
        a = town.processes["a"]
        await town.until(lambda: a.posture == CANDIDATE)
        town.kill("b")
        await town.until(lambda: a.is_open)
        assert not a.leads
        detail = a.describe(leads=False).detail
        assert detail is not None
        assert detail.startswith("this server led last, and may not go on yet")
        # Another is promoted meanwhile: what keeps this one from leading is of no use any more.
        a.standing.accept(9, "node b", "http://b:7701")
        assert a.describe(leads=False).detail is None
        await town.settle()

    town.play(story())


@pytest.mark.usefixtures("quiet")
def test_why_a_promotion_came_to_nothing_is_told_with_its_time_until_somebody_leads_again() -> None:
    town = LeaderTown(1, {"a": 1, "b": 1, "c": 1})

    async def story() -> None:
        _, b, _ = await open_all(town)
        town.kill("a")
        await b.promote(leads=False, force=False)
        await town.until(lambda: b.posture == CANDIDATE)
        town.kill("c")
        await town.until(lambda: b.is_open)
        # However long nobody leads.
        await asyncio.sleep(100)
        detail = b.describe(leads=False).detail
        assert re.match(
            r"promoted by hand at \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ, and did not lead: only 1 of",
            detail or "",
        )
        # The same server leads again, so that no epoch tells of it.
        for name in "ac":
            town.start(name)
        await town.until(lambda: [process.life.name for process in town.leading()] == ["a"])
        await asyncio.sleep(20)
        assert b.describe(leads=False).detail is None
        # Nor is it told when that leader is gone in turn.
        town.kill("a")
        await asyncio.sleep(20)
        assert b.describe(leads=False).detail is None
        await town.settle()

    town.play(story())


@pytest.mark.usefixtures("quiet")
def test_a_standby_that_nobody_ships_to_asks_now_and_then_while_one_leads() -> None:
    town = LeaderTown(1, {"a": 0, "b": 0})

    async def story() -> None:
        a, b = await open_all(town)
        # As of a leader that was started without the name of this one.
        a._ship = lambda *_, **__: None  # type: ignore[method-assign]
        asks = b.peers.asks
        await asyncio.sleep(120)
        assert town.leading() == [a]
        assert 1 <= b.peers.asks - asks <= 12

    town.play(story())


@pytest.mark.slow
@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize(
    ("is_leased", "scripts"),
    [(False, SCRIPTS), (True, SCRIPTS // 3)],
    ids=["by hand", "by a lease"],
)
def test_however_servers_come_to_lead_what_was_acknowledged_is_kept(
    is_leased: bool, scripts: int
) -> None:
    seed = int(os.environ.get("CLEW_SEED") or time.time_ns() % 2**32)
    tally: Counter[str] = Counter()
    for number in range(scripts):
        script = LeaderScript(seed + number, is_leased=is_leased)
        try:
            script.town.play(script.walk())
        except BaseException:
            sys.stdout.write(f"CLEW_SEED={seed + number} CLEW_GROUP_SCRIPTS=1\n")
            sys.stdout.write("\n".join(script.town.log) + "\n")
            raise
        tally["acknowledged"] += len(script.town.acked)
        tally["leaderships"] += len(script.town.leaders)
        tally["forced"] += len(script.town.forced)
        tally["managed without one"] += script.managed
    sys.stdout.write(f"{dict(tally)}\n")
