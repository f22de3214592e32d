"""Registries of a group over their real logs: what one commits, the others have, each once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clew.base.errors import ClewError
from clew.store.database.contract import OutcomeUnknownError, Schema, Step
from clew.store.database.sqlite import DatabaseOptions, SqliteDatabase
from clew.store.database.writer import WriterOptions
from clew.store.log.history import History
from tests.conformance.registry_replay import dump
from tests.conformance.registry_writes import error_of, put, result
from tests.integration.log_group import DEADLINE_S, Node, wait_for

NOTES = Schema(
    "notes", (Step(1, "notes", ("CREATE TABLE notes (name TEXT UNIQUE, text TEXT) STRICT",)),)
)


class RegistryNode(Node):
    """A server whose registry is one."""

    registry: SqliteDatabase

    def follow_all(self) -> RegistryNode:
        self._read()
        self.follow()
        return self

    def lead_all(self, *standbys: str, **chosen: Any) -> RegistryNode:
        """Open as what leads: log, registry, pipeline, and only then writes."""
        tail = self._read()
        self.lead(standbys, **chosen)
        self.registry.lead(self.pipeline.record, tail)
        return self

    def close(self) -> None:
        super().close()
        if hasattr(self, "registry"):
            self.registry.close()

    def names(self) -> list[str]:
        found = self.registry.read(lambda reading: reading.rows("SELECT name FROM notes"))
        return sorted(row["name"] for row in found)

    def _read(self) -> list[tuple[int, bytes]]:
        history = History.read(self.folder / "log")
        self.registry = SqliteDatabase.open(
            self.folder,
            [NOTES],
            DatabaseOptions(writer=WriterOptions(probe_s=0.05)),
            changes=lambda after: history.read_changes(after, history.acked),
        )
        self.book = self.registry  # type: ignore[assignment]
        return list(history.read_changes(history.acked, history.last))


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[tuple[RegistryNode, RegistryNode]]:
    made = RegistryNode(tmp_path / "a"), RegistryNode(tmp_path / "b")
    yield made
    for node in made:
        node.close()


def write(node: RegistryNode, name: str) -> None:
    """Write a note once it can be written; one whose outcome nobody knew may be there already."""

    def is_there() -> bool:
        error = node.registry.submit(put(name)).exception(DEADLINE_S)
        is_well = node.registry.status().failure is None
        return error is None or (is_well and name in node.names())

    wait_for(is_there, f"{name} being written")


def wait_following(leader: RegistryNode) -> None:
    def is_ready() -> bool:
        status = leader.pipeline.status().group
        assert status is not None
        return all(each.state == "following" for each in status.standbys)

    wait_for(is_ready, "following")


def test_a_commit_is_on_the_standby_and_the_promoted_standby_goes_on(
    nodes: tuple[RegistryNode, RegistryNode],
) -> None:
    a, b = nodes
    b.follow_all()
    a.lead_all(b.url, ack_timeout_s=DEADLINE_S)
    wait_following(a)
    for number in range(20):
        result(a.registry.submit(put(f"a{number}")))
    wait_for(lambda: b.names() == a.names(), "being applied")
    with pytest.raises(ClewError, match="standby"):
        b.registry.submit(put("mine"))
    a.close()
    b.close()
    # What a was told last may stand in the log of b without a word that it is acknowledged.
    a.follow_all()
    b.lead_all(a.url, ack_timeout_s=DEADLINE_S)
    wait_following(b)
    wait_for(lambda: b.registry.status().failure is None and len(b.names()) == 20, "the tail")
    # Refused until the tail of the log is known to be on both; then it goes on by itself.
    write(b, "first")
    result(b.registry.submit(put("second")))
    wait_for(lambda: a.names() == b.names(), "being applied the other way")
    a.close()
    b.close()
    assert dump(a.registry.path) == dump(b.registry.path)


def test_a_commit_that_nobody_knew_of_is_there_once_when_the_standby_answers(
    nodes: tuple[RegistryNode, RegistryNode],
) -> None:
    a, b = nodes
    b.follow_all()
    a.lead_all(b.url, ack_timeout_s=0.3)
    wait_following(a)
    write(a, "before")
    # The standby's only turn is taken: it hears, and answers nobody.
    b.part._turn.acquire()  # type: ignore[union-attr]
    try:
        doubtful = error_of(a.registry.submit(put("doubtful")))
        assert isinstance(doubtful, OutcomeUnknownError)
        assert str(doubtful.hint).startswith("look whether it was done")
        assert a.names() == ["before"]
        assert not isinstance(error_of(a.registry.submit(put("refused"))), OutcomeUnknownError)
    finally:
        b.part._turn.release()  # type: ignore[union-attr]
    wait_for(lambda: a.names() == ["before", "doubtful"], "being applied after all")
    write(a, "after")
    wait_for(lambda: b.names() == ["after", "before", "doubtful"], "being applied")
    a.close()
    b.close()
    assert dump(a.registry.path) == dump(b.registry.path)
