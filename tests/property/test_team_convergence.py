"""Promise 8 with the sync that runs: whatever happens between, all end with the same, nothing lost.

As in `test_team_queue_model`, stories are drawn by a seed. There the server is a model and the sync
the simplest there is; here both are the real ones, and what goes wrong goes wrong on the wire.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any, TypeVar
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from clew.team import ConflictStrategy, SyncOperationType
from clew.team.entities.codec import replace_fields
from clew.team.entities.entity import SyncableEntity
from clew.team.errors import ValidationError
from clew.team.ledger.rows import EntityRow, Round, Take
from clew.testing.trailbase import FakeTrailBase, Hold, Trouble
from tests.property.team_town import (
    FIELDS,
    TYPES,
    Person,
    blank,
    found_team,
    hours,
    purge,
    until,
    watch_effects,
)

CREATE, UPDATE, DELETE = SyncOperationType

EXAMPLES = int(os.environ.get("CLEW_TEAM_STORIES", "10"))

STEPS_MAX = 40

THINGS_MAX = 4
"""Few, so that all write the same."""

ROUNDS_MAX = 25
"""Until nothing is left to do: each loses a race or two at the most."""

RETRIES = 2
"""Before what was set aside is given up."""

Thing = TypeVar("Thing")


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeTrailBase]:
    with FakeTrailBase() as server:
        watch_effects(server)
        yield server


@dataclass
class Story:
    """What people do, what goes wrong meanwhile, and what they may not complain about."""

    fake: FakeTrailBase
    people: list[Person]
    team: str
    chance: Random
    holds: list[Hold] = field(default_factory=list)
    number: int = 0
    wrote: dict[str, str] = field(default_factory=dict)
    """Every value, and the thing that it was written into."""
    let_go: set[str] = field(default_factory=set)
    """Values that somebody overwrote, deleted or gave up, knowing of them."""
    withdrawn: set[str] = field(default_factory=set)
    """Things that somebody erased, or whose tombstone is gone for ever."""
    deleted: set[str] = field(default_factory=set)
    """Things that somebody deleted, and nobody wrote over or gave up since."""
    expired: set[int] = field(default_factory=set)

    def one_of(self, things: Sequence[Thing]) -> Thing:
        return self.chance.choice(things)

    # What people do.

    async def write(self, person: Person) -> None:
        # Of what was erased there is nothing left to write over.
        rows = [row for row in person.all_rows() if is_whole(person, row)]
        row = self.one_of([*rows, *[None] * (len(rows) < THINGS_MAX) * 3]) if rows else None
        if row is None:
            made = blank(self.one_of(list(FIELDS)), self.team, person.user.id)
            kind, thing = made.entity_type(), made.local_id
        else:
            made, kind, thing = entity_of(person, row), row.entity_type, row.remote_id
        names = self.chance.sample(FIELDS[kind], self.chance.randint(1, len(FIELDS[kind])))
        if row is not None:
            self.leave(row.document, names)
        changes = {}
        for name in names:
            self.number += 1
            changes[name] = f"w{self.number}"
            self.wrote[changes[name]] = thing
        self.deleted.discard(thing)
        person.write(replace_fields(made, **changes), self.one_of([CREATE, UPDATE]))

    async def delete(self, person: Person) -> None:
        rows = [row for row in person.all_rows() if not row.deleted]
        if rows:
            row, erase = self.one_of(rows), self.one_of([True, False])
            self.leave(row.document)
            if erase:
                self.withdrawn.add(row.remote_id)
            self.deleted.add(row.remote_id)
            person.write(entity_of(person, row), DELETE, erase=erase)

    async def retry(self, person: Person) -> None:
        person.ledger.retry_failed(person.account).result()

    async def give_up(self, person: Person) -> None:
        for operation in person.ledger.find_failed(person.account):
            row = person.ledger.find_entity(
                person.account, operation.entity_type, operation.entity_id
            )
            assert row is not None
            self.leave(row.document)
            self.deleted.discard(row.remote_id)
        person.ledger.clear_failed(person.account).result()

    async def resolve(self, person: Person) -> None:
        conflicts = person.ledger.find_conflicts(person.account)
        if not conflicts:
            return
        conflict = self.one_of(conflicts)
        take = self.one_of([Take.OUTCOME, Take.LOCAL, Take.REMOTE])
        row = person.ledger.find_entity(person.account, conflict.entity_type, conflict.local_id)
        if row is None:
            return
        for document in (row.document, conflict.local, conflict.remote, conflict.outcome):
            self.leave(document or {})
        self.deleted.discard(row.remote_id)
        if take is not Take.OUTCOME and getattr(conflict, take.value) is None:
            # To decide for a deletion by hand erases.
            self.withdrawn.add(row.remote_id)
        person.ledger.resolve(person.account, conflict.conflict_id, take).result()

    def leave(self, document: Any, names: Sequence[str] | None = None) -> None:
        every = [name for each in FIELDS.values() for name in each]
        self.let_go |= {document[name] for name in names or every if document.get(name)}

    # What the sync does, and what goes wrong.

    async def sync(self, person: Person) -> None:
        await person.sync()

    async def sync_in_trouble(self, person: Person) -> None:
        for _ in range(self.chance.randint(1, 3)):
            self.fake.order(
                self.one_of([*Trouble][:-1]),
                times=self.chance.randint(1, 2),
                path=self.one_of(PATHS),
                method=self.one_of([None, None, "GET", "POST", "PATCH"]),
                status=self.one_of([429, 429, 500, 503, 502]),
                headers=self.one_of([None, {"retry-after": "30"}]),
            )
        await person.sync()
        self.fake.calm()

    async def be_killed(self, person: Person) -> None:
        """Die in a round. What is on its way may arrive at any time."""
        hold, task = self.begin_held(person)
        await until(lambda: hold.is_held or task.done())
        if hold.is_held:
            if self.one_of([True, False]):
                await self.write(person)
            self.holds.append(hold)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        self.fake.calm()
        await person.begin_anew()

    async def be_slow(self, person: Person) -> None:
        """Hear an answer late: others did things meanwhile, and so did we."""
        hold, task = self.begin_held(person)
        await until(lambda: hold.is_held or task.done())
        if hold.is_held:
            self.fake.calm()
            for _ in range(self.chance.randint(0, 3)):
                other = self.one_of(self.people)
                await self.one_of([self.write, self.write, self.delete, self.resolve])(other)
                if other is not person:
                    await other.sync()
        hold.release()
        await task
        self.fake.calm()

    def begin_held(self, person: Person) -> tuple[Hold, asyncio.Task[Round]]:
        hold = self.fake.hold(
            after=self.one_of([True, False]),
            path=self.one_of(PATHS),
            method=self.one_of([None, "GET", "POST", "PATCH"]),
        )
        return hold, asyncio.create_task(person.sync())

    async def arrive(self, _person: Person) -> None:
        if self.holds:
            self.holds.pop(0).release()

    async def restart(self, _person: Person) -> None:
        await asyncio.to_thread(self.fake.restart)

    async def expire(self, person: Person) -> None:
        """Let the server know a bearer no more that we take for good."""
        # Once: that it happens twice in a minute is taken for what a refusal means.
        if id(person) not in self.expired:
            self.expired.add(id(person))
            self.fake.advance(3 * 3600)
            await person.sync()
            self.fake.advance(-3 * 3600)

    async def be_sent_away(self, person: Person) -> None:
        person.client.session.set_tokens(None)
        await person.sync()
        if self.one_of([True, False]):
            await self.write(person)
        await person.begin_anew()

    async def wait(self, _person: Person) -> None:
        for person in self.people:
            person.ahead_ns += hours(self.chance.random())

    async def purge(self, _person: Person) -> None:
        while self.holds:
            self.holds.pop().release()
        for person in self.people:
            await person.begin_anew()
        gone = {str(UUID(hex=each)) for each in purge(self.fake)}
        self.withdrawn |= gone
        # Whoever was in doubt of a create for as long as tombstones are kept carries it out anew.
        for thing in gone & {each for person in self.people for each in doubtful(person)}:
            self.deleted.discard(thing)
            self.fake.write("DELETE FROM effects WHERE id = ?", (UUID(thing).bytes,))

    # How it ends.

    async def settle_down(self) -> None:
        while self.holds:
            self.holds.pop().release()
        self.fake.calm()
        for person in self.people:
            await person.begin_anew()
        for number in range(ROUNDS_MAX):
            for person in self.people:
                person.ahead_ns += hours(2)
                await person.sync()
                # What is refused for good is refused again and again.
                await (self.retry if number < RETRIES else self.give_up)(person)
            if all(self.is_quiet(person) for person in self.people):
                break
        for person in self.people * 2:
            await person.sync()

    def is_quiet(self, person: Person) -> bool:
        stats = person.ledger.stats(person.account)
        return stats.pending == stats.failed == 0

    async def on_server(self, person: Person) -> dict[str, Any]:
        """What somebody is shown, by ids; without what is deleted."""
        server = await person.server()
        found: dict[str, Any] = {}
        for entity_type in ("teams", *TYPES):
            page = await server.changes(entity_type, "" if entity_type == "teams" else self.team, 0)
            found |= {
                each.remote_id: dict(each.document) for each in page.records if not each.deleted
            }
        return found

    def is_accounted_for(self, value: str, outcome: set[Any]) -> bool:
        if value in self.let_go | outcome or self.wrote[value] in self.withdrawn:
            return True
        return any(
            document is not None and value in document.values()
            for person in self.people
            for conflict in person.ledger.find_conflicts(person.account, with_resolved=True)
            for document in (conflict.local, conflict.remote)
        )


PATHS = ("/api/transaction", "/api/transaction", "/api/records", "/api/records", "/api")

STEPS = (
    [Story.write] * 10
    + [Story.sync] * 6
    + [Story.sync_in_trouble] * 5
    + [Story.be_killed, Story.be_slow] * 3
    + [Story.delete, Story.resolve] * 2
    + [Story.arrive, Story.restart, Story.expire, Story.be_sent_away, Story.wait]
    + [Story.purge, Story.retry, Story.give_up]
)


ALONE = [each for each in STEPS if each not in {Story.resolve, Story.give_up, Story.purge}]

pytestmark = pytest.mark.timeout(300 + 3 * EXAMPLES)

STORIES = settings(
    max_examples=EXAMPLES,
    deadline=None,
    # A seed does not shrink.
    phases=(Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@given(st.integers(0, 2**64), st.sampled_from(ConflictStrategy), st.booleans())
@STORIES
def test_whatever_goes_wrong_on_the_wire_all_end_with_the_same_and_nothing_is_lost_or_doubled(
    fake: FakeTrailBase, seed: int, strategy: ConflictStrategy, has_third: bool
) -> None:
    asyncio.run(play(fake, Random(seed), strategy, 3 if has_third else 2))


@given(st.integers(0, 2**64), st.sampled_from(ConflictStrategy))
@STORIES
def test_who_writes_alone_meets_no_conflict_whatever_goes_wrong_and_has_the_last_word(
    fake: FakeTrailBase, seed: int, strategy: ConflictStrategy
) -> None:
    asyncio.run(play_alone(fake, Random(seed), strategy))


@asynccontextmanager
async def town(
    fake: FakeTrailBase, chance: Random, strategy: ConflictStrategy, count: int
) -> AsyncIterator[Story]:
    """Give a story that is about to begin: so many people, in one team."""
    fake.write("DELETE FROM effects")
    people = [
        Person(fake, fake.add_user(f"{number}-{os.urandom(8).hex()}@example.com"), strategy)
        for number in range(count)
    ]
    try:
        team = await found_team(*people)
        # The second may change what others made; the third may not.
        fake.write(
            "UPDATE team_members SET role = 'admin', version = version + 1 WHERE user_id = ?",
            (people[1].user.key,),
        )
        for person in people:
            await person.sync()
        yield Story(fake, people, team, chance)
    finally:
        fake.calm()
        for person in people:
            await person.close()


async def play(fake: FakeTrailBase, chance: Random, strategy: ConflictStrategy, count: int) -> None:
    async with town(fake, chance, strategy, count) as story:
        for _ in range(chance.randint(1, STEPS_MAX)):
            await chance.choice(STEPS)(story, chance.choice(story.people))
        await story.settle_down()
        await check(story)


async def play_alone(fake: FakeTrailBase, chance: Random, strategy: ConflictStrategy) -> None:
    async with town(fake, chance, strategy, 2) as story:
        writer, reader = story.people
        story.people = [writer]
        for _ in range(chance.randint(1, STEPS_MAX)):
            await chance.choice(ALONE)(story, writer)
            if chance.random() < 0.2:
                await reader.sync()
        last_word = said_by(writer)
        story.people = [writer, reader]
        await story.settle_down()
        await check(story)
        for person in story.people:
            assert said_by(person) == last_word
            assert person.ledger.find_conflicts(person.account, with_resolved=True) == []


def said_by(person: Person) -> dict[str, Any]:
    return {row.remote_id: row.document for row in person.all_rows() if not row.deleted}


async def check(story: Story) -> None:
    on_server = await story.on_server(story.people[0])
    for person in story.people:
        assert story.is_quiet(person)
        assert person.seen() == on_server
    values = [value for document in on_server.values() for value in document.values()]
    outcome = {value for value in values if isinstance(value, str)}
    for value in story.wrote:
        assert story.is_accounted_for(value, outcome), value
    for thing in story.deleted & set(on_server):
        assert any(
            conflict.local_id == thing
            for person in story.people
            for conflict in person.ledger.find_conflicts(person.account, with_resolved=True)
        ), f"{thing} was deleted"
    effects = story.fake.read("SELECT hex(id) AS id, version, op_id FROM effects")
    assert len({each["op_id"] for each in effects}) == len(effects), "something happened twice"
    assert len({(each["id"], each["version"]) for each in effects}) == len(effects)
    # What somebody made is one record: nobody made another.
    assert {str(UUID(hex=str(each["id"]))) for each in effects} <= set(story.wrote.values())


def doubtful(person: Person) -> set[str]:
    """Return the things of which somebody does not know whether they made them."""
    ledger, account = person.ledger, person.account
    return {
        row.remote_id
        for each in (*ledger.find_pending(account), *ledger.find_failed(account))
        if each.attempted or each.earlier
        for row in [ledger.find_entity(account, each.entity_type, each.entity_id)]
        if row is not None and row.version == 0
    }


def is_whole(person: Person, row: EntityRow) -> bool:
    try:
        entity_of(person, row)
    except ValidationError:
        return False
    return True


def entity_of(person: Person, row: EntityRow) -> SyncableEntity:
    return row.as_entity(person.ledger.kinds[row.entity_type])
