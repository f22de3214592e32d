"""Two machines, a server and everything that may go wrong between: nothing is lost or doubled.

The ledger is worked on by the simplest sync there is. A model of the server and of what everybody
wrote says what must come of it, without knowing anything of queues. Stories are drawn by a seed and
not step by step: what goes wrong takes many steps that fit together, and even odds find it sooner.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, TypeVar

from hypothesis import given
from hypothesis import strategies as st

from clew.base.times import NS_PER_S
from clew.team import ConflictStrategy
from clew.team.ledger.rows import Take
from tests.property.team_world import (
    BROKEN,
    CREATE,
    DELETE,
    LOST,
    OFFLINE,
    REFUSED,
    UPDATE,
    Client,
    World,
    replaced,
)

Thing = TypeVar("Thing")

ROUNDS_MAX = 30
"""Until nothing is left to do: each loses a race or two at the most."""


@dataclass
class Story:
    """What two people do, and what they may not complain about."""

    world: World
    clients: list[Client]
    chance: Random
    number: int = 0
    wrote: set[str] = field(default_factory=set)
    let_go: set[str] = field(default_factory=set)
    """Values that somebody overwrote, deleted or gave up, knowing of them."""

    def one_of(self, things: Sequence[Thing]) -> Thing:
        return self.chance.choice(things)

    def value(self) -> str:
        self.number += 1
        self.wrote.add(f"w{self.number}")
        return f"w{self.number}"

    def write(self, client: Client) -> None:
        rows = client.rows()
        choice = self.chance.randrange(-1 if len(rows) < CARDS_MAX else 0, len(rows))
        names = self.one_of([("front",), ("back",), ("front", "back")])
        changes = {name: self.value() for name in names}
        operation = self.one_of([CREATE, UPDATE])
        if choice < 0:
            card = client.new_card()
            for name, value in changes.items():
                setattr(card, name, value)
        else:
            self.leave(rows[choice].document, names)
            card = replaced(rows[choice], **changes)
        client.write(card, operation)

    def delete(self, client: Client) -> None:
        rows = [row for row in client.rows() if not row.deleted]
        if rows:
            row = self.one_of(rows)
            self.leave(row.document)
            client.write(replaced(row), DELETE, erase=self.one_of([True, False]))

    def leave(self, document: Any, names: Any = ("front", "back")) -> None:
        self.let_go |= {document[name] for name in names if document.get(name)}

    def claim(self, client: Client) -> None:
        client.claim(self.one_of([1, 2, 50]))

    def answer(self, client: Client) -> None:
        if not client.held:
            return
        claimed = client.held.pop(self.chance.randrange(len(client.held)))
        how = self.one_of(HOW)
        if how == "heard":
            client.deliver(claimed)
            return
        sent = client.ask_first(claimed)
        if sent is None:
            return
        match how:
            case "lost":
                self.world.arrive(sent.as_sending())
                client.give_back(sent, LOST)
            case "never":
                client.give_back(sent, OFFLINE)
            case "maybe":
                client.give_back(sent, LOST)
            case "late":
                self.world.under_way.append(sent.as_sending())
                client.give_back(sent, LOST)
            case "broken":
                if self.one_of([True, False]):
                    self.world.arrive(sent.as_sending())
                client.give_back(sent, BROKEN)
            case _:
                client.give_back(sent, REFUSED)

    def arrive(self, _client: Client) -> None:
        if self.world.under_way:
            self.world.arrive(self.world.under_way.pop(0))

    def die(self, client: Client) -> None:
        """A process that is killed; some of what it sent has arrived."""
        for claimed in client.held:
            if not claimed.operation.is_doubtful and self.one_of([True, False]):
                self.world.arrive(claimed.as_sending())
        client.die()

    def hear_again(self, client: Client) -> None:
        if client.told:
            client.ledger.finish([self.one_of(client.told)]).result()

    def pull(self, client: Client) -> None:
        client.pull(lambda records: self.chance.sample(records * 2, 2 * len(records)))

    def wait(self, _client: Client) -> None:
        self.world.at += self.chance.randint(1, 400) * NS_PER_S

    def retry(self, client: Client) -> None:
        client.ledger.retry_failed(client.account).result()

    def give_up(self, client: Client) -> None:
        failed = {each.entity_id for each in client.ledger.find_failed(client.account)}
        for row in client.rows():
            if row.local_id in failed:
                self.leave(row.document)
        client.ledger.clear_failed(client.account).result()

    def resolve(self, client: Client) -> None:
        conflicts = client.ledger.find_conflicts(client.account)
        if conflicts:
            conflict = self.one_of(conflicts)
            take = self.one_of([Take.OUTCOME, Take.LOCAL, Take.REMOTE])
            for row in client.rows():
                if row.local_id == conflict.local_id:
                    self.leave(row.document)
            for document in (conflict.local, conflict.remote, conflict.outcome):
                self.leave(document or {})
            client.ledger.resolve(client.account, conflict.conflict_id, take).result()

    def is_accounted_for(self, value: str) -> bool:
        if value in self.let_go | self.world.was_there:
            return True
        for client in self.clients:
            for conflict in client.ledger.find_conflicts(client.account, with_resolved=True):
                for document in (conflict.local, conflict.remote):
                    if document is not None and value in document.values():
                        return True
        return False


HOW = ["heard"] * 4 + ["lost", "never", "maybe", "late", "broken", "refused"]

STEPS = (
    [Story.write] * 6
    + [Story.claim] * 5
    + [Story.answer] * 8
    + [Story.pull] * 4
    + [Story.delete, Story.arrive, Story.die, Story.hear_again]
    + [Story.wait, Story.retry, Story.give_up, Story.resolve]
)

CARDS_MAX = 3
"""Few, so that both write the same."""

STEPS_MAX = 80


def make_clients(world: World, strategy: ConflictStrategy, seed: int) -> list[Client]:
    """Two machines, or two accounts that share one ledger and know nothing of each other."""
    first = Client(world, strategy, "a")
    if seed % 3:
        return [first, Client(world, strategy, "b")]
    return [first, Client(world, strategy, "b", database=first.database)]


@given(st.integers(0, 2**64), st.sampled_from(ConflictStrategy))
def test_whatever_goes_wrong_all_end_with_the_same_and_nothing_is_lost_or_doubled(
    seed: int, strategy: ConflictStrategy
) -> None:
    world = World()
    clients = make_clients(world, strategy, seed)
    story = Story(world, clients, Random(seed))
    story.write(clients[0])
    for client in clients:
        client.sync()
    for _ in range(story.chance.randint(1, STEPS_MAX)):
        story.one_of(STEPS)(story, story.one_of(clients))
    settle_down(world, clients)
    on_server = {
        remote_id: None if record.deleted else dict(record.document)
        for remote_id, record in world.records.items()
    }
    for client in clients:
        assert client.is_quiet()
        here = client.seen()
        for remote_id, document in on_server.items():
            # A tombstone of what one never saw is nothing to know of.
            assert here.get(remote_id) == document
        assert {each for each, document in here.items() if document is not None} <= set(on_server)
    for value in story.wrote:
        assert story.is_accounted_for(value), value
    for client in clients:
        client.database.close()


ALONE = [step for step in STEPS if step not in {Story.give_up, Story.resolve}]


@given(st.integers(0, 2**64), st.sampled_from(ConflictStrategy))
def test_who_writes_alone_meets_no_conflict_and_ends_with_the_last_word(
    seed: int, strategy: ConflictStrategy
) -> None:
    world = World()
    clients = make_clients(world, strategy, seed)
    writer, reader = clients
    story = Story(world, clients, Random(seed))
    for _ in range(story.chance.randint(1, STEPS_MAX)):
        story.one_of(ALONE)(story, writer)
        if story.one_of([True, False, False]):
            story.pull(reader)
    last_word = {remote_id: said for remote_id, said in writer.seen().items() if said is not None}
    settle_down(world, clients)
    for client in clients:
        assert client.ledger.find_conflicts(client.account, with_resolved=True) == []
        here = {remote_id: said for remote_id, said in client.seen().items() if said is not None}
        assert here == last_word
    for client in clients:
        client.database.close()


def settle_down(world: World, clients: list[Client]) -> None:
    """Let everything arrive, and sync until nothing is left to do."""
    while world.under_way:
        world.arrive(world.under_way.pop(0))
    for _ in range(ROUNDS_MAX):
        for client in clients:
            client.sync()
        if all(client.is_quiet() for client in clients):
            break
    for client in clients:
        client.pull()
