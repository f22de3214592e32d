"""Whatever the strands write, in whatever groups, a log of it makes the same registry again."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any, Final

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clew.access.caller import LOCAL
from clew.access.parameters import NewKey, NewRoleRef
from clew.access.registry import AccessRegistry
from clew.app.store import REGISTRY
from clew.base.errors import ClewError
from clew.base.ids import new_uuid
from clew.lineage.leases.book import LeaseBook
from clew.lineage.terms import NewLease
from clew.store.database.contract import Transaction
from clew.store.database.sqlite import SqliteDatabase
from clew.team.comments.parameters import CommentEdit, NewComment
from clew.team.comments.service import TeamComments
from clew.team.sessions.parameters import NewNote, NewSession
from clew.team.sessions.service import TeamSessions
from clew.tree.journal.schema import keep_position
from clew.tree.machine import changes as tree
from clew.tree.registry.keeping import keep
from clew.twin.registries.book import RegistryBook
from clew.twin.schema.codec import encode_registry
from clew.twin.schema.values import RegistrySchema
from tests.conformance.registry_replay import MemoryLog, check_statements, dump
from tests.conformance.registry_writes import DEADLINE_S, Gate, result
from tests.conformance.team_ledgers import CREATE, UPDATE, Book, Clock
from tests.trying import examples

TRACE: Final = "1" * 32

Strand = Callable[[int, int], Future[Any] | None]
"""Has one of the strands write something, chosen by two small numbers; the future where it may."""


class Strands:
    """Everything that writes to a registry, over one of them."""

    def __init__(self, database: SqliteDatabase) -> None:
        self.database = database
        self.clock = Clock()
        self.access = AccessRegistry.open(database, self.clock)
        self.comments_of = TeamComments(database, self.clock)
        self.sessions_of = TeamSessions(database, self.clock)
        self.registries_of = RegistryBook.open(database, self.clock)
        self.leases_of = LeaseBook(database, self.clock)
        self.book = Book(database, self.clock)

    def comments(self, which: int, how: int) -> Future[Any]:
        own = new_uuid(1_000_000 * (which + 1))[:-12] + f"{which:012x}"
        if how == 0:
            return self.comments_of.delete(own)
        if how == 1:
            return self.comments_of.edit(own, CommentEdit(body=f"edited {which} at {self.clock()}"))
        # The same id again is the same comment, or a conflict.
        return self.comments_of.add(TRACE, NewComment(body=f"said {how}", id=own))

    def sessions(self, which: int, how: int) -> Future[Any]:
        own = f"01964b2e-0000-7000-8000-{which:012x}"
        if how == 0:
            return self.sessions_of.stop(own)
        if how == 1:
            return self.sessions_of.delete(own)
        if how == 2:
            return self.sessions_of.note(own, NewNote(body=f"found {which}"))
        return self.sessions_of.start(NewSession(title=f"t{which}", id=own, switch=True))

    def keys(self, which: int, how: int) -> Future[Any]:
        match how:
            case 0:
                return self.access.grants.add(f"app-{which}", "user:ann", ["read"], LOCAL)
            case 1:
                return self.access.revoked_keys.revoke(f"ed25519:{'A' * 43}=", "lost", LOCAL)
            case 2:
                return self.access.revoked_keys.lift(f"ed25519:{'A' * 43}=", LOCAL)
            case 3:
                wanted = NewRoleRef(name=f"ref-{which}", grants=[], description=str(self.clock()))
                return self.access.role_refs.create(wanted, LOCAL)
        return self.access.keys.create(NewKey(name=f"key-{which}", role="admin"), LOCAL)

    def registries(self, which: int, _how: int) -> Future[Any]:
        return self.registries_of.put(encode_registry(RegistrySchema(name=f"shop{which}")), "ann")

    def leases(self, which: int, how: int) -> Future[Any]:
        self.clock.pass_s(how * 60.0)
        wish = NewLease(process=str(which), host="here", started_at=5)
        return self.leases_of.lease(wish, "tester")

    def ledger(self, which: int, how: int) -> Future[Any] | None:
        if how == 0:
            return self.book.ledger.claim("a", which + 1)
        self.book.write(self.book.comment(f"entity {which}"), CREATE if how > 1 else UPDATE)
        return None

    def tree(self, which: int, how: int) -> Future[Any]:
        made: list[tree.Change] = [
            tree.Happened(at=self.clock(), app_id="a", path=("a",), kind="message", document=b"{}")
            for _ in range(which + 1)
        ]
        made.append(
            tree.MessageAdded(
                app_id="a",
                seq=which,
                msg_type="Status",
                epoch=how,
                is_agent=False,
                payload=b"{}",
                at=self.clock(),
            )
        )
        return self.database.submit(lambda writing: keep(writing, made))

    def journal(self, which: int, how: int) -> Future[Any]:
        def work(writing: Transaction) -> None:
            keep_position(writing, which)
            if how == 0:
                raise ValueError("thought better of it")

        return self.database.submit(work)


STRANDS: Final = tuple(
    name for name, value in vars(Strands).items() if not name.startswith("_") and callable(value)
)

STEPS = st.lists(
    st.tuples(st.sampled_from((*STRANDS, "gate")), st.integers(0, 3), st.integers(0, 4)),
    min_size=1,
    max_size=60,
)


def play(database: SqliteDatabase, steps: list[tuple[str, int, int]]) -> None:
    """Have the strands write; a gate holds back what follows it, so that it is one group."""
    strands = Strands(database)
    waiting: list[Future[Any]] = []
    gate: Gate | None = None
    for name, which, how in steps:
        strands.clock.pass_s(0.001)
        if name == "gate" or (gate is not None and name == "ledger"):
            # A ledger waits for each of its writes.
            if gate is not None:
                gate.open()
            gate = Gate(database) if name == "gate" else None
        if name != "gate":
            try:
                future = partial(getattr(strands, name), which, how)()
            except ClewError:
                continue
            if future is not None:
                waiting.append(future)
    if gate is not None:
        gate.open()
    for future in waiting:
        error = future.exception(DEADLINE_S)
        assert error is None or isinstance(error, ClewError | ValueError), error


@settings(
    max_examples=examples(10), suppress_health_check=[HealthCheck.too_slow], derandomize=False
)
@given(steps=STEPS, cuts=st.lists(st.integers(0, 60), max_size=3))
def test_what_was_recorded_makes_the_same_registry_again_in_any_pieces(
    steps: list[tuple[str, int, int]], cuts: list[int]
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder, log = Path(name), MemoryLog()
        leader = SqliteDatabase.open(folder / "leader", REGISTRY, changes=log.after)
        leader.lead(log.record)
        play(leader, steps)
        leader.close()
        told = log.changes
        follower = SqliteDatabase.open(folder / "follower", REGISTRY, changes=lambda _: ())
        for cut in sorted(cuts):
            # What the log has by then and was not handed in is found when it is opened again.
            for change in told[: cut // 2]:
                result(follower.apply(*change))
            follower.close()
            here = told[:cut]
            follower = SqliteDatabase.open(
                folder / "follower",
                REGISTRY,
                changes=lambda after, here=here: (each for each in here if each[0] > after),  # type: ignore[misc]
            )
        applying = [follower.apply(*change) for change in told]
        for applied in applying:
            result(applied)
        assert follower.applied() == (told[-1][0] if told else 0)
        follower.close()
        assert dump(leader.path) == dump(follower.path)
        check_statements(follower.path, [payload for _, payload in told])
