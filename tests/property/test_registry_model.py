"""The registry's group commit against a plain dictionary, in whatever groups writes come."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clew.store.database.contract import Database, Schema, Step, Transaction
from clew.store.database.writer import WriterOptions
from tests.conformance.registry_places import PLACES, Place, PostgresPlace, SqlitePlace
from tests.trying import examples

DEADLINE_S = 60.0
CELLS = Schema("cells", (Step(1, "cells", ("CREATE TABLE cells (k INTEGER UNIQUE, v INTEGER)",)),))


class RefusedError(Exception):
    """What a write raises in the middle of its work."""


@dataclass(frozen=True)
class Write:
    """Set some cells, then fail or not; `only_new` makes a cell that is there an error."""

    cells: dict[int, int]
    only_new: bool
    fails: bool

    def __call__(self, writing: Transaction) -> int:
        """Do it in the database; return how many cells there are then."""
        for key, value in self.cells.items():
            replace = "" if self.only_new else " ON CONFLICT (k) DO UPDATE SET v = :v"
            writing.run(f"INSERT INTO cells VALUES (:k, :v){replace}", {"k": key, "v": value})
        if self.fails:
            raise RefusedError
        return int(writing.rows("SELECT count(*) AS n FROM cells")[0]["n"])

    def on_model(self, model: dict[int, int]) -> int | None:
        """Do it to a dictionary; None when it raises, and then nothing has changed."""
        if self.fails or (self.only_new and self.cells.keys() & model.keys()):
            return None
        model.update(self.cells)
        return len(model)


WRITES = st.lists(
    st.builds(
        Write,
        st.dictionaries(st.integers(0, 9), st.integers(), max_size=3).map(
            lambda cells: {key: value % 1000 for key, value in cells.items()}
        ),
        st.booleans(),
        st.sampled_from([False, False, True]),
    ),
    max_size=20,
)


@pytest.fixture(
    scope="module",
    params=[(place, group_max) for place in PLACES for group_max in (1, 3, 256)],
    ids=lambda param: f"{param[0]}-{param[1]}",
)
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    kind, group_max = request.param
    with tempfile.TemporaryDirectory() as folder:
        place: Place
        if kind == "sqlite":
            place = SqlitePlace(Path(folder))
        else:
            server = request.getfixturevalue("postgres_server")
            place = PostgresPlace(server, server.new_url())
        yield place.open(CELLS, writer=WriterOptions(group_max=group_max))
        place.close()


@given(WRITES, st.booleans())
@settings(max_examples=examples(20))
def test_writes_of_one_caller_do_what_they_would_one_after_another(
    database: Database, writes: list[Write], is_gathered: bool
) -> None:
    database.submit(lambda writing: writing.run("DELETE FROM cells")).result(DEADLINE_S)
    gate = threading.Event()
    if is_gathered:
        database.submit(lambda _: gate.wait(DEADLINE_S))
    futures: list[Future[int]] = [database.submit(write) for write in writes]
    gate.set()
    model: dict[int, int] = {}
    for write, future in zip(writes, futures, strict=True):
        expected = write.on_model(model)
        error = future.exception(DEADLINE_S)
        assert (error is not None) == (expected is None)
        if error is None:
            assert future.result() == expected
    rows = database.read(lambda reading: reading.rows("SELECT k, v FROM cells"))
    assert {row["k"]: row["v"] for row in rows} == model
